//! A test program again, on the oldest PostgreSQL that Stratavore works with.

use std::process::Command;

use stratavore_testkit::postgres::{self, Postgres};

/// Runs all tests of this program, but for the one that asks, with their databases on the oldest version.
pub(crate) fn passes_on_the_oldest(asking: &str, at_least: usize) {
    let server = Postgres::oldest().unwrap();
    let version = server.run_sql("postgres", "SHOW server_version").unwrap();
    assert!(version.starts_with("13."), "{version}");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--skip", asking])
        .env(postgres::URL, server.url("postgres"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let passed: usize = said
        .split_once("test result: ok. ")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())
        .expect("how many passed");
    println!("{passed} passed on PostgreSQL {version}");
    assert!(passed >= at_least, "{said}");
}
