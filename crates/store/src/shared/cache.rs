//! What a host last knew of the shared database, and what it has yet to tell it: a SQLite file of its own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use futures::TryStreamExt;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Row, SqlitePool};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{ProjectId, RunnerId};
use stratavore_core::project::Project;
use stratavore_core::runner::{Input, Runner};

use super::{books, log};
use crate::{NodeView, Result, RunnerFilter, RunnerView, StoreError};

/// The form of what is kept. What another version cached is forgotten; what it spooled is never.
const VERSION: i64 = 3;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS projects (id TEXT PRIMARY KEY, known TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS runners (
    id TEXT PRIMARY KEY, created_at INTEGER NOT NULL, known TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS runner_ages ON runners (created_at);
CREATE TABLE IF NOT EXISTS nodes (id TEXT PRIMARY KEY, known TEXT NOT NULL) STRICT;
-- Has a row once the database has answered.
CREATE TABLE IF NOT EXISTS learned (only_row INTEGER PRIMARY KEY CHECK (only_row = 1)) STRICT;
CREATE TABLE IF NOT EXISTS spool (
    number INTEGER PRIMARY KEY AUTOINCREMENT, runner TEXT NOT NULL, at INTEGER NOT NULL, said TEXT NOT NULL
) STRICT;
";

/// What is to be told to the database of a runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    /// What happened to it.
    Input(Input),
    /// What is to be noted of it.
    Fact(Fact),
}

/// An entry of the spool.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) number: i64,
    pub(super) runner: RunnerId,
    pub(super) at: Timestamp,
    pub(super) said: Said,
}

/// The file.
#[derive(Debug)]
pub(super) struct Cache {
    path: PathBuf,
    pub(super) pool: SqlitePool,
    /// The last entry of the spool that was told, for a full disk may have kept it and those before from being forgotten.
    told: AtomicI64,
}

impl Cache {
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let unusable = |error: sqlx::Error| StoreError::Unusable {
            operation: "open",
            path: path.to_owned(),
            reason: format!("{error}; see that its directory can be written and the disk has room"),
        };
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What a power failure takes of it, an exit above all, is on the disk as the agent left it.
            .synchronous(SqliteSynchronous::Normal)
            .pragma("journal_size_limit", "1048576");
        // One connection: what is read was written before.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(unusable)?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&pool)
            .await
            .map_err(unusable)?;
        if version != VERSION {
            let known = ["projects", "runners", "nodes", "events", "log", "learned"];
            for table in known.into_iter().chain(books::TABLES) {
                let forget = AssertSqlSafe(format!("DROP TABLE IF EXISTS {table}"));
                sqlx::raw_sql(forget)
                    .execute(&pool)
                    .await
                    .map_err(unusable)?;
            }
        }
        for schema in [SCHEMA, log::SCHEMA, books::SCHEMA] {
            sqlx::raw_sql(schema)
                .execute(&pool)
                .await
                .map_err(unusable)?;
        }
        sqlx::raw_sql("PRAGMA user_version = 3")
            .execute(&pool)
            .await
            .map_err(unusable)?;
        // It holds what launches added to environments.
        private(path).map_err(|error| unusable(sqlx::Error::Io(error)))?;
        Ok(Self {
            path: path.to_owned(),
            pool,
            told: AtomicI64::default(),
        })
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    // What is known.

