//! The outbox: what became of each delivery. One process owns all shards here, so no lease is kept of them.

use stratavore_core::clock::Timestamp;
use uuid::Uuid;

use super::{Ledger, Outcome};
use crate::row;
use crate::sqlite::sql::outbox as sql;
use crate::{Position, Result, SHARDS, Shard, StoreError};

/// The epoch of the one owner that there is.
const EPOCH: i64 = 1;

/// Returns what the process owns.
pub(in crate::sqlite) fn all() -> Vec<Shard> {
    (0..SHARDS)
        .map(|number| Shard {
            number,
            epoch: EPOCH,
        })
        .collect()
}

/// Writes the numbers of shards as a JSON array, leaving out what nobody here owns, and tells whether there was such.
pub(in crate::sqlite) fn numbers(shards: &[Shard]) -> Result<(String, bool)> {
    let (held, fenced): (Vec<Shard>, Vec<Shard>) = shards
        .iter()
        .partition(|shard| shard.epoch == EPOCH && shard.number < SHARDS);
    let held: Vec<u8> = held.into_iter().map(|shard| shard.number).collect();
    let held = row::json("shards", &held)?;
    Ok((held, !fenced.is_empty()))
}

impl Ledger {
    pub(in crate::sqlite) async fn outbox_delivered(
        &mut self,
        shards: String,
        positions: Vec<Position>,
    ) -> Outcome<()> {
        let ids: Vec<i64> = positions.iter().map(|position| position.0).collect();
        let ids = row::json("positions", &ids)?;
        sqlx::query(sql::DELIVERED)
            .bind(shards)
            .bind(ids)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    pub(in crate::sqlite) async fn outbox_failed(
        &mut self,
        shards: String,
        position: Position,
        error: String,
        max_attempts: u32,
        now: Timestamp,
    ) -> Outcome<bool> {
        let parked: Option<bool> = sqlx::query_scalar(sql::FAILED)
            .bind(shards)
            .bind(position.0)
            .bind(error)
            .bind(max_attempts)
            .bind(now.timestamp_micros())
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(parked.unwrap_or(false))
    }

    pub(in crate::sqlite) async fn outbox_retry(
        &mut self,
        aggregate: Option<Uuid>,
    ) -> Outcome<u64> {
        let released = sqlx::query(sql::RETRY)
            .bind(aggregate)
            .execute(&mut self.connection)
            .await?;
        self.released = true;
        Ok(released.rows_affected())
    }

    pub(in crate::sqlite) async fn outbox_drop(&mut self, position: Position) -> Outcome<()> {
        let dropped = sqlx::query(sql::DROP)
            .bind(position.0)
            .execute(&mut self.connection)
            .await?;
        match dropped.rows_affected() {
            0 => Err(StoreError::NoDeadLetter(position).into()),
            _ => {
                self.released = true;
                Ok(())
            }
        }
    }
}
