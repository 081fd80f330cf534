//! Publishes the outbox: each event at least once, and each aggregate's in its own order.
//!
//! One loop, whatever the sink. It holds shards of the outbox by a lease, reads what waits in them, gives it to the sink in
//! order, and marks what was taken: of each aggregate only what was taken without a gap. While much waits, what was taken is
//! marked, and what follows is read, as the sink takes what is between. Marks carry the epoch of the hold, so that one who
//! was stopped and went on after another took over marks nothing. Whoever takes over begins with the first
//! event that is not marked: what a reader sees for the first time is therefore in order, and only what it has seen before
//! comes again.
//!
//! A sink that is away counts against no event; an event that the sink refuses is tried again, and in the end parks what
//! follows it in its aggregate, and nothing else.

mod ahead;
mod checkpoint;
mod lease;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use stratavore_core::clock::Clock;
use stratavore_store::{OutboxRow, Position, Shard, Store, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

pub(crate) use checkpoint::checkpoint;

use crate::bus::{Delivery, Sink};
use crate::pause::Pause;
pub use crate::pause::Pauses;
use ahead::{Ahead, Waiting};
use lease::{Held, keep, lapse};
use settle::{Settled, settle};

/// Failed deliveries before an event becomes a dead letter and parks what follows it in its aggregate.
pub const MAX_ATTEMPTS: u32 = 8;
/// How many times what is given to the sink at once is read at once: what is in hand then is read over again.
const READ: usize = 3;
/// How long a delivery in hand may go on after the end was asked for. What is cut short is delivered again.
const GRACE: Duration = Duration::from_secs(2);

/// By what rules a publisher works.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a hold on shards lasts unless it is renewed: as long may events wait after their publisher was stopped.
    pub ttl: Duration,
    /// How many events at most are published and not marked yet: as many are published again after a fault. Half of them
    /// are given to the sink at once.
    pub batch: u32,
    /// The pauses after failures.
    pub pauses: Pauses,
    /// How often the outbox is read though nobody said that there is something: where others commit too, what they say
    /// may be lost. Nothing where every commit is this process's own.
    pub backstop: Option<Duration>,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(15),
            batch: 4000,
            pauses: Pauses::default(),
            backstop: Some(Duration::from_secs(1)),
        }
    }
}

/// Publishes the outbox until told to stop.
pub struct Publisher {
    store: Arc<dyn Store>,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    owner: Uuid,
    terms: Terms,
    /// Why events wait, while they do.
    trouble: watch::Sender<Option<String>>,
}

/// Why publishing ended.
#[derive(Debug)]
enum End {
    /// It was told to.
    Cancelled,
    /// The store is closed.
    Closed,
    /// Another took over a shard: what is held is to be asked anew.
    Fenced,
    /// Something does not work now.
    Trouble(String),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Closed => Self::Closed,
            StoreError::Fenced => Self::Fenced,
            error => {
                let mut reason = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(error) = source {
                    reason = format!("{reason}: {error}");
                    source = error.source();
                }
                Self::Trouble(reason)
            }
        }
    }
}

