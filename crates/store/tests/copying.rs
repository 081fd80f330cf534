//! One machine's history is moved to a team's database, whole or not at all.

#[path = "support/elsewhere.rs"]
mod elsewhere;
mod support;

use std::time::Duration;

use stratavore_core::budget::{Amount, AtLimit, Budget, Period, Reserve, Scope, Terms};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{BudgetId, RunnerId};
use stratavore_core::launch::{CeilingAction, Excess};
use stratavore_core::preset::Preset;
use stratavore_core::project::Project;
use stratavore_core::runner::{Exit, Input, Process};
use stratavore_core::session::{Passage, Role, Session, SessionKey};
use stratavore_core::usage::{Entry, NanoUsd, Tokens};
use stratavore_store::conformance::Ground;
use stratavore_store::postgres::{Options, PostgresStore, copy_from_sqlite};
use stratavore_store::{
    By, Cursor, DeadLetter, Digest, EventFilter, Heartbeat, NewRunner, Observation, Presets,
    Reading, RunnerFilter, SearchQuery, SessionFilter, Store, StoreError, UsageFilter,
};
use stratavore_testkit::postgres::Database;
use support::{FREE, Fresh, add_project, fresh, launch, new_runner, now};
use uuid::Uuid;

/// A history with something of everything, closed.
async fn history() -> Fresh {
    let ground = fresh().await;
    let store = ground.store();
    let project = add_project(&*store, Some(9)).await;
    let mut odd = new_runner(&project);
    odd.launch.argv.push("a \0, a \\u0000 and\nmore".into());
    odd.request_id = Some(Uuid::from_u128(7));
    let odd = store.launch(odd, FREE, now()).await.unwrap().runner;
    let process = Process {
        pid: 1,
        start_time: 1,
        boot_id: "b".into(),
    };
    let start = Input::Started {
        attempt: 1,
        process,
        at: now(),
    };
    store.apply(odd.id, start, FREE, now()).await.unwrap();
    let seen = Heartbeat {
        runner: odd.id,
        attempt: 1,
        observation: Observation {
            at: now(),
            cpu_percent: 1.25,
            memory_bytes: 1 << 40,
            viewers: 2,
            title: Some("✳ \0api".into()),
        },
    };
    store.record_heartbeats(vec![seen]).await.unwrap();
    for code in 0..3 {
        let runner = launch(&*store, &project).await.unwrap().runner;
        let exit = Input::Exited {
            attempt: 1,
            exit: Exit::Code(code),
            at: now(),
        };
        store.apply(runner.id, exit, FREE, now()).await.unwrap();
        store.claim_notices("ada", "desk", now()).await.unwrap();
        if code == 1 {
            store.checkpoint_audit(now()).await.unwrap();
        }
    }
    let shards = store
        .outbox_hold(Uuid::nil(), Duration::from_secs(60))
        .await
        .unwrap();
    let rows = store.outbox_waiting(&shards, 4).await.unwrap();
    let positions = rows.iter().map(|row| row.position).collect();
    store.outbox_delivered(&shards, positions).await.unwrap();
    let row = store.outbox_waiting(&shards, 1).await.unwrap().remove(0);
    store
        .outbox_failed(&shards, row.position, "poison".into(), 1, now())
        .await
        .unwrap();
    let excess = Excess::Memory { used: 2, limit: 1 };
    let over = Fact::OverCeiling {
        attempt: 1,
        excess,
        action: CeilingAction::Notify,
    };
    store.note(odd.id, over, now()).await.unwrap();
    know(&*store, &project, odd.id).await;
    ground
}

/// Something of everything that is read of the programs' files, and of what bounds it.
async fn know(store: &dyn Store, project: &Project, runner: RunnerId) {
    for (id, kind) in [("s1", Role::User), ("s2", Role::Tool)] {
        let entry = |message: &str, price| {
            let tokens = Tokens {
                input: 1,
                output: 20,
                cache_write_5m: 300,
                cache_write_1h: 4000,
                cache_read: u64::MAX,
            };
            let entry = Entry {
                message: format!("{id} {message}"),
                session: id.into(),
                model: "opus".into(),
                at: now(),
                tokens,
            };
            (entry, price)
        };
        let digest = Digest {
            from: None,
            reading: Reading {
                path: format!("/home/ada/{id}.jsonl"),
                file: "1:2".into(),
                offset: 9,
                memory: "{\"a\": \"\\u0000\"}".into(),
            },
            session: Session {
                key: SessionKey {
                    node: store.instance().clone(),
                    program: "claude".into(),
                    id: id.into(),
                },
                project: Some(project.id),
                cwd: "/srv".into(),
                title: Some("✳ a \\u0000 title".into()),
                model: None,
                began_at: now(),
                updated_at: now(),
                requests: 2,
                parent: Some("s0".into()),
                runner: Some(runner),
                transcript: Some(format!("/home/ada/{id}.jsonl")),
                program_cost: Some(NanoUsd(7)),
                archive: Some(("/a.zst".into(), "ab".into())),
            },
            passages: (0..1200)
                .map(|offset| Passage {
                    offset,
                    role: kind,
                    at: now(),
                    text: format!("word{offset} of {id}, with a café"),
                })
                .collect(),
            entries: vec![entry("m1", Some(NanoUsd(5))), entry("m2", None)],
            runner: Some(runner),
        };
        store.digest(digest).await.unwrap();
    }
    let gone = vec!["/home/ada/s2.jsonl".into()];
    store.transcripts_gone(gone).await.unwrap();
    for scope in [
        Scope::Global,
        Scope::Project(project.id),
        Scope::Runner(runner),
        Scope::Session("s1".into()),
    ] {
        let budget = Budget {
            id: BudgetId::new(now()),
            scope,
            period: Period::Month,
            limit: Amount::Money(NanoUsd(9)),
            at_limit: AtLimit::Pause,
            set_at: now(),
        };
        let budget = store.set_budget(budget).await.unwrap();
        store
            .budget_reached(budget.id, Timestamp::UNIX_EPOCH, 75, None, now())
            .await
            .unwrap();
    }
    let preset = Preset {
        args: Some(vec!["a \0, a \\u0000 and\nmore".into()]),
        ..Preset::default()
    };
    store
        .put_preset("ada", "review", preset, now())
        .await
        .unwrap();
}

