//! What only several nodes on one PostgreSQL can show, and what becomes of a store whose database goes away.

#[path = "support/team.rs"]
mod team;

use std::sync::Arc;
use std::time::Duration;

use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_core::ids::{ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::project::Project;
use stratavore_core::quota::{self, Limits};
use stratavore_core::runner::{Exit, Input, Process};
use stratavore_store::postgres::PostgresStore;
use stratavore_store::{
    Availability, Cursor, EventFilter, NewProject, NewRunner, RunnerFilter, Store, StoreError,
};
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::tcp_proxy::{Server, TcpProxy};
use stratavore_testkit::{wait_until, wait_until_async};
use team::{Team, node};
use tokio::task::JoinSet;
use uuid::Uuid;

const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};
const SOON: Duration = Duration::from_secs(30);

fn now() -> Timestamp {
    SystemClock.now()
}

async fn add_project(store: &PostgresStore, name: &str, max_runners: Option<u32>) -> Project {
    let new = NewProject {
        id: ProjectId::new(now()),
        name: Name::new(name).unwrap(),
        path: "/srv".into(),
        max_runners,
    };
    store.add_project(new, now()).await.unwrap()
}

fn new_runner(store: &PostgresStore, project: &Project) -> NewRunner {
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

fn started(attempt: u32) -> Input {
    let process = Process {
        pid: 1,
        start_time: 1,
        boot_id: "b".into(),
    };
    Input::Started {
        attempt,
        process,
        at: now(),
    }
}

fn exited(attempt: u32) -> Input {
    Input::Exited {
        attempt,
        exit: Exit::Code(0),
        at: now(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_launches_from_four_nodes_start_exactly_as_many_as_the_quota() {
    let team = Team::of(4).await;
    let project = add_project(&team.stores[0], "api", Some(7)).await;
    let mut launches = JoinSet::new();
    for i in 0..200 {
        let store = Arc::clone(&team.stores[i % 4]);
        let project = project.clone();
        launches.spawn(async move {
            store
                .launch(new_runner(&store, &project), FREE, now())
                .await
        });
    }
    // At no moment are there more.
    let watching = Arc::clone(&team.stores[3]);
    let ended = tokio::sync::watch::channel(false);
    let mut end = ended.1;
    let watch = tokio::spawn(async move {
        let mut most = 0;
        while !*end.borrow_and_update() {
            let views = watching.runners(RunnerFilter::default()).await.unwrap();
            let active = views
                .iter()
                .filter(|view| quota::counts(view.runner.state.name()))
                .count();
            most = most.max(active);
        }
        most
    });
    let outcomes = launches.join_all().await;
    ended.0.send(true).unwrap();
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 7);
    for outcome in outcomes {
        match outcome {
            Ok(_) => {}
            Err(StoreError::QuotaFull { holders, .. }) => assert_eq!(holders.len(), 7),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(watch.await.unwrap() <= 7);
    let counts = team.stores[1].runner_counts().await.unwrap();
    assert_eq!(counts.values().sum::<u64>(), 7);
    assert_eq!(team.stores[2].verify_audit().await.unwrap().faults, []);
    team.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_four_nodes_do_at_once_none_waits_in_a_circle() {
    let team = Team::of(4).await;
    let mut projects = Vec::new();
    for name in ["api", "web", "ops"] {
        projects.push(add_project(&team.stores[0], name, Some(4)).await);
    }
    let limits = Limits {
        project: None,
        node: Some(5),
        budgets: None,
    };
    let mut tasks = JoinSet::new();
    for task in 0..12usize {
        let store = Arc::clone(&team.stores[task % 4]);
        let projects = projects.clone();
        tasks.spawn(async move {
            let grace = Duration::ZERO;
            for round in 0..12 {
                let project = &projects[(task + round) % 3];
                let new = NewRunner {
                    queue: round % 2 == 0,
                    node: node((task + round) % 4),
                    ..new_runner(&store, project)
                };
                let launched = store.launch(new, limits, now()).await;
                let runner = match launched {
                    Ok(applied) => applied.runner,
                    Err(StoreError::QuotaFull { .. }) => continue,
                    Err(other) => panic!("{other:?}"),
                };
                for input in [
                    started(1),
                    Input::Pause,
                    Input::Stop { grace },
                    exited(1),
                    Input::Restart { grace },
                ] {
                    match store.apply(runner.id, input, limits, now()).await {
                        Ok(_)
                        | Err(
                            StoreError::Refused(_)
                            | StoreError::QuotaFull { .. }
                            | StoreError::NameTaken { .. },
                        ) => {}
                        Err(other) => panic!("{other:?}"),
                    }
                }
                store.admit_queued(limits, now()).await.unwrap();
                let stop = store
                    .apply(runner.id, Input::Stop { grace }, limits, now())
                    .await;
                assert!(
                    matches!(stop, Ok(_) | Err(StoreError::Refused(_))),
                    "{stop:?}"
                );
                let attempt = store
                    .runner(runner.id)
                    .await
                    .unwrap()
                    .runner
                    .state
                    .attempt();
                let exit = store.apply(runner.id, exited(attempt), limits, now()).await;
                assert!(
                    matches!(exit, Ok(_) | Err(StoreError::Refused(_))),
                    "{exit:?}"
                );
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(team.stores[0].verify_audit().await.unwrap().faults, []);
    team.close().await;
    // What is tried again after a deadlock would not show: the server has counted, for those whose connections have ended.
    let ask = |sql: &str| team.database.run_sql(sql).unwrap().trim().to_owned();
    wait_until(Duration::from_secs(30), "the connections end", || {
        let others = ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                          AND backend_type = 'client backend' AND pid <> pg_backend_pid()",
        );
        if others == "0" { Ok(()) } else { Err(others) }
    });
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(ask(deadlocks), "0");
}

#[tokio::test]
async fn a_commit_of_one_node_wakes_another() {
    let team = Team::of(2).await;
    let mut commits = team.stores[1].commits();
    commits.borrow_and_update();
    add_project(&team.stores[0], "api", None).await;
    tokio::time::timeout(SOON, commits.changed())
        .await
        .unwrap()
        .unwrap();
    let events = team.stores[1]
        .events(EventFilter {
            after: Cursor(0),
            limit: 10,
        })
        .await
        .unwrap();
    assert_eq!(events.len(), 1);
    assert!(events[0].cursor <= *commits.borrow());
    team.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listing_by_cursor_skips_no_late_commit_of_another_node() {
    let team = Team::of(3).await;
    let project = add_project(&team.stores[0], "api", None).await;
    let mut writers = JoinSet::new();
    for store in &team.stores {
        let (store, project) = (Arc::clone(store), project.clone());
        writers.spawn(async move {
            for _ in 0..20 {
                let runner = store
                    .launch(new_runner(&store, &project), FREE, now())
                    .await
                    .unwrap()
                    .runner;
                store
                    .apply(runner.id, started(1), FREE, now())
                    .await
                    .unwrap();
                store
                    .apply(runner.id, exited(1), FREE, now())
                    .await
                    .unwrap();
            }
        });
    }
    let total = 1 + 3 * 20 * 3;
    let reader = Arc::clone(&team.stores[2]);
    let follow = async {
        let (mut after, mut seen) = (Cursor(0), Vec::new());
        while seen.len() < total {
            let events = reader
                .events(EventFilter { after, limit: 7 })
                .await
                .unwrap();
            after = events.last().map_or(after, |event| event.cursor);
            seen.extend(events);
        }
        seen
    };
    let seen = tokio::time::timeout(Duration::from_secs(60), follow)
        .await
        .unwrap();
    writers.join_all().await;
    let mut last = std::collections::BTreeMap::<Uuid, u64>::new();
    for event in &seen {
        let last = last.entry(event.aggregate_id).or_default();
        assert_eq!(event.seq, *last + 1);
        *last = event.seq;
    }
    team.close().await;
}

#[tokio::test]
async fn shards_are_shared_fairly_taken_over_when_they_lapse_and_fenced() {
    let team = Team::of(2).await;
    let (one, two) = (&team.stores[0], &team.stores[1]);
    let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let long = Duration::from_secs(3600);
    assert_eq!(one.outbox_hold(ada, long).await.unwrap().len(), 8);
    assert!(
        two.outbox_hold(bob, long).await.unwrap().is_empty(),
        "all are held"
    );
    let kept = one.outbox_hold(ada, long).await.unwrap();
    assert_eq!(kept.len(), 4, "the surplus is given up");
    let taken = two.outbox_hold(bob, long).await.unwrap();
    assert_eq!(taken.len(), 4);
    assert!(
        kept.iter()
            .all(|shard| taken.iter().all(|other| other.number != shard.number))
    );
    assert_eq!(
        one.outbox_hold(ada, long).await.unwrap(),
        kept,
        "renewed as they are"
    );

    // Somebody stands still until the lease has lapsed, and another takes over.
    two.outbox_release(bob).await.unwrap();
    let brief = Duration::from_millis(50);
    let all = one.outbox_hold(ada, brief).await.unwrap();
    assert_eq!(all.len(), 8);
    let late = wait_until_async(SOON, "the lease to lapse", async || {
        let shards = two.outbox_hold(bob, long).await.unwrap();
        (shards.len() == 8).then_some(shards)
    })
    .await;
    assert!(
        late.iter()
            .zip(&all)
            .all(|(new, old)| new.epoch > old.epoch)
    );
    add_project(one, "api", None).await;
    let row = two.outbox_waiting(&late, 10).await.unwrap().remove(0);
    let stale = one.outbox_delivered(&all, vec![row.position]).await;
    assert!(matches!(stale, Err(StoreError::Fenced)), "{stale:?}");
    assert_eq!(one.outbox_depth().await.unwrap(), 1);
    two.outbox_delivered(&late, vec![row.position])
        .await
        .unwrap();
    assert_eq!(one.outbox_depth().await.unwrap(), 0);
    team.close().await;
}

#[tokio::test]
async fn dead_letters_are_listed_without_reading_what_weighs_in_them() {
    let team = Team::of(1).await;
    let store = &team.stores[0];
    let held = store.outbox_hold(Uuid::from_u128(1), SOON).await.unwrap();
    let project = add_project(store, "api", None).await;
    let row = store.outbox_waiting(&held, 10).await.unwrap().remove(0);
    let parks = store.outbox_failed(&held, row.position, "too large".into(), 1, now());
    assert!(parks.await.unwrap());
    // Whoever read it would say that it is no event.
    team.database
        .run_sql("ALTER TABLE events DISABLE TRIGGER ALL; UPDATE events SET payload = 'heavy'")
        .unwrap();
    let read = store.events(EventFilter {
        after: Cursor::default(),
        limit: 1,
    });
    assert!(matches!(read.await, Err(StoreError::Corrupt { .. })));
    let dead = store.dead_letters().await.unwrap();
    assert_eq!(
        (&*dead[0].kind, dead[0].aggregate_id, dead[0].seq),
        ("project.added", project.id.as_uuid(), 1)
    );
    team.close().await;
}

#[tokio::test]
async fn what_another_node_sealed_is_told_apart_and_an_unregistered_key_is_a_fault() {
    let team = Team::of(2).await;
    let project = add_project(&team.stores[0], "api", None).await;
    let other = &team.stores[1];
    let runner = other
        .launch(new_runner(other, &project), FREE, now())
        .await
        .unwrap()
        .runner;
    team.stores[0]
        .apply(runner.id, started(1), FREE, now())
        .await
        .unwrap();
    other.checkpoint_audit(now()).await.unwrap();
    team.stores[0].checkpoint_audit(now()).await.unwrap();
    for (store, foreign) in [(&team.stores[0], 1), (other, 2)] {
        let report = store.verify_audit().await.unwrap();
        assert_eq!(
            (report.events, report.foreign, report.faults),
            (3, foreign, vec![])
        );
    }
    // With both keys at hand, everything is checked.
    let keys: Vec<String> = (0..2)
        .map(|number| {
            std::fs::read_to_string(team.directory.path().join(format!("audit-{number}.key")))
                .unwrap()
        })
        .collect();
    let own = team.directory.path().join("audit-0.key");
    std::fs::write(own, keys.concat()).unwrap();
    let both = team.open(0).await.unwrap();
    assert_eq!(both.verify_audit().await.unwrap().foreign, 0);
    both.close().await;
    team.database
        .run_sql(
            "ALTER TABLE events DISABLE TRIGGER ALL; \
             UPDATE events SET key_id = 'feedface' WHERE type = 'project.added'",
        )
        .unwrap();
    let report = other.verify_audit().await.unwrap();
    assert_eq!(report.faults.len(), 1);
    assert_eq!(report.faults[0].kind, "unknown key");
    team.close().await;
}

#[tokio::test]
async fn tampering_is_found() {
    for (tamper, kind) in [
        (
            "UPDATE events SET payload = payload || ' ' WHERE seq = 1",
            "changed",
        ),
        (
            "DELETE FROM outbox; DELETE FROM events WHERE type = 'runner.started'",
            "gap",
        ),
        (
            "DELETE FROM outbox; DELETE FROM notices; DELETE FROM events WHERE type = 'runner.terminated'",
            "truncated",
        ),
        ("UPDATE checkpoints SET events = events + 1", "changed"),
    ] {
        let team = Team::of(1).await;
        let store = &team.stores[0];
        let project = add_project(store, "api", None).await;
        let runner = store
            .launch(new_runner(store, &project), FREE, now())
            .await
            .unwrap()
            .runner;
        store
            .apply(runner.id, started(1), FREE, now())
            .await
            .unwrap();
        store
            .apply(runner.id, exited(1), FREE, now())
            .await
            .unwrap();
        store.checkpoint_audit(now()).await.unwrap();
        let refused = team.database.run_sql(tamper).unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{refused}");
        let open_up =
            "ALTER TABLE events DISABLE TRIGGER ALL; ALTER TABLE checkpoints DISABLE TRIGGER ALL;";
        team.database
            .run_sql(&format!("{open_up} {tamper}"))
            .unwrap();
        let faults = store.verify_audit().await.unwrap().faults;
        assert!(
            faults.iter().any(|fault| fault.kind == kind),
            "{tamper}: {faults:#?}"
        );
        team.close().await;
    }
}

/// A server of the test's own with a store that is reached over loopback through a proxy.
async fn through_a_proxy() -> (Postgres, TcpProxy, PostgresStore, tempfile::TempDir) {
    let server = Postgres::listening("").unwrap();
    let proxy = TcpProxy::start(Server::Tcp(server.address())).unwrap();
    let url = server
        .tcp_url("postgres")
        .replace(&server.address().to_string(), &proxy.address().to_string());
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("audit.key");
    let store = PostgresStore::open(&url, node(0), key, Default::default())
        .await
        .unwrap();
    (server, proxy, store, directory)
}

async fn becomes(store: &PostgresStore, here: bool) {
    let mut availability = store.availability();
    let known = availability.wait_for(|known| (*known == Availability::Here) == here);
    tokio::time::timeout(SOON, known).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_of_the_server_the_store_goes_on() {
    let (mut server, _proxy, store, _directory) = through_a_proxy().await;
    let project = add_project(&store, "api", None).await;
    store
        .launch(new_runner(&store, &project), FREE, now())
        .await
        .unwrap();
    server.stop_immediately().unwrap();
    becomes(&store, false).await;
    let refused = store
        .launch(new_runner(&store, &project), FREE, now())
        .await
        .unwrap_err();
    let StoreError::Away { reason } = &refused else {
        panic!("{refused:?}")
    };
    assert!(reason.contains("cannot reach the database"), "{reason}");
    assert!(
        !reason.contains(stratavore_testkit::postgres::PASSWORD),
        "{reason}"
    );
    server.restart().unwrap();
    becomes(&store, true).await;
    store
        .launch(new_runner(&store, &project), FREE, now())
        .await
        .unwrap();
    assert_eq!(
        store.runners(RunnerFilter::default()).await.unwrap().len(),
        2
    );
    assert_eq!(store.verify_audit().await.unwrap().faults, []);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_network_stalls_every_call_ends_and_it_goes_on_afterwards() {
    let (_server, proxy, store, _directory) = through_a_proxy().await;
    let project = add_project(&store, "api", None).await;
    proxy.stall();
    let began = tokio::time::Instant::now();
    let refused = store
        .launch(new_runner(&store, &project), FREE, now())
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Away { .. }), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(25));
    becomes(&store, false).await;
    let began = tokio::time::Instant::now();
    store.projects(true).await.unwrap_err();
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "what is known to be away is not waited for"
    );
    proxy.resume();
    becomes(&store, true).await;
    store
        .launch(new_runner(&store, &project), FREE, now())
        .await
        .unwrap();
    proxy.reset();
    wait_until_async(SOON, "a launch after a reset", async || {
        store
            .launch(new_runner(&store, &project), FREE, now())
            .await
    })
    .await;
    store.close().await;
}

#[tokio::test]
async fn what_stays_locked_is_told() {
    let team = Team::of(1).await;
    let store = &team.stores[0];
    let project = add_project(store, "api", None).await;
    let blocked = tokio::task::spawn_blocking({
        let url = team.database.url().to_owned();
        move || {
            let sql =
                "BEGIN; LOCK TABLE runners IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(8); COMMIT";
            stratavore_testkit::postgres::run_sql(&url, sql)
        }
    });
    let locked = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'runners'::regclass";
    wait_until_async(SOON, "the lock", async || {
        team.database.run_sql(locked).unwrap() == "1"
    })
    .await;
    let refused = store
        .launch(new_runner(store, &project), FREE, now())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, StoreError::Away { reason } if reason.contains("stayed locked")),
        "{refused}"
    );
    blocked.await.unwrap().unwrap();
    store
        .launch(new_runner(store, &project), FREE, now())
        .await
        .unwrap();
    team.close().await;
}

#[tokio::test]
async fn what_takes_too_long_is_told_and_nothing_of_it_stays() {
    let team = Team::of(1).await;
    let store = &team.stores[0];
    let project = add_project(store, "api", None).await;
    // It waits for no lock: the server works on it for longer than a statement may.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
                'BEGIN PERFORM pg_sleep(60); RETURN NEW; END'; \
                CREATE TRIGGER slow BEFORE INSERT ON runners FOR EACH ROW EXECUTE FUNCTION slow()";
    team.database.run_sql(slow).unwrap();
    let began = tokio::time::Instant::now();
    let refused = store
        .launch(new_runner(store, &project), FREE, now())
        .await
        .unwrap_err();
    assert!(
        matches!(&refused, StoreError::Away { reason } if reason.contains("it took longer than 10 s over it")),
        "{refused}"
    );
    // The server gave it up, and before the store gave the server up.
    assert!(
        (9..14).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
    team.database
        .run_sql("DROP TRIGGER slow ON runners")
        .unwrap();
    store
        .launch(new_runner(store, &project), FREE, now())
        .await
        .unwrap();
    let runners = store.runners(RunnerFilter::default()).await.unwrap();
    assert_eq!(runners.len(), 1, "what was given up is not there");
    assert_eq!(store.verify_audit().await.unwrap().faults, []);
    team.close().await;
}
