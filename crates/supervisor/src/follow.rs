//! Follows what other hosts commit: tells clients of this one, and does what concerns its own runners.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use stratavore_core::fact::Fact;
use stratavore_core::ids::{ProjectId, RunnerId};
use stratavore_core::notice;
use stratavore_store::{Event, EventFilter, StoreError};
use tracing::warn;

use crate::broker::{Address, Following, Names, Nudge, Patience};
use crate::supervisor::{Change, Inner};

/// Events read at once.
const BATCH: u32 = 500;
/// The pause before the log is read again after it could not be.
const AGAIN: Duration = Duration::from_secs(1);

/// Follows until cancelled, from the present on: what was before, reconcile sees.
pub(crate) async fn follow(inner: Arc<Inner>) {
    let mut commits = inner.store.commits();
    let mut after = *commits.borrow_and_update();
    loop {
        let filter = EventFilter {
            after,
            limit: BATCH,
        };
        let outcome = match inner.store.events(filter).await {
            Ok(events) => {
                if let Some(last) = events.last() {
                    after = last.cursor;
                }
                let more = events.len() == BATCH as usize;
                take(&inner, &events).await.map(|()| more)
            }
            Err(error) => Err(error),
        };
        let pause = match outcome {
            Ok(true) => continue,
            Ok(false) => None,
            Err(StoreError::Closed) => return,
            // Whoever keeps the store has said so.
            Err(StoreError::Away { .. }) => Some(AGAIN),
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot follow what others commit; trying again"
                );
                Some(AGAIN)
            }
        };
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            changed = commits.changed(), if pause.is_none() => if changed.is_err() { return },
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
        commits.borrow_and_update();
    }
}

async fn take(inner: &Arc<Inner>, events: &[Event]) -> Result<(), StoreError> {
    let mut steered = HashSet::new();
    let mut planned = false;
    for event in events {
        if event.aggregate == "runner" {
            let id = RunnerId::from_uuid(event.aggregate_id);
            inner.changed(Change::Runner(id));
            match event.fact {
                Fact::Paused { .. } | Fact::Continued { .. } | Fact::Stopping { .. } => {
                    steered.insert(id);
                }
                // A launch may be for this host, and an end may leave a place to one that waits here.
                Fact::Started { .. } | Fact::OverCeiling { .. } => {}
                _ => planned = true,
            }
        } else {
            inner.changed(Change::Project(ProjectId::from_uuid(event.aggregate_id)));
        }
        if notice::edge(&event.fact).is_some() {
            inner.changed(Change::Notices);
        }
    }
    for id in steered {
        match inner.store.runner(id).await {
            // What this host did itself is done twice, which does no harm.
            Ok(view) if inner.is_ours(&view.runner) => {
                inner.steer(&view.runner);
                planned = true;
            }
            Ok(_) | Err(StoreError::NoRunner(_)) => {}
            Err(error) => return Err(error),
        }
    }
    if planned {
        inner.nudge.notify_one();
    }
    Ok(())
}

/// Hears from the broker what happened, until cancelled, and tells clients of this host.
pub(crate) async fn hear(inner: Arc<Inner>, address: Address) {
    let mut following = Following::new(address, Names::default(), Patience::default());
    loop {
        let nudge = tokio::select! {
            () = inner.cancel.cancelled() => return,
            nudge = following.next() => nudge,
        };
        let runner = |id| Change::Runner(RunnerId::from_uuid(id));
        let project = |id| Change::Project(ProjectId::from_uuid(id));
        match nudge {
            // Anything may have happened; reconcile sees it, and clients ask anew.
            Nudge::Anew => {
                inner.changed(Change::Availability);
                inner.nudge.notify_one();
                continue;
            }
            Nudge::Heard(heard) if heard.aggregate == "project" => {
                inner.changed(project(heard.aggregate_id));
            }
            Nudge::Heard(heard) => inner.changed(runner(heard.aggregate_id)),
            // Either may be meant; whoever knows neither asks nothing.
            Nudge::Gap { aggregate_id, .. } => {
                inner.changed(runner(aggregate_id));
                inner.changed(project(aggregate_id));
            }
        }
        inner.changed(Change::Notices);
    }
}
