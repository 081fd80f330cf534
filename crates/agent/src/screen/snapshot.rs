//! The bytes that bring a terminal in any state to the screen's.

use std::io::Write;

use alacritty_terminal::grid::{Cursor, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{CharsetIndex, StandardCharset};

use super::command::{ColorChange, dynamic};
use super::engine::{Engine, VIEWER_MODES};
use super::paint::{self, Pen};
use super::viewed;

/// Ends whatever the terminal was in and gives every mode its first state; the keyboard's of both screens. Never 2026: a viewer would wait for its end.
const RESET: &[u8] = b"\x18\x1b[?1049l\x1b[?47l\x1b[<64u\x1b[=0u\x1b[?1049h\x1b[<64u\x1b[=0u\x1b[?1049l\x1b]8;;\x1b\\\x1b[m\x1b[r\x1b[?6l\x1b[4l\x1b[20l\x1b[?7h\
\x1b(B\x1b)B\x1b*B\x1b+B\x0f\
\x1b[?5l\x1b[?9l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l\x1b[?1016l\
\x1b[?1004l\x1b[?2004l\x1b[?2031l\x1b[?1l\x1b>\
\x1b[>4;0m\x1b[0 q\x1b[?25h\
\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";

/// Makes pen and character sets default ones.
const PLAIN: &[u8] = b"\x1b]8;;\x1b\\\x1b[m\x1b(B\x1b)B\x1b*B\x1b+B";

/// Writes to a Vec, which does not fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {{
        let _ = write!($out, $($format)*);
    }};
}

/// Says what a snapshot starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scrollback<'a> {
    /// The viewer's scrollback is left alone.
    Untouched,
    /// The viewer's scrollback becomes this: painted lines, each ended by a newline.
    Replaced(&'a [u8]),
}

/// Says how much of the screen there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Everything.
    All,
    /// Everything but the links in it.
    NoLinks,
    /// One character a cell.
    Text,
}

/// Draws the screen in at most `max` bytes behind the scrollback, in as much detail as there is room for.
pub(crate) fn snapshot(engine: &mut Engine, scrollback: Scrollback<'_>, max: usize) -> Vec<u8> {
    let mut out = beginning(engine, scrollback);
    let (start, max) = (out.len(), out.len() + max);
    for detail in [Detail::All, Detail::NoLinks] {
        if rest(engine, detail, max, &mut out) {
            return out;
        }
        out.truncate(start);
    }
    rest(engine, Detail::Text, usize::MAX, &mut out);
    out
}

fn beginning(engine: &Engine, scrollback: Scrollback<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 * 1024);
    out.extend_from_slice(RESET);
    if !engine.is_alternate() && engine.keyboard[1] != [0] {
        out.extend_from_slice(b"\x1b[?1049h");
        keyboard(&engine.keyboard[1], &mut out);
        out.extend_from_slice(b"\x1b[?1049l");
    }
    out.extend_from_slice(b"\x1b[H\x1b[J");
    if let Scrollback::Replaced(lines) = scrollback {
        out.extend_from_slice(b"\x1b[3J");
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    out.extend_from_slice(line);
                    out.extend_from_slice(b"\r\n");
                }
                // A line that the screen goes on with.
                None => {
                    out.extend_from_slice(line);
                    if engine.kept.is_open() {
                        paint::wrap(engine.kept.falls_short, &mut out);
                    } else {
                        out.extend_from_slice(b"\r\n");
                    }
                }
            }
        }
    }
    out
}

/// Appends what follows the scrollback; says whether there was room for it.
fn rest(engine: &mut Engine, detail: Detail, max: usize, out: &mut Vec<u8>) -> bool {
    let (columns, alternate) = (usize::from(engine.size.columns), engine.is_alternate());

    keyboard(&engine.keyboard[0], out);
    let fits = engine.with_primary(|grid| {
        if !screen(grid, columns, detail, max, out) {
            return false;
        }
        place(grid, &grid.saved_cursor, 0, out);
        style(&grid.saved_cursor, out);
        out.extend_from_slice(if alternate { b"\x1b[?1049h" } else { b"\x1b7" });
        true
    });
    if !fits {
        return false;
    }
    if alternate {
        out.extend_from_slice(PLAIN);
        out.extend_from_slice(b"\x1b[H\x1b[J");
        let grid = engine.term.grid();
        if !screen(grid, columns, detail, max, out) {
            return false;
        }
        place(grid, &grid.saved_cursor, 0, out);
        style(&grid.saved_cursor, out);
        out.extend_from_slice(b"\x1b7");
        keyboard(&engine.keyboard[1], out);
    }
    out.extend_from_slice(PLAIN);

    out.extend_from_slice(b"\x1b[3g");
    for (column, _) in engine.tabs.iter().enumerate().filter(|(_, set)| **set) {
        put!(out, "\x1b[{}G\x1bH", column + 1);
    }
    if engine.region != (0..i32::from(engine.size.rows)) {
        put!(
            out,
            "\x1b[{};{}r",
            engine.region.start + 1,
            engine.region.end
        );
    }
    let mode = *engine.term.mode();
    let cursor = &engine.term.grid().cursor;
    let origin = mode.contains(TermMode::ORIGIN);
    let mut top = 0;
    if origin {
        out.extend_from_slice(b"\x1b[?6h");
        if engine.region.contains(&cursor.point.line.0) {
            top = engine.region.start;
        }
    }
    place(engine.term.grid(), cursor, top, out);
    style(cursor, out);
    out.extend_from_slice(match engine.charset {
        CharsetIndex::G0 => b"",
        CharsetIndex::G1 => b"\x0e",
        CharsetIndex::G2 => b"\x1bn",
        CharsetIndex::G3 => b"\x1bo",
    });

    for (flag, code, set_at_first) in [
        (TermMode::INSERT, "4", false),
        (TermMode::LINE_FEED_NEW_LINE, "20", false),
        (TermMode::LINE_WRAP, "?7", true),
        (TermMode::APP_CURSOR, "?1", false),
        (TermMode::SHOW_CURSOR, "?25", true),
        (TermMode::FOCUS_IN_OUT, "?1004", false),
        (TermMode::BRACKETED_PASTE, "?2004", false),
    ] {
        if mode.contains(flag) != set_at_first {
            put!(out, "\x1b[{code}{}", if set_at_first { 'l' } else { 'h' });
        }
    }
    if mode.contains(TermMode::APP_KEYPAD) {
        out.extend_from_slice(b"\x1b=");
    }
    let viewers = VIEWER_MODES.into_iter().zip(engine.viewer_modes);
    let viewers = viewers.filter_map(|(mode, set)| set.then_some(mode));
    let mouse = [engine.mouse, engine.mouse_encoding].into_iter();
    for mode in mouse.filter(|mode| *mode != 0).chain(viewers) {
        put!(out, "\x1b[?{mode}h");
    }
    for (mode, said) in [(12, engine.blinks), (1007, engine.wheel_moves)] {
        if let Some(set) = said {
            put!(out, "\x1b[?{mode}{}", if set { 'h' } else { 'l' });
        }
    }
    if engine.other_keys > 0 {
        put!(out, "\x1b[>4;{}m", engine.other_keys);
    }
    if engine.cursor_style.is_some() {
        put!(out, "\x1b[{} q", engine.cursor_code());
    }
    for title in &engine.titles {
        put!(out, "\x1b]2;{title}\x1b\\\x1b[22;2t");
    }
    put!(out, "\x1b]2;{}\x1b\\", engine.title);
    if !engine.directory.is_empty() {
        put!(out, "\x1b]7;{}\x1b\\", engine.directory);
    }
    put!(out, "\x1b]22;{}\x1b\\", engine.pointer);
    let colors = engine.term.colors();
    for index in (0..256).chain((10..=12).map(dynamic)) {
        if let Some(rgb) = colors[index] {
            viewed::color(ColorChange::Set(index, rgb), "\x1b\\", out);
        }
    }
    true
}

