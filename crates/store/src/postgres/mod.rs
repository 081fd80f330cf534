//! The store of a team: a PostgreSQL database that several nodes share.
//!
//! Every node decides as SQLite's writer does, by the same code; what it decided is written by one statement that proves that
//! nothing had changed meanwhile. Quotas are held by advisory locks on the scopes they count.
//!
//! Each node seals what it appends with the key of its own data directory, and chains go on across keys, since a seal covers
//! the seal before it. Checking the log on one node therefore proves what that node wrote and that nothing is missing; what
//! others sealed is counted as theirs. To check everything on one machine, put the lines of the others' `audit.key` behind the
//! first line of its own.

/// Writes `ledger.method(arguments)` as work.
macro_rules! work {
    ($method:ident($($argument:expr),*)) => {
        Box::new(move |ledger| Box::pin(async move { ledger.$method($($argument),*).await }))
    };
}

mod address;
mod budgets;
mod copy;
mod follower;
mod ledger;
mod lines;
mod presets;
mod schema;
mod sessions;
mod sql;
#[cfg(test)]
mod tests;
mod trouble;
mod usage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use sqlx::PgConnection;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgRow;
use stratavore_core::clock::{Timestamp, to_micros};
use stratavore_core::fact::Fact;
use stratavore_core::ids::{self, InstanceId, NoticeId, ProjectId, RunnerId};
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, StateName};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::audit::Keyring;
use crate::row::{EventRow, LetterRow, NodeRow, OutboxEntry, ProjectRow, RunnerRow, unsigned};
use crate::{
    Applied, AuditReport, Availability, Cursor, DeadLetter, Event, EventFilter, Heartbeat, NewNode,
    NewProject, NewRunner, NodeView, Notice, OutboxRow, Position, Pruned, Result, RunnerFilter,
    RunnerView, Shard, Store, StoreError,
};
use address::Address;
use follower::{Follower, number};
use ledger::{Ledger, Node};
use lines::{Lines, WHOLE_LOG, WORK};
use trouble::Outcome;

pub use copy::{Copied, copy_from_sqlite};
pub use schema::{Schema, migrate, schema};

/// The versions of the schema, numbered alike for every database.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many connections work at once. One more follows the log.
    pub connections: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { connections: 8 }
    }
}

/// Keeps everything in a PostgreSQL database.
pub struct PostgresStore {
    node: Arc<Node>,
    lines: Lines,
    /// Tells the follower of own commits.
    nudge: Arc<Notify>,
    commits: watch::Receiver<Cursor>,
    availability: watch::Receiver<Availability>,
    /// Gone once the store is closed.
    follower: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore")
            .field("address", self.lines.address())
            .field("instance", &self.node.instance)
            .finish_non_exhaustive()
    }
}

/// Work on a connection.
type Work<T> = Box<dyn for<'l> FnOnce(&'l mut Ledger<'_>) -> BoxFuture<'l, Outcome<T>> + Send>;

impl PostgresStore {
    /// Opens the store for the host of an instance, brings the database to the newest version, and makes the key of the
    /// node's seals where there is none.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Newer`] or [`StoreError::BadKey`], each naming what is wrong and the mend,
    /// and never the password.
    pub async fn open(
        url: &str,
        instance: InstanceId,
        key: impl AsRef<Path>,
        options: Options,
    ) -> Result<Self> {
        let address = Address::parse(url)?;
        let (keys, _) = Keyring::open(key.as_ref())?;
        let last = schema::prepare(&address, &MIGRATIONS, &keys, &instance).await?;
        let (committed, commits) = watch::channel(last);
        let (available, availability) = watch::channel(Availability::Here);
        let nudge = Arc::new(Notify::new());
        let follower = Follower {
            address: address.clone(),
            nudge: Arc::clone(&nudge),
            commits: committed,
            availability: available,
        };
        Ok(Self {
            node: Arc::new(Node::new(keys, instance)),
            lines: Lines::new(address, options.connections),
            nudge,
            commits,
            availability,
            follower: Mutex::new(Some(tokio::spawn(follower.run()))),
        })
    }

    /// Does work on a connection that is lent for it.
    async fn run<T>(&self, operation: &'static str, work: Work<T>) -> Result<T> {
        self.run_within(WORK, operation, work).await
    }

