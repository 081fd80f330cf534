use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use async_trait::async_trait;
use stratavore_core::clock::SystemClock;
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::quota::Limits;
use stratavore_core::runner::Input;
use stratavore_store::postgres::{self, PostgresStore};
use stratavore_store::sqlite::{Options, SqliteStore};
use stratavore_store::{NewProject, NewRunner, OutboxRow, Position};
use stratavore_testkit::postgres::Database;
use tokio::time::Instant;

use super::settle::Settled;
use super::*;
use crate::bus::{Delivery, Outcome};

/// Takes events, but for those it was told to refuse.
#[derive(Default)]
struct Choosy {
    taken: Mutex<BTreeMap<Uuid, Vec<u64>>>,
    refuses: Option<Uuid>,
    /// Refuses every so many, whosever it is.
    every: u32,
    asked: AtomicU32,
    /// Takes nothing so often before it takes anything.
    away: AtomicU32,
    /// Is not there.
    gone: AtomicBool,
}

#[async_trait]
impl Sink for Choosy {
    async fn ready(&self) -> Result<(), String> {
        match self.gone.load(Ordering::Relaxed) {
            true => Err("gone for good".to_owned()),
            false => Ok(()),
        }
    }

    async fn deliver(&self, rows: &[OutboxRow]) -> Delivery {
        let mut delivery = Delivery::unknown(rows.len());
        let away = |left: u32| left.checked_sub(1);
        if self
            .away
            .try_update(Ordering::Relaxed, Ordering::Relaxed, away)
            .is_ok()
        {
            delivery.away = Some("out to lunch".to_owned());
            return delivery;
        }
        let mut held = Vec::new();
        for (row, outcome) in rows.iter().zip(&mut delivery.outcomes) {
            let asked = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
            let aggregate = row.event.aggregate_id;
            if self.refuses == Some(aggregate)
                || (self.every > 0 && asked.is_multiple_of(self.every))
            {
                *outcome = Outcome::Refused("not now".to_owned());
                held.push(aggregate);
            } else if !held.contains(&aggregate) {
                *outcome = Outcome::Taken;
                let mut taken = self.taken.lock().unwrap();
                taken.entry(aggregate).or_default().push(row.event.seq);
            }
        }
        delivery
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

const NONE: Pauses = Pauses {
    first: Duration::ZERO,
    longest: Duration::ZERO,
};

/// A store in which a project has runners that were launched and lost: two events each.
struct Log {
    store: Arc<dyn Store>,
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
            store: Arc::new(store.unwrap()),
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
                node: log.store.instance().clone(),
                person: "ada".into(),
                launch: Launch::new("claude", &["claude"], "/srv"),
                queue: false,
                request_id: None,
            };
            let free = Limits {
                project: None,
                node: None,
                budgets: None,
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

    /// Publishes without pauses until so many events are left, and gives what was said to be the trouble.
    async fn publish(&self, sink: &Arc<Choosy>, left: u64) -> Vec<String> {
        let terms = Terms {
            pauses: NONE,
            ..Terms::default()
        };
        let parked =
            async || sink.refuses.is_none() || !self.store.dead_letters().await.unwrap().is_empty();
        // A refused event is tried again in the round that the backstop begins, at the latest.
        self.publish_by(terms, Arc::<Choosy>::clone(sink), left, parked)
            .await
    }

    async fn publish_by(
        &self,
        terms: Terms,
        sink: Arc<dyn Sink>,
        left: u64,
        enough: impl AsyncFn() -> bool,
    ) -> Vec<String> {
        let publisher = Publisher::new(Arc::clone(&self.store), sink, Arc::new(SystemClock), terms);
        let mut trouble = publisher.trouble();
        let cancel = CancellationToken::new();
        let publishing = tokio::spawn(publisher.run(cancel.clone()));
        let mut said = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(30);
        let depth = async || self.store.outbox_depth().await.unwrap();
        while depth().await != left || !enough().await {
            assert!(Instant::now() < deadline, "{} are left", depth().await);
            if let Ok(Ok(())) = timeout(Duration::from_millis(10), trouble.changed()).await {
                said.extend(trouble.borrow_and_update().clone());
            }
        }
        cancel.cancel();
        publishing.await.unwrap();
        said
    }
}

#[tokio::test]
async fn an_event_that_is_never_taken_becomes_a_dead_letter_and_holds_back_its_own_runner_alone() {
    let log = Log::of(3).await;
    let stuck = log.runners[1];
    let sink = Arc::new(Choosy {
        refuses: Some(stuck),
        ..Choosy::default()
    });
    log.publish(&sink, 2).await;
    let [dead] = log.store.dead_letters().await.unwrap().try_into().unwrap();
    assert_eq!((dead.aggregate_id, dead.seq), (stuck, 1));
    assert_eq!(
        (dead.attempts, dead.error.as_str()),
        (MAX_ATTEMPTS, "not now")
    );
    assert_eq!(sink.came_of(stuck), 0, "nothing overtakes it");
    for other in [log.runners[0], log.runners[2]] {
        assert_eq!(sink.came_of(other), 2);
    }
    log.store.close().await;
}

#[tokio::test]
async fn a_sink_that_fails_now_and_then_gets_every_event_in_the_order_of_its_runner() {
    // All of it at once, and so few that others were read already when one is refused.
    for batch in [Terms::default().batch, 6] {
        let log = Log::of(20).await;
        let sink = Arc::new(Choosy {
            every: 3,
            ..Choosy::default()
        });
        let terms = Terms {
            batch,
            pauses: NONE,
            ..Terms::default()
        };
        let taker = Arc::clone(&sink) as Arc<dyn Sink>;
        log.publish_by(terms, taker, 0, async || true).await;
        for runner in &log.runners {
            assert_eq!(sink.came_of(*runner), 2);
        }
        log.store.close().await;
    }
}

#[tokio::test]
async fn a_sink_that_is_away_counts_against_no_event_and_says_why_they_wait() {
    let log = Log::of(2).await;
    let sink = Arc::new(Choosy {
        away: AtomicU32::new(2 * MAX_ATTEMPTS),
        ..Choosy::default()
    });
    let said = log.publish(&sink, 0).await;
    assert!(said.iter().all(|said| said == "out to lunch"), "{said:?}");
    assert!(log.store.dead_letters().await.unwrap().is_empty());
    assert_eq!(sink.came_of(log.runners[0]), 2);
    log.store.close().await;
}

/// Waits until this is said to be the trouble.
async fn said(trouble: &mut watch::Receiver<Option<String>>, expected: Option<&str>) {
    let said = trouble.wait_for(|said| said.as_deref() == expected);
    timeout(Duration::from_secs(30), said)
        .await
        .expect("it is said")
        .unwrap();
}

#[tokio::test]
async fn a_sink_that_goes_away_while_nothing_waits_is_told_of() {
    let log = Log::of(1).await;
    let sink = Arc::new(Choosy::default());
    let publisher = Publisher::new(
        Arc::clone(&log.store),
        Arc::clone(&sink) as Arc<dyn Sink>,
        Arc::new(SystemClock),
        Terms::default(),
    );
    let mut trouble = publisher.trouble();
    let cancel = CancellationToken::new();
    let publishing = tokio::spawn(publisher.run(cancel.clone()));
    let mut commits = log.store.commits();
    while log.store.outbox_depth().await.unwrap() > 0 {
        timeout(Duration::from_millis(10), commits.changed())
            .await
            .ok();
    }
    sink.gone.store(true, Ordering::Relaxed);
    said(&mut trouble, Some("gone for good")).await;
    sink.gone.store(false, Ordering::Relaxed);
    said(&mut trouble, None).await;
    cancel.cancel();
    publishing.await.unwrap();
    log.store.close().await;
}

#[tokio::test]
async fn a_publisher_without_a_shard_of_its_own_tells_of_its_sink_too() {
    let database = Database::fresh().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let node = InstanceId::from_stored("here".to_owned());
    let key = directory.path().join("key");
    let store = PostgresStore::open(database.url(), node, key, postgres::Options::default()).await;
    let store: Arc<dyn Store> = Arc::new(store.unwrap());
    let all = store
        .outbox_hold(Uuid::nil(), Duration::from_secs(600))
        .await;
    assert_eq!(all.unwrap().len(), 8);
    let sink = Arc::new(Choosy::default());
    sink.gone.store(true, Ordering::Relaxed);
    let publisher = Publisher::new(
        Arc::clone(&store),
        Arc::clone(&sink) as Arc<dyn Sink>,
        Arc::new(SystemClock),
        Terms::default(),
    );
    let mut trouble = publisher.trouble();
    let cancel = CancellationToken::new();
    let publishing = tokio::spawn(publisher.run(cancel.clone()));
    said(&mut trouble, Some("gone for good")).await;
    sink.gone.store(false, Ordering::Relaxed);
    said(&mut trouble, None).await;
    cancel.cancel();
    publishing.await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn of_each_runner_only_what_was_taken_without_a_gap_is_marked() {
    let log = Log::of(3).await;
    let shards = log.store.outbox_hold(Uuid::nil(), Duration::MAX).await;
    let rows = log
        .store
        .outbox_waiting(&shards.unwrap(), 10)
        .await
        .unwrap();
    let of_project = 1;
    assert_eq!(rows.len(), of_project + 6);
    let refused = || Outcome::Refused("no".to_owned());
    let outcomes = vec![
        Outcome::Taken,   // the project
        Outcome::Taken,   // 0, first
        Outcome::Taken,   // 0, second
        Outcome::Unknown, // 1, first
        Outcome::Taken,   // 1, second: after what is not known
        refused(),        // 2, first
        refused(),        // 2, second: that one counts alone
    ];
    let at = |index: usize| rows[index].position;
    let settled = settle(&rows, outcomes);
    assert_eq!(settled.delivered, [at(0), at(1), at(2)]);
    assert_eq!(
        settled.refused,
        [(at(5), log.runners[2], "no".to_owned())] as [(Position, Uuid, String); 1]
    );
    assert_eq!(settle(&rows, Vec::new()), Settled::default());
    log.store.close().await;
}

/// Takes all events, and looks at how many of those that it took are not marked.
struct Counting {
    store: Arc<dyn Store>,
    all: u64,
    taken: Choosy,
    count: AtomicU32,
    /// The most that were taken or on their way and not marked.
    most: AtomicU32,
}

#[async_trait]
impl Sink for Counting {
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }

    async fn deliver(&self, rows: &[OutboxRow]) -> Delivery {
        let new = u32::try_from(rows.len()).unwrap();
        let given = self.count.fetch_add(new, Ordering::Relaxed) + new;
        let marked = self.all - self.store.outbox_depth().await.unwrap();
        let unmarked = given - u32::try_from(marked).unwrap();
        self.most.fetch_max(unmarked, Ordering::Relaxed);
        self.taken.deliver(rows).await
    }
}

#[tokio::test]
async fn while_much_waits_each_event_comes_once_and_no_more_than_a_batch_are_not_marked() {
    let log = Log::of(100).await;
    let sink = Arc::new(Counting {
        store: Arc::clone(&log.store),
        all: log.store.outbox_depth().await.unwrap(),
        taken: Choosy::default(),
        count: AtomicU32::new(0),
        most: AtomicU32::new(0),
    });
    let terms = Terms {
        batch: 8,
        ..Terms::default()
    };
    let told = Arc::clone(&sink);
    log.publish_by(terms, sink, 0, async || true).await;
    for runner in &log.runners {
        assert_eq!(told.taken.came_of(*runner), 2);
    }
    assert_eq!(u64::from(told.count.load(Ordering::Relaxed)), told.all);
    let most = told.most.load(Ordering::Relaxed);
    assert!(most <= terms.batch, "{most} were not marked");
    // What was taken is marked while what follows is on its way.
    assert!(most > terms.batch / 2, "{most} at most");
    log.store.close().await;
}

#[tokio::test]
async fn what_rests_in_front_holds_back_nobody_else() {
    let log = Log::of(6).await;
    let stuck = log.runners[0];
    let sink = Arc::new(Choosy {
        refuses: Some(stuck),
        ..Choosy::default()
    });
    let long = Duration::from_secs(3600);
    let terms = Terms {
        batch: 2,
        pauses: Pauses {
            first: long,
            longest: long,
        },
        ..Terms::default()
    };
    log.publish_by(terms, Arc::clone(&sink) as Arc<dyn Sink>, 2, async || true)
        .await;
    assert_eq!(sink.came_of(stuck), 0);
    for other in &log.runners[1..] {
        assert_eq!(sink.came_of(*other), 2);
    }
    log.store.close().await;
}
