//! Sessions: keeping what was read of their transcripts.

use sqlx::PgConnection;
use stratavore_core::session::{Passage, Session};
use stratavore_core::usage::{Entry, NanoUsd};
use uuid::Uuid;

use super::{Ledger, Node, Scope};
use crate::Digest;
use crate::knowledge::row::{Known, Placed, columns, kept, ordered, said};
use crate::knowledge::words::{cleaned, lexemes};
use crate::moment::Moment;
use crate::postgres::sql::{session as sql, usage};
use crate::postgres::trouble::Outcome;
use crate::row::signed;

/// How many passages are sent at once: each may have 16 KiB, and its words as much again.
const PASSAGES: usize = 200;
/// How many entries are sent at once.
const ENTRIES: usize = 2000;

impl Ledger<'_> {
    /// Keeps what was read of a transcript; returns how many entries are new.
    pub(in crate::postgres) async fn digest(&mut self, digest: Digest) -> Outcome<u64> {
        let here = self.node;
        let mut reading = digest.reading;
        reading.path = cleaned(reading.path);
        let scope = Scope::Transcript(&here.instance, &reading.path);
        let mut transaction = self.begin(&[scope]).await?;
        let known: Option<Known> = sqlx::query_as(sql::KNOWN)
            .bind(here.instance.as_str())
            .bind(&reading.path)
            .fetch_optional(&mut *transaction)
            .await?;
        Known::guard(known.as_ref(), digest.from, &reading)?;
        if let Some(known) = known.filter(|_| digest.from.is_none()) {
            sqlx::query(sql::TAKE_BACK)
                .bind(known.number)
                .execute(&mut *transaction)
                .await?;
        }
        let transcript: i64 = sqlx::query_scalar(sql::READ)
            .bind(here.instance.as_str())
            .bind(reading.path)
            .bind(cleaned(reading.file))
            .bind(signed(reading.offset))
            .bind(cleaned(reading.memory))
            .fetch_one(&mut *transaction)
            .await?;
        let program = cleaned(digest.session.key.program.clone());
        let placed = put(&mut transaction, digest.session).await?;
        say(&mut transaction, placed.number, transcript, digest.passages).await?;
        let runner = digest.runner.map(|id| id.as_uuid());
        let held: Option<Uuid> = sqlx::query_scalar(usage::PROJECT_OF)
            .bind(runner)
            .fetch_optional(&mut *transaction)
            .await?;
        let used = Used {
            program,
            project: held.or(placed.project_id),
            runner,
        };
        let new = used.keep(&mut transaction, here, digest.entries).await?;
        transaction.commit().await?;
        Ok(new)
    }

    pub(in crate::postgres) async fn put_session(&mut self, session: Session) -> Outcome<()> {
        let mut transaction = self.begin(&[]).await?;
        put(&mut transaction, session).await?;
        transaction.commit().await?;
        Ok(())
    }

    pub(in crate::postgres) async fn transcripts_gone(
        &mut self,
        paths: Vec<String>,
    ) -> Outcome<()> {
        let here = self.node.instance.as_str();
        let paths: Vec<String> = paths.into_iter().map(cleaned).collect();
        let mut transaction = self.begin(&[]).await?;
        for statement in [sql::GONE, sql::LEFT_BEHIND] {
            sqlx::query(statement)
                .bind(here)
                .bind(&paths)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    pub(in crate::postgres) async fn forget_index(&mut self) -> Outcome<()> {
        let here = self.node.instance.as_str();
        let mut transaction = self.begin(&[]).await?;
        sqlx::query(sql::AT_LEISURE)
            .execute(&mut *transaction)
            .await?;
        for statement in [
            sql::FORGET_PASSAGES,
            sql::FORGET_TRANSCRIPTS,
            sql::FORGET,
            sql::FORGET_FIELDS,
        ] {
            sqlx::query(statement)
                .bind(here)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// Keeps a session, and gives what was used in it to whom it belongs now.
async fn put(connection: &mut PgConnection, session: Session) -> Outcome<Placed> {
    let session = kept(session);
    let (archive, sum) = session.archive.unzip();
    let key = session.key;
    let before: Option<Placed> = sqlx::query_as(sql::PLACE)
        .bind(key.node.as_str())
        .bind(&key.program)
        .bind(&key.id)
        .fetch_optional(&mut *connection)
        .await?;
    let placed: Placed = sqlx::query_as(sql::PUT)
        .bind(key.node.as_str())
        .bind(&key.program)
        .bind(&key.id)
        .bind(session.project.map(|id| id.as_uuid()))
        .bind(session.cwd)
        .bind(session.title)
        .bind(session.model)
        .bind(Moment::from(session.began_at))
        .bind(Moment::from(session.updated_at))
        .bind(i64::from(session.requests))
        .bind(session.parent)
        .bind(session.runner.map(|id| id.as_uuid()))
        .bind(session.transcript)
        .bind(session.program_cost.map(|cost| signed(cost.0)))
        .bind(archive)
        .bind(sum)
        .fetch_one(&mut *connection)
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
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(placed)
}

/// Keeps passages of a transcript.
pub(in crate::postgres) async fn say(
    connection: &mut PgConnection,
    session: i64,
    transcript: i64,
    passages: Vec<Passage>,
) -> Outcome<()> {
    let mut passages = passages.into_iter().peekable();
    while passages.peek().is_some() {
        let (mut offsets, mut roles, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        let (mut texts, mut words) = (Vec::new(), Vec::new());
        for passage in passages.by_ref().take(PASSAGES) {
            let text = said(passage.text);
            offsets.push(signed(passage.offset));
            roles.push(passage.role.as_str());
            moments.push(Moment::from(passage.at));
            words.push(lexemes(&text));
            texts.push(text);
        }
        sqlx::query(sql::SAY)
            .bind(session)
            .bind(transcript)
            .bind(offsets)
            .bind(roles)
            .bind(moments)
            .bind(texts)
            .bind(words)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Whose usage it is.
struct Used {
    program: String,
    project: Option<Uuid>,
    runner: Option<Uuid>,
}

impl Used {
    async fn keep(
        &self,
        connection: &mut PgConnection,
        node: &Node,
        entries: Vec<(Entry, Option<NanoUsd>)>,
    ) -> Outcome<u64> {
        let mut new = 0;
        for entries in ordered(entries).chunks(ENTRIES) {
            let column = |of: fn(&Entry) -> &str| -> Vec<String> {
                let column = entries.iter().map(|(entry, _)| of(entry).to_owned());
                column.collect()
            };
            let moments = entries.iter().map(|(entry, _)| Moment::from(entry.at));
            let mut query = sqlx::query(usage::USE)
                .bind(&self.program)
                .bind(node.instance.as_str())
                .bind(self.project)
                .bind(self.runner)
                .bind(column(|entry| &entry.message))
                .bind(column(|entry| &entry.session))
                .bind(column(|entry| &entry.model))
                .bind(moments.collect::<Vec<_>>());
            let kinds: Vec<[i64; 5]> = entries
                .iter()
                .map(|(entry, _)| columns(&entry.tokens))
                .collect();
            for kind in 0..5 {
                query = query.bind(kinds.iter().map(|row| row[kind]).collect::<Vec<i64>>());
            }
            let costs: Vec<Option<i64>> = entries
                .iter()
                .map(|(_, cost)| cost.map(|cost| signed(cost.0)))
                .collect();
            new += query
                .bind(costs)
                .execute(&mut *connection)
                .await?
                .rows_affected();
        }
        Ok(new)
    }
}