    /// Tells whether anything was ever known.
    pub(super) async fn is_empty(&self) -> Result<bool> {
        let any: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM learned)")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| self.failed("read", error))?;
        Ok(!any)
    }

    /// Replaces all that is known.
    pub(super) async fn replace(
        &self,
        projects: &[Project],
        runners: &[RunnerView],
        nodes: &[NodeView],
    ) -> Result<()> {
        let failed = |error| self.failed("write", error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        self.forget(&mut transaction).await.map_err(failed)?;
        for table in ["DELETE FROM projects", "DELETE FROM runners"] {
            sqlx::query(table)
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        for project in projects {
            put_project(&mut transaction, project)
                .await
                .map_err(failed)?;
        }
        for view in runners {
            put_runner(&mut transaction, view).await.map_err(failed)?;
        }
        put_nodes(&mut transaction, nodes).await.map_err(failed)?;
        sqlx::query("INSERT INTO learned (only_row) VALUES (1) ON CONFLICT DO NOTHING")
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Learns what has changed.
    pub(super) async fn learn(&self, projects: &[Project], runners: &[RunnerView]) -> Result<()> {
        let failed = |error| self.failed("write", error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        self.forget(&mut transaction).await.map_err(failed)?;
        for project in projects {
            put_project(&mut transaction, project)
                .await
                .map_err(failed)?;
        }
        for view in runners {
            put_runner(&mut transaction, view).await.map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    pub(super) async fn projects(&self) -> Result<Vec<Project>> {
        let mut projects: Vec<Project> = self.read_all("SELECT known FROM projects").await?;
        projects.sort_by(|one, other| {
            let key = |project: &Project| (project.name.clone(), project.created_at, project.id);
            key(one).cmp(&key(other))
        });
        Ok(projects)
    }

    pub(super) async fn project(&self, id: ProjectId) -> Result<Project> {
        let projects = self.projects().await?;
        let found = projects.into_iter().find(|project| project.id == id);
        found.ok_or(StoreError::NoProject(id))
    }

    pub(super) async fn nodes(&self) -> Result<Vec<NodeView>> {
        let mut nodes: Vec<NodeView> = self.read_all("SELECT known FROM nodes").await?;
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(nodes)
    }

    pub(super) async fn runner(&self, id: RunnerId) -> Result<RunnerView> {
        let known: Option<String> = sqlx::query_scalar("SELECT known FROM runners WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed("read", error))?;
        match known {
            Some(known) => view(&known),
            None => Err(StoreError::NoRunner(id)),
        }
    }

    /// Lists runners that a filter takes and `wanted` too, the newest first.
    pub(super) async fn runners(
        &self,
        filter: &RunnerFilter,
        wanted: impl Fn(&Runner) -> bool,
    ) -> Result<Vec<RunnerView>> {
        let failed = |error| self.failed("read", error);
        let mut rows = sqlx::query("SELECT known FROM runners ORDER BY created_at DESC, id DESC")
            .fetch(&self.pool);
        let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let mut views = Vec::new();
        while views.len() < limit {
            let Some(row) = rows.try_next().await.map_err(failed)? else {
                break;
            };
            let view = view(row.try_get(0).map_err(failed)?)?;
            let runner = &view.runner;
            let takes = filter
                .project
                .is_none_or(|project| runner.project_id == project)
                && filter.node.as_ref().is_none_or(|node| runner.node == *node)
                && (filter.states.is_empty() || filter.states.contains(&runner.state.name()));
            if takes && wanted(runner) {
                views.push(view);
            }
        }
        Ok(views)
    }

    // What is to be told.

    /// Keeps what a runner has become, and what the database has yet to be told of it.
    pub(super) async fn spool(
        &self,
        changed: Option<&RunnerView>,
        runner: RunnerId,
        said: &Said,
        at: Timestamp,
    ) -> Result<()> {
        let failed = |error| self.failed("write", error);
        let said = serde_json::to_string(said).map_err(|error| corrupt(&error))?;
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        if let Some(view) = changed {
            put_runner(&mut transaction, view).await.map_err(failed)?;
        }
        sqlx::query("INSERT INTO spool (runner, at, said) VALUES ($1, $2, $3)")
            .bind(runner.to_string())
            .bind(at.timestamp_micros())
            .bind(said)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Returns what is to be told next.
    pub(super) async fn next(&self) -> Result<Option<Entry>> {
        let failed = |error| self.failed("read", error);
        let next =
            "SELECT number, runner, at, said FROM spool WHERE number > $1 ORDER BY number LIMIT 1";
        let row = sqlx::query(next)
            .bind(self.told.load(Ordering::Relaxed))
            .fetch_optional(&self.pool)
            .await
            .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let (runner, said): (String, String) = (
            row.try_get(1).map_err(failed)?,
            row.try_get(3).map_err(failed)?,
        );
        let at: i64 = row.try_get(2).map_err(failed)?;
        Ok(Some(Entry {
            number: row.try_get(0).map_err(failed)?,
            runner: runner.parse().map_err(|error| corrupt(&error))?,
            at: Timestamp::from_timestamp_micros(at)
                .ok_or_else(|| corrupt(&"a time out of range"))?,
            said: serde_json::from_str(&said).map_err(|error| corrupt(&error))?,
        }))
    }

    /// Forgets what was told, at the latest when there is room for that: it is not told again meanwhile.
    pub(super) async fn told(&self, number: i64) -> Result<()> {
        self.told.fetch_max(number, Ordering::Relaxed);
        let forgotten = async {
            let mut connection = self.pool.acquire().await?;
            self.forget(&mut connection).await
        };
        match forgotten.await.map_err(|error| self.failed("write", error)) {
            Err(StoreError::DiskFull(_)) => Ok(()),
            forgotten => forgotten,
        }
    }

    async fn forget(&self, connection: &mut sqlx::SqliteConnection) -> sqlx::Result<()> {
        sqlx::query("DELETE FROM spool WHERE number <= $1")
            .bind(self.told.load(Ordering::Relaxed))
            .execute(connection)
            .await
            .map(drop)
    }

    pub(super) async fn read_all<T: for<'de> Deserialize<'de>>(
        &self,
        statement: &'static str,
    ) -> Result<Vec<T>> {
        let known: Vec<String> = sqlx::query_scalar(statement)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("read", error))?;
        known
            .iter()
            .map(|known| serde_json::from_str(known).map_err(|error| corrupt(&error)))
            .collect()
    }

    pub(super) fn failed(&self, operation: &'static str, error: sqlx::Error) -> StoreError {
        match error {
            sqlx::Error::PoolClosed => StoreError::Closed,
            // SQLITE_FULL: https://www.sqlite.org/rescode.html#full
            sqlx::Error::Database(error) if error.code().as_deref() == Some("13") => {
                StoreError::DiskFull(match operation {
                    "read" => "read what is known of the shared database",
                    _ => "keep it until the shared database is back",
                })
            }
            error => StoreError::Unusable {
                operation,
                path: self.path.clone(),
                reason: error.to_string(),
            },
        }
    }
}

fn private(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

fn view(known: &str) -> Result<RunnerView> {
    serde_json::from_str(known).map_err(|error| corrupt(&error))
}

pub(super) fn corrupt(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        what: "what was last known of the database".to_owned(),
        reason: error.to_string(),
    }
}

async fn put_project(
    connection: &mut sqlx::SqliteConnection,
    project: &Project,
) -> sqlx::Result<()> {
    let known =
        serde_json::to_string(project).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("INSERT INTO projects (id, known) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET known = excluded.known")
        .bind(project.id.to_string())
        .bind(known)
        .execute(connection)
        .await
        .map(drop)
}

async fn put_runner(
    connection: &mut sqlx::SqliteConnection,
    view: &RunnerView,
) -> sqlx::Result<()> {
    let known = serde_json::to_string(view).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query(
        "INSERT INTO runners (id, created_at, known) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET known = excluded.known",
    )
    .bind(view.runner.id.to_string())
    .bind(view.runner.created_at.timestamp_micros())
    .bind(known)
    .execute(connection)
    .await
    .map(drop)
}

async fn put_nodes(
    connection: &mut sqlx::SqliteConnection,
    nodes: &[NodeView],
) -> sqlx::Result<()> {
    sqlx::query("DELETE FROM nodes")
        .execute(&mut *connection)
        .await?;
    for node in nodes {
        let known =
            serde_json::to_string(node).map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query("INSERT INTO nodes (id, known) VALUES ($1, $2)")
            .bind(node.id.as_str())
            .bind(known)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
