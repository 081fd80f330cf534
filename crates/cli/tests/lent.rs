//! The user's terminal, lent to the agent while `stratavore attach` has nothing to do but to pass on.

mod support;

use std::fs::File;
use std::io::{Read, Write};

use rustix::process::Signal;
use stratavore_testkit::wait_until;
use stratavore_wire::{Exit, Message, Refusal, Refused};
use support::SOON;
use support::host::runner;
use support::scene::{Scene, holds};

fn lending(args: &str, snapshot: &[u8]) -> Scene {
    Scene::set(args, snapshot, |_, agent, world| {
        agent.take_lent();
        world.runners = vec![runner("auth")];
    })
}

/// Reads in the place of the agent what is typed.
#[track_caller]
fn reads(mut terminal: &File, text: &[u8]) {
    let mut typed = Vec::new();
    wait_until(SOON, "what is typed", || {
        let mut buffer = [0; 64];
        // Nothing is there yet, or it is all read.
        let read = terminal.read(&mut buffer).unwrap_or(0);
        typed.extend_from_slice(&buffer[..read]);
        if typed == text {
            Ok(())
        } else {
            Err(typed.escape_ascii().to_string())
        }
    });
}

/// Counts how often it was lent.
fn lent(scene: &Scene) -> usize {
    scene
        .agent
        .count(|message| matches!(message, Message::Lend(_)))
}

#[test]
fn the_agent_reads_and_writes_and_this_process_does_not() {
    let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello");
    scene.terminal.wait_for("hello", SOON);
    let mut terminal = scene.agent.wait_lent();
    for text in ["one", "two"] {
        scene.terminal.type_text(text);
        reads(&terminal, text.as_bytes());
        terminal.write_all(text.as_bytes()).expect("it takes it");
        scene.terminal.wait_for(text, SOON);
    }
    assert_eq!(scene.agent.typed(), b"");
    assert_eq!(lent(&scene), 1);
}

#[test]
fn any_message_gives_it_back_until_it_is_lent_again() {
    let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello");
    scene.terminal.wait_for("hello", SOON);
    let mut terminal = scene.agent.wait_lent();
    // The beginning of a sequence whose rest the terminal did not take.
    terminal.write_all(b"\x1b[3").expect("it takes it");
    scene.agent.output(b"1mred");
    let screen = scene.terminal.wait_for("red", SOON);
    assert!(!screen.contains("1mred"), "{screen}");
    let mut terminal = scene.agent.wait_lent();
    scene.terminal.type_text("typed");
    reads(&terminal, b"typed");
    terminal.write_all(b"direct").expect("it takes it");
    scene.terminal.wait_for("direct", SOON);
    assert_eq!(lent(&scene), 2);
}

