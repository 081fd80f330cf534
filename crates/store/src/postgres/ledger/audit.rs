//! The audit log: checking it, signing where it stands, and pruning what is old.

use std::collections::BTreeSet;

use futures::TryStreamExt;
use sqlx::{Connection, PgConnection};
use stratavore_core::clock::Timestamp;
use uuid::Uuid;

use super::{Ledger, Node};
use crate::audit::{Checkpoint, Growth, HeadRow, Inspection};
use crate::moment::Moment;
use crate::postgres::follower::number;
use crate::postgres::sql::audit as sql;
use crate::postgres::trouble::Outcome;
use crate::row::{ChainHead, CheckpointRow, Grown, LinkRow, signed};
use crate::{AuditReport, Pruned};

impl Ledger<'_> {
    /// Checks the chains as they stood at one moment.
    pub(in crate::postgres) async fn inspect(&mut self) -> Outcome<AuditReport> {
        let node = self.node;
        let mut snapshot = self.connection.begin_with(sql::SNAPSHOT).await?;
        let report = inspect(&mut snapshot, node).await?;
        snapshot.commit().await?;
        Ok(report)
    }

    /// Signs the heads of the chains that grew since the last checkpoint, if any did. Events must have their cursors.
    pub(in crate::postgres) async fn checkpoint(&mut self, now: Timestamp) -> Outcome<()> {
        let node = self.node;
        let mut transaction = self.connection.begin_with(sql::LOCK).await?;
        sign(&mut transaction, node, (0, &[]), now).await?;
        Ok(transaction.commit().await?)
    }

    /// Removes events from before a moment: of each chain the first ones, as far as they are old and delivered, but never
    /// the last event of what still lives.
    pub(in crate::postgres) async fn prune(
        &mut self,
        before: Timestamp,
        now: Timestamp,
    ) -> Outcome<Pruned> {
        number(self.connection).await?;
        let node = self.node;
        let mut transaction = self.connection.begin_with(sql::LOCK).await?;
        // So that everything that goes was signed once.
        sign(&mut transaction, node, (0, &[]), now).await?;
        let bases: Vec<ChainHead> = sqlx::query_as(sql::PRUNABLE)
            .bind(Moment::from(before))
            .fetch_all(&mut *transaction)
            .await?;
        let bases: Vec<HeadRow> = bases.into_iter().map(HeadRow::from).collect();
        let (ids, seqs): (Vec<Uuid>, Vec<i64>) = bases
            .iter()
            .map(|base| (base.aggregate_id, signed(base.seq)))
            .unzip();
        sqlx::query(sql::BEGIN_PRUNING)
            .execute(&mut *transaction)
            .await?;
        let mut events = 0;
        for statement in [sql::PRUNE_NOTIFICATIONS, sql::PRUNE_NOTICES, sql::PRUNE] {
            events = sqlx::query(statement)
                .bind(&ids)
                .bind(&seqs)
                .execute(&mut *transaction)
                .await?
                .rows_affected();
        }
        let cut = i64::try_from(events).unwrap_or(i64::MAX);
        sign(&mut transaction, node, (cut, &bases), now).await?;
        transaction.commit().await?;
        Ok(Pruned {
            events,
            chains: bases.len() as u64,
        })
    }
}

/// Checks the chains within a transaction that sees one moment.
pub(in crate::postgres) async fn inspect(
    connection: &mut PgConnection,
    node: &Node,
) -> Outcome<AuditReport> {
    let others: Vec<String> = sqlx::query_scalar(sql::KEYS)
        .fetch_all(&mut *connection)
        .await?;
    let others: BTreeSet<String> = others
        .into_iter()
        .filter(|id| node.keys.get(id).is_none())
        .collect();
    let heads: Vec<ChainHead> = sqlx::query_as(sql::HEADS)
        .fetch_all(&mut *connection)
        .await?;
    let heads = heads.into_iter().map(HeadRow::from).collect();
    let checkpoints: Vec<CheckpointRow> = sqlx::query_as(sql::CHECKPOINTS)
        .fetch_all(&mut *connection)
        .await?;
    let checkpoints: Vec<Checkpoint> = checkpoints.into_iter().map(Checkpoint::from).collect();
    let counted = checkpoints
        .last()
        .map(|last| (last.cursor, last.events - last.pruned));
    let mut inspection = Inspection::new(&node.keys, others, heads, checkpoints);
    {
        let mut links = sqlx::query_as::<_, LinkRow>(sql::CHAINS).fetch(&mut *connection);
        while let Some(row) = links.try_next().await? {
            inspection.take(row.link());
        }
    }
    let mut report = inspection.report();
    if let Some((cursor, counted)) = counted {
        let found: i64 = sqlx::query_scalar(sql::COUNT_UNTIL)
            .bind(cursor)
            .fetch_one(&mut *connection)
            .await?;
        report.expect_count(found, counted);
    }
    Ok(report)
}

async fn sign(
    connection: &mut PgConnection,
    node: &Node,
    pruned: (i64, &[HeadRow]),
    now: Timestamp,
) -> Outcome<()> {
    let last: Option<CheckpointRow> = sqlx::query_as(sql::LAST_CHECKPOINT)
        .fetch_optional(&mut *connection)
        .await?;
    let last = last.map(Checkpoint::from);
    let grown: Vec<Grown> = sqlx::query_as(sql::GROWN)
        .bind(last.as_ref().map_or(0, |last| last.cursor))
        .fetch_all(&mut *connection)
        .await?;
    let grown: crate::Result<Vec<Growth>> = grown.into_iter().map(Grown::growth).collect();
    let next = Checkpoint::following(last.as_ref(), &grown?, pruned, &node.keys, now)?;
    if let Some(next) = next {
        sqlx::query(sql::INSERT)
            .bind(next.id)
            .bind(next.cursor)
            .bind(next.events)
            .bind(next.heads)
            .bind(next.pruned)
            .bind(next.bases)
            .bind(Moment(next.at_micros))
            .bind(next.key_id)
            .bind(next.mac)
            .execute(connection)
            .await?;
    }
    Ok(())
}
