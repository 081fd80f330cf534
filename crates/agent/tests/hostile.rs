//! Bad input: nothing breaks, memory stays within bounds, time within reason.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::{Duration, Instant};

use stratavore_agent::screen::{
    CLIPBOARD_MAX, EFFECTS_MAX, Effect, Filter, SNAPSHOT_MAX, Screen, Size,
};

const MEBIBYTE: usize = 1 << 20;
/// Ends what never ends; on a machine that does much else beside.
const PATIENCE: Duration = Duration::from_secs(120);

thread_local! {
    /// Bytes that this thread holds, and the most that it ever held.
    static HELD: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Counts what each thread holds.
struct Counting;

fn count(change: impl Fn(usize) -> usize) {
    HELD.with(|held| {
        let (now, most) = held.get();
        let now = change(now);
        held.set((now, most.max(now)));
    });
}

// SAFETY: what is asked for is handed on as it is; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(|held| held + layout.size());
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(|held| held.saturating_sub(layout.size()));
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Holds a screen and its viewers' filter, and knows how much memory they took.
struct Bounded {
    screen: Screen,
    filter: Filter,
    before: usize,
    begun: Instant,
}

impl Bounded {
    fn new(columns: u16, rows: u16) -> Self {
        let screen = Screen::new(Size::bounded(columns, rows));
        let before = HELD.with(Cell::get).0;
        HELD.with(|held| held.set((before, before)));
        Self {
            screen,
            filter: Filter::new(),
            before,
            begun: Instant::now(),
        }
    }

    /// Feeds a piece as often as told, as an agent does; gives how much viewers were fed.
    fn feed(&mut self, piece: &[u8], times: usize) -> usize {
        let (mut viewed, mut all) = (Vec::new(), 0);
        for _ in 0..times {
            viewed.clear();
            self.screen.feed(piece);
            self.filter.pass(piece, &mut viewed);
            assert!(std::str::from_utf8(&viewed).is_ok());
            all += viewed.len();
            self.screen.take_scrolled();
        }
        all
    }

    /// Checks what is held now and what was held at the most, and that the screen still works.
    fn check(&mut self, held: usize, most: usize) {
        let (now, peak) = HELD.with(Cell::get);
        let now = now.saturating_sub(self.before);
        assert!(now < held, "{now} bytes are held");
        assert!(
            peak - self.before < most,
            "{} bytes were held",
            peak - self.before
        );
        assert!(
            self.begun.elapsed() < PATIENCE,
            "it took {:?}",
            self.begun.elapsed()
        );
        let mut viewed = Vec::new();
        self.screen.feed(b"\x18\x1b\\\x1bcwell");
        self.filter.pass(b"\x18\x1b\\\x1bcwell", &mut viewed);
        assert_eq!(self.screen.text(), "well\n");
        assert!(viewed.ends_with(b"well"), "{}", viewed.escape_ascii());
    }
}

#[test]
fn sequences_of_megabytes_and_strings_that_never_end_are_dropped_whole() {
    for begin in [
        &b"\x1b["[..],
        b"\x1b[1;",
        b"\x1b(",
        b"\x1b]2;",
        b"\x1b]52;c;",
        b"\x1bPq",
        b"\x1bPtmux;",
        b"\x1b_G",
        b"\x1b^",
        b"\x1bX",
        b"\x1b]8;;",
    ] {
        for filling in [&b"1"[..], b";", b"\xe6\xbc\xa2", b" "] {
            let mut bounded = Bounded::new(80, 24);
            bounded.feed(begin, 1);
            let piece = filling.repeat(64 * 1024 / filling.len());
            let viewed = bounded.feed(&piece, 64);
            // A sequence that is no string is ended by what stands in no such sequence, and text follows.
            if matches!(begin[1], b']' | b'P' | b'_' | b'^' | b'X') {
                assert_eq!(
                    viewed,
                    0,
                    "{} {}",
                    begin.escape_ascii(),
                    filling.escape_ascii()
                );
            }
            bounded.check(5 * MEBIBYTE, 9 * MEBIBYTE);
            // What was held for the string is let go.
            let held = HELD.with(Cell::get).0.saturating_sub(bounded.before);
            assert!(held < MEBIBYTE, "{held} bytes");
        }
    }
}

#[test]
fn synchronized_updates_within_each_other_are_one() {
    let mut bounded = Bounded::new(80, 24);
    bounded.feed(&b"\x1b[?2026hx".repeat(1000), 100);
    assert!(bounded.screen.in_frame());
    bounded.feed(b"\x1b[?2026l", 1);
    assert!(!bounded.screen.in_frame());
    // Nothing of it waits for the end of the frame.
    bounded.feed(b"\x1b[?2026h\x1b[2J\x1b[Hat once", 1);
    assert_eq!(bounded.screen.text(), "at once\n");
    bounded.check(MEBIBYTE, 2 * MEBIBYTE);
}

#[test]
fn a_storm_of_resizes_leaves_nothing_behind() {
    let mut bounded = Bounded::new(80, 24);
    let line = "\x1b[3mall 漢字 🎉 e\u{301} of it ".repeat(40);
    // A walk through sizes that visits the ends, always the same.
    let mut seed = 7_u32;
    for step in 0..1000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (columns, rows) = match step % 200 {
            0 => (10_000, 10_000),
            25 => (1, 1),
            26 => (0, 0),
            _ => ((seed >> 8) as u16 % 200, (seed >> 20) as u16 % 60),
        };
        bounded.screen.resize(Size::bounded(columns, rows));
        bounded.feed(line.as_bytes(), 1);
        if step % 7 == 0 {
            bounded.feed(b"\x1b[?1049h\x1b[5;9r", 1);
        }
        if step % 11 == 0 {
            bounded.feed(b"\x1b[?1049l\x1b7", 1);
        }
    }
    bounded.screen.resize(Size::bounded(80, 24));
    bounded.screen.take_scrolled();
    bounded.check(4 * MEBIBYTE, 256 * MEBIBYTE);
}

