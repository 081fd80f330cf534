//! `stratavore attach` among other viewers: whose size counts, and what programs ask of those who look on.

mod support;

use stratavore_rpc::v1;
use stratavore_wire::{Asked, Attached, Message, Viewers};
use support::SOON;
use support::host::runner;
use support::scene::{Scene, holds};

fn attached(place: &str, (columns, rows): (u16, u16), decides: bool) -> Attached {
    Attached {
        place: place.into(),
        columns,
        rows,
        read_only: false,
        decides,
        you: place == "here",
    }
}

/// Attaches to a terminal that another viewer has made that large.
fn among_others(args: &str, size: (u16, u16), snapshot: &[u8]) -> Scene {
    let scene = Scene::set(args, snapshot, |_, agent, world| {
        world.runners = vec![runner("auth")];
        agent.set_size(size.0, size.1);
    });
    scene.agent.wait_attached(1);
    scene.agent.send(&Message::Viewers(Viewers {
        count: 2,
        read_only: 0,
        attached: vec![
            attached("window", size, true),
            attached("here", (80, 24), false),
        ],
    }));
    scene
}

#[test]
fn it_says_where_it_is() {
    let scene = Scene::start("attach auth", b"hello");
    scene.agent.wait_heard(
        "the place",
        |message| matches!(message, Message::Attach(attach) if attach.place.starts_with("pts/")),
    );
    scene.terminal.wait_for("hello", SOON);
}

#[test]
fn a_smaller_terminal_is_shown_in_the_upper_left() {
    let scene = among_others(
        "attach auth",
        (20, 5),
        b"\x1b[2J\x1b[H01234567890123456789wrapped\x1b[5;1Hbottom",
    );
    let screen = scene.terminal.wait_for("ctrl-] takes over", SOON);
    let rows: Vec<&str> = screen.lines().collect();
    let dots = |count| "·".repeat(count);
    assert_eq!(rows[0], format!("01234567890123456789{}", dots(60)));
    assert_eq!(rows[1], format!("{:20}{}", "wrapped", dots(60)));
    assert_eq!(rows[4], format!("{:20}{}", "bottom", dots(60)));
    assert_eq!(rows[5], dots(80));
    assert_eq!(
        rows[23],
        " 20x5, the size of window · ctrl-] takes over · ctrl-\\ detaches"
    );
    scene.agent.output(b"\x1b[2;1H\x1b[Kmore");
    let screen = scene.terminal.wait_for("more", SOON);
    assert!(
        screen
            .lines()
            .nth(1)
            .unwrap()
            .starts_with(&format!("{:20}·", "more"))
    );
    scene.terminal.type_text("\x1c");
    scene.left("0");
}

#[test]
fn a_larger_terminal_is_cut_around_its_cursor() {
    let scene = among_others(
        "attach auth",
        (100, 40),
        b"\x1b[2J\x1b[Htop\x1b[20;95Hright\x1b[40;1Hprompt> ",
    );
    let screen = scene.terminal.wait_for("ctrl-] takes over", SOON);
    let rows: Vec<&str> = screen.lines().collect();
    assert_eq!(rows[22], "prompt>", "{screen}");
    assert!(
        !screen.contains("top") && !screen.contains("right"),
        "{screen}"
    );
    scene.agent.output(b"\x1b[H");
    scene.terminal.wait_for("top", SOON);
    scene.terminal.type_text("\x1c");
    scene.left("0");
}

#[test]
fn the_size_is_taken_over_without_typing_anything() {
    let scene = among_others("attach auth", (20, 5), b"\x1b[2J\x1b[Hsmall");
    scene.terminal.wait_for("ctrl-] takes over", SOON);
    scene.terminal.type_text("\x1b[93;5u");
    scene
        .agent
        .wait_heard("the take-over", |message| *message == Message::TakeOver);
    scene.agent.snapshot(80, 24, b"\x1b[2J\x1b[Hlarge");
    let screen = scene.terminal.wait_for("large", SOON);
    assert_eq!(screen, "large", "the box and its hint are gone");
    // Where there is nothing to take over the key is the program's.
    scene.terminal.type_text("\x1dx\x1c");
    scene.left("0");
    scene.agent.wait_typed(b"\x1dx");
}

