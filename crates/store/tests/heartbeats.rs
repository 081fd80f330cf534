//! Heartbeats while the database is away: kept in memory, and told when it is back, however often that takes.

#[path = "support/pair.rs"]
mod pair;
mod support;
#[path = "support/team.rs"]
mod team;

use pair::{Pair, SOON};
use sqlx::{ConnectOptions, Connection};
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::RunnerId;
use stratavore_store::{Availability, Heartbeat, NewRunner, Observation, RunnerFilter, Store};
use stratavore_testkit::wait_until_async;
use support::{FREE, add_project, new_runner, now};
use team::node;

fn heartbeat(runner: RunnerId, at: Timestamp, memory_bytes: u64) -> Heartbeat {
    let observation = Observation {
        at,
        cpu_percent: 1.0,
        memory_bytes,
        viewers: 0,
        title: None,
    };
    Heartbeat {
        runner,
        attempt: 1,
        observation,
    }
}

async fn runners(pair: &Pair) -> [RunnerId; 2] {
    let project = add_project(&pair.store, None).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let new = NewRunner {
            node: node(0),
            ..new_runner(&project)
        };
        let launched = pair.store.launch(new, FREE, now()).await.unwrap();
        ids.push(launched.runner.id);
    }
    [ids[0], ids[1]]
}

/// Returns how much memory each is said to take, as another node is told.
async fn told(pair: &Pair, runners: [RunnerId; 2]) -> [Option<u64>; 2] {
    let mut memory = [None; 2];
    for (memory, id) in memory.iter_mut().zip(runners) {
        let view = pair.other.runner(id).await.unwrap();
        *memory = view.observation.map(|observation| observation.memory_bytes);
    }
    memory
}

async fn are_told(pair: &Pair, runners: [RunnerId; 2], expected: [u64; 2]) {
    wait_until_async(
        SOON,
        "the heartbeats that were kept",
        async || match told(pair, runners).await {
            told if told == expected.map(Some) => Ok(()),
            told => Err(format!("{told:?}")),
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_latest_of_each_runner_is_told_when_the_database_is_back() {
    let pair = Pair::open().await;
    let [one, two] = runners(&pair).await;
    let store = &pair.store;
    let first = now();
    let beat = |runner, seconds, memory| {
        heartbeat(runner, first + chrono::TimeDelta::seconds(seconds), memory)
    };
    store
        .record_heartbeats(vec![beat(one, 0, 10)])
        .await
        .unwrap();
    pair.cut().await;
    let beats = vec![beat(one, 1, 11), beat(two, 1, 21)];
    store.record_heartbeats(beats).await.unwrap();
    store
        .record_heartbeats(vec![beat(one, 2, 12)])
        .await
        .unwrap();
    assert_eq!(told(&pair, [one, two]).await, [Some(10), None]);
    // Whose runner it is knows better.
    for runner in [
        store.runner(one).await.unwrap(),
        store
            .runners_called(&one.to_string())
            .await
            .unwrap()
            .remove(0),
    ] {
        let seen = runner.observation.expect("it was observed");
        assert_eq!(
            (seen.memory_bytes, seen.at),
            (12, beat(one, 2, 12).observation.at)
        );
    }
    let mut memory: Vec<_> = store.runners(RunnerFilter::default()).await.unwrap();
    memory.sort_by_key(|view| view.runner.id);
    let memory = memory
        .into_iter()
        .map(|view| view.observation.map(|seen| seen.memory_bytes));
    assert_eq!(memory.collect::<Vec<_>>(), [Some(12), Some(21)]);
    pair.resume().await;
    are_told(&pair, [one, two], [12, 21]).await;
    pair.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_database_does_not_take_when_it_is_back_is_told_again() {
    let pair = Pair::open().await;
    let [one, two] = runners(&pair).await;
    let store = &pair.store;
    let first = now();
    let beat = |runner, seconds, memory| {
        heartbeat(runner, first + chrono::TimeDelta::seconds(seconds), memory)
    };
    pair.cut().await;
    let beats = vec![beat(one, 1, 11), beat(two, 1, 21)];
    store.record_heartbeats(beats).await.unwrap();
    // Whoever writes there waits until the server refuses it.
    let url: sqlx::postgres::PgConnectOptions = pair.server.tcp_url("postgres").parse().unwrap();
    let mut lock = url.connect().await.unwrap();
    let mut held = lock.begin().await.unwrap();
    sqlx::query("LOCK TABLE observations IN SHARE MODE")
        .execute(&mut *held)
        .await
        .unwrap();
    pair.proxy.resume();
    let mut availability = store.availability();
    let refused = availability.wait_for(|known| {
        matches!(known, Availability::Away { reason, .. } if reason.contains("stayed locked"))
    });
    tokio::time::timeout(SOON, refused).await.unwrap().unwrap();
    // What is newer than what was not taken goes before it.
    store
        .record_heartbeats(vec![beat(two, 2, 22)])
        .await
        .unwrap();
    assert_eq!(told(&pair, [one, two]).await, [None, None]);
    held.rollback().await.unwrap();
    are_told(&pair, [one, two], [11, 22]).await;
    lock.close().await.unwrap();
    pair.close().await;
}
