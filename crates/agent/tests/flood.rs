//! A program that writes at full speed for a minute with nobody attached.

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
