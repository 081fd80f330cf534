//! What was last known of sessions, of what was used, of budgets and of presets.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::json;
use sqlx::{AssertSqlSafe, SqliteConnection};
use stratavore_core::budget::{Budget, Scope, Spent, Terms};
use stratavore_core::clock::Timestamp;
use stratavore_core::hex::hex;
use stratavore_core::ids::ProjectId;
use stratavore_core::preset::Preset;
use stratavore_core::session::{Session, SessionKey};
use stratavore_core::usage::NanoUsd;

use super::cache::{Cache, corrupt};
use crate::knowledge::row::{QUARTER, QuarterRow, beginning, columns, preset, sorted};
use crate::row::signed;
use crate::{By, Quarter, Result, SessionFilter, StoreError, UsageFilter, UsageRow};

/// How many sessions are known, the latest: some five hundred bytes each.
pub(super) const SESSIONS: u32 = 2000;
/// Of how many days it is known when something was used: of those before, only how much.
const DAYS: i64 = 100;
/// How many quarters of an hour a day has.
pub(super) const OF_A_DAY: i64 = 96;
/// How many rows are written at once.
const ROWS: usize = 1000;

/// The tables, to be made and to be dropped.
pub(super) const TABLES: [&str; 5] = ["sessions", "quarters", "budgets", "presets", "books"];

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sessions (
    number INTEGER PRIMARY KEY, node TEXT NOT NULL, program TEXT NOT NULL, id TEXT NOT NULL,
    updated_at INTEGER NOT NULL, known TEXT NOT NULL, UNIQUE (node, program, id)
) STRICT;
CREATE INDEX IF NOT EXISTS session_ages ON sessions (updated_at);
CREATE TABLE IF NOT EXISTS quarters (
    quarter INTEGER NOT NULL, session TEXT NOT NULL, project_id BLOB, runner_id BLOB, model TEXT NOT NULL,
    messages INTEGER NOT NULL, unpriced INTEGER NOT NULL, input INTEGER NOT NULL, output INTEGER NOT NULL,
    cache_write_5m INTEGER NOT NULL, cache_write_1h INTEGER NOT NULL, cache_read INTEGER NOT NULL, cost INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS quarter_numbers ON quarters (quarter);
CREATE INDEX IF NOT EXISTS quarter_sessions ON quarters (session);
CREATE TABLE IF NOT EXISTS budgets (place INTEGER PRIMARY KEY, known TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS presets (
    person TEXT NOT NULL, name TEXT NOT NULL, known TEXT NOT NULL, PRIMARY KEY (person, name)
) STRICT, WITHOUT ROWID;
-- Has a row once all of that was learned. From this quarter of an hour on it is known when something was used; what was used
-- before stands in the one before.
CREATE TABLE IF NOT EXISTS books (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), first INTEGER NOT NULL
) STRICT;
";

const FIRST: &str = "SELECT first FROM books";
const BEGIN: &str = "INSERT INTO books (only_row, first) VALUES (1, $1) ON CONFLICT DO UPDATE SET first = excluded.first";
const PUT_SESSION: &str = "INSERT INTO sessions (node, program, id, updated_at, known) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (node, program, id) DO UPDATE SET updated_at = excluded.updated_at, known = excluded.known";
const DROP_OLD: &str = "DELETE FROM sessions WHERE number IN \
    (SELECT number FROM sessions ORDER BY updated_at DESC, number DESC LIMIT -1 OFFSET $1)";
const LIST: &str = "SELECT known FROM sessions ORDER BY updated_at DESC, number DESC";
const GET: &str = "SELECT known FROM sessions WHERE node = $1 AND program = $2 AND id = $3";
const PUT_QUARTERS: &str = "INSERT INTO quarters (quarter, session, project_id, runner_id, model, messages, unpriced, input, \
    output, cache_write_5m, cache_write_1h, cache_read, cost) SELECT value ->> 0, value ->> 1, unhex(value ->> 2), \
    unhex(value ->> 3), value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8, value ->> 9, value ->> 10, \
    value ->> 11, value ->> 12 FROM json_each($1)";

/// Quarters from $1 on and before $2, of a project ($3) and a runner ($4), and of a session ($5) by the index that says.
macro_rules! quarters {
    ($session:literal) => {
        concat!(
            "SELECT quarter, session, project_id, runner_id, model, messages, unpriced, input, output, cache_write_5m, \
             cache_write_1h, cache_read, cost FROM quarters WHERE quarter >= $1 AND quarter < $2 \
             AND ($3 IS NULL OR project_id = $3) AND ($4 IS NULL OR runner_id = $4) AND ",
            $session
        )
    };
}
const WITHIN: &str = quarters!("$5 IS NULL");
const OF_SESSION: &str = quarters!("session = $5");

/// What was learned anew.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// Sessions, the latest first.
    pub(super) sessions: Vec<Session>,
    /// Whether there are no others.
    pub(super) all_sessions: bool,
    /// What was used, from when on.
    pub(super) used: Option<(Span, Vec<Quarter>)>,
    pub(super) budgets: Vec<Budget>,
    pub(super) presets: Vec<(String, String, Preset)>,
}

