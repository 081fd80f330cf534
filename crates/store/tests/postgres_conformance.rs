//! PostgreSQL passes the suite that every store must pass, whichever version it is.

#[path = "support/oldest.rs"]
mod oldest;
#[path = "support/team.rs"]
mod team;

stratavore_store::conformance!(team::alone);

#[test]
fn so_does_the_oldest_version_that_is_supported() {
    oldest::passes_on_the_oldest("so_does_the_oldest_version_that_is_supported", 100);
}
