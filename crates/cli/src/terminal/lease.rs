//! Tells when nobody else writes to the terminal any more.
//!
//! Whoever is lent the terminal holds one end of a pipe as long as it holds the terminal. Nothing is ever written to it:
//! it ends when all have let go. What restores the terminal, this process or its guard, waits for that first.

use std::io::{self, PipeReader, PipeWriter};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whoever does not let go in this time hangs, and does not write either.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is held as long as the terminal.
#[derive(Debug)]
pub(crate) struct Lease {
    held: PipeWriter,
    end: PipeReader,
}

impl Lease {
    pub(crate) fn new() -> io::Result<Self> {
        let (end, held) = io::pipe()?;
        Ok(Self { held, end })
    }

    /// Gives what is handed over with the terminal.
    pub(crate) const fn held(&self) -> &PipeWriter {
        &self.held
    }

    /// Gives the end that [`has_ended`] watches.
    pub(crate) const fn end(&self) -> &PipeReader {
        &self.end
    }

    /// Lets go, and waits until all others have; tells whether they have.
    pub(crate) fn give_up(self) -> bool {
        let Self { held, end } = self;
        drop(held);
        has_ended(&end)
    }
}

/// Waits until nobody holds the lease any more; tells whether that came in time.
pub(crate) fn has_ended(end: &PipeReader) -> bool {
    let patience = Timespec::try_from(PATIENCE).ok();
    poll(&mut [PollFd::new(end, PollFlags::IN)], patience.as_ref()).is_ok_and(|ready| ready > 0)
}
