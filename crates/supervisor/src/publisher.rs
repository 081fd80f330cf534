//! Publishes the outbox: each event at least once, and each aggregate's in its own order.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use stratavore_core::clock::Clock;
use stratavore_store::{Position, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::bus::Sink;

/// Rows read at once.
const BATCH: u32 = 500;
/// Failed deliveries before an event becomes a dead letter and parks what follows it in its aggregate.
const MAX_ATTEMPTS: u32 = 8;
/// The pause after a failure; it doubles up to [`MAX_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// How long commits gather before a checkpoint is signed over them.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(60);

/// Publishes until cancelled. It starts with what an earlier process left.
pub(crate) async fn publish(
    store: Arc<dyn Store>,
    sink: Arc<dyn Sink>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) {
    let mut commits = store.commits();
    let mut pause = FIRST_PAUSE;
    loop {
        commits.borrow_and_update();
        let round = publish_once(&*store, &*sink, &*clock).await;
        let again = match round {
            Ok(Round {
                more: true,
                failed: false,
            }) => continue,
            Ok(Round { failed: false, .. }) => {
                pause = FIRST_PAUSE;
                None
            }
            Ok(Round { failed: true, .. }) => Some(pause),
            Err(StoreError::Closed) => return,
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "cannot read the outbox; trying again"
                );
                Some(pause)
            }
        };
        tokio::select! {
            () = cancel.cancelled() => return,
            changed = commits.changed(), if again.is_none() => {
                if changed.is_err() {
                    return;
                }
            }
            () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {
                pause = (pause * 2).min(MAX_PAUSE);
            }
        }
    }
}

struct Round {
    more: bool,
    failed: bool,
}

async fn publish_once(
    store: &dyn Store,
    sink: &dyn Sink,
    clock: &dyn Clock,
) -> Result<Round, StoreError> {
    let rows = store.outbox_waiting(BATCH).await?;
    let more = rows.len() == BATCH as usize;
    let mut delivered: Vec<Position> = Vec::with_capacity(rows.len());
    // What follows a failed event of the same aggregate waits for it.
    let mut held = HashSet::new();
    for row in &rows {
        let aggregate = row.event.aggregate_id;
        if held.contains(&aggregate) {
            continue;
        }
        match sink.deliver(row).await {
            Ok(()) => delivered.push(row.position),
            Err(error) => {
                held.insert(aggregate);
                let parked = store
                    .outbox_failed(row.position, error.to_string(), MAX_ATTEMPTS, clock.now())
                    .await?;
                warn!(event = %row.event.id, aggregate = %aggregate, parked, %error, "an event was not delivered");
            }
        }
    }
    if !delivered.is_empty() {
        store.outbox_delivered(delivered).await?;
    }
    Ok(Round {
        more,
        failed: !held.is_empty(),
    })
}

/// Signs audit checkpoints over what was committed, some time after the first commit, and when cancelled.
pub(crate) async fn checkpoint(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) {
    let mut commits = store.commits();
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            changed = commits.changed() => if changed.is_err() { return },
        }
        tokio::select! {
            () = cancel.cancelled() => break,
            () = tokio::time::sleep_until(Instant::now() + CHECKPOINT_AFTER) => {}
        }
        commits.borrow_and_update();
        sign(&*store, &*clock).await;
    }
    sign(&*store, &*clock).await;
}

async fn sign(store: &dyn Store, clock: &dyn Clock) {
    if let Err(error) = store.checkpoint_audit(clock.now()).await {
        error!(
            error = &error as &dyn std::error::Error,
            "cannot sign an audit checkpoint"
        );
    }
}
