//! The engine: `alacritty_terminal` behind a handler that knows what it keeps to itself, answers what it is asked, mends
//! where it errs, and keeps the lines that scroll off.

use std::fmt::Write;
use std::ops::Range;

use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Cursor, Dimensions, Grid, Row};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, TermMode};
use alacritty_terminal::vte::ansi::cursor_icon::CursorIcon;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorShape, CursorStyle, Handler, Hyperlink, KeyboardModes,
    KeyboardModesApplyBehavior, LineClearMode, Mode, ModifyOtherKeys, NamedColor, NamedMode,
    NamedPrivateMode, PrivateMode, Rgb, StandardCharset, TabulationClearMode,
};
use unicode_width::UnicodeWidthChar;

use super::paint::{self, Pen};
use super::palette;

/// Marks that combine in one cell; text in no script needs more, hostile text would fill memory.
const MARKS_MAX: usize = 16;
/// Entries of the kitty keyboard stack, as kitty has it.
const KEYBOARD_MAX: usize = 8;
/// Saved titles.
const TITLES_MAX: usize = 16;
/// Bytes of a title.
const TITLE_MAX: usize = 1024;
/// A line of history is broken here when the program never ends it.
const LINE_MAX: usize = 64 * 1024;
/// Rows that may scroll off while a narrower terminal wraps its lines anew.
const REFLOW_ROWS: usize = 4_000;

/// Private modes that mean nothing to the engine but everything to a viewer.
pub(crate) const VIEWER_MODES: [u16; 5] = [9, 45, 1015, 1016, 2031];

/// A size that the engine is safe with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub columns: u16,
    /// Height.
    pub rows: u16,
}

impl Size {
    /// Bounds a size: below, characters of two columns do not fit; above, cells would take more memory than a runner may.
    pub fn bounded(columns: u16, rows: u16) -> Self {
        Self {
            columns: columns.clamp(2, 1000),
            rows: rows.clamp(1, 500),
        }
    }
}

impl Dimensions for Size {
    fn total_lines(&self) -> usize {
        self.rows.into()
    }

    fn screen_lines(&self) -> usize {
        self.rows.into()
    }

    fn columns(&self) -> usize {
        self.columns.into()
    }
}

