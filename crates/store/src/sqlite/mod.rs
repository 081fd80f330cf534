//! The store of one machine: a SQLite file in WAL mode, one task that writes, a few connections that read.
//!
//! Nothing here wakes up by itself: an idle store costs nothing.

/// Writes `ledger.method(arguments)` as work for the writer.
macro_rules! work {
    ($method:ident($($argument:expr),*)) => {
        Box::new(move |ledger: &mut Ledger| -> futures::future::BoxFuture<'_, _> { Box::pin(ledger.$method($($argument),*)) })
    };
}

mod budgets;
mod file;
mod ledger;
mod presets;
mod sessions;
mod sql;
#[cfg(test)]
mod tests;
mod trouble;
mod usage;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::migrate::Migrator;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow, SqliteSynchronous};
use sqlx::{Connection, Sqlite, SqliteConnection, SqlitePool};
use stratavore_core::clock::{Timestamp, to_micros};
use stratavore_core::fact::Fact;
use stratavore_core::ids::{self, InstanceId, NoticeId, ProjectId, RunnerId};
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, StateName};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::audit::{Checkpoint, HeadRow, Inspection, Keyring};
use crate::row::{
    self, ChainHead, CheckpointRow, EventRow, LetterRow, LinkRow, NodeRow, OutboxEntry, ProjectRow,
    RunnerRow, unsigned,
};
use crate::{
    Applied, AuditReport, Cursor, DeadLetter, Event, EventFilter, Heartbeat, NewNode, NewProject,
    NewRunner, NodeView, Notice, OutboxRow, Position, Pruned, Result, RunnerFilter, RunnerView,
    Shard, Store, StoreError,
};
use file::File;
use ledger::{Ledger, Outcome, outbox};
use trouble::Trouble;
use writer::{Class, Request, Work, Writer, request};

/// The versions of the schema, numbered alike for every database.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many connections read at once.
    pub readers: u32,
    /// How many writes may wait before callers do.
    pub queue: usize,
    /// How long to wait for another process that writes, such as a backup.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            readers: 4,
            queue: 1024,
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// Keeps everything in a SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    instance: InstanceId,
    keys: Keyring,
    readers: SqlitePool,
    commits: watch::Receiver<Cursor>,
    /// Gone once the store is closed.
    requests: Mutex<Option<mpsc::Sender<Box<dyn Request>>>>,
    /// Taken by whoever closes the store.
    writer: tokio::sync::Mutex<Option<JoinHandle<()>>>,
}

impl SqliteStore {
    /// Opens the store, or makes it where there is none: the database, and the key of its audit chain.
    ///
    /// # Errors
    /// [`StoreError::Unusable`], [`StoreError::Newer`] or [`StoreError::BadKey`], each naming the file and the mend.
    pub async fn open(
        database: impl AsRef<Path>,
        key: impl AsRef<Path>,
        options: Options,
        now: Timestamp,
    ) -> Result<Self> {
        Self::open_with(&MIGRATIONS, database.as_ref(), key.as_ref(), options, now).await
    }

    async fn open_with(
        migrator: &Migrator,
        path: &Path,
        key: &Path,
        options: Options,
        now: Timestamp,
    ) -> Result<Self> {
        let file = File::prepare(path)?;
        let writing = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .busy_timeout(options.busy_timeout)
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            // What a burst made the log grow to is given back.
            .pragma("journal_size_limit", "16777216")
            .thread_name(|n| format!("sqlite-write-{n}"));
        let mut connection = file.connect(&writing).await?;
        let (keys, instance, last) =
            match Self::prepare(&file, &mut connection, migrator, key, now).await {
                Ok(prepared) => prepared,
                Err(error) => {
                    // Or the next attempt, perhaps on a backup put in its place, meets the log of this one.
                    let _ = connection.close().await;
                    return Err(error);
                }
            };

        let reading = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(options.busy_timeout)
            .thread_name(|n| format!("sqlite-read-{n}"));
        // Without lifetimes there is no task that looks after them.
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false)
            .connect_with(reading)
            .await
            .map_err(|error| file.failed("open", error))?;

