//! The screen beside an engine of another make: @xterm/headless, which knows what the window's terminal knows.

mod oracle {
    pub(crate) mod apart;
    pub(crate) mod xterm;
}
#[path = "corpora/mod.rs"]
mod corpora;
#[path = "streams/mod.rs"]
mod streams;

use oracle::apart::{ALWAYS, Apart, OF_A_SCREEN, SAVES, SWITCHES, UNSAVED};
use oracle::xterm::{Oracle, widths_file};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use stratavore_agent::screen::{Filter, Screen, Size, width};
use streams::{Makings, config, made_of};

/// Feeds a stream to the screen, gives its snapshot.
fn snapshot(columns: u16, rows: u16, stream: &[u8]) -> Vec<u8> {
    let mut screen = Screen::new(Size::bounded(columns, rows));
    screen.feed(stream);
    screen.snapshot(None)
}

fn viewed(stream: &[u8]) -> Vec<u8> {
    let mut viewed = Vec::new();
    Filter::new().pass(stream, &mut viewed);
    viewed
}

/// Makes the same streams each time, or others for a longer look: what two makes differ in is no surprise in passing.
fn runner() -> TestRunner {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return TestRunner::new(config());
    }
    let random = TestRng::deterministic_rng(RngAlgorithm::default());
    TestRunner::new_with_rng(config(), random)
}

