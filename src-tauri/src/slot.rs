//! The api in force: there is one host at a time, and which one may change under a running window.

use std::sync::Arc;
use std::time::Duration;

use stratavore_api::{Api, Code, Failure};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long a request waits for a host before it says that there is none: longer than a take-over lasts, shorter than
/// a person waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// One host, and whether this process is it.
#[derive(Clone)]
pub struct Seat {
    /// Asks the host.
    pub api: Arc<dyn Api>,
    /// The supervisor is in this process, not behind a socket.
    pub embedded: bool,
}

/// Holds the host in force.
pub struct Slot {
    seat: watch::Sender<Option<Seat>>,
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            seat: watch::Sender::new(None),
        }
    }
}

impl Slot {
    /// Puts a host in force.
    pub fn fill(&self, seat: Seat) {
        self.seat.send_replace(Some(seat));
    }

    /// Says that the host went away.
    pub fn vacate(&self) {
        self.seat.send_replace(None);
    }

    /// Returns the host in force now, if there is one.
    #[must_use]
    pub fn seat(&self) -> Option<Seat> {
        self.seat.borrow().clone()
    }

    /// Returns the api of the host in force, waiting a little for one to come.
    ///
    /// # Errors
    /// [`Code::Unavailable`] when none came.
    pub async fn api(&self) -> Result<Arc<dyn Api>, Failure> {
        let mut seats = self.seat.subscribe();
        let filled = timeout(PATIENCE, seats.wait_for(Option::is_some)).await;
        match filled.as_ref().map(|seat| {
            seat.as_ref()
                .map(|seat| seat.as_ref().map(|seat| seat.api.clone()))
        }) {
            Ok(Ok(Some(api))) => Ok(api),
            _ => Err(
                Failure::new(Code::Unavailable, "no host answers for this data directory")
                    .hint("it is tried again without end; `stratavore doctor` tells what is wrong"),
            ),
        }
    }

    /// Follows the changes of host.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Option<Seat>> {
        self.seat.subscribe()
    }
}
