//! The chain of an aggregate's events: each takes the next number, and is sealed to the one before.

use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::EventId;
use stratavore_core::notice::{self, Edge};
use uuid::Uuid;

use crate::audit::{Keyring, ORIGIN, Seal, Sealed};
use crate::row::{self, ProjectRow, RunnerRow, signed, unsigned};
use crate::{Result, shard};

/// The end of an aggregate's chain, to which its next event is sealed.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) kind: &'static str,
    pub(crate) id: Uuid,
    pub(crate) project_id: Uuid,
    seq: u64,
    pub(crate) head: Seal,
}

/// An event to be written, with what follows from it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) event_id: Uuid,
    pub(crate) seq: i64,
    pub(crate) kind: &'static str,
    pub(crate) payload: String,
    pub(crate) mac: Vec<u8>,
    /// What a person is to be told, and on which occasion: the attempt of a runner, the seq of a
    /// project's event or of what a runner needs.
    pub(crate) notice: Option<(i64, Edge)>,
}

impl Chain {
    pub(crate) fn of_new_project(id: Uuid) -> Self {
        Self {
            kind: "project",
            id,
            project_id: id,
            seq: 0,
            head: ORIGIN,
        }
    }

    pub(crate) fn of_new_runner(id: Uuid, project_id: Uuid) -> Self {
        Self {
            kind: "runner",
            id,
            project_id,
            seq: 0,
            head: ORIGIN,
        }
    }

    pub(crate) fn of_project(row: &ProjectRow) -> Result<Self> {
        let what = "a project's chain";
        Ok(Self {
            kind: "project",
            id: row.id,
            project_id: row.id,
            seq: unsigned(what, row.seq)?,
            head: row::seal(what, &row.head)?,
        })
    }

    pub(crate) fn of_runner(row: &RunnerRow) -> Result<Self> {
        let what = "a runner's chain";
        Ok(Self {
            kind: "runner",
            id: row.id,
            project_id: row.project_id,
            seq: unsigned(what, row.seq)?,
            head: row::seal(what, &row.head)?,
        })
    }

    /// Returns the number of its last event.
    pub(crate) fn seq(&self) -> i64 {
        signed(self.seq)
    }

    /// Returns the shard of the outbox that its events go through.
    pub(crate) fn shard(&self) -> u8 {
        shard(self.id)
    }

    /// Seals facts to the end of the chain.
    pub(crate) fn append(
        &mut self,
        keys: &Keyring,
        facts: &[Fact],
        now: Timestamp,
    ) -> Result<Vec<Entry>> {
        facts
            .iter()
            .map(|fact| {
                let payload = row::json("a new event", fact)?;
                let event_id = EventId::new(now).as_uuid();
                self.seq += 1;
                let sealed = Sealed {
                    aggregate_id: self.id,
                    project_id: self.project_id,
                    seq: self.seq,
                    event_id,
                    at_micros: now.timestamp_micros(),
                    kind: fact.kind(),
                    payload: &payload,
                };
                self.head = keys.current().seal_event(&self.head, &sealed);
                let occasion = match fact {
                    // What a runner needs comes again within an attempt.
                    Fact::Attention { .. } => self.seq(),
                    fact => fact.attempt().map_or(self.seq(), i64::from),
                };
                Ok(Entry {
                    event_id,
                    seq: self.seq(),
                    kind: fact.kind(),
                    payload,
                    mac: self.head.to_vec(),
                    notice: notice::edge(fact).map(|edge| (occasion, edge)),
                })
            })
            .collect()
    }
}
