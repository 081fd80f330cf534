//! The engine: `alacritty_terminal` behind a handler that knows what it keeps to itself, mends where it errs, and keeps the
//! lines that scroll off.

use std::ops::Range;

use alacritty_terminal::Term;
use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Cursor, Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, TermMode};
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, CursorStyle, Handler, Hyperlink, Mode, NamedMode, NamedPrivateMode,
    PrivateMode, StandardCharset,
};

use super::command::{ColorChange, Command};
use super::kept::Kept;
use super::mend::{mend, settle};
use super::size::Size;
use super::style;
use super::{DIRECTORY_MAX, TITLE_MAX, clean};

/// Rows that may scroll off while a narrower terminal wraps its lines anew.
const REFLOW_ROWS: usize = 4_000;

/// What the ids of links that have none begin with.
pub(crate) const NAMELESS: &str = "stratavore-";

/// Private modes that mean nothing to the engine but everything to a viewer: reversed colours, news of the palette.
pub(crate) const VIEWER_MODES: [u16; 2] = [5, 2031];

/// Says whether a private mode is one that is kept here.
pub(crate) fn knows_private_mode(mode: u32) -> bool {
    matches!(
        mode,
        1 | 5 | 6 | 7 | 9 | 12 | 25 | 47 | 66 | 1000 | 1002..=1007 | 1015 | 1016 | 1047..=1049 | 2004 | 2026 | 2031
    )
}

