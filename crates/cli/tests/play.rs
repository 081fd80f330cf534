//! `stratavore play` in a real pseudo terminal.

mod support;

use std::fs;

use rustix::process::Signal;
use stratavore_rpc::v1;
use stratavore_testkit::{TempHome, wait_until};
use support::host::{FakeHost, World, runner};
use support::scene::{Scene, holds};
use support::{SOON, places, run};

/// A recording with every mode, a query, a clipboard write, a title and another size on the way.
const RECORDING: &str = concat!(
    r#"{"version": 2, "width": 30, "height": 6, "timestamp": 1700000000}"#,
    "\n",
    r#"[0.0, "o", "hello\r\n\u001b[?1003h\u001b[?1006h\u001b[?2004h\u001b[>1u\u001b[c\u001b[6n\u001b]52;c;aGk=\u0007\u001b]0;theirs\u0007"]"#,
    "\n",
    r#"[4000.0, "o", "second \u001b[31mred\u001b[0m"]"#,
    "\n",
    r#"[5000.0, "r", "100x30"]"#,
    "\n",
    r#"[5000.5, "o", "\u001b[2J\u001b[Hwide \u001b[1;95Hedge"]"#,
    "\n",
);

fn play(args: &str, recording: &str) -> Scene {
    let args = format!("play {args} ./r.cast");
    Scene::set(&args, b"", |home, _, _| {
        fs::write(home.path().join("r.cast"), recording).expect("a file");
    })
}

#[test]
fn a_recording_plays_in_its_own_size_and_leaves_nothing() {
    let scene = play("--idle-limit 0", RECORDING);
    // Whoever plays it sees all of it at once; the last screen stays until the person leaves.
    let screen = scene
        .terminal
        .wait_for("the end, at 1:23:20 · q leaves", SOON);
    assert!(
        screen.contains("edge") && !screen.contains("wide"),
        "what does not fit is cut around the cursor:\n{screen}"
    );
    scene.terminal.type_text("xq");
    scene.left("0");
    let raw = scene.terminal.raw();
    for obeyed in ["\x1b[c", "\x1b[6n", "\x1b]52", "\x1b[?1003h", "\x1b[?2004h"] {
        assert!(!holds(&raw, obeyed.as_bytes()), "{obeyed:?} was passed on");
    }
}

#[test]
fn a_person_pauses_and_steps() {
    let scene = play("", RECORDING);
    let screen = scene.terminal.wait_for("hello", SOON);
    let first = format!("{:30}{}", "hello", "·".repeat(50));
    assert_eq!(screen.lines().next(), Some(first.as_str()));
    assert!(!screen.contains("paused"), "{screen}");
    scene.terminal.type_text(" ");
    scene
        .terminal
        .wait_for("paused at 0:00 · space goes on · . steps · q leaves", SOON);
    scene.terminal.type_text(".");
    let screen = scene.terminal.wait_for("paused at 1:06:40", SOON);
    assert!(screen.contains("second red"), "{screen}");
    scene.terminal.type_text(" ");
    wait_until(SOON, "it to go on", || {
        !scene.terminal.screen().contains("paused")
    });
    scene.terminal.type_text(" ..");
    scene.terminal.wait_for("the end, at 1:23:20", SOON);
    scene.terminal.type_text("\x03");
    scene.left("0");
}

#[test]
fn speed_and_the_recordings_own_idle_limit_count() {
    // A hundredth of one second and of two: nobody waits for a year.
    let header = r#"{"version": 2, "width": 30, "height": 6, "idle_time_limit": 2}"#;
    let recording =
        format!("{header}\n[0,\"o\",\"one\"]\n[1,\"o\",\" two\"]\n[31536000,\"o\",\" three\"]\n");
    let scene = play("--speed 100", &recording);
    scene.terminal.wait_for("one two three", SOON);
    scene.terminal.type_text("q");
    scene.left("0");
}

#[test]
fn a_recording_cut_short_plays_up_to_there() {
    let scene = play(
        "--idle-limit 0",
        &format!("{RECORDING}[5001, \"o\", \"never wri"),
    );
    scene.terminal.wait_for("the end, at 1:23:20", SOON);
    scene.terminal.type_text("q");
    scene.left("0");
}

