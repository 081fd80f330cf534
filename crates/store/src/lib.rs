//! Keeps what Stratavore knows: projects, runners, events, the outbox, notices, and what is read of the programs' own files.
//!
//! [`Store`] is the whole interface. Every change of a runner goes through [`Store::apply`], which asks
//! [`stratavore_core::runner::Runner::apply`] and keeps what it answers: the runner, the events and their outbox rows,
//! in one transaction. Effects come back to the caller, to be executed once that transaction is durable.

mod admission;
mod audit;
mod chain;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod farewell;
mod knowledge;
mod model;
mod moment;
pub mod postgres;
mod row;
pub mod shared;
pub mod sqlite;

pub use error::StoreError;
pub use knowledge::{
    Budgets, By, Digest, Hit, Presets, Quarter, Reading, SearchQuery, SessionFilter, Sessions,
    Usage, UsageFilter, UsageRow, Wanted,
};
pub use model::{
    Admitted, Applied, AuditFault, AuditReport, Availability, Cursor, DeadLetter, Event,
    EventFilter, Heartbeat, NewNode, NewProject, NewRunner, NodeView, Notice, Observation,
    OutboxRow, Position, Pruned, RunnerFilter, RunnerView, Shard,
};

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use async_trait::async_trait;
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{InstanceId, NoticeId, ProjectId, RunnerId};
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, StateName};
use tokio::sync::watch;
use uuid::Uuid;