    /// Does work over the whole log, which may take its time.
    async fn run_long<T>(&self, operation: &'static str, work: Work<T>) -> Result<T> {
        self.run_within(WHOLE_LOG, operation, work).await
    }

    async fn run_within<T>(
        &self,
        limit: Duration,
        operation: &'static str,
        work: Work<T>,
    ) -> Result<T> {
        // What is known to be away is not waited for again: the follower tells when it is back.
        if let Availability::Away { reason, .. } = &*self.availability.borrow() {
            let reason = reason.clone();
            return Err(StoreError::Away { reason });
        }
        let address = self.lines.address();
        let mut line = match self.lines.lend().await {
            Ok(line) => line,
            Err(trouble) => {
                self.nudge.notify_one();
                return Err(trouble.during(operation, address));
            }
        };
        let mut ledger = Ledger {
            connection: &mut line.connection,
            node: &self.node,
        };
        let outcome = Lines::limit(limit, work(&mut ledger)).await;
        self.lines.take_back(line, &outcome).await;
        if matches!(&outcome, Err(trouble) if trouble.breaks_the_line()) {
            self.nudge.notify_one();
        }
        outcome.map_err(|trouble| trouble.during(operation, address))
    }

    /// Does work that appends events.
    async fn append<T>(&self, operation: &'static str, work: Work<T>) -> Result<T> {
        let outcome = self.run(operation, work).await;
        self.nudge.notify_one();
        outcome
    }

    /// Reads rows as domain values. A connection that was lost under it is replaced once.
    async fn read_all<R, T>(
        &self,
        operation: &'static str,
        query: impl Fn() -> Query + Send + Sync,
        map: fn(R) -> Result<T>,
    ) -> Result<Vec<T>>
    where
        R: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
        T: Send,
    {
        let mut again = true;
        loop {
            let query = query();
            let rows: Result<Vec<PgRow>> = self
                .run(
                    operation,
                    Box::new(move |ledger| {
                        Box::pin(async move { Ok(query.fetch_all(&mut *ledger.connection).await?) })
                    }),
                )
                .await;
            match rows {
                Err(StoreError::Away { .. }) if std::mem::take(&mut again) => {}
                rows => {
                    return rows?
                        .iter()
                        .map(|row| {
                            R::from_row(row)
                                .map_err(|source| StoreError::Database { operation, source })
                                .and_then(map)
                        })
                        .collect();
                }
            }
        }
    }

    /// Gives cursors to the events that have none, so that what is read next misses none of them.
    async fn number(&self, operation: &'static str) -> Result<Cursor> {
        self.run(
            operation,
            Box::new(|ledger| Box::pin(number::<PgConnection>(ledger.connection))),
        )
        .await
    }
}

/// A statement with its arguments.
type Query = sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments>;

#[async_trait]
impl Store for PostgresStore {
    fn instance(&self) -> &InstanceId {
        &self.node.instance
    }

    fn availability(&self) -> watch::Receiver<Availability> {
        self.availability.clone()
    }

    fn commits(&self) -> watch::Receiver<Cursor> {
        self.commits.clone()
    }

    async fn add_project(&self, new: NewProject, now: Timestamp) -> Result<Project> {
        let now = to_micros(now);
        self.append("add the project", work!(add_project(new, now)))
            .await
    }

    async fn projects(&self, archived: bool) -> Result<Vec<Project>> {
        let query = || sqlx::query(sql::project::LIST).bind(archived);
        self.read_all("list projects", query, ProjectRow::project)
            .await
    }

    async fn project(&self, id: ProjectId) -> Result<Project> {
        let query = || sqlx::query(sql::project::GET).bind(id.as_uuid());
        self.read_all("read the project", query, ProjectRow::project)
            .await?
            .pop()
            .ok_or(StoreError::NoProject(id))
    }

    async fn archive_project(&self, id: ProjectId, now: Timestamp) -> Result<Project> {
        let now = to_micros(now);
        self.append("archive the project", work!(archive_project(id, now)))
            .await
    }

    async fn launch(&self, new: NewRunner, limits: Limits, now: Timestamp) -> Result<Applied> {
        let now = to_micros(now);
        self.append("launch the runner", work!(launch(new, limits, now)))
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
        self.append("change the runner", work!(apply(id, input, limits, now)))
            .await?
    }

