//! The hold on the shards of the outbox.

use std::time::Duration;

use stratavore_store::{Shard, Store, StoreError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::End;

/// How many times a lease is renewed before it would run out.
const RENEWALS: u32 = 3;

/// What is held, and until when. The database's clock decides who owns a shard; this side's, which nobody sets, only tells
/// when to stop.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) shards: Vec<Shard>,
    until: Instant,
}

impl Held {
    pub(super) fn nothing() -> Self {
        Self {
            shards: Vec::new(),
            until: Instant::now(),
        }
    }

    /// Tells whether it still holds, though it may be of no shard while others have all of them.
    pub(super) fn is_in_force(&self) -> bool {
        Instant::now() < self.until
    }
}

/// Takes shards and renews the hold on them, until that fails for too long.
pub(super) async fn keep(
    store: &dyn Store,
    owner: Uuid,
    ttl: Duration,
    held: &watch::Sender<Held>,
) -> End {
    let every = ttl / RENEWALS;
    loop {
        // Counted from before the database does, so that it ends here first.
        let asked = Instant::now();
        let reason = match timeout(every, store.outbox_hold(owner, ttl)).await {
            Ok(Ok(shards)) => {
                let until = asked + ttl;
                held.send_replace(Held { shards, until });
                sleep_until(asked + every).await;
                continue;
            }
            Ok(Err(StoreError::Closed)) => return End::Closed,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the database did not answer in time".to_owned(),
        };
        if !held.borrow().is_in_force() {
            return End::Trouble(format!("cannot hold the outbox: {reason}"));
        }
        sleep_until(Instant::now() + every / 5).await;
    }
}

/// Waits until the hold has run out.
pub(super) async fn lapse(held: &mut watch::Receiver<Held>) {
    loop {
        let until = held.borrow_and_update().until;
        tokio::select! {
            () = sleep_until(until) => return,
            changed = held.changed() => if changed.is_err() { return },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_held_is_in_force_until_it_runs_out_or_is_renewed() {
        let lasting = |millis| Held {
            shards: vec![Shard {
                number: 0,
                epoch: 1,
            }],
            until: Instant::now() + Duration::from_millis(millis),
        };
        assert!(!Held::nothing().is_in_force());
        let begun = Instant::now();
        let (held, mut holding) = watch::channel(lasting(50));
        assert!(holding.borrow().is_in_force());
        // Renewed before it ran out: that counts.
        let renewed = lasting(200);
        let until = renewed.until;
        held.send_replace(renewed);
        lapse(&mut holding).await;
        assert!(begun.elapsed() >= Duration::from_millis(200));
        assert!(Instant::now() >= until && !holding.borrow().is_in_force());
    }
}