/// What is read of the programs' files and what bounds it, as whoever asks is told.
async fn known(store: &dyn Store) -> String {
    let terms = Terms {
        began: [Timestamp::UNIX_EPOCH; 4],
        reserve: Reserve::default(),
    };
    let mut budgets = store.budgets(terms).await.unwrap();
    budgets.sort_by_key(|(budget, _)| budget.id);
    let sessions = store.sessions(SessionFilter::default()).await.unwrap();
    let mut passages = Vec::new();
    for session in &sessions {
        passages.extend(store.passages(&session.key, 5000).await.unwrap());
    }
    let mut rows = Vec::new();
    for by in [By::Nothing, By::Project, By::Runner, By::Session, By::Model] {
        let filter = UsageFilter {
            by,
            ..UsageFilter::default()
        };
        rows.extend(store.usage(filter).await.unwrap());
    }
    let query = SearchQuery {
        text: "word777 \"with a\" CAFE".into(),
        project: None,
        limit: 9,
    };
    let mut hits = store.search(query).await.unwrap();
    hits.sort_by(|one, two| one.session.key.cmp(&two.session.key));
    assert_eq!((hits.len(), passages.len()), (2, 2400));
    let (transcripts, presets) = (
        store.transcripts().await.unwrap(),
        store.presets("ada").await.unwrap(),
    );
    format!("{sessions:#?} {passages:#?} {rows:#?} {budgets:#?} {transcripts:#?} {presets:#?}")
}

async fn open(ground: &Fresh, url: &str) -> PostgresStore {
    let instance = ground.store().instance().clone();
    PostgresStore::open(url, instance, &ground.files.key, Options::default())
        .await
        .unwrap()
}

async fn copy(
    ground: &Fresh,
    url: &str,
) -> stratavore_store::Result<stratavore_store::postgres::Copied> {
    copy_from_sqlite(&ground.files.database, &ground.files.key, url, now()).await
}

const ALL: EventFilter = EventFilter {
    after: Cursor(0),
    limit: 1000,
};

#[tokio::test]
async fn everything_arrives_and_goes_on() {
    let ground = history().await;
    let from = ground.store();
    let database = Database::fresh().unwrap();
    let copied = copy(&ground, database.url()).await.unwrap();
    assert_eq!(
        (copied.projects, copied.runners, copied.already),
        (1, 4, false)
    );
    assert_eq!(copied.waiting, copied.events - 4);
    let to = open(&ground, database.url()).await;
    assert_eq!(
        to.projects(true).await.unwrap(),
        from.projects(true).await.unwrap()
    );
    let filter = RunnerFilter::default;
    let (sent, arrived) = (
        from.runners(filter()).await.unwrap(),
        to.runners(filter()).await.unwrap(),
    );
    for (sent, arrived) in sent.iter().zip(&arrived) {
        assert_eq!(sent.runner, arrived.runner);
    }
    let seen = |views: &[stratavore_store::RunnerView]| {
        let view = views
            .iter()
            .find(|view| view.observation.is_some())
            .unwrap();
        view.observation.clone().unwrap()
    };
    let (mut sent, arrived) = (seen(&sent), seen(&arrived));
    sent.title = sent.title.map(|title| title.replace('\0', ""));
    assert_eq!(
        sent, arrived,
        "but for the character that PostgreSQL has no room for"
    );
    assert_eq!(
        to.events(ALL).await.unwrap(),
        from.events(ALL).await.unwrap()
    );
    assert_eq!(
        to.outbox_depth().await.unwrap(),
        from.outbox_depth().await.unwrap()
    );
    let (sent, arrived) = (
        from.dead_letters().await.unwrap(),
        to.dead_letters().await.unwrap(),
    );
    assert_eq!((sent.len(), arrived.len()), (1, 1));
    let of = |letter: &DeadLetter| {
        let of = (letter.aggregate_id, letter.seq, letter.kind.clone());
        (of, letter.project.clone(), letter.error.clone())
    };
    assert_eq!(of(&sent[0]), of(&arrived[0]));
    let report = to.verify_audit().await.unwrap();
    assert_eq!(report, from.verify_audit().await.unwrap());

    assert_eq!(known(&to).await, known(&*from).await);
    let warned = database
        .run_sql("SELECT count(*) FROM budget_warnings WHERE percent = 75")
        .unwrap();
    assert_eq!(warned, "4");

    // What was told is not told again, and what was not is.
    let told = to.claim_notices("ada", "desk", now()).await.unwrap();
    assert_eq!(told.len(), 1);
    // It goes on where it was.
    let project = to.projects(true).await.unwrap().remove(0);
    let repeated = NewRunner {
        request_id: Some(Uuid::from_u128(7)),
        ..new_runner(&project)
    };
    assert!(!to.launch(repeated, FREE, now()).await.unwrap().changed);
    let last = to.last_cursor().await.unwrap();
    launch(&to, &project).await.unwrap();
    assert!(to.last_cursor().await.unwrap() > last);
    to.checkpoint_audit(now()).await.unwrap();
    assert_eq!(to.verify_audit().await.unwrap().faults, []);
    to.close().await;
}

