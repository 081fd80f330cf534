//! What is written every few seconds for as long as a host runs is written in place, no index is touched and no
//! table grows; and at once for all runners.

#[path = "support/team.rs"]
mod team;

use std::time::Duration;

use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::{ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, Process};
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::{
    Heartbeat, NewNode, NewProject, NewRunner, Observation, RunnerFilter, RunnerView, Store,
};
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::wait_until;
use team::{Team, node};
use uuid::Uuid;

const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};
const SOON: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(60);

const RUNNERS: u32 = 100;
const ROUNDS: u32 = 50;
/// How many updates of ten have to be in place.
const IN_PLACE: u64 = 9;

#[tokio::test]
async fn heartbeats_and_leases_are_written_in_place() {
    let team = Team::of(1).await;
    let store = &*team.stores[0];
    let runners = running(store).await;
    let (publisher, incarnation) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let node = NewNode {
        id: store.instance().clone(),
        name: "attic".to_owned(),
        version: "1".to_owned(),
        max_runners: None,
        seat: "here".to_owned(),
    };
    store.register_node(node, incarnation, TTL).await.unwrap();
    for round in 0..ROUNDS {
        let beats = runners.iter().map(|runner| beat(*runner, round)).collect();
        store.record_heartbeats(beats).await.unwrap();
        assert_eq!(store.outbox_hold(publisher, TTL).await.unwrap().len(), 8);
        store
            .heard_from_node(store.instance(), incarnation)
            .await
            .unwrap();
    }
    // A connection gives its counts at the latest when it ends.
    team.close().await;
    for (table, updates) in [
        ("observations", RUNNERS * (ROUNDS - 1)),
        ("shards", 8 * ROUNDS),
        ("deliverers", ROUNDS - 1),
        ("nodes", ROUNDS),
    ] {
        let counts = format!(
            "SELECT n_tup_upd || ' ' || n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = '{table}'"
        );
        let what = format!("{updates} updates of {table} to be counted");
        let in_place = wait_until(SOON, &what, || {
            let counts = team.database.run_sql(&counts).unwrap();
            let (all, in_place) = counts.split_once(' ').unwrap();
            let (all, in_place): (u64, u64) = (all.parse().unwrap(), in_place.parse().unwrap());
            if all >= u64::from(updates) {
                Ok((all, in_place))
            } else {
                Err(counts)
            }
        });
        let (all, in_place) = in_place;
        println!("{table}: {in_place} of {all} updates in place");
        assert!(
            in_place * 10 >= all * IN_PLACE,
            "{table}: {in_place} of {all} updates in place"
        );
    }
}

#[tokio::test]
async fn the_heartbeats_of_many_runners_are_one_statement() {
    let mut server = Postgres::start().unwrap();
    server.configure("log_statement = 'all'").unwrap();
    server.restart().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = PostgresStore::open(
        &server.database().unwrap(),
        node(0),
        directory.path().join("audit.key"),
        Options::default(),
    )
    .await
    .unwrap();
    let runners = running(&store).await;
    for round in 1..=3 {
        let beats = runners.iter().map(|runner| beat(*runner, round)).collect();
        store.record_heartbeats(beats).await.unwrap();
        let written = RunnerFilter::default();
        let shown = store.runners(written).await.unwrap();
        let of_round = |view: &RunnerView| {
            let observation = view.observation.as_ref();
            observation.is_some_and(|seen| seen.memory_bytes == u64::from(round) << 20)
        };
        assert_eq!(
            shown.iter().filter(|view| of_round(view)).count(),
            RUNNERS as usize
        );
        let log = server.log();
        let statements = log.matches("INSERT INTO observations").count();
        assert_eq!(statements, round as usize, "as the server logged");
    }
    store.close().await;
}

async fn running(store: &dyn Store) -> Vec<RunnerId> {
    let now = SystemClock.now();
    let new = NewProject {
        id: ProjectId::new(now),
        name: Name::new("api").unwrap(),
        path: "/srv".into(),
        max_runners: None,
    };
    let project = store.add_project(new, now).await.unwrap();
    let mut runners = Vec::new();
    for _ in 0..RUNNERS {
        let id = RunnerId::new(now);
        let new = NewRunner {
            id,
            name: None,
            project_id: project.id,
            node: store.instance().clone(),
            person: "ada".into(),
            launch: Launch::new("claude", &["claude"], "/srv"),
            queue: false,
            request_id: None,
        };
        store.launch(new, FREE, now).await.unwrap();
        let process = Process {
            pid: 1,
            start_time: 1,
            boot_id: "b".into(),
        };
        let started = Input::Started {
            attempt: 1,
            process,
            at: now,
        };
        store.apply(id, started, FREE, now).await.unwrap();
        runners.push(id);
    }
    runners
}

fn beat(runner: RunnerId, round: u32) -> Heartbeat {
    Heartbeat {
        runner,
        attempt: 1,
        observation: Observation {
            at: SystemClock.now(),
            cpu_percent: f64::from(round),
            memory_bytes: u64::from(round) << 20,
            viewers: 0,
            title: Some(format!(
                "round {round} of many, as a program's title may be"
            )),
        },
    }
}
