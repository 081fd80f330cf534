//! The screen: what a program drew, and how to draw it again elsewhere. Pure: bytes in, bytes out.

mod answer;
mod command;
mod effect;
mod engine;
mod handler;
mod kept;
mod mend;
mod paint;
mod palette;
mod print;
mod scan;
mod size;
mod snapshot;
mod style;
mod viewed;
mod width;

use std::fmt;
use std::time::Duration;

use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::Line;
use alacritty_terminal::vte::ansi::{CharsetIndex, Handler, Processor, StandardCharset, Timeout};

use command::Command;
use effect::Effects;
pub use effect::{CLIPBOARD_MAX, EFFECTS_MAX, Effect, Selection};
use engine::Engine;
use scan::{Csi, Scanner, Token};
pub use size::Size;
use snapshot::Scrollback;
pub use viewed::Filter;
pub use width::width;

/// Bytes of a snapshot's screen: characters alone take less on the largest.
pub const SNAPSHOT_MAX: usize = 3 << 20;
/// Bytes of a title.
const TITLE_MAX: usize = 1024;
/// Bytes of a working directory's address.
const DIRECTORY_MAX: usize = 4 * 1024;
/// Bytes of a notification's title or text, and of a report.
const NOTICE_MAX: usize = 8 * 1024;

/// Lets the parser act on synchronized updates at once: the screen is always up to the byte, and it is the screen's owner who
/// does not show it inside of a frame.
#[derive(Default)]
struct AtOnce;

impl Timeout for AtOnce {
    fn set_timeout(&mut self, _duration: Duration) {}

    fn clear_timeout(&mut self) {}

    fn pending_timeout(&self) -> bool {
        false
    }
}

/// Holds one terminal.
pub struct Screen {
    engine: Engine,
    processor: Processor<AtOnce>,
    scanner: Scanner,
    effects: Effects,
}

impl fmt::Debug for Screen {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Screen")
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl Screen {
    /// Starts blank.
    pub fn new(size: Size) -> Self {
        Self {
            engine: Engine::new(size),
            processor: Processor::new(),
            scanner: Scanner::new(),
            effects: Effects::default(),
        }
    }

    /// Takes what the program wrote.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.take(bytes, |_| {});
    }

    /// Takes what the program wrote, and appends to `viewed` what viewers are fed of it, as a [`Filter`] would that
    /// was given all of it from the start.
    pub fn feed_viewed(&mut self, bytes: &[u8], viewed: &mut Vec<u8>) {
        self.take(bytes, |token| viewed::pass(token, viewed));
    }

    fn take(&mut self, bytes: &[u8], mut show: impl FnMut(Token<'_>)) {
        let Self {
            engine,
            processor,
            scanner,
            effects,
        } = self;
        scanner.scan(bytes, &mut |token| {
            show(token);
            match token {
                Token::Text(text) => engine.text(text),
                Token::Control(control) => engine.control(control),
                Token::Escape(whole) => escape(whole, engine, processor),
                Token::Csi(csi) => control(csi, engine, processor),
                Token::Repeat(c, count) => (0..count).for_each(|_| engine.print(c)),
                Token::Osc(content, bell) => {
                    if let Some(command) = Command::of(content) {
                        effects.extend(effect::of(&command));
                        engine.command(command, if bell { "\x07" } else { "\x1b\\" });
                    }
                }
                Token::Dcs(content) => engine.device(content),
                Token::Apc(_) => {}
            }
        });
        if std::mem::take(&mut engine.rang) {
            effects.push(Effect::Bell);
        }
    }

    /// Changes the size; what does not fit any more scrolls off.
    pub fn resize(&mut self, size: Size) {
        self.engine.resize(size);
    }

    /// Gives the size.
    pub fn size(&self) -> Size {
        self.engine.size
    }

    /// Gives the title, free of control characters.
    pub fn title(&self) -> &str {
        &self.engine.title
    }

    /// Says whether the program is inside a synchronized update: the screen is half drawn.
    pub fn in_frame(&self) -> bool {
        self.engine.in_frame
    }

    /// Takes what must be written to the program in answer to what it asked.
    pub fn take_answers(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.engine.answers)
    }

