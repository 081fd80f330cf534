//! How a character comes onto the screen.

use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{CharsetIndex, Handler, StandardCharset};

use super::engine::Engine;
use super::mend::{end_last_line, mend};
use super::scan::MARKS_MAX;
use super::width::width;

const WIDE: Flags = Flags::WIDE_CHAR.union(Flags::WIDE_CHAR_SPACER);

impl Engine {
    /// Writes text, and does what the controls in it say.
    pub(crate) fn text(&mut self, text: &str) {
        let is_printable = |byte: &u8| matches!(byte, b' '..=b'~');
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let bytes = rest.as_bytes();
            let printable = bytes.iter().position(|byte| !is_printable(byte));
            let length = match printable.unwrap_or(bytes.len()) {
                0 if first.is_ascii() => {
                    self.control(bytes[0]);
                    1
                }
                0 => {
                    self.print(first);
                    first.len_utf8()
                }
                length => {
                    self.print_run(&bytes[..length]);
                    length
                }
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
            let room = columns - self.term.grid().cursor.point.column.0;
            let (here, later) = run.split_at(run.len().min(room));
            run = later;
            self.write(here.len(), |pen, cells| {
                for (cell, byte) in cells.iter_mut().zip(here) {
                    put(cell, char::from(*byte), pen);
                }
            });
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
        }
        let c = self.term.grid().cursor.charsets[self.charset].map(c);
        self.write(width, |pen, cells| {
            put(&mut cells[0], c, pen);
            if let [first, second] = cells {
                first.flags.insert(Flags::WIDE_CHAR);
                put(second, ' ', pen);
                second.flags.insert(Flags::WIDE_CHAR_SPACER);
            }
        });
    }

    /// Fills so many cells from the cursor on, which has room for them, and moves it behind them.
    fn write(&mut self, width: usize, fill: impl FnOnce(&Cell, &mut [Cell])) {
        let halves = self.halves(width);
        let columns = usize::from(self.size.columns);
        let grid = self.term.grid_mut();
        let point = grid.cursor.point;
        let pen = grid.cursor.template.clone();
        let end = point.column + width;
        let waits = end.0 == columns;
        let row = &mut grid[point.line];
        let last = &row[Column(columns - 1)];
        let goes_on = waits && last.flags.contains(Flags::WRAPLINE);
        let last = goes_on.then(|| last.clone());
        fill(&pen, &mut row[point.column..end]);
        if let Some(last) = last {
            // A line that goes on still does when its last character is written again, as a snapshot does.
            let now = &mut row[Column(columns - 1)];
            now.flags.insert(Flags::WRAPLINE);
            if *now != last {
                now.flags.remove(Flags::WRAPLINE);
            }
        }
        grid.cursor.point.column = end - usize::from(waits);
        grid.cursor.input_needs_wrap = waits;
        self.blank(halves);
    }

    /// Adds a mark to the character before the cursor.
    fn combine(&mut self, mark: char) {
        let grid = self.term.grid_mut();
        let (line, mut column) = (grid.cursor.point.line, grid.cursor.point.column);
        if !grid.cursor.input_needs_wrap {
            column.0 = column.0.saturating_sub(1);
        }
        let row = &mut grid[line];
        if row[column].flags.contains(Flags::WIDE_CHAR_SPACER) {
            column.0 = column.0.saturating_sub(1);
        }
        if row[column].zerowidth().map_or(0, <[char]>::len) < MARKS_MAX {
            row[column].push_zerowidth(mark);
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

fn put(cell: &mut Cell, c: char, pen: &Cell) {
    cell.c = c;
    (cell.fg, cell.bg, cell.flags) = (pen.fg, pen.bg, pen.flags);
    cell.extra.clone_from(&pen.extra);
}