/// The engine and what it keeps to itself.
pub(crate) struct Engine {
    pub(crate) term: Term<VoidListener>,
    pub(crate) size: Size,
    pub(crate) region: Range<i32>,
    pub(crate) tabs: Vec<bool>,
    pub(crate) charset: CharsetIndex,
    /// Kitty keyboard flags of the primary and of the alternate screen; the last entry rules.
    pub(crate) keyboard: [Vec<u8>; 2],
    /// xterm's modifyOtherKeys.
    pub(crate) other_keys: u8,
    /// Which of [`VIEWER_MODES`] are set.
    pub(crate) viewer_modes: [bool; VIEWER_MODES.len()],
    pub(crate) cursor_style: Option<CursorStyle>,
    pub(crate) title: String,
    pub(crate) titles: Vec<String>,
    pub(crate) directory: String,
    /// Inside a synchronized update.
    pub(crate) in_frame: bool,
    /// What the program asked, answered.
    pub(crate) answers: Vec<u8>,
    /// What scrolled off.
    pub(crate) kept: Kept,
}

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
    /// Says whether the history ends inside a line that the screen goes on with.
    pub(crate) fn is_open(&self) -> bool {
        self.open > 0
    }

    fn keep(&mut self, row: &Row<Cell>, columns: usize) {
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

impl Engine {
    pub(crate) fn new(size: Size) -> Self {
        // The engine keeps no history of its own: a cell takes 24 bytes, and its first line of history allocates a thousand.
        let config = Config {
            scrolling_history: 0,
            ..Config::default()
        };
        Self {
            term: Term::new(config, &size, VoidListener),
            size,
            region: 0..i32::from(size.rows),
            tabs: default_tabs(size.columns.into()),
            charset: CharsetIndex::G0,
            keyboard: [vec![0], vec![0]],
            other_keys: 0,
            viewer_modes: [false; VIEWER_MODES.len()],
            cursor_style: None,
            title: String::new(),
            titles: Vec::new(),
            directory: String::new(),
            in_frame: false,
            answers: Vec::new(),
            kept: Kept::default(),
        }
    }

    pub(crate) fn is_alternate(&self) -> bool {
        self.term.mode().contains(TermMode::ALT_SCREEN)
    }

    /// Lends the primary screen, also while the alternate one is shown.
    pub(crate) fn with_primary<R>(&mut self, borrow: impl FnOnce(&mut Grid<Cell>) -> R) -> R {
        if !self.is_alternate() {
            return borrow(self.term.grid_mut());
        }
        // Swapping clears the alternate grid on entry: it is moved out meanwhile.
        let stand_in = Grid::new(1, 2, 0);
        let alternate = std::mem::replace(self.term.grid_mut(), stand_in);
        self.term.swap_alt();
        let result = borrow(self.term.grid_mut());
        self.term.swap_alt();
        *self.term.grid_mut() = alternate;
        result
    }

    pub(crate) fn resize(&mut self, size: Size) {
        if size == self.size {
            return;
        }
        // Rows that do not fit any more scroll off at the top; narrower lines wrap anew, which pushes more of them off.
        let columns = usize::from(self.size.columns);
        let rows = i32::from(size.rows);
        let mut pushed = Vec::new();
        self.with_primary(|grid| {
            let excess = (grid.cursor.point.line.0 + 1 - rows).max(0);
            pushed.extend((0..excess).map(|line| grid[Line(line)].clone()));
            grid.update_history(REFLOW_ROWS);
            if excess > 0 {
                // Without this the engine would count them as history, and narrow them a second time.
                grid.update_history(0);
                grid.scroll_up(
                    &(Line(0)..Line(grid.screen_lines() as i32)),
                    excess as usize,
                );
                grid.cursor.point.line -= excess as usize;
                grid.saved_cursor.point.line =
                    (grid.saved_cursor.point.line - excess as usize).max(Line(0));
                grid.update_history(REFLOW_ROWS);
            }
        });
        for row in &pushed {
            self.kept.keep(row, columns);
        }
        self.term.resize(size);
        let columns = usize::from(size.columns);
        let narrowed = self.with_primary(|grid| {
            let history = grid.history_size() as i32;
            let rows: Vec<_> = (-history..0).map(|line| grid[Line(line)].clone()).collect();
            grid.update_history(0);
            grid.truncate();
            settle(grid);
            rows
        });
        settle(self.term.grid_mut());
        for row in &narrowed {
            self.kept.keep(row, columns);
        }
        self.size = size;
        self.region = 0..i32::from(size.rows);
        let known = self.tabs.len();
        self.tabs.resize(columns, false);
        for column in known..columns {
            self.tabs[column] = column % 8 == 0;
        }
    }

    fn erase_history(&mut self) {
        self.kept = Kept {
            erased: true,
            ..Kept::default()
        };
    }

    /// Keeps the rows that an upward scroll of the region is about to lose.
    fn before_scroll(&mut self, count: usize) {
        if self.is_alternate() || self.region.start != 0 {
            return;
        }
        let columns = usize::from(self.size.columns);
        for line in 0..i32::try_from(count)
            .unwrap_or(i32::MAX)
            .min(self.region.end)
        {
            self.kept.keep(&self.term.grid()[Line(line)], columns);
        }
    }

    fn before_linefeed(&mut self) {
        if self.term.grid().cursor.point.line.0 + 1 == self.region.end {
            self.before_scroll(1);
        }
    }

    /// Keeps what a wrap is about to scroll off; `short` says that a wide character did not fit into the last column.
    fn before_wrap(&mut self, short: bool) {
        if !self.term.mode().contains(TermMode::LINE_WRAP) {
            return;
        }
        let line = self.term.grid().cursor.point.line;
        if line == Line(0) && self.region == (0..1) && !self.is_alternate() {
            // The line that wraps is the one that scrolls off, before the engine has marked it.
            let columns = usize::from(self.size.columns);
            let mut row = self.term.grid()[line].clone();
            let last = &mut row[Column(columns - 1)];
            last.flags.insert(Flags::WRAPLINE);
            last.flags.set(Flags::LEADING_WIDE_CHAR_SPACER, short);
            self.kept.keep(&row, columns);
        } else {
            self.before_linefeed();
        }
    }

    /// Blanks the halves of wide characters that the engine leaves when it moves or erases the other half.
    fn mend_line(&mut self) {
        let line = self.term.grid().cursor.point.line;
        mend(&mut self.term.grid_mut()[line]);
    }

    fn cursor_to(&mut self, line: i32, column: usize) {
        let last_column = usize::from(self.size.columns) - 1;
        let cursor = &mut self.term.grid_mut().cursor;
        cursor.point.line = Line(line);
        cursor.point.column = Column(column.min(last_column));
        cursor.input_needs_wrap = false;
    }

    fn origin_offset(&self) -> i32 {
        if self.term.mode().contains(TermMode::ORIGIN) {
            self.region.start
        } else {
            0
        }
    }

    fn keyboard(&mut self) -> &mut Vec<u8> {
        &mut self.keyboard[usize::from(self.term.mode().contains(TermMode::ALT_SCREEN))]
    }

    fn answer(&mut self, text: std::fmt::Arguments<'_>) {
        // A program that asks and never reads its answers does not fill memory.
        const ANSWERS_MAX: usize = 64 * 1024;
        if self.answers.len() < ANSWERS_MAX {
            let mut answer = String::new();
            // Writing to a String does not fail.
            let _ = answer.write_fmt(text);
            self.answers.extend_from_slice(answer.as_bytes());
        }
    }

    fn viewer_mode(&mut self, mode: u16) -> Option<&mut bool> {
        let index = VIEWER_MODES.iter().position(|known| *known == mode)?;
        Some(&mut self.viewer_modes[index])
    }

    fn show_alternate(&mut self, show: bool) {
        if show != self.is_alternate() {
            self.term.swap_alt();
            if show {
                // One that was saved there before belongs to another program.
                self.term.grid_mut().saved_cursor = Cursor::default();
            }
        }
    }

    /// Answers a control sequence that the engine does not know.
    pub(crate) fn control(&mut self, parameters: &[u8], last: u8) {
        let point = self.term.grid().cursor.point;
        match (parameters, last) {
            (b">" | b">0", b'q') => {
                self.answer(format_args!(
                    "\x1bP>|stratavore({})\x1b\\",
                    env!("CARGO_PKG_VERSION")
                ));
            }
            (b"=" | b"=0", b'c') => self.answer(format_args!("\x1bP!|53545641\x1b\\")),
            (b"?6", b'n') => {
                let line = point.line.0 - self.origin_offset();
                self.answer(format_args!("\x1b[?{};{}R", line + 1, point.column.0 + 1));
            }
            // The palette is dark, for that is what OSC 11 says too.
            (b"?996", b'n') => self.answer(format_args!("\x1b[?997;1n")),
            (b"16", b't') => self.answer(format_args!(
                "\x1b[6;{};{}t",
                palette::CELL.1,
                palette::CELL.0
            )),
            (b"!", b'p') => self.soft_reset(),
            _ => {}
        }
    }

    /// Answers a device control string: nothing that is asked there is known here.
    pub(crate) fn device(&mut self, string: &[u8]) {
        if string.starts_with(b"$q") {
            self.answer(format_args!("\x1bP0$r\x1b\\"));
        } else if string.starts_with(b"+q") {
            self.answer(format_args!("\x1bP0+r\x1b\\"));
        }
    }

    /// Notes an operating system command that the engine does not know; gives a report for the supervisor.
    pub(crate) fn command(&mut self, command: &[u8]) -> Option<String> {
        if command == b"7501;?" {
            self.answer(format_args!("\x1b]7501;?\x1b\\"));
        } else if let Some(report) = command.strip_prefix(b"7501;") {
            return Some(clean(&String::from_utf8_lossy(report), 8 * 1024));
        } else if let Some(directory) = command.strip_prefix(b"7;") {
            self.directory = clean(&String::from_utf8_lossy(directory), 4 * 1024);
        }
        None
    }

    /// DECSTR.
    fn soft_reset(&mut self) {
        for mode in [NamedPrivateMode::CursorKeys, NamedPrivateMode::Origin] {
            self.unset_private_mode(PrivateMode::Named(mode));
        }
        self.set_private_mode(PrivateMode::Named(NamedPrivateMode::ShowCursor));
        self.unset_mode(Mode::Named(NamedMode::Insert));
        self.unset_keypad_application_mode();
        self.region = 0..i32::from(self.size.rows);
        let cursor = self.term.grid().cursor.point;
        self.term.set_scrolling_region(1, None);
        self.cursor_to(cursor.line.0, cursor.column.0);
        self.terminal_attribute(Attr::Reset);
        for index in [
            CharsetIndex::G0,
            CharsetIndex::G1,
            CharsetIndex::G2,
            CharsetIndex::G3,
        ] {
            self.configure_charset(index, StandardCharset::Ascii);
        }
        self.set_active_charset(CharsetIndex::G0);
        self.term.grid_mut().saved_cursor = Default::default();
    }
}

/// Takes the mark that its line goes on from the last row: what it went on in was moved off the screen.
fn end_last_line(grid: &mut Grid<Cell>) {
    let (line, column) = (grid.bottommost_line(), grid.last_column());
    grid[line][column]
        .flags
        .remove(Flags::WRAPLINE | Flags::LEADING_WIDE_CHAR_SPACER);
}

/// Blanks halves of wide characters, and takes marks of a line's end from cells that are not at one.
fn mend(row: &mut Row<Cell>) {
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
        }
        wide_before = cell.flags.contains(Flags::WIDE_CHAR);
        if wide_before && !next_is_spacer {
            cell.clear_wide();
            wide_before = false;
        }
    }
}

