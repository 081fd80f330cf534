//! The lines that scroll off.

use alacritty_terminal::grid::Row;
use alacritty_terminal::index::Column;
use alacritty_terminal::term::cell::{Cell, Flags};

use super::paint::{self, Pen};

/// A line of history is broken here when the program never ends it.
const LINE_MAX: usize = 64 * 1024;

/// Lines that scrolled off the primary screen and were not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Painted, each ended by a newline but for a last one that goes on.
    pub(crate) lines: Vec<u8>,
    /// All earlier lines were erased.
    pub(crate) erased: bool,
    /// Bytes of the line at the end of the history when it goes on.
    open: usize,
    /// Whether that line's last row lacks a column; see [`paint::falls_short`].
    pub(crate) falls_short: bool,
    /// Whether that line wrapped into a row with a coloured background, which fills the new row.
    coloured: bool,
}

impl Kept {
    /// Starts again.
    pub(crate) fn after_erasing() -> Self {
        Self {
            erased: true,
            ..Self::default()
        }
    }

    /// Says whether the history ends inside a line that the screen goes on with.
    pub(crate) fn is_open(&self) -> bool {
        self.open > 0
    }

    /// Takes a row that is about to leave the screen.
    pub(crate) fn keep(&mut self, row: &Row<Cell>, columns: usize) {
        let start = self.lines.len();
        let mut pen = Pen::default();
        let first = &row[Column(0)];
        if self.is_open() {
            self.coloured |= first.bg != Cell::default().bg;
            if self.falls_short && !first.flags.contains(Flags::WIDE_CHAR) {
                // The wide character that left the column free is gone; what stands there now would fill it.
                self.lines.push(b' ');
            }
        }
        let before = self.lines.len();
        paint::row(row, columns, &mut pen, &mut self.lines);
        if self.lines.len() - before > LINE_MAX {
            // Links from one character to the next.
            self.lines.truncate(before);
            pen = Pen::default();
            paint::row(&paint::unlinked(row), columns, &mut pen, &mut self.lines);
        }
        if self.is_open() && self.lines.len() == before {
            // Without a blank in it, the row that the line goes on in would not come about again.
            self.lines.push(b' ');
        }
        pen.change(Pen::default(), &mut self.lines);
        self.open += self.lines.len() - start;
        self.falls_short = paint::falls_short(row, columns);
        if !paint::wraps(row, columns) || self.open > LINE_MAX {
            if self.coloured {
                self.lines.extend_from_slice(b"\x1b[K");
            }
            self.lines.push(b'\n');
            self.open = 0;
            self.coloured = false;
        }
    }
}
