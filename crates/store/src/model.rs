//! What goes into the store and comes out of it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{EventId, InstanceId, NoticeId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::notice::Edge;
use stratavore_core::runner::{Effect, Runner, StateName};
use uuid::Uuid;

/// A project to be added.
#[derive(Clone, Debug)]
pub struct NewProject {
    /// Its identity.
    pub id: ProjectId,
    /// Its name.
    pub name: Name,
    /// Its absolute path.
    pub path: String,
    /// How many runners may be active in it at once.
    pub max_runners: Option<u32>,
}

/// A runner to be launched.
#[derive(Clone, Debug)]
pub struct NewRunner {
    /// Its identity.
    pub id: RunnerId,
    /// Its name; absent: the project's name with the least free number, such as `api-3`.
    pub name: Option<Name>,
    /// Where it belongs.
    pub project_id: ProjectId,
    /// The node whose host is to start it.
    pub node: InstanceId,
    /// Who launches it, and is told what became of it.
    pub person: String,
    /// What it runs.
    pub launch: Launch,
    /// Wait in line when a quota is full.
    pub queue: bool,
    /// The client's own identity of this request, by which a repetition is known.
    pub request_id: Option<Uuid>,
}

/// A change that was kept.
#[derive(Clone, Debug)]
pub struct Applied {
    /// The runner after it.
    pub runner: Runner,
    /// What to do now.
    pub effects: Vec<Effect>,
    /// Whether anything changed.
    pub changed: bool,
}

/// A queued runner that got its place.
pub type Admitted = Applied;

/// What an agent last said of its runner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When.
    pub at: Timestamp,
    /// CPU of the tree, in percent of one core.
    pub cpu_percent: f64,
    /// Memory of the tree, in bytes.
    pub memory_bytes: u64,
    /// How many viewers are attached.
    pub viewers: u32,
    /// The terminal's title.
    pub title: Option<String>,
}

/// An observation of one attempt of a runner.
#[derive(Clone, Debug, PartialEq)]
pub struct Heartbeat {
    /// Whose.
    pub runner: RunnerId,
    /// Of which attempt.
    pub attempt: u32,
    /// What.
    pub observation: Observation,
}

/// A runner with its latest observation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunnerView {
    /// The runner.
    pub runner: Runner,
    /// What its agent last said, in the present attempt.
    pub observation: Option<Observation>,
}

/// Which runners to list.
#[derive(Clone, Debug, Default)]
pub struct RunnerFilter {
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only of this node.
    pub node: Option<InstanceId>,
    /// Only in these states; empty: all.
    pub states: Vec<StateName>,
    /// At most so many.
    pub limit: Option<u32>,
}

impl RunnerFilter {
    /// Takes the runners that have not ended.
    #[must_use]
    pub fn unended() -> Self {
        Self::ended_or_not(false)
    }

    /// Takes the runners that have ended.
    #[must_use]
    pub fn ended() -> Self {
        Self::ended_or_not(true)
    }

    fn ended_or_not(ended: bool) -> Self {
        let states = StateName::ALL.into_iter();
        Self {
            states: states.filter(|state| state.is_final() == ended).collect(),
            ..Self::default()
        }
    }
}

/// A place in the order in which events were committed. Opaque to clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub i64);

/// Which events to list.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Only after this one.
    pub after: Cursor,
    /// At most so many.
    pub limit: u32,
}

/// A fact in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its place in commit order.
    pub cursor: Cursor,
    /// Its identity.
    pub id: EventId,
    /// The runner or project that it is about.
    pub aggregate_id: Uuid,
    /// `runner` or `project`.
    pub aggregate: &'static str,
    /// Its project's name.
    pub project: String,
    /// Its place in the aggregate's own order, dense from 1.
    pub seq: u64,
    /// What happened.
    pub fact: Fact,
    /// When it was committed.
    pub at: Timestamp,
}

/// The identity of an outbox row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

/// One of the eight parts of the outbox, as its owner holds it: all events of an aggregate are in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shard {
    /// Which, from 0 to 7.
    pub number: u8,
    /// The how manieth owner this is: what an earlier one says no longer counts.
    pub epoch: i64,
}

/// An event that waits for its delivery.
#[derive(Clone, Debug)]
pub struct OutboxRow {
    /// Its place in the outbox.
    pub position: Position,
    /// The event.
    pub event: Event,
    /// How often delivering it failed.
    pub attempts: u32,
}

/// An event that could not be delivered, and holds back what follows it in its aggregate.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Its place in the outbox.
    pub position: Position,
    /// `runner` or `project`.
    pub aggregate: String,
    /// Which of them.
    pub aggregate_id: Uuid,
    /// The name of its project.
    pub project: String,
    /// Its place among the events of its aggregate.
    pub seq: u64,
    /// What happened. How it happened may weigh megabytes, and stands in the log.
    pub kind: String,
    /// How often delivering it failed.
    pub attempts: u32,
    /// The last error.
    pub error: String,
}

/// What `audit verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Events checked.
    pub events: u64,
    /// Of these, sealed by other nodes of the team with keys of their own: that none is missing was checked, what they say
    /// was not.
    pub foreign: u64,
    /// Chains checked.
    pub chains: u64,
    /// What is wrong; empty: nothing.
    pub faults: Vec<AuditFault>,
}

/// What pruning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// How many events.
    pub events: u64,
    /// Of how many chains.
    pub chains: u64,
}

/// A fault in the audit chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFault {
    /// Whose chain.
    pub aggregate_id: Uuid,
    /// Where in it.
    pub seq: u64,
    /// `changed`, `gap`, `reordered`, `truncated`, `unknown key`.
    pub kind: &'static str,
    /// In words.
    pub detail: String,
}

/// An edge that a person is to be told of.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its identity.
    pub id: NoticeId,
    /// Which edge.
    pub edge: Edge,
    /// The event that it comes from.
    pub event: Event,
    /// The runner, with its name, where it is about one.
    pub runner: Option<(RunnerId, Name)>,
}

/// A host that is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNode {
    /// The instance that it hosts.
    pub id: InstanceId,
    /// What people call its machine.
    pub name: String,
    /// Its version of Stratavore.
    pub version: String,
    /// How many runners may be active on it at once.
    pub max_runners: Option<u32>,
    /// Its machine and data directory, as one text. One host at a time holds the directory's lock, so whoever comes from the
    /// same seat replaces the one before at once.
    pub seat: String,
}

/// A registered node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// The instance that it hosts.
    pub id: InstanceId,
    /// What people call its machine.
    pub name: String,
    /// Its version of Stratavore.
    pub version: String,
    /// How many runners may be active on it at once.
    pub max_runners: Option<u32>,
    /// When its present host was registered, by the database's clock.
    pub registered_at: Timestamp,
    /// When it was last heard from, by the database's clock.
    pub heard_at: Timestamp,
    /// For how long it has been silent; nothing while it is heard from as often as it should.
    pub silent: Option<Duration>,
    /// How many runners hold a place on it.
    pub active: u32,
}

/// Whether the database can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It answers.
    Here,
    /// It does not: what is read is what was last known.
    Away {
        /// Since when.
        since: Timestamp,
        /// Why, and what to do.
        reason: String,
    },
}
