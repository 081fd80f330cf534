//! The end of the log, kept for when the database cannot tell it: no more than so many events, and none missing between them.

use sqlx::SqliteConnection;
use uuid::Uuid;

use super::cache::Cache;
use crate::row::EventRow;
use crate::{Cursor, Event, EventFilter, Result, Store};

/// How many events are kept: with a hundred bytes or a few hundred each, some megabytes.
pub(super) const KEPT: i64 = 10_000;
/// How many are read at once.
const PAGE: u32 = 500;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS events (
    cursor INTEGER PRIMARY KEY, id BLOB NOT NULL, aggregate_id BLOB NOT NULL, aggregate TEXT NOT NULL,
    project TEXT NOT NULL, seq INTEGER NOT NULL, payload TEXT NOT NULL, at INTEGER NOT NULL
) STRICT;
-- Every event after this one is there, up to the last that is.
CREATE TABLE IF NOT EXISTS log (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), after INTEGER NOT NULL
) STRICT;
";

const END: &str = "SELECT max(after, coalesce((SELECT max(cursor) FROM events), 0)) FROM log";
const AFTER: &str = "SELECT after FROM log";
const FORGET: [&str; 2] = ["DELETE FROM events", "DELETE FROM log"];
const BEGIN: &str = "INSERT INTO log (only_row, after) VALUES (1, $1)";
const KEEP: &str = "INSERT INTO events (cursor, id, aggregate_id, aggregate, project, seq, payload, at) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE $1 > (SELECT after FROM log) ON CONFLICT DO NOTHING";
const BOUND: &str = "UPDATE log SET after = max(after, (SELECT max(cursor) FROM events) - $1) \
    WHERE EXISTS (SELECT 1 FROM events)";
const DROP_OLD: &str = "DELETE FROM events WHERE cursor <= (SELECT after FROM log)";
const LIST: &str = "SELECT cursor, id, aggregate_id, aggregate, project, seq, payload, at FROM events \
    WHERE cursor > $1 ORDER BY cursor LIMIT $2";
const ID: &str = "SELECT id FROM events WHERE cursor = $1";

