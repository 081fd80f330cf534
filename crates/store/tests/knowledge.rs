//! What only several nodes on one PostgreSQL can show of budgets and usage, and what becomes of it while the database is away.

#[path = "support/pair.rs"]
mod pair;
#[path = "support/team.rs"]
mod team;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use pair::{Pair, becomes};
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stratavore_core::budget::{Amount, AtLimit, Budget, Period, Reserve, Scope, Terms};
use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_core::ids::{BudgetId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::preset::Preset;
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::session::{Passage, Role, Session, SessionKey};
use stratavore_core::usage::{Entry, NanoUsd, Tokens};
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::shared::SharedStore;
use stratavore_store::{
    Availability, Budgets, By, Digest, NewProject, NewRunner, Presets, Reading, SearchQuery,
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
    away(store.forget_index().await);
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

/// Waits until the cache of a node has what the database has.
async fn has_learned(pair: &Pair) {
    let counts = "SELECT (SELECT count(*) FROM sessions WHERE known LIKE '%' || $1 || '%'), \
         (SELECT sum(messages) FROM quarters), (SELECT count(*) FROM budgets), (SELECT count(*) FROM presets)";
    let messages = pair.other.usage(UsageFilter::default()).await.unwrap()[0].messages;
    let sessions = pair.other.sessions(SessionFilter::default()).await.unwrap();
    let title = sessions[0].title.clone().unwrap_or_default();
    let titled = |session: &&Session| session.title.as_deref().unwrap_or_default() == title;
    let terms = Terms::at(now(), &chrono::Utc, Reserve::default());
    let expected = (
        i64::try_from(sessions.iter().filter(titled).count()).unwrap(),
        i64::try_from(messages).unwrap(),
        i64::try_from(pair.other.budgets(terms).await.unwrap().len()).unwrap(),
        i64::try_from(pair.other.everybodys_presets().await.unwrap().len()).unwrap(),
    );
    let cache = pair.directory.path().join("cache.db");
    let mut cache = SqliteConnectOptions::new()
        .filename(cache)
        .connect()
        .await
        .unwrap();
    let deadline = tokio::time::Instant::now() + SOON;
    loop {
        let learned: (i64, Option<i64>, i64, i64) = sqlx::query_as(counts)
            .bind(&title)
            .fetch_one(&mut cache)
            .await
            .unwrap();
        let learned = (
            learned.0,
            learned.1.unwrap_or_default(),
            learned.2,
            learned.3,
        );
        if learned == expected {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{learned:?}, not {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What was used, by whom, days ago, each with an hour of its own.
fn used(id: &str, model: &str, days: i64, tokens: u64) -> (Entry, Option<NanoUsd>) {
    let entry = Entry {
        message: format!("{id} {model} {days}"),
        session: id.to_owned(),
        model: model.to_owned(),
        at: now() - chrono::TimeDelta::days(days),
        tokens: Tokens {
            input: tokens,
            output: 1,
            cache_read: 3,
            ..Tokens::default()
        },
    };
    let cost = (model != "unpriced").then_some(NanoUsd(tokens * 5));
    (entry, cost)
}

fn budget(scope: Scope, period: Period) -> Budget {
    Budget {
        id: BudgetId::new(now()),
        scope,
        period,
        limit: Amount::Tokens(1000),
        at_limit: AtLimit::Warn,
        set_at: now(),
    }
}

fn preset(description: &str) -> Preset {
    Preset {
        description: Some(description.to_owned()),
        ..Preset::default()
    }
}

/// All that is asked of sessions, usage, budgets and presets. The periods are those of the moment given.
async fn answers(
    store: &dyn Store,
    project: &Project,
    runner: RunnerId,
    moment: Timestamp,
) -> Vec<String> {
    // The midnight before the days of which something was used.
    let since = Period::Day
        .around(moment - chrono::TimeDelta::days(3), &chrono::Utc)
        .0;
    let mut answers = Vec::new();
    for filter in [
        SessionFilter::default(),
        SessionFilter {
            project: Some(project.id),
            ..SessionFilter::default()
        },
        SessionFilter {
            runner: Some(runner),
            ..SessionFilter::default()
        },
        SessionFilter {
            id: Some("s".into()),
            program: Some("claude".into()),
            limit: Some(2),
            ..SessionFilter::default()
        },
        SessionFilter {
            id: Some("none".into()),
            ..SessionFilter::default()
        },
    ] {
        let sessions = store.sessions(filter).await.unwrap();
        for session in &sessions {
            assert_eq!(&store.session(&session.key).await.unwrap(), session);
        }
        answers.push(format!("{sessions:#?}"));
    }
    for by in [
        By::Nothing,
        By::Model,
        By::Project,
        By::Session,
        By::Runner,
        By::Day(0),
        By::Day(19_800),
    ] {
        let day = matches!(by, By::Day(_));
        let all = UsageFilter {
            by,
            since: day.then_some(since),
            ..UsageFilter::default()
        };
        let filters = [
            all.clone(),
            UsageFilter {
                since: Some(since),
                until: Some(since + chrono::TimeDelta::days(2)),
                ..all.clone()
            },
            UsageFilter {
                project: Some(project.id),
                ..all.clone()
            },
            UsageFilter {
                runner: Some(runner),
                ..all.clone()
            },
            UsageFilter {
                session: Some("s1".into()),
                ..all
            },
        ];
        for filter in filters {
            let used = store.usage(filter.clone()).await.unwrap();
            answers.push(format!("{filter:?}: {used:#?}"));
        }
    }
    let terms = Terms::at(moment, &chrono::Utc, Reserve::default());
    let mut budgets = store.budgets(terms).await.unwrap();
    budgets.sort_by_key(|(budget, _)| budget.id);
    answers.push(format!("{budgets:#?}"));
    for person in ["ada", "ben", "eve"] {
        answers.push(format!("{:#?}", store.presets(person).await.unwrap()));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_what_was_known_is_answered_and_what_others_did_is_learned_on_return()
 {
    let pair = Pair::open().await;
    let Pair { store, other, .. } = &pair;
    let project = add_project(store, "api").await;
    let launched = store.launch(new_runner(store, &project), Limits::default(), now());
    let runner = launched.await.unwrap().runner.id;
    let moment = now();
    for (id, held, entries) in [
        (
            "s1",
            Some(runner),
            vec![used("s1", "opus", 0, 10), used("s1", "haiku", 2, 200)],
        ),
        (
            "s2",
            None,
            vec![
                used("s2", "opus", 3, 3000),
                used("s2", "unpriced", 130, 40_000),
            ],
        ),
        ("s3", None, vec![used("s3", "haiku", 150, 500_000)]),
    ] {
        let mut digest = digest(store, id, 0);
        digest.session.title = Some("first".into());
        digest.session.project = held.map(|_| project.id);
        digest.session.runner = held;
        (digest.runner, digest.entries) = (held, entries);
        store.digest(digest).await.unwrap();
    }
    for (scope, period) in [
        (Scope::Global, Period::Month),
        (Scope::Project(project.id), Period::Day),
        (Scope::Runner(runner), Period::Week),
        (Scope::Session("s2".into()), Period::Month),
    ] {
        store.set_budget(budget(scope, period)).await.unwrap();
    }
    store
        .put_preset("ada", "review", preset("hers"), now())
        .await
        .unwrap();
    other
        .put_preset("ben", "fix", preset("his"), now())
        .await
        .unwrap();
    // The last of it is this node's own: with it the rest is learned.
    store
        .put_preset("ada", "fix", preset("hers too"), now())
        .await
        .unwrap();
    has_learned(&pair).await;
    let before = answers(store, &project, runner, moment).await;

    let cut = now();
    pair.cut().await;
    assert_eq!(answers(store, &project, runner, moment).await, before);
    let Availability::Away { since: age, .. } = store.availability().borrow().clone() else {
        panic!("it is away");
    };
    assert!(cut <= age && age <= now(), "{age}");
    let away = |outcome: Result<(), StoreError>, part: &str| match outcome {
        Err(StoreError::Away { reason }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}"),
    };
    // Days of long ago are not known, and not told as none.
    let days = UsageFilter {
        by: By::Day(0),
        ..UsageFilter::default()
    };
    away(
        store.usage(days).await.map(drop),
        "ask for what was used since",
    );
    let long = UsageFilter {
        since: Some(now() - chrono::TimeDelta::days(140)),
        ..UsageFilter::default()
    };
    away(
        store.usage(long).await.map(drop),
        "ask for what was used since",
    );
    let word = SearchQuery {
        text: "word".into(),
        project: None,
        limit: 1,
    };
    away(
        store.search(word).await.map(drop),
        "searched in the shared database alone",
    );
    let here = "cannot reach the database";
    away(
        store
            .set_budget(budget(Scope::Global, Period::Hour))
            .await
            .map(drop),
        here,
    );
    away(
        store.put_preset("ada", "new", preset("none"), now()).await,
        here,
    );
    away(store.remove_preset("ada", "fix").await, here);

    // Meanwhile another node adds, changes and removes.
    let mut more = digest(other, "s9", 0);
    more.session.title = Some("second".into());
    more.entries = vec![used("s9", "opus", 1, 7), used("s9", "opus", 120, 70)];
    other.digest(more).await.unwrap();
    let mut renamed = other.sessions(SessionFilter::default()).await.unwrap();
    for session in &mut renamed {
        session.title = Some("second".into());
        other.put_session(session.clone()).await.unwrap();
    }
    let terms = Terms::at(now(), &chrono::Utc, Reserve::default());
    let (first, _) = other.budgets(terms).await.unwrap().swap_remove(0);
    other.remove_budget(first.id).await.unwrap();
    other.remove_preset("ada", "fix").await.unwrap();
    other
        .put_preset("ada", "review", preset("anew"), now())
        .await
        .unwrap();
    pair.resume().await;
    has_learned(&pair).await;
    let there = answers(other, &project, runner, moment).await;
    pair.cut().await;
    assert_eq!(answers(store, &project, runner, moment).await, there);
    assert_ne!(there, before);
    pair.close().await;
}
