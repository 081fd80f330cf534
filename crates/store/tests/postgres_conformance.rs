//! PostgreSQL passes the suite that every store must pass.

#[path = "support/team.rs"]
mod team;

stratavore_store::conformance!(team::alone);