        let (sender, requests) = mpsc::channel(options.queue);
        let (committed, commits) = watch::channel(last);
        let ledger = Ledger::new(connection, keys.clone(), instance.clone(), last);
        let writer = Writer {
            ledger,
            requests,
            commits: committed,
            class: Class::Durable,
        };
        Ok(Self {
            path: path.to_owned(),
            instance,
            keys,
            readers,
            commits,
            requests: Mutex::new(Some(sender)),
            writer: tokio::sync::Mutex::new(Some(tokio::spawn(writer.run()))),
        })
    }

    /// Brings the database up to date; returns what it is, and where its log ends.
    async fn prepare(
        file: &File<'_>,
        connection: &mut SqliteConnection,
        migrator: &Migrator,
        key: &Path,
        now: Timestamp,
    ) -> Result<(Keyring, InstanceId, Cursor)> {
        file.migrate(connection, migrator).await?;
        let (keys, made) = Keyring::open(key)?;
        let failed = |error| file.failed("open", error);
        sqlx::query(sql::instance::CREATE)
            .bind(InstanceId::random().as_str())
            .bind(now.timestamp_micros())
            .execute(&mut *connection)
            .await
            .map_err(failed)?;
        let instance: String = sqlx::query_scalar(sql::instance::ID)
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        let last: i64 = sqlx::query_scalar(sql::event::LAST)
            .fetch_one(connection)
            .await
            .map_err(failed)?;
        if made && last > 0 {
            tracing::warn!(
                key = %key.display(),
                "the audit key was gone and a new one was made: events from before can no longer be verified"
            );
        }
        Ok((keys, InstanceId::from_stored(instance), Cursor(last)))
    }

    /// Returns the path of the database.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lends a connection that reads.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Sqlite>> {
        let lent = self.readers.acquire().await;
        lent.map_err(|error| Trouble::Sql(error).during("read the database"))
    }

    /// Hands work to the writer and waits until it is committed. Once handed over it is done even if nobody waits.
    async fn write<T: Send + 'static>(
        &self,
        class: Class,
        operation: &'static str,
        work: Work<T>,
    ) -> Result<T> {
        let sender = self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let sender = sender.ok_or(StoreError::Closed)?;
        let (request, answer) = request(class, operation, work);
        sender.send(request).await.map_err(|_| StoreError::Closed)?;
        drop(sender);
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Reads one row, if there is one, as a domain value.
    async fn read_one<R, T>(
        &self,
        operation: &'static str,
        query: Query<'_>,
        map: fn(R) -> Result<T>,
    ) -> Result<Option<T>>
    where
        R: for<'r> sqlx::FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let row = query
            .fetch_optional(&self.readers)
            .await
            .map_err(|error| Trouble::Sql(error).during(operation))?;
        row.map(|row| {
            R::from_row(&row)
                .map_err(|error| Trouble::Sql(error).during(operation))
                .and_then(map)
        })
        .transpose()
    }

    /// Reads rows as domain values.
    async fn read_all<R, T>(
        &self,
        operation: &'static str,
        query: Query<'_>,
        map: fn(R) -> Result<T>,
    ) -> Result<Vec<T>>
    where
        R: for<'r> sqlx::FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let rows = query
            .fetch_all(&self.readers)
            .await
            .map_err(|error| Trouble::Sql(error).during(operation))?;
        rows.iter()
            .map(|row| {
                R::from_row(row)
                    .map_err(|error| Trouble::Sql(error).during(operation))
                    .and_then(map)
            })
            .collect()
    }

    /// Reads a number that cannot be negative.
    async fn read_number(&self, operation: &'static str, statement: &'static str) -> Result<u64> {
        let number: i64 = sqlx::query_scalar(statement)
            .fetch_one(&self.readers)
            .await
            .map_err(|error| Trouble::Sql(error).during(operation))?;
        unsigned(operation, number)
    }

    /// Checks the chains as they stood at one moment.
    async fn inspect(&self) -> Outcome<AuditReport> {
        use futures::TryStreamExt;

        let mut snapshot = self.readers.begin().await?;
        let heads: Vec<ChainHead> = sqlx::query_as(sql::audit::HEADS)
            .fetch_all(&mut *snapshot)
            .await?;
        let heads = heads.into_iter().map(HeadRow::from).collect();
        let checkpoints: Vec<CheckpointRow> = sqlx::query_as(sql::audit::CHECKPOINTS)
            .fetch_all(&mut *snapshot)
            .await?;
        let checkpoints: Vec<Checkpoint> = checkpoints.into_iter().map(Checkpoint::from).collect();
        let signed = checkpoints
            .last()
            .map(|last| (last.cursor, last.events - last.pruned));
        let mut inspection = Inspection::new(&self.keys, BTreeSet::new(), heads, checkpoints);
        {
            let mut links = sqlx::query_as::<_, LinkRow>(sql::audit::CHAINS).fetch(&mut *snapshot);
            while let Some(row) = links.try_next().await? {
                inspection.take(row.link());
            }
        }
        let mut report = inspection.report();
        if let Some((cursor, signed)) = signed {
            let found: i64 = sqlx::query_scalar(sql::audit::COUNT_UNTIL)
                .bind(cursor)
                .fetch_one(&mut *snapshot)
                .await?;
            report.expect_count(found, signed);
        }
        Ok(report)
    }
}

