//! Notices: claiming them and recording that they were shown.

use chrono::TimeDelta;
use sqlx::Connection;
use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_core::ids::NoticeId;
use uuid::Uuid;

use super::Ledger;
use crate::moment::Moment;
use crate::postgres::sql::notice as sql;
use crate::postgres::trouble::Outcome;
use crate::row::NoticeRow;
use crate::{Notice, Result};

/// How long a claim may take to be shown, before another may claim it.
const CLAIM: TimeDelta = TimeDelta::minutes(1);

impl Ledger<'_> {
    /// Claims what this consumer of a person has not been given; events must have their cursors. How long ago another host
    /// of theirs claimed is told by the database's clock: this machine's, or the other's, may be off.
    pub(in crate::postgres) async fn claim_notices(
        &mut self,
        person: &str,
        consumer: &str,
        now: Timestamp,
    ) -> Outcome<Vec<Notice>> {
        let mut transaction = self.connection.begin().await?;
        sqlx::query(sql::KNOW)
            .bind(person)
            .bind(consumer)
            .execute(&mut *transaction)
            .await?;
        let seen: i64 = sqlx::query_scalar(sql::LOCK)
            .bind(person)
            .bind(consumer)
            .fetch_one(&mut *transaction)
            .await?;
        let right: Moment = sqlx::query_scalar(sql::NOW)
            .fetch_one(&mut *transaction)
            .await?;
        let off = right.0 - Moment::from(SystemClock.now()).0;
        let now = now + TimeDelta::microseconds(off);
        let mut claimed: Vec<Uuid> = sqlx::query_scalar(sql::CLAIM_AGAIN)
            .bind(person)
            .bind(consumer)
            .bind(Moment::from(now))
            .bind(Moment::from(now - CLAIM))
            .fetch_all(&mut *transaction)
            .await?;
        let fresh: Vec<Uuid> = sqlx::query_scalar(sql::CLAIM)
            .bind(person)
            .bind(consumer)
            .bind(Moment::from(now))
            .bind(seen)
            .fetch_all(&mut *transaction)
            .await?;
        claimed.extend(fresh);
        let rows: Vec<NoticeRow> = if claimed.is_empty() {
            Vec::new()
        } else {
            sqlx::query_as(sql::CLAIMED)
                .bind(claimed)
                .fetch_all(&mut *transaction)
                .await?
        };
        transaction.commit().await?;
        let notices: Result<Vec<Notice>> = rows.into_iter().map(NoticeRow::notice).collect();
        Ok(notices?)
    }

    pub(in crate::postgres) async fn notice_shown(
        &mut self,
        id: NoticeId,
        now: Timestamp,
    ) -> Outcome<()> {
        sqlx::query(sql::SHOWN)
            .bind(id.as_uuid())
            .bind(Moment::from(now))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }
}
