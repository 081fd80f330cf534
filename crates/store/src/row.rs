//! Rows as the databases return them, and what they mean. The statements name the columns alike.

use std::time::Duration;

use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{EventId, InstanceId, NoticeId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::notice::Edge;
use stratavore_core::project::Project;
use stratavore_core::runner::{Runner, State, StateName, UnknownState};
use uuid::Uuid;

use crate::audit::{Checkpoint, Growth, HeadRow, Link, Seal};
use crate::moment::Moment;
use crate::{
    Cursor, DeadLetter, Event, NodeView, Notice, Observation, OutboxRow, Position, Result,
    RunnerView, StoreError,
};

/// A number that the schema keeps non-negative.
pub(crate) fn unsigned(what: &str, number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| corrupt(what, format!("{number} is negative")))
}

pub(crate) fn small(what: &str, number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| corrupt(what, format!("{number} is out of range")))
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn corrupt(what: &str, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        what: what.to_owned(),
        reason: reason.to_string(),
    }
}

pub(crate) fn moment(what: &str, at: Moment) -> Result<Timestamp> {
    Timestamp::from_timestamp_micros(at.0)
        .ok_or_else(|| corrupt(what, format!("{} is no moment", at.0)))
}

/// Writes a value as it is stored.
pub(crate) fn json<T: serde::Serialize + ?Sized>(what: &str, value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| corrupt(what, error))
}

fn name(what: &str, text: String) -> Result<Name> {
    Name::new(text).map_err(|error| corrupt(what, error))
}

#[derive(Clone, sqlx::FromRow)]
pub(crate) struct ProjectRow {
    pub(crate) id: Uuid,
    name: String,
    path: String,
    max_runners: Option<i64>,
    created_at: Moment,
    archived_at: Option<Moment>,
    revision: i64,
    pub(crate) seq: i64,
    pub(crate) head: Vec<u8>,
}

impl ProjectRow {
    pub(crate) fn project(self) -> Result<Project> {
        let what = format!("the project {}", self.id);
        Ok(Project {
            id: ProjectId::from_uuid(self.id),
            name: name(&what, self.name)?,
            path: self.path,
            max_runners: self.max_runners.map(|max| small(&what, max)).transpose()?,
            created_at: moment(&what, self.created_at)?,
            archived_at: self.archived_at.map(|at| moment(&what, at)).transpose()?,
            revision: unsigned(&what, self.revision)?,
        })
    }
}

#[derive(Clone, sqlx::FromRow)]
pub(crate) struct RunnerRow {
    pub(crate) id: Uuid,
    name: String,
    pub(crate) project_id: Uuid,
    project: String,
    node: String,
    pub(crate) person: String,
    state_data: String,
    launch: String,
    created_at: Moment,
    revision: i64,
    pub(crate) seq: i64,
    pub(crate) head: Vec<u8>,
    observed_at: Option<Moment>,
    cpu_percent: Option<f64>,
    memory_bytes: Option<i64>,
    viewers: Option<i64>,
    title: Option<String>,
}

impl RunnerRow {
    pub(crate) fn view(self) -> Result<RunnerView> {
        let what = format!("the runner {}", self.id);
        let observation = match (
            self.observed_at,
            self.cpu_percent,
            self.memory_bytes,
            self.viewers,
        ) {
            (Some(at), Some(cpu_percent), Some(memory_bytes), Some(viewers)) => Some(Observation {
                at: moment(&what, at)?,
                cpu_percent,
                memory_bytes: unsigned(&what, memory_bytes)?,
                viewers: small(&what, viewers)?,
                title: self.title,
            }),
            _ => None,
        };
        let state: State =
            serde_json::from_str(&self.state_data).map_err(|error| corrupt(&what, error))?;
        let launch: Launch =
            serde_json::from_str(&self.launch).map_err(|error| corrupt(&what, error))?;
        let runner = Runner {
            id: RunnerId::from_uuid(self.id),
            name: name(&what, self.name)?,
            project_id: ProjectId::from_uuid(self.project_id),
            project: name(&what, self.project)?,
            node: InstanceId::from_stored(self.node),
            person: self.person,
            launch,
            created_at: moment(&what, self.created_at)?,
            state,
            revision: unsigned(&what, self.revision)?,
        };
        Ok(RunnerView {
            runner,
            observation,
        })
    }
}

/// The end of an aggregate's chain.
pub(crate) fn seal(what: &str, bytes: &[u8]) -> Result<Seal> {
    Seal::try_from(bytes).map_err(|_| corrupt(what, "its seal has not 32 bytes"))
}

#[derive(sqlx::FromRow)]
pub(crate) struct EventRow {
    cursor: i64,
    id: Uuid,
    pub(crate) aggregate_id: Uuid,
    aggregate: String,
    project: String,
    seq: i64,
    payload: String,
    at: Moment,
}