    async fn admit_queued(&self, limits: Limits, now: Timestamp) -> Result<Vec<Applied>> {
        let now = to_micros(now);
        self.append("admit queued runners", work!(admit_queued(limits, now)))
            .await
    }

    async fn note(&self, id: RunnerId, fact: Fact, now: Timestamp) -> Result<()> {
        let now = to_micros(now);
        self.append("note a fact of the runner", work!(note(id, fact, now)))
            .await
    }

    async fn runners(&self, filter: RunnerFilter) -> Result<Vec<RunnerView>> {
        let project = filter.project.map(|id| id.as_uuid());
        let limit = filter.limit.map(i64::from);
        let node = filter.node.map(|node| node.to_string());
        let states: Vec<&'static str> = filter.states.iter().map(|state| state.as_str()).collect();
        let query = || {
            if states.is_empty() {
                sqlx::query(sql::runner::LIST)
                    .bind(project)
                    .bind(limit)
                    .bind(node.clone())
            } else {
                sqlx::query(sql::runner::LIST_IN_STATES)
                    .bind(project)
                    .bind(limit)
                    .bind(node.clone())
                    .bind(states.clone())
            }
        };
        self.read_all("list runners", query, RunnerRow::view).await
    }

    async fn runners_called(&self, beginning: &str) -> Result<Vec<RunnerView>> {
        let ids = ids::beginning_with(beginning);
        let beginning = beginning.replace('\0', "");
        let query = || {
            sqlx::query(sql::runner::CALLED)
                .bind(beginning.clone())
                .bind(ids.map(|(least, _)| least))
                .bind(ids.map(|(_, greatest)| greatest))
        };
        self.read_all("find runners", query, RunnerRow::view).await
    }

    async fn runner_counts(&self) -> Result<BTreeMap<StateName, u64>> {
        let counts = self
            .run(
                "count runners",
                Box::new(|ledger| Box::pin(ledger::counts(ledger.connection))),
            )
            .await?;
        Ok(counts.into_iter().collect())
    }

    async fn runner(&self, id: RunnerId) -> Result<RunnerView> {
        let query = || sqlx::query(sql::runner::GET).bind(id.as_uuid());
        self.read_all("read the runner", query, RunnerRow::view)
            .await?
            .pop()
            .ok_or(StoreError::NoRunner(id))
    }

