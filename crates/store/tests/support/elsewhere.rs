//! A test program again, on another PostgreSQL: the oldest that Stratavore works with, or one that is reached another way.
#![allow(dead_code, reason = "each test file uses its part")]

use std::process::Command;

use stratavore_testkit::postgres::{self, Postgres};

/// Runs all tests of this program, but for these, with their databases on the oldest version.
pub(crate) fn passes_on_the_oldest(but: &[&str], at_least: usize) {
    let server = Postgres::oldest().unwrap();
    let version = server.run_sql("postgres", "SHOW server_version").unwrap();
    assert!(version.starts_with("13."), "{version}");
    passes_on(&server.url("postgres"), but, at_least);
}

/// Runs all tests of this program, but for these, with their databases on the server of a URL.
pub(crate) fn passes_on(url: &str, but: &[&str], at_least: usize) {
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("--exact")
        .args(but.iter().flat_map(|test| ["--skip", test]))
        .env(postgres::URL, url)
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
    println!("{passed} passed on {url}");
    assert!(passed >= at_least, "{said}");
}
