//! The writer's side of the database: every change, each inside a transaction that the writer began.

mod audit;
mod budgets;
mod nodes;
mod notices;
pub(super) mod outbox;
mod projects;
mod runners;
mod sessions;

use sqlx::{Connection, SqliteConnection};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::InstanceId;

use super::sql;
use super::trouble::Trouble;
use crate::Cursor;
use crate::audit::Keyring;
use crate::chain::Chain;

/// The outcome of a piece of work inside a transaction.
pub(super) type Outcome<T> = Result<T, Trouble>;

/// The writing connection and the key that seals what it appends.
pub(super) struct Ledger {
    connection: SqliteConnection,
    keys: Keyring,
    instance: InstanceId,
    last: Cursor,
    /// Whether the outbox may give what it held back.
    released: bool,
}

impl Ledger {
    pub(super) fn new(
        connection: SqliteConnection,
        keys: Keyring,
        instance: InstanceId,
        last: Cursor,
    ) -> Self {
        Self {
            connection,
            keys,
            instance,
            last,
            released: false,
        }
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Returns the cursor of the last event appended, committed or not.
    pub(super) fn last(&self) -> Cursor {
        self.last
    }

    /// Tells whether whoever waits for commits is to look again although there is no new event, and forgets it.
    pub(super) fn take_released(&mut self) -> bool {
        std::mem::take(&mut self.released)
    }

    /// Forgets what was appended after a cursor, since it was rolled back.
    pub(super) fn rewind(&mut self, to: Cursor) {
        self.last = to;
    }

    pub(super) async fn close(self) -> sqlx::Result<()> {
        self.connection.close().await
    }

    /// Appends facts to a chain with their outbox rows, and notices for the person who is to be told. The caller keeps the
    /// chain's new end in the aggregate's own row.
    async fn append(
        &mut self,
        chain: &mut Chain,
        facts: &[Fact],
        person: &str,
        now: Timestamp,
    ) -> Outcome<()> {
        let key_id = self.keys.current().id.clone();
        for entry in chain.append(&self.keys, facts, now)? {
            let appended = sqlx::query(sql::event::INSERT)
                .bind(entry.event_id)
                .bind(chain.kind)
                .bind(chain.id)
                .bind(entry.seq)
                .bind(chain.project_id)
                .bind(entry.kind)
                .bind(entry.payload)
                .bind(now.timestamp_micros())
                .bind(key_id.clone())
                .bind(entry.mac)
                .execute(&mut self.connection)
                .await?;
            self.last = Cursor(appended.last_insert_rowid());
            sqlx::query(sql::outbox::INSERT)
                .bind(entry.event_id)
                .bind(chain.id)
                .bind(entry.seq)
                .bind(chain.shard())
                .execute(&mut self.connection)
                .await?;
            if let Some((occasion, edge)) = entry.notice {
                sqlx::query(sql::notice::INSERT)
                    .bind(entry.event_id)
                    .bind(chain.id)
                    .bind(occasion)
                    .bind(edge.as_str())
                    .bind(person)
                    .execute(&mut self.connection)
                    .await?;
            }
        }
        Ok(())
    }
}
