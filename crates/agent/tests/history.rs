//! Lines that scrolled off: given, followed, redrawn, kept.

mod support;

use std::fs;

use rustix::process::Signal;
use stratavore_agent::process::Stat;
use stratavore_wire::{GetHistory, Message, Redraw, Role};
use support::*;

#[test]
fn history_is_given_as_text_and_with_colours() {
    let rig = Rig::script(
        "i=0; while [ $i -lt 200 ]; do i=$((i+1)); printf '\\033[32mline %d\\033[m\\n' $i; done; exec cat",
    );
    let (_line, _) = rig.start();
    rig.shows("line 200");
    let text = rig.history(false);
    let expected: String = (1..=200).map(|line| format!("line {line}\n")).collect();
    assert_eq!(text, expected);
    assert!(
        rig.history(true)
            .starts_with("\x1b[0;32mline 1\x1b[m\n\x1b[0;32mline 2")
    );

    let mut line = rig.connect(Role::Client);
    line.say(&Message::GetHistory(GetHistory {
        ansi: false,
        lines: Some(2),
        ..GetHistory::default()
    }));
    assert_eq!(
        line.hear(),
        Message::History {
            ansi: false,
            last: true,
            bytes: b"line 199\nline 200\n".to_vec()
        }
    );
}

#[test]
fn a_viewer_is_sent_the_screen_first_and_its_history_when_it_asks() {
    let mut rig = Rig::script("seq 1 5000; printf 'line 5001'; exec cat");
    rig.launch.history_lines = 10_000;
    let (_line, _) = rig.start();
    rig.shows("line 5001");
    let (mut viewer, first) = rig.attach(80, 24, false);
    assert!(!String::from_utf8(first).unwrap().contains("\x1b[3J"));
    viewer.say(&Message::Redraw(Redraw {
        history_lines: 2000,
    }));
    let mut screen = shown((80, 24), &viewer.snapshot());
    let (erased, scrolled) = screen.take_scrolled();
    assert!(erased, "the viewer's own scrollback is replaced");
    let scrolled = String::from_utf8(stratavore_wire::history::plain(&scrolled)).unwrap();
    let lines: Vec<&str> = scrolled.lines().collect();
    // 23 lines and the one that is not ended are on the screen.
    assert_eq!((lines.len(), lines[0]), (2000, "2978"));
    assert_eq!(lines[1999], "4977");
    assert!(screen.text().ends_with("5000\nline 5001\n"));
    // Output goes on from there.
    viewer.type_in("more");
    viewer.output_holds("more");
}

#[test]
fn history_is_followed_until_the_end_of_the_run() {
    let rig = Rig::script("seq 1 300; read x; seq 301 600; read x; printf 'the end'");
    let (_line, _) = rig.start();
    rig.shows("300");
    let mut reader = rig.connect(Role::Client);
    let mut late = rig.connect(Role::Client);
    let follow = |lines| {
        Message::GetHistory(GetHistory {
            ansi: false,
            lines,
            follow: true,
        })
    };
    reader.say(&follow(None));
    late.say(&follow(Some(0)));
    let mut followed = Follower::default();
    followed.read_to(&mut reader, "277\n");
    assert!(followed.text.starts_with("1\n2\n"), "{}", followed.text);
    rig.connect(Role::Client).type_in("\n");
    followed.read_to(&mut reader, "576\n");
    assert!(!followed.over);
    rig.connect(Role::Client).type_in("\n");
    followed.read_to(&mut reader, "the end\n");
    let expected: String = (1..=300)
        .map(|line| format!("{line}\n"))
        .chain(["\n".to_owned()])
        .chain((301..=600).map(|line| format!("{line}\n")))
        .chain(["\nthe end\n".to_owned()])
        .collect();
    assert_eq!(followed.text, expected);
    followed.read_to_end(&mut reader);
    let mut since = Follower::default();
    since.read_to_end(&mut late);
    assert!(since.text.starts_with("278\n"), "{}", since.text);
    assert!(since.text.ends_with("the end\n"));
}

