//! The painter: draws what an engine shows into a space of another size, and only what has changed.

use std::fmt::Write;

use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;
use unicode_width::UnicodeWidthChar;

use super::engine::Engine;
use super::pen::Pen;
use crate::args::Size;

/// Fills what the picture leaves free.
const FILLER: char = '·';

/// The modes that decide what the keys of the user's terminal send, with what sets and resets them. The mouse is left to the
/// terminal: what it points at in a picture is not what it would point at in the program's own screen.
const INPUT_MODES: [(TermMode, &str, &str); 4] = [
    (TermMode::APP_CURSOR, "\x1b[?1h", "\x1b[?1l"),
    (TermMode::APP_KEYPAD, "\x1b=", "\x1b>"),
    (TermMode::FOCUS_IN_OUT, "\x1b[?1004h", "\x1b[?1004l"),
    (TermMode::BRACKETED_PASTE, "\x1b[?2004h", "\x1b[?2004l"),
];

/// Whether the keys of the user's terminal are to send what the program wants to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// As the program has it.
    Programs,
    /// Keys alone.
    Own,
}

/// Draws pictures into a space, which must be neutral at first.
#[derive(Debug)]
pub(crate) struct Painter {
    space: Size,
    input: Input,
    /// What each row of the space shows, as it was drawn.
    rows: Vec<Option<String>>,
    /// The row and column of the picture in the upper left corner.
    corner: (u16, u16),
    cursor: Option<(u16, u16)>,
    cursor_style: u8,
    modes: TermMode,
}

impl Painter {
    pub(crate) fn new(space: Size, input: Input) -> Self {
        Self {
            space,
            input,
            rows: vec![None; space.rows.into()],
            corner: (0, 0),
            cursor: None,
            cursor_style: 0,
            modes: TermMode::empty(),
        }
    }

    /// Takes another space, of which nothing is known.
    pub(crate) fn resize(&mut self, space: Size) {
        *self = Self {
            space,
            rows: vec![None; space.rows.into()],
            ..*self
        };
    }

    /// Draws what the engine shows, in the upper left of the space, around the cursor where it does not fit; a hint
    /// takes the last row.
    pub(crate) fn draw(&mut self, engine: &Engine, hint: Option<&str>, out: &mut Vec<u8>) {
        let mut text = String::new();
        let said = engine.take_said();
        if let Some(title) = said.title {
            let title: String = title.chars().filter(|c| !c.is_control()).collect();
            // Writing to a String cannot fail.
            let _ = write!(text, "\x1b]2;{title}\x1b\\");
        }
        if said.bell {
            text.push('\x07');
        }
        if self.rows.iter().all(Option::is_none) {
            // The wheel is to send no keys either.
            text.push_str("\x1b[?1007l");
        }
        self.mode(engine, &mut text);
        let height = self.space.rows - u16::from(hint.is_some() && self.space.rows > 1);
        let (row, column) = engine.cursor();
        let size = engine.size();
        self.corner = (
            pan(self.corner.0, row, height, size.rows),
            pan(self.corner.1, column, self.space.columns, size.columns),
        );
        let rows = (0..self.space.rows).map(|row| match hint {
            Some(hint) if row >= height => self.hint(hint),
            _ => self.row(engine, row),
        });
        let rows: Vec<String> = rows.collect();
        let mut drawn = false;
        for ((number, new), old) in (1..).zip(rows).zip(&mut self.rows) {
            if old.as_ref() != Some(&new) {
                if !std::mem::replace(&mut drawn, true) {
                    // A cursor that runs over the rows would be seen; a row that wraps would scroll.
                    text.push_str("\x1b[?25l\x1b[?7l");
                }
                let _ = write!(text, "\x1b[{number};1H{new}");
                *old = Some(new);
            }
        }
        let cursor = engine
            .modes()
            .contains(TermMode::SHOW_CURSOR)
            .then(|| (row - self.corner.0, column - self.corner.1));
        let cursor = cursor.filter(|(row, column)| *row < height && *column < self.space.columns);
        if drawn || cursor != self.cursor {
            self.cursor = cursor;
            match cursor {
                Some((row, column)) => {
                    let _ = write!(text, "\x1b[{};{}H\x1b[?25h", row + 1, column + 1);
                }
                None => text.push_str("\x1b[?25l"),
            }
        }
        out.extend_from_slice(text.as_bytes());
    }