impl Cache {
    /// Keeps events that came one after the other behind a cursor. What does not reach up to there is forgotten.
    pub(super) async fn keep_events(&self, after: Cursor, events: &[Event]) -> Result<()> {
        let failed = |error| self.failed("write", error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        keep(&mut transaction, after, events)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    async fn forget_events(&self) -> Result<()> {
        let failed = |error| self.failed("write", error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        forget(&mut transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Returns the cursor up to which the log is known, if any of it is.
    pub(super) async fn end_of_log(&self) -> Result<Option<Cursor>> {
        let end: Option<i64> = sqlx::query_scalar(END)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed("read", error))?;
        Ok(end.map(Cursor))
    }

    /// Lists events after a cursor: of the beginning of the log on, what is kept of it; nothing where some that come next are
    /// not kept.
    pub(super) async fn events(&self, filter: &EventFilter) -> Result<Option<Vec<Event>>> {
        let failed = |error| self.failed("read", error);
        let known: Option<i64> = sqlx::query_scalar(AFTER)
            .fetch_optional(&self.pool)
            .await
            .map_err(failed)?;
        let after = filter.after;
        if known.is_none_or(|known| after != Cursor::default() && after < Cursor(known)) {
            return Ok(None);
        }
        let rows: Vec<EventRow> = sqlx::query_as(LIST)
            .bind(after.0)
            .bind(filter.limit)
            .fetch_all(&self.pool)
            .await
            .map_err(failed)?;
        rows.into_iter()
            .map(EventRow::event)
            .collect::<Result<_>>()
            .map(Some)
    }

    /// Reads on in the database from where this knows the log, or where its last events begin.
    pub(super) async fn read_on(&self, database: &dyn Store) -> Result<()> {
        let last = database.last_cursor().await?;
        let oldest = Cursor((last.0 - KEPT).max(0));
        let mut after = match self.end_of_log().await? {
            Some(end) if end >= oldest && self.agrees(database, end).await? => end,
            _ => {
                // What is read next does not join on to what there is.
                self.forget_events().await?;
                oldest
            }
        };
        loop {
            let filter = EventFilter { after, limit: PAGE };
            let events = database.events(filter).await?;
            self.keep_events(after, &events).await?;
            match events.last() {
                Some(event) if events.len() == PAGE as usize => after = event.cursor,
                _ => return Ok(()),
            }
        }
    }

    /// Tells whether a database has the last known event where it is known: it may be another one by now.
    async fn agrees(&self, database: &dyn Store, end: Cursor) -> Result<bool> {
        let id: Option<Uuid> = sqlx::query_scalar(ID)
            .bind(end.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed("read", error))?;
        let filter = EventFilter {
            after: Cursor(end.0 - 1),
            limit: 1,
        };
        let there = database.events(filter).await?;
        Ok(there
            .first()
            .is_some_and(|event| event.cursor == end && Some(event.id.as_uuid()) == id))
    }
}

async fn forget(connection: &mut SqliteConnection) -> sqlx::Result<()> {
    for table in FORGET {
        sqlx::query(table).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn keep(
    connection: &mut SqliteConnection,
    after: Cursor,
    events: &[Event],
) -> sqlx::Result<()> {
    let end: Option<i64> = sqlx::query_scalar(END)
        .fetch_optional(&mut *connection)
        .await?;
    if end.is_none_or(|end| end < after.0) {
        forget(connection).await?;
        sqlx::query(BEGIN)
            .bind(after.0)
            .execute(&mut *connection)
            .await?;
    }
    for event in events {
        let payload = serde_json::to_string(&event.fact)
            .map_err(|error| sqlx::Error::Encode(error.into()))?;
        sqlx::query(KEEP)
            .bind(event.cursor.0)
            .bind(event.id.as_uuid())
            .bind(event.aggregate_id)
            .bind(event.aggregate)
            .bind(&event.project)
            .bind(i64::try_from(event.seq).unwrap_or(i64::MAX))
            .bind(payload)
            .bind(event.at.timestamp_micros())
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(BOUND)
        .bind(KEPT)
        .execute(&mut *connection)
        .await?;
    sqlx::query(DROP_OLD).execute(&mut *connection).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use stratavore_core::clock::{Clock, SystemClock};
    use stratavore_core::fact::Fact;
    use stratavore_core::ids::{EventId, ProjectId};
    use stratavore_core::name::Name;
    use tempfile::TempDir;

    use super::*;
    use crate::NewProject;
    use crate::sqlite::{Options, SqliteStore};

    async fn cache() -> (TempDir, Cache) {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache.db"))
            .await
            .unwrap();
        (directory, cache)
    }

    fn events(cursors: RangeInclusive<i64>) -> Vec<Event> {
        let event = |cursor: i64| Event {
            cursor: Cursor(cursor),
            id: EventId::from_uuid(Uuid::from_u128(cursor.unsigned_abs().into())),
            aggregate_id: Uuid::nil(),
            aggregate: "runner",
            project: "api".to_owned(),
            seq: cursor.unsigned_abs(),
            fact: Fact::Paused { attempt: 1 },
            at: chrono::DateTime::from_timestamp_micros(cursor).unwrap(),
        };
        cursors.map(event).collect()
    }

    async fn listed(cache: &Cache, after: i64, limit: u32) -> Option<Vec<Event>> {
        let after = Cursor(after);
        cache.events(&EventFilter { after, limit }).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_listed_has_no_gap() {
        let (_directory, cache) = cache().await;
        assert_eq!(cache.end_of_log().await.unwrap(), None);
        assert_eq!(listed(&cache, 0, 10).await, None);
        cache
            .keep_events(Cursor(10), &events(11..=14))
            .await
            .unwrap();
        // What overlaps, and what came before, adds what is new behind.
        cache.keep_events(Cursor(4), &events(5..=16)).await.unwrap();
        assert_eq!(cache.end_of_log().await.unwrap(), Some(Cursor(16)));
        assert_eq!(listed(&cache, 0, 3).await, Some(events(11..=13)));
        assert_eq!(listed(&cache, 13, 10).await, Some(events(14..=16)));
        assert_eq!(listed(&cache, 16, 10).await, Some(Vec::new()));
        assert_eq!(
            listed(&cache, 9, 10).await,
            None,
            "10 and 11 come next, and 10 is not known"
        );
        // What does not join on takes the place of what was there.
        cache
            .keep_events(Cursor(20), &events(21..=22))
            .await
            .unwrap();
        assert_eq!(listed(&cache, 0, 10).await, Some(events(21..=22)));
        assert_eq!(listed(&cache, 14, 10).await, None);
        cache.close().await;
    }

    #[tokio::test]
    async fn no_more_than_so_many_are_kept() {
        let (_directory, cache) = cache().await;
        let all = events(1..=KEPT + 5);
        for page in all.chunks(PAGE as usize) {
            let after = Cursor(page[0].cursor.0 - 1);
            cache.keep_events(after, page).await.unwrap();
        }
        assert_eq!(listed(&cache, 0, u32::MAX).await.unwrap(), &all[5..]);
        assert_eq!(listed(&cache, 4, 1).await, None);
        assert_eq!(listed(&cache, 5, 1).await, Some(events(6..=6)));
        cache.close().await;
    }

    #[tokio::test]
    async fn another_database_is_read_anew() {
        let (directory, cache) = cache().await;
        for (name, projects) in [("one", 3), ("another", 2), ("a-third", 7)] {
            let file = |extension: &str| directory.path().join(format!("{name}.{extension}"));
            let now = SystemClock.now();
            let store = SqliteStore::open(file("db"), file("key"), Options::default(), now).await;
            let store = store.unwrap();
            for number in 0..projects {
                let new = NewProject {
                    id: ProjectId::new(now),
                    name: Name::new(format!("p{number}")).unwrap(),
                    path: "/srv".into(),
                    max_runners: None,
                };
                store.add_project(new, now).await.unwrap();
                cache.read_on(&store).await.unwrap();
            }
            let filter = EventFilter {
                after: Cursor::default(),
                limit: 100,
            };
            let there = store.events(filter).await.unwrap();
            assert_eq!(there.len(), projects);
            assert_eq!(listed(&cache, 0, 100).await, Some(there), "{name}");
            store.close().await;
        }
        cache.close().await;
    }
}