/// A statement with its arguments.
type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

#[async_trait]
impl Store for SqliteStore {
    fn instance(&self) -> &InstanceId {
        &self.instance
    }

    fn commits(&self) -> watch::Receiver<Cursor> {
        self.commits.clone()
    }

    async fn add_project(&self, new: NewProject, now: Timestamp) -> Result<Project> {
        let now = to_micros(now);
        self.write(
            Class::Durable,
            "add the project",
            work!(add_project(new, now)),
        )
        .await
    }

    async fn projects(&self, archived: bool) -> Result<Vec<Project>> {
        self.read_all(
            "list projects",
            sqlx::query(sql::project::LIST).bind(archived),
            ProjectRow::project,
        )
        .await
    }

    async fn project(&self, id: ProjectId) -> Result<Project> {
        let query = sqlx::query(sql::project::GET).bind(id.as_uuid());
        self.read_one("read the project", query, ProjectRow::project)
            .await?
            .ok_or(StoreError::NoProject(id))
    }

    async fn archive_project(&self, id: ProjectId, now: Timestamp) -> Result<Project> {
        let now = to_micros(now);
        self.write(
            Class::Durable,
            "archive the project",
            work!(archive_project(id, now)),
        )
        .await
    }

    async fn launch(&self, new: NewRunner, limits: Limits, now: Timestamp) -> Result<Applied> {
        let now = to_micros(now);
        self.write(
            Class::Durable,
            "launch the runner",
            work!(launch(new, limits, now)),
        )
        .await?
    }

    async fn apply(
        &self,
        id: RunnerId,
        input: Input,
        limits: Limits,
        now: Timestamp,
    ) -> Result<Applied> {
        let now = to_micros(now);
        self.write(
            Class::Durable,
            "change the runner",
            work!(apply(id, input, limits, now)),
        )
        .await?
    }

    async fn admit_queued(&self, limits: Limits, now: Timestamp) -> Result<Vec<Applied>> {
        let now = to_micros(now);
        self.write(
            Class::Durable,
            "admit queued runners",
            work!(admit_queued(limits, now)),
        )
        .await
    }

    async fn note(&self, id: RunnerId, fact: Fact, now: Timestamp) -> Result<()> {
        let now = to_micros(now);
        self.write(
            Class::Durable,
            "note a fact of the runner",
            work!(note(id, fact, now)),
        )
        .await
    }

    async fn runners(&self, filter: RunnerFilter) -> Result<Vec<RunnerView>> {
        let project = filter.project.map(|id| id.as_uuid());
        // A negative limit is none.
        let limit = filter.limit.map_or(-1, i64::from);
        let node = filter.node.map(|node| node.to_string());
        let query = if filter.states.is_empty() {
            sqlx::query(sql::runner::LIST)
                .bind(project)
                .bind(limit)
                .bind(node)
        } else {
            let states: Vec<&str> = filter.states.iter().map(|state| state.as_str()).collect();
            let states = row::json("states", &states)?;
            sqlx::query(sql::runner::LIST_IN_STATES)
                .bind(project)
                .bind(limit)
                .bind(node)
                .bind(states)
        };
        self.read_all("list runners", query, RunnerRow::view).await
    }

