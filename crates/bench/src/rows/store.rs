//! What the store takes in a second. The store's own benchmark looks closer: `cargo bench -p stratavore-store`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::quota::Limits;
use stratavore_store::sqlite::{Options, SqliteStore};
use stratavore_store::{Heartbeat, NewProject, NewRunner, Observation, Store};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::effort::Effort;
use crate::table::{Cell, Row};

const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};

/// Measures launches, the heaviest change, as events; then heartbeats of what was launched.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let directory = tempfile::tempdir()?;
    let now = SystemClock.now();
    let (database, key) = (
        directory.path().join("stratavore.db"),
        directory.path().join("audit.key"),
    );
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&database, &key, Options::default(), now).await?);
    let new = NewProject {
        id: ProjectId::new(now),
        name: Name::new("bench")?,
        path: "/".into(),
        max_runners: None,
    };
    let project = store.add_project(new, now).await?.id;

    let single = effort.changes.div_ceil(10);
    let begun = Instant::now();
    for _ in 0..single {
        store
            .launch(new_runner(project), FREE, SystemClock.now())
            .await?;
    }
    let one_by_one = rate(single, begun);

    let room = Arc::new(Semaphore::new(256));
    let mut launches = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..effort.changes {
        let (store, room) = (Arc::clone(&store), Arc::clone(&room));
        launches.spawn(async move {
            let _place = room.acquire().await?;
            let applied = store
                .launch(new_runner(project), FREE, SystemClock.now())
                .await?;
            anyhow::Ok(applied.runner.id)
        });
    }
    let runners: anyhow::Result<Vec<RunnerId>> = launches.join_all().await.into_iter().collect();
    let at_once = rate(effort.changes, begun);

    let (fleet, mut beats) = (&runners?[..effort.changes.min(1000)], 0);
    let begun = Instant::now();
    while beats < 10 * effort.changes {
        store
            .record_heartbeats(fleet.iter().map(|runner| heartbeat(*runner)).collect())
            .await?;
        beats += fleet.len();
    }
    let heartbeats = rate(beats, begun);

    let shards = store
        .outbox_hold(project.as_uuid(), Duration::from_secs(60))
        .await?;
    let (mut delivered, begun) = (0, Instant::now());
    loop {
        let waiting = store.outbox_waiting(&shards, 500).await?;
        if waiting.is_empty() {
            break;
        }
        delivered += waiting.len();
        store
            .outbox_delivered(&shards, waiting.iter().map(|row| row.position).collect())
            .await?;
    }
    let outbox = rate(delivered, begun);
    store.close().await;

    let row = |figure: &str, figures: String| Row {
        figure: figure.to_owned(),
        goal: "",
        ours: Cell::Measured(figures),
        tmux: Cell::Inapplicable,
    };
    Ok(vec![
        row(
            "events committed, each with a launch and synced: one by one; 256 at once",
            format!("{one_by_one}; {at_once}"),
        ),
        row("heartbeats recorded, a thousand to a statement", heartbeats),
        row(
            "events taken from the outbox and marked delivered, by 500",
            outbox,
        ),
    ])
}

fn rate(count: usize, begun: Instant) -> String {
    format!("{:.0}/s", count as f64 / begun.elapsed().as_secs_f64())
}

fn heartbeat(runner: RunnerId) -> Heartbeat {
    let at = SystemClock.now();
    let observation = Observation {
        at,
        cpu_percent: 1.5,
        memory_bytes: 1 << 20,
        viewers: 0,
        title: None,
    };
    Heartbeat {
        runner,
        attempt: 1,
        observation,
    }
}

fn new_runner(project_id: ProjectId) -> NewRunner {
    let launch = Launch::new("claude", &["claude"], "/");
    NewRunner {
        id: RunnerId::new(SystemClock.now()),
        name: None,
        project_id,
        node: InstanceId::from_stored("bench".into()),
        person: "bench".into(),
        launch,
        queue: false,
        request_id: None,
    }
}
