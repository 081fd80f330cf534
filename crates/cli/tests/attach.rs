//! `stratavore attach` in a real pseudo terminal, against an agent that says what the test wants.

mod support;

use std::path::PathBuf;

use rustix::process::Signal;
use stratavore_testkit::wait_until;
use stratavore_wire::{Exit, Message};
use support::SOON;
use support::host::{ended, runner};
use support::scene::{Scene, holds};

/// Every mode that a program may set, a title, colours, and a text.
const MODES: &[u8] = b"\x1b[2J\x1b[Hhello\x1b[?1000h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[?2031h\x1b[?1h\x1b=\x1b[?25l\x1b[?7l\
    \x1b[4h\x1b[3;9r\x1b[?6h\x1b[>1u\x1b[>4;2m\x1b[5 q\x1b(0\x1b]0;theirs\x07\x1b]11;#102030\x07\x1b[31;7m\x1b[?2026h";

#[test]
fn detaching_restores_everything_and_the_runner_goes_on() {
    let scene = Scene::start("attach auth", MODES);
    scene.terminal.wait_for("hello", SOON);
    assert!(
        !scene.terminal.screen().contains("my own screen"),
        "the runner has the screen to itself"
    );
    scene.terminal.type_text("ls\x1c");
    let screen = scene.left("0");
    assert!(
        screen.contains(
            "detached from auth (still running); attach again with `stratavore attach auth`"
        ),
        "{screen}"
    );
    scene.agent.wait_typed(b"ls");
    assert!(
        holds(&scene.terminal.raw(), b"\x1b]111\x1b\\"),
        "the background that the program changed is reset"
    );
    assert!(
        !holds(&scene.terminal.raw(), b"\x1b]104"),
        "a palette that it did not change is not"
    );
}

#[test]
fn the_detach_key_is_known_in_kittys_and_xterms_encodings() {
    for key in [
        "\x1b[92;5u",
        "\x1b[92;133u",
        "\x1b[92:124;5:1u",
        "\x1b[27;5;92~",
    ] {
        let scene = Scene::start("attach auth", MODES);
        scene.terminal.wait_for("hello", SOON);
        scene.terminal.type_text(format!("a{key}"));
        scene.left("0");
        scene.agent.wait_typed(b"a");
    }
}

#[test]
fn the_end_of_the_runner_is_told_and_restores_everything() {
    let scene = Scene::start("attach auth", MODES);
    scene.terminal.wait_for("hello", SOON);
    scene.host().change("auth", |runner| {
        *runner = ended("auth", "terminated", Some(0), None)
    });
    scene.end_runner(Exit::Code(0));
    let screen = scene.left("0");
    assert!(screen.contains("auth ended: exit 0"), "{screen}");
}

#[test]
fn the_end_of_the_runner_is_told_without_a_host_too() {
    let mut scene = Scene::start("--no-start attach auth", b"\x1b[2J\x1b[Hhello\x1b[?1003h");
    scene.terminal.wait_for("hello", SOON);
    drop(scene.host.take());
    scene.agent.output(b"still here");
    scene.terminal.wait_for("still here", SOON);
    scene.end_runner(Exit::Signal(9));
    let screen = scene.left("0");
    assert!(screen.contains("auth ended: signal 9"), "{screen}");
}

#[test]
fn signals_detach_and_restore_everything() {
    for (signal, code, name) in [
        (Signal::TERM, "143", "SIGTERM"),
        (Signal::HUP, "129", "SIGHUP"),
        (Signal::INT, "130", "SIGINT"),
    ] {
        let scene = Scene::start("attach auth", MODES);
        scene.terminal.wait_for("hello", SOON);
        scene.signal(signal);
        let screen = scene.left(code);
        assert!(
            screen.contains(&format!("detached from auth (still running) by {name}")),
            "{screen}"
        );
    }
}

#[test]
fn being_killed_outright_restores_everything() {
    let scene = Scene::start("attach auth", MODES);
    scene.terminal.wait_for("hello", SOON);
    scene.signal(Signal::KILL);
    // What the shell prints before the guard has noticed is lost with the alternate screen.
    wait_until(SOON, "the shell's screen", || {
        scene.terminal.screen().starts_with("my own screen")
    });
    let fresh = scene.fresh_modes();
    wait_until(SOON, "the modes to be off", || {
        scene.terminal.modes() == fresh
    });
    let before = std::fs::read_to_string(scene.home.path().join("before")).expect("stty wrote it");
    wait_until(SOON, "the terminal's settings to be what they were", || {
        let now = scene.settings();
        if now == before { Ok(()) } else { Err(now) }
    });
    assert!(
        holds(&scene.terminal.raw(), b"\x1b]111\x1b\\"),
        "the background that the program changed is reset"
    );
    assert_eq!(scene.terminal.title(), "mine");
    scene.terminal.type_text("typed\r");
    scene.terminal.wait_for("read typed.", SOON);
    scene.home.assert_nothing_left(SOON);
}