/// Which usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    /// All; by its time from this quarter on.
    All(i64),
    /// From this quarter on.
    From(i64),
}

impl Span {
    /// Spans all usage at a moment.
    pub(super) fn all(now: Timestamp) -> Self {
        Self::All(quarter(now) - DAYS * OF_A_DAY)
    }
}

/// Returns the quarter of an hour that a moment is in.
pub(super) fn quarter(at: Timestamp) -> i64 {
    at.timestamp().div_euclid(QUARTER)
}

impl Cache {
    /// Returns from which quarter on it is known when something was used, if anything is known at all.
    pub(super) async fn first_quarter(&self) -> Result<Option<i64>> {
        sqlx::query_scalar(FIRST)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed("read", error))
    }

    /// Keeps what was learned, all or nothing.
    pub(super) async fn keep(&self, learned: &Learned) -> Result<()> {
        let failed = |error| self.failed("write", error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        keep(&mut transaction, learned).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }

    /// Lists sessions; nothing where none were learned, or one that is named is none of those that are known.
    pub(super) async fn sessions(&self, filter: &SessionFilter) -> Result<Option<Vec<Session>>> {
        if self.first_quarter().await?.is_none() {
            return Ok(None);
        }
        let sessions: Vec<Session> = self.read_all(LIST).await?;
        let whole = sessions.len() < SESSIONS as usize;
        let limit = filter.limit.map_or(usize::MAX, |limit| limit as usize);
        let wanted = |session: &Session| {
            let key = &session.key;
            filter.project.is_none_or(|id| session.project == Some(id))
                && filter.runner.is_none_or(|id| session.runner == Some(id))
                && filter
                    .program
                    .as_ref()
                    .is_none_or(|program| key.program == *program)
                && filter
                    .id
                    .as_ref()
                    .is_none_or(|beginning| key.id.starts_with(beginning))
        };
        let sessions: Vec<Session> = sessions.into_iter().filter(wanted).take(limit).collect();
        let named = filter.id.is_some() || filter.runner.is_some();
        Ok((whole || !named || !sessions.is_empty()).then_some(sessions))
    }

    /// Returns a session if it is known, [`StoreError::NoSession`] if there is none, and nothing where that is not known.
    pub(super) async fn session(&self, key: &SessionKey) -> Result<Option<Session>> {
        let known: Option<String> = sqlx::query_scalar(GET)
            .bind(key.node.as_str())
            .bind(&key.program)
            .bind(&key.id)
            .fetch_optional(&self.pool)
            .await
            .map_err(|error| self.failed("read", error))?;
        if let Some(known) = known {
            return read(&known).map(Some);
        }
        let named = SessionFilter {
            id: Some(key.id.clone()),
            ..SessionFilter::default()
        };
        match self.sessions(&named).await? {
            Some(_) => Err(StoreError::NoSession(key.id.clone())),
            None => Ok(None),
        }
    }

    /// Sums usage, to a quarter of an hour; nothing where none was learned.
    pub(super) async fn usage(&self, filter: &UsageFilter) -> Result<Option<Vec<UsageRow>>> {
        let Some(first) = self.first_quarter().await? else {
            return Ok(None);
        };
        let from = filter.since.map_or(i64::MIN, quarter);
        // The quarter that a moment is in counts.
        let until = filter.until.map_or(i64::MAX, |at| {
            let begun = at.timestamp_micros().rem_euclid(QUARTER * 1_000_000) > 0;
            quarter(at) + i64::from(begun)
        });
        let earliest = if from < first { i64::MIN } else { from };
        let used = self.quarters(earliest, until.max(first), filter).await?;
        let undated = used.iter().any(|used| used.number < first);
        let all = filter.since.is_none() && until >= first && !matches!(filter.by, By::Day(_));
        if undated && !all {
            let begins = beginning(first).format("%Y-%m-%d");
            return Err(StoreError::Away {
                reason: format!(
                    "the shared database is away, and here it is not known when what was used before {begins} was used: \
                     ask for what was used since {begins}, or for all of it without days"
                ),
            });
        }
        let used = used.into_iter().filter(|used| used.number < until);
        Ok(Some(self.grouped(filter.by, used).await?))
    }

    async fn grouped(&self, by: By, used: impl Iterator<Item = Quarter>) -> Result<Vec<UsageRow>> {
        let mut groups: BTreeMap<String, UsageRow> = BTreeMap::new();
        if by == By::Nothing {
            groups.insert(String::new(), UsageRow::default());
        }
        for used in used {
            let key = match by {
                By::Nothing => String::new(),
                By::Day(east) => day(used.number, east),
                By::Model => used.model,
                By::Session => used.session,
                By::Project => used.project.map(|id| id.to_string()).unwrap_or_default(),
                By::Runner => used.runner.map(|id| id.to_string()).unwrap_or_default(),
            };
            add(groups.entry(key).or_default(), &used.used);
        }
        let mut rows = Vec::with_capacity(groups.len());
        for (key, row) in groups {
            rows.push(UsageRow { key, ..row });
        }
        if by == By::Project {
            let names: BTreeMap<ProjectId, String> = self
                .projects()
                .await?
                .into_iter()
                .map(|project| (project.id, project.name.to_string()))
                .collect();
            for row in &mut rows {
                let id = row.key.parse().ok();
                row.key = id
                    .and_then(|id| names.get(&id).cloned())
                    .unwrap_or_default();
            }
        }
        Ok(sorted(by, rows))
    }

    /// Lists budgets with what was used since their periods began; nothing where none were learned.
    pub(super) async fn budgets(&self, terms: &Terms) -> Result<Option<Vec<(Budget, Spent)>>> {
        if self.first_quarter().await?.is_none() {
            return Ok(None);
        }
        let known: Vec<Budget> = self
            .read_all("SELECT known FROM budgets ORDER BY place")
            .await?;
        let earliest = known.iter().map(|budget| terms.since(budget.period)).min();
        let used = match earliest {
            Some(at) => {
                self.quarters(quarter(at), i64::MAX, &UsageFilter::default())
                    .await?
            }
            None => Vec::new(),
        };
        let spent = |budget: &Budget| {
            let since = quarter(terms.since(budget.period));
            let mut sum = UsageRow::default();
            for used in used.iter().filter(|used| used.number >= since) {
                let counts = match &budget.scope {
                    Scope::Global => true,
                    Scope::Project(id) => used.project == Some(*id),
                    Scope::Runner(id) => used.runner == Some(*id),
                    Scope::Session(id) => used.session == *id,
                };
                if counts {
                    add(&mut sum, &used.used);
                }
            }
            Spent {
                tokens: sum.tokens,
                cost: sum.cost,
            }
        };
        let budgets = known.into_iter().map(|budget| {
            let spent = spent(&budget);
            (budget, spent)
        });
        Ok(Some(budgets.collect()))
    }

    /// Lists a person's presets; nothing where none were learned.
    pub(super) async fn presets(&self, person: &str) -> Result<Option<Vec<(String, Preset)>>> {
        if self.first_quarter().await?.is_none() {
            return Ok(None);
        }
        let known: Vec<(String, String)> =
            sqlx::query_as("SELECT name, known FROM presets WHERE person = $1 ORDER BY name")
                .bind(person)
                .fetch_all(&self.pool)
                .await
                .map_err(|error| self.failed("read", error))?;
        known
            .into_iter()
            .map(preset)
            .collect::<Result<_>>()
            .map(Some)
    }

    async fn quarters(&self, from: i64, until: i64, of: &UsageFilter) -> Result<Vec<Quarter>> {
        let statement = match of.session {
            Some(_) => OF_SESSION,
            None => WITHIN,
        };
        let rows: Vec<QuarterRow> = sqlx::query_as(statement)
            .bind(from)
            .bind(until)
            .bind(of.project.map(|id| id.as_uuid()))
            .bind(of.runner.map(|id| id.as_uuid()))
            .bind(&of.session)
            .fetch_all(&self.pool)
            .await
            .map_err(|error| self.failed("read", error))?;
        rows.into_iter().map(QuarterRow::quarter).collect()
    }
}

