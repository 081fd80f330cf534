//! Terminals: each viewer in the window is an attachment, a connection of its own to the runner's agent.
//!
//! Bytes go from the agent to the page as they are, behind a tag byte. The page acknowledges what it has drawn; the agent
//! sends no further than its window of unacknowledged bytes, so that a page that is slow holds back nobody else.

mod attachment;
mod clipboard;
mod ended;
mod file;
mod message;

pub use attachment::{Page, Request, open};
pub use clipboard::{copy, image, keep as keep_image};
pub use file::open as open_file;
pub use message::Message;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stratavore_api::{Code, Failure};
use stratavore_wire::{Ack, Message as Wire, Redraw, Resize};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;

/// What is typed in one piece, at most: a frame is bounded, and the agent's queue is too.
const PIECE: usize = 256 * 1024;
/// Messages to an agent that wait to be written. A person types no faster; a paste is a few.
const QUEUE: usize = 256;

/// The viewers of this window.
#[derive(Debug, Default)]
pub struct Attachments {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    last: u32,
    viewers: HashMap<u32, Viewer>,
}

#[derive(Debug)]
struct Viewer {
    to_agent: mpsc::Sender<Wire>,
    stop: CancellationToken,
}

/// One attachment's own end: dropped, it is closed.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) id: u32,
    pub(crate) to_agent: mpsc::Receiver<Wire>,
    pub(crate) stop: CancellationToken,
}

impl Attachments {
    /// Enters a new attachment.
    pub(crate) fn enter(&self) -> Ticket {
        let (sender, to_agent) = mpsc::channel(QUEUE);
        let stop = CancellationToken::new();
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        open.viewers.insert(
            id,
            Viewer {
                to_agent: sender,
                stop: stop.clone(),
            },
        );
        Ticket { id, to_agent, stop }
    }

    /// Types into a terminal. Called in the order of the keystrokes, and never waits.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it is closed, [`Code::Unavailable`] when the program does not read its input.
    pub fn input(&self, attachment: u32, bytes: &[u8]) -> Result<(), Failure> {
        let viewer = self.viewer(attachment)?;
        let pieces = bytes.len().div_ceil(PIECE);
        // All of it or nothing: half a paste is worse than none.
        let permits = viewer
            .try_reserve_many(pieces)
            .map_err(|error| match error {
                TrySendError::Full(()) => Failure::new(
                    Code::Unavailable,
                    "what was typed was not taken: the program does not read its input",
                )
                .hint("wait until it reads again, or stop the runner"),
                TrySendError::Closed(()) => closed(attachment),
            })?;
        for (permit, piece) in permits.zip(bytes.chunks(PIECE)) {
            permit.send(Wire::Input {
                bytes: piece.to_vec(),
            });
        }
        Ok(())
    }

    /// Tells a terminal the viewer's size.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it is closed.
    pub async fn resize(&self, attachment: u32, columns: u16, rows: u16) -> Result<(), Failure> {
        self.send(attachment, Wire::Resize(Resize { columns, rows }))
            .await
    }

    /// Tells a terminal how much was drawn.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it is closed.
    pub async fn acknowledge(&self, attachment: u32, bytes: u64) -> Result<(), Failure> {
        self.send(attachment, Wire::Ack(Ack { bytes })).await
    }

    /// Makes this viewer's size the terminal's.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it is closed.
    pub async fn take_over(&self, attachment: u32) -> Result<(), Failure> {
        self.send(attachment, Wire::TakeOver).await
    }

    /// Asks for the screen anew, behind as many of the last lines that scrolled off.
    ///
    /// # Errors
    /// [`Code::NotFound`] when it is closed.
    pub async fn redraw(&self, attachment: u32, history_lines: u32) -> Result<(), Failure> {
        self.send(attachment, Wire::Redraw(Redraw { history_lines }))
            .await
    }

    /// Closes an attachment; one that is closed stays so.
    pub fn close(&self, attachment: u32) {
        if let Some(viewer) = self.lock().viewers.remove(&attachment) {
            viewer.stop.cancel();
        }
    }

    /// Closes every attachment.
    pub fn close_all(&self) {
        for (_, viewer) in self.lock().viewers.drain() {
            viewer.stop.cancel();
        }
    }

    /// Counts those that are open.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().viewers.len()
    }

    async fn send(&self, attachment: u32, message: Wire) -> Result<(), Failure> {
        let viewer = self.viewer(attachment)?;
        // Its reader ended between the two: the page has been told, and what it sends is late.
        let _ = viewer.send(message).await;
        Ok(())
    }

    fn viewer(&self, attachment: u32) -> Result<mpsc::Sender<Wire>, Failure> {
        self.lock()
            .viewers
            .get(&attachment)
            .map(|viewer| viewer.to_agent.clone())
            .ok_or_else(|| closed(attachment))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed(attachment: u32) -> Failure {
    Failure::new(Code::NotFound, format!("terminal {attachment} is closed"))
        .hint("open the runner again")
}