    /// Takes what somebody must decide upon, at most [`EFFECTS_MAX`], in the order it came.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.take()
    }

    /// Takes the lines that scrolled off since the last call, painted, each ended by a newline but for a last one that goes
    /// on; and whether all earlier history was erased before them.
    pub fn take_scrolled(&mut self) -> (bool, Vec<u8>) {
        (
            std::mem::take(&mut self.engine.kept.erased),
            std::mem::take(&mut self.engine.kept.lines),
        )
    }

    /// Gives the bytes that bring a terminal in any state to this one. `history`, when given, replaces the terminal's
    /// scrollback; it holds the lines that scrolled off, up to what [`Self::take_scrolled`] gave last. Behind it the screen
    /// takes at most [`SNAPSHOT_MAX`] bytes: where colours and links would take more, it goes without.
    pub fn snapshot(&mut self, history: Option<&[u8]>) -> Vec<u8> {
        snapshot::snapshot(&mut self.engine, scrollback(history), SNAPSHOT_MAX)
    }

    /// Gives what the screen shows, as text without trailing blanks.
    pub fn text(&self) -> String {
        let grid = self.engine.term.grid();
        let mut text = Vec::new();
        for line in 0..grid.screen_lines() {
            paint::text(&grid[Line(line as i32)], grid.columns(), &mut text);
            text.push(b'\n');
        }
        let kept = text
            .iter()
            .rposition(|byte| *byte != b'\n')
            .map_or(0, |last| last + 2);
        text.truncate(kept);
        // What was painted were characters.
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Gives the rows of the primary screen down to the last one in use, painted, each ended by a newline: what follows the
    /// history when one reads it from the top.
    pub fn painted(&mut self) -> Vec<u8> {
        let columns = usize::from(self.engine.size.columns);
        self.engine.with_primary(|grid| {
            let mut out = Vec::new();
            let mut kept = 0;
            for line in 0..grid.screen_lines() {
                let row = &grid[Line(line as i32)];
                let start = out.len();
                let mut pen = paint::Pen::default();
                paint::row(row, columns, &mut pen, &mut out);
                pen.change(paint::Pen::default(), &mut out);
                let written = out.len() > start;
                if !paint::wraps(row, columns) {
                    out.push(b'\n');
                }
                if written {
                    kept = out.len();
                }
            }
            out.truncate(kept);
            if out.last().is_some_and(|last| *last != b'\n') {
                out.push(b'\n');
            }
            out
        })
    }
}

fn escape(whole: &[u8], engine: &mut Engine, processor: &mut Processor<AtOnce>) {
    match whole[1..] {
        [b'D'] => engine.index(),
        [b'Z'] => engine.identify(),
        // Locking shifts that the parser does not know.
        [b'n'] => engine.set_active_charset(CharsetIndex::G2),
        [b'o'] => engine.set_active_charset(CharsetIndex::G3),
        // National sets are ASCII here.
        [slot @ (b'(' | b')' | b'*' | b'+'), set] if set != b'0' => {
            let index = match slot {
                b'(' => CharsetIndex::G0,
                b')' => CharsetIndex::G1,
                b'*' => CharsetIndex::G2,
                _ => CharsetIndex::G3,
            };
            engine.configure_charset(index, StandardCharset::Ascii);
        }
        _ => processor.advance(engine, whole),
    }
}

fn control(csi: Csi<'_>, engine: &mut Engine, processor: &mut Processor<AtOnce>) {
    if engine.asked(csi) {
        return;
    }
    match (csi.marker, csi.intermediates, csi.last) {
        (0, b"!", b'p') => engine.soft_reset(),
        (0, b"", b'm') if style::split_at_overline(csi.parameters).is_some() => {
            attributes(csi.parameters, engine, processor);
        }
        (0, b"", b'e') => engine.move_lines(csi.first().max(1)),
        // The title of an icon, which nobody shows.
        (0, b"", b't') if csi.numbers().nth(1) == Some(1) => {}
        // XTMODKEYS that resets, and its like.
        (b'>', b"", b'm') if csi.parameters.is_empty() => engine.other_keys = 0,
        (b'>', b"", b'n') if csi.first() == 4 => engine.other_keys = 0,
        _ => processor.advance(engine, csi.whole),
    }
}

/// Changes the pen where a line above is among what changes.
fn attributes(mut numbers: &[u8], engine: &mut Engine, processor: &mut Processor<AtOnce>) {
    let mut set = |numbers: &[u8], engine: &mut Engine| {
        processor.advance(engine, b"\x1b[");
        processor.advance(engine, numbers);
        processor.advance(engine, b"m");
    };
    while let Some((before, over, rest)) = style::split_at_overline(numbers) {
        if !before.is_empty() {
            set(before, engine);
        }
        engine.overline(over);
        numbers = rest;
        if numbers.is_empty() {
            return;
        }
    }
    set(numbers, engine);
}

/// Reads text without what could act on a terminal or spoil a line, and bounds it.
fn clean(text: &[u8], max: usize) -> String {
    let mut clean = String::new();
    for c in text.utf8_chunks().flat_map(|chunk| chunk.valid().chars()) {
        if clean.len() + c.len_utf8() > max {
            break;
        }
        if !c.is_control() {
            clean.push(c);
        }
    }
    clean
}

/// Counts the bytes at the end that begin a character and do not end it.
pub(crate) fn partial_character(bytes: &[u8]) -> usize {
    let most = bytes.len().min(3);
    (1..=most)
        .rev()
        .find(|length| scan::is_begun(&bytes[bytes.len() - length..]))
        .unwrap_or(0)
}

fn scrollback(history: Option<&[u8]>) -> Scrollback<'_> {
    history.map_or(Scrollback::Untouched, Scrollback::Replaced)
}

#[cfg(test)]
mod tests;
