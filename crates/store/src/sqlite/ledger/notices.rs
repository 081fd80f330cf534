//! Notices: claiming them and recording that they were shown.

use chrono::TimeDelta;
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::NoticeId;
use uuid::Uuid;

use super::{Ledger, Outcome};
use crate::row::{self, NoticeRow};
use crate::sqlite::sql::notice as sql;
use crate::{Notice, Result};

/// How long a claim may take to be shown, before another may claim it.
const CLAIM: TimeDelta = TimeDelta::minutes(1);

impl Ledger {
    pub(in crate::sqlite) async fn claim_notices(
        &mut self,
        person: &str,
        consumer: &str,
        now: Timestamp,
    ) -> Outcome<Vec<Notice>> {
        let mut claimed: Vec<Uuid> = sqlx::query_scalar(sql::CLAIM_AGAIN)
            .bind(person)
            .bind(consumer)
            .bind(now.timestamp_micros())
            .bind((now - CLAIM).timestamp_micros())
            .fetch_all(&mut self.connection)
            .await?;
        let unclaimed: Vec<i64> = sqlx::query_scalar(sql::UNCLAIMED)
            .bind(person)
            .bind(consumer)
            .fetch_all(&mut self.connection)
            .await?;
        for notice in unclaimed {
            let id: Option<Uuid> = sqlx::query_scalar(sql::CLAIM)
                .bind(NoticeId::new(now).as_uuid())
                .bind(person)
                .bind(consumer)
                .bind(notice)
                .bind(now.timestamp_micros())
                .fetch_optional(&mut self.connection)
                .await?;
            claimed.extend(id);
        }
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = claimed.iter().map(|id| id.simple().to_string()).collect();
        let ids = row::json("notices", &ids)?;
        let rows: Vec<NoticeRow> = sqlx::query_as(sql::CLAIMED)
            .bind(ids)
            .fetch_all(&mut self.connection)
            .await?;
        Ok(rows
            .into_iter()
            .map(NoticeRow::notice)
            .collect::<Result<_>>()?)
    }

    pub(in crate::sqlite) async fn notice_shown(
        &mut self,
        id: NoticeId,
        now: Timestamp,
    ) -> Outcome<()> {
        sqlx::query(sql::SHOWN)
            .bind(id.as_uuid())
            .bind(now.timestamp_micros())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