impl Publisher {
    /// Makes a publisher from a store to a sink, known to others by a new random id.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        sink: Arc<dyn Sink>,
        clock: Arc<dyn Clock>,
        terms: Terms,
    ) -> Self {
        Self {
            store,
            sink,
            clock,
            owner: Uuid::new_v4(),
            terms,
            trouble: watch::Sender::new(None),
        }
    }

    /// Tells why events wait, while they do, and wakes whoever waits when that changes.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// Publishes until cancelled. It starts with what an earlier process left, and leaves the shards to others at the end.
    pub async fn run(self, cancel: CancellationToken) {
        let mut pause = Pause::new(self.terms.pauses);
        loop {
            let end = tokio::select! {
                () = async { cancel.cancelled().await; sleep(GRACE).await } => End::Cancelled,
                end = self.tenure(&mut pause, &cancel) => end,
            };
            match end {
                End::Closed => return,
                End::Cancelled => break,
                End::Fenced => info!("another host took over a part of the outbox"),
                End::Trouble(reason) => {
                    self.say(Some(reason));
                    // Another host may have better luck.
                    self.release().await;
                    pause.begin();
                    tokio::select! {
                        () = cancel.cancelled() => break,
                        () = pause.over() => {}
                    }
                }
            }
        }
        self.release().await;
    }

    /// Holds shards and publishes them until something comes in between.
    async fn tenure(&self, pause: &mut Pause, cancel: &CancellationToken) -> End {
        if let Err(reason) = self.sink.ready().await {
            return End::Trouble(reason);
        }
        let (held, holding) = watch::channel(Held::nothing());
        tokio::select! {
            end = keep(&*self.store, self.owner, self.terms.ttl, &held) => end,
            end = self.publish(holding, pause, cancel) => end,
        }
    }

    async fn publish(
        &self,
        mut holding: watch::Receiver<Held>,
        pause: &mut Pause,
        cancel: &CancellationToken,
    ) -> End {
        let mut commits = self.store.commits();
        let mut resting = HashMap::new();
        let mut ahead = Ahead::default();
        loop {
            commits.borrow_and_update();
            let held = holding.borrow_and_update().clone();
            let (begun, in_force) = (Instant::now(), held.is_in_force());
            let mut more = false;
            if in_force {
                let round = self.round(&held, &mut holding, &mut resting, &mut ahead);
                match round.await {
                    Ok(left) => more = left,
                    Err(end) => return end,
                }
            }
            if cancel.is_cancelled() {
                let Ahead {
                    shards, unmarked, ..
                } = ahead;
                let marked = self.mark(&shards, unmarked).await;
                return marked.err().unwrap_or(End::Cancelled);
            }
            // With nothing to deliver only this tells of a sink that went away.
            if !more && let Err(reason) = self.sink.ready().await {
                return End::Trouble(reason);
            }
            if in_force {
                pause.reset();
                self.say(None);
            }
            if more {
                continue;
            }
            // What a pause kept out of this round, even if the pause is over by now.
            let left_out = |until: &Instant| *until > begun;
            let resting = resting.values().filter_map(Pause::until);
            let rested = resting.filter(left_out).min();
            let backstop = self
                .terms
                .backstop
                .map(|backstop| Instant::now() + backstop);
            let look = rested.into_iter().chain(backstop).min();
            tokio::select! {
                () = cancel.cancelled() => return End::Cancelled,
                changed = commits.changed() => if changed.is_err() { return End::Closed },
                // Either it was renewed, or `keep` is about to end this.
                _ = holding.changed() => {}
                () = at(look) => {}
            }
        }
    }

    /// Publishes a share of what waits, and tells whether more may.
    async fn round(
        &self,
        held: &Held,
        holding: &mut watch::Receiver<Held>,
        resting: &mut HashMap<Uuid, Pause>,
        ahead: &mut Ahead,
    ) -> Result<bool, End> {
        let Ahead {
            shards,
            mut next,
            mut unmarked,
        } = mem::take(ahead);
        if shards != held.shards {
            next = Waiting::default();
            self.mark(&shards, mem::take(&mut unmarked)).await?;
        }
        if held.shards.is_empty() {
            return Ok(false);
        }
        if next.rows.is_empty() {
            next = self.read(&held.shards, &HashSet::new(), resting).await?;
        }
        let (rows, mut next) = next.split(self.share());
        if rows.is_empty() {
            return Ok(false);
        }
        let in_hand = rows.iter().map(|row| row.position).collect();
        let beside = async {
            self.mark(&held.shards, unmarked).await?;
            if next.rows.is_empty() && next.more {
                // Where it cannot be read, the next round says so.
                let read = self.read(&held.shards, &in_hand, resting).await;
                next = read.unwrap_or(next);
            }
            Ok::<_, End>(next)
        };
        let (delivery, next) = tokio::try_join!(self.deliver(&rows, holding), beside)?;
        let Delivery { outcomes, away } = delivery;
        let Settled { delivered, refused } = settle(&rows, outcomes);
        let more = next.more || !next.rows.is_empty();
        if delivered.len() == rows.len() && away.is_none() && !next.rows.is_empty() {
            *ahead = Ahead {
                shards: held.shards.clone(),
                next,
                unmarked: delivered,
            };
            return Ok(true);
        }
        let marked = self.mark(&held.shards, delivered).await;
        let soon = self.refuse(&held.shards, refused, resting).await?;
        marked?;
        match away {
            Some(reason) => Err(End::Trouble(reason)),
            None => Ok(more || soon),
        }
    }

    /// Counts refusals, and tells whether one of the events may be tried again at once.
    async fn refuse(
        &self,
        shards: &[Shard],
        refused: Vec<(Position, Uuid, String)>,
        resting: &mut HashMap<Uuid, Pause>,
    ) -> Result<bool, StoreError> {
        let mut soon = false;
        for (position, aggregate, reason) in refused {
            let now = self.clock.now();
            let parked = self
                .store
                .outbox_failed(shards, position, reason.clone(), MAX_ATTEMPTS, now)
                .await?;
            warn!(%aggregate, parked, reason, "an event was not delivered");
            if parked {
                resting.remove(&aggregate);
            } else {
                let pause = resting
                    .entry(aggregate)
                    .or_insert_with(|| Pause::new(self.terms.pauses));
                pause.begin();
                soon |= pause.is_over();
            }
        }
        // An aggregate that has not come for as long as its pause needs no memory of it.
        resting.retain(|_, pause| !pause.is_forgotten());
        Ok(soon)
    }

    /// Delivers events for as long as the hold on them lasts.
    async fn deliver(
        &self,
        rows: &[OutboxRow],
        holding: &mut watch::Receiver<Held>,
    ) -> Result<Delivery, End> {
        tokio::select! {
            delivery = self.sink.deliver(rows) => Ok(delivery),
            () = lapse(holding) => {
                Err(End::Trouble("the hold on the outbox was not renewed in time".to_owned()))
            }
        }
    }

    /// Reads the first of what waits that is not in hand, leaving out aggregates that rest.
    async fn read(
        &self,
        shards: &[Shard],
        in_hand: &HashSet<Position>,
        resting: &HashMap<Uuid, Pause>,
    ) -> Result<Waiting, StoreError> {
        let most = READ * self.share();
        let mut limit = most + in_hand.len();
        loop {
            let asked = u32::try_from(limit).unwrap_or(u32::MAX);
            let mut rows = self.store.outbox_waiting(shards, asked).await?;
            let whole = rows.len() < limit;
            rows.retain(|row| {
                let pause = resting.get(&row.event.aggregate_id);
                !in_hand.contains(&row.position) && pause.is_none_or(Pause::is_over)
            });
            // What rests in front of others does not keep them from being read.
            if rows.is_empty() && !whole {
                limit *= 2;
                continue;
            }
            let more = !whole || rows.len() > most;
            rows.truncate(most);
            return Ok(Waiting { rows, more });
        }
    }

    /// How many events are given to the sink at once, while as many are being marked.
    fn share(&self) -> usize {
        (self.terms.batch / 2).max(1) as usize
    }

    async fn mark(&self, shards: &[Shard], delivered: Vec<Position>) -> Result<(), End> {
        if !delivered.is_empty() {
            self.store.outbox_delivered(shards, delivered).await?;
        }
        Ok(())
    }

    async fn release(&self) {
        // Where this fails the lease runs out by itself.
        let _ = timeout(GRACE, self.store.outbox_release(self.owner)).await;
    }

    fn say(&self, trouble: Option<String>) {
        self.trouble.send_if_modified(|now| {
            let changed = *now != trouble;
            if changed {
                match &trouble {
                    Some(reason) => warn!(reason, "events wait; trying again"),
                    None => info!("events are delivered again"),
                }
                *now = trouble;
            }
            changed
        });
    }
}

/// Waits until a moment, or for ever without one.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
