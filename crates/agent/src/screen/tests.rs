use alacritty_terminal::grid::{Cursor, Grid};
use alacritty_terminal::index::Column;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

#[path = "../../tests/streams/mod.rs"]
mod streams;

use streams::{config, streams};

fn screen(columns: u16, rows: u16, stream: &[u8]) -> Screen {
    let mut screen = Screen::new(Size::bounded(columns, rows));
    screen.feed(stream);
    screen
}

/// Everything that a viewer could notice, as text, so that a difference can be read.
fn state(screen: &mut Screen) -> String {
    fn cell(cell: &Cell) -> String {
        let mut cell = cell.clone();
        if cell.c == '\t' {
            cell.c = ' ';
        }
        // Where a wide character did not fit; no viewer can tell it from a blank.
        cell.flags.remove(Flags::LEADING_WIDE_CHAR_SPACER);
        let marks = cell.zerowidth().unwrap_or_default().to_vec();
        if marks.is_empty() && cell.underline_color().is_none() && cell.hyperlink().is_none() {
            cell.extra = None;
        }
        if cell == Cell::default() {
            return String::new();
        }
        // Links that have no id are numbered.
        let link = cell.hyperlink().map(|link| {
            let id = if link.id().starts_with(engine::NAMELESS) {
                ""
            } else {
                link.id()
            };
            format!("{id} {}", link.uri())
        });
        format!(
            "{:?}/{:?}/{:?}/{:?}/{marks:?}/{:?}/{link:?}",
            cell.c,
            cell.fg,
            cell.bg,
            cell.flags,
            cell.underline_color()
        )
    }
    fn cursor(cursor: &Cursor<Cell>) -> String {
        let mut template = cursor.template.clone();
        template.c = ' ';
        format!(
            "{:?} {} {:?} {}",
            cursor.point,
            cursor.input_needs_wrap,
            cursor.charsets,
            cell(&template)
        )
    }
    fn grid(grid: &Grid<Cell>) -> String {
        let mut text = String::new();
        for line in 0..grid.screen_lines() {
            for column in 0..grid.columns() {
                let mut here = grid[Line(line as i32)][Column(column)].clone();
                if line + 1 == grid.screen_lines() {
                    // There is no row that the last one could go on in.
                    here.flags.remove(Flags::WRAPLINE);
                }
                let shown = cell(&here);
                if !shown.is_empty() {
                    text.push_str(&format!("  {line},{column} {shown}\n"));
                }
            }
        }
        text.push_str(&format!(
            "cursor {}\nsaved {}\n",
            cursor(&grid.cursor),
            cursor(&grid.saved_cursor)
        ));
        text
    }
    let engine = &mut screen.engine;
    let alternate = engine.is_alternate();
    let mut text = String::new();
    if alternate {
        text.push_str("alternate\n");
        text.push_str(&grid(engine.term.grid()));
    }
    text.push_str("primary\n");
    text.push_str(&engine.with_primary(|primary| {
        if alternate {
            // The cursor will be the alternate screen's, or the saved one.
            primary.cursor = primary.saved_cursor.clone();
        }
        grid(primary)
    }));
    let colors = engine.term.colors();
    let colors: Vec<_> = (0..alacritty_terminal::term::color::COUNT)
        .filter_map(|index| colors[index].map(|rgb| (index, rgb)))
        .collect();
    text.push_str(&format!(
        "{:?} {:?} {} {} tabs {:?} {:?} keys {:?} {} {:?} {:?} {:?} title {:?} {:?} {:?} {colors:?}",
        *engine.term.mode() & !TermMode::URGENCY_HINTS,
        engine.region,
        engine.mouse,
        engine.mouse_encoding,
        engine
            .tabs
            .iter()
            .enumerate()
            .filter(|(_, set)| **set)
            .map(|(column, _)| column)
            .collect::<Vec<_>>(),
        engine.charset,
        engine.keyboard,
        engine.other_keys,
        engine.viewer_modes,
        engine.cursor_style,
        (engine.blinks, engine.wheel_moves),
        engine.title,
        engine.titles,
        engine.directory,
    ));
    text.push_str(&format!(" {:?}", engine.pointer));
    text
}

