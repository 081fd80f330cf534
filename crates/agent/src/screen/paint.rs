//! Cells as text with SGR sequences.

use std::io::Write;

use alacritty_terminal::grid::Row;
use alacritty_terminal::index::Column;
use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{Color, NamedColor};

use super::style;

/// What SGR and OSC 8 set, as opposed to where a cell stands.
const STYLE: Flags = Flags::INVERSE
    .union(Flags::BOLD)
    .union(Flags::ITALIC)
    .union(Flags::ALL_UNDERLINES)
    .union(Flags::DIM)
    .union(Flags::HIDDEN)
    .union(style::BLINK)
    .union(Flags::STRIKEOUT);

/// Holds how the next character would look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pen {
    foreground: Color,
    background: Color,
    flags: Flags,
    underline: Option<Color>,
    link: Option<Hyperlink>,
}

impl Default for Pen {
    fn default() -> Self {
        Self::of(&Cell::default())
    }
}

impl Pen {
    pub(crate) fn of(cell: &Cell) -> Self {
        Self {
            foreground: cell.fg,
            background: cell.bg,
            flags: cell.flags & STYLE,
            underline: cell.underline_color(),
            link: cell.hyperlink(),
        }
    }

    /// Gives what SGR 0 leaves of it: the link.
    pub(crate) fn without_style(self) -> Self {
        Self {
            link: self.link,
            ..Self::default()
        }
    }

    /// Appends what turns this pen into `to`.
    pub(crate) fn change(&mut self, to: Self, out: &mut Vec<u8>) {
        if self.link != to.link {
            match &to.link {
                Some(link) => {
                    out.extend_from_slice(b"\x1b]8;id=");
                    out.extend(
                        link.id()
                            .bytes()
                            .filter(|byte| !byte.is_ascii_control() && !b":;".contains(byte)),
                    );
                    out.push(b';');
                    out.extend(link.uri().bytes().filter(|byte| !byte.is_ascii_control()));
                    out.extend_from_slice(b"\x1b\\");
                }
                None => out.extend_from_slice(b"\x1b]8;;\x1b\\"),
            }
        }
        let style = |pen: &Self| (pen.foreground, pen.background, pen.flags, pen.underline);
        if style(self) != style(&to) {
            to.sgr(out);
        }
        *self = to;
    }

