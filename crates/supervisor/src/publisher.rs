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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use async_trait::async_trait;
    use stratavore_core::clock::SystemClock;
    use stratavore_core::ids::{ProjectId, RunnerId};
    use stratavore_core::launch::Launch;
    use stratavore_core::name::Name;
    use stratavore_core::quota::Limits;
    use stratavore_core::runner::Input;
    use stratavore_store::sqlite::{Options, SqliteStore};
    use stratavore_store::{NewProject, NewRunner, OutboxRow};
    use uuid::Uuid;

    use super::*;
    use crate::bus::Undelivered;

    /// Takes events, but for those it was told to refuse.
    #[derive(Default)]
    struct Choosy {
        taken: Mutex<BTreeMap<Uuid, Vec<u64>>>,
        refuses: Option<Uuid>,
        /// Refuses every so many, whosever it is.
        every: u32,
        asked: AtomicU32,
    }

    #[async_trait]
    impl Sink for Choosy {
        async fn deliver(&self, row: &OutboxRow) -> Result<(), Undelivered> {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            let aggregate = row.event.aggregate_id;
            if self.refuses == Some(aggregate)
                || (self.every > 0 && asked.is_multiple_of(self.every))
            {
                return Err(Undelivered("not now".into()));
            }
            let mut taken = self.taken.lock().unwrap();
            taken.entry(aggregate).or_default().push(row.event.seq);
            Ok(())
        }
    }

    impl Choosy {
        /// What came of an aggregate, which is in order and without gaps.
        fn came_of(&self, aggregate: Uuid) -> u64 {
            let taken = self.taken.lock().unwrap();
            let seqs = taken.get(&aggregate).cloned().unwrap_or_default();
            assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
            seqs.len() as u64
        }
    }

    /// A store in which a project has runners that were launched and stopped: several events each.
    struct Log {
        store: SqliteStore,
        runners: Vec<Uuid>,
        _directory: tempfile::TempDir,
    }

    impl Log {
        async fn of(runners: usize) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let now = SystemClock.now();
            let (database, key) = (directory.path().join("db"), directory.path().join("key"));
            let store = SqliteStore::open(database, key, Options::default(), now).await;
            let mut log = Self {
                store: store.unwrap(),
                runners: Vec::new(),
                _directory: directory,
            };
            let project = NewProject {
                id: ProjectId::new(now),
                name: Name::new("api").unwrap(),
                path: "/srv".into(),
                max_runners: None,
            };
            let project = log.store.add_project(project, now).await.unwrap();
            for _ in 0..runners {
                let id = RunnerId::new(now);
                let new = NewRunner {
                    id,
                    name: None,
                    project_id: project.id,
                    launch: Launch::new("claude", &["claude"], "/srv"),
                    queue: false,
                    request_id: None,
                };
                let free = Limits {
                    project: None,
                    node: None,
                };
                log.store.launch(new, free, now).await.unwrap();
                let lost = Input::Lost {
                    attempt: 1,
                    interrupted: false,
                };
                log.store.apply(id, lost, free, now).await.unwrap();
                log.runners.push(id.as_uuid());
            }
            log
        }

        async fn round(&self, sink: &Choosy) -> bool {
            let round = publish_once(&self.store, sink, &SystemClock).await;
            round.unwrap().failed
        }
    }

    #[tokio::test]
    async fn an_event_that_is_never_taken_becomes_a_dead_letter_and_holds_back_its_own_runner_alone()
     {
        let log = Log::of(3).await;
        let stuck = log.runners[1];
        let sink = Choosy {
            refuses: Some(stuck),
            ..Choosy::default()
        };
        for round in 1..=MAX_ATTEMPTS {
            assert!(log.store.dead_letters().await.unwrap().is_empty());
            assert!(log.round(&sink).await, "round {round}");
        }
        let [dead] = log.store.dead_letters().await.unwrap().try_into().unwrap();
        assert_eq!((dead.event.aggregate_id, dead.event.seq), (stuck, 1));
        assert!(!log.round(&sink).await, "what is parked is not tried again");
        assert_eq!(sink.came_of(stuck), 0, "nothing overtakes it");
        for other in [log.runners[0], log.runners[2]] {
            assert_eq!(sink.came_of(other), 2);
        }
        assert_eq!(log.store.outbox_depth().await.unwrap(), 2);
        log.store.close().await;
    }

    #[tokio::test]
    async fn a_sink_that_fails_now_and_then_gets_every_event_in_the_order_of_its_runner() {
        let log = Log::of(10).await;
        let sink = Choosy {
            every: 3,
            ..Choosy::default()
        };
        while log.round(&sink).await {}
        assert_eq!(log.store.outbox_depth().await.unwrap(), 0);
        for runner in &log.runners {
            assert_eq!(sink.came_of(*runner), 2);
        }
        log.store.close().await;
    }
}