/// Mends what the engine leaves after a resize: halves of wide characters, and cursors whose pending wrap is no more one.
fn settle(grid: &mut Grid<Cell>) {
    for line in 0..grid.screen_lines() {
        mend(&mut grid[Line(line as i32)]);
    }
    end_last_line(grid);
    let last = grid.last_column();
    for cursor in [&mut grid.cursor, &mut grid.saved_cursor] {
        if cursor.input_needs_wrap && cursor.point.column < last {
            cursor.input_needs_wrap = false;
            cursor.point.column += 1;
        }
    }
}

fn default_tabs(columns: usize) -> Vec<bool> {
    (0..columns).map(|column| column % 8 == 0).collect()
}

/// Strips what could act on a terminal or spoil a line, and bounds the rest.
fn clean(text: &str, max: usize) -> String {
    let mut clean: String = text.chars().filter(|c| !c.is_control()).collect();
    while clean.len() > max {
        clean.pop();
    }
    clean
}

/// Passes calls on as they are.
macro_rules! pass_on {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(fn $name(&mut self, $($argument: $kind),*) {
            self.term.$name($($argument),*);
        })*
    };
}

impl Handler for Engine {
    pass_on! {
        move_forward(columns: usize);
        move_backward(columns: usize);
        backspace();
        carriage_return();
        delete_lines(lines: usize);
        move_forward_tabs(count: u16);
        save_cursor_position();
        restore_cursor_position();
        terminal_attribute(attribute: Attr);
        set_mode(mode: Mode);
        unset_mode(mode: Mode);
        set_keypad_application_mode();
        unset_keypad_application_mode();
        configure_charset(index: CharsetIndex, charset: StandardCharset);
        set_color(index: usize, color: Rgb);
        reset_color(index: usize);
        decaln();
        set_hyperlink(link: Option<Hyperlink>);
    }

