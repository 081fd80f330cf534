//! Notices: claiming them and recording that they were shown.

use chrono::TimeDelta;
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{NoticeId, RunnerId};
use stratavore_core::name::Name;
use stratavore_core::notice::Edge;
use uuid::Uuid;

use super::{Ledger, Outcome};
use crate::sqlite::row::{self, NoticeRow};
use crate::sqlite::sql::notice as sql;
use crate::{Notice, Result};

/// How long a claim may take to be shown, before another may claim it.
const CLAIM: TimeDelta = TimeDelta::minutes(1);

impl Ledger {
    pub(in crate::sqlite) async fn claim_notices(
        &mut self,
        consumer: &str,
        now: Timestamp,
    ) -> Outcome<Vec<Notice>> {
        let mut claimed: Vec<Uuid> = sqlx::query_scalar(sql::CLAIM_AGAIN)
            .bind(consumer)
            .bind(now.timestamp_micros())
            .bind((now - CLAIM).timestamp_micros())
            .fetch_all(&mut self.connection)
            .await?;
        let unclaimed: Vec<i64> = sqlx::query_scalar(sql::UNCLAIMED)
            .bind(consumer)
            .fetch_all(&mut self.connection)
            .await?;
        for notice in unclaimed {
            let id = NoticeId::new(now).as_uuid();
            sqlx::query(sql::CLAIM)
                .bind(id)
                .bind(consumer)
                .bind(notice)
                .bind(now.timestamp_micros())
                .execute(&mut self.connection)
                .await?;
            claimed.push(id);
        }
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = claimed.iter().map(|id| id.simple().to_string()).collect();
        let ids = serde_json::to_string(&ids).map_err(|error| row::corrupt("notices", error))?;
        let rows: Vec<NoticeRow> = sqlx::query_as(sql::CLAIMED)
            .bind(ids)
            .fetch_all(&mut self.connection)
            .await?;
        Ok(rows.into_iter().map(notice).collect::<Result<_>>()?)
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

fn notice(row: NoticeRow) -> Result<Notice> {
    let what = "a notice";
    let edge: Edge =
        serde_json::from_value(row.edge.into()).map_err(|error| row::corrupt(what, error))?;
    let about = RunnerId::from_uuid(row.event.aggregate_id);
    let runner = match row.runner {
        Some(name) => Some((
            about,
            Name::new(name).map_err(|error| row::corrupt(what, error))?,
        )),
        None => None,
    };
    Ok(Notice {
        id: NoticeId::from_uuid(row.notification_id),
        edge,
        event: row.event.event()?,
        runner,
    })
}