/// What scrolled off, legibly, without the numbers of links that have no id.
fn scrolled(screen: &mut Screen) -> String {
    let (erased, lines) = screen.take_scrolled();
    let lines = String::from_utf8(lines).unwrap();
    let mut text = erased.to_string();
    for part in lines.split(engine::NAMELESS) {
        text.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    text
}

proptest! {
    #![proptest_config(config())]

    /// The one that counts: a fresh terminal fed with a snapshot taken at any byte is in the same state, and goes on alike.
    #[test]
    fn a_snapshot_at_any_byte_restores_everything(
        stream in streams(),
        cut in any::<prop::sample::Index>(),
        (columns, rows) in (2..14_u16, 1..9_u16),
        before in streams(),
    ) {
        let (first, rest) = stream.0.split_at(cut.index(stream.0.len() + 1));
        let mut original = screen(columns, rows, first);
        let (_, history) = original.take_scrolled();
        let bytes = original.snapshot(Some(&history));
        prop_assert!(!bytes.windows(5).any(|window| window == b"?2026"));

        // A viewer that was shown something else before.
        let mut copy = screen(columns, rows, &before.0);
        copy.take_answers();
        if !copy.scanner.held().is_empty() {
            copy.feed(b"\x18");
        }
        copy.feed(&bytes);
        // Its stack of titles is its own.
        let own = copy.engine.titles.len() - original.engine.titles.len();
        copy.engine.titles.drain(..own.min(copy.engine.titles.len()));
        copy.engine.in_frame = original.engine.in_frame;
        if copy.engine.directory != original.engine.directory && original.engine.directory.is_empty() {
            copy.engine.directory.clear();
        }
        // What the person prefers is left alone.
        copy.engine.blinks = copy.engine.blinks.filter(|_| original.engine.blinks.is_some());
        copy.engine.wheel_moves = copy.engine.wheel_moves.filter(|_| original.engine.wheel_moves.is_some());
        prop_assert_eq!(state(&mut copy), state(&mut original));
        let (_, shown) = copy.take_scrolled();
        prop_assert_eq!(String::from_utf8_lossy(&shown), String::from_utf8_lossy(&history));

        let mut filter = Filter::new();
        filter.pass(first, &mut Vec::new());
        let mut viewed = Vec::new();
        filter.pass(rest, &mut viewed);
        original.feed(rest);
        copy.feed(&viewed);
        prop_assert_eq!(state(&mut copy), state(&mut original));
        prop_assert_eq!(scrolled(&mut copy), scrolled(&mut original));
        prop_assert_eq!(copy.take_answers(), b"");
    }

    /// A viewer that was there from the start sees what the screen does, and answers nothing.
    #[test]
    fn what_is_filtered_leaves_the_same_state(stream in streams(), (columns, rows) in (2..14_u16, 1..9_u16)) {
        let mut original = screen(columns, rows, &stream.0);
        let mut viewed = Vec::new();
        Filter::new().pass(&stream.0, &mut viewed);
        let mut viewer = screen(columns, rows, &viewed);
        prop_assert_eq!(state(&mut viewer), state(&mut original));
        prop_assert_eq!(scrolled(&mut viewer), scrolled(&mut original));
        prop_assert_eq!(viewer.take_answers(), b"");
        let effects = viewer.take_effects();
        prop_assert!(effects.is_empty() || effects == [Effect::Bell], "{:?}", effects);
    }

    #[test]
    fn viewers_are_fed_whole_sequences_whatever_the_pieces(stream in streams(), piece in 1..7_usize) {
        let mut whole = Vec::new();
        Filter::new().pass(&stream.0, &mut whole);
        let (mut pieces, mut filter) = (Vec::new(), Filter::new());
        let (mut with_screen, mut screen) = (Vec::new(), screen(10, 5, b""));
        for piece in stream.0.chunks(piece) {
            filter.pass(piece, &mut pieces);
            screen.feed_viewed(piece, &mut with_screen);
            let mut scanner = Scanner::new();
            scanner.scan(&pieces, &mut |_| {});
            prop_assert_eq!(scanner.held(), b"");
        }
        prop_assert_eq!(whole.escape_ascii().to_string(), pieces.escape_ascii().to_string());
        prop_assert_eq!(&whole, &with_screen);
        prop_assert!(std::str::from_utf8(&whole).is_ok());
    }

    #[test]
    fn pieces_do_not_matter(stream in streams(), piece in 1..7_usize) {
        let whole = &mut screen(10, 5, &stream.0);
        let mut pieces = screen(10, 5, b"");
        for piece in stream.0.chunks(piece) {
            pieces.feed(piece);
        }
        prop_assert_eq!(state(&mut pieces), state(whole));
        prop_assert_eq!(pieces.take_answers(), whole.take_answers());
    }

    #[test]
    fn resizing_at_any_time_keeps_the_engine_sound(
        steps in vec((streams(), 0..20_u16, 0..12_u16), 1..6),
    ) {
        let mut original = screen(12, 6, b"");
        for (stream, columns, rows) in steps {
            original.feed(&stream.0);
            original.resize(Size::bounded(columns, rows));
            let size = original.size();
            let bytes = original.snapshot(None);
            let mut copy = screen(size.columns, size.rows, &bytes);
            copy.engine.in_frame = original.engine.in_frame;
            copy.engine.directory.clone_from(&original.engine.directory);
            prop_assert_eq!(state(&mut copy), state(&mut original));
        }
    }
}

#[test]
fn lines_that_scroll_off_are_kept_with_their_colours() {
    let mut scrolled = screen(
        10,
        2,
        b"one\r\n\x1b[31mtwo\x1b[m\r\nthree is longer than ten\r\nlast",
    );
    let (erased, lines) = scrolled.take_scrolled();
    assert!(!erased);
    assert_eq!(
        String::from_utf8(lines.clone()).unwrap(),
        "one\n\x1b[0;31mtwo\x1b[m\nthree is longer than"
    );
    assert_eq!(scrolled.text(), " ten\nlast\n");
    assert_eq!(
        stratavore_wire::history::plain(&lines),
        b"one\ntwo\nthree is longer than"
    );
    assert_eq!(scrolled.painted(), b" ten\nlast\n");
}

#[test]
fn erasing_the_scrollback_erases_the_history() {
    let mut erased = screen(10, 2, b"1\r\n2\r\n3\r\n\x1b[2J\x1b[3J\x1b[H4\r\n5\r\n6");
    assert_eq!(erased.take_scrolled(), (true, b"4\n".to_vec()));
    // Claude Code's redraw leaves no fake history.
    erased.feed(b"\x1b[2J\x1b[H4\r\n5\r\n");
    assert_eq!(erased.take_scrolled(), (false, b"4\n".to_vec()));
}

#[test]
fn the_alternate_screen_has_no_history() {
    let mut editor = screen(10, 2, b"shell\r\n\x1b[?1049h1\r\n2\r\n3\r\n4");
    assert_eq!(editor.take_scrolled(), (false, Vec::new()));
    assert_eq!(editor.painted(), b"shell\n");
    editor.feed(b"\x1b[?1049l");
    assert_eq!(editor.text(), "shell\n");
}

#[test]
fn what_does_not_fit_after_a_resize_goes_to_the_history() {
    let mut shrunk = screen(10, 4, b"1\r\n2\r\n3\r\n4");
    shrunk.resize(Size::bounded(10, 2));
    assert_eq!(shrunk.take_scrolled(), (false, b"1\n2\n".to_vec()));
    assert_eq!(shrunk.text(), "3\n4\n");

    let mut narrowed = screen(10, 2, b"abcdefghij\r\nk");
    narrowed.resize(Size::bounded(5, 2));
    assert_eq!(narrowed.take_scrolled(), (false, b"abcde".to_vec()));
    assert_eq!(narrowed.text(), "fghij\nk\n");
}

#[test]
fn hostile_streams_stay_within_bounds() {
    let mut hostile = screen(20, 4, b"x");
    // A million marks on one character.
    for _ in 0..1000 {
        hostile.feed("\u{301}".repeat(1000).as_bytes());
    }
    assert!(hostile.snapshot(None).len() < 4096);
    // Pushes without end of everything that can be pushed.
    hostile.feed(&b"\x1b[>1u\x1b[22;0t\x1b7".repeat(10_000));
    assert!(hostile.snapshot(None).len() < 4096);
    // A title without end, and one that never ends.
    hostile.feed(b"\x1b]2;");
    hostile.feed(&vec![b'x'; 4 << 20]);
    assert!(hostile.title().len() <= 1024);
    hostile.feed(b"\x07");
    // Questions that nobody reads the answers of.
    hostile.feed(&b"\x1b[c".repeat(1_000_000));
    assert!(hostile.take_answers().len() < 100 * 1024);
    // A line that never ends.
    hostile.feed(&vec![b'y'; 4 << 20]);
    let (_, scrolled) = hostile.take_scrolled();
    assert!(
        scrolled
            .split(|byte| *byte == b'\n')
            .all(|line| line.len() < 100 * 1024)
    );
    // Sizes that no window has.
    for (columns, rows) in [(1, 1), (10_000, 10_000), (0, 0), (u16::MAX, 1), (80, 24)] {
        hostile.resize(Size::bounded(columns, rows));
        hostile.feed(b"\x1b[999;999Hz\x1b[H");
    }
}

#[test]
fn a_frame_is_known_as_one() {
    let mut drawing = screen(10, 2, b"\x1b[?2026hhalf");
    assert!(drawing.in_frame());
    assert_eq!(drawing.text(), "half\n");
    drawing.feed(b"\x1b[?2026l");
    assert!(!drawing.in_frame());
}
