//! PostgreSQL passes the suite that every store must pass, whichever version it is.

#[path = "support/elsewhere.rs"]
mod elsewhere;
#[path = "support/pooler.rs"]
mod pooler;
#[path = "support/team.rs"]
mod team;

stratavore_store::conformance!(team::alone);

const ELSEWHERE: [&str; 2] = [
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
