//! The programs' sessions.

use async_trait::async_trait;
use stratavore_core::session::{Passage, Session, SessionKey};

use super::SqliteStore;
use super::ledger::Ledger;
use super::sql::session as sql;
use super::writer::Class;
use crate::knowledge::row::{HitRow, PassageRow, ReadingRow, SessionRow};
use crate::knowledge::words::Wanted;
use crate::{Digest, Hit, Reading, Result, SearchQuery, SessionFilter, Sessions, StoreError};

#[async_trait]
impl Sessions for SqliteStore {
    async fn transcripts(&self) -> Result<Vec<Reading>> {
        let query = sqlx::query(sql::TRANSCRIPTS).bind(self.instance.as_str());
        self.read_all("list transcripts", query, ReadingRow::reading)
            .await
    }

    async fn digest(&self, digest: Digest) -> Result<u64> {
        // What a power cut takes is read again.
        self.write(
            Class::Lazy,
            "keep what was read of a transcript",
            work!(digest(digest)),
        )
        .await
    }

    async fn put_session(&self, session: Session) -> Result<()> {
        self.write(
            Class::Durable,
            "keep the session",
            work!(put_session(session)),
        )
        .await
        .map(drop)
    }

    async fn transcripts_gone(&self, paths: Vec<String>) -> Result<()> {
        if paths.is_empty() {
            return Ok(());
        }
        self.write(
            Class::Lazy,
            "record that transcripts are gone",
            work!(transcripts_gone(paths)),
        )
        .await
    }

    async fn sessions(&self, filter: SessionFilter) -> Result<Vec<Session>> {
        let query = sqlx::query(sql::LIST)
            .bind(filter.project.map(|id| id.as_uuid()))
            .bind(filter.program)
            .bind(filter.runner.map(|id| id.as_uuid()))
            .bind(filter.id)
            // A negative limit is none.
            .bind(filter.limit.map_or(-1, i64::from));
        self.read_all("list sessions", query, SessionRow::session)
            .await
    }

    async fn session(&self, key: &SessionKey) -> Result<Session> {
        let query = sqlx::query(sql::GET)
            .bind(key.node.as_str())
            .bind(&key.program)
            .bind(&key.id);
        self.read_one("read the session", query, SessionRow::session)
            .await?
            .ok_or_else(|| StoreError::NoSession(key.id.clone()))
    }

    async fn search(&self, query: SearchQuery) -> Result<Vec<Hit>> {
        let wanted = Wanted::parse(&query.text);
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let query = sqlx::query(sql::SEARCH)
            .bind(wanted.to_fts5())
            .bind(query.project.map(|id| id.as_uuid()))
            .bind(query.limit);
        self.read_all("search the sessions", query, HitRow::hit)
            .await
    }

    async fn passages(&self, key: &SessionKey, limit: u32) -> Result<Vec<Passage>> {
        let query = sqlx::query(sql::PASSAGES)
            .bind(key.node.as_str())
            .bind(&key.program)
            .bind(&key.id)
            .bind(limit);
        self.read_all("read the session", query, PassageRow::passage)
            .await
    }

    async fn forget_index(&self) -> Result<()> {
        self.write(
            Class::Durable,
            "forget the index of the sessions",
            work!(forget_index()),
        )
        .await
    }
}