    fn scroll_down(&mut self, lines: usize) {
        self.term.scroll_down(lines);
        end_last_line(self.term.grid_mut());
    }

    fn insert_blank_lines(&mut self, lines: usize) {
        self.term.insert_blank_lines(lines);
        end_last_line(self.term.grid_mut());
    }

    fn reverse_index(&mut self) {
        self.term.reverse_index();
        end_last_line(self.term.grid_mut());
    }

    fn move_backward_tabs(&mut self, count: u16) {
        self.term.move_backward_tabs(count);
        self.term.grid_mut().cursor.input_needs_wrap = false;
    }

    fn insert_blank(&mut self, count: usize) {
        self.term.insert_blank(count);
        self.mend_line();
    }

    fn erase_chars(&mut self, count: usize) {
        self.term.erase_chars(count);
        self.mend_line();
    }

    fn delete_chars(&mut self, count: usize) {
        self.term.delete_chars(count);
        self.mend_line();
    }

    fn clear_line(&mut self, mode: LineClearMode) {
        self.term.clear_line(mode);
        self.mend_line();
    }

    fn input(&mut self, c: char) {
        if !c.is_ascii() {
            match c.width() {
                None => return,
                Some(0) => {
                    let cursor = &self.term.grid().cursor;
                    let (line, mut column) = (cursor.point.line, cursor.point.column);
                    if !cursor.input_needs_wrap {
                        column.0 = column.0.saturating_sub(1);
                    }
                    if self.term.grid()[line][column]
                        .flags
                        .contains(Flags::WIDE_CHAR_SPACER)
                    {
                        column.0 = column.0.saturating_sub(1);
                    }
                    let marks = self.term.grid()[line][column]
                        .zerowidth()
                        .map_or(0, <[char]>::len);
                    if marks < MARKS_MAX {
                        self.term.input(c);
                    }
                    return;
                }
                Some(width) => {
                    let cursor = &self.term.grid().cursor;
                    let fits = cursor.point.column.0 + width <= usize::from(self.size.columns);
                    if !fits && !cursor.input_needs_wrap {
                        self.before_wrap(true);
                    }
                }
            }
        }
        if self.term.grid().cursor.input_needs_wrap {
            self.before_wrap(false);
        }
        self.term.input(c);
        if self.region.end != i32::from(self.size.rows) {
            // Below the region a wrap goes on in the same row.
            end_last_line(self.term.grid_mut());
        }
        if self.term.mode().contains(TermMode::INSERT) {
            self.mend_line();
        }
    }

