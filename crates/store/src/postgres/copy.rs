//! Moves one machine's history to a team's database: whole, in one transaction, and verified before it is committed.
//!
//! Events keep their places, seals and key ids; the key stays in the data directory, from which the same node goes on sealing.
//! A database that holds anything is not written to. One that holds this very history is left as it is, so that a copy whose
//! answer was lost may be asked for again.

mod sql;

use std::path::Path;
use std::time::Duration;

use futures::TryStreamExt;
use sqlx::{Connection, PgConnection, Postgres, Sqlite, SqliteConnection};
use stratavore_core::clock::Timestamp;
use tokio::time::timeout;
use uuid::Uuid;

use super::address::Address;
use super::ledger::{Node, inspect, say};
use super::schema;
use super::sql::usage;
use super::trouble::{Outcome, Trouble, unopened};
use crate::audit::Keyring;
use crate::knowledge::row::{GroupRow, SaidRow};
use crate::moment::Moment;
use crate::row::unsigned;
use crate::sqlite::{self, SqliteStore};
use crate::{Result, Store, StoreError, Usage as _, UsageFilter, UsageRow};

/// How long the whole may take.
const WHOLE: Duration = Duration::from_secs(3600);
/// How many rows are sent at once.
const BATCH: usize = 1000;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Copied {
    /// Projects.
    pub projects: u64,
    /// Runners.
    pub runners: u64,
    /// Events, each with its seal checked.
    pub events: u64,
    /// Of these, those that still wait for their delivery.
    pub waiting: u64,
    /// Whether all of it was there already, and nothing was written.
    pub already: bool,
}

/// Copies the store in a file to the database at a URL. No host may use the file meanwhile: whoever calls holds its lock.
///
/// # Errors
/// [`StoreError::NotEmpty`] when the database holds something else, [`StoreError::Unsound`] when the audit log of the file is
/// not sound or what arrived is not what was sent, and what opening either of them may meet. Then nothing was written.
pub async fn copy_from_sqlite(
    file: &Path,
    key: &Path,
    url: &str,
    now: Timestamp,
) -> Result<Copied> {
    let address = Address::parse(url)?;
    let source = SqliteStore::open(file, key, sqlite::Options::default(), now).await?;
    let copied = copy(&source, file, key, &address).await;
    source.close().await;
    copied
}

async fn copy(source: &SqliteStore, file: &Path, key: &Path, address: &Address) -> Result<Copied> {
    let report = source.verify_audit().await?;
    if !report.faults.is_empty() {
        return Err(StoreError::Unsound {
            database: file.display().to_string(),
            reason: format!(
                "its audit log has {} faults; see them with `stratavore audit verify`",
                report.faults.len()
            ),
        });
    }
    let (keys, _) = Keyring::open(key)?;
    let node = Node::new(keys, source.instance().clone());
    let used = source.usage(UsageFilter::default()).await?;
    schema::prepare(address, &super::MIGRATIONS, &node.keys, &node.instance).await?;
    let mut connection = schema::connect(address).await?;
    let mut from = source.reader().await?;
    let outcome = timeout(
        WHOLE,
        transfer(&mut from, &mut connection, &node, &used, address),
    )
    .await
    .unwrap_or(Err(Trouble::Silent));
    let _ = connection.close().await;
    outcome.map_err(|trouble| match trouble {
        Trouble::Sql(error) => unopened(error, address),
        other => other.during("copy the history", address),
    })
}

/// An aggregate, the number of its last event, and that event's seal.
type Head = (Uuid, i64, Vec<u8>);
/// How many rows there are of each table of what was read of the programs' files.
type Knowledge = (i64, i64, i64, i64, i64, i64, i64);