/// The outcome of an operation on the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Keeps what Stratavore knows. One behaviour, whatever the database: the conformance suite says which.
#[async_trait]
pub trait Store: Sessions + Usage + Budgets + Presets + Send + Sync + 'static {
    /// Returns the identity of the instance whose host uses this store: the node that it is.
    fn instance(&self) -> &InstanceId;

    /// Tells whether the database can be reached, and wakes whoever waits when that changes. A database in a file always can.
    fn availability(&self) -> watch::Receiver<Availability> {
        static HERE: LazyLock<watch::Sender<Availability>> =
            LazyLock::new(|| watch::Sender::new(Availability::Here));
        HERE.subscribe()
    }

    /// Returns the cursor after the last committed event, and wakes whoever waits on it at every commit of events.
    fn commits(&self) -> watch::Receiver<Cursor>;

    /// Adds a project.
    ///
    /// # Errors
    /// [`StoreError::NameTaken`] when another project that is not archived has its name.
    async fn add_project(&self, new: NewProject, now: Timestamp) -> Result<Project>;

    /// Lists projects by name, archived ones only when asked for.
    async fn projects(&self, archived: bool) -> Result<Vec<Project>>;

    /// Returns a project, or [`StoreError::NoProject`].
    async fn project(&self, id: ProjectId) -> Result<Project>;

    /// Archives a project; its history stays, and its name becomes free. Archiving it again changes nothing.
    ///
    /// # Errors
    /// [`StoreError::ProjectBusy`] while runners of it are not final.
    async fn archive_project(&self, id: ProjectId, now: Timestamp) -> Result<Project>;

    /// Launches a runner: checks name, quotas and project, inserts it, appends its events, fills the outbox, in one
    /// durable transaction. With `queue`, a full quota makes it wait instead. The same `request_id` again returns the
    /// runner of the first time, without effects. `limits.project` is the project's own limit where it has one, which
    /// the store reads itself inside the transaction; the value given here is the default for projects without.
    /// `limits.node` is this node's; for a launch on another the limit counts that it registered with.
    ///
    /// # Errors
    /// [`StoreError::QuotaFull`] (with the holders; a `project.quota_refused` event is appended),
    /// [`StoreError::NameTaken`], [`StoreError::NoProject`], [`StoreError::ProjectArchived`].
    async fn launch(&self, new: NewRunner, limits: Limits, now: Timestamp) -> Result<Applied>;

    /// Applies an input to a runner and keeps the outcome, durably.
    ///
    /// A restart of a runner that holds no place is held to `limits`, as a launch is.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the runner's state does not take it, [`StoreError::NoRunner`],
    /// [`StoreError::QuotaFull`].
    async fn apply(
        &self,
        id: RunnerId,
        input: Input,
        limits: Limits,
        now: Timestamp,
    ) -> Result<Applied>;

    /// Gives free places to queued runners of this node, the longest waiting first, and returns those that got one.
    async fn admit_queued(&self, limits: Limits, now: Timestamp) -> Result<Vec<Applied>>;

    /// Appends a fact about a runner that changes no state, such as [`Fact::OverCeiling`]. The same fact of the same moment is
    /// there once, however often it is told: who does not know whether it was kept tells it again.
    async fn note(&self, id: RunnerId, fact: Fact, now: Timestamp) -> Result<()>;

    /// Lists runners, the newest first.
    async fn runners(&self, filter: RunnerFilter) -> Result<Vec<RunnerView>>;

    /// Lists runners whose name or id begins with a text, the newest first.
    async fn runners_called(&self, beginning: &str) -> Result<Vec<RunnerView>>;

    /// Counts runners by state; states without any are left out.
    async fn runner_counts(&self) -> Result<BTreeMap<StateName, u64>>;

    /// Returns a runner with its latest observation, or [`StoreError::NoRunner`].
    async fn runner(&self, id: RunnerId) -> Result<RunnerView>;

    /// Keeps the latest observation of many runners, in one statement. One for an older attempt, an ended runner, or an
    /// earlier time changes nothing.
    async fn record_heartbeats(&self, heartbeats: Vec<Heartbeat>) -> Result<()>;

    /// Lists events in commit order after a cursor.
    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>>;

    /// Returns the cursor after the last event.
    async fn last_cursor(&self) -> Result<Cursor>;

    /// Checks the chain of every aggregate against the signed checkpoints.
    async fn verify_audit(&self) -> Result<AuditReport>;

    /// Signs a checkpoint over the heads of all chains that changed since the last.
    async fn checkpoint_audit(&self, now: Timestamp) -> Result<()>;

    /// Removes events from before a moment behind a signed checkpoint: of each chain the first ones, as far as they are
    /// delivered, but never the last event of what still lives.
    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<Pruned>;

    /// Takes or keeps this owner's fair share of the outbox's eight shards, for so long by the database's clock, and returns
    /// what it now holds. What was held and is not returned belongs to another from here on.
    async fn outbox_hold(&self, owner: Uuid, ttl: Duration) -> Result<Vec<Shard>>;

    /// Gives back what an owner holds, for others to take at once.
    async fn outbox_release(&self, owner: Uuid) -> Result<()>;

    /// Lists undelivered outbox rows of these shards in commit order, up to `limit`, leaving out parked aggregates.
    async fn outbox_waiting(&self, shards: &[Shard], limit: u32) -> Result<Vec<OutboxRow>>;

    /// Marks rows of these shards as delivered.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] when one of the shards is no longer held so. None of its rows is marked then; those of the
    /// others are.
    async fn outbox_delivered(&self, shards: &[Shard], positions: Vec<Position>) -> Result<()>;

    /// Counts a failed delivery of a row of these shards; after `max_attempts` the row becomes a dead letter and parks its
    /// aggregate. Returns whether it did.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], as for [`Store::outbox_delivered`].
    async fn outbox_failed(
        &self,
        shards: &[Shard],
        position: Position,
        error: String,
        max_attempts: u32,
        now: Timestamp,
    ) -> Result<bool>;

    /// Counts events that wait for delivery, parked ones included.
    async fn outbox_depth(&self) -> Result<u64>;

    /// Lists dead letters.
    async fn dead_letters(&self) -> Result<Vec<DeadLetter>>;

    /// Lets dead letters be tried anew, those of one aggregate or all, and returns how many there were.
    async fn outbox_retry(&self, aggregate: Option<Uuid>) -> Result<u64>;

    /// Gives a dead letter up: it is never delivered, and what follows it in its aggregate is. The event stays in the log.
    ///
    /// # Errors
    /// [`StoreError::NoDeadLetter`].
    async fn outbox_drop(&self, position: Position) -> Result<()>;

    /// Claims this person's notices that nobody has claimed for this consumer, oldest first. One that was claimed longer
    /// than a minute ago and never shown is claimed again. What was written before persons were recorded is anybody's.
    async fn claim_notices(
        &self,
        person: &str,
        consumer: &str,
        now: Timestamp,
    ) -> Result<Vec<Notice>>;

    /// Records that a notice was shown.
    async fn notice_shown(&self, id: NoticeId, now: Timestamp) -> Result<()>;

    /// Marks this node's runners that were interrupted as offered and answered, so that the offer is made once. Returns
    /// those that were waiting for the answer.
    async fn answer_interrupted(&self, now: Timestamp) -> Result<Vec<RunnerId>>;

    /// Lists this node's runners that failed as interrupted and were neither answered for nor started since.
    async fn interrupted(&self) -> Result<Vec<RunnerView>>;

    /// Registers the host of a node. It counts as silent when it is not heard from for `ttl`, by the database's clock.
    ///
    /// # Errors
    /// [`StoreError::NodeTaken`] while another incarnation of it, from another seat, is heard from.
    async fn register_node(&self, new: NewNode, incarnation: Uuid, ttl: Duration) -> Result<()>;

    /// Records that a node's host lives.
    ///
    /// # Errors
    /// [`StoreError::NodeTaken`] when another incarnation has replaced this one, [`StoreError::NoNode`] when it was
    /// forgotten.
    async fn heard_from_node(&self, id: &InstanceId, incarnation: Uuid) -> Result<()>;

    /// Records that a node's host ends: from here on it is silent, and its id free. Of another incarnation it is no matter.
    async fn node_left(&self, id: &InstanceId, incarnation: Uuid) -> Result<()>;

    /// Lists nodes by name. In a database in a file the host's own is never silent: who can ask is its host.
    async fn nodes(&self) -> Result<Vec<NodeView>>;

    /// Forgets a silent node: ends its runners as lost, cancels what is queued on it, and removes it. Returns its runners.
    /// There is nobody to execute effects, so there are none.
    ///
    /// # Errors
    /// [`StoreError::NoNode`], [`StoreError::NodeAlive`].
    async fn forget_node(&self, id: &InstanceId, now: Timestamp) -> Result<Vec<Applied>>;

    /// Writes what is pending and closes the store. Later calls fail.
    async fn close(&self);
}

/// How many shards the outbox has.
pub(crate) const SHARDS: u8 = 8;

/// Tells which of the outbox's eight shards an aggregate's events are in. The last byte of a version 7 UUID is random,
/// so it is hash enough.
pub(crate) fn shard(aggregate: Uuid) -> u8 {
    aggregate.as_bytes()[15] % SHARDS
}
