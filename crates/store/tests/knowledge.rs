//! What only several nodes on one PostgreSQL can show of budgets and usage, and what becomes of it while the database is away.

#[path = "support/team.rs"]
mod team;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use stratavore_core::budget::{Amount, AtLimit, Budget, Period, Reserve, Scope, Terms};
use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_core::ids::{BudgetId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::session::{Passage, Role, Session, SessionKey};
use stratavore_core::usage::{Entry, NanoUsd, Tokens};
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::shared::SharedStore;
use stratavore_store::{
    Availability, Budgets, Digest, NewProject, NewRunner, Presets, Reading, SearchQuery,
    SessionFilter, Sessions, Store, StoreError, Usage, UsageFilter,
};
use stratavore_testkit::postgres::Postgres;
use team::{Team, node};
use tokio::task::JoinSet;

const SOON: Duration = Duration::from_secs(30);

fn now() -> Timestamp {
    SystemClock.now()
}

async fn add_project(store: &dyn Store, name: &str) -> Project {
    let new = NewProject {
        id: ProjectId::new(now()),
        name: Name::new(name).unwrap(),
        path: "/srv".into(),
        max_runners: None,
    };
    store.add_project(new, now()).await.unwrap()
}

fn new_runner(store: &dyn Store, project: &Project) -> NewRunner {
    NewRunner {
        id: RunnerId::new(now()),
        name: None,
        project_id: project.id,
        node: store.instance().clone(),
        person: "ada".into(),
        launch: Launch::new("claude", &["claude"], "/srv"),
        queue: false,
        request_id: None,
    }
}

/// A budget of 70 tokens, of which every runner has 10 set aside.
async fn seven_reservations(store: &dyn Store, scope: Scope) -> Limits {
    let budget = Budget {
        id: BudgetId::new(now()),
        scope,
        period: Period::Day,
        limit: Amount::Tokens(70),
        at_limit: AtLimit::Refuse,
        set_at: now(),
    };
    store.set_budget(budget).await.unwrap();
    let reserve = Reserve {
        tokens: 10,
        cost: NanoUsd(0),
    };
    Limits {
        budgets: Some(Terms::at(now(), &chrono::Utc, reserve)),
        ..Limits::default()
    }
}

async fn fifty_launches(team: &Team, projects: &[Project], limits: Limits) {
    let mut launches = JoinSet::new();
    for n in 0..50 {
        let store = Arc::clone(&team.stores[n % 4]);
        let new = new_runner(&*store, &projects[n % projects.len()]);
        launches.spawn(async move { store.launch(new, limits, now()).await });
    }
    let outcomes = launches.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 7);
    for outcome in outcomes {
        match outcome {
            Ok(_) => {}
            Err(StoreError::BudgetSpent { set_aside, .. }) => assert_eq!(set_aside, 8),
            Err(other) => panic!("{other:?}"),
        }
    }
    let counts = team.stores[1].runner_counts().await.unwrap();
    assert_eq!(counts.values().sum::<u64>(), 7);
    assert_eq!(team.stores[2].verify_audit().await.unwrap().faults, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_launches_from_four_nodes_take_no_more_of_a_projects_budget_than_there_is() {
    let team = Team::of(4).await;
    let project = add_project(&*team.stores[0], "api").await;
    let limits = seven_reservations(&*team.stores[0], Scope::Project(project.id)).await;
    fifty_launches(&team, &[project], limits).await;
    team.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_launches_in_three_projects_take_no_more_of_everyones_budget_than_there_is() {
    let team = Team::of(4).await;
    let mut projects = Vec::new();
    for name in ["api", "web", "ops"] {
        projects.push(add_project(&*team.stores[0], name).await);
    }
    let limits = seven_reservations(&*team.stores[0], Scope::Global).await;
    fifty_launches(&team, &projects, limits).await;
    team.close().await;
}

/// What was read of a transcript of 500 messages, the same on every node, in another order each time.
fn digest(store: &dyn Store, id: &str, turn: usize) -> Digest {
    let entry = |n: usize| Entry {
        message: format!("m{}", (n * 37 + turn * 11) % 500),
        session: id.to_owned(),
        model: "opus".into(),
        at: now(),
        tokens: Tokens {
            input: 1,
            ..Tokens::default()
        },
    };
    Digest {
        from: None,
        reading: Reading {
            path: format!("/home/ada/{id}.jsonl"),
            file: "1:2".into(),
            offset: 9,
            memory: String::new(),
        },
        session: Session {
            key: SessionKey {
                node: store.instance().clone(),
                program: "claude".into(),
                id: id.to_owned(),
            },
            project: None,
            cwd: "/srv".into(),
            title: None,
            model: None,
            began_at: now(),
            updated_at: now(),
            requests: 1,
            parent: None,
            runner: None,
            transcript: None,
            program_cost: None,
            archive: None,
        },
        passages: vec![Passage {
            offset: 0,
            role: Role::User,
            at: now(),
            text: "a word".into(),
        }],
        entries: (0..500).map(|n| (entry(n), Some(NanoUsd(2)))).collect(),
        runner: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_four_nodes_read_at_once_of_the_same_messages_counts_once() {
    let team = Team::of(4).await;
    let mut digests = JoinSet::new();
    for turn in 0..20 {
        let store = Arc::clone(&team.stores[turn % 4]);
        digests.spawn(async move {
            let digest = digest(&*store, &format!("s{turn}"), turn);
            store.digest(digest).await.unwrap()
        });
    }
    let new: u64 = digests.join_all().await.into_iter().sum();
    assert_eq!(new, 500);
    let used = team.stores[0].usage(UsageFilter::default()).await.unwrap();
    assert_eq!((used[0].messages, used[0].tokens.input), (500, 500));
    assert_eq!(used[0].cost, NanoUsd(1000));
    // Each node has its own transcripts and forgets its own.
    for (number, store) in team.stores.iter().enumerate() {
        assert_eq!(store.transcripts().await.unwrap().len(), 5, "node {number}");
    }
    team.stores[0].forget_index().await.unwrap();
    let query = SearchQuery {
        text: "word".into(),
        project: None,
        limit: 100,
    };
    assert_eq!(team.stores[1].search(query).await.unwrap().len(), 15);
    let sessions = team.stores[0].sessions(SessionFilter::default()).await;
    // A session without a transcript of its own is not what is forgotten.
    assert_eq!(sessions.unwrap().len(), 20);
    team.close().await;
}

async fn becomes(store: &SharedStore, here: bool) {
    let mut availability = store.availability();
    let known = availability.wait_for(|known| (*known == Availability::Here) == here);
    tokio::time::timeout(SOON, known).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_read_while_the_database_is_away_is_kept_once_when_it_is_back() {
    let mut server = Postgres::listening("").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (url, key) = (
        server.tcp_url("postgres"),
        directory.path().join("audit.key"),
    );
    let connect = Box::new(move || {
        let (url, key) = (url.clone(), key.clone());
        async move {
            let store = PostgresStore::open(&url, node(0), key, Options::default()).await?;
            Ok(Arc::new(store) as Arc<dyn Store>)
        }
        .boxed()
    });
    let cache = directory.path().join("cache.db");
    let store = SharedStore::open(&cache, node(0), Arc::new(SystemClock), connect)
        .await
        .unwrap();
    store.digest(digest(&store, "s1", 0)).await.unwrap();
    server.stop_immediately().unwrap();
    becomes(&store, false).await;
    let mut more = digest(&store, "s1", 1);
    more.from = Some(9);
    more.reading.offset = 20;
    more.entries[0].0.message = "another".into();
    let away = |outcome: Result<(), StoreError>| {
        assert!(
            matches!(outcome, Err(StoreError::Away { .. })),
            "{outcome:?}"
        );
    };
    away(store.digest(more.clone()).await.map(drop));
    away(store.transcripts().await.map(drop));
    away(store.sessions(SessionFilter::default()).await.map(drop));
    away(store.usage(UsageFilter::default()).await.map(drop));
    away(store.presets("ada").await.map(drop));
    let terms = Terms::at(now(), &chrono::Utc, Reserve::default());
    away(store.budgets(terms).await.map(drop));
    server.restart().unwrap();
    becomes(&store, true).await;
    assert_eq!(store.digest(more.clone()).await.unwrap(), 1);
    let again = store.digest(more).await.unwrap_err();
    assert!(
        matches!(
            again,
            StoreError::StaleReading {
                known: Some(20),
                ..
            }
        ),
        "{again:?}"
    );
    let used = store.usage(UsageFilter::default()).await.unwrap();
    assert_eq!(used[0].messages, 501);
    store.close().await;
}
