//! What the engine's parser calls for: passed on, mended, or noted.

use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;
use alacritty_terminal::vte::ansi::{
    Attr, CharsetIndex, ClearMode, CursorStyle, Handler, KeyboardModes, KeyboardModesApplyBehavior,
    LineClearMode, Mode, ModifyOtherKeys, PrivateMode, StandardCharset, TabulationClearMode,
};

use super::engine::Engine;
use super::mend::end_last_line;
use super::style;

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
        move_forward_tabs(count: u16);
        restore_cursor_position();
        set_mode(mode: Mode);
        unset_mode(mode: Mode);
        set_keypad_application_mode();
        unset_keypad_application_mode();
        configure_charset(index: CharsetIndex, charset: StandardCharset);
    }

    fn save_cursor_position(&mut self) {
        self.term.save_cursor_position();
        // A cursor that waits to wrap comes back to the last column, as xterm.js has it.
        self.term.grid_mut().saved_cursor.input_needs_wrap = false;
    }

    fn scroll_down(&mut self, lines: usize) {
        self.term.scroll_down(lines);
        end_last_line(self.term.grid_mut());
    }

    fn insert_blank_lines(&mut self, lines: usize) {
        self.term.insert_blank_lines(lines);
        end_last_line(self.term.grid_mut());
        self.go_to_line_home();
    }

    fn delete_lines(&mut self, lines: usize) {
        self.term.delete_lines(lines);
        self.go_to_line_home();
    }

    fn decaln(&mut self) {
        self.term.decaln();
        self.goto(0, 0);
    }

    fn terminal_attribute(&mut self, attribute: Attr) {
        let before = self.pen_flags();
        match attribute {
            Attr::BlinkSlow | Attr::BlinkFast => self.set_pen_flags(before | style::BLINK),
            Attr::CancelBlink => self.set_pen_flags(before.difference(style::BLINK)),
            // SGR 21; SGR 22 is what ends bold.
            Attr::CancelBold => self.terminal_attribute(Attr::DoubleUnderline),
            Attr::Reset => self.term.terminal_attribute(attribute),
            _ => {
                self.term.terminal_attribute(attribute);
                self.set_pen_flags(style::keep_overline(before, self.pen_flags()));
            }
        }
    }

    fn reverse_index(&mut self) {
        self.stop_waiting();
        self.term.reverse_index();
        end_last_line(self.term.grid_mut());
    }

    fn move_backward_tabs(&mut self, count: u16) {
        // The engine would stay where no stop is left.
        let point = self.term.grid().cursor.point;
        let stops = (0..point.column.0).rev().filter(|stop| self.tabs[*stop]);
        let column = stops.chain([0]).take(count.max(1).into()).last();
        self.cursor_to(point.line.0, column.unwrap_or(0));
    }

    fn insert_blank(&mut self, count: usize) {
        self.stop_waiting();
        let point = self.term.grid().cursor.point;
        let half = self.term.grid()[point.line][point.column].clone();
        self.term.insert_blank(count);
        self.mend_line();
        let moved = point.column + count;
        if half.flags.contains(Flags::WIDE_CHAR_SPACER) && moved <= self.term.grid().last_column() {
            // What is left of a character that was cut in two looks as it did.
            let cell = &mut self.term.grid_mut()[point.line][moved];
            *cell = half;
            cell.flags.remove(Flags::WIDE_CHAR_SPACER | Flags::WRAPLINE);
        }
    }

    fn erase_chars(&mut self, count: usize) {
        self.stop_waiting();
        self.term.erase_chars(count);
        self.mend_line();
    }

    fn delete_chars(&mut self, count: usize) {
        self.stop_waiting();
        // The engine would clear cells before the cursor.
        let after = usize::from(self.size.columns) - self.term.grid().cursor.point.column.0;
        self.term.delete_chars(count.min(after));
        self.mend_line();
    }

    fn clear_line(&mut self, mode: LineClearMode) {
        self.term.clear_line(mode);
        self.mend_line();
    }

    fn input(&mut self, c: char) {
        self.print(c);
    }

    fn put_tab(&mut self, count: u16) {
        // The engine would go to the next line.
        if !self.term.grid().cursor.input_needs_wrap {
            self.term.put_tab(count);
        }
    }

    fn linefeed(&mut self) {
        self.index();
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
                let cursor = &self.term.grid().cursor;
                let (line, waits) = (cursor.point.line, cursor.input_needs_wrap);
                if !waits {
                    self.term.clear_screen(mode);
                    self.mend_line();
                } else if line < self.term.grid().bottommost_line() {
                    // Nothing stands behind a cursor that waits to wrap.
                    self.term.grid_mut().reset_region(line + 1..);
                }
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
        self.switch(mode, true);
    }

    fn unset_private_mode(&mut self, mode: PrivateMode) {
        self.switch(mode, false);
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
}
