//! The event log.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use stratavore_core::attention::Need;
use stratavore_core::budget::{Amount, Period};
use stratavore_core::fact::Fact;
use stratavore_core::ids::BudgetId;
use stratavore_core::launch::{CeilingAction, Excess};
use stratavore_core::quota::Scope;
use stratavore_core::runner::{Exit, Failure, Input};
use stratavore_core::usage::NanoUsd;
use tokio::task::JoinSet;
use tokio::time::timeout;
use uuid::Uuid;

use super::world::{FREE, GRACE, World, a_process};
use crate::{Cursor, Event, EventFilter, Store};

/// How long what must happen may take.
const DEADLINE: Duration = Duration::from_secs(20);

pub async fn every_fact_is_read_back_as_it_was_written(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    let (attempt, at) = (1, world.now());
    let message = "cannot execute \"claude\": no such file; 日本 \u{1b}[31m".to_owned();
    let could_not = Failure::CouldNotStart {
        code: "not-found".into(),
        message,
    };
    let excess = Excess::Memory {
        used: u64::MAX,
        limit: 1,
    };
    let facts = [
        Fact::Attention {
            attempt,
            need: Need::NeedsPermission,
            tool: Some("Bash".into()),
        },
        Fact::BudgetReached {
            budget: BudgetId::new(at),
            scope: "session".into(),
            period: Period::Month,
            percent: 75,
            spent: Amount::Money(NanoUsd(u64::MAX)),
            limit: Amount::Money(NanoUsd(1)),
        },
        Fact::BudgetRefused {
            budget: BudgetId::new(at),
            scope: "global".into(),
            period: Period::Hour,
            spent: Amount::Tokens(3),
            limit: Amount::Tokens(2),
            program: "claude".into(),
        },
        Fact::Queued {
            name: "a".into(),
            program: "b".into(),
        },
        Fact::Starting {
            name: "a".into(),
            program: "b".into(),
            attempt,
        },
        Fact::Started {
            attempt,
            process: a_process(u32::MAX),
        },
        Fact::Paused { attempt },
        Fact::Continued { attempt },
        Fact::Stopping {
            attempt,
            restart: true,
        },
        Fact::Terminated {
            attempt,
            exit: Exit::Signal("KILL".into()),
            asked: true,
            ended_at: at,
        },
        Fact::Terminated {
            attempt,
            exit: Exit::NotStarted,
            asked: false,
            ended_at: at,
        },
        Fact::Failed {
            attempt,
            failure: could_not.clone(),
            ended_at: at,
        },
        Fact::Failed {
            attempt,
            failure: Failure::AgentLost,
            ended_at: at,
        },
        Fact::BackedOff {
            attempt,
            failure: Failure::Exited {
                exit: Exit::Code(-1),
            },
            until: at,
        },
        Fact::Cancelled {},
        Fact::OverCeiling {
            attempt,
            excess,
            action: CeilingAction::Stop,
        },
        Fact::ProjectAdded {
            name: "a".into(),
            path: "/".into(),
        },
        Fact::ProjectArchived {},
        Fact::QuotaRefused {
            scope: Scope::Node,
            limit: 0,
            program: "x".into(),
        },
    ];
    for fact in &facts {
        world.store.note(runner.id, fact.clone(), at).await.unwrap();
    }
    assert_eq!(world.facts_of(runner.id.as_uuid()).await[1..], facts);
    let event = world.events().await.pop().unwrap();
    assert_eq!(
        (event.aggregate, event.project.as_str(), event.at),
        ("runner", "api", at)
    );
    assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
}

pub async fn seq_is_dense_under_concurrent_writers(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runners = busy(&world, 8, 12).await;
    assert_dense(&world.events().await);
    assert_eq!(world.events().await.len(), 1 + runners * (1 + 2 * 12));
}

