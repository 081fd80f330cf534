//! What a program asks of its terminal, answered here and nowhere else.

use std::fmt::{Arguments, Write};

use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::color::COUNT;
use alacritty_terminal::vte::ansi::{CursorShape, Rgb};

use super::command::dynamic;
use super::engine::{Engine, VIEWER_MODES};
use super::paint::Pen;
use super::palette;
use super::scan::Csi;
use super::size::Size;

/// A program that asks and never reads its answers does not fill memory.
const ANSWERS_MAX: usize = 64 * 1024;

impl Engine {
    pub(crate) fn answer(&mut self, text: Arguments<'_>) {
        if self.answers.len() < ANSWERS_MAX {
            let mut answer = String::new();
            // Writing to a String does not fail.
            let _ = answer.write_fmt(text);
            self.answers.extend_from_slice(answer.as_bytes());
        }
    }

    /// Answers a control sequence if it is a question.
    pub(crate) fn asked(&mut self, csi: Csi<'_>) -> bool {
        match (csi.marker, csi.intermediates, csi.last, csi.first()) {
            (0, b"", b'c', 0) => self.identify(),
            // The id and patch of an xterm that reports the mouse in SGR encoding, by which editors choose it.
            (b'>', b"", b'c', 0) => self.answer(format_args!("\x1b[>41;354;0c")),
            (b'=', b"", b'c', 0) => self.answer(format_args!("\x1bP!|53545641\x1b\\")),
            (b'>', b"", b'q', 0) => {
                let version = env!("CARGO_PKG_VERSION");
                self.answer(format_args!("\x1bP>|stratavore({version})\x1b\\"));
            }
            (0, b"", b'n', 5) => self.answer(format_args!("\x1b[0n")),
            (0, b"", b'n', 6) => self.tell_cursor(""),
            (b'?', b"", b'n', 6) => self.tell_cursor("?"),
            // The palette is dark, for that is what OSC 11 says too.
            (b'?', b"", b'n', 996) => self.answer(format_args!("\x1b[?997;1n")),
            (b'?', b"", b'u', _) => {
                let flags = self.keyboard().last().copied().unwrap_or(0);
                self.answer(format_args!("\x1b[?{flags}u"));
            }
            (b'?', b"", b'm', 4) => {
                let keys = self.other_keys;
                self.answer(format_args!("\x1b[>4;{keys}m"));
            }
            (0, b"$", b'p', mode) => {
                let state = state(self.mode(mode));
                self.answer(format_args!("\x1b[{mode};{state}$y"));
            }
            (b'?', b"$", b'p', mode) => {
                let state = state(self.private_mode(mode));
                self.answer(format_args!("\x1b[?{mode};{state}$y"));
            }
            (0, b"", b't', what @ (14 | 16 | 18)) => self.tell_size(what),
            _ => return false,
        }
        true
    }

    /// DA1, also when asked by DECID.
    pub(crate) fn identify(&mut self) {
        self.answer(format_args!("\x1b[?62;22c"));
    }

    fn tell_cursor(&mut self, marker: &str) {
        let point = self.term.grid().cursor.point;
        let line = point.line.0 - self.origin_offset() + 1;
        let column = point.column.0 + 1;
        self.answer(format_args!("\x1b[{marker}{line};{column}R"));
    }

    fn tell_size(&mut self, what: u32) {
        let Size { columns, rows } = self.size;
        let (width, height) = palette::CELL;
        match what {
            14 => {
                let (width, height) = (u32::from(columns) * width, u32::from(rows) * height);
                self.answer(format_args!("\x1b[4;{height};{width}t"));
            }
            16 => self.answer(format_args!("\x1b[6;{height};{width}t")),
            _ => self.answer(format_args!("\x1b[8;{rows};{columns}t")),
        }
    }

    pub(crate) fn tell_color(&mut self, index: usize, end: &str) {
        let set = (index < COUNT).then(|| self.term.colors()[index]).flatten();
        let Some(Rgb { r, g, b }) = set.or_else(|| palette::default(index)) else {
            return;
        };
        let name = match index {
            0..=255 => format!("4;{index}"),
            _ => (10 + index - dynamic(10)).to_string(),
        };
        self.answer(format_args!(
            "\x1b]{name};rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}{end}"
        ));
    }

    /// Answers a device control string if it is a question.
    pub(crate) fn device(&mut self, string: &[u8]) {
        if let Some(setting) = string.strip_prefix(b"$q") {
            match self.setting(setting) {
                Some(value) => self.answer(format_args!("\x1bP1$r{value}\x1b\\")),
                None => self.answer(format_args!("\x1bP0$r\x1b\\")),
            }
        } else if string.starts_with(b"+q") {
            // The terminfo entry that TERM names is the one to go by.
            self.answer(format_args!("\x1bP0+r\x1b\\"));
        }
    }

    /// Gives the sequence that makes a setting what it is, without its `ESC [`.
    fn setting(&self, name: &[u8]) -> Option<String> {
        match name {
            b"m" => {
                let mut sequence = Vec::new();
                Pen::of(&self.term.grid().cursor.template).sgr(&mut sequence);
                let sgr = String::from_utf8(sequence).ok()?;
                let numbers = sgr.strip_prefix("\x1b[")?;
                Some(if numbers == "m" {
                    "0m".to_owned()
                } else {
                    numbers.to_owned()
                })
            }
            b"r" => Some(format!("{};{}r", self.region.start + 1, self.region.end)),
            b" q" => Some(format!("{} q", self.cursor_code())),
            _ => None,
        }
    }

    /// Gives the number that DECSCUSR has for the cursor's style.
    pub(crate) fn cursor_code(&self) -> u8 {
        let Some(style) = self.cursor_style else {
            return 0;
        };
        let steady = match style.shape {
            CursorShape::Underline => 4,
            CursorShape::Beam => 6,
            _ => 2,
        };
        steady - u8::from(style.blinking)
    }

    fn mode(&self, mode: u32) -> Option<bool> {
        let has = |flag| Some(self.term.mode().contains(flag));
        match mode {
            4 => has(TermMode::INSERT),
            20 => has(TermMode::LINE_FEED_NEW_LINE),
            _ => None,
        }
    }

    /// Says whether a private mode is set, nothing when it is not known.
    pub(crate) fn private_mode(&self, mode: u32) -> Option<bool> {
        let has = |flag| Some(self.term.mode().contains(flag));
        match mode {
            1 => has(TermMode::APP_CURSOR),
            6 => has(TermMode::ORIGIN),
            7 => has(TermMode::LINE_WRAP),
            12 => Some(self.blinks == Some(true)),
            25 => has(TermMode::SHOW_CURSOR),
            47 | 1047 | 1049 => has(TermMode::ALT_SCREEN),
            66 => has(TermMode::APP_KEYPAD),
            9 | 1000 | 1002 | 1003 => Some(u32::from(self.mouse) == mode),
            1005 | 1006 | 1015 | 1016 => Some(u32::from(self.mouse_encoding) == mode),
            1004 => has(TermMode::FOCUS_IN_OUT),
            1007 => Some(self.wheel_moves != Some(false)),
            // Always set: what it saves is restored when asked for.
            1048 => Some(true),
            2004 => has(TermMode::BRACKETED_PASTE),
            2026 => Some(self.in_frame),
            mode => {
                let index = VIEWER_MODES
                    .iter()
                    .position(|known| u32::from(*known) == mode)?;
                Some(self.viewer_modes[index])
            }
        }
    }
}

fn state(set: Option<bool>) -> u8 {
    match set {
        None => 0,
        Some(true) => 1,
        Some(false) => 2,
    }
}
