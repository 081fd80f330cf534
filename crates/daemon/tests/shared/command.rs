//! The command line's program, run in a home.

use std::process::Stdio;

use stratavore_testkit::TempHome;
use stratavore_testkit::binary::built;

/// Runs `stratavore`, and gives its exit code and all that it printed.
pub(crate) fn ran(home: &TempHome, args: &[&str]) -> (i32, String) {
    // The host and the agent are found beside it.
    for (package, program) in [
        ("stratavore-daemon", "stratavored"),
        ("stratavore-agent", "stratavore-agent"),
    ] {
        built(package, program);
    }
    let mut command = home.command(built("stratavore-cli", "stratavore"));
    command.args(args).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code().unwrap_or(-1), said)
}

/// Runs `stratavore`, which succeeds, and gives all that it printed.
#[track_caller]
pub(crate) fn said(home: &TempHome, args: &[&str]) -> String {
    let (code, said) = ran(home, args);
    assert_eq!(code, 0, "{args:?}: {said}");
    said
}
