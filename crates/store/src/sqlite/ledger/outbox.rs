//! The outbox: what became of each delivery.

use stratavore_core::clock::Timestamp;

use super::{Ledger, Outcome};
use crate::Position;
use crate::sqlite::row;
use crate::sqlite::sql::outbox as sql;

impl Ledger {
    pub(in crate::sqlite) async fn outbox_delivered(
        &mut self,
        positions: Vec<Position>,
    ) -> Outcome<()> {
        let ids: Vec<i64> = positions.iter().map(|position| position.0).collect();
        let ids = serde_json::to_string(&ids).map_err(|error| row::corrupt("positions", error))?;
        sqlx::query(sql::DELIVERED)
            .bind(ids)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    pub(in crate::sqlite) async fn outbox_failed(
        &mut self,
        position: Position,
        error: String,
        max_attempts: u32,
        now: Timestamp,
    ) -> Outcome<bool> {
        let parked: Option<bool> = sqlx::query_scalar(sql::FAILED)
            .bind(position.0)
            .bind(error)
            .bind(max_attempts)
            .bind(now.timestamp_micros())
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(parked.unwrap_or(false))
    }
}