    fn put_tab(&mut self, count: u16) {
        if self.term.grid().cursor.input_needs_wrap {
            self.before_wrap(false);
        }
        self.term.put_tab(count);
        if self.region.end != i32::from(self.size.rows) {
            end_last_line(self.term.grid_mut());
        }
    }

    fn linefeed(&mut self) {
        self.before_linefeed();
        self.term.linefeed();
        if self.term.mode().contains(TermMode::LINE_FEED_NEW_LINE) {
            self.term.carriage_return();
        }
    }

    fn newline(&mut self) {
        self.linefeed();
    }

    fn scroll_up(&mut self, lines: usize) {
        self.before_scroll(lines);
        self.term.scroll_up(lines);
    }

    // The engine adds the origin to rows that are absolute already, and does not stop at margins.

    fn goto(&mut self, line: i32, column: usize) {
        let (offset, last) = if self.term.mode().contains(TermMode::ORIGIN) {
            (self.region.start, self.region.end - 1)
        } else {
            (0, i32::from(self.size.rows) - 1)
        };
        self.cursor_to(line.saturating_add(offset).clamp(offset, last), column);
    }

    fn goto_line(&mut self, line: i32) {
        self.goto(line, self.term.grid().cursor.point.column.0);
    }

    fn goto_col(&mut self, column: usize) {
        let line = self.term.grid().cursor.point.line.0;
        self.cursor_to(line, column);
    }

    fn move_up(&mut self, lines: usize) {
        let point = self.term.grid().cursor.point;
        let top = if point.line.0 >= self.region.start {
            self.region.start
        } else {
            0
        };
        self.cursor_to(
            (point.line.0 - lines.min(usize::from(u16::MAX)) as i32).max(top),
            point.column.0,
        );
    }

    fn move_down(&mut self, lines: usize) {
        let point = self.term.grid().cursor.point;
        let bottom = if point.line.0 < self.region.end {
            self.region.end
        } else {
            i32::from(self.size.rows)
        } - 1;
        self.cursor_to(
            (point.line.0 + lines.min(usize::from(u16::MAX)) as i32).min(bottom),
            point.column.0,
        );
    }

    fn move_down_and_cr(&mut self, lines: usize) {
        self.move_down(lines);
        self.carriage_return();
    }

    fn move_up_and_cr(&mut self, lines: usize) {
        self.move_up(lines);
        self.carriage_return();
    }

