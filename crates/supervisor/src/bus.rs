//! Carries delivered events to whoever listens in this process.

use async_trait::async_trait;
use stratavore_store::{Event, OutboxRow};
use tokio::sync::broadcast;

/// Takes events from the publisher, in order. The in-process [`Bus`] is one, a [`Broker`](crate::broker::Broker) another.
#[async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Returns once the sink could take events, or says why it cannot now.
    async fn ready(&self) -> Result<(), String>;

    /// Delivers events in this order, and tells of each what became of it.
    ///
    /// A future dropped before its end may have delivered any number of them.
    async fn deliver(&self, rows: &[OutboxRow]) -> Delivery;
}

/// Tells what became of events that a sink was given.
#[derive(Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What became of each, in the order given.
    pub outcomes: Vec<Outcome>,
    /// Why the sink takes nothing more for now, if so.
    pub away: Option<String>,
}

impl Delivery {
    /// Makes one of which nothing is known yet.
    #[must_use]
    pub fn unknown(events: usize) -> Self {
        Self {
            outcomes: vec![Outcome::Unknown; events],
            away: None,
        }
    }
}

/// Tells what became of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it.
    Taken,
    /// The sink will not have it, and says why: what is wrong is the event's own.
    Refused(String),
    /// It was not tried, or nobody knows: it has to be delivered again.
    Unknown,
}

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
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    async fn deliver(&self, rows: &[OutboxRow]) -> Delivery {
        for row in rows {
            // That nobody listens is no failure: events are kept, and listeners start by reading them.
            let _ = self.events.send(row.event.clone());
        }
        Delivery {
            outcomes: vec![Outcome::Taken; rows.len()],
            away: None,
        }
    }
}