    /// Appends the sequence that sets it, from whatever it was.
    pub(crate) fn sgr(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\x1b[");
        if style_is_default(self) {
            out.push(b'm');
            return;
        }
        out.push(b'0');
        let flags = self
            .flags
            .difference(Flags::ALL_UNDERLINES)
            .union(style::underline(self.flags));
        for (flag, code) in [
            (Flags::BOLD, "1"),
            (Flags::DIM, "2"),
            (Flags::ITALIC, "3"),
            (Flags::UNDERLINE, "4"),
            (Flags::DOUBLE_UNDERLINE, "4:2"),
            (Flags::UNDERCURL, "4:3"),
            (Flags::DOTTED_UNDERLINE, "4:4"),
            (Flags::DASHED_UNDERLINE, "4:5"),
            (style::BLINK, "5"),
            (Flags::INVERSE, "7"),
            (Flags::HIDDEN, "8"),
            (Flags::STRIKEOUT, "9"),
        ] {
            if flags.contains(flag) {
                out.push(b';');
                out.extend_from_slice(code.as_bytes());
            }
        }
        if style::is_overlined(self.flags) {
            out.extend_from_slice(b";53");
        }
        color(self.foreground, 30, out);
        color(self.background, 40, out);
        if let Some(underline) = self.underline {
            color(underline, 50, out);
        }
        out.push(b'm');
    }
}

fn style_is_default(pen: &Pen) -> bool {
    pen.foreground == Color::Named(NamedColor::Foreground)
        && pen.background == Color::Named(NamedColor::Background)
        && pen.flags.is_empty()
        && pen.underline.is_none()
}

/// Appends `;` and the code of a colour; `base` is 30, 40 or 50.
fn color(color: Color, base: u16, out: &mut Vec<u8>) {
    // Writing to a Vec does not fail.
    let _ = match color {
        Color::Named(name) => match name as usize {
            index @ 0..=7 if base < 50 => write!(out, ";{}", base + index as u16),
            index @ 8..=15 if base < 50 => write!(out, ";{}", base + 60 + index as u16 - 8),
            index @ 0..=15 => write!(out, ";{};5;{index}", base + 8),
            _ => Ok(()),
        },
        Color::Indexed(index) => write!(out, ";{};5;{index}", base + 8),
        Color::Spec(rgb) => write!(out, ";{};2;{};{};{}", base + 8, rgb.r, rgb.g, rgb.b),
    };
}

/// Says whether a cell looks like one never written but for its character.
fn is_plain(cell: &Cell) -> bool {
    const NOTHING: (Color, Color) = (
        Color::Named(NamedColor::Foreground),
        Color::Named(NamedColor::Background),
    );
    cell.extra.is_none() && (cell.fg, cell.bg) == NOTHING && !cell.flags.intersects(STYLE)
}

/// Says whether a cell differs from one never written.
fn written(cell: &Cell) -> bool {
    if is_plain(cell) {
        return !matches!(cell.c, ' ' | '\t');
    }
    let marked = cell.zerowidth().is_some_and(|marks| !marks.is_empty());
    marked || !matches!(cell.c, ' ' | '\t') || Pen::of(cell) != Pen::default()
}

/// Says whether the row goes on in the next one.
pub(crate) fn wraps(row: &Row<Cell>, columns: usize) -> bool {
    row[Column(columns - 1)].flags.contains(Flags::WRAPLINE)
}

/// Appends one character of a cell with all that combines with it.
pub(crate) fn cell(cell: &Cell, out: &mut Vec<u8>) {
    let mut buffer = [0; 4];
    let c = if cell.c.is_control() { ' ' } else { cell.c };
    out.extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
    for mark in cell.zerowidth().into_iter().flatten() {
        out.extend_from_slice(mark.encode_utf8(&mut buffer).as_bytes());
    }
}

/// Says whether the last column is blank for a wide character that did not fit into it and stands in the next row.
pub(crate) fn falls_short(row: &Row<Cell>, columns: usize) -> bool {
    wraps(row, columns)
        && row[Column(columns - 1)]
            .flags
            .contains(Flags::LEADING_WIDE_CHAR_SPACER)
}

/// Appends a row's content, leaving the pen as its last character had it.
pub(crate) fn row(row: &Row<Cell>, columns: usize, pen: &mut Pen, out: &mut Vec<u8>) {
    let end = if falls_short(row, columns) {
        columns - 1
    } else if wraps(row, columns) {
        columns
    } else {
        (0..columns)
            .rev()
            .find(|column| written(&row[Column(*column)]))
            .map_or(0, |column| column + 1)
    };
    let mut plain = false;
    let mut column = 0;
    while column < end {
        let here = &row[Column(column)];
        if is_plain(here) && here.c.is_ascii() && !here.c.is_control() {
            // Most of what is ever written.
            if !plain {
                pen.change(Pen::default(), out);
                plain = true;
            }
            out.push(here.c as u8);
            column += 1;
            continue;
        }
        pen.change(Pen::of(here), out);
        plain = false;
        cell(here, out);
        let wide = here.flags.contains(Flags::WIDE_CHAR)
            && column + 1 < columns
            && row[Column(column + 1)]
                .flags
                .contains(Flags::WIDE_CHAR_SPACER);
        column += if wide { 2 } else { 1 };
    }
}

/// Gives a row without the links in it.
pub(crate) fn unlinked(row: &Row<Cell>) -> Row<Cell> {
    let mut row = row.clone();
    for column in 0..row.len() {
        row[Column(column)].set_hyperlink(None);
    }
    row
}

/// Appends what lets a row go on in the next one, which is left blank with the cursor at its start. A blank that wraps marks
/// the row; one that falls short is marked by a wide character only, which is erased again.
pub(crate) fn wrap(falls_short: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if falls_short {
        "漢\r\x1b[m\x1b[2K".as_bytes()
    } else {
        b" \r"
    });
}

/// Appends a row as characters without what combines with them.
pub(crate) fn bare_text(row: &Row<Cell>, columns: usize, out: &mut Vec<u8>) {
    text_of(row, columns, out, |cell, out| {
        let c = if cell.c.is_control() { ' ' } else { cell.c };
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    });
}

/// Appends a row as plain text, without what trails.
pub(crate) fn text(row: &Row<Cell>, columns: usize, out: &mut Vec<u8>) {
    text_of(row, columns, out, cell);
}

fn text_of(
    row: &Row<Cell>,
    columns: usize,
    out: &mut Vec<u8>,
    write: impl Fn(&Cell, &mut Vec<u8>),
) {
    let start = out.len();
    for column in 0..columns {
        let here = &row[Column(column)];
        if !here
            .flags
            .intersects(Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER)
        {
            write(here, out);
        }
    }
    let kept = out[start..]
        .iter()
        .rposition(|byte| *byte != b' ')
        .map_or(0, |last| last + 1);
    out.truncate(start + kept);
}