    fn mode(&mut self, engine: &Engine, text: &mut String) {
        if self.cursor_style != engine.cursor_style() {
            self.cursor_style = engine.cursor_style();
            // Writing to a String cannot fail.
            let _ = write!(text, "\x1b[{} q", self.cursor_style);
        }
        if self.input == Input::Own {
            return;
        }
        let modes = engine.modes();
        for (mode, set, reset) in INPUT_MODES {
            if (modes ^ self.modes).contains(mode) {
                text.push_str(if modes.contains(mode) { set } else { reset });
            }
        }
        if (modes ^ self.modes).intersects(TermMode::KITTY_KEYBOARD_PROTOCOL) {
            let flags = (modes & TermMode::KITTY_KEYBOARD_PROTOCOL).bits()
                / TermMode::DISAMBIGUATE_ESC_CODES.bits();
            let _ = write!(text, "\x1b[={flags};1u");
        }
        self.modes = modes;
    }

    /// Renders a row of the space.
    fn row(&self, engine: &Engine, row: u16) -> String {
        let mut text = String::new();
        let mut pen = Pen::default();
        text.push_str("\x1b[0m");
        let size = engine.size();
        let row = row + self.corner.0;
        let (first, width) = (self.corner.1, self.space.columns);
        let end = if row < size.rows {
            size.columns.min(first + width)
        } else {
            first
        };
        let mut column = first;
        while column < end {
            let cell = engine.cell(row, column);
            pen.change(Pen::of(engine, cell), &mut text);
            let wide = engine.is_wide(row, column) && column + 1 < end;
            if cell.c.is_control() || (cell.flags.contains(Flags::WIDE_CHAR) && !wide) {
                // Half of a wide character is none, nor is a tab stop one.
                text.push(' ');
            } else {
                text.push(cell.c);
                text.extend(cell.zerowidth().into_iter().flatten());
            }
            column += 1 + u16::from(wide);
        }
        pen.change(Pen::default(), &mut text);
        if end < first + width {
            // Placed anew, for terminals differ about how wide some characters are.
            let _ = write!(text, "\x1b[{}G\x1b[2m", end - first + 1);
            text.extend(std::iter::repeat_n(FILLER, (first + width - end).into()));
            text.push_str("\x1b[0m");
        }
        text
    }

    /// Renders the row of a hint, cut where there is no more room.
    fn hint(&self, hint: &str) -> String {
        let mut text = "\x1b[0;7m".to_owned();
        let mut left = usize::from(self.space.columns);
        for c in format!(" {hint}").chars().filter(|c| !c.is_control()) {
            let width = c.width().unwrap_or(0);
            if width > left {
                break;
            }
            left -= width;
            text.push(c);
        }
        text.extend(std::iter::repeat_n(' ', left));
        text.push_str("\x1b[0m");
        text
    }
}

