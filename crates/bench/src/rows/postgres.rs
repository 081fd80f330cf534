//! What PostgreSQL takes in a second, of launches and of heartbeats, beside what it takes of anybody over the same library.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context;
use sqlx::{Connection, PgConnection};
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::quota::Limits;
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::{Heartbeat, NewProject, NewRunner, Observation, Store};
use stratavore_testkit::postgres::Postgres;
use tokio::task::JoinSet;

use crate::effort::Effort;
use crate::sample::Sample;
use crate::table::{Cell, Row};

/// Over how many connections.
const CONNECTIONS: [u32; 3] = [1, 8, 32];
/// How often launches and the bare database are measured, in turns.
const ROUNDS: usize = 5;
/// A quota that is held, and never reached.
const HELD: Limits = Limits {
    project: Some(1_000_000),
    node: None,
    budgets: None,
};
/// Runners whose heartbeats come in one statement.
const FLEET: usize = 1000;

/// Measures launches on one project, which wait for each other, and on many; then heartbeats.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let server = tokio::task::spawn_blocking(durable).await??;
    let mut rows = Vec::new();
    for projects in [1, 64] {
        rows.push(row(
            format!(
                "launches committed in PostgreSQL on {projects} {}, over 1; 8; 32 connections (one INSERT and its commit)",
                if projects == 1 { "project" } else { "projects" }
            ),
            "",
            launches(effort, &server, projects).await,
        ));
    }
    rows.push(row(
        "heartbeats recorded in PostgreSQL, a thousand to a statement (as many rows of a bare table in one UPDATE)"
            .to_owned(),
        "50,000/s",
        heartbeats(effort, &server).await,
    ));
    Ok(rows)
}

/// Starts a server that syncs what it commits, as those of the tests need not.
pub(crate) fn durable() -> anyhow::Result<Postgres> {
    let mut server = Postgres::start()?;
    server.configure("fsync = on\nfull_page_writes = on\nsynchronous_commit = on\n")?;
    server.restart()?;
    Ok(server)
}

fn row(figure: String, goal: &'static str, figures: anyhow::Result<String>) -> Row {
    Row {
        figure,
        goal,
        ours: Cell::of(figures),
        tmux: Cell::Inapplicable,
    }
}

async fn launches(effort: &Effort, server: &Postgres, projects: usize) -> anyhow::Result<String> {
    let keys = tempfile::tempdir()?;
    let url = server.database()?;
    let mut figures = Vec::new();
    for connections in CONNECTIONS {
        let options = Options { connections };
        let node = InstanceId::random();
        let key = keys.path().join(connections.to_string());
        let store = PostgresStore::open(&url, node, key, options).await?;
        let store: Arc<dyn Store> = Arc::new(store);
        let mut bare = Bare::connect(&url, connections).await?;
        let (share, mut ours, mut raws) =
            (effort.transactions.div_ceil(ROUNDS), Vec::new(), Vec::new());
        // One beside the other, for the machine's own ups and downs to meet both.
        for _ in 0..ROUNDS {
            raws.push(bare.insert(share).await?);
            // Fresh ones each time: in none is there more than a round's runners.
            let fresh = add_projects(&store, projects).await?;
            ours.push(launch(&store, &fresh, connections as usize, share).await?.0);
        }
        store.close().await;
        let (ours, raw) = (
            Sample::new(ours)?.percentile(50),
            Sample::new(raws)?.percentile(50),
        );
        figures.push(format!("{ours:.0}/s ({raw:.0}/s)"));
    }
    Ok(figures.join("; "))
}

/// Connections on which nothing but one row is inserted at a time.
struct Bare {
    lines: Vec<PgConnection>,
}

impl Bare {
    async fn connect(url: &str, connections: u32) -> anyhow::Result<Self> {
        let mut lines = Vec::new();
        for _ in 0..connections {
            lines.push(PgConnection::connect(url).await?);
        }
        let table = "CREATE TABLE IF NOT EXISTS bare (id uuid PRIMARY KEY, body text NOT NULL)";
        let first = lines.first_mut().context("one connection at least")?;
        sqlx::query(table).execute(first).await?;
        Ok(Self { lines })
    }

    async fn insert(&mut self, count: usize) -> anyhow::Result<f64> {
        let left = Arc::new(AtomicUsize::new(count));
        let begun = Instant::now();
        let mut inserting = JoinSet::new();
        for mut line in self.lines.drain(..) {
            let left = Arc::clone(&left);
            inserting.spawn(async move {
                while take(&left) {
                    let mut transaction = line.begin().await?;
                    sqlx::query("INSERT INTO bare VALUES ($1, $2)")
                        .bind(uuid::Uuid::new_v4())
                        .bind("as long as a name")
                        .execute(&mut *transaction)
                        .await?;
                    transaction.commit().await?;
                }
                anyhow::Ok(line)
            });
        }
        let lines: anyhow::Result<Vec<_>> = inserting.join_all().await.into_iter().collect();
        self.lines = lines?;
        Ok(count as f64 / begun.elapsed().as_secs_f64())
    }
}

/// Takes one of what is left, if anything is.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

/// Adds so many projects of names of their own.
pub(crate) async fn add_projects(
    store: &Arc<dyn Store>,
    count: usize,
) -> anyhow::Result<Vec<ProjectId>> {
    let mut projects = Vec::new();
    for _ in 0..count {
        let now = SystemClock.now();
        let id = ProjectId::new(now);
        let new = NewProject {
            id,
            name: Name::new(format!("p-{}", id.as_uuid().simple()))?,
            path: "/".into(),
            max_runners: None,
        };
        projects.push(store.add_project(new, now).await?.id);
    }
    Ok(projects)
}

