//! A viewer's own terminal, lent to the agent.

mod support;

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::ioctl_fionread;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use stratavore_wire::keys::Key;
use stratavore_wire::{GetScreen, Lend, Message, Refusal};
use support::{Line, PATIENCE, Rig, until};

/// A terminal with a person in front of it.
struct Desk {
    person: File,
    terminal: File,
    /// What the terminal was before it was raw.
    cooked: Termios,
    seen: Vec<u8>,
}

impl Desk {
    fn new() -> Self {
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let flags = (OFlags::NOCTTY | OFlags::NONBLOCK).bits();
        let terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags.cast_signed())
            .open(name)
            .unwrap();
        let cooked = tcgetattr(&terminal).unwrap();
        let mut raw = cooked.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw).unwrap();
        Self {
            person: master.into(),
            terminal,
            cooked,
            seen: Vec::new(),
        }
    }

    /// Lends it; gives what ends when nobody has it any more.
    fn lend(&self, line: &mut Line) -> PipeReader {
        let (end, lease) = io::pipe().unwrap();
        let heard = line.messages;
        self.lend_after(line, heard, &lease.into());
        end
    }

    fn lend_after(&self, line: &mut Line, heard: u64, lease: &OwnedFd) {
        let descriptors = [self.terminal.as_fd(), lease.as_fd()];
        line.say_with(&lend(heard), &descriptors);
    }

    fn types(&mut self, bytes: &[u8]) {
        self.person.write_all(bytes).unwrap();
    }

    /// Waits until the terminal shows a text after all that was waited for before.
    fn sees(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !holds(&self.seen, text) {
            let patience = Timespec::try_from(PATIENCE).unwrap();
            let ready = poll(
                &mut [PollFd::new(&self.person, PollFlags::IN)],
                Some(&patience),
            );
            assert_eq!(ready, Ok(1), "{}", self.seen.escape_ascii());
            let read = self.person.read(&mut buffer).unwrap();
            self.seen.extend_from_slice(&buffer[..read]);
        }
        self.seen.clear();
    }

    fn unread(&self) -> u64 {
        ioctl_fionread(&self.terminal).unwrap()
    }
}

fn lend(heard: u64) -> Message {
    Message::Lend(Lend {
        heard,
        keys: vec![Key::DETACH],
    })
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|part| part == text.as_bytes())
}

/// Waits until nobody has the terminal.
fn ends(lease: &PipeReader) -> bool {
    let patience = Timespec::try_from(PATIENCE).unwrap();
    poll(&mut [PollFd::new(lease, PollFlags::IN)], Some(&patience)) == Ok(1)
}

/// Asks for what is answered at once: whatever the agent had said before is heard before it.
fn nothing_was_said(line: &mut Line) {
    line.say(&Message::GetScreen(GetScreen { ansi: false }));
    let said = line.hear();
    assert!(matches!(said, Message::Screen { .. }), "{said:?}");
}

/// A program that sends back what it reads, and a viewer that has seen it begin.
fn echoing() -> (Rig, Line, Line) {
    let rig = Rig::script("stty raw -echo; echo ready; exec cat");
    let (supervisor, _) = rig.start();
    rig.shows("ready");
    let (line, snapshot) = rig.attach(80, 24, false);
    assert!(holds(&snapshot, "ready"));
    (rig, supervisor, line)
}

#[test]
fn keys_and_their_echo_pass_without_the_viewer() {
    let (_rig, _supervisor, mut line) = echoing();
    let mut desk = Desk::new();
    let _lease = desk.lend(&mut line);
    for text in ["a", "größe", "\x1b[A\x1bOP", "\x1b[200~pasted\x1c\x1b[201~"] {
        desk.types(text.as_bytes());
        // What the program sends back arrives as whole sequences that draw; keys are none.
        desk.sees(match text {
            "\x1b[A\x1bOP" => "\x1b[A",
            "\x1b[200~pasted\x1c\x1b[201~" => "pasted",
            text => text,
        });
    }
    nothing_was_said(&mut line);
}

#[test]
fn a_key_of_the_viewers_is_handed_to_it_and_gives_the_terminal_back() {
    for key in [
        &b"x\x1c"[..],
        b"x\x1b[92;5u",
        b"x\x1b[27;5;92~",
        b"x\x1b[9",
        b"\x1b[200~x",
    ] {
        let (_rig, _supervisor, mut line) = echoing();
        let mut desk = Desk::new();
        let _lease = desk.lend(&mut line);
        desk.types(b"a");
        desk.sees("a");
        desk.types(key);
        let typed = line.hear();
        assert_eq!(
            typed,
            Message::Typed {
                bytes: key.to_vec()
            }
        );
        // What comes next is the viewer's to read, and its output the viewer's to write.
        desk.types(b"more");
        line.type_in("b");
        line.output_holds("b");
        assert_eq!(desk.unread(), 4);
        // Until it lends again, without descriptors this time.
        line.say(&lend(line.messages));
        desk.sees("more");
    }
}

