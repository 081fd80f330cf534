//! Whatever comes, a fresh screen fed with the snapshot is in the same state and goes on alike.
//!
//! Run by `cargo nextest` for a moment each; for hours by `cargo bolero test -p stratavore-agent NAME`.

#[path = "corpora/mod.rs"]
mod corpora;

use std::time::Duration;

use stratavore_agent::screen::{Filter, Screen, Size};

/// How long each target runs as a test; a fuzzer ignores it.
const SHORTLY: Duration = Duration::from_secs(3);

/// What terminals are told: a stream of these is more to the point than one of bytes.
const WORDS: [&[u8]; 64] = [
    b"text ",
    b"x",
    "漢字".as_bytes(),
    "🎉".as_bytes(),
    "e\u{301}\u{302}".as_bytes(),
    b"\r\n",
    b"\r",
    b"\t",
    b"\x08",
    b"\x1b[",
    b"\x1b]",
    b"\x1bP",
    b"\x1b_",
    b"\x1b\\",
    b"\x07",
    b";",
    b":",
    b"0",
    b"1",
    b"5",
    b"38",
    b"65535",
    b"m",
    b"H",
    b"J",
    b"K",
    b"L",
    b"M",
    b"P",
    b"@",
    b"X",
    b"S",
    b"T",
    b"r",
    b"b",
    b"A",
    b"C",
    b"d",
    b"?",
    b">",
    b"=",
    b"<",
    b"h",
    b"l",
    b"u",
    b"s",
    b"c",
    b"n",
    b"t",
    b"q",
    b" ",
    b"!",
    b"p",
    b"\x1b7",
    b"\x1b8",
    b"\x1bM",
    b"\x1bc",
    b"\x1b(0",
    b"\x1b[?1049h",
    b"\x1b[?1049l",
    b"\x1b[4h",
    b"\x1b]8;;http://x\x07",
    b"\x1b[48;5;9m",
    b"\xf0\x9f",
];

/// What a stream is fed to and where it is cut.
type Case = (u8, u8, u16, u8, u8);

fn size((columns, rows, ..): Case) -> Size {
    Size::bounded(u16::from(columns % 40), u16::from(rows % 20))
}

/// Checks one stream: all of it, cut somewhere, resized somewhere.
fn check(stream: &[u8], case: Case) {
    let (_, _, cut, columns, rows) = case;
    let (first, rest) = stream.split_at(usize::from(cut) % (stream.len() + 1));
    let mut filter = Filter::new();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    filter.pass(first, &mut before);
    filter.pass(rest, &mut after);
    assert!(std::str::from_utf8(&before).is_ok() && std::str::from_utf8(&after).is_ok());

    let mut original = Screen::new(size(case));
    original.feed(first);
    let (mut early, mut late) = (Screen::new(size(case)), Screen::new(size(case)));
    early.feed(&before);
    late.feed(&original.snapshot(None));
    same(&mut early, &mut original, "a viewer from the start");
    same(&mut late, &mut original, "a viewer that joins");
    original.feed(rest);
    early.feed(&after);
    late.feed(&after);
    same(
        &mut early,
        &mut original,
        "a viewer from the start, in the end",
    );
    same(&mut late, &mut original, "a viewer that joined, in the end");

    let small = Size::bounded(u16::from(columns % 50), u16::from(rows % 30));
    original.resize(small);
    let mut resized = Screen::new(small);
    resized.feed(&original.snapshot(None));
    same(&mut resized, &mut original, "after a resize");
    assert!(early.take_answers().is_empty() && late.take_answers().is_empty());
}

/// A snapshot says everything there is. Links without an id are told apart by numbers, which go on where they were.
fn same(one: &mut Screen, other: &mut Screen, which: &str) {
    let state = |screen: &mut Screen| {
        let snapshot = screen.snapshot(None).escape_ascii().to_string();
        let mut parts = snapshot.split("id=stratavore-");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |state, part| {
            state + "id=" + part.trim_start_matches(|c: char| c.is_ascii_digit())
        })
    };
    assert_eq!(state(one), state(other), "{which}");
}

#[test]
fn any_bytes_are_restored_wherever_they_are_cut() {
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_type::<(Case, Vec<u8>)>()
        .for_each(|(case, stream)| check(stream, *case));
}

#[test]
fn any_words_are_restored_wherever_they_are_cut() {
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_max_len(4096)
        .with_type::<(Case, Vec<u8>)>()
        .for_each(|(case, words)| {
            let stream: Vec<u8> = words
                .iter()
                .flat_map(|word| WORDS[usize::from(*word) % WORDS.len()])
                .copied()
                .collect();
            check(&stream, *case);
        });
}

#[test]
fn a_recording_with_errors_in_it_is_restored_wherever_it_is_cut() {
    const PIECE: usize = 1500;
    let recorded = corpora::NAMES.map(corpora::stream);
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_type::<(Case, u8, u16, Vec<(u16, u8)>)>()
        .for_each(|(case, which, from, errors)| {
            let stream = &recorded[usize::from(*which) % recorded.len()];
            let from = usize::from(*from) % stream.len();
            let mut piece = stream[from..(from + PIECE).min(stream.len())].to_vec();
            for (at, byte) in errors {
                let at = usize::from(*at) % piece.len();
                piece[at] = *byte;
            }
            check(&piece, *case);
        });
}
