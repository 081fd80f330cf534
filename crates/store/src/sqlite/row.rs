//! Rows as SQLite returns them, and what they mean.

use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{EventId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::project::Project;
use stratavore_core::runner::{Runner, State, StateName, UnknownState};
use uuid::Uuid;

use crate::audit::{Checkpoint, Link, Seal};
use crate::{
    Cursor, DeadLetter, Event, Observation, OutboxRow, Position, Result, RunnerView, StoreError,
};

/// A number that the schema keeps non-negative.
pub(super) fn unsigned(what: &str, number: i64) -> Result<u64> {
    u64::try_from(number).map_err(|_| corrupt(what, format!("{number} is negative")))
}

pub(super) fn small(what: &str, number: i64) -> Result<u32> {
    u32::try_from(number).map_err(|_| corrupt(what, format!("{number} is out of range")))
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn corrupt(what: &str, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        what: what.to_owned(),
        reason: reason.to_string(),
    }
}

pub(super) fn moment(what: &str, micros: i64) -> Result<Timestamp> {
    Timestamp::from_timestamp_micros(micros)
        .ok_or_else(|| corrupt(what, format!("{micros} is no moment")))
}

fn name(what: &str, text: String) -> Result<Name> {
    Name::new(text).map_err(|error| corrupt(what, error))
}

#[derive(sqlx::FromRow)]
pub(super) struct ProjectRow {
    id: Uuid,
    name: String,
    path: String,
    max_runners: Option<i64>,
    created_at: i64,
    archived_at: Option<i64>,
    revision: i64,
    pub(super) seq: i64,
    pub(super) head: Vec<u8>,
}

impl ProjectRow {
    pub(super) fn project(self) -> Result<Project> {
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

#[derive(sqlx::FromRow)]
pub(super) struct RunnerRow {
    pub(super) id: Uuid,
    name: String,
    pub(super) project_id: Uuid,
    project: String,
    state_data: String,
    launch: String,
    created_at: i64,
    revision: i64,
    pub(super) seq: i64,
    pub(super) head: Vec<u8>,
    observed_at: Option<i64>,
    cpu_percent: Option<f64>,
    memory_bytes: Option<i64>,
    viewers: Option<i64>,
    title: Option<String>,
}

impl RunnerRow {
    pub(super) fn view(self) -> Result<RunnerView> {
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
pub(super) fn seal(what: &str, bytes: &[u8]) -> Result<Seal> {
    Seal::try_from(bytes).map_err(|_| corrupt(what, "its seal has not 32 bytes"))
}

#[derive(sqlx::FromRow)]
pub(super) struct EventRow {
    cursor: i64,
    id: Uuid,
    pub(super) aggregate_id: Uuid,
    aggregate: String,
    project: String,
    seq: i64,
    payload: String,
    at: i64,
}

impl EventRow {
    pub(super) fn event(self) -> Result<Event> {
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
pub(super) struct OutboxEntry {
    position: i64,
    attempts: i64,
    error: Option<String>,
    #[sqlx(flatten)]
    event: EventRow,
}

impl OutboxEntry {
    pub(super) fn waiting(self) -> Result<OutboxRow> {
        Ok(OutboxRow {
            position: Position(self.position),
            attempts: small("the outbox", self.attempts)?,
            event: self.event.event()?,
        })
    }

    pub(super) fn dead(self) -> Result<DeadLetter> {
        Ok(DeadLetter {
            position: Position(self.position),
            attempts: small("the outbox", self.attempts)?,
            event: self.event.event()?,
            error: self.error.unwrap_or_default(),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct NoticeRow {
    pub(super) notification_id: Uuid,
    pub(super) edge: String,
    pub(super) runner: Option<String>,
    #[sqlx(flatten)]
    pub(super) event: EventRow,
}

#[derive(sqlx::FromRow)]
pub(super) struct LinkRow {
    cursor: i64,
    id: Uuid,
    aggregate_id: Uuid,
    seq: i64,
    project_id: Uuid,
    r#type: String,
    payload: String,
    at: i64,
    key_id: String,
    mac: Vec<u8>,
}

impl LinkRow {
    pub(super) fn link(self) -> Link {
        Link {
            cursor: self.cursor,
            event_id: self.id,
            aggregate_id: self.aggregate_id,
            project_id: self.project_id,
            // A negative one was never written: the chain will tell.
            seq: u64::try_from(self.seq).unwrap_or(0),
            kind: self.r#type,
            payload: self.payload,
            at_micros: self.at,
            key_id: self.key_id,
            mac: self.mac,
        }
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct CheckpointRow {
    id: i64,
    cursor: i64,
    events: i64,
    heads: Vec<u8>,
    at: i64,
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
            at_micros: row.at,
            key_id: row.key_id,
            mac: row.mac,
        }
    }
}

/// Reads how many runners are in a state.
pub(super) fn count((state, count): (String, i64)) -> Result<(StateName, u64)> {
    let name = state
        .parse()
        .map_err(|error: UnknownState| corrupt("a runner's state", error))?;
    Ok((name, unsigned("a count of runners", count)?))
}