/// Moves a window of `visible` out of `all` no further than it must to hold `point`.
fn pan(start: u16, point: u16, visible: u16, all: u16) -> u16 {
    let start = start.min(all.saturating_sub(visible));
    start.clamp((point + 1).saturating_sub(visible), point)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: Size = Size {
        columns: 10,
        rows: 4,
    };

    fn engine(columns: u16, rows: u16, fed: &[u8]) -> Engine {
        let mut engine = Engine::new(Size { columns, rows });
        engine.feed(fed);
        engine
    }

    /// Gives what a terminal of the space's size shows once it was fed `drawn`.
    fn shown(drawn: &[u8]) -> String {
        let shown = engine(SPACE.columns, SPACE.rows, drawn);
        let row = |row| {
            let cells = (0..SPACE.columns).map(|column| shown.cell(row, column));
            let cells = cells.filter(|cell| !cell.flags.contains(Flags::WIDE_CHAR_SPACER));
            cells.map(|cell| cell.c).collect::<String>()
        };
        let rows: Vec<String> = (0..SPACE.rows).map(row).collect();
        rows.join("\n")
    }

    fn draw(painter: &mut Painter, engine: &Engine, hint: Option<&str>) -> Vec<u8> {
        let mut out = Vec::new();
        painter.draw(engine, hint, &mut out);
        out
    }

    #[test]
    fn a_smaller_picture_stands_in_the_upper_left() {
        let engine = engine(6, 2, "ab工具\r\ncd".as_bytes());
        let mut painter = Painter::new(SPACE, Input::Programs);
        let drawn = draw(&mut painter, &engine, Some("a hint too long"));
        assert_eq!(
            shown(&drawn),
            "ab工具····\ncd    ····\n··········\n a hint to"
        );
    }

    #[test]
    fn a_larger_picture_is_cut_around_the_cursor() {
        let mut engine = engine(
            12,
            6,
            b"0123456789AB\x1b[2;1Hline two\x1b[3;1Hl3\x1b[6;1Hlast\x1b[H",
        );
        let mut painter = Painter::new(SPACE, Input::Programs);
        let mut all = draw(&mut painter, &engine, None);
        assert_eq!(
            shown(&all),
            "0123456789\nline two  \nl3        \n          "
        );
        engine.feed(b"\x1b[6;12H");
        all.extend(draw(&mut painter, &engine, None));
        assert_eq!(
            shown(&all),
            "          \n          \n          \nst        "
        );
        engine.feed(b"\x1b[6;1H");
        all.extend(draw(&mut painter, &engine, None));
        assert_eq!(
            shown(&all),
            "l3        \n          \n          \nlast      "
        );
    }

    #[test]
    fn only_what_changed_is_drawn() {
        let mut engine = engine(6, 2, b"ab\r\ncd");
        let mut painter = Painter::new(SPACE, Input::Programs);
        draw(&mut painter, &engine, None);
        assert_eq!(draw(&mut painter, &engine, None), b"");
        engine.feed(b"e");
        let drawn = String::from_utf8(draw(&mut painter, &engine, None)).unwrap();
        assert!(drawn.contains("cde") && !drawn.contains("ab"), "{drawn:?}");
        painter.resize(SPACE);
        let drawn = String::from_utf8(draw(&mut painter, &engine, None)).unwrap();
        assert!(drawn.contains("ab"), "{drawn:?}");
    }

    #[test]
    fn looks_modes_and_title_are_passed_on() {
        let engine = engine(
            6,
            2,
            b"\x1b[1;4:3;31;48;2;1;2;3mx\x1b[0m\x1b]8;;http://a\x1b\\l\x1b]8;;\x1b\\\x1b]11;#102030\x07 \x1b[?2004h\x1b[?1004h\x1b[?1003h\x1b[?1006h\x1b[>5u\x1b[5 q\x1b[?25l\x1b]0;t\x07\x07",
        );
        let drawn = draw(&mut Painter::new(SPACE, Input::Programs), &engine, None);
        let drawn = String::from_utf8(drawn).unwrap();
        for part in [
            "\x1b[0;1;4:3;31;48;2;1;2;3mx",
            ";http://a\x1b\\",
            "48;2;16;32;48",
            "\x1b[?2004h",
            "\x1b[?1004h",
            "\x1b[=5;1u",
            "\x1b[5 q",
            "\x1b]2;t\x1b\\",
            "\x07",
        ] {
            assert!(drawn.contains(part), "{part:?} is missing: {drawn:?}");
        }
        assert!(drawn.ends_with("\x1b[?25l"), "{drawn:?}");
        assert!(!drawn.contains("\x1b]11"), "the user's own colours stay");
        assert!(
            !drawn.contains("\x1b[?1003h"),
            "the mouse is the terminal's"
        );
        let drawn = draw(&mut Painter::new(SPACE, Input::Own), &engine, None);
        let drawn = String::from_utf8(drawn).unwrap();
        assert!(!drawn.contains("\x1b[?2004h"), "{drawn:?}");
    }

    #[test]
    fn a_synchronized_frame_shows_when_it_is_complete() {
        let mut engine = engine(6, 2, b"ab\x1b[?2026h\x1b[Hxy");
        let mut painter = Painter::new(SPACE, Input::Programs);
        let mut all = draw(&mut painter, &engine, None);
        assert!(shown(&all).starts_with("ab"), "{}", shown(&all));
        assert!(engine.frame_deadline().is_some());
        engine.end_frame();
        assert!(engine.frame_deadline().is_none());
        all.extend(draw(&mut painter, &engine, None));
        assert!(shown(&all).starts_with("xy"), "{}", shown(&all));
    }

    /// Gives what is in the upper left of a screen: characters and how they look.
    fn looks(engine: &Engine, size: Size) -> Vec<String> {
        let row = |row: u16| {
            let looks = (0..size.columns).map(|column| {
                // The second half of a wide character looks like the first.
                if column > 0 && engine.is_wide(row, column - 1) {
                    return String::new();
                }
                let cell = engine.cell(row, column);
                let mut text = String::new();
                Pen::default().change(Pen::of(engine, cell), &mut text);
                let wide = engine.is_wide(row, column);
                if cell.c.is_control() || (cell.flags.contains(Flags::WIDE_CHAR) && !wide) {
                    text.push(' ');
                } else {
                    text.push(cell.c);
                    text.extend(cell.zerowidth().into_iter().flatten());
                }
                text
            });
            looks.collect::<String>()
        };
        (0..size.rows).map(row).collect()
    }

    /// What programs write, in pieces.
    const PIECES: &[&str] = &[
        "word",
        "a longer line that wraps somewhere",
        "工具",
        "🦀",
        "e\u{301}",
        "\r\n",
        "\n",
        "\t",
        "\x08\x08",
        "\x1b[H",
        "\x1b[3;4H",
        "\x1b[99;99H",
        "\x1b[2J",
        "\x1b[K",
        "\x1b[1K",
        "\x1b[2P",
        "\x1b[3@",
        "\x1b[L",
        "\x1b[M",
        "\x1b[2X",
        "\x1b[2;3r",
        "\x1b[r",
        "\x1bM",
        "\x1b[1;31m",
        "\x1b[48;5;17m",
        "\x1b[4:3;58:2::9:9:9m",
        "\x1b[m",
        "\x1b[?1049h",
        "\x1b[?1049l",
        "\x1b]8;;http://x\x1b\\",
        "\x1b]8;;\x1b\\",
        "\x1b]4;1;#123456\x07",
        "\x1b]104\x07",
        "\x1b(0",
        "\x1b(B",
        "\x1b[?7l",
        "\x1b[?7h",
        "\x1b[4h",
        "\x1b[4l",
    ];

    proptest::proptest! {
        #[test]
        fn what_is_drawn_is_what_there_is(
            picks in proptest::collection::vec(proptest::prelude::any::<proptest::sample::Index>(), 0..60),
            size in (2_u16..20, 1_u16..8),
            more in (0_u16..5, 0_u16..3),
        ) {
            let size = Size { columns: size.0, rows: size.1 };
            let space = Size { columns: size.columns + more.0, rows: size.rows + more.1 };
            let (mut engine, mut shown) = (Engine::new(size), Engine::new(space));
            let mut painter = Painter::new(space, Input::Programs);
            for pick in picks {
                engine.feed(pick.get(PIECES).as_bytes());
                shown.feed(&draw(&mut painter, &engine, None));
                proptest::prop_assert_eq!(looks(&shown, size), looks(&engine, size));
                proptest::prop_assert_eq!(shown.cursor(), engine.cursor());
            }
        }

        #[test]
        fn no_stream_and_no_size_make_it_panic(
            fed in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            picture in (1_u16..30, 1_u16..30),
            space in (1_u16..30, 1_u16..30),
            hint in proptest::option::of("\\PC{0,20}"),
        ) {
            let mut engine = engine(picture.0, picture.1, &fed);
            let mut painter = Painter::new(Size { columns: space.0, rows: space.1 }, Input::Programs);
            draw(&mut painter, &engine, hint.as_deref());
            engine.resize(Size { columns: space.1, rows: space.0 });
            engine.feed(&fed);
            draw(&mut painter, &engine, hint.as_deref());
        }
    }
}