#[test]
fn bytes_that_are_no_utf8_are_shown_as_such_and_viewers_never_see_them() {
    let mut bounded = Bounded::new(80, 24);
    let mut seed = 1_u32;
    let noise: Vec<u8> = (0..MEBIBYTE)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 24) as u8
        })
        .collect();
    for piece in noise.chunks(997) {
        bounded.feed(piece, 1);
    }
    for broken in [
        &b"\xff"[..],
        b"\xc3",
        b"\xe6\xbc",
        b"\xf0\x9f\x8e",
        b"\xed\xa0\x80",
        b"\x80",
    ] {
        bounded.feed(&broken.repeat(1000), 10);
    }
    bounded.check(4 * MEBIBYTE, 8 * MEBIBYTE);
    bounded.screen.feed(b"\x1bca\xffb\x80c\xe6\xbcd");
    assert_eq!(bounded.screen.text(), "a\u{fffd}bc\u{fffd}d\n");
}

#[test]
fn a_million_marks_take_no_more_than_a_few() {
    let mut bounded = Bounded::new(80, 24);
    bounded.feed("x".as_bytes(), 1);
    let viewed = bounded.feed("\u{301}".repeat(1000).as_bytes(), 1000);
    assert!(viewed < 100, "viewers are fed {viewed} bytes of marks");
    // Each time from another place.
    bounded.feed("\x1b[m\u{301}".repeat(1000).as_bytes(), 50);
    bounded.feed("\x1b[H\u{302}\u{303}\x1b[Cy".repeat(1000).as_bytes(), 20);
    assert!(bounded.screen.snapshot(None).len() < 8 * 1024);
    bounded.check(MEBIBYTE, 2 * MEBIBYTE);
}

