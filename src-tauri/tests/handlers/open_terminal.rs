//! A runner's terminal opens in the user's terminal emulator.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use stratavore_api::Code;
use stratavore_core::clock::SystemClock;
use stratavore_desktop::mailbox::Letter;
use stratavore_desktop::tray::{Action, act};

use crate::support::Rig;

/// Puts a program where the desktop looks for programs.
fn install(rig: &Rig, name: &str, script: &str) {
    let path = rig.home.path().join("bin").join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Installs an emulator that writes down how it was called, whole or not at all.
pub(crate) fn install_emulator(rig: &Rig) {
    let noted = noted(rig);
    let note = format!(
        "printf '%s\\n' \"$0\" \"$@\" > '{0}.part'; exec /bin/mv '{0}.part' '{0}'",
        noted.display()
    );
    install(rig, "stratavore", "exit 1");
    install(rig, "foot", &note);
}

fn noted(rig: &Rig) -> std::path::PathBuf {
    rig.home.path().join("noted")
}

/// Tells how the emulator was called.
pub(crate) fn call(rig: &Rig) -> String {
    let bin = rig.home.path().join("bin");
    let noted = fs::read_to_string(noted(rig)).expect("the emulator was called");
    noted.replace(&*bin.to_string_lossy(), "BIN")
}

#[tokio::test]
async fn a_click_runs_the_emulator_attached_to_the_runner() {
    let rig = Rig::new();
    install_emulator(&rig);
    // The runner's id is one word, whatever it holds.
    act(
        &rig.desktop,
        Action::OpenInTerminal("0199-a; x".into()),
        &SystemClock,
    )
    .await;
    assert_eq!(call(&rig), "BIN/foot\nBIN/stratavore\nattach\n0199-a; x\n");
    assert!(
        rig.shell.raised.lock().unwrap().is_empty(),
        "no window is needed"
    );
}

#[tokio::test]
async fn what_is_missing_or_fails_is_told() {
    let rig = Rig::new();
    let told = async || rig.desktop.emulator.open("0199-a").await.unwrap_err();
    let failure = told().await;
    assert_eq!(failure.code, Code::Unavailable);
    assert!(
        failure
            .message
            .contains("`stratavore` is neither beside the app nor in PATH")
    );

    install(&rig, "stratavore", "exit 1");
    let failure = told().await;
    assert_eq!(failure.message, "no terminal emulator was found");
    let hint = failure.hint.unwrap();
    assert!(hint.contains("`stratavore attach 0199-a`"), "{hint}");

    install(&rig, "xterm", "exit 3");
    let failure = told().await;
    let xterm = rig.home.path().join("bin/xterm");
    assert!(
        failure
            .message
            .starts_with(&format!("{} ended at once: ", xterm.display())),
        "{failure:?}"
    );

    rig.desktop.presence.send_replace(Some(Default::default()));
    rig.desktop.greet().await;
    act(
        &rig.desktop,
        Action::OpenInTerminal("0199-a".into()),
        &SystemClock,
    )
    .await;
    let delivered = rig.shell.delivered.lock().unwrap();
    assert!(
        matches!(&delivered[..], [Letter::Problem(problem)] if problem.contains("ended at once")),
        "{delivered:?}"
    );
}

#[tokio::test]
async fn an_emulator_that_stays_is_waited_for_no_longer_than_it_takes_to_start() {
    let rig = Rig::new();
    install(&rig, "stratavore", "exit 1");
    let done = rig.home.path().join("done");
    let fifo = rig.home.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
    let wait = format!(
        "read line < '{}'; echo > '{}'",
        fifo.display(),
        done.display()
    );
    install(&rig, "kitty", &wait);
    rig.desktop.emulator.open("0199-a").await.unwrap();
    assert!(!Path::new(&done).exists(), "it still runs");
    fs::write(&fifo, "end\n").unwrap();
    let ended = async {
        while !done.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), ended)
        .await
        .unwrap();
}
