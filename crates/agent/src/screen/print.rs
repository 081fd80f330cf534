//! How a character comes onto the screen.

use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{CharsetIndex, Handler, Mode, NamedMode, StandardCharset};

use super::engine::Engine;
use super::mend::{end_last_line, mend};
use super::scan::MARKS_MAX;
use super::width::width;

fn is_printable(byte: &u8) -> bool {
    matches!(byte, b' '..=b'~')
}

const WIDE: Flags = Flags::WIDE_CHAR.union(Flags::WIDE_CHAR_SPACER);

impl Engine {
    /// Writes text, and does what the controls in it say.
    pub(crate) fn text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = if is_printable(&(first as u32 as u8)) && first.is_ascii() {
                let bytes = rest.as_bytes();
                let length = bytes.iter().position(|byte| !is_printable(byte));
                let length = length.unwrap_or(bytes.len());
                self.print_run(&bytes[..length]);
                length
            } else if first.is_ascii() {
                self.control(first as u8);
                1
            } else {
                self.print(first);
                first.len_utf8()
            };
            rest = &rest[length..];
        }
    }

    /// Does what a C0 control says.
    pub(crate) fn control(&mut self, control: u8) {
        match control {
            0x07 => self.rang = true,
            0x08 => self.backspace(),
            b'\t' => self.put_tab(1),
            b'\n' | 0x0b | 0x0c => self.linefeed(),
            b'\r' => self.carriage_return(),
            0x0e => self.set_active_charset(CharsetIndex::G1),
            0x0f => self.set_active_charset(CharsetIndex::G0),
            _ => {}
        }
    }

    /// Writes printable ASCII characters: most of what is ever written, a row at a time.
    fn print_run(&mut self, mut run: &[u8]) {
        let mode = *self.term.mode();
        let charset = self.term.grid().cursor.charsets[self.charset];
        let simple = mode.contains(TermMode::LINE_WRAP)
            && !mode.contains(TermMode::INSERT)
            && charset == StandardCharset::Ascii;
        if !simple {
            return run.iter().for_each(|byte| self.print(char::from(*byte)));
        }
        while !run.is_empty() {
            if self.term.grid().cursor.input_needs_wrap {
                self.wrap(false);
            }
            let columns = usize::from(self.size.columns);
            let point = self.term.grid().cursor.point;
            let (here, later) = run.split_at(run.len().min(columns - point.column.0));
            run = later;
            let halves = self.halves(here.len());
            let grid = self.term.grid_mut();
            let pen = grid.cursor.template.clone();
            let end = point.column + here.len();
            for (cell, byte) in grid[point.line][point.column..end].iter_mut().zip(here) {
                cell.c = char::from(*byte);
                (cell.fg, cell.bg, cell.flags) = (pen.fg, pen.bg, pen.flags);
                cell.extra.clone_from(&pen.extra);
            }
            let waits = end.0 == columns;
            grid.cursor.point.column = end - usize::from(waits);
            grid.cursor.input_needs_wrap = waits;
            self.blank(halves);
        }
    }

    /// Writes a character where the cursor is.
    pub(crate) fn print(&mut self, c: char) {
        let width = match width(c) {
            None => return,
            Some(0) => return self.combine(c),
            Some(width) => width,
        };
        let mode = *self.term.mode();
        let cursor = &self.term.grid().cursor;
        let fits = cursor.point.column.0 + width <= usize::from(self.size.columns);
        if mode.contains(TermMode::LINE_WRAP) {
            if cursor.input_needs_wrap {
                self.wrap(false);
            } else if !fits {
                self.wrap(true);
            }
        } else if !fits {
            // It is not shown at all.
            return self.stop_waiting();
        }
        if mode.contains(TermMode::INSERT) {
            self.make_room(width);
            // The engine would take what it moves for what it overwrites.
            let insert = Mode::Named(NamedMode::Insert);
            self.term.unset_mode(insert);
            self.term.input(c);
            self.term.set_mode(insert);
        } else {
            let halves = self.halves(width);
            self.term.input(c);
            self.blank(halves);
        }
    }

    /// Adds a mark to the character before the cursor.
    fn combine(&mut self, mark: char) {
        let cursor = &self.term.grid().cursor;
        let (line, mut column) = (cursor.point.line, cursor.point.column);
        if !cursor.input_needs_wrap {
            column.0 = column.0.saturating_sub(1);
        }
        let row = &self.term.grid()[line];
        if row[column].flags.contains(Flags::WIDE_CHAR_SPACER) {
            column.0 = column.0.saturating_sub(1);
        }
        if row[column].zerowidth().map_or(0, <[char]>::len) < MARKS_MAX {
            self.term.input(mark);
        }
    }

    /// Goes on in the next row; `short` says that the last column stays free, for a wide character does not fit into it.
    fn wrap(&mut self, short: bool) {
        if short {
            let halves = self.halves(1);
            let pen = self.pen();
            self.term.grid_mut().cursor_cell().clone_from(&pen);
            self.blank(halves);
        }
        let grid = self.term.grid_mut();
        let (line, last) = (grid.cursor.point.line, grid.last_column());
        let flags = &mut grid[line][last].flags;
        flags.insert(Flags::WRAPLINE);
        flags.set(Flags::LEADING_WIDE_CHAR_SPACER, short);
        self.index();
        let grid = self.term.grid_mut();
        grid.cursor.point.column = Column(0);
        if self.region.end != i32::from(self.size.rows) {
            // Below the region the line goes on in the same row.
            end_last_line(grid);
        }
    }

    /// Moves what is behind the cursor to the right.
    fn make_room(&mut self, width: usize) {
        self.stop_waiting();
        self.term.insert_blank(width);
        let pen = self.pen();
        let line = self.term.grid().cursor.point.line;
        mend(&mut self.term.grid_mut()[line], Some(&pen));
    }

    /// Gives a blank as the pen writes it.
    fn pen(&self) -> Cell {
        let pen = self.term.grid().cursor.template.clone();
        Cell { c: ' ', ..pen }
    }

    /// Finds the halves of wide characters whose other halves a character of this width is about to overwrite.
    fn halves(&self, width: usize) -> [Option<(Line, Column)>; 2] {
        let grid = self.term.grid();
        let (line, column) = (grid.cursor.point.line, grid.cursor.point.column);
        let row = &grid[line];
        let last = column + width - 1;
        if !(row[column].flags | row[last].flags).intersects(WIDE) {
            return [None, None];
        }
        let before = row[column].flags.contains(Flags::WIDE_CHAR_SPACER) && column > Column(0);
        let after = last < grid.last_column() && row[last].flags.contains(Flags::WIDE_CHAR);
        [
            before.then(|| (line, column - 1)),
            after.then(|| (line, last + 1)),
        ]
    }

    fn blank(&mut self, halves: [Option<(Line, Column)>; 2]) {
        for (line, column) in halves.into_iter().flatten() {
            let pen = self.pen();
            self.term.grid_mut()[line][column] = pen;
        }
    }
}