    async fn runners_called(&self, beginning: &str) -> Result<Vec<RunnerView>> {
        let ids = ids::beginning_with(beginning);
        let query = sqlx::query(sql::runner::CALLED)
            .bind(beginning)
            .bind(ids.map(|(least, _)| least))
            .bind(ids.map(|(_, greatest)| greatest));
        self.read_all("find runners", query, RunnerRow::view).await
    }

    async fn runner(&self, id: RunnerId) -> Result<RunnerView> {
        let query = sqlx::query(sql::runner::GET).bind(id.as_uuid());
        self.read_one("read the runner", query, RunnerRow::view)
            .await?
            .ok_or(StoreError::NoRunner(id))
    }

    async fn record_heartbeats(&self, heartbeats: Vec<Heartbeat>) -> Result<()> {
        if heartbeats.is_empty() {
            return Ok(());
        }
        self.write(
            Class::Lazy,
            "record heartbeats",
            work!(record_heartbeats(heartbeats)),
        )
        .await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>> {
        let query = sqlx::query(sql::event::AFTER)
            .bind(filter.after.0)
            .bind(filter.limit);
        self.read_all("list events", query, EventRow::event).await
    }

    async fn last_cursor(&self) -> Result<Cursor> {
        let cursor: i64 = sqlx::query_scalar(sql::event::LAST)
            .fetch_one(&self.readers)
            .await
            .map_err(|error| Trouble::Sql(error).during("read the last cursor"))?;
        Ok(Cursor(cursor))
    }

    async fn verify_audit(&self) -> Result<AuditReport> {
        self.inspect()
            .await
            .map_err(|trouble| trouble.during("verify the audit log"))
    }

    async fn checkpoint_audit(&self, now: Timestamp) -> Result<()> {
        let now = to_micros(now);
        self.write(
            Class::Durable,
            "sign a checkpoint of the audit log",
            work!(checkpoint(now)),
        )
        .await
    }

    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<Pruned> {
        let (before, now) = (to_micros(before), to_micros(now));
        self.write(
            Class::Durable,
            "prune the audit log",
            work!(prune(before, now)),
        )
        .await
    }

    async fn outbox_hold(&self, _owner: Uuid, _ttl: Duration) -> Result<Vec<Shard>> {
        Ok(outbox::all())
    }

    async fn outbox_release(&self, _owner: Uuid) -> Result<()> {
        Ok(())
    }

    async fn outbox_waiting(&self, shards: &[Shard], limit: u32) -> Result<Vec<OutboxRow>> {
        let (shards, _) = outbox::numbers(shards)?;
        let query = sqlx::query(sql::outbox::WAITING).bind(shards).bind(limit);
        self.read_all("list the outbox", query, OutboxEntry::waiting)
            .await
    }

    async fn outbox_delivered(&self, shards: &[Shard], positions: Vec<Position>) -> Result<()> {
        let (shards, fenced) = outbox::numbers(shards)?;
        if !positions.is_empty() {
            self.write(
                Class::Lazy,
                "mark events as delivered",
                work!(outbox_delivered(shards, positions)),
            )
            .await?;
        }
        if fenced {
            Err(StoreError::Fenced)
        } else {
            Ok(())
        }
    }

    async fn outbox_failed(
        &self,
        shards: &[Shard],
        position: Position,
        error: String,
        max_attempts: u32,
        now: Timestamp,
    ) -> Result<bool> {
        let (now, (shards, fenced)) = (to_micros(now), outbox::numbers(shards)?);
        let parked = self
            .write(
                Class::Lazy,
                "count a failed delivery",
                work!(outbox_failed(shards, position, error, max_attempts, now)),
            )
            .await?;
        if fenced {
            Err(StoreError::Fenced)
        } else {
            Ok(parked)
        }
    }

    async fn outbox_retry(&self, aggregate: Option<Uuid>) -> Result<u64> {
        self.write(
            Class::Durable,
            "release dead letters",
            work!(outbox_retry(aggregate)),
        )
        .await
    }

    async fn outbox_drop(&self, position: Position) -> Result<()> {
        self.write(
            Class::Durable,
            "give a dead letter up",
            work!(outbox_drop(position)),
        )
        .await
    }

    async fn outbox_depth(&self) -> Result<u64> {
        self.read_number("count the outbox", sql::outbox::DEPTH)
            .await
    }

    async fn runner_counts(&self) -> Result<BTreeMap<StateName, u64>> {
        let counts: Vec<(StateName, u64)> = self
            .read_all(
                "count runners",
                sqlx::query(sql::runner::COUNTS),
                row::count,
            )
            .await?;
        Ok(counts.into_iter().collect())
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>> {
        self.read_all(
            "list dead letters",
            sqlx::query(sql::outbox::DEAD),
            LetterRow::letter,
        )
        .await
    }

    async fn claim_notices(
        &self,
        person: &str,
        consumer: &str,
        now: Timestamp,
    ) -> Result<Vec<Notice>> {
        let (person, consumer, now) = (person.to_owned(), consumer.to_owned(), to_micros(now));
        let work: Work<Vec<Notice>> = Box::new(move |ledger| {
            Box::pin(async move { ledger.claim_notices(&person, &consumer, now).await })
        });
        self.write(Class::Lazy, "claim notices", work).await
    }

    async fn notice_shown(&self, id: NoticeId, now: Timestamp) -> Result<()> {
        let now = to_micros(now);
        self.write(
            Class::Lazy,
            "record that a notice was shown",
            work!(notice_shown(id, now)),
        )
        .await
    }

    async fn answer_interrupted(&self, _now: Timestamp) -> Result<Vec<RunnerId>> {
        self.write(
            Class::Durable,
            "answer for interrupted runners",
            work!(answer_interrupted()),
        )
        .await
    }

    async fn interrupted(&self) -> Result<Vec<RunnerView>> {
        self.read_all(
            "list interrupted runners",
            sqlx::query(sql::runner::INTERRUPTED).bind(self.instance.as_str()),
            RunnerRow::view,
        )
        .await
    }

    async fn register_node(&self, new: NewNode, incarnation: Uuid, ttl: Duration) -> Result<()> {
        self.write(
            Class::Lazy,
            "register the node",
            work!(register_node(new, incarnation, ttl)),
        )
        .await
    }

    async fn heard_from_node(&self, id: &InstanceId, incarnation: Uuid) -> Result<()> {
        let id = id.clone();
        self.write(
            Class::Lazy,
            "record that the node lives",
            work!(heard_from_node(id, incarnation)),
        )
        .await
    }

    async fn node_left(&self, id: &InstanceId, incarnation: Uuid) -> Result<()> {
        let id = id.clone();
        self.write(
            Class::Lazy,
            "record that the node's host ends",
            work!(node_left(id, incarnation)),
        )
        .await
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        let mut nodes = self
            .read_all("list nodes", sqlx::query(sql::node::LIST), NodeRow::view)
            .await?;
        for node in nodes.iter_mut().filter(|node| node.id == self.instance) {
            node.silent = None;
        }
        Ok(nodes)
    }

    async fn forget_node(&self, id: &InstanceId, now: Timestamp) -> Result<Vec<Applied>> {
        let (id, now) = (id.clone(), to_micros(now));
        self.write(
            Class::Durable,
            "forget the node",
            work!(forget_node(id, now)),
        )
        .await
    }

    async fn close(&self) {
        drop(
            self.requests
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        self.readers.close().await;
        // The lock is held until the writer has ended: whoever closes at the same time waits for that too.
        let mut writer = self.writer.lock().await;
        if let Some(task) = writer.as_mut() {
            if let Err(error) = task.await {
                tracing::error!(%error, "the writer of the store ended abnormally");
            }
            *writer = None;
        }
    }
}
