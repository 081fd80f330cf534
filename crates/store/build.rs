//! Builds the crate again when a migration is added: `sqlx::migrate!` only watches those it has seen.

fn main() {
    println!("cargo:rerun-if-changed=../../migrations/sqlite");
    println!("cargo:rerun-if-changed=../../migrations/postgres");
}
