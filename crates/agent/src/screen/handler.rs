//! What the engine's parser calls for: passed on, mended, or noted.

use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorStyle, Handler, KeyboardModes, KeyboardModesApplyBehavior,
    LineClearMode, Mode, ModifyOtherKeys, NamedPrivateMode, PrivateMode, StandardCharset,
    TabulationClearMode,
};
use unicode_width::UnicodeWidthChar;

use super::engine::Engine;
use super::mend::end_last_line;

/// Marks that combine in one cell; text in no script needs more, hostile text would fill memory.
const MARKS_MAX: usize = 16;
/// Entries of the kitty keyboard stack, as kitty has it.
const KEYBOARD_MAX: usize = 8;
/// Saved titles.
const TITLES_MAX: usize = 16;

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
        decaln();
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
        self.reset();
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
                self.term.save_cursor_position();
                self.show_alternate();
            }
            PrivateMode::Named(_) => self.term.set_private_mode(mode),
            PrivateMode::Unknown(47 | 1047) => self.show_alternate(),
            PrivateMode::Unknown(66) => self.term.set_keypad_application_mode(),
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
            PrivateMode::Named(NamedPrivateMode::SwapScreenAndSetRestoreCursor) => {
                self.show_primary();
                self.term.restore_cursor_position();
            }
            PrivateMode::Named(_) => self.term.unset_private_mode(mode),
            PrivateMode::Unknown(47 | 1047) => self.show_primary(),
            PrivateMode::Unknown(66) => self.term.unset_keypad_application_mode(),
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

    fn bell(&mut self) {
        self.rang = true;
    }
}