#[test]
fn the_agents_death_is_told_and_restores_everything() {
    let mut scene = Scene::start("attach auth", MODES);
    scene.terminal.wait_for("hello", SOON);
    scene.host().change("auth", |runner| {
        *runner = ended("auth", "failed", None, None);
        runner.exit = Some(stratavore_rpc::v1::Exit {
            reason: "agent lost".into(),
            ..Default::default()
        });
    });
    scene.agent.die();
    let screen = scene.left("1");
    assert!(
        screen.contains("error: auth failed: agent lost\nhint: start it again with"),
        "{screen}"
    );
}

#[test]
fn the_users_title_is_back_whatever_the_program_put_aside() {
    let scene = Scene::start("attach auth", b"\x1b]2;theirs\x1b\\\x1b[22;2thello");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.output(b"\x1b[22;0t\x1b]0;another\x07 more");
    scene.terminal.wait_for("more", SOON);
    assert_eq!(scene.terminal.title(), "another");
    scene.terminal.type_text("\x1c");
    scene.left("0");
}

#[test]
fn leaving_the_alternate_screen_fetches_what_was_behind_it() {
    let scene = Scene::start("attach auth", b"\x1b[2J\x1b[Hhello");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.output(b"\x1b[?1049h\x1b[Hfull screen");
    let screen = scene.terminal.wait_for("full screen", SOON);
    assert!(!screen.contains("hello"), "{screen}");
    scene
        .agent
        .set_snapshot(b"\x1b[?1049l\x1b[2J\x1b[Hhello again");
    scene.agent.output(b"\x1b[?1049lstale");
    scene.terminal.wait_for("hello again", SOON);
    scene.agent.wait_heard(
        "the wish for a snapshot",
        |message| matches!(message, Message::Redraw(redraw) if redraw.history_lines == 0),
    );
    scene.terminal.type_text("x\x1c");
    scene.left("0");
    scene.agent.wait_typed(b"x");
    assert!(!holds(&scene.terminal.raw(), b"stale"));
}

#[test]
fn a_resize_reaches_the_runner_and_its_snapshot_is_shown() {
    let scene = Scene::start("attach auth", b"\x1b[2J\x1b[Hhello");
    scene.agent.wait_heard("the first size", |message| {
        matches!(message, Message::Attach(attach) if (attach.columns, attach.rows) == (80, 24) && !attach.read_only)
    });
    scene.terminal.wait_for("hello", SOON);
    scene.terminal.resize(100, 30);
    scene.agent.wait_heard("the new size", |message| {
        matches!(message, Message::Resize(size) if (size.columns, size.rows) == (100, 30))
    });
    let resized = stratavore_wire::Resized {
        columns: 100,
        rows: 30,
    };
    scene.agent.send(&Message::Resized(resized));
    let bytes = b"\x1b[2J\x1b[Hwider".to_vec();
    scene.agent.send(&Message::Snapshot {
        seq: 9,
        columns: 100,
        rows: 30,
        bytes,
    });
    let screen = scene.terminal.wait_for("wider", SOON);
    assert!(!screen.contains("hello"), "{screen}");
    scene.terminal.type_text("\x1c");
    scene.terminal.wait_for("left with 0.", SOON);
}

#[test]
fn a_read_only_attachment_types_nothing() {
    let scene = Scene::start("attach auth --read-only", b"\x1b[2J\x1b[Hhello");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.wait_heard(
        "the attachment",
        |message| matches!(message, Message::Attach(it) if it.read_only),
    );
    scene.terminal.type_text("rm -rf /\r\x1c");
    scene.left("0");
    assert_eq!(scene.agent.typed(), b"");
}

#[test]
fn everything_shown_is_acknowledged() {
    let scene = Scene::start("attach auth", b"hello");
    scene.terminal.wait_for("hello", SOON);
    for _ in 0..50 {
        scene.agent.output(&b"0123456789abcde\n".repeat(256));
    }
    scene.agent.output(b"the end");
    scene.terminal.wait_for("the end", SOON);
    wait_until(SOON, "the acknowledgement", || {
        let acknowledged = scene.agent.acknowledged();
        // But for the last piece, which is less than is worth a message.
        let shown = 50 * 4096 + 5 + 7;
        if (shown - 16 * 1024..=shown).contains(&acknowledged) {
            Ok(())
        } else {
            Err(acknowledged.to_string())
        }
    });
}