fn compare_generated(without: &[Apart], scrollback: u32, wide: bool) {
    let oracle = Oracle::start(scrollback);
    let apart: Vec<_> = ALWAYS
        .iter()
        .chain(without)
        .flat_map(|apart| apart.sequences)
        .copied()
        .collect();
    let makings = Makings {
        without: &apart,
        wide,
        noise: false,
    };
    let streams = (made_of(makings), (2..14_u16, 1..9_u16));
    let result = runner().run(&streams, |(stream, (columns, rows))| {
        let Some(viewed) = oracle.tell(columns, rows, &[&viewed(&stream.0)]) else {
            return Err(TestCaseError::reject("xterm.js breaks"));
        };
        let restored = oracle.tell(columns, rows, &[&snapshot(columns, rows, &stream.0)]);
        let difference = restored.expect("restored").difference(&viewed);
        prop_assert!(difference.is_empty(), "{difference}");
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn generated_streams_leave_xterm_js_in_the_state_that_a_snapshot_restores() {
    // A wide character that goes on in a row that scrolls in leaves the pen's looks in it where xterm.js uses a row again.
    compare_generated(&[SAVES, OF_A_SCREEN], 1000, false);
}

#[test]
fn generated_streams_that_save_the_cursor_do_too() {
    // With lines that scroll off, xterm.js moves a saved cursor.
    compare_generated(&[UNSAVED, OF_A_SCREEN], 0, false);
}

#[test]
fn generated_streams_of_one_screen_do_too() {
    compare_generated(&[SAVES, SWITCHES], 1000, true);
}

/// Compares what a program wrote.
fn compare_recording(oracle: &Oracle, name: &str) {
    let tell = |feeds: &[&[u8]]| {
        oracle
            .tell(corpora::COLUMNS, corpora::ROWS, feeds)
            .expect("told")
    };
    let stream = corpora::stream(name);
    // Made by hand to hold what no terminal shows alike, such as marks without end: that is for the filter.
    let by_hand = (name == "text").then(|| viewed(&stream));
    let raw = tell(&[by_hand.as_ref().unwrap_or(&stream)]);
    let (mut screen, mut filter, mut fed) = (blank(), Filter::new(), 0);
    for cut in corpora::cuts(&stream, 24) {
        screen.feed(&stream[fed..cut]);
        filter.pass(&stream[fed..cut], &mut Vec::new());
        fed = cut;
        let mut rest = Vec::new();
        filter.clone().pass(&stream[cut..], &mut rest);
        let difference = tell(&[&screen.snapshot(None), &rest]).difference(&raw);
        assert!(difference.is_empty(), "{name} from {cut} on:\n{difference}");
    }
    screen.feed(&stream[fed..]);
    let difference = tell(&[&screen.snapshot(None)]).difference(&raw);
    assert!(difference.is_empty(), "{name}:\n{difference}");
    assert_eq!(raw.0["text"], screen.text(), "{name}");
    assert_eq!(raw.0["title"], screen.title(), "{name}");
}

fn blank() -> Screen {
    Screen::new(Size::bounded(corpora::COLUMNS, corpora::ROWS))
}

#[test]
fn recordings_leave_xterm_js_in_the_state_that_a_snapshot_restores_wherever_it_is_taken() {
    let oracle = Oracle::start(1000);
    for name in corpora::NAMES {
        compare_recording(&oracle, name);
    }
}

/// On a terminal lower than what they were recorded on, so that much does.
#[test]
fn the_same_lines_scroll_off_in_xterm_js() {
    const LOW: u16 = 8;
    let oracle = Oracle::start(10_000);
    let compare = |name: &str, stream: &[u8]| {
        let mut screen = Screen::new(Size::bounded(corpora::COLUMNS, LOW));
        let mut kept = Vec::new();
        for piece in stream.chunks(4096) {
            screen.feed(piece);
            let (erased, scrolled) = screen.take_scrolled();
            if erased {
                kept.clear();
            }
            kept.extend(scrolled);
        }
        let kept = String::from_utf8(stratavore_wire::history::plain(&kept)).expect("text");
        let kept: Vec<&str> = kept
            .lines()
            .map(|line| line.trim_end_matches(' '))
            .collect();
        let past = oracle.past(corpora::COLUMNS, LOW, stream);
        for (own, other) in kept.iter().zip(&past) {
            assert_eq!(own, other, "{name}");
        }
        assert_eq!(kept.len(), past.len(), "{name}");
        kept.len()
    };
    for name in corpora::NAMES {
        let stream = corpora::stream(name);
        // Made by hand to hold what no terminal shows alike: that is for the filter.
        let lines = match name {
            "text" => compare(name, &viewed(&stream)),
            _ => compare(name, &stream),
        };
        assert!(
            lines > 0 || !["cargo-build", "gemini", "text"].contains(&name),
            "{name}"
        );
    }
    // As Claude Code draws a conversation anew that is longer than the screen: all of it is erased, and written once more.
    let turn = |lines: u32| -> String {
        (0..lines)
            .map(|line| format!("\x1b[2m{line}\x1b[22m \x1b[38;5;174mwords\x1b[39m of a turn\r\n"))
            .collect()
    };
    let redrawn = format!(
        "{}\x1b[2J\x1b[3J\x1b[H{}\x1b[4A\x1b[J{}",
        turn(60),
        turn(90),
        turn(7)
    );
    assert_eq!(compare("redrawn", redrawn.as_bytes()), 86);
}

/// Generated streams have none: see `ALWAYS`.
#[test]
fn links_are_the_same_in_xterm_js() {
    let stream = b"\x1b]8;id=a;http://one/x;y\x1b\\one\x1b]8;;\x1b\\ \x1b]8;;http://two\x07t\x1b[1mw\x1b[mo\x1b]8;;\x07\
        \x1b[2;2H\x1b]8;id=a;http://one/x;y\x07again \xe6\xbc\xa2\x1b[4:3mand on\x1b[24m it goes";
    let oracle = Oracle::start(1000);
    let viewed = oracle.tell(20, 5, &[stream]).expect("told");
    let restored = oracle
        .tell(20, 5, &[&snapshot(20, 5, stream)])
        .expect("told");
    assert_eq!(restored.difference(&viewed), "");
    assert!(
        viewed.0["cells"]
            .to_string()
            .contains("link a http://one/x;y")
    );
}

#[test]
fn the_window_counts_columns_as_the_screen_does() {
    let table = std::fs::read_to_string(widths_file()).expect("the window's table");
    let table: serde_json::Value = serde_json::from_str(&table).expect("a table");
    for (name, columns) in [("zero", 0), ("wide", 2)] {
        let mut ranges: Vec<u32> = Vec::new();
        for c in ('\u{a0}'..=char::MAX).filter(|c| width(*c) == Some(columns)) {
            match ranges.last_mut() {
                Some(last) if *last + 1 == u32::from(c) => *last += 1,
                _ => ranges.extend([u32::from(c); 2]),
            }
        }
        assert_eq!(table[name], serde_json::json!(ranges), "{name}");
    }
}