/// Adds to a sum.
fn add(sum: &mut UsageRow, more: &UsageRow) {
    sum.messages = sum.messages.saturating_add(more.messages);
    sum.tokens += more.tokens;
    sum.cost = NanoUsd(sum.cost.0.saturating_add(more.cost.0));
    sum.unpriced = sum.unpriced.saturating_add(more.unpriced);
}

/// Returns the date on which a quarter began, so many seconds east.
fn day(number: i64, east: i32) -> String {
    let begun = beginning(number) + chrono::TimeDelta::seconds(east.into());
    begun.format("%Y-%m-%d").to_string()
}

fn read<T: DeserializeOwned>(known: &str) -> Result<T> {
    serde_json::from_str(known).map_err(|error| corrupt(&error))
}

fn written<T: serde::Serialize>(known: &T) -> sqlx::Result<String> {
    serde_json::to_string(known).map_err(|error| sqlx::Error::Encode(error.into()))
}

async fn keep(connection: &mut SqliteConnection, learned: &Learned) -> sqlx::Result<()> {
    if learned.all_sessions {
        forget(connection, "sessions").await?;
    }
    // The latest has the greatest number.
    for session in learned.sessions.iter().rev() {
        sqlx::query(PUT_SESSION)
            .bind(session.key.node.as_str())
            .bind(&session.key.program)
            .bind(&session.key.id)
            .bind(session.updated_at.timestamp_micros())
            .bind(written(session)?)
            .execute(&mut *connection)
            .await?;
    }
    sqlx::query(DROP_OLD)
        .bind(SESSIONS)
        .execute(&mut *connection)
        .await?;
    if let Some((span, used)) = &learned.used {
        keep_usage(connection, *span, used).await?;
    }
    forget(connection, "budgets").await?;
    for (place, budget) in (0_i64..).zip(&learned.budgets) {
        sqlx::query("INSERT INTO budgets (place, known) VALUES ($1, $2)")
            .bind(place)
            .bind(written(budget)?)
            .execute(&mut *connection)
            .await?;
    }
    forget(connection, "presets").await?;
    for (person, name, preset) in &learned.presets {
        sqlx::query("INSERT INTO presets (person, name, known) VALUES ($1, $2, $3)")
            .bind(person)
            .bind(name)
            .bind(written(preset)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn keep_usage(
    connection: &mut SqliteConnection,
    span: Span,
    used: &[Quarter],
) -> sqlx::Result<()> {
    let from = match span {
        Span::All(first) => {
            sqlx::query(BEGIN)
                .bind(first)
                .execute(&mut *connection)
                .await?;
            i64::MIN
        }
        Span::From(from) => from,
    };
    sqlx::query("DELETE FROM quarters WHERE quarter >= $1")
        .bind(from)
        .execute(&mut *connection)
        .await?;
    for some in used.chunks(ROWS) {
        let rows: Vec<serde_json::Value> = some.iter().map(row).collect();
        sqlx::query(PUT_QUARTERS)
            .bind(written(&rows)?)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

fn row(quarter: &Quarter) -> serde_json::Value {
    let used = &quarter.used;
    let [input, output, cache_write_5m, cache_write_1h, cache_read] = columns(&used.tokens);
    json!([
        quarter.number,
        quarter.session,
        quarter.project.map(|id| hex(id.as_uuid().as_bytes())),
        quarter.runner.map(|id| hex(id.as_uuid().as_bytes())),
        quarter.model,
        signed(used.messages),
        signed(used.unpriced),
        input,
        output,
        cache_write_5m,
        cache_write_1h,
        cache_read,
        signed(used.cost.0),
    ])
}

/// Empties a table, one of [`TABLES`].
async fn forget(connection: &mut SqliteConnection, table: &'static str) -> sqlx::Result<()> {
    sqlx::query(AssertSqlSafe(format!("DELETE FROM {table}")))
        .execute(connection)
        .await
        .map(drop)
}

#[cfg(test)]
pub(super) mod tests {
    use stratavore_core::clock::{Clock, SystemClock};
    use stratavore_core::ids::InstanceId;

    use super::*;

    /// A session as it is first seen.
    pub(in crate::shared) fn session(node: InstanceId, id: String, at: Timestamp) -> Session {
        Session {
            key: SessionKey {
                node,
                program: "claude".into(),
                id,
            },
            project: None,
            cwd: "/srv".into(),
            title: None,
            model: None,
            began_at: at,
            updated_at: at,
            requests: 1,
            parent: None,
            runner: None,
            transcript: None,
            program_cost: None,
            archive: None,
        }
    }

    fn numbered(number: i64) -> Session {
        let at = Timestamp::from_timestamp(1_800_000_000 + number, 0).unwrap();
        let here = InstanceId::from_stored("here".into());
        session(here, format!("s{number}"), at)
    }

    #[tokio::test]
    async fn the_latest_sessions_are_kept_and_of_others_it_is_not_said_that_there_are_none() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache.db"))
            .await
            .unwrap();
        let named = |number: i64| SessionFilter {
            id: Some(format!("s{number}")),
            ..SessionFilter::default()
        };
        assert_eq!(
            cache.sessions(&SessionFilter::default()).await.unwrap(),
            None
        );
        let many = i64::from(SESSIONS) + 5;
        let learned = Learned {
            sessions: (0..many - 10).rev().map(numbered).collect(),
            all_sessions: true,
            used: Some((Span::all(SystemClock.now()), Vec::new())),
            ..Learned::default()
        };
        cache.keep(&learned).await.unwrap();
        assert_eq!(cache.sessions(&named(many)).await.unwrap(), Some(vec![]));
        let none = cache.session(&numbered(many).key).await.unwrap_err();
        assert!(matches!(none, StoreError::NoSession(_)), "{none:?}");
        let more = Learned {
            sessions: (many - 10..many).rev().map(numbered).collect(),
            ..Learned::default()
        };
        cache.keep(&more).await.unwrap();
        let kept = cache.sessions(&SessionFilter::default()).await.unwrap();
        let latest: Vec<Session> = (5..many).rev().map(numbered).collect();
        assert_eq!(kept, Some(latest));
        assert_eq!(cache.sessions(&named(0)).await.unwrap(), None);
        assert_eq!(cache.session(&numbered(0).key).await.unwrap(), None);
        cache.close().await;
    }

    #[tokio::test]
    async fn usage_is_bounded_to_a_quarter_of_an_hour() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(&directory.path().join("cache.db"))
            .await
            .unwrap();
        let now = quarter(SystemClock.now());
        let used = |number: i64, messages: u64| Quarter {
            number,
            session: "s1".into(),
            project: None,
            runner: None,
            model: "opus".into(),
            used: UsageRow {
                messages,
                ..UsageRow::default()
            },
        };
        let learned = Learned {
            used: Some((
                Span::All(now - 9),
                vec![used(now - 1, 1), used(now, 20), used(now + 1, 300)],
            )),
            ..Learned::default()
        };
        cache.keep(&learned).await.unwrap();
        let begins = beginning(now);
        let within = begins + chrono::TimeDelta::microseconds(1);
        for (since, until, messages) in [
            (None, None, 321),
            (Some(begins), None, 320),
            (Some(within), None, 320),
            (None, Some(begins), 1),
            (None, Some(within), 21),
            (Some(begins), Some(within), 20),
        ] {
            let filter = UsageFilter {
                since,
                until,
                ..UsageFilter::default()
            };
            let sum = cache.usage(&filter).await.unwrap().unwrap();
            assert_eq!(sum[0].messages, messages, "{since:?} {until:?}");
        }
        cache.close().await;
    }
}