    fn set_scrolling_region(&mut self, top: usize, bottom: Option<usize>) {
        let rows = usize::from(self.size.rows);
        let bottom = bottom.unwrap_or(rows).min(rows);
        let top = top.max(1);
        if top >= bottom {
            return;
        }
        self.region = top as i32 - 1..bottom as i32;
        self.term.set_scrolling_region(top, Some(bottom));
        self.goto(0, 0);
    }

    fn clear_screen(&mut self, mode: ClearMode) {
        match mode {
            ClearMode::Saved => self.erase_history(),
            // The engine would scroll the screen away; a terminal erases it.
            ClearMode::All => self.term.grid_mut().reset_region(..),
            ClearMode::Above => {
                let line = self.term.grid().cursor.point.line;
                if line > Line(0) {
                    self.term.grid_mut().reset_region(..line);
                }
                self.clear_line(LineClearMode::Left);
            }
            ClearMode::Below => {
                self.term.clear_screen(mode);
                self.mend_line();
            }
        }
    }

    fn set_horizontal_tabstop(&mut self) {
        let column = self.term.grid().cursor.point.column.0;
        self.tabs[column] = true;
        self.term.set_horizontal_tabstop();
    }

    fn clear_tabs(&mut self, mode: TabulationClearMode) {
        match mode {
            TabulationClearMode::Current => {
                let column = self.term.grid().cursor.point.column.0;
                self.tabs[column] = false;
            }
            TabulationClearMode::All => self.tabs.fill(false),
        }
        self.term.clear_tabs(mode);
    }

    fn set_tabs(&mut self, _interval: u16) {
        // DECST8C. The engine ignores it, so it is told column by column.
        let cursor = self.term.grid().cursor.point;
        let pending = self.term.grid().cursor.input_needs_wrap;
        self.clear_tabs(TabulationClearMode::All);
        for column in (0..usize::from(self.size.columns)).step_by(8) {
            self.cursor_to(cursor.line.0, column);
            self.set_horizontal_tabstop();
        }
        self.cursor_to(cursor.line.0, cursor.column.0);
        self.term.grid_mut().cursor.input_needs_wrap = pending;
    }

    fn reset_state(&mut self) {
        let answers = std::mem::take(&mut self.answers);
        self.term.reset_state();
        for index in 0..alacritty_terminal::term::color::COUNT {
            self.term.reset_color(index);
        }
        self.erase_history();
        self.region = 0..i32::from(self.size.rows);
        self.tabs = default_tabs(self.size.columns.into());
        self.charset = CharsetIndex::G0;
        self.keyboard = [vec![0], vec![0]];
        self.other_keys = 0;
        self.viewer_modes = [false; VIEWER_MODES.len()];
        self.cursor_style = None;
        self.title.clear();
        self.titles.clear();
        self.in_frame = false;
        self.answers = answers;
    }

    fn set_private_mode(&mut self, mode: PrivateMode) {
        match mode {
            PrivateMode::Named(NamedPrivateMode::SyncUpdate) => self.in_frame = true,
            PrivateMode::Named(NamedPrivateMode::Origin) => {
                self.term.set_private_mode(mode);
                self.goto(0, 0);
            }
            PrivateMode::Named(NamedPrivateMode::BlinkingCursor) => {
                self.cursor_style.get_or_insert_default().blinking = true;
            }
            PrivateMode::Named(NamedPrivateMode::ColumnMode) => {}
            PrivateMode::Named(NamedPrivateMode::SwapScreenAndSetRestoreCursor) => {
                self.show_alternate(true)
            }
            PrivateMode::Named(_) => self.term.set_private_mode(mode),
            PrivateMode::Unknown(47 | 1047) => self.show_alternate(true),
            PrivateMode::Unknown(1048) => self.term.save_cursor_position(),
            PrivateMode::Unknown(mode) => {
                if let Some(set) = self.viewer_mode(mode) {
                    *set = true;
                }
            }
        }
    }