/// Launches so many runners in turn on these projects, some at once; gives how many a second, and them.
pub(crate) async fn launch(
    store: &Arc<dyn Store>,
    projects: &[ProjectId],
    at_once: usize,
    count: usize,
) -> anyhow::Result<(f64, Vec<RunnerId>)> {
    let left = Arc::new(AtomicUsize::new(count));
    let projects: Arc<[ProjectId]> = projects.into();
    let mut launching = JoinSet::new();
    let begun = Instant::now();
    for first in 0..at_once {
        let (store, left, projects) = (Arc::clone(store), Arc::clone(&left), Arc::clone(&projects));
        launching.spawn(async move {
            let mut launched = Vec::new();
            let mut turn = first;
            while take(&left) {
                let project = projects[turn % projects.len()];
                turn += at_once;
                let new = new_runner(store.instance().clone(), project);
                launched.push(store.launch(new, HELD, SystemClock.now()).await?.runner.id);
            }
            anyhow::Ok(launched)
        });
    }
    let launched: anyhow::Result<Vec<Vec<RunnerId>>> =
        launching.join_all().await.into_iter().collect();
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    Ok((rate, launched?.concat()))
}

async fn heartbeats(effort: &Effort, server: &Postgres) -> anyhow::Result<String> {
    let keys = tempfile::tempdir()?;
    let (url, node) = (server.database()?, InstanceId::random());
    let key = keys.path().join("node.key");
    let store = PostgresStore::open(&url, node, key, Options::default()).await?;
    let store: Arc<dyn Store> = Arc::new(store);
    let projects = add_projects(&store, 1).await?;
    let fleet = effort.transactions.min(FLEET);
    let (_, runners) = launch(&store, &projects, 8, fleet).await?;
    let mut bare = BareBeats::connect(&url, &runners).await?;
    let share = (100 * effort.transactions).div_ceil(ROUNDS * fleet);
    let (mut ours, mut raws) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for _ in 0..share {
            bare.update(&runners).await?;
        }
        raws.push((share * fleet) as f64 / begun.elapsed().as_secs_f64());
        let begun = Instant::now();
        for _ in 0..share {
            store
                .record_heartbeats(runners.iter().copied().map(heartbeat).collect())
                .await?;
        }
        ours.push((share * fleet) as f64 / begun.elapsed().as_secs_f64());
    }
    store.close().await;
    let (ours, raw) = (
        Sample::new(ours)?.percentile(50),
        Sample::new(raws)?.percentile(50),
    );
    Ok(format!("{ours:.0}/s ({raw:.0}/s)"))
}

/// A table of rows as wide as heartbeats, that belong to nothing and are compared with nothing.
struct BareBeats {
    line: PgConnection,
}

impl BareBeats {
    async fn connect(url: &str, runners: &[RunnerId]) -> anyhow::Result<Self> {
        let mut line = PgConnection::connect(url).await?;
        let table = "CREATE TABLE bare_beats (id uuid PRIMARY KEY, at timestamptz NOT NULL, cpu double precision NOT NULL, \
                     memory bigint NOT NULL, title text NOT NULL) WITH (fillfactor = 50)";
        sqlx::query(table).execute(&mut line).await?;
        let fill =
            "INSERT INTO bare_beats SELECT id, now(), 0, 0, '' FROM UNNEST($1::uuid[]) AS t (id)";
        let ids: Vec<uuid::Uuid> = runners.iter().map(|runner| runner.as_uuid()).collect();
        sqlx::query(fill).bind(ids).execute(&mut line).await?;
        Ok(Self { line })
    }

    async fn update(&mut self, runners: &[RunnerId]) -> anyhow::Result<()> {
        let update = "UPDATE bare_beats b SET at = h.at, cpu = h.cpu, memory = h.memory, title = h.title \
                      FROM UNNEST($1::uuid[], $2::timestamptz[], $3::double precision[], $4::bigint[], $5::text[]) \
                      AS h (id, at, cpu, memory, title) WHERE b.id = h.id";
        let beats: Vec<Heartbeat> = runners.iter().copied().map(heartbeat).collect();
        let of = beats.iter().map(|beat| &beat.observation);
        let updated = sqlx::query(update)
            .bind(
                beats
                    .iter()
                    .map(|beat| beat.runner.as_uuid())
                    .collect::<Vec<_>>(),
            )
            .bind(of.clone().map(|seen| seen.at).collect::<Vec<_>>())
            .bind(of.clone().map(|seen| seen.cpu_percent).collect::<Vec<_>>())
            .bind(
                of.clone()
                    .map(|seen| seen.memory_bytes.cast_signed())
                    .collect::<Vec<_>>(),
            )
            .bind(of.map(|seen| seen.title.clone()).collect::<Vec<_>>())
            .execute(&mut self.line)
            .await?;
        anyhow::ensure!(
            updated.rows_affected() == runners.len() as u64,
            "rows are missing"
        );
        Ok(())
    }
}

/// Makes what an agent tells of its runner.
pub(crate) fn heartbeat(runner: RunnerId) -> Heartbeat {
    let observation = Observation {
        at: SystemClock.now(),
        cpu_percent: 1.5,
        memory_bytes: 1 << 20,
        viewers: 0,
        title: Some("Mending the store".to_owned()),
    };
    Heartbeat {
        runner,
        attempt: 1,
        observation,
    }
}

fn new_runner(node: InstanceId, project_id: ProjectId) -> NewRunner {
    NewRunner {
        id: RunnerId::new(SystemClock.now()),
        name: None,
        project_id,
        node,
        person: "ada".to_owned(),
        launch: Launch::new("claude", &["claude"], "/"),
        queue: false,
        request_id: None,
    }
}