#[test]
fn modes_follow_the_program_in_the_box_too() {
    let scene = among_others(
        "attach auth",
        (20, 5),
        b"\x1b[2J\x1b[Hsmall\x1b[?2004h\x1b[?1000h",
    );
    scene.terminal.wait_for("ctrl-] takes over", SOON);
    let raw = scene.terminal.raw();
    assert!(holds(&raw, b"\x1b[?2004h"));
    assert!(
        !holds(&raw, b"\x1b[?1000h"),
        "a click in a box points at nothing"
    );
    // What is pasted stays one paste, and the key in it is part of it.
    scene.terminal.type_text("\x1b[200~a\x1db\x1b[201~\x1c");
    scene.left("0");
    scene.agent.wait_typed(b"\x1b[200~a\x1db\x1b[201~");
}

#[test]
fn a_reader_takes_nothing_over() {
    let scene = among_others("attach auth --read-only", (20, 5), b"\x1b[2J\x1b[Hsmall");
    let screen = scene
        .terminal
        .wait_for("read-only · ctrl-\\ detaches", SOON);
    assert!(!screen.contains("takes over"), "{screen}");
    scene.terminal.type_text("\x1d\x1c");
    scene.left("0");
    scene.agent.wait_typed(b"");
}

#[test]
fn a_resize_while_another_decides_changes_the_box() {
    let scene = among_others("attach auth", (20, 5), b"\x1b[2J\x1b[Hsmall");
    scene.terminal.wait_for("ctrl-] takes over", SOON);
    scene.terminal.resize(40, 12);
    stratavore_testkit::wait_until(SOON, "the smaller box", || {
        let screen = scene.terminal.screen();
        let rows: Vec<&str> = screen.lines().collect();
        let fits = rows.first() == Some(&format!("{:20}{}", "small", "·".repeat(20)).as_str())
            && rows.len() == 12
            && rows[11].starts_with(" 20x5, the size of window");
        if fits { Ok(()) } else { Err(screen) }
    });
    // Once both have one size there is no box.
    scene.terminal.resize(20, 5);
    stratavore_testkit::wait_until(SOON, "no box", || {
        let screen = scene.terminal.screen();
        if screen == "small" {
            Ok(())
        } else {
            Err(screen)
        }
    });
    scene.terminal.type_text("\x1c");
    scene.terminal.wait_for("left with 0.", SOON);
}

fn setting(key: &str, value: &str) -> v1::Setting {
    v1::Setting {
        key: key.into(),
        value: value.into(),
        source: "default".into(),
    }
}

fn with_settings(settings: Vec<v1::Setting>) -> Scene {
    Scene::set("attach auth", b"hello", |_, _, world| {
        world.runners = vec![runner("auth")];
        world.settings = settings;
    })
}

fn ask(scene: &Scene) {
    scene.terminal.wait_for("hello", SOON);
    for text in ["one", "two"] {
        scene.agent.send(&Message::Asked(Asked::Clipboard {
            selection: 'c',
            text: text.into(),
        }));
    }
    scene.agent.send(&Message::Asked(Asked::Notify {
        title: "auth".into(),
        body: "is done".into(),
    }));
    scene.agent.output(b" and more");
    scene.terminal.wait_for("hello and more", SOON);
    scene.terminal.type_text("\x1c");
}

#[test]
fn clipboard_writes_that_were_not_passed_are_told_on_leaving() {
    let scene = Scene::start("attach auth", b"hello");
    ask(&scene);
    let screen = scene.left("0").replace('\n', "");
    assert!(
        screen.contains("auth wrote to the clipboard 2 times; that was not passed on: the setting `terminal.clipboard = \"allow\"` passes them"),
        "{screen}"
    );
    let raw = scene.terminal.raw();
    assert!(!holds(&raw, b"\x1b]52;"));
    assert!(holds(&raw, b"\x1b]777;notify;auth;is done\x1b\\"));
}

#[test]
fn the_settings_decide_about_clipboard_and_notifications() {
    let scene = with_settings(vec![
        setting("terminal.clipboard", "allow"),
        setting("terminal.notifications", "ignore"),
    ]);
    ask(&scene);
    let screen = scene.left("0");
    assert!(!screen.contains("clipboard"), "{screen}");
    let raw = scene.terminal.raw();
    assert!(holds(&raw, b"\x1b]52;c;b25l\x1b\\") && holds(&raw, b"\x1b]52;c;dHdv\x1b\\"));
    assert!(!holds(&raw, b"\x1b]777;"));
    let scene = with_settings(vec![setting("terminal.clipboard", "refuse")]);
    ask(&scene);
    assert!(!scene.left("0").contains("clipboard"));
    assert!(!holds(&scene.terminal.raw(), b"\x1b]52;"));
}
