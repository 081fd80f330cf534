//! The time a recording is played: what was written, when it was, in the space there is.

use std::io::{self, BufRead};
use std::time::Duration;

use tokio::time::Instant;

use super::cast::{BadCast, Cast, Event, What};
use crate::picture::engine::Engine;
use crate::picture::painter::{Input, Painter};
use crate::terminal::passed;
use crate::terminal::signals::{Heard, Signal, Signals};
use crate::terminal::tty::Tty;

const CTRL_C: u8 = 0x03;
/// Events that are due are shown together, up to this much.
const MAX_TOGETHER: usize = 1 << 20;

/// How fast a recording is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) speed: f64,
    /// How many seconds of nothing are waited for at most.
    pub(crate) idle_limit: Option<f64>,
}

/// How the playing ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The person has seen enough.
    Quit,
    /// Somebody asked this process to end.
    Signalled(Signal),
    /// The user's terminal is gone.
    TerminalClosed,
}

/// A recording being played.
pub(crate) struct Player<'a, R> {
    tty: &'a Tty,
    cast: Cast<R>,
    pace: Pace,
    engine: Engine,
    painter: Painter,
    out: Vec<u8>,
    /// The seconds of the recording that were played.
    position: f64,
    next: Next,
    trouble: Option<BadCast>,
}

/// What comes next.
#[derive(Debug)]
enum Next {
    /// An event, when its time has come.
    At(Instant, Event),
    /// An event, this long after the person lets it go on.
    Paused(Duration, Event),
    /// Nothing more.
    Nothing,
}

impl<'a, R: BufRead> Player<'a, R> {
    pub(crate) fn new(tty: &'a Tty, cast: Cast<R>, pace: Pace) -> Self {
        let idle_limit = pace.idle_limit.or(cast.header().idle_limit);
        Self {
            tty,
            pace: Pace { idle_limit, ..pace },
            engine: Engine::new(cast.header().size),
            painter: Painter::new(tty.size(), Input::Own),
            cast,
            out: Vec::new(),
            position: 0.0,
            next: Next::Nothing,
            trouble: None,
        }
    }

    /// Gives what was wrong with the recording, if it could not be played to its end.
    pub(crate) fn into_trouble(self) -> Option<BadCast> {
        self.trouble
    }

    /// Plays until the person leaves. Fails when signals cannot be heeded.
    pub(crate) async fn run(&mut self) -> io::Result<Ending> {
        let mut signals = Signals::new()?;
        let keyboard = self.tty.keyboard()?;
        let mut typed = vec![0; 1024];
        self.read_next(Instant::now());
        self.draw();
        loop {
            let due = match self.next {
                Next::At(due, _) if self.out.is_empty() => Some(due),
                _ => None,
            };
            let frame = self.engine.frame_deadline().map(Instant::from_std);
            tokio::select! {
                written = self.tty.write(&self.out), if !self.out.is_empty() => match written {
                    Ok(written) => drop(self.out.drain(..written)),
                    Err(_) => return Ok(Ending::TerminalClosed),
                },
                read = keyboard.read(&mut typed) => match read {
                    Ok(0) | Err(_) => return Ok(Ending::TerminalClosed),
                    Ok(read) => {
                        for key in &typed[..read] {
                            if self.key(*key) {
                                return Ok(Ending::Quit);
                            }
                        }
                        self.draw();
                    }
                },
                heard = signals.next() => match heard {
                    Heard::Resized => {
                        self.painter.resize(self.tty.size());
                        self.draw();
                    }
                    Heard::Asked(signal) => return Ok(Ending::Signalled(signal)),
                },
                () = passed(due) => {
                    self.play_due();
                    self.draw();
                }
                () = passed(frame) => {
                    self.engine.end_frame();
                    self.draw();
                }
            }
        }
    }

    /// Does what a key says; tells whether that is to leave.
    fn key(&mut self, key: u8) -> bool {
        let now = Instant::now();
        match (key, std::mem::replace(&mut self.next, Next::Nothing)) {
            (b'q' | CTRL_C, _) => return true,
            (b' ', Next::At(due, event)) => {
                self.next = Next::Paused(due.saturating_duration_since(now), event);
            }
            (b' ', Next::Paused(left, event)) => self.next = Next::At(now + left, event),
            (b'.', Next::Paused(_, event)) => {
                self.show(event);
                self.read_next(now);
                if let Next::At(due, event) = std::mem::replace(&mut self.next, Next::Nothing) {
                    self.next = Next::Paused(due.saturating_duration_since(now), event);
                }
            }
            (_, next) => self.next = next,
        }
        false
    }

    /// Shows every event that is due.
    fn play_due(&mut self) {
        let now = Instant::now();
        let mut shown = 0;
        while shown < MAX_TOGETHER {
            match std::mem::replace(&mut self.next, Next::Nothing) {
                Next::At(due, event) if due <= now => {
                    shown += self.show(event);
                    // From when it was due, not from now: small delays must not add up.
                    self.read_next(due);
                }
                next => {
                    self.next = next;
                    return;
                }
            }
        }
    }

    /// Shows an event; tells how much it was.
    fn show(&mut self, event: Event) -> usize {
        self.position = self.position.max(event.at);
        match event.what {
            What::Output(text) => {
                self.engine.feed(text.as_bytes());
                text.len()
            }
            What::Resize(size) => {
                self.engine.resize(size);
                // Not for nothing: a storm of sizes is not shown all at once either.
                usize::from(size.columns) * usize::from(size.rows)
            }
        }
    }

    /// Reads what comes after the last event, which was due then.
    fn read_next(&mut self, last: Instant) {
        self.next = match self.cast.next() {
            Ok(Some(event)) => {
                let idle = (event.at - self.position).max(0.0);
                let idle = idle.min(self.pace.idle_limit.unwrap_or(f64::INFINITY));
                let pause = Duration::try_from_secs_f64(idle / self.pace.speed);
                match last.checked_add(pause.unwrap_or(Duration::MAX)) {
                    Some(due) => Next::At(due, event),
                    // Nobody waits for that.
                    None => Next::Nothing,
                }
            }
            Ok(None) => Next::Nothing,
            Err(trouble) => {
                self.trouble = Some(trouble);
                Next::Nothing
            }
        };
    }

    fn draw(&mut self) {
        let at = clock(self.position);
        let hint = match (&self.next, &self.trouble) {
            (Next::At(..), _) => None,
            (Next::Paused(..), _) => Some(format!(
                "paused at {at} · space goes on · . steps · q leaves"
            )),
            (Next::Nothing, None) => Some(format!("the end, at {at} · q leaves")),
            (Next::Nothing, Some(trouble)) => {
                Some(format!("broken off at {at}: {trouble} · q leaves"))
            }
        };
        self.painter
            .draw(&self.engine, hint.as_deref(), &mut self.out);
    }
}

/// Renders seconds as a clock does.
fn clock(seconds: f64) -> String {
    // What is negative or no number was never played.
    let seconds = Duration::try_from_secs_f64(seconds).map_or(0, |time| time.as_secs());
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{:02}:{seconds:02}", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_tells_hours_where_there_are_any() {
        for (seconds, text) in [
            (0.0, "0:00"),
            (61.9, "1:01"),
            (3661.0, "1:01:01"),
            (f64::NAN, "0:00"),
        ] {
            assert_eq!(clock(seconds), text);
        }
    }
}