    fn unset_private_mode(&mut self, mode: PrivateMode) {
        match mode {
            PrivateMode::Named(NamedPrivateMode::SyncUpdate) => self.in_frame = false,
            PrivateMode::Named(NamedPrivateMode::Origin) => {
                self.term.unset_private_mode(mode);
                self.goto(0, 0);
            }
            PrivateMode::Named(NamedPrivateMode::BlinkingCursor) => {
                self.cursor_style.get_or_insert_default().blinking = false;
            }
            PrivateMode::Named(NamedPrivateMode::ColumnMode) => {}
            PrivateMode::Named(_) => self.term.unset_private_mode(mode),
            PrivateMode::Unknown(47 | 1047) => self.show_alternate(false),
            PrivateMode::Unknown(1048) => self.term.restore_cursor_position(),
            PrivateMode::Unknown(mode) => {
                if let Some(set) = self.viewer_mode(mode) {
                    *set = false;
                }
            }
        }
    }

    fn set_active_charset(&mut self, index: CharsetIndex) {
        self.charset = index;
        self.term.set_active_charset(index);
    }

    fn set_cursor_style(&mut self, style: Option<CursorStyle>) {
        self.cursor_style = style;
    }

    fn set_cursor_shape(&mut self, shape: CursorShape) {
        self.cursor_style.get_or_insert_default().shape = shape;
    }

    fn set_title(&mut self, title: Option<String>) {
        self.title = title
            .map(|title| clean(&title, TITLE_MAX))
            .unwrap_or_default();
    }

    fn push_title(&mut self) {
        if self.titles.len() == TITLES_MAX {
            self.titles.remove(0);
        }
        self.titles.push(self.title.clone());
    }

    fn pop_title(&mut self) {
        if let Some(title) = self.titles.pop() {
            self.title = title;
        }
    }

    // The kitty keyboard stacks are kept here alone: the engine's cannot be read, and panics when it overflows.

    fn push_keyboard_mode(&mut self, mode: KeyboardModes) {
        let stack = self.keyboard();
        if stack.len() == KEYBOARD_MAX {
            stack.remove(0);
        }
        stack.push(mode.bits());
    }

    fn pop_keyboard_modes(&mut self, count: u16) {
        let stack = self.keyboard();
        stack.truncate(stack.len().saturating_sub(count.into()));
        if stack.is_empty() {
            stack.push(0);
        }
    }

    fn set_keyboard_mode(&mut self, mode: KeyboardModes, behavior: KeyboardModesApplyBehavior) {
        if let Some(last) = self.keyboard().last_mut() {
            *last = match behavior {
                KeyboardModesApplyBehavior::Replace => mode.bits(),
                KeyboardModesApplyBehavior::Union => *last | mode.bits(),
                KeyboardModesApplyBehavior::Difference => *last & !mode.bits(),
            };
        }
    }

    fn set_modify_other_keys(&mut self, mode: ModifyOtherKeys) {
        self.other_keys = match mode {
            ModifyOtherKeys::Reset => 0,
            ModifyOtherKeys::EnableExceptWellDefined => 1,
            ModifyOtherKeys::EnableAll => 2,
        };
    }

    // What the program asks.

    fn identify_terminal(&mut self, intermediate: Option<char>) {
        match intermediate {
            None => self.answer(format_args!("\x1b[?62;22c")),
            // The id and patch of an xterm that reports the mouse in SGR encoding, by which editors choose it.
            Some('>') => self.answer(format_args!("\x1b[>41;354;0c")),
            Some(_) => {}
        }
    }

    fn device_status(&mut self, what: usize) {
        let point = self.term.grid().cursor.point;
        match what {
            5 => self.answer(format_args!("\x1b[0n")),
            6 => {
                let line = point.line.0 - self.origin_offset();
                self.answer(format_args!("\x1b[{};{}R", line + 1, point.column.0 + 1));
            }
            _ => {}
        }
    }

    fn report_keyboard_mode(&mut self) {
        let flags = self.keyboard().last().copied().unwrap_or(0);
        self.answer(format_args!("\x1b[?{flags}u"));
    }

    fn report_modify_other_keys(&mut self) {
        let keys = self.other_keys;
        self.answer(format_args!("\x1b[>4;{keys}m"));
    }

