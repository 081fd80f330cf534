//! The engine: what a terminal of some size shows once it is fed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::{Color, CursorShape, CursorStyle, Processor};
use unicode_width::UnicodeWidthChar;

use crate::args::Size;

/// The sizes that runners' terminals have; others would take more memory than any picture is worth.
const LARGEST: Size = Size {
    columns: 1000,
    rows: 500,
};
/// Marks that combine in one cell; text in no script needs more.
const MARKS_MAX: usize = 16;
/// A shape that programs cannot ask for, so that one never asked for is told apart.
const UNASKED: CursorShape = CursorShape::HollowBlock;

/// A terminal that is fed and looked at. It answers no queries and keeps no history.
pub(crate) struct Engine {
    term: Term<Ears>,
    parser: Processor,
    said: Rc<RefCell<Said>>,
    size: Size,
    /// How many characters without width came last.
    marks: usize,
}

/// What the program said to whoever sits in front of the terminal.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// The title, if it was changed.
    pub(crate) title: Option<String>,
    /// The bell rang.
    pub(crate) bell: bool,
}

#[derive(Clone)]
struct Ears(Rc<RefCell<Said>>);

impl EventListener for Ears {
    fn send_event(&self, event: Event) {
        let mut said = self.0.borrow_mut();
        match event {
            Event::Title(title) => said.title = Some(title),
            Event::ResetTitle => said.title = Some(String::new()),
            Event::Bell => said.bell = true,
            _ => {}
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

impl Engine {
    pub(crate) fn new(size: Size) -> Self {
        let size = bounded(size);
        let config = Config {
            scrolling_history: 0,
            default_cursor_style: CursorStyle {
                shape: UNASKED,
                blinking: false,
            },
            kitty_keyboard: true,
            ..Config::default()
        };
        let said = Rc::new(RefCell::new(Said::default()));
        Self {
            term: Term::new(config, &size, Ears(Rc::clone(&said))),
            parser: Processor::new(),
            said,
            size,
            marks: 0,
        }
    }

    /// Feeds it what a program wrote. What belongs to a synchronized frame shows when that is complete.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if bytes.is_ascii() {
            self.marks = 0;
            return self.parser.advance(&mut self.term, bytes);
        }
        let text = String::from_utf8_lossy(bytes);
        let kept: String = text.chars().filter(|c| self.keeps(*c)).collect();
        self.parser.advance(&mut self.term, kept.as_bytes());
    }

    /// Tells whether a character is kept: of those that combine in one cell only so many are, for the engine has no bound.
    fn keeps(&mut self, c: char) -> bool {
        self.marks = if c.width() == Some(0) {
            self.marks.saturating_add(1)
        } else {
            0
        };
        self.marks <= MARKS_MAX
    }

    /// Tells until when an incomplete frame is waited for.
    pub(crate) fn frame_deadline(&self) -> Option<Instant> {
        self.parser.sync_timeout().sync_timeout()
    }

    /// Shows an incomplete frame as it is.
    pub(crate) fn end_frame(&mut self) {
        self.parser.stop_sync(&mut self.term);
    }

    pub(crate) fn resize(&mut self, size: Size) {
        self.size = bounded(size);
        self.term.resize(self.size);
    }

    pub(crate) const fn size(&self) -> Size {
        self.size
    }

    /// Takes what was said since the last time.
    pub(crate) fn take_said(&self) -> Said {
        self.said.take()
    }

    pub(crate) fn cell(&self, row: u16, column: u16) -> &Cell {
        &self.term.grid()[Line(row.into())][Column(column.into())]
    }

    /// Tells whether a character takes this column and the next. A half of which the other was overwritten is none.
    pub(crate) fn is_wide(&self, row: u16, column: u16) -> bool {
        let has = |column, flag| self.cell(row, column).flags.contains(flag);
        column + 1 < self.size.columns
            && has(column, Flags::WIDE_CHAR)
            && has(column + 1, Flags::WIDE_CHAR_SPACER)
    }

    /// Tells the cursor's row and column.
    pub(crate) fn cursor(&self) -> (u16, u16) {
        let point = self.term.grid().cursor.point;
        let row = u16::try_from(point.line.0).unwrap_or_default();
        let column = u16::try_from(point.column.0).unwrap_or_default();
        (
            row.min(self.size.rows - 1),
            column.min(self.size.columns - 1),
        )
    }

    /// Gives DECSCUSR's number for the cursor's style.
    pub(crate) fn cursor_style(&self) -> u8 {
        let style = self.term.cursor_style();
        let steady = match style.shape {
            CursorShape::Block => 2,
            CursorShape::Underline => 4,
            CursorShape::Beam => 6,
            CursorShape::HollowBlock | CursorShape::Hidden => return 0,
        };
        steady - u8::from(style.blinking)
    }

    pub(crate) fn modes(&self) -> TermMode {
        *self.term.mode()
    }

    /// Gives the colour that the program put in the place of one of the terminal's own.
    pub(crate) fn resolve(&self, color: Color) -> Color {
        let index = match color {
            Color::Named(name) => name as usize,
            Color::Indexed(index) => index.into(),
            Color::Spec(_) => return color,
        };
        self.term.colors()[index].map_or(color, Color::Spec)
    }
}

fn bounded(size: Size) -> Size {
    Size {
        columns: size.columns.clamp(2, LARGEST.columns),
        rows: size.rows.clamp(1, LARGEST.rows),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_marks_take_no_room() {
        let mut engine = Engine::new(Size {
            columns: 10,
            rows: 2,
        });
        engine.feed(b"e");
        for _ in 0..1000 {
            engine.feed("\u{301}".repeat(1000).as_bytes());
        }
        engine.feed("u\u{308}".as_bytes());
        let marks = |column| engine.cell(0, column).zerowidth().map_or(0, <[char]>::len);
        assert_eq!((marks(0), marks(1)), (MARKS_MAX, 1));
    }

    #[test]
    fn no_size_is_too_large_or_too_small() {
        for (columns, rows) in [(0, 0), (1, 1), (u16::MAX, u16::MAX)] {
            let mut engine = Engine::new(Size { columns, rows });
            engine.feed("工x".as_bytes());
            engine.resize(Size {
                columns: rows,
                rows: columns,
            });
            assert!(engine.size().columns <= LARGEST.columns && engine.size().rows <= LARGEST.rows);
        }
    }
}