#[test]
fn a_paste_that_began_in_a_lent_terminal_is_not_split_by_anothers_keys() {
    let (rig, _supervisor, mut line) = echoing();
    let mut desk = Desk::new();
    let _lease = desk.lend(&mut line);
    desk.types(b"\x1b[200~first ");
    // The rest of it may hold what is a key only outside of it: that is for the viewer to tell.
    let Message::Typed { bytes } = line.hear() else {
        panic!("half a paste was taken for a whole one")
    };
    assert_eq!(bytes, b"\x1b[200~first ");
    line.say(&Message::Input { bytes });
    line.output_holds("first ");
    let (mut other, _) = rig.attach(80, 24, false);
    other.type_in("intruder");
    other.say(&Message::GetScreen(GetScreen { ansi: false }));
    // What came before this answer was taken before the rest of the paste is.
    other.hear_of(|message| matches!(message, Message::Screen { .. }).then_some(()));
    line.type_in("second\x1b[201~");
    rig.shows("first secondintruder");
}

#[test]
fn a_terminal_is_left_alone_while_something_is_on_its_way_to_the_viewer() {
    let (_rig, _supervisor, mut line) = echoing();
    let mut desk = Desk::new();
    let heard = line.messages;
    line.type_in("one");
    line.output_holds("one");
    let (_end, lease) = io::pipe().unwrap();
    desk.lend_after(&mut line, heard, &lease.into());
    desk.types(b"typed");
    line.type_in("two");
    line.output_holds("two");
    assert_eq!(desk.unread(), 5);
    line.say(&lend(line.messages));
    desk.sees("typed");
}

#[test]
fn any_message_gives_the_terminal_back() {
    let (rig, _supervisor, mut line) = echoing();
    let mut desk = Desk::new();
    let _lease = desk.lend(&mut line);
    let (other, _) = rig.attach(80, 24, true);
    let company = line.hear();
    assert!(matches!(company, Message::Viewers(_)), "{company:?}");
    desk.types(b"typed");
    line.type_in("x");
    line.output_holds("x");
    assert_eq!(desk.unread(), 5);
    drop(other);
}

#[test]
fn a_viewer_that_types_by_itself_has_its_terminal_back() {
    let (_rig, _supervisor, mut line) = echoing();
    let mut desk = Desk::new();
    let _lease = desk.lend(&mut line);
    desk.types(b"a");
    desk.sees("a");
    line.type_in("x");
    line.output_holds("x");
}

#[test]
fn what_reaches_past_the_attachment_goes_to_the_viewer() {
    for past in [
        r"\033[?1049h",
        r"\033[3J",
        r"\033]11;#102030\007",
        r"\033[22;0t",
    ] {
        let rig = Rig::script(&format!(
            "stty -echo; echo ready; read line; printf '\\033[2J\\033[31m\\033]0;title\\007direct'; read line; printf 'by the viewer{past}'; sleep 1000"
        ));
        let (_supervisor, _) = rig.start();
        rig.shows("ready");
        let (mut line, _) = rig.attach(80, 24, false);
        let mut desk = Desk::new();
        let _lease = desk.lend(&mut line);
        desk.types(b"\n");
        desk.sees("direct");
        desk.types(b"\n");
        line.output_holds("by the viewer");
    }
}

#[test]
fn a_terminal_that_takes_nothing_stalls_nobody_and_the_rest_comes_to_the_viewer() {
    let rig = Rig::script(
        "stty -echo; echo ready; read line; seq 1 400000; touch written; read line; echo the end; sleep 1000",
    );
    let (_supervisor, _) = rig.start();
    rig.shows("ready");
    let (mut line, _) = rig.attach(80, 24, false);
    let mut desk = Desk::new();
    let _lease = desk.lend(&mut line);
    desk.types(b"\n");
    until("the program has written it all", || {
        rig.work().join("written").exists().then_some(())
    });
    // What the terminal took and what the viewer is told fit without a gap, up to where it lost its place.
    let mut shown = Vec::new();
    let mut buffer = [0; 65536];
    while let Ok(1) = poll(
        &mut [PollFd::new(&desk.person, PollFlags::IN)],
        Some(&Timespec::default()),
    ) {
        let read = desk.person.read(&mut buffer).unwrap();
        shown.extend_from_slice(&buffer[..read]);
    }
    assert!(!shown.is_empty(), "the terminal took what it takes");
    let rest = line.hear_of(|message| match message {
        Message::Output { bytes, .. } => Some(bytes),
        _ => None,
    });
    shown.extend(rest);
    let text = String::from_utf8(shown).unwrap();
    let lines: Vec<&str> = text.split("\r\n").collect();
    for (number, line) in lines[..lines.len() - 1].iter().enumerate() {
        assert_eq!(*line, (number + 1).to_string());
    }
    let present = line.snapshot();
    assert!(holds(&present, "400000"), "then the present is shown");
    line.type_in("\n");
    line.output_holds("the end");
}

