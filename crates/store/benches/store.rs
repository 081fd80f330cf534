//! Measures the SQLite store: `cargo bench -p stratavore-store`. Figures are printed and asserted nowhere.

#[path = "measure/mod.rs"]
mod measure;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::Input;
use stratavore_store::sqlite::{Options, SqliteStore};
use stratavore_store::{Heartbeat, NewProject, NewRunner, Observation, Store};

use measure::{measure, rate};

const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let now = SystemClock.now();
    let (database, key) = (
        directory.path().join("stratavore.db"),
        directory.path().join("audit.key"),
    );
    let store: Arc<dyn Store> = Arc::new(
        SqliteStore::open(&database, &key, Options::default(), now)
            .await
            .expect("the store opens"),
    );
    let new = NewProject {
        id: ProjectId::new(now),
        name: Name::new("api").expect("a name"),
        path: "/".into(),
        max_runners: Some(1_000_000),
    };
    let project = store
        .add_project(new, now)
        .await
        .expect("the project is added");

    println!(
        "{:<34} {:>10} {:>9} {:>9}",
        "SQLite store", "per second", "p50 ms", "p99 ms"
    );
    for clients in [1, 32, 256] {
        // Each time from none to a thousand live ones.
        let mut live = Vec::new();
        measure(
            &format!("launches, {clients} at once"),
            clients,
            1000,
            || {
                let (store, mut new) = (Arc::clone(&store), new_runner(&project));
                new.name = Some(Name::new(new.id.to_string()).expect("a name"));
                live.push(new.id);
                async move {
                    store
                        .launch(new, FREE, SystemClock.now())
                        .await
                        .map(drop)
                        .expect("it is launched")
                }
            },
        )
        .await;
        measure(&format!("ends, {clients} at once"), clients, 1000, || {
            let (store, id) = (Arc::clone(&store), live.pop().expect("one for each"));
            let lost = Input::Lost {
                attempt: 1,
                interrupted: false,
            };
            async move {
                store
                    .apply(id, lost, FREE, SystemClock.now())
                    .await
                    .map(drop)
                    .expect("it ends")
            }
        })
        .await;
    }

    let runner = store
        .launch(new_runner(&project), FREE, now)
        .await
        .expect("it is launched")
        .runner
        .id;
    store
        .apply(runner, started(), FREE, now)
        .await
        .expect("it starts");
    let mut pause = false;
    measure("changes of one runner, 1 at once", 1, 300, || {
        pause = !pause;
        let (store, input) = (
            Arc::clone(&store),
            if pause { Input::Pause } else { Input::Continue },
        );
        async move {
            store
                .apply(runner, input, FREE, SystemClock.now())
                .await
                .map(drop)
                .expect("it is taken")
        }
    })
    .await;

    let mut live = Vec::new();
    for _ in 0..1000 {
        let applied = store
            .launch(new_runner(&project), FREE, now)
            .await
            .expect("it is launched");
        live.push(applied.runner.id);
    }
    let beats = |live: &[RunnerId]| -> Vec<Heartbeat> {
        let at = SystemClock.now();
        let observation = Observation {
            at,
            cpu_percent: 1.5,
            memory_bytes: 1 << 20,
            viewers: 0,
            title: None,
        };
        live.iter()
            .map(|runner| Heartbeat {
                runner: *runner,
                attempt: 1,
                observation: observation.clone(),
            })
            .collect()
    };
    let begin = Instant::now();
    for _ in 0..100 {
        store
            .record_heartbeats(beats(&live))
            .await
            .expect("they are recorded");
    }
    rate("heartbeats, 1000 in a statement", 100_000, begin.elapsed());
    let mut turn = 0;
    measure("heartbeats, one by one, 256 at once", 256, 20_000, || {
        turn += 1;
        let one = beats(&live[turn % live.len()..][..1]);
        let store = Arc::clone(&store);
        async move { store.record_heartbeats(one).await.expect("it is recorded") }
    })
    .await;

    let shards = store
        .outbox_hold(uuid::Uuid::nil(), Duration::from_secs(60))
        .await
        .expect("it is held");
    let depth = store.outbox_depth().await.expect("it is counted");
    let begin = Instant::now();
    loop {
        let rows = store
            .outbox_waiting(&shards, 500)
            .await
            .expect("they are listed");
        if rows.is_empty() {
            break;
        }
        store
            .outbox_delivered(&shards, rows.iter().map(|row| row.position).collect())
            .await
            .expect("they are marked");
    }
    rate("events, listed and marked by 500", depth, begin.elapsed());
    let begin = Instant::now();
    let report = store.verify_audit().await.expect("it is verified");
    rate("events verified", report.events, begin.elapsed());
    let begin = Instant::now();
    store.checkpoint_audit(now).await.expect("it is signed");
    println!(
        "{:<34} {:>10} {:>9.2}",
        format!("checkpoint of {} chains", report.chains),
        "",
        begin.elapsed().as_secs_f64() * 1e3
    );
    store.close().await;
}

fn started() -> Input {
    let process = stratavore_core::runner::Process {
        pid: 1,
        start_time: 1,
        boot_id: "b".into(),
    };
    Input::Started {
        attempt: 1,
        process,
        at: SystemClock.now(),
    }
}

fn new_runner(project: &Project) -> NewRunner {
    let launch = Launch::new("claude", &["claude"], "/srv");
    NewRunner {
        id: RunnerId::new(SystemClock.now()),
        name: None,
        project_id: project.id,
        node: InstanceId::from_stored("here".into()),
        person: "ada".into(),
        launch,
        queue: false,
        request_id: None,
    }
}