async fn transfer(
    from: &mut SqliteConnection,
    into: &mut PgConnection,
    node: &Node,
    used: &[UsageRow],
    address: &Address,
) -> Outcome<Copied> {
    let mut from = from.begin().await?;
    let mut into = into.begin().await?;
    sqlx::raw_sql(sql::LOCK).execute(&mut *into).await?;
    let sent: Vec<Head> = sqlx::query_as(sql::SENT_HEADS)
        .fetch_all(&mut *from)
        .await?;
    let heads = sqlx::query_as(sql::HEADS);
    let there: Vec<Head> = heads.fetch_all(&mut *into).await?;
    let counts: (i64, i64, i64, i64) = sqlx::query_as(sql::SENT_COUNTS)
        .fetch_one(&mut *from)
        .await?;
    let copied = Copied {
        projects: unsigned("projects", counts.0)?,
        runners: unsigned("runners", counts.1)?,
        events: unsigned("events", counts.2)?,
        waiting: unsigned("the outbox", counts.3)?,
        already: !there.is_empty(),
    };
    if !there.is_empty() {
        if there == sent {
            return Ok(copied);
        }
        let database = address.to_string();
        return Err(StoreError::NotEmpty { database }.into());
    }
    let knowledge = knowledge_of::<Sqlite>(&mut from).await?;
    if knowledge_of::<Postgres>(&mut into).await? != Knowledge::default() {
        let database = address.to_string();
        return Err(StoreError::NotEmpty { database }.into());
    }
    for &(read, write) in sql::TABLES {
        let mut rows = sqlx::query_scalar::<_, String>(read).fetch(&mut *from);
        let mut batch: Vec<String> = Vec::new();
        loop {
            let row = rows.try_next().await?;
            let ended = row.is_none();
            batch.extend(row.map(without_nul));
            if batch.len() == BATCH || (ended && !batch.is_empty()) {
                let rows = format!("[{}]", batch.join(","));
                sqlx::query(write).bind(rows).execute(&mut *into).await?;
                batch.clear();
            }
            if ended {
                break;
            }
        }
    }
    copy_passages(&mut from, &mut into).await?;
    sqlx::raw_sql(sql::SETTLE).execute(&mut *into).await?;

    let unsound = |reason: String| {
        let database = address.to_string();
        Trouble::Store(StoreError::Unsound { database, reason })
    };
    let heads = sqlx::query_as(sql::HEADS);
    let arrived: Vec<Head> = heads.fetch_all(&mut *into).await?;
    let found: (i64, i64, i64, i64) = sqlx::query_as(sql::COUNTS).fetch_one(&mut *into).await?;
    if arrived != sent || found != counts {
        return Err(unsound(format!(
            "of {counts:?} projects, runners, events and waiting events {found:?} arrived"
        )));
    }
    let found = knowledge_of::<Postgres>(&mut into).await?;
    if found != knowledge {
        return Err(unsound(format!(
            "of {knowledge:?} sessions, transcripts, passages, messages, budgets, warnings and presets {found:?} arrived"
        )));
    }
    if used_there(&mut into).await? != used {
        return Err(unsound("the usage that arrived has another sum".to_owned()));
    }
    let report = inspect(&mut into, node).await?;
    if let Some(fault) = report.faults.first() {
        return Err(unsound(format!(
            "the audit log that arrived has {} faults, the first: {} ({})",
            report.faults.len(),
            fault.detail,
            fault.kind
        )));
    }
    into.commit().await?;
    Ok(copied)
}

async fn knowledge_of<D: sqlx::Database>(connection: &mut D::Connection) -> Outcome<Knowledge>
where
    for<'c> &'c mut D::Connection: sqlx::Executor<'c, Database = D>,
    D::Arguments: sqlx::IntoArguments<D>,
    Knowledge: for<'r> sqlx::FromRow<'r, D::Row>,
{
    Ok(sqlx::query_as(sql::KNOWLEDGE).fetch_one(connection).await?)
}

/// Copies what was said: its words are told apart by this program.
async fn copy_passages(from: &mut SqliteConnection, into: &mut PgConnection) -> Outcome<()> {
    let mut rows = sqlx::query_as::<_, SaidRow>(sql::PASSAGES).fetch(from);
    let (mut place, mut passages) = ((0, 0), Vec::new());
    while let Some(row) = rows.try_next().await? {
        if row.place() != place || passages.len() == BATCH {
            say(into, place.0, place.1, std::mem::take(&mut passages)).await?;
            place = row.place();
        }
        passages.push(row.passage()?);
    }
    say(into, place.0, place.1, passages).await
}

/// Sums the usage that arrived.
async fn used_there(connection: &mut PgConnection) -> Outcome<Vec<UsageRow>> {
    let nothing = None::<Moment>;
    let sums: Vec<GroupRow> = sqlx::query_as(usage::TOGETHER)
        .bind(nothing)
        .bind(nothing)
        .bind(None::<Uuid>)
        .bind(None::<Uuid>)
        .bind(None::<String>)
        .fetch_all(connection)
        .await?;
    let rows: Result<Vec<UsageRow>> = sums.into_iter().map(GroupRow::row).collect();
    Ok(rows?)
}

/// Takes the character out of a JSON text that PostgreSQL has no room for. What holds JSON itself has it escaped twice, and
/// keeps it.
fn without_nul(text: String) -> String {
    if !text.contains("\\u0000") {
        return text;
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        whole.push_str(before);
        // JSON's escapes are ASCII, and two bytes long but for \uXXXX.
        let length = if escape.starts_with("\\u") { 6 } else { 2 };
        let (escape, after) = escape.split_at(length.min(escape.len()));
        if escape != "\\u0000" {
            whole.push_str(escape);
        }
        rest = after;
    }
    whole.push_str(rest);
    whole
}

#[cfg(test)]
mod tests {
    use super::without_nul;

    #[test]
    fn only_the_character_itself_is_taken_out() {
        for (text, kept) in [
            (r#""a\\u0000b""#, r#""a\\u0000b""#),
            (r#""a\u0000b""#, r#""ab""#),
            (r#""\\\u0000\n""#, r#""\\\n""#),
            (r#""plain""#, r#""plain""#),
        ] {
            assert_eq!(without_nul(text.to_owned()), kept);
        }
    }
}
