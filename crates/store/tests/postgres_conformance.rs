//! PostgreSQL passes the suite that every store must pass, whichever version it is.

#[path = "support/elsewhere.rs"]
mod elsewhere;
#[path = "support/pooler.rs"]
mod pooler;
#[path = "support/team.rs"]
mod team;

use stratavore_testkit::postgres::Database;

stratavore_store::conformance!(team::alone);

/// Those that run the others elsewhere, and what holds only here.
const ELSEWHERE: [&str; 3] = [
    "it_is_version_15_or_newer_that_passes_it_here",
    "so_does_the_oldest_version_that_is_supported",
    "so_does_one_behind_a_pooler_in_session_mode",
];

#[test]
fn so_does_the_oldest_version_that_is_supported() {
    elsewhere::passes_on_the_oldest(&ELSEWHERE, 100);
}

#[test]
fn so_does_one_behind_a_pooler_in_session_mode() {
    let pooler = pooler::Pooler::start();
    elsewhere::passes_on(&pooler.url("postgres"), &ELSEWHERE, 100);
    // They were there: the pooler passed on what they asked.
    let passed = pooler.passed();
    assert!(passed > 1000, "{passed}");
}

#[test]
fn it_is_version_15_or_newer_that_passes_it_here() {
    let database = Database::fresh().unwrap();
    let version = database.run_sql("SHOW server_version_num").unwrap();
    let version: u32 = version.parse().unwrap();
    assert!(version >= 150_000, "{version}");
}