#[test]
fn one_who_follows_history_and_does_not_read_is_waited_for_by_nobody_and_misses_nothing() {
    let mut rig = Rig::script("stty -echo; echo ready; read x; seq 1 200000; printf done; read x");
    rig.launch.history_lines = 200_000;
    let (_line, _) = rig.start();
    rig.shows("ready");
    let mut reader = rig.connect(Role::Client);
    reader.say(&Message::GetHistory(GetHistory {
        ansi: false,
        lines: None,
        follow: true,
    }));
    rig.connect(Role::Client).type_in("\n");
    rig.shows("done");
    let memory = stratavore_agent::process::proportional_memory(rig.record().agent_pid);
    assert!(memory < 4 << 20, "{} KiB", memory / 1024);
    let mut followed = Follower::default();
    followed.read_to(&mut reader, "199970\n");
    let lines: String = (1..=199_970).map(|line| format!("{line}\n")).collect();
    let expected = format!("ready\n{lines}");
    assert!(followed.text.starts_with(&expected));
}

#[derive(Default)]
struct Follower {
    text: String,
    over: bool,
}

impl Follower {
    fn take(&mut self, line: &mut Line) {
        match line.hear() {
            Message::History { bytes, last, .. } => {
                self.text.push_str(std::str::from_utf8(&bytes).unwrap());
                self.over = last;
            }
            Message::Exited(_) => {}
            other => panic!("{other:?}"),
        }
    }

    fn read_to(&mut self, line: &mut Line, text: &str) {
        while !self.text.contains(text) {
            self.take(line);
        }
    }

    fn read_to_end(&mut self, line: &mut Line) {
        while !self.over {
            self.take(line);
        }
        assert_eq!(line.hear(), Message::Ended);
        assert_eq!(line.hear_or_end(), None);
    }
}

#[test]
fn history_is_complete_after_the_agent_is_killed() {
    let mut rig = Rig::script("seq 1 20000; exec cat");
    rig.launch.history_lines = 10_000;
    let (_line, _) = rig.start();
    rig.shows("20000");
    let agent = rig.record().agent_pid;
    Stat::read(agent).unwrap().process.signal(Signal::KILL);
    until("the agent to be gone", || (!alive(agent)).then_some(()));
    let mut kept = fs::read_to_string(rig.attempt("history.older")).unwrap_or_default();
    kept.push_str(&fs::read_to_string(rig.attempt("history")).unwrap_or_default());
    let lines: Vec<&str> = kept.lines().collect();
    assert!(lines.len() >= 10_000, "{}", lines.len());
    // The screen's own 23 lines had not scrolled off; before them none is missing, and none is there twice.
    let first = 19_978 - lines.len();
    let expected: Vec<String> = (first..19_978).map(|line| line.to_string()).collect();
    assert_eq!(lines, expected);
}

#[test]
fn ten_thousand_lines_are_kept_in_about_a_megabyte_however_many_there_were() {
    // What a build prints: a coloured word and a path.
    let mut rig = Rig::script(
        "stty raw; yes \"$(printf '\\033[1m\\033[32m   Compiling\\033[m some-crate v1.2.3 (/a/directory/of/some/length/src)\\r')\" | head -n 100000; printf end; exec cat",
    );
    rig.launch.history_lines = 10_000;
    let (_line, _) = rig.start();
    rig.shows("end");
    let lines = rig.history(false).lines().count();
    let on_disk: u64 = ["history", "history.older"]
        .map(|file| fs::metadata(rig.attempt(file)).map_or(0, |file| file.len()))
        .iter()
        .sum();
    assert!(lines >= 10_000, "{lines}");
    assert!(on_disk < 2 << 20, "{on_disk} bytes for {lines} lines");
}

#[test]
fn erased_history_stays_erased() {
    let rig = Rig::script("seq 1 100; printf '\\033[2J\\033[3J\\033[H'; seq 201 230; exec cat");
    let (_line, _) = rig.start();
    rig.shows("230");
    let expected: String = (201..=230).map(|line| format!("{line}\n")).collect();
    assert_eq!(rig.history(false), expected);
}
