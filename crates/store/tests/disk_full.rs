//! A full disk: what was answered stays, what could not be written says so, and with room again all goes on.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use stratavore_core::clock::SystemClock;
use stratavore_core::ids::{InstanceId, RunnerId};
use stratavore_core::runner::{Exit, Input, Process, StateName};
use stratavore_store::postgres::{self, PostgresStore};
use stratavore_store::shared::SharedStore;
use stratavore_store::{
    Availability, Cursor, EventFilter, NewRunner, Result, RunnerFilter, Store, StoreError,
};
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::tcp_proxy::{Server, TcpProxy};
use stratavore_testkit::wait_until_async;
use support::{FREE, Files, add_project, launch, new_runner, now, on_small_disk, role};

const SOON: Duration = Duration::from_secs(30);

#[test]
fn nothing_answered_is_lost_and_all_goes_on_with_room_again() {
    const TEST: &str = "nothing_answered_is_lost_and_all_goes_on_with_room_again";
    let Some(disk) = role() else {
        let directory = tempfile::tempdir().unwrap();
        on_small_disk(TEST, directory.path());
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(fill(&Files::within(&disk), &disk.join("ballast")));
}

async fn fill(files: &Files, ballast: &std::path::Path) {
    let store = files.open().await.unwrap();
    let project = add_project(&store, None).await;
    let mut answered: Vec<RunnerId> = vec![launch(&store, &project).await.unwrap().runner.id];

    fill_up(ballast);
    // Little ones, that may still fit into what the log has, and big ones that do not.
    let big = |i: usize| -> NewRunner {
        let mut new = new_runner(&project);
        new.launch
            .argv
            .push("x".repeat(if i % 5 == 4 { 400_000 } else { 10 }));
        new
    };
    let outcomes =
        futures::future::join_all((0..100).map(|i| store.launch(big(i), FREE, now()))).await;
    let refused: Vec<String> = outcomes
        .iter()
        .filter_map(|o| o.as_ref().err().map(|e| e.to_string()))
        .collect();
    answered.extend(outcomes.iter().flatten().map(|applied| applied.runner.id));
    assert!(refused.len() >= 20, "{refused:?}");
    for (outcome, text) in outcomes
        .iter()
        .filter(|outcome| outcome.is_err())
        .zip(&refused)
    {
        assert!(matches!(outcome, Err(StoreError::DiskFull(_))), "{text}");
        assert!(
            text.contains("launch the runner") && text.contains("free some space"),
            "{text}"
        );
    }
    // Reading goes on.
    assert_eq!(
        store.runners(RunnerFilter::default()).await.unwrap().len(),
        answered.len()
    );

    fs::remove_file(ballast).unwrap();
    answered.push(launch(&store, &project).await.unwrap().runner.id);
    whole(&store, &answered).await.unwrap();
    store.close().await;
    let again = files.open().await.unwrap();
    whole(&again, &answered).await.unwrap();
    again.close().await;
}

/// Leaves no room on a disk.
fn fill_up(ballast: &Path) {
    let mut file = File::options()
        .append(true)
        .create(true)
        .open(ballast)
        .unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

async fn whole(store: &dyn Store, answered: &[RunnerId]) -> Result<()> {
    assert_eq!(
        store.runners(RunnerFilter::default()).await?.len(),
        answered.len()
    );
    for id in answered {
        store.runner(*id).await?;
    }
    let report = store.verify_audit().await?;
    assert_eq!(
        (report.events, report.faults),
        (1 + answered.len() as u64, vec![])
    );
    assert_eq!(store.outbox_depth().await?, report.events);
    Ok(())
}

#[test]
fn an_exit_is_not_lost_that_neither_the_database_nor_the_disk_under_the_cache_takes() {
    const TEST: &str =
        "an_exit_is_not_lost_that_neither_the_database_nor_the_disk_under_the_cache_takes";
    let Some(disk) = role() else {
        let directory = tempfile::tempdir().unwrap();
        let disk = directory.path().join("disk");
        fs::create_dir(&disk).unwrap();
        let server = Postgres::listening("").unwrap();
        let place = format!("{} {}", server.address(), server.tcp_url("postgres"));
        fs::write(directory.path().join("server"), place).unwrap();
        on_small_disk(TEST, &disk);
        return;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(away_and_full(&disk));
}

async fn away_and_full(disk: &Path) {
    let beside = disk.parent().unwrap();
    let place = fs::read_to_string(beside.join("server")).unwrap();
    let (address, url) = place.split_once(' ').unwrap();
    let proxy = TcpProxy::start(Server::Tcp(address.parse().unwrap())).unwrap();
    let url = url.replace(address, &proxy.address().to_string());
    let (node, key) = (
        InstanceId::from_stored("here".into()),
        beside.join("audit.key"),
    );
    let connect = {
        let node = node.clone();
        Box::new(move || {
            let (url, node, key) = (url.clone(), node.clone(), key.clone());
            async move {
                let options = postgres::Options::default();
                let store = PostgresStore::open(&url, node, key, options).await?;
                Ok(Arc::new(store) as Arc<dyn Store>)
            }
            .boxed()
        })
    };
    let (cache, ballast) = (disk.join("cache.db"), disk.join("ballast"));
    let store = SharedStore::open(&cache, node, Arc::new(SystemClock), connect)
        .await
        .unwrap();
    let project = add_project(&store, None).await;
    let mut runners = Vec::new();
    for _ in 0..2 {
        let id = launch(&store, &project).await.unwrap().runner.id;
        apply(&store, id, started()).await.unwrap();
        runners.push(id);
    }
    let [with_room, with_database] = runners[..] else {
        unreachable!()
    };

    proxy.cut();
    becomes(&store, false).await;
    fill_up(&ballast);
    // The second does not fit either into what the first, kept and forgotten, leaves in the cache's own files.
    let (ends, ends_too) = (exited(400_000), exited(2_000_000));
    for (id, end) in [(with_room, &ends), (with_database, &ends_too)] {
        let refused = apply(&store, id, end.clone()).await.unwrap_err();
        assert!(matches!(refused, StoreError::DiskFull(_)), "{refused:?}");
        let said = refused.to_string();
        assert!(
            said.contains("keep it until the shared database is back")
                && said.contains("free some space"),
            "{said}"
        );
        // Nothing of it is half known.
        assert_eq!(state(&store, id).await, StateName::Running);
    }

    // With room again it is kept, though the database is away still.
    fs::remove_file(&ballast).unwrap();
    apply(&store, with_room, ends).await.unwrap();
    becomes(&store, false).await;
    assert_eq!(state(&store, with_room).await, StateName::Failed);

    // With the database back it is kept, though there is no room still; what was kept before is told, each once.
    fill_up(&ballast);
    apply(&store, with_database, ends_too.clone())
        .await
        .unwrap_err();
    proxy.resume();
    becomes(&store, true).await;
    apply(&store, with_database, ends_too).await.unwrap();
    assert_eq!(state(&store, with_room).await, StateName::Failed);
    for runner in runners.iter().copied() {
        assert_eq!(count(&store, runner).await, 3);
    }

    // With both, what is known catches up with what is, and nothing is told a second time.
    fs::remove_file(&ballast).unwrap();
    let learned = async || {
        let cache = SqliteConnectOptions::new().filename(&cache).connect().await;
        let mut cache = cache.unwrap();
        let known = "SELECT (SELECT count(*) FROM spool) = 0 AND EXISTS \
             (SELECT 1 FROM runners WHERE id = $1 AND json_extract(known, '$.runner.state') LIKE '%failed%')";
        let known = sqlx::query_scalar::<_, bool>(known).bind(with_database.to_string());
        known.fetch_one(&mut cache).await.unwrap()
    };
    wait_until_async(SOON, "what is known to be what is", learned).await;
    proxy.cut();
    becomes(&store, false).await;
    assert_eq!(state(&store, with_database).await, StateName::Failed);
    proxy.resume();
    becomes(&store, true).await;
    for runner in runners {
        assert_eq!(count(&store, runner).await, 3);
    }
    store.close().await;
}

async fn apply(store: &SharedStore, id: RunnerId, input: Input) -> Result<()> {
    store.apply(id, input, FREE, now()).await.map(drop)
}

async fn state(store: &SharedStore, id: RunnerId) -> StateName {
    store.runner(id).await.unwrap().runner.state.name()
}

/// Counts the events of a runner.
async fn count(store: &SharedStore, id: RunnerId) -> usize {
    let filter = EventFilter {
        after: Cursor(0),
        limit: u32::MAX,
    };
    let events = store.events(filter).await.unwrap();
    let of_it = events
        .iter()
        .filter(|event| event.aggregate_id == id.as_uuid());
    of_it.count()
}

/// Waits until the database is known to be away, or back. That it is away shows when it is asked.
async fn becomes(store: &SharedStore, here: bool) {
    let what = if here {
        "the database to be back"
    } else {
        "it to be away"
    };
    wait_until_async(SOON, what, async || {
        let _ = store.runner_counts().await;
        let known = store.availability().borrow().clone();
        if (known == Availability::Here) == here {
            Ok(())
        } else {
            Err(format!("{known:?}"))
        }
    })
    .await;
}

fn started() -> Input {
    let process = Process {
        pid: 1,
        start_time: 1,
        boot_id: "b".into(),
    };
    Input::Started {
        attempt: 1,
        process,
        at: now(),
    }
}

/// An end that takes more room than what a full disk has left here and there.
fn exited(bytes: usize) -> Input {
    Input::Exited {
        attempt: 1,
        exit: Exit::Signal("x".repeat(bytes)),
        at: now(),
    }
}