/// Asserts that each aggregate's seqs are 1, 2, 3… in the order of cursors, and that no identity comes twice.
fn assert_dense(events: &[Event]) {
    let mut last: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut ids = HashSet::new();
    for pair in events.windows(2) {
        assert!(pair[0].cursor < pair[1].cursor);
    }
    for event in events {
        let last = last.entry(event.aggregate_id).or_default();
        assert_eq!(event.seq, *last + 1, "{event:?}");
        *last = event.seq;
        assert!(ids.insert(event.id), "{} comes twice", event.id);
    }
}

/// Launches runners at once and pauses and continues each so often.
async fn busy(world: &World, runners: usize, times: usize) -> usize {
    let project = world.project("api", None).await;
    let mut tasks = JoinSet::new();
    for _ in 0..runners {
        let (world, project) = (world.clone(), project.clone());
        tasks.spawn(async move {
            let runner = world.launch(&project).await;
            world.start(&runner).await;
            for _ in 1..times {
                world.apply(runner.id, Input::Pause).await;
                world.apply(runner.id, Input::Continue).await;
            }
            world.apply(runner.id, Input::Stop { grace: GRACE }).await;
        });
    }
    tasks.join_all().await.len()
}

pub async fn a_listing_resumes_from_its_cursor(store: Arc<dyn Store>) {
    let world = World::new(store);
    assert_eq!(world.store.last_cursor().await.unwrap(), Cursor::default());
    busy(&world, 3, 3).await;
    let all = world.events().await;
    let (mut pages, mut after) = (Vec::new(), Cursor::default());
    loop {
        let page = world
            .store
            .events(EventFilter { after, limit: 4 })
            .await
            .unwrap();
        assert!(page.len() <= 4);
        let Some(last) = page.last() else { break };
        after = last.cursor;
        pages.extend(page);
    }
    assert_eq!(pages, all);
    assert_eq!(world.store.last_cursor().await.unwrap(), after);
}

pub async fn following_skips_nothing_under_concurrent_writers(store: Arc<dyn Store>) {
    let world = World::new(store);
    let expected = 1 + 6 * (1 + 2 * 20);
    let mut commits = world.store.commits();
    let follower = {
        let world = world.clone();
        tokio::spawn(async move {
            let mut seen: Vec<Event> = Vec::new();
            while seen.len() < expected {
                let after = seen.last().map_or(Cursor::default(), |event| event.cursor);
                let page = world
                    .store
                    .events(EventFilter { after, limit: 7 })
                    .await
                    .unwrap();
                if page.is_empty() {
                    commits.wait_for(|cursor| *cursor > after).await.unwrap();
                }
                seen.extend(page);
            }
            seen
        })
    };
    busy(&world, 6, 20).await;
    let seen = timeout(DEADLINE, follower)
        .await
        .expect("the follower sees everything")
        .unwrap();
    assert_eq!(seen, world.events().await);
    assert_dense(&seen);
}

pub async fn a_commit_wakes_whoever_waits(store: Arc<dyn Store>) {
    let world = World::new(store);
    let mut commits = world.store.commits();
    // Not held while waiting: whoever sends would wait for it.
    let known = *commits.borrow_and_update();
    assert_eq!(known, world.store.last_cursor().await.unwrap());
    let runner = world.launch(&world.project("api", None).await).await;
    let last = world.store.last_cursor().await.unwrap();
    // Two commits, of which a slow waiter may hear at once.
    timeout(DEADLINE, async {
        loop {
            commits.changed().await.unwrap();
            if *commits.borrow_and_update() == last {
                break;
            }
        }
    })
    .await
    .expect("the commits wake");
    // What appends no event is no commit of events.
    world
        .observe(vec![world.heartbeat(runner.id, 1, world.now(), 1)])
        .await;
    world
        .store
        .apply(runner.id, Input::Pause, FREE, world.now())
        .await
        .unwrap_err();
    assert!(!commits.has_changed().unwrap());
}
