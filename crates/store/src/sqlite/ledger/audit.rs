//! The audit log: signing where it stands, and pruning what is old.

use stratavore_core::clock::Timestamp;

use super::{Ledger, Outcome};
use crate::Pruned;
use crate::audit::{Checkpoint, Growth, HeadRow};
use crate::row::{ChainHead, CheckpointRow, Grown, json};
use crate::sqlite::sql::audit as sql;

impl Ledger {
    /// Signs the heads of the chains that grew since the last checkpoint, if any did.
    pub(in crate::sqlite) async fn checkpoint(&mut self, now: Timestamp) -> Outcome<()> {
        self.sign((0, &[]), now).await
    }

    /// Removes events from before a moment: of each chain the first ones, as far as they are old and delivered, but never
    /// the last event of what still lives.
    pub(in crate::sqlite) async fn prune(
        &mut self,
        before: Timestamp,
        now: Timestamp,
    ) -> Outcome<Pruned> {
        // So that everything that goes was signed once.
        self.checkpoint(now).await?;
        let bases: Vec<ChainHead> = sqlx::query_as(sql::PRUNABLE)
            .bind(before.timestamp_micros())
            .fetch_all(&mut self.connection)
            .await?;
        if bases.is_empty() {
            return Ok(Pruned::default());
        }
        let bases: Vec<HeadRow> = bases.into_iter().map(HeadRow::from).collect();
        let list: Vec<_> = bases
            .iter()
            .map(|base| (base.aggregate_id.simple().to_string(), base.seq))
            .collect();
        let list = json("chains", &list)?;
        sqlx::query(sql::BEGIN_PRUNING)
            .bind(list)
            .execute(&mut self.connection)
            .await?;
        for statement in [
            sql::PRUNE_NOTIFICATIONS,
            sql::PRUNE_NOTICES,
            sql::PRUNE_OUTBOX,
        ] {
            sqlx::query(statement).execute(&mut self.connection).await?;
        }
        let events = sqlx::query(sql::PRUNE)
            .execute(&mut self.connection)
            .await?
            .rows_affected();
        sqlx::query(sql::END_PRUNING)
            .execute(&mut self.connection)
            .await?;
        let cut = i64::try_from(events).unwrap_or(i64::MAX);
        self.sign((cut, &bases), now).await?;
        Ok(Pruned {
            events,
            chains: bases.len() as u64,
        })
    }

    async fn sign(&mut self, pruned: (i64, &[HeadRow]), now: Timestamp) -> Outcome<()> {
        let last: Option<CheckpointRow> = sqlx::query_as(sql::LAST_CHECKPOINT)
            .fetch_optional(&mut self.connection)
            .await?;
        let last = last.map(Checkpoint::from);
        let grown: Vec<Grown> = sqlx::query_as(sql::GROWN)
            .bind(last.as_ref().map_or(0, |last| last.cursor))
            .fetch_all(&mut self.connection)
            .await?;
        let grown: crate::Result<Vec<Growth>> = grown.into_iter().map(Grown::growth).collect();
        let next = Checkpoint::following(last.as_ref(), &grown?, pruned, &self.keys, now)?;
        if let Some(next) = next {
            sqlx::query(sql::INSERT)
                .bind(next.id)
                .bind(next.cursor)
                .bind(next.events)
                .bind(next.heads)
                .bind(next.pruned)
                .bind(next.bases)
                .bind(next.at_micros)
                .bind(next.key_id)
                .bind(next.mac)
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }
}