    fn report_mode(&mut self, mode: Mode) {
        let has = |flag| Some(self.term.mode().contains(flag));
        let set = match mode.raw() {
            4 => has(TermMode::INSERT),
            20 => has(TermMode::LINE_FEED_NEW_LINE),
            _ => None,
        };
        self.answer(format_args!("\x1b[{};{}$y", mode.raw(), state(set)));
    }

    fn report_private_mode(&mut self, mode: PrivateMode) {
        let has = |flag| Some(self.term.mode().contains(flag));
        let set = match mode {
            PrivateMode::Named(named) => match named {
                NamedPrivateMode::CursorKeys => has(TermMode::APP_CURSOR),
                NamedPrivateMode::Origin => has(TermMode::ORIGIN),
                NamedPrivateMode::LineWrap => has(TermMode::LINE_WRAP),
                NamedPrivateMode::BlinkingCursor => {
                    Some(self.cursor_style.is_some_and(|style| style.blinking))
                }
                NamedPrivateMode::ShowCursor => has(TermMode::SHOW_CURSOR),
                NamedPrivateMode::ReportMouseClicks => has(TermMode::MOUSE_REPORT_CLICK),
                NamedPrivateMode::ReportCellMouseMotion => has(TermMode::MOUSE_DRAG),
                NamedPrivateMode::ReportAllMouseMotion => has(TermMode::MOUSE_MOTION),
                NamedPrivateMode::ReportFocusInOut => has(TermMode::FOCUS_IN_OUT),
                NamedPrivateMode::Utf8Mouse => has(TermMode::UTF8_MOUSE),
                NamedPrivateMode::SgrMouse => has(TermMode::SGR_MOUSE),
                NamedPrivateMode::AlternateScroll => has(TermMode::ALTERNATE_SCROLL),
                NamedPrivateMode::UrgencyHints => has(TermMode::URGENCY_HINTS),
                NamedPrivateMode::SwapScreenAndSetRestoreCursor => has(TermMode::ALT_SCREEN),
                NamedPrivateMode::BracketedPaste => has(TermMode::BRACKETED_PASTE),
                NamedPrivateMode::SyncUpdate => Some(self.in_frame),
                NamedPrivateMode::ColumnMode => None,
            },
            PrivateMode::Unknown(47 | 1047) => has(TermMode::ALT_SCREEN),
            PrivateMode::Unknown(mode) => self.viewer_mode(mode).copied(),
        };
        self.answer(format_args!("\x1b[?{};{}$y", mode.raw(), state(set)));
    }

    fn dynamic_color_sequence(&mut self, prefix: String, index: usize, terminator: &str) {
        let set = if index < alacritty_terminal::term::color::COUNT {
            self.term.colors()[index]
        } else {
            None
        };
        let Some(Rgb { r, g, b }) = set.or_else(|| palette::default(index)) else {
            return;
        };
        self.answer(format_args!(
            "\x1b]{prefix};rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}{terminator}"
        ));
    }

    fn text_area_size_pixels(&mut self) {
        let Size { columns, rows } = self.size;
        let (width, height) = (
            u32::from(columns) * palette::CELL.0,
            u32::from(rows) * palette::CELL.1,
        );
        self.answer(format_args!("\x1b[4;{height};{width}t"));
    }

    fn text_area_size_chars(&mut self) {
        let Size { columns, rows } = self.size;
        self.answer(format_args!("\x1b[8;{rows};{columns}t"));
    }

    // Viewers act on these by themselves; the clipboard is never read for a program.

    fn bell(&mut self) {}
    fn substitute(&mut self) {}
    fn clipboard_store(&mut self, _clipboard: u8, _content: &[u8]) {}
    fn clipboard_load(&mut self, _clipboard: u8, _terminator: &str) {}
    fn set_mouse_cursor_icon(&mut self, _icon: CursorIcon) {}
}

fn state(set: Option<bool>) -> u8 {
    match set {
        None => 0,
        Some(true) => 1,
        Some(false) => 2,
    }
}

/// Names the dynamic colours that OSC 10, 11 and 12 set.
pub(crate) const DYNAMIC_COLORS: [(usize, u8); 3] = [
    (NamedColor::Foreground as usize, 10),
    (NamedColor::Background as usize, 11),
    (NamedColor::Cursor as usize, 12),
];