#[test]
fn a_terminal_that_somebody_else_has_is_not_touched() {
    let (_rig, _supervisor, mut line) = echoing();
    let mut desk = Desk::new();
    let _lease = desk.lend(&mut line);
    desk.types(b"a");
    desk.sees("a");
    // As a shell does when the viewer was stopped.
    tcsetattr(&desk.terminal, OptionalActions::Now, &desk.cooked).unwrap();
    desk.types(b"ls\n");
    assert_eq!(line.hear(), Message::Typed { bytes: Vec::new() });
    assert_eq!(desk.unread(), 3, "the shell's line is the shell's");

    let mut raw = desk.cooked.clone();
    raw.make_raw();
    tcsetattr(&desk.terminal, OptionalActions::Flush, &raw).unwrap();
    line.say(&lend(line.messages));
    desk.types(b"b");
    desk.sees("b");
    tcsetattr(&desk.terminal, OptionalActions::Now, &desk.cooked).unwrap();
    line.type_in("c");
    line.output_holds("c");
}

#[test]
fn what_is_no_terminal_or_may_not_be_used_is_refused() {
    let (rig, _supervisor, mut line) = echoing();
    let refused = |line: &mut Line| {
        line.hear_of(|message| match message {
            Message::Refused(refused) => Some(refused.code),
            _ => None,
        })
    };
    line.say(&lend(line.messages));
    assert_eq!(refused(&mut line), Refusal::NotLent, "nothing came with it");
    let (_end, lease) = io::pipe().unwrap();
    let file = tempfile::tempfile().unwrap();
    line.say_with(&lend(line.messages), &[file.as_fd(), lease.as_fd()]);
    assert_eq!(refused(&mut line), Refusal::NotLent, "a file");
    let desk = Desk::new();
    let blocking = File::open(format!(
        "/proc/self/fd/{}",
        std::os::fd::AsRawFd::as_raw_fd(&desk.terminal)
    ))
    .unwrap();
    line.say_with(&lend(line.messages), &[blocking.as_fd(), lease.as_fd()]);
    assert_eq!(
        refused(&mut line),
        Refusal::NotLent,
        "one that would be waited for"
    );
    line.say_with(&lend(line.messages), &[desk.terminal.as_fd()]);
    assert_eq!(refused(&mut line), Refusal::NotLent, "nothing to let go of");
    let (mut reader, _) = rig.attach(80, 24, true);
    reader.say_with(
        &lend(reader.messages),
        &[desk.terminal.as_fd(), lease.as_fd()],
    );
    assert_eq!(refused(&mut reader), Refusal::NotLent, "a reader's");
    line.type_in("still here");
    line.output_holds("still here");
}

#[test]
fn a_terminal_is_let_go_when_its_viewer_leaves_or_it_closes_or_another_is_lent() {
    let (rig, _supervisor, mut line) = echoing();
    let mut desk = Desk::new();
    let first = desk.lend(&mut line);
    let second = desk.lend(&mut line);
    assert!(ends(&first), "another is lent");
    desk.types(b"a");
    desk.sees("a");
    drop(line);
    assert!(ends(&second), "the viewer has left");

    let (mut line, _) = rig.attach(80, 24, false);
    let mut desk = Desk::new();
    let third = desk.lend(&mut line);
    desk.types(b"a");
    desk.sees("a");
    drop(desk);
    assert_eq!(
        line.hear(),
        Message::Typed { bytes: Vec::new() },
        "the terminal was closed"
    );
    drop(line);
    assert!(ends(&third));
}

#[test]
fn two_terminals_are_lent_at_once() {
    let (rig, _supervisor, mut one) = echoing();
    let (mut two, _) = rig.attach(80, 24, false);
    one.hear_of(|message| matches!(message, Message::Viewers(_)).then_some(()));
    let (mut desk, mut other) = (Desk::new(), Desk::new());
    let _leases = (desk.lend(&mut one), other.lend(&mut two));
    other.types(b"b");
    desk.sees("b");
    other.sees("b");
    // The one that typed last decides, of which both are told: both have their terminals back.
    desk.types(b"a");
    one.hear_of(|message| matches!(message, Message::Viewers(_)).then_some(()));
    two.hear_of(|message| matches!(message, Message::Viewers(_)).then_some(()));
    one.output_holds("a");
    two.output_holds("a");
}

#[test]
fn nothing_wakes_the_agent_while_nobody_types() {
    let (rig, supervisor, mut line) = echoing();
    let mut desk = Desk::new();
    let _lease = desk.lend(&mut line);
    desk.types(b"a");
    desk.sees("a");
    drop(supervisor);
    let switches = || {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", rig.record().agent_pid)).unwrap();
        status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
            .unwrap()
            .trim()
            .to_owned()
    };
    until("the agent sleeps", || {
        let before = switches();
        std::thread::park_timeout(Duration::from_millis(300));
        (before == switches()).then_some(())
    });
    desk.types(b"b");
    desk.sees("b");
}