impl EventRow {
    pub(crate) fn event(self) -> Result<Event> {
        let what = format!("the event {}", self.id);
        let fact: Fact =
            serde_json::from_str(&self.payload).map_err(|error| corrupt(&what, error))?;
        let aggregate = match self.aggregate.as_str() {
            "runner" => "runner",
            "project" => "project",
            other => return Err(corrupt(&what, format!("{other:?} is no aggregate"))),
        };
        Ok(Event {
            cursor: Cursor(self.cursor),
            id: EventId::from_uuid(self.id),
            aggregate_id: self.aggregate_id,
            aggregate,
            project: self.project,
            seq: unsigned(&what, self.seq)?,
            fact,
            at: moment(&what, self.at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct OutboxEntry {
    position: i64,
    attempts: i64,
    #[sqlx(flatten)]
    event: EventRow,
}

impl OutboxEntry {
    pub(crate) fn waiting(self) -> Result<OutboxRow> {
        Ok(OutboxRow {
            position: Position(self.position),
            attempts: small("the outbox", self.attempts)?,
            event: self.event.event()?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct LetterRow {
    position: i64,
    attempts: i64,
    error: Option<String>,
    aggregate: String,
    aggregate_id: Uuid,
    project: String,
    seq: i64,
    kind: String,
}

impl LetterRow {
    pub(crate) fn letter(self) -> Result<DeadLetter> {
        let what = "the outbox";
        Ok(DeadLetter {
            position: Position(self.position),
            aggregate: self.aggregate,
            aggregate_id: self.aggregate_id,
            project: self.project,
            seq: unsigned(what, self.seq)?,
            kind: self.kind,
            attempts: small(what, self.attempts)?,
            error: self.error.unwrap_or_default(),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct NoticeRow {
    pub(crate) notification_id: Uuid,
    pub(crate) edge: String,
    pub(crate) runner: Option<String>,
    #[sqlx(flatten)]
    pub(crate) event: EventRow,
}

impl NoticeRow {
    pub(crate) fn notice(self) -> Result<Notice> {
        let what = "a notice";
        let edge: Edge =
            serde_json::from_value(self.edge.into()).map_err(|error| corrupt(what, error))?;
        let about = RunnerId::from_uuid(self.event.aggregate_id);
        let runner = match self.runner {
            Some(text) => Some((about, name(what, text)?)),
            None => None,
        };
        Ok(Notice {
            id: NoticeId::from_uuid(self.notification_id),
            edge,
            event: self.event.event()?,
            runner,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct LinkRow {
    cursor: i64,
    id: Uuid,
    aggregate_id: Uuid,
    seq: i64,
    project_id: Uuid,
    r#type: String,
    payload: String,
    at: Moment,
    key_id: String,
    mac: Vec<u8>,
}

impl LinkRow {
    pub(crate) fn link(self) -> Link {
        Link {
            cursor: self.cursor,
            event_id: self.id,
            aggregate_id: self.aggregate_id,
            project_id: self.project_id,
            // A negative one was never written: the chain will tell.
            seq: u64::try_from(self.seq).unwrap_or(0),
            kind: self.r#type,
            payload: self.payload,
            at_micros: self.at.0,
            key_id: self.key_id,
            mac: self.mac,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct CheckpointRow {
    id: i64,
    cursor: i64,
    events: i64,
    heads: Vec<u8>,
    pruned: i64,
    bases: Vec<u8>,
    at: Moment,
    key_id: String,
    mac: Vec<u8>,
}

impl From<CheckpointRow> for Checkpoint {
    fn from(row: CheckpointRow) -> Self {
        Self {
            id: row.id,
            cursor: row.cursor,
            events: row.events,
            heads: row.heads,
            pruned: row.pruned,
            bases: row.bases,
            at_micros: row.at.0,
            key_id: row.key_id,
            mac: row.mac,
        }
    }
}

/// Reads how many runners are in a state.
pub(crate) fn count((state, count): (String, i64)) -> Result<(StateName, u64)> {
    let name = state
        .parse()
        .map_err(|error: UnknownState| corrupt("a runner's state", error))?;
    Ok((name, unsigned("a count of runners", count)?))
}

#[derive(sqlx::FromRow)]
pub(crate) struct NodeRow {
    id: String,
    pub(crate) name: String,
    version: String,
    max_runners: Option<i64>,
    registered_at: Moment,
    heard_at: Moment,
    elapsed: i64,
    pub(crate) silent: bool,
    active: i64,
}

impl NodeRow {
    /// How long ago the node was heard from.
    pub(crate) fn heard(&self) -> Duration {
        Duration::from_micros(self.elapsed.max(0).cast_unsigned())
    }

    pub(crate) fn view(self) -> Result<NodeView> {
        let what = format!("the node {}", self.id);
        Ok(NodeView {
            silent: self.silent.then(|| self.heard()),
            max_runners: self.max_runners.map(|max| small(&what, max)).transpose()?,
            registered_at: moment(&what, self.registered_at)?,
            heard_at: moment(&what, self.heard_at)?,
            active: small(&what, self.active)?,
            id: InstanceId::from_stored(self.id),
            name: self.name,
            version: self.version,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct ChainHead {
    aggregate_id: Uuid,
    seq: i64,
    head: Vec<u8>,
}

impl From<ChainHead> for HeadRow {
    fn from(row: ChainHead) -> Self {
        Self {
            aggregate_id: row.aggregate_id,
            seq: u64::try_from(row.seq).unwrap_or(0),
            mac: row.head,
        }
    }
}

/// What was appended to a chain, and its last event.
#[derive(sqlx::FromRow)]
pub(crate) struct Grown {
    aggregate_id: Uuid,
    seq: i64,
    mac: Vec<u8>,
    events: i64,
    cursor: i64,
}

impl Grown {
    pub(crate) fn growth(self) -> Result<Growth> {
        Ok(Growth {
            head: HeadRow {
                aggregate_id: self.aggregate_id,
                seq: unsigned("an event", self.seq)?,
                mac: self.mac,
            },
            events: self.events,
            cursor: self.cursor,
        })
    }
}
