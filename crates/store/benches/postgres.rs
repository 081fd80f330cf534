//! Measures the PostgreSQL store on a private server that syncs: `cargo bench -p stratavore-store --bench postgres`. Figures are
//! printed and asserted nowhere.

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
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::{Heartbeat, NewProject, NewRunner, Observation, Store};
use stratavore_testkit::postgres::Postgres;

use measure::{measure, rate};

const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};

#[tokio::main]
async fn main() {
    let mut server = Postgres::start().expect("PostgreSQL starts");
    server
        .configure("fsync = on\nfull_page_writes = on")
        .expect("it is configured");
    server.restart().expect("it starts again");
    println!(
        "{:<34} {:>10} {:>9} {:>9}",
        "PostgreSQL store", "per second", "p50 ms", "p99 ms"
    );
    for projects in [1, 64] {
        for clients in [1, 8, 32] {
            launches(&server, projects, clients).await;
        }
    }
    let (store, _directory) = open(&server, 8).await;
    heartbeats(&store).await;
    outbox(&store).await;
    store.close().await;
}

async fn open(server: &Postgres, connections: u32) -> (Arc<PostgresStore>, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let url = server.database().expect("a database");
    let instance = InstanceId::from_stored("here".into());
    let key = directory.path().join("audit.key");
    let store = PostgresStore::open(&url, instance, key, Options { connections })
        .await
        .expect("the store opens");
    (Arc::new(store), directory)
}

async fn add_project(store: &PostgresStore, number: usize) -> Project {
    let now = SystemClock.now();
    let new = NewProject {
        id: ProjectId::new(now),
        name: Name::new(format!("p{number}")).expect("a name"),
        path: "/".into(),
        max_runners: Some(1_000_000),
    };
    store
        .add_project(new, now)
        .await
        .expect("the project is added")
}

async fn launches(server: &Postgres, projects: usize, clients: usize) {
    let connections = u32::try_from(clients).expect("few");
    let (store, _directory) = open(server, connections).await;
    let mut all = Vec::new();
    for number in 0..projects {
        all.push(add_project(&store, number).await);
    }
    let mut turn = 0;
    let what = format!("launches, {projects} projects, {clients} at once");
    measure(&what, clients, 1000, || {
        turn += 1;
        let mut new = new_runner(&all[turn % all.len()]);
        new.name = Some(Name::new(new.id.to_string()).expect("a name"));
        let store = Arc::clone(&store);
        async move {
            store
                .launch(new, FREE, SystemClock.now())
                .await
                .map(drop)
                .expect("it is launched")
        }
    })
    .await;
    store.close().await;
}

async fn heartbeats(store: &PostgresStore) {
    let project = add_project(store, 0).await;
    let mut live = Vec::new();
    for _ in 0..1000 {
        let mut new = new_runner(&project);
        new.name = Some(Name::new(new.id.to_string()).expect("a name"));
        live.push(new.id);
        store
            .launch(new, FREE, SystemClock.now())
            .await
            .expect("it is launched");
    }
    let begin = Instant::now();
    for _ in 0..100 {
        store
            .record_heartbeats(beats(&live))
            .await
            .expect("they are recorded");
    }
    rate("heartbeats, 1000 in a statement", 100_000, begin.elapsed());
}

async fn outbox(store: &PostgresStore) {
    let owner = ProjectId::new(SystemClock.now()).as_uuid();
    let shards = store
        .outbox_hold(owner, Duration::from_secs(600))
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
        let positions = rows.iter().map(|row| row.position).collect();
        store
            .outbox_delivered(&shards, positions)
            .await
            .expect("they are marked");
    }
    rate("events, listed and marked by 500", depth, begin.elapsed());
}

fn beats(live: &[RunnerId]) -> Vec<Heartbeat> {
    let at = SystemClock.now();
    live.iter()
        .map(|runner| Heartbeat {
            runner: *runner,
            attempt: 1,
            observation: Observation {
                at,
                cpu_percent: 1.5,
                memory_bytes: 1 << 20,
                viewers: 0,
                title: None,
            },
        })
        .collect()
}

fn new_runner(project: &Project) -> NewRunner {
    NewRunner {
        id: RunnerId::new(SystemClock.now()),
        name: None,
        project_id: project.id,
        node: InstanceId::from_stored("here".into()),
        person: "ada".into(),
        launch: Launch::new("claude", &["claude"], "/srv"),
        queue: false,
        request_id: None,
    }
}