#[test]
fn what_a_program_asks_of_others_is_bounded() {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode("x".repeat(CLIPBOARD_MAX));
    let too_much = base64::engine::general_purpose::STANDARD.encode("x".repeat(CLIPBOARD_MAX + 1));
    let notice = "n".repeat(100_000);
    let mut bounded = Bounded::new(80, 24);
    bounded.feed(format!("\x1b]52;c;{text}\x07").as_bytes(), 4);
    bounded.feed(
        format!("\x1b]52;c;{too_much}\x07\x1b]52;p;{text}\x07").as_bytes(),
        20,
    );
    bounded.feed(
        format!("\x1b]9;{notice}\x07\x1b]777;notify;{notice};{notice}\x07").as_bytes(),
        100,
    );
    bounded.feed(
        format!("\x1b]7501;state={notice}\x07\x07\x07").as_bytes(),
        100,
    );
    let effects = bounded.screen.take_effects();
    assert_eq!(effects.len(), EFFECTS_MAX);
    let size: usize = effects
        .iter()
        .map(|effect| match effect {
            Effect::Clipboard { text, .. } | Effect::Report(text) => text.len(),
            Effect::Notice { title, body } => title.len() + body.len(),
            Effect::Bell => 0,
        })
        .sum();
    assert!(
        size <= 2 * CLIPBOARD_MAX + EFFECTS_MAX * 16 * 1024,
        "{size} bytes"
    );
    drop(effects);

    // Questions whose answers nobody takes, titles, directories, addresses, everything that is pushed.
    bounded.feed(
        &b"\x1b[c\x1b[6n\x1b]10;?\x07\x1bP$qm\x1b\\".repeat(1000),
        1000,
    );
    assert!(bounded.screen.take_answers().len() < 128 * 1024);
    bounded.feed(
        format!("\x1b]2;{notice}\x07\x1b[22;2t\x1b]7;{notice}\x07\x1b[>1u\x1b7").as_bytes(),
        100,
    );
    assert!(bounded.screen.title().len() <= 1024);
    assert!(bounded.screen.snapshot(None).len() < 64 * 1024);
    bounded.check(2 * MEBIBYTE, 16 * MEBIBYTE);
}

#[test]
fn the_largest_screen_full_of_links_colours_and_marks_is_drawn_within_bounds() {
    let mut bounded = Bounded::new(10_000, 10_000);
    let size = bounded.screen.size();
    let address = "a".repeat(200);
    for row in 1..=100 {
        let mut line = format!("\x1b[{row}H");
        for column in 0..size.columns / 4 {
            line.push_str(&format!("\x1b]8;id={};http://{address}\x07", column % 2));
            line.push_str(&format!(
                "\x1b[38;2;{};{row};3m漢\u{301}\u{302}\u{303}ab",
                column % 256
            ));
        }
        bounded.feed(line.as_bytes(), 1);
    }
    let before = HELD.with(Cell::get).0;
    HELD.with(|held| held.set((before, before)));
    let snapshot = bounded.screen.snapshot(None);
    assert!(
        snapshot.len() <= SNAPSHOT_MAX + 64 * 1024,
        "{} bytes",
        snapshot.len()
    );
    let peak = HELD.with(Cell::get).1 - before;
    assert!(peak < 4 * SNAPSHOT_MAX, "{peak} bytes to draw it");
    let mut copy = Screen::new(size);
    copy.feed(&snapshot);
    let first = |text: String| {
        text.lines()
            .next()
            .unwrap_or_default()
            .replace(|mark: char| ('\u{300}'..'\u{310}').contains(&mark), "")
    };
    assert_eq!(first(copy.text()), first(bounded.screen.text()));
}

#[test]
fn lines_full_of_long_links_scroll_off_without_them() {
    let mut bounded = Bounded::new(1000, 4);
    let addresses = ["a", "b"].map(|letter| letter.repeat(2000));
    let mut line = String::new();
    for column in 0..1000 {
        line.push_str(&format!("\x1b]8;;http://{}\x07x", addresses[column % 2]));
    }
    bounded.screen.feed(line.as_bytes());
    bounded.screen.feed(b"\x1b]8;;\x07\r\n\n\n\n\n");
    let (_, lines) = bounded.screen.take_scrolled();
    assert!(lines.starts_with(&b"x".repeat(1000)));
    assert!(lines.len() < 64 * 1024, "{} bytes", lines.len());
}

#[test]
fn repetitions_and_counts_without_end_take_no_time() {
    let mut bounded = Bounded::new(80, 24);
    for count in ["65535", "99999999999999999999", "2147483647"] {
        for last in "@ABCDEFGHIJKLMPSTXZ`abdefgrtu".chars() {
            bounded.feed(
                format!("x\x1b[{count}{last}\x1b[{count};{count}{last}").as_bytes(),
                100,
            );
        }
    }
    bounded.check(2 * MEBIBYTE, 4 * MEBIBYTE);
}
