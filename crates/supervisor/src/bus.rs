//! Carries delivered events to whoever listens in this process.

use async_trait::async_trait;
use stratavore_store::{Event, OutboxRow};
use tokio::sync::broadcast;

/// Takes events from the publisher, in order. The in-process [`Bus`] is one; a broker is another.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Delivers one event, or says why it could not be.
    async fn deliver(&self, row: &OutboxRow) -> Result<(), Undelivered>;
}

/// An event that a sink did not take.
#[derive(Debug, thiserror::Error)]
#[error("the sink did not take the event: {0}")]
pub struct Undelivered(pub String);

/// How many events a listener may be behind before it is told to read the store instead.
const BEHIND: usize = 1024;

/// Hands events to listeners in this process. A listener that falls behind loses none: it is told so by
/// [`broadcast::error::RecvError::Lagged`], and reads the store from its cursor on.
#[derive(Clone, Debug)]
pub struct Bus {
    events: broadcast::Sender<Event>,
}

impl Default for Bus {
    fn default() -> Self {
        Self {
            events: broadcast::Sender::new(BEHIND),
        }
    }
}

impl Bus {
    /// Listens from now on.
    #[must_use]
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

#[async_trait]
impl Sink for Bus {
    async fn deliver(&self, row: &OutboxRow) -> Result<(), Undelivered> {
        // That nobody listens is no failure: events are kept, and listeners start by reading them.
        let _ = self.events.send(row.event.clone());
        Ok(())
    }
}