#[tokio::test]
async fn the_same_history_again_is_no_matter_and_another_is_refused() {
    let ground = history().await;
    let database = Database::fresh().unwrap();
    let first = copy(&ground, database.url()).await.unwrap();
    let again = copy(&ground, database.url()).await.unwrap();
    assert!(again.already);
    assert_eq!(again.events, first.events);
    let other = history().await;
    let refused = copy(&other, database.url()).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotEmpty { .. }), "{refused}");
    let to = open(&ground, database.url()).await;
    assert_eq!(to.runners(RunnerFilter::default()).await.unwrap().len(), 4);
    to.close().await;
}

#[tokio::test]
async fn an_unsound_history_is_not_copied() {
    let ground = history().await;
    ground
        .files
        .tamper("DROP TRIGGER events_never_change; UPDATE events SET payload = payload || ' ' WHERE cursor = 2")
        .await;
    let database = Database::fresh().unwrap();
    let refused = copy(&ground, database.url()).await.unwrap_err();
    assert!(
        matches!(&refused, StoreError::Unsound { reason, .. } if reason.contains("audit verify")),
        "{refused}"
    );
    assert_eq!(
        database.run_sql("SELECT to_regclass('events')").unwrap(),
        "",
        "nothing was made"
    );
}

#[tokio::test]
async fn a_database_that_holds_but_a_preset_is_not_copied_to() {
    let ground = history().await;
    let database = Database::fresh().unwrap();
    let to = open(&ground, database.url()).await;
    to.put_preset("ben", "his", Preset::default(), now())
        .await
        .unwrap();
    to.close().await;
    let refused = copy(&ground, database.url()).await.unwrap_err();
    assert!(matches!(refused, StoreError::NotEmpty { .. }), "{refused}");
}

#[tokio::test]
async fn a_copy_that_fails_leaves_nothing() {
    let ground = history().await;
    let database = Database::fresh().unwrap();
    stratavore_store::postgres::migrate(database.url())
        .await
        .unwrap();
    database
        .run_sql("ALTER TABLE notices ADD CONSTRAINT never CHECK (edge <> 'failed')")
        .unwrap();
    copy(&ground, database.url()).await.unwrap_err();
    assert_eq!(
        database.run_sql("SELECT count(*) FROM projects").unwrap(),
        "0"
    );
    database
        .run_sql("ALTER TABLE notices DROP CONSTRAINT never")
        .unwrap();
    assert!(!copy(&ground, database.url()).await.unwrap().already);
}

#[tokio::test]
async fn a_pruned_history_arrives_sound() {
    let ground = history().await;
    let from = ground.store();
    let shards = from
        .outbox_hold(Uuid::nil(), Duration::from_secs(60))
        .await
        .unwrap();
    from.outbox_retry(None).await.unwrap();
    let rows = from.outbox_waiting(&shards, 100).await.unwrap();
    let positions = rows.iter().map(|row| row.position).collect();
    from.outbox_delivered(&shards, positions).await.unwrap();
    assert!(from.prune(now(), now()).await.unwrap().events > 4);
    let database = Database::fresh().unwrap();
    copy(&ground, database.url()).await.unwrap();
    let to = open(&ground, database.url()).await;
    let project = to.projects(true).await.unwrap().remove(0);
    launch(&to, &project).await.unwrap();
    to.checkpoint_audit(now()).await.unwrap();
    assert_eq!(to.verify_audit().await.unwrap().faults, []);
    to.close().await;
}

#[test]
fn all_of_it_works_on_the_oldest_version_that_is_supported() {
    elsewhere::passes_on_the_oldest(
        &["all_of_it_works_on_the_oldest_version_that_is_supported"],
        6,
    );
}
