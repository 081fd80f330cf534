//! Programs that write what no program should, with nobody attached: at full speed for a minute, and without sense.

mod support;

use std::fs;
use std::time::{Duration, Instant};

use support::*;

const MINUTE: Duration = Duration::from_secs(60);
/// Everything is looked at each time the program has written so much more.
const PIECE: u64 = 16 << 20;
/// What an agent may hold, wherever the flood has come to.
const HELD_MAX: u64 = 8 << 20;
/// What the attempt's directory may hold: the history of 10,000 lines and what is about to be dropped of it.
const KEPT_MAX: u64 = 8 << 20;

/// Reads a number of a file of the system: `Pss:   123 kB`, `wchar: 123`.
fn number(file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let line = line.unwrap_or_else(|| panic!("{file} has no {key}: {text}"));
    line.trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
fn a_minute_at_full_speed_neither_slows_the_program_nor_grows_the_agent() {
    let mut rig = Rig::command(&[
        "yes",
        "\x1b[1;32m   Compiling\x1b[0m some-crate v1.2.3 (/home/somebody/projects/api) 0123456789",
    ]);
    rig.launch.history_lines = 10_000;
    let (_line, started) = rig.start();
    let agent = format!("/proc/{}/smaps_rollup", rig.record().agent_pid);
    let program = format!("/proc/{}/io", started.program.pid);
    let kept = || -> u64 {
        let files = fs::read_dir(rig.attempt("")).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum()
    };
    let begun = Instant::now();
    let mut written = number(&program, "wchar:");
    let mut took = Vec::new();
    let mut last = Instant::now();
    while begun.elapsed() < MINUTE {
        written = until("the program writes on", || {
            Some(number(&program, "wchar:")).filter(|now| *now >= written + PIECE)
        });
        took.push(last.elapsed());
        last = Instant::now();
        let held = number(&agent, "Pss:") << 10;
        assert!(
            held < HELD_MAX,
            "{held} bytes are held after {written} were written"
        );
        let kept = kept();
        assert!(
            kept < KEPT_MAX,
            "{kept} bytes are kept after {written} were written"
        );
    }
    let third = took.len() / 3;
    let time = |pieces: &[Duration]| pieces.iter().sum::<Duration>();
    let (first, last) = (time(&took[..third]), time(&took[took.len() - third..]));
    assert!(
        last < 2 * first,
        "a third of the flood took {first:?} at first and {last:?} at last"
    );
    // It is as ready for a person as ever.
    let asked = Instant::now();
    assert!(rig.shows("some-crate").contains("0123456789"));
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert!(rig.history(false).lines().count() >= 9_000);
}

#[test]
fn a_program_that_writes_without_sense_harms_no_agent() {
    let mut bytes = Vec::new();
    let mut part = |begin: &str, piece: &[u8], times: usize, end: &str| {
        bytes.extend_from_slice(begin.as_bytes());
        bytes.extend(piece.repeat(times));
        bytes.extend_from_slice(end.as_bytes());
    };
    part("\x1b]2;", b"title", 1 << 20, "\x07");
    part("\x1b[", b"1;", 1 << 20, "m");
    part("", b"\x1b[?2026hx", 100_000, "\x1b[?2026l");
    part("", b"\xff\xc3\xe6\xbc", 1 << 20, "\x1b[m");
    part("x", "\u{301}".as_bytes(), 1_000_000, "\r\n");
    part(
        "",
        b"\x1b[65535b\x1b[9999L\x1b[9999T",
        10_000,
        "\x1b[2J\x1b[H",
    );
    part("before", b"", 0, "");
    // Never ended: a terminal would be silent for good, but for what cancels it.
    part("\x1bPq", b"0123456789", 1 << 20, "\x18after");
    let rig = Rig::script(
        "stty raw -echo; echo ready; until [ -e go ]; do sleep 0.01; done; cat nonsense; exec cat",
    );
    fs::write(rig.work().join("nonsense"), &bytes).unwrap();
    let (_line, _) = rig.start();
    rig.shows("ready");
    fs::write(rig.work().join("go"), "").unwrap();
    assert_eq!(rig.shows("after"), "beforeafter\n");
    let held = number(
        &format!("/proc/{}/smaps_rollup", rig.record().agent_pid),
        "Pss:",
    ) << 10;
    assert!(held < HELD_MAX, "{held} bytes are held");
    // Nor is a viewer fed any of it but what a terminal would show.
    let (_viewer, snapshot) = rig.attach(80, 24, false);
    assert_eq!(shown((80, 24), &snapshot).text(), "beforeafter\n");
}