#[test]
fn a_chosen_key_detaches_and_the_usual_one_is_typed() {
    let scene = Scene::start("attach auth --detach-key ctrl-a", b"hello");
    scene.terminal.wait_for("hello", SOON);
    scene.terminal.type_text("x\x1c\x1d\x1b[97;5u");
    scene.left("0");
    scene.agent.wait_typed(b"x\x1c\x1d");
}

#[test]
fn a_broken_connection_is_made_again() {
    let scene = Scene::start("attach auth", b"hello");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.set_snapshot(b"\x1b[2J\x1b[Hback again");
    scene.agent.drop_viewers();
    scene.agent.wait_attached(2);
    scene.terminal.wait_for("back again", SOON);
    scene.terminal.type_text("x\x1c");
    scene.left("0");
    scene.agent.wait_typed(b"x");
}

#[test]
fn a_connection_that_stays_broken_while_the_runner_lives_is_told() {
    let scene = Scene::start("attach auth", b"hello");
    for attached in 1..=4 {
        scene.agent.wait_attached(attached);
        scene.agent.drop_viewers();
    }
    let screen = scene.left("8");
    assert!(
        screen.contains("error: the connection to auth was lost; auth still runs\nhint: attach again with `stratavore attach auth`"),
        "{screen}"
    );
}

#[test]
fn held_keys_are_typed_when_they_were_none() {
    let scene = Scene::start("attach auth", b"hello");
    scene.terminal.wait_for("hello", SOON);
    scene.terminal.type_text("\x1b[");
    scene.agent.wait_typed(b"\x1b[");
}

#[test]
fn a_project_without_runners_is_launched_and_attached() {
    let scene = Scene::with("api", MODES, Vec::new());
    scene.terminal.wait_for("hello", SOON);
    assert!(scene.host().was_asked("LaunchRequest { project: \"api\""));
    assert!(scene.host().was_asked("columns: Some(80), rows: Some(24)"));
    scene.terminal.type_text("\x1c");
    assert!(scene.left("0").contains("detached from fresh"));
}

#[test]
fn a_project_with_one_runner_attaches_to_it() {
    let scene = Scene::with(
        "api",
        MODES,
        vec![runner("auth"), ended("old", "failed", Some(1), None)],
    );
    scene.terminal.wait_for("hello", SOON);
    assert!(!scene.host().was_asked("LaunchRequest"));
    scene.terminal.type_text("\x1c");
    assert!(scene.left("0").contains("detached from auth"));
}

#[test]
fn a_project_with_several_runners_lets_choose() {
    // The choice is shown on stderr, which the scene keeps in a file.
    let scene = Scene::with("api", MODES, vec![runner("auth"), runner("billing")]);
    let stderr: PathBuf = scene.home.path().join("stderr");
    let asked = || std::fs::read_to_string(&stderr).unwrap_or_default();
    wait_until(SOON, "the question", || {
        asked().contains("attach to (1-2, nothing for none): ")
    });
    assert!(
        asked().contains("1  auth  claude  running  2h\n2  billing  claude  running  2h\n"),
        "{}",
        asked()
    );
    scene.terminal.type_text("7\r");
    wait_until(SOON, "the question again", || {
        asked().contains("there is no 7")
    });
    scene.terminal.type_text("2\r");
    scene.terminal.wait_for("hello", SOON);
    scene.terminal.type_text("\x1c");
    scene.terminal.wait_for("left with 0.", SOON);
    assert!(asked().contains("detached from billing"), "{}", asked());
}

#[test]
fn a_runner_that_has_ended_is_not_attached_to() {
    let scene = Scene::with(
        "attach old",
        MODES,
        vec![ended("old", "failed", Some(3), None)],
    );
    let screen = scene.terminal.wait_for("left with 6.", SOON);
    assert!(
        screen.contains(
            "error: cannot attach to old: it is failed (exit 3)\nhint: see what it showed"
        ),
        "{screen}"
    );
    assert!(
        !holds(&scene.terminal.raw(), b"\x1b[?1049h"),
        "the terminal was left alone"
    );
}

#[test]
fn a_runner_on_its_way_is_waited_for() {
    let mut starting = runner("auth");
    starting.state = "starting".into();
    let scene = Scene::with("attach auth", MODES, vec![starting]);
    wait_until(SOON, "the watch", || scene.host().watchers() == 1);
    scene
        .host()
        .change("auth", |runner| runner.state = "running".into());
    scene.terminal.wait_for("hello", SOON);
    scene.terminal.type_text("\x1c");
    scene.left("0");
}
