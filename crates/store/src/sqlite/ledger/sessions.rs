//! Sessions: keeping what was read of their transcripts.

use serde_json::{Value, json};
use stratavore_core::session::{Passage, Session};
use stratavore_core::usage::{Entry, NanoUsd};
use uuid::Uuid;

use super::{Ledger, Outcome};
use crate::Digest;
use crate::knowledge::row::{Known, Placed, columns, kept, ordered, said};
use crate::row::{json as text, signed};
use crate::sqlite::sql::{session as sql, usage};

/// How many rows are sent at once.
const ROWS: usize = 1000;

impl Ledger {
    /// Keeps what was read of a transcript; returns how many entries are new.
    pub(in crate::sqlite) async fn digest(&mut self, digest: Digest) -> Outcome<u64> {
        let reading = &digest.reading;
        let known: Option<Known> = sqlx::query_as(sql::KNOWN)
            .bind(self.instance.as_str())
            .bind(&reading.path)
            .fetch_optional(&mut self.connection)
            .await?;
        Known::guard(known.as_ref(), digest.from, reading)?;
        if let Some(known) = known.filter(|_| digest.from.is_none()) {
            for statement in [sql::TAKE_WORDS, sql::TAKE_BACK] {
                sqlx::query(statement)
                    .bind(known.number)
                    .execute(&mut self.connection)
                    .await?;
            }
        }
        let transcript: i64 = sqlx::query_scalar(sql::READ)
            .bind(self.instance.as_str())
            .bind(&reading.path)
            .bind(&reading.file)
            .bind(signed(reading.offset))
            .bind(&reading.memory)
            .fetch_one(&mut self.connection)
            .await?;
        let program = digest.session.key.program.clone();
        let placed = self.put_session(digest.session).await?;
        self.say(placed.number, transcript, digest.passages).await?;
        let runner = digest.runner.map(|id| id.as_uuid());
        let held: Option<Uuid> = sqlx::query_scalar(usage::PROJECT_OF)
            .bind(runner)
            .fetch_optional(&mut self.connection)
            .await?;
        self.use_tokens(&program, held.or(placed.project_id), runner, digest.entries)
            .await
    }

    /// Keeps a session, and gives what was used in it to whom it belongs now.
    pub(in crate::sqlite) async fn put_session(&mut self, session: Session) -> Outcome<Placed> {
        let session = kept(session);
        let (archive, sum) = session.archive.unzip();
        let key = session.key;
        let before: Option<Placed> = sqlx::query_as(sql::PLACE)
            .bind(key.node.as_str())
            .bind(&key.program)
            .bind(&key.id)
            .fetch_optional(&mut self.connection)
            .await?;
        let placed: Placed = sqlx::query_as(sql::PUT)
            .bind(key.node.as_str())
            .bind(&key.program)
            .bind(&key.id)
            .bind(session.project.map(|id| id.as_uuid()))
            .bind(session.cwd)
            .bind(session.title)
            .bind(session.model)
            .bind(session.began_at.timestamp_micros())
            .bind(session.updated_at.timestamp_micros())
            .bind(session.requests)
            .bind(session.parent)
            .bind(session.runner.map(|id| id.as_uuid()))
            .bind(session.transcript)
            .bind(session.program_cost.map(|cost| signed(cost.0)))
            .bind(archive)
            .bind(sum)
            .fetch_one(&mut self.connection)
            .await?;
        if before.as_ref() != Some(&placed) {
            let owners = [
                (usage::CLAIM, placed.runner_id),
                (usage::MOVE, placed.project_id),
            ];
            for (statement, owner) in owners {
                sqlx::query(statement)
                    .bind(key.node.as_str())
                    .bind(&key.program)
                    .bind(&key.id)
                    .bind(owner)
                    .execute(&mut self.connection)
                    .await?;
            }
        }
        Ok(placed)
    }

    async fn say(&mut self, session: i64, transcript: i64, passages: Vec<Passage>) -> Outcome<()> {
        if passages.is_empty() {
            return Ok(());
        }
        let last: i64 = sqlx::query_scalar(sql::LAST_SAID)
            .fetch_one(&mut self.connection)
            .await?;
        let mut rows = passages
            .into_iter()
            .map(|passage| {
                json!([
                    signed(passage.offset),
                    passage.role.as_str(),
                    passage.at.timestamp_micros(),
                    said(passage.text)
                ])
            })
            .peekable();
        while rows.peek().is_some() {
            let batch: Vec<Value> = rows.by_ref().take(ROWS).collect();
            sqlx::query(sql::SAY)
                .bind(text("passages", &batch)?)
                .bind(session)
                .bind(transcript)
                .execute(&mut self.connection)
                .await?;
        }
        sqlx::query(sql::INDEX)
            .bind(last)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    async fn use_tokens(
        &mut self,
        program: &str,
        project: Option<Uuid>,
        runner: Option<Uuid>,
        entries: Vec<(Entry, Option<NanoUsd>)>,
    ) -> Outcome<u64> {
        let mut new = 0;
        for entries in ordered(entries).chunks(ROWS) {
            let rows: Vec<Value> = entries.iter().map(used).collect();
            let inserted = sqlx::query(usage::USE)
                .bind(text("usage", &rows)?)
                .bind(program)
                .bind(self.instance.as_str())
                .bind(project)
                .bind(runner)
                .execute(&mut self.connection)
                .await?;
            new += inserted.rows_affected();
        }
        Ok(new)
    }

    pub(in crate::sqlite) async fn transcripts_gone(&mut self, paths: Vec<String>) -> Outcome<()> {
        let paths = text("paths", &paths)?;
        for statement in [sql::GONE, sql::LEFT_BEHIND] {
            sqlx::query(statement)
                .bind(self.instance.as_str())
                .bind(&paths)
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }

    pub(in crate::sqlite) async fn forget_index(&mut self) -> Outcome<()> {
        let here = self.instance.to_string();
        sqlx::query(sql::FORGET_PASSAGES)
            .bind(&here)
            .execute(&mut self.connection)
            .await?;
        sqlx::query(sql::REBUILD)
            .execute(&mut self.connection)
            .await?;
        for statement in [sql::FORGET_TRANSCRIPTS, sql::FORGET, sql::FORGET_FIELDS] {
            sqlx::query(statement)
                .bind(&here)
                .execute(&mut self.connection)
                .await?;
        }
        Ok(())
    }
}

fn used((entry, cost): &(Entry, Option<NanoUsd>)) -> Value {
    let [input, output, cache_write_5m, cache_write_1h, cache_read] = columns(&entry.tokens);
    json!([
        entry.message,
        entry.session,
        entry.model,
        entry.at.timestamp_micros(),
        input,
        output,
        cache_write_5m,
        cache_write_1h,
        cache_read,
        cost.map(|cost| signed(cost.0)),
    ])
}
