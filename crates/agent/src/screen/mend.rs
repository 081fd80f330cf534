//! What the engine leaves wrong, mended: halves of wide characters and marks of lines that go on.

use alacritty_terminal::grid::{Dimensions, Grid, Row};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};

/// Takes the mark that its line goes on from the last row: what it went on in was moved off the screen.
pub(crate) fn end_last_line(grid: &mut Grid<Cell>) {
    let (line, column) = (grid.bottommost_line(), grid.last_column());
    grid[line][column]
        .flags
        .remove(Flags::WRAPLINE | Flags::LEADING_WIDE_CHAR_SPACER);
}

/// Blanks halves of wide characters, as `blank` says or as they look, and takes marks of a line's end from cells that are not at one.
pub(crate) fn mend(row: &mut Row<Cell>, blank: Option<&Cell>) {
    let mut wide_before = false;
    for column in 0..row.len() {
        let next_is_spacer = column + 1 < row.len()
            && row[Column(column + 1)]
                .flags
                .contains(Flags::WIDE_CHAR_SPACER);
        let last = column + 1 == row.len();
        let cell = &mut row[Column(column)];
        if !last {
            cell.flags
                .remove(Flags::WRAPLINE | Flags::LEADING_WIDE_CHAR_SPACER);
        }
        if cell.flags.contains(Flags::WIDE_CHAR_SPACER) && !wide_before {
            cell.flags.remove(Flags::WIDE_CHAR_SPACER);
            blank.inspect(|blank| cell.clone_from(blank));
        }
        wide_before = cell.flags.contains(Flags::WIDE_CHAR);
        if wide_before && !next_is_spacer {
            cell.clear_wide();
            blank.inspect(|blank| cell.clone_from(blank));
            wide_before = false;
        }
    }
}

/// Mends what the engine leaves after a resize: halves of wide characters, and cursors whose pending wrap is no more one.
pub(crate) fn settle(grid: &mut Grid<Cell>) {
    for line in 0..grid.screen_lines() {
        mend(&mut grid[Line(line as i32)], None);
    }
    end_last_line(grid);
    let (bottom, last) = (grid.bottommost_line(), grid.last_column());
    for cursor in [&mut grid.cursor, &mut grid.saved_cursor] {
        cursor.point.line = cursor.point.line.min(bottom);
        if cursor.point.column > last {
            cursor.point.column = last;
            cursor.input_needs_wrap = false;
        }
        if cursor.input_needs_wrap && cursor.point.column < last {
            cursor.input_needs_wrap = false;
            cursor.point.column += 1;
        }
    }
}
