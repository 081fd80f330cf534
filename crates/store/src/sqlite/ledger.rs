//! The writer's side of the database: every change, each inside a transaction that the writer began.

mod notices;
mod outbox;
mod projects;
mod runners;

use sqlx::{Connection, SqliteConnection};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::EventId;
use stratavore_core::notice;
use uuid::Uuid;

use super::row::{self, CheckpointRow, ProjectRow, RunnerRow, signed, unsigned};
use super::sql;
use super::trouble::Trouble;
use crate::audit::{Checkpoint, HeadRow, Keyring, ORIGIN, Seal, Sealed};
use crate::{Cursor, shard};

/// The outcome of a piece of work inside a transaction.
pub(super) type Outcome<T> = Result<T, Trouble>;

/// The writing connection and the key that seals what it appends.
pub(super) struct Ledger {
    connection: SqliteConnection,
    keys: Keyring,
    last: Cursor,
}

/// The end of an aggregate's chain, to which its next event is sealed.
pub(super) struct Chain {
    kind: &'static str,
    id: Uuid,
    project_id: Uuid,
    seq: u64,
    head: Seal,
}

impl Chain {
    fn of_new_project(id: Uuid) -> Self {
        Self {
            kind: "project",
            id,
            project_id: id,
            seq: 0,
            head: ORIGIN,
        }
    }

    fn of_new_runner(id: Uuid, project_id: Uuid) -> Self {
        Self {
            kind: "runner",
            id,
            project_id,
            seq: 0,
            head: ORIGIN,
        }
    }

    fn of_project(id: Uuid, row: &ProjectRow) -> Outcome<Self> {
        let what = "a project's chain";
        Ok(Self {
            kind: "project",
            id,
            project_id: id,
            seq: unsigned(what, row.seq)?,
            head: row::seal(what, &row.head)?,
        })
    }

    fn of_runner(row: &RunnerRow) -> Outcome<Self> {
        let what = "a runner's chain";
        Ok(Self {
            kind: "runner",
            id: row.id,
            project_id: row.project_id,
            seq: unsigned(what, row.seq)?,
            head: row::seal(what, &row.head)?,
        })
    }

    fn seq(&self) -> i64 {
        signed(self.seq)
    }
}

impl Ledger {
    pub(super) fn new(connection: SqliteConnection, keys: Keyring, last: Cursor) -> Self {
        Self {
            connection,
            keys,
            last,
        }
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Returns the cursor of the last event appended, committed or not.
    pub(super) fn last(&self) -> Cursor {
        self.last
    }

    /// Forgets what was appended after a cursor, since it was rolled back.
    pub(super) fn rewind(&mut self, to: Cursor) {
        self.last = to;
    }

    pub(super) async fn close(self) -> sqlx::Result<()> {
        self.connection.close().await
    }

    /// Appends facts to a chain with their outbox rows and notices. The caller keeps the chain's new end in the
    /// aggregate's own row.
    async fn append(&mut self, chain: &mut Chain, facts: &[Fact], now: Timestamp) -> Outcome<()> {
        for fact in facts {
            let payload =
                serde_json::to_string(fact).map_err(|error| row::corrupt("a new event", error))?;
            let event_id = EventId::new(now).as_uuid();
            chain.seq += 1;
            let key = self.keys.current();
            chain.head = key.seal_event(
                &chain.head,
                &Sealed {
                    aggregate_id: chain.id,
                    project_id: chain.project_id,
                    seq: chain.seq,
                    event_id,
                    at_micros: now.timestamp_micros(),
                    kind: fact.kind(),
                    payload: &payload,
                },
            );
            let appended = sqlx::query(sql::event::INSERT)
                .bind(event_id)
                .bind(chain.kind)
                .bind(chain.id)
                .bind(chain.seq())
                .bind(chain.project_id)
                .bind(fact.kind())
                .bind(payload)
                .bind(now.timestamp_micros())
                .bind(key.id.clone())
                .bind(chain.head.to_vec())
                .execute(&mut self.connection)
                .await?;
            self.last = Cursor(appended.last_insert_rowid());
            sqlx::query(sql::outbox::INSERT)
                .bind(event_id)
                .bind(chain.id)
                .bind(chain.seq())
                .bind(shard(chain.id))
                .execute(&mut self.connection)
                .await?;
            if let Some(edge) = notice::edge(fact) {
                let occasion = fact.attempt().map_or(chain.seq(), i64::from);
                sqlx::query(sql::notice::INSERT)
                    .bind(event_id)
                    .bind(chain.id)
                    .bind(occasion)
                    .bind(edge.as_str())
                    .execute(&mut self.connection)
                    .await?;
            }
        }
        Ok(())
    }

    /// Signs the heads of the chains that grew since the last checkpoint, if any did.
    pub(super) async fn checkpoint(&mut self, now: Timestamp) -> Outcome<()> {
        #[derive(sqlx::FromRow)]
        struct Grown {
            aggregate_id: Uuid,
            seq: i64,
            mac: Vec<u8>,
            events: i64,
            cursor: i64,
        }
        let last: Option<CheckpointRow> = sqlx::query_as(sql::audit::LAST_CHECKPOINT)
            .fetch_optional(&mut self.connection)
            .await?;
        let last = last.map(Checkpoint::from);
        let since = last.as_ref().map_or(0, |last| last.cursor);
        let grown: Vec<Grown> = sqlx::query_as(sql::audit::GROWN)
            .bind(since)
            .fetch_all(&mut self.connection)
            .await?;
        if grown.is_empty() {
            return Ok(());
        }
        let key = self.keys.current();
        let before = match &last {
            None => ORIGIN,
            Some(last) => row::seal("the last checkpoint", &last.mac)?,
        };
        let mut checkpoint = Checkpoint {
            id: last.as_ref().map_or(0, |last| last.id) + 1,
            cursor: grown
                .iter()
                .map(|chain| chain.cursor)
                .max()
                .unwrap_or(since),
            events: last.as_ref().map_or(0, |last| last.events)
                + grown.iter().map(|chain| chain.events).sum::<i64>(),
            heads: Vec::new(),
            at_micros: now.timestamp_micros(),
            key_id: key.id.clone(),
            mac: Vec::new(),
        };
        for chain in grown {
            let seq = unsigned("an event", chain.seq)?;
            HeadRow {
                aggregate_id: chain.aggregate_id,
                seq,
                mac: chain.mac,
            }
            .encode(&mut checkpoint.heads);
        }
        let mac = key.seal_checkpoint(&before, &checkpoint);
        sqlx::query(sql::audit::INSERT)
            .bind(checkpoint.id)
            .bind(checkpoint.cursor)
            .bind(checkpoint.events)
            .bind(checkpoint.heads)
            .bind(checkpoint.at_micros)
            .bind(checkpoint.key_id)
            .bind(mac.to_vec())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