#[test]
fn a_damaged_recording_plays_up_to_there_and_is_told() {
    let scene = play(
        "--idle-limit 0",
        &format!("{RECORDING}nonsense\n[5002,\"o\",\"x\"]\n"),
    );
    scene
        .terminal
        .wait_for("broken off at 1:23:20: line 6 is no event · q leaves", SOON);
    scene.terminal.type_text("q");
    let screen = scene.left("1");
    assert!(
        screen.contains("error: cannot play ./r.cast: line 6 is no event"),
        "{screen}"
    );
}

#[test]
fn a_resize_draws_it_anew() {
    let scene = play("", RECORDING);
    scene.terminal.wait_for("hello", SOON);
    scene.terminal.resize(40, 10);
    let first = format!("{:30}{}", "hello", "·".repeat(10));
    wait_until(SOON, "the smaller space", || {
        let screen = scene.terminal.screen();
        if screen.lines().next() == Some(first.as_str()) && screen.lines().count() == 10 {
            Ok(())
        } else {
            Err(screen)
        }
    });
    scene.terminal.type_text("q");
    scene.terminal.wait_for("left with 0.", SOON);
}

#[test]
fn signals_and_being_killed_restore_everything() {
    let scene = play("", RECORDING);
    scene.terminal.wait_for("hello", SOON);
    scene.signal(Signal::TERM);
    scene.left("143");
    let scene = play("", RECORDING);
    scene.terminal.wait_for("hello", SOON);
    scene.signal(Signal::KILL);
    let fresh = scene.fresh_modes();
    wait_until(SOON, "the shell's screen", || {
        scene.terminal.screen().starts_with("my own screen") && scene.terminal.modes() == fresh
    });
    scene.terminal.type_text("typed\r");
    scene.terminal.wait_for("read typed.", SOON);
    scene.home.assert_nothing_left(SOON);
}

#[test]
fn a_runners_recording_is_found() {
    for (args, shown) in [
        ("play auth", "attempt 2"),
        ("play auth --attempt 1", "attempt 1"),
    ] {
        let scene = Scene::set(args, b"", |home, _, world| {
            let attempts = home.path().join("runners/r");
            for attempt in ["1", "2"] {
                let directory = attempts.join(attempt);
                fs::create_dir_all(&directory).expect("a directory");
                let recording = RECORDING.replace("hello", &format!("attempt {attempt}"));
                fs::write(directory.join("recording.cast"), recording).expect("a file");
            }
            let newest = attempts.join("2/recording.cast");
            world.runners = vec![v1::Runner {
                attempt: 2,
                recording: Some(newest.to_string_lossy().into_owned()),
                ..runner("auth")
            }];
        });
        scene.terminal.wait_for(shown, SOON);
        scene.terminal.type_text("q");
        scene.left("0");
    }
}

#[test]
fn what_cannot_be_played_is_told() {
    let home = TempHome::new();
    let world = World {
        runners: vec![runner("auth")],
        ..World::default()
    };
    let _host = FakeHost::start(&places(&home), world);
    let told = |args: &[&str]| run(&home, args).shown();
    insta::assert_snapshot!("play_unrecorded", told(&["play", "auth"]));
    insta::assert_snapshot!(
        "play_file_and_attempt",
        told(&["play", "./x.cast", "--attempt", "2"])
    );
    fs::write(home.path().join("x.cast"), RECORDING).expect("a file");
    insta::assert_snapshot!("play_without_terminal", told(&["play", "x.cast"]));
    for (name, recording) in [
        (
            "version_3",
            "{\"version\":3,\"term\":{\"cols\":80,\"rows\":24}}\n",
        ),
        ("no_header", "hello\n"),
    ] {
        let scene = play("", recording);
        let screen = scene.terminal.wait_for("left with 1.", SOON);
        assert!(
            !holds(&scene.terminal.raw(), b"\x1b[?1049h"),
            "the terminal was left alone"
        );
        insta::assert_snapshot!(format!("play_{name}"), screen);
    }
    let scene = Scene::with("play ./missing.cast", b"", Vec::new());
    insta::assert_snapshot!(
        "play_missing",
        scene.terminal.wait_for("left with 1.", SOON)
    );
}
