//! The programs' sessions.

use std::time::Duration;

use async_trait::async_trait;
use stratavore_core::session::{Passage, Session, SessionKey};

use super::PostgresStore;
use super::sql::session as sql;
use crate::knowledge::row::{HitRow, PassageRow, ReadingRow, SessionRow};
use crate::knowledge::words::{Wanted, cleaned};
use crate::{Digest, Hit, Reading, Result, SearchQuery, SessionFilter, Sessions, StoreError};

/// How long keeping what was read of a transcript may take: it may be a long one.
const DIGEST: Duration = Duration::from_secs(120);

#[async_trait]
impl Sessions for PostgresStore {
    async fn transcripts(&self) -> Result<Vec<Reading>> {
        let query = || sqlx::query(sql::TRANSCRIPTS).bind(self.node.instance.to_string());
        self.read_all("list transcripts", query, ReadingRow::reading)
            .await
    }

    async fn digest(&self, digest: Digest) -> Result<u64> {
        self.run_within(
            DIGEST,
            "keep what was read of a transcript",
            work!(digest(digest)),
        )
        .await
    }

    async fn put_session(&self, session: Session) -> Result<()> {
        self.run("keep the session", work!(put_session(session)))
            .await
    }

    async fn transcripts_gone(&self, paths: Vec<String>) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        self.run(
            "record that transcripts are gone",
            work!(transcripts_gone(paths)),
        )
        .await
    }

    async fn sessions(&self, filter: SessionFilter) -> Result<Vec<Session>> {
        let text = |text: &Option<String>| text.clone().map(cleaned);
        let query = || {
            sqlx::query(sql::LIST)
                .bind(filter.project.map(|id| id.as_uuid()))
                .bind(text(&filter.program))
                .bind(filter.runner.map(|id| id.as_uuid()))
                .bind(text(&filter.id))
                .bind(filter.limit.map(i64::from))
        };
        self.read_all("list sessions", query, SessionRow::session)
            .await
    }

    async fn session(&self, key: &SessionKey) -> Result<Session> {
        let query = || named(sql::GET, key);
        self.read_all("read the session", query, SessionRow::session)
            .await?
            .pop()
            .ok_or_else(|| StoreError::NoSession(key.id.clone()))
    }

    async fn search(&self, query: SearchQuery) -> Result<Vec<Hit>> {
        let wanted = Wanted::parse(&query.text);
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let asked = || {
            sqlx::query(sql::SEARCH)
                .bind(wanted.to_tsquery())
                .bind(query.project.map(|id| id.as_uuid()))
                .bind(i64::from(query.limit))
        };
        let mut hits = self
            .read_all("search the sessions", asked, HitRow::hit)
            .await?;
        for hit in &mut hits {
            hit.snippet = wanted.snippet(&hit.snippet);
        }
        Ok(hits)
    }

    async fn passages(&self, key: &SessionKey, limit: u32) -> Result<Vec<Passage>> {
        let query = || named(sql::PASSAGES, key).bind(i64::from(limit));
        self.read_all("read the session", query, PassageRow::passage)
            .await
    }

    async fn forget_index(&self) -> Result<()> {
        self.run_long("forget the index of the sessions", work!(forget_index()))
            .await
    }
}

fn named(statement: &'static str, key: &SessionKey) -> super::Query {
    sqlx::query(statement)
        .bind(key.node.to_string())
        .bind(cleaned(key.program.clone()))
        .bind(cleaned(key.id.clone()))
}
