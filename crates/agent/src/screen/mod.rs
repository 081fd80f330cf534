//! The screen: what a program drew, and how to draw it again elsewhere. Pure: bytes in, bytes out.

mod engine;
mod paint;
mod palette;
mod scan;
mod snapshot;

use std::fmt;
use std::time::Duration;

use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::Line;
use alacritty_terminal::vte::ansi::{Processor, Timeout};

use engine::Engine;
pub use engine::Size;
use scan::{Found, Scanner};
use snapshot::Scrollback;

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
    reports: Vec<String>,
    /// The beginning of a character whose end has not come. The parser sees whole ones only: of those that it puts together
    /// itself it loses the next.
    partial: Vec<u8>,
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
            reports: Vec::new(),
            partial: Vec::new(),
        }
    }

    /// Takes what the program wrote.
    pub fn feed(&mut self, bytes: &[u8]) {
        let joined;
        let bytes = if self.partial.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.partial), bytes].concat();
            &joined
        };
        let (whole, partial) = bytes.split_at(bytes.len() - partial_character(bytes));
        self.partial.extend_from_slice(partial);
        // A beginning that another beginning follows will never be ended, but the parser would wait for it.
        let broken = if partial.is_empty() {
            0
        } else {
            partial_character(whole)
        };
        self.feed_whole(&whole[..whole.len() - broken]);
        if broken > 0 && self.scanner.at_rest() {
            self.feed_whole("\u{fffd}".as_bytes());
        } else {
            // Inside a string bytes are bytes.
            self.feed_whole(&whole[whole.len() - broken..]);
        }
    }

    fn feed_whole(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let step = self.scanner.step(bytes);
            let (taken, rest) = bytes.split_at(step.consumed);
            bytes = rest;
            if step.shown {
                self.processor.advance(&mut self.engine, taken);
            }
            match step.found {
                None => {}
                Some(Found::Csi(parameters, last)) => self.engine.control(&parameters, last),
                Some(Found::Dcs(string)) => self.engine.device(&string),
                Some(Found::Osc(command)) => {
                    // Reports that nobody fetches do not fill memory.
                    const REPORTS_MAX: usize = 64;
                    if let Some(report) = self.engine.command(&command)
                        && self.reports.len() < REPORTS_MAX
                    {
                        self.reports.push(report);
                    }
                }
                Some(Found::Overlong) => self.processor.advance(&mut self.engine, b"\x18"),
            }
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

    /// Takes what the program reported of itself (OSC 7501).
    pub fn take_reports(&mut self) -> Vec<String> {
        std::mem::take(&mut self.reports)
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
    /// scrollback; it holds the lines that scrolled off, up to what [`Self::take_scrolled`] gave last.
    pub fn snapshot(&mut self, history: Option<&[u8]>) -> Vec<u8> {
        snapshot::snapshot(&mut self.engine, scrollback(history), true)
    }

    /// Gives the same without colours and attributes, for when the other is too long for its way.
    pub fn plain_snapshot(&mut self) -> Vec<u8> {
        snapshot::snapshot(&mut self.engine, Scrollback::Untouched, false)
    }

    /// Gives what a terminal must be fed after a snapshot to go on with the program's output: the beginning of the sequence or
    /// character that the output was cut inside of.
    pub fn pending(&self) -> Vec<u8> {
        [self.scanner.pending(), &self.partial].concat()
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

/// Counts the bytes at the end that begin a character and do not end it.
fn partial_character(bytes: &[u8]) -> usize {
    let most = bytes.len().min(3);
    (1..=most)
        .rev()
        .find(|length| {
            std::str::from_utf8(&bytes[bytes.len() - length..])
                .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
        })
        .unwrap_or(0)
}

fn scrollback(history: Option<&[u8]>) -> Scrollback<'_> {
    history.map_or(Scrollback::Untouched, Scrollback::Replaced)
}

#[cfg(test)]
mod tests;
