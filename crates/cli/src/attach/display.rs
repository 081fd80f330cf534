//! Shows a runner's terminal on the user's: as it comes where both have one size, as a picture of it where they differ.

use tokio::time::Instant;

use super::relay::{Origin, Passed, Relay};
use crate::args::Size;
use crate::picture::engine::Engine;
use crate::picture::painter::{Input, Painter};
use crate::terminal::colours::Touched;
use crate::terminal::modes::NEUTRAL;
use crate::terminal::tty;

/// The runner's terminal on the user's.
pub(crate) struct Display {
    /// The user's terminal.
    space: Size,
    /// The runner's.
    picture: Size,
    relay: Relay,
    boxed: Option<Boxed>,
}

struct Boxed {
    engine: Engine,
    painter: Painter,
    hint: String,
}

impl Display {
    pub(crate) fn new(space: Size) -> Self {
        Self {
            space,
            picture: space,
            relay: Relay::default(),
            boxed: None,
        }
    }

    /// Tells whether it is a picture of another size that is shown.
    pub(crate) const fn is_boxed(&self) -> bool {
        self.boxed.is_some()
    }

    /// Tells the size of the runner's terminal.
    pub(crate) const fn picture(&self) -> Size {
        self.picture
    }

    /// Begins anew with a snapshot, whatever came before it.
    pub(crate) fn restart(&mut self, picture: Size, snapshot: &[u8], out: &mut Vec<u8>) {
        self.picture = picture;
        self.relay.restart();
        if picture == self.space {
            if self.boxed.take().is_some() {
                out.extend_from_slice(NEUTRAL);
                // The painter had the wheel send nothing.
                out.extend_from_slice(b"\x1b[?1007h\x1b[?1007r");
            }
            // A snapshot is complete in itself: it never asks for another.
            let _ = self.relay.pass(Origin::Snapshot, snapshot, out);
            tty::touch(self.relay.touched());
            return;
        }
        let before = self.boxed.take();
        let (painter, hint) = match before {
            Some(before) => (before.painter, before.hint),
            None => {
                // The program's own modes and colours end here; the painter sets what it needs.
                out.extend(self.relay.take_touched().reset());
                tty::touch(Touched::default());
                out.extend_from_slice(NEUTRAL);
                (Painter::new(self.space, Input::Programs), String::new())
            }
        };
        let mut engine = Engine::new(picture);
        engine.feed(snapshot);
        let boxed = self.boxed.insert(Boxed {
            engine,
            painter,
            hint,
        });
        boxed.draw(out);
    }

    /// Shows what the program wrote.
    pub(crate) fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        if let Some(boxed) = &mut self.boxed {
            boxed.engine.feed(bytes);
            boxed.draw(out);
            return Passed::All;
        }
        let passed = self.relay.pass(Origin::Live, bytes, out);
        tty::touch(self.relay.touched());
        passed
    }

    /// Takes another size of the user's terminal.
    pub(crate) fn resize(&mut self, space: Size, out: &mut Vec<u8>) {
        self.space = space;
        if let Some(boxed) = &mut self.boxed {
            boxed.painter.resize(space);
            boxed.draw(out);
        }
    }

    /// Says something beside a picture.
    pub(crate) fn hint(&mut self, hint: String, out: &mut Vec<u8>) {
        if let Some(boxed) = &mut self.boxed {
            boxed.hint = hint;
            boxed.draw(out);
        }
    }

    /// Tells until when an incomplete frame of a picture is waited for.
    pub(crate) fn frame_deadline(&self) -> Option<Instant> {
        let boxed = self.boxed.as_ref()?;
        boxed.engine.frame_deadline().map(Instant::from_std)
    }

    /// Shows an incomplete frame as it is.
    pub(crate) fn end_frame(&mut self, out: &mut Vec<u8>) {
        if let Some(boxed) = &mut self.boxed {
            boxed.engine.end_frame();
            boxed.draw(out);
        }
    }
}

impl Boxed {
    fn draw(&mut self, out: &mut Vec<u8>) {
        self.painter.draw(&self.engine, Some(&self.hint), out);
    }
}