    async fn record_heartbeats(&self, heartbeats: Vec<Heartbeat>) -> Result<()> {
        if heartbeats.is_empty() {
            return Ok(());
        }
        self.run("record heartbeats", work!(record_heartbeats(heartbeats)))
            .await
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>> {
        self.number("list events").await?;
        let query = || {
            sqlx::query(sql::event::AFTER)
                .bind(filter.after.0)
                .bind(i64::from(filter.limit))
        };
        self.read_all("list events", query, EventRow::event).await
    }

    async fn last_cursor(&self) -> Result<Cursor> {
        self.number("read the last cursor").await
    }

    async fn verify_audit(&self) -> Result<AuditReport> {
        self.run_long("verify the audit log", work!(inspect()))
            .await
    }

    async fn checkpoint_audit(&self, now: Timestamp) -> Result<()> {
        let operation = "sign a checkpoint of the audit log";
        self.number(operation).await?;
        let now = to_micros(now);
        self.run_long(operation, work!(checkpoint(now))).await
    }

    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<Pruned> {
        let (before, now) = (to_micros(before), to_micros(now));
        self.run_long("prune the audit log", work!(prune(before, now)))
            .await
    }

    async fn outbox_hold(&self, owner: Uuid, ttl: Duration) -> Result<Vec<Shard>> {
        self.run("hold the outbox", work!(outbox_hold(owner, ttl)))
            .await
    }

    async fn outbox_release(&self, owner: Uuid) -> Result<()> {
        self.run("release the outbox", work!(outbox_release(owner)))
            .await
    }

    async fn outbox_waiting(&self, shards: &[Shard], limit: u32) -> Result<Vec<OutboxRow>> {
        self.number("list the outbox").await?;
        let numbers: Vec<i16> = shards.iter().map(|shard| i16::from(shard.number)).collect();
        let query = || {
            sqlx::query(sql::outbox::WAITING)
                .bind(numbers.clone())
                .bind(i64::from(limit))
        };
        self.read_all("list the outbox", query, OutboxEntry::waiting)
            .await
    }

    async fn outbox_delivered(&self, shards: &[Shard], positions: Vec<Position>) -> Result<()> {
        let shards = shards.to_vec();
        self.run(
            "mark events as delivered",
            work!(outbox_delivered(&shards, &positions)),
        )
        .await?
    }

    async fn outbox_failed(
        &self,
        shards: &[Shard],
        position: Position,
        error: String,
        max_attempts: u32,
        now: Timestamp,
    ) -> Result<bool> {
        let (shards, now) = (shards.to_vec(), to_micros(now));
        self.run(
            "count a failed delivery",
            work!(outbox_failed(&shards, position, &error, max_attempts, now)),
        )
        .await?
    }

    async fn outbox_depth(&self) -> Result<u64> {
        let query = || sqlx::query(sql::outbox::DEPTH);
        let count = |(count,): (i64,)| unsigned("count the outbox", count);
        let counts = self.read_all("count the outbox", query, count).await?;
        Ok(counts.into_iter().sum())
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>> {
        let query = || sqlx::query(sql::outbox::DEAD);
        self.read_all("list dead letters", query, LetterRow::letter)
            .await
    }

    async fn outbox_retry(&self, aggregate: Option<Uuid>) -> Result<u64> {
        self.run("release dead letters", work!(outbox_retry(aggregate)))
            .await
    }

    async fn outbox_drop(&self, position: Position) -> Result<()> {
        self.run("give a dead letter up", work!(outbox_drop(position)))
            .await
    }

    async fn claim_notices(
        &self,
        person: &str,
        consumer: &str,
        now: Timestamp,
    ) -> Result<Vec<Notice>> {
        self.number("claim notices").await?;
        let (person, consumer, now) = (person.to_owned(), consumer.to_owned(), to_micros(now));
        self.run(
            "claim notices",
            work!(claim_notices(&person, &consumer, now)),
        )
        .await
    }

    async fn notice_shown(&self, id: NoticeId, now: Timestamp) -> Result<()> {
        let now = to_micros(now);
        self.run(
            "record that a notice was shown",
            work!(notice_shown(id, now)),
        )
        .await
    }

    async fn answer_interrupted(&self, _now: Timestamp) -> Result<Vec<RunnerId>> {
        self.run(
            "answer for interrupted runners",
            work!(answer_interrupted()),
        )
        .await
    }

    async fn interrupted(&self) -> Result<Vec<RunnerView>> {
        let query = || sqlx::query(sql::runner::INTERRUPTED).bind(self.node.instance.to_string());
        self.read_all("list interrupted runners", query, RunnerRow::view)
            .await
    }

    async fn register_node(&self, new: NewNode, incarnation: Uuid, ttl: Duration) -> Result<()> {
        self.run(
            "register the node",
            work!(register_node(new, incarnation, ttl)),
        )
        .await
    }

    async fn heard_from_node(&self, id: &InstanceId, incarnation: Uuid) -> Result<()> {
        let id = id.clone();
        self.run(
            "record that the node lives",
            work!(heard_from_node(&id, incarnation)),
        )
        .await
    }

    async fn node_left(&self, id: &InstanceId, incarnation: Uuid) -> Result<()> {
        let id = id.clone();
        self.run(
            "record that the node's host ends",
            work!(node_left(&id, incarnation)),
        )
        .await
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        let query = || sqlx::query(sql::node::LIST);
        self.read_all("list nodes", query, NodeRow::view).await
    }

    async fn forget_node(&self, id: &InstanceId, now: Timestamp) -> Result<Vec<Applied>> {
        let (id, now) = (id.clone(), to_micros(now));
        self.append("forget the node", work!(forget_node(&id, now)))
            .await
    }

    async fn close(&self) {
        let follower = self
            .follower
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.lines.close().await;
        if let Some(follower) = follower {
            follower.abort();
            // It ends by being aborted.
            let _ = follower.await;
        }
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        let follower = self
            .follower
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(follower) = follower.take() {
            follower.abort();
        }
    }
}