/// Writes every row, from the top left of a blank screen with a default pen; says whether there was room for it.
fn screen(
    grid: &Grid<Cell>,
    columns: usize,
    detail: Detail,
    max: usize,
    out: &mut Vec<u8>,
) -> bool {
    let painted = detail != Detail::Text;
    let rows = alacritty_terminal::grid::Dimensions::screen_lines(grid);
    let mut pen = Pen::default();
    for line in 0..rows {
        let row = &grid[Line(line as i32)];
        match detail {
            Detail::All => paint::row(row, columns, &mut pen, out),
            Detail::NoLinks => paint::row(&paint::unlinked(row), columns, &mut pen, out),
            Detail::Text => paint::bare_text(row, columns, out),
        }
        if out.len() > max {
            return false;
        }
        let short = painted && paint::falls_short(row, columns);
        let last = line + 1 == rows;
        if short && last {
            // There is no row to go on in: it is a blank like others.
            pen.change(Pen::of(&row[Column(columns - 1)]), out);
            out.push(b' ');
        }
        if last {
            break;
        }
        // Rows that scroll in take the pen's background; the column that is left free has a style of its own.
        pen.change(
            if short {
                Pen::of(&row[Column(columns - 1)])
            } else {
                Pen::default()
            },
            out,
        );
        if painted && paint::wraps(row, columns) {
            paint::wrap(short, out);
            if short {
                let styled = std::mem::take(&mut pen);
                pen = styled.without_style();
                pen.change(Pen::default(), out);
            }
        } else {
            out.extend_from_slice(b"\r\n");
        }
    }
    pen.change(Pen::default(), out);
    true
}

/// Moves to a cursor, `top` being the row that counts as the first; writes the last character again where a wrap is pending.
fn place(grid: &Grid<Cell>, cursor: &Cursor<Cell>, top: i32, out: &mut Vec<u8>) {
    let (line, column) = (cursor.point.line, cursor.point.column.0);
    if !cursor.input_needs_wrap {
        put!(out, "\x1b[{};{}H", line.0 - top + 1, column + 1);
        return;
    }
    let row = &grid[line];
    let wide = column > 0
        && row[Column(column)].flags.contains(Flags::WIDE_CHAR_SPACER)
        && row[Column(column - 1)].flags.contains(Flags::WIDE_CHAR);
    let first = if wide { column - 1 } else { column };
    put!(out, "\x1b[{};{}H", line.0 - top + 1, first + 1);
    let mut pen = Pen::default();
    pen.change(Pen::of(&row[Column(first)]), out);
    paint::cell(&row[Column(first)], out);
    pen.change(Pen::default(), out);
}

/// Sets pen and character sets, from default ones.
fn style(cursor: &Cursor<Cell>, out: &mut Vec<u8>) {
    Pen::default().change(Pen::of(&cursor.template), out);
    for (index, slot) in [
        (CharsetIndex::G0, '('),
        (CharsetIndex::G1, ')'),
        (CharsetIndex::G2, '*'),
        (CharsetIndex::G3, '+'),
    ] {
        if cursor.charsets[index] == StandardCharset::SpecialCharacterAndLineDrawing {
            put!(out, "\x1b{slot}0");
        }
    }
}

fn keyboard(stack: &[u8], out: &mut Vec<u8>) {
    if let Some((first, rest)) = stack.split_first() {
        if *first != 0 {
            put!(out, "\x1b[={first}u");
        }
        for flags in rest {
            put!(out, "\x1b[>{flags}u");
        }
    }
}