/// Says whether a name is one of a pointer's shapes.
pub(crate) fn is_pointer(shape: &[u8]) -> bool {
    const POINTER_MAX: usize = 32;
    shape.len() <= POINTER_MAX
        && shape
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte))
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
    /// The private mode by which the mouse is reported; 0 for none.
    pub(crate) mouse: u16,
    /// The private mode that says how; 0 for the first way there was.
    pub(crate) mouse_encoding: u16,
    /// Which of [`VIEWER_MODES`] are set.
    pub(crate) viewer_modes: [bool; VIEWER_MODES.len()],
    pub(crate) cursor_style: Option<CursorStyle>,
    /// Private mode 12, when the program has said it: where it has not, it is as the person likes it.
    pub(crate) blinks: Option<bool>,
    /// Private mode 1007, likewise.
    pub(crate) wheel_moves: Option<bool>,
    pub(crate) title: String,
    pub(crate) titles: Vec<String>,
    pub(crate) directory: String,
    pub(crate) pointer: String,
    /// Links without an id so far.
    pub(crate) links: u32,
    /// The saved cursor of the primary screen while the alternate one is shown, where it is another than the cursor.
    pub(crate) primary_saved: Option<Cursor<Cell>>,
    /// Inside a synchronized update.
    pub(crate) in_frame: bool,
    /// The bell rang.
    pub(crate) rang: bool,
    /// What the program asked, answered.
    pub(crate) answers: Vec<u8>,
    /// What scrolled off.
    pub(crate) kept: Kept,
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
            mouse: 0,
            mouse_encoding: 0,
            viewer_modes: [false; VIEWER_MODES.len()],
            cursor_style: None,
            blinks: None,
            wheel_moves: None,
            title: String::new(),
            titles: Vec::new(),
            directory: String::new(),
            pointer: String::new(),
            links: 0,
            primary_saved: None,
            in_frame: false,
            rang: false,
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
        let grid = self.term.grid_mut();
        if let Some(saved) = &self.primary_saved {
            grid.saved_cursor = saved.clone();
        }
        grid.saved_cursor.input_needs_wrap = false;
        let result = borrow(grid);
        if self.primary_saved.is_some() {
            self.primary_saved = Some(grid.saved_cursor.clone());
        }
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

    pub(crate) fn erase_history(&mut self) {
        self.kept = Kept::after_erasing();
    }

    /// Keeps the rows that an upward scroll of the region is about to lose.
    pub(crate) fn before_scroll(&mut self, count: usize) {
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

    pub(crate) fn before_linefeed(&mut self) {
        if self.term.grid().cursor.point.line.0 + 1 == self.region.end {
            self.before_scroll(1);
        }
    }

    /// Blanks the halves of wide characters that the engine leaves when it moves or erases the other half.
    pub(crate) fn mend_line(&mut self) {
        let line = self.term.grid().cursor.point.line;
        let erased = Cell::from(self.term.grid().cursor.template.bg);
        mend(&mut self.term.grid_mut()[line], Some(&erased));
    }

    pub(crate) fn cursor_to(&mut self, line: i32, column: usize) {
        let last_column = usize::from(self.size.columns) - 1;
        let cursor = &mut self.term.grid_mut().cursor;
        cursor.point.line = Line(line);
        cursor.point.column = Column(column.min(last_column));
        cursor.input_needs_wrap = false;
    }

    pub(crate) fn origin_offset(&self) -> i32 {
        if self.term.mode().contains(TermMode::ORIGIN) {
            self.region.start
        } else {
            0
        }
    }

    pub(crate) fn keyboard(&mut self) -> &mut Vec<u8> {
        &mut self.keyboard[usize::from(self.term.mode().contains(TermMode::ALT_SCREEN))]
    }

    pub(crate) fn pen_flags(&self) -> Flags {
        self.term.grid().cursor.template.flags
    }

    pub(crate) fn set_pen_flags(&mut self, flags: Flags) {
        self.term.grid_mut().cursor.template.flags = flags;
    }

    /// Sets or ends a line above what is written.
    pub(crate) fn overline(&mut self, over: bool) {
        self.set_pen_flags(style::overline(self.pen_flags(), over));
    }

    /// Lets a cursor that waits to wrap stand in the last column.
    pub(crate) fn stop_waiting(&mut self) {
        self.term.grid_mut().cursor.input_needs_wrap = false;
    }

    /// Moves to the start of the line, where lines can be moved.
    pub(crate) fn go_to_line_home(&mut self) {
        self.stop_waiting();
        let cursor = &mut self.term.grid_mut().cursor;
        if self.region.contains(&cursor.point.line.0) {
            cursor.point.column = Column(0);
        }
    }

    /// VPR, which margins do not stop.
    pub(crate) fn move_lines(&mut self, lines: u32) {
        let point = self.term.grid().cursor.point;
        let lines = i32::try_from(lines).unwrap_or(i32::MAX);
        let last = if self.term.mode().contains(TermMode::ORIGIN) {
            self.region.end
        } else {
            self.size.rows.into()
        } - 1;
        self.cursor_to(point.line.0.saturating_add(lines).min(last), point.column.0);
    }

    /// IND.
    pub(crate) fn index(&mut self) {
        self.before_linefeed();
        self.stop_waiting();
        self.term.linefeed();
    }

    /// Sets or resets a private mode.
    pub(crate) fn switch(&mut self, mode: PrivateMode, set: bool) {
        match (mode.raw(), set) {
            (mode @ (9 | 1000 | 1002 | 1003), _) => self.mouse = if set { mode } else { 0 },
            (mode @ (1005 | 1006 | 1015 | 1016), true) => self.mouse_encoding = mode,
            (mode @ (1005 | 1006 | 1015 | 1016), false) => {
                // As xterm has it, a reset is one of the same mode.
                if self.mouse_encoding == mode {
                    self.mouse_encoding = 0;
                }
            }
            (12, _) => self.blinks = Some(set),
            (1007, _) => self.wheel_moves = Some(set),
            (66, true) => self.term.set_keypad_application_mode(),
            (66, false) => self.term.unset_keypad_application_mode(),
            (2026, _) => self.in_frame = set,
            (47 | 1047, true) => self.show_alternate(),
            (47 | 1047, false) => self.show_primary(),
            (1048, true) => self.save_cursor_position(),
            (1048, false) => self.term.restore_cursor_position(),
            (1049, true) => {
                self.save_cursor_position();
                self.show_alternate();
            }
            (1049, false) => {
                self.show_primary();
                self.term.restore_cursor_position();
            }
            (1 | 6 | 7 | 25 | 1004 | 2004, _) => {
                if set {
                    self.term.set_private_mode(mode);
                } else {
                    self.term.unset_private_mode(mode);
                }
                if mode.raw() == 6 {
                    self.goto(0, 0);
                }
            }
            (mode, _) => {
                if let Some(index) = VIEWER_MODES.iter().position(|known| *known == mode) {
                    self.viewer_modes[index] = set;
                }
            }
        }
    }

    /// Shows the alternate screen, blank, with the cursor where it is.
    pub(crate) fn show_alternate(&mut self) {
        if self.is_alternate() {
            return;
        }
        let grid = self.term.grid();
        // The engine forgets it where it is another than the cursor.
        self.primary_saved = (grid.saved_cursor != grid.cursor).then(|| grid.saved_cursor.clone());
        self.term.swap_alt();
        // One that was saved there before belongs to another program.
        self.term.grid_mut().saved_cursor = Cursor::default();
    }

    /// Shows the primary screen, with the cursor where it is.
    pub(crate) fn show_primary(&mut self) {
        if !self.is_alternate() {
            return;
        }
        let cursor = self.term.grid().cursor.clone();
        self.term.swap_alt();
        let saved = self.primary_saved.take();
        let grid = self.term.grid_mut();
        grid.saved_cursor = saved.unwrap_or_else(|| grid.cursor.clone());
        grid.saved_cursor.input_needs_wrap = false;
        grid.cursor = cursor;
    }

    /// Does what a command says of the screen.
    pub(crate) fn command(&mut self, command: Command<'_>, end: &str) {
        match command {
            Command::Title { code: 0 | 2, text } => self.title = clean(text, TITLE_MAX),
            Command::Directory(directory) => self.directory = clean(directory, DIRECTORY_MAX),
            Command::Colors(changes) => {
                for change in changes {
                    match change {
                        ColorChange::Set(index, rgb) => self.term.set_color(index, rgb),
                        ColorChange::Reset(index) => self.term.reset_color(index),
                        ColorChange::ResetPalette => {
                            (0..256).for_each(|index| self.term.reset_color(index));
                        }
                        ColorChange::Asked(index) => self.tell_color(index, end),
                    }
                }
            }
            Command::NoLink => self.term.set_hyperlink(None),
            Command::Link { id, uri } => {
                // Two links without an id are two, where the screen is drawn again too, be it by a screen like this one.
                let drawn = id
                    .as_ref()
                    .and_then(|id| id.strip_prefix(NAMELESS)?.parse().ok());
                self.links = self.links.max(drawn.unwrap_or(0));
                let id = id.unwrap_or_else(|| {
                    self.links = self.links.wrapping_add(1);
                    format!("{NAMELESS}{}", self.links)
                });
                let id = Some(id);
                self.term.set_hyperlink(Some(Hyperlink { id, uri }));
            }
            Command::Pointer(shape) if is_pointer(shape) => {
                let shape = clean(shape, shape.len());
                self.pointer = if shape == "default" {
                    String::new()
                } else {
                    shape
                };
            }
            Command::Claim => self.answer(format_args!("\x1b]7501;?\x1b\\")),
            _ => {}
        }
    }

    /// RIS.
    pub(crate) fn reset(&mut self) {
        *self = Self {
            rang: self.rang,
            links: self.links,
            // As xterm has it.
            titles: std::mem::take(&mut self.titles),
            answers: std::mem::take(&mut self.answers),
            kept: Kept::after_erasing(),
            ..Self::new(self.size)
        };
    }

    /// DECSTR.
    pub(crate) fn soft_reset(&mut self) {
        let (point, waits) = {
            let cursor = &self.term.grid().cursor;
            (cursor.point, cursor.input_needs_wrap)
        };
        for (mode, set) in [
            (NamedPrivateMode::CursorKeys, false),
            (NamedPrivateMode::Origin, false),
            (NamedPrivateMode::LineWrap, true),
            (NamedPrivateMode::ShowCursor, true),
            // As xterm.js has it.
            (NamedPrivateMode::ReportFocusInOut, false),
            (NamedPrivateMode::BracketedPaste, false),
            (NamedPrivateMode::SyncUpdate, false),
        ] {
            self.switch(mode.into(), set);
        }
        self.unset_mode(Mode::Named(NamedMode::Insert));
        self.cursor_style = None;
        self.unset_keypad_application_mode();
        self.region = 0..i32::from(self.size.rows);
        self.term.set_scrolling_region(1, None);
        self.terminal_attribute(Attr::Reset);
        self.term.set_hyperlink(None);
        for index in [
            CharsetIndex::G0,
            CharsetIndex::G1,
            CharsetIndex::G2,
            CharsetIndex::G3,
        ] {
            self.configure_charset(index, StandardCharset::Ascii);
        }
        self.set_active_charset(CharsetIndex::G0);
        let grid = self.term.grid_mut();
        grid.saved_cursor = Cursor::default();
        (grid.cursor.point, grid.cursor.input_needs_wrap) = (point, waits);
    }
}

fn default_tabs(columns: usize) -> Vec<bool> {
    (0..columns).map(|column| column % 8 == 0).collect()
}