#[test]
fn what_the_agent_hands_over_is_looked_at_for_keys() {
    let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello\x1b[?1003h");
    scene.terminal.wait_for("hello", SOON);
    let terminal = scene.agent.wait_lent();
    scene.terminal.type_text("x\x1b[92;5u");
    reads(&terminal, b"x\x1b[92;5u");
    let bytes = b"x\x1b[92;5u".to_vec();
    scene.agent.send(&Message::Typed { bytes });
    let screen = scene.left("0");
    assert!(
        screen.contains("detached from auth (still running)"),
        "{screen}"
    );
    scene.agent.wait_typed(b"x");
}

#[test]
fn what_was_typed_after_the_detach_key_is_the_shells() {
    let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello");
    scene.terminal.wait_for("hello", SOON);
    let terminal = scene.agent.wait_lent();
    scene.terminal.type_text("\x1c");
    reads(&terminal, b"\x1c");
    scene.terminal.type_text("typed ahead");
    wait_until(SOON, "it to arrive", || {
        rustix::io::ioctl_fionread(&terminal).is_ok_and(|unread| unread == 11)
    });
    drop(terminal);
    let bytes = b"\x1c".to_vec();
    scene.agent.send(&Message::Typed { bytes });
    scene.terminal.wait_for("left with 0.", SOON);
    scene.terminal.type_text("\r");
    scene.terminal.wait_for("read typed ahead.", SOON);
}

#[test]
fn an_agent_that_hangs_does_not_keep_the_detach_key() {
    let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello\x1b[?1003h");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.wait_lent();
    // Nobody reads, and the terminal is not let go either.
    scene.agent.keep_lent();
    scene.terminal.type_text("ls\x1c");
    scene.left("0");
    scene.agent.wait_typed(b"ls");
}

#[test]
fn the_terminal_is_restored_once_the_agent_has_let_go() {
    for (signal, code) in [(Signal::TERM, Some("143")), (Signal::KILL, None)] {
        let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello\x1b[?1003h");
        scene.terminal.wait_for("hello", SOON);
        let mut terminal = scene.agent.wait_lent();
        let stratavore = scene.stratavore();
        scene.agent.keep_lent();
        scene.signal(signal);
        scene.agent.wait_left();
        // It has not noticed yet.
        terminal
            .write_all(b"\x1b[?1000h\x1b[?25llate")
            .expect("it takes it");
        drop(terminal);
        scene.agent.let_go();
        match code {
            Some(code) => drop(scene.left(code)),
            None => {
                wait_until(SOON, "the shell's screen", || {
                    scene.terminal.screen().starts_with("my own screen")
                });
                let fresh = scene.fresh_modes();
                wait_until(SOON, "the modes to be off", || {
                    scene.terminal.modes() == fresh
                });
                scene.terminal.type_text("typed\r");
                scene.terminal.wait_for("read typed.", SOON);
            }
        }
        wait_until(SOON, "stratavore to be gone", || !stratavore.is_alive());
        let raw = scene.terminal.raw();
        let at = |text: &[u8]| raw.windows(text.len()).rposition(|part| part == text);
        assert!(at(b"late") < at(b"\x1b[?1049l"), "{}", raw.escape_ascii());
        assert!(at(b"late").is_some());
    }
}

#[test]
fn the_agents_death_and_the_runners_end_restore_everything_while_it_is_lent() {
    let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello\x1b[?1003h");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.wait_lent();
    scene.host().change("auth", |runner| {
        *runner = support::host::ended("auth", "terminated", Some(0), None);
    });
    scene.end_runner(Exit::Code(0));
    scene.left("0");

    let mut scene = lending("--no-start attach auth", b"\x1b[2J\x1b[Hhello\x1b[?1003h");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.wait_lent();
    scene.host().change("auth", |runner| {
        *runner = support::host::ended("auth", "failed", None, None);
    });
    scene.agent.die();
    scene.left("1");
}

#[test]
fn it_is_lent_over_each_connection() {
    let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.wait_lent();
    scene.agent.set_snapshot(b"\x1b[2J\x1b[Hback again");
    scene.agent.drop_viewers();
    scene.agent.wait_attached(2);
    scene.terminal.wait_for("back again", SOON);
    let terminal = scene.agent.wait_lent();
    scene.terminal.type_text("x");
    reads(&terminal, b"x");
}

#[test]
fn it_is_not_lent_to_read_only_nor_for_another_size_nor_after_a_refusal() {
    let scene = lending("attach auth --read-only", b"\x1b[2J\x1b[Hhello");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.output(b" and more");
    scene.terminal.wait_for("and more", SOON);
    scene.terminal.type_text("\x1c");
    scene.left("0");
    assert_eq!(lent(&scene), 0);

    let scene = lending("attach auth", b"\x1b[2J\x1b[Hhello");
    scene.terminal.wait_for("hello", SOON);
    scene.agent.wait_lent();
    scene.agent.set_size(40, 10);
    scene.agent.snapshot(40, 10, b"\x1b[2J\x1b[Hboxed");
    scene.terminal.wait_for("40x10", SOON);
    scene.terminal.type_text("a");
    scene.agent.wait_typed(b"a");
    assert_eq!(lent(&scene), 1);
    scene.agent.snapshot(80, 24, b"\x1b[2J\x1b[Hwhole");
    scene.terminal.wait_for("whole", SOON);
    scene.agent.wait_lent();
    let refused = Refused::new(Refusal::NotLent, "not this one");
    scene.agent.send(&Message::Refused(refused));
    scene.terminal.type_text("b");
    scene.agent.wait_typed(b"ab");
    assert_eq!(lent(&scene), 2);
    scene.terminal.type_text("\x1c");
    scene.left("0");
    assert!(!holds(&scene.terminal.raw(), b"not this one"));
}
