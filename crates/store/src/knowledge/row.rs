//! Rows of what is kept of the programs' files, alike for both databases.

use std::cmp::Reverse;

use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use stratavore_core::budget::{Amount, Budget, Scope, Spent};
use stratavore_core::clock::Timestamp;
use stratavore_core::hex::hex;
use stratavore_core::ids::{BudgetId, InstanceId, ProjectId, RunnerId};
use stratavore_core::preset::Preset;
use stratavore_core::session::{PASSAGE_MAX, Passage, Session, SessionKey};
use stratavore_core::usage::{Entry, NanoUsd, Price, Tokens};
use uuid::Uuid;

use super::words::{cleaned, cut};
use crate::moment::Moment;
use crate::row::{corrupt, moment, signed, small, unsigned};
use crate::{By, Hit, Quarter, Reading, Result, StoreError, UsageRow};

/// The longest name that a file may give a message, a model or a session, in bytes: they are in indexes.
const NAME_MAX: usize = 512;

/// Where a session belongs.
#[derive(PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Placed {
    pub(crate) number: i64,
    pub(crate) project_id: Option<Uuid>,
    pub(crate) runner_id: Option<Uuid>,
}

#[derive(sqlx::FromRow)]
pub(crate) struct SessionRow {
    node: String,
    program: String,
    id: String,
    project_id: Option<Uuid>,
    cwd: String,
    title: Option<String>,
    model: Option<String>,
    began_at: Moment,
    updated_at: Moment,
    requests: i64,
    parent: Option<String>,
    runner_id: Option<Uuid>,
    transcript: Option<String>,
    program_cost: Option<i64>,
    archive: Option<String>,
    archive_sha256: Option<String>,
}

impl SessionRow {
    pub(crate) fn session(self) -> Result<Session> {
        let what = format!("the session {}", self.id);
        Ok(Session {
            project: self.project_id.map(ProjectId::from_uuid),
            cwd: self.cwd,
            title: self.title,
            model: self.model,
            began_at: moment(&what, self.began_at)?,
            updated_at: moment(&what, self.updated_at)?,
            requests: small(&what, self.requests)?,
            parent: self.parent,
            runner: self.runner_id.map(RunnerId::from_uuid),
            transcript: self.transcript,
            program_cost: self
                .program_cost
                .map(|cost| unsigned(&what, cost).map(NanoUsd))
                .transpose()?,
            archive: self.archive.zip(self.archive_sha256),
            key: SessionKey {
                node: InstanceId::from_stored(self.node),
                program: self.program,
                id: self.id,
            },
        })
    }
}

/// Returns a session as it can be kept.
pub(crate) fn kept(session: Session) -> Session {
    let text = |text: Option<String>| text.map(cleaned);
    Session {
        key: SessionKey {
            program: cleaned(session.key.program),
            id: cut(cleaned(session.key.id), NAME_MAX),
            ..session.key
        },
        cwd: cleaned(session.cwd),
        title: text(session.title),
        model: text(session.model),
        parent: text(session.parent),
        transcript: text(session.transcript),
        archive: session
            .archive
            .map(|(path, sum)| (cleaned(path), cleaned(sum))),
        ..session
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct ReadingRow {
    path: String,
    file: String,
    offset: i64,
    memory: String,
}

impl ReadingRow {
    pub(crate) fn reading(self) -> Result<Reading> {
        let offset = unsigned(&format!("the transcript {}", self.path), self.offset)?;
        Ok(Reading {
            path: self.path,
            file: self.file,
            offset,
            memory: self.memory,
        })
    }
}

/// What is known of a transcript that is to be read on.
#[derive(sqlx::FromRow)]
pub(crate) struct Known {
    pub(crate) number: i64,
    file: String,
    offset: i64,
    gone: bool,
}

impl Known {
    /// Holds a digest against how far the transcript was read.
    pub(crate) fn guard(known: Option<&Self>, from: Option<u64>, reading: &Reading) -> Result<()> {
        let Some(from) = from else {
            return Ok(());
        };
        let known = known.filter(|known| !known.gone && known.file == reading.file);
        let known = known
            .map(|known| unsigned("a transcript", known.offset))
            .transpose()?;
        if known == Some(from) {
            return Ok(());
        }
        Err(StoreError::StaleReading {
            path: reading.path.clone(),
            known,
            from: Some(from),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct PassageRow {
    offset: i64,
    role: String,
    at: Moment,
    text: String,
}

impl PassageRow {
    pub(crate) fn passage(self) -> Result<Passage> {
        let what = "a passage";
        Ok(Passage {
            offset: unsigned(what, self.offset)?,
            role: word(what, self.role)?,
            at: moment(what, self.at)?,
            text: self.text,
        })
    }
}

/// A passage with the numbers of its session and its transcript.
#[derive(sqlx::FromRow)]
pub(crate) struct SaidRow {
    session: i64,
    transcript: i64,
    #[sqlx(flatten)]
    passage: PassageRow,
}

impl SaidRow {
    pub(crate) fn place(&self) -> (i64, i64) {
        (self.session, self.transcript)
    }

    pub(crate) fn passage(self) -> Result<Passage> {
        self.passage.passage()
    }
}

/// Returns a passage's text as it can be kept.
pub(crate) fn said(text: String) -> String {
    cut(cleaned(text), PASSAGE_MAX)
}

#[derive(sqlx::FromRow)]
pub(crate) struct HitRow {
    #[sqlx(flatten)]
    session: SessionRow,
    offset: i64,
    role: String,
    at: Moment,
    text: String,
}

impl HitRow {
    /// Returns what was found; the snippet is the text of the row.
    pub(crate) fn hit(self) -> Result<Hit> {
        let what = "a passage";
        Ok(Hit {
            session: self.session.session()?,
            offset: unsigned(what, self.offset)?,
            role: word(what, self.role)?,
            at: moment(what, self.at)?,
            snippet: self.text,
        })
    }
}

/// What was used, as it can be kept: each message once, with the most that is said of it, and in their order, so that two that
/// write the same ones do not wait for each other in a circle.
pub(crate) fn ordered(mut entries: Vec<(Entry, Option<NanoUsd>)>) -> Vec<(Entry, Option<NanoUsd>)> {
    for (entry, _) in &mut entries {
        let take = |text: &mut String| cleaned(std::mem::take(text));
        let message = take(&mut entry.message);
        entry.message = if message.len() > NAME_MAX {
            hex(&Sha256::digest(message.as_bytes()))
        } else {
            message
        };
        entry.session = cut(take(&mut entry.session), NAME_MAX);
        entry.model = cut(take(&mut entry.model), NAME_MAX);
    }
    let rank = |entry: &Entry| Reverse(entry.tokens.total());
    entries.sort_by(|(one, _), (two, _)| {
        let by_message = one.message.cmp(&two.message);
        by_message.then_with(|| rank(one).cmp(&rank(two)))
    });
    entries.dedup_by(|(one, _), (two, _)| one.message == two.message);
    entries
}

/// The rates of each kind in the order of the columns: those for the first tokens, then those above.
pub(crate) fn rates(price: &Price) -> [i64; 10] {
    let [base, above] = [&price.base, &price.above].map(|rates| {
        columns(&Tokens {
            input: rates.input,
            output: rates.output,
            cache_write_5m: rates.cache_write_5m,
            cache_write_1h: rates.cache_write_1h,
            cache_read: rates.cache_read,
        })
    });
    std::array::from_fn(|place| {
        if place < 5 {
            base[place]
        } else {
            above[place - 5]
        }
    })
}

/// The numbers of each kind, in the order of the columns.
pub(crate) fn columns(tokens: &Tokens) -> [i64; 5] {
    [
        tokens.input,
        tokens.output,
        tokens.cache_write_5m,
        tokens.cache_write_1h,
        tokens.cache_read,
    ]
    .map(signed)
}

#[derive(sqlx::FromRow)]
pub(crate) struct SumRow {
    input: i64,
    output: i64,
    cache_write_5m: i64,
    cache_write_1h: i64,
    cache_read: i64,
    cost: i64,
}

impl SumRow {
    pub(crate) fn spent(&self) -> Result<Spent> {
        let sum = |number| unsigned("a sum of usage", number);
        Ok(Spent {
            tokens: Tokens {
                input: sum(self.input)?,
                output: sum(self.output)?,
                cache_write_5m: sum(self.cache_write_5m)?,
                cache_write_1h: sum(self.cache_write_1h)?,
                cache_read: sum(self.cache_read)?,
            },
            cost: NanoUsd(sum(self.cost)?),
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct GroupRow {
    key: Option<String>,
    messages: i64,
    unpriced: i64,
    #[sqlx(flatten)]
    sum: SumRow,
}

/// How long a quarter of an hour is, in seconds.
pub(crate) const QUARTER: i64 = 900;

/// Returns when a quarter of an hour begins.
pub(crate) fn beginning(quarter: i64) -> Timestamp {
    Timestamp::from_timestamp(quarter.saturating_mul(QUARTER), 0).unwrap_or_default()
}

/// What was used in a quarter of an hour.
#[derive(sqlx::FromRow)]
pub(crate) struct QuarterRow {
    quarter: i64,
    session: String,
    project_id: Option<Uuid>,
    runner_id: Option<Uuid>,
    model: String,
    messages: i64,
    unpriced: i64,
    #[sqlx(flatten)]
    sum: SumRow,
}

impl QuarterRow {
    pub(crate) fn quarter(self) -> Result<Quarter> {
        let group = GroupRow {
            key: None,
            messages: self.messages,
            unpriced: self.unpriced,
            sum: self.sum,
        };
        Ok(Quarter {
            number: self.quarter,
            session: self.session,
            project: self.project_id.map(ProjectId::from_uuid),
            runner: self.runner_id.map(RunnerId::from_uuid),
            model: self.model,
            used: group.row()?,
        })
    }
}

impl GroupRow {
    pub(crate) fn row(self) -> Result<UsageRow> {
        let what = "a sum of usage";
        let spent = self.sum.spent()?;
        Ok(UsageRow {
            key: self.key.unwrap_or_default(),
            messages: unsigned(what, self.messages)?,
            tokens: spent.tokens,
            cost: spent.cost,
            unpriced: unsigned(what, self.unpriced)?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct BudgetRow {
    id: Uuid,
    scope: String,
    project_id: Option<Uuid>,
    runner_id: Option<Uuid>,
    session: Option<String>,
    period: String,
    unit: String,
    amount: i64,
    at_limit: String,
    set_at: Moment,
}

impl BudgetRow {
    pub(crate) fn budget(self) -> Result<Budget> {
        let what = format!("the budget {}", self.id);
        let scope = match (
            self.scope.as_str(),
            self.project_id,
            self.runner_id,
            self.session,
        ) {
            ("global", ..) => Scope::Global,
            ("project", Some(id), ..) => Scope::Project(ProjectId::from_uuid(id)),
            ("runner", _, Some(id), _) => Scope::Runner(RunnerId::from_uuid(id)),
            ("session", _, _, Some(id)) => Scope::Session(id),
            (other, ..) => return Err(corrupt(&what, format!("{other:?} is no scope of it"))),
        };
        let amount = unsigned(&what, self.amount)?;
        let limit = match self.unit.as_str() {
            "tokens" => Amount::Tokens(amount),
            "usd" => Amount::Money(NanoUsd(amount)),
            other => return Err(corrupt(&what, format!("{other:?} is no unit"))),
        };
        Ok(Budget {
            id: BudgetId::from_uuid(self.id),
            scope,
            period: word(&what, self.period)?,
            limit,
            at_limit: word(&what, self.at_limit)?,
            set_at: moment(&what, self.set_at)?,
        })
    }
}

/// A budget with what was spent of it.
#[derive(sqlx::FromRow)]
pub(crate) struct SpentRow {
    #[sqlx(flatten)]
    budget: BudgetRow,
    #[sqlx(flatten)]
    sum: SumRow,
}

impl SpentRow {
    pub(crate) fn spent(self) -> Result<(Budget, Spent)> {
        let spent = self.sum.spent()?;
        Ok((self.budget.budget()?, spent))
    }
}

/// What a scope names: a project, a runner, a session's id.
pub(crate) fn subject(scope: &Scope) -> (Option<Uuid>, Option<Uuid>, Option<String>) {
    match scope {
        Scope::Global => (None, None, None),
        Scope::Project(id) => (Some(id.as_uuid()), None, None),
        Scope::Runner(id) => (None, Some(id.as_uuid()), None),
        Scope::Session(id) => (None, None, Some(cut(cleaned(id.clone()), NAME_MAX))),
    }
}

/// Reads a preset with its name and whose it is.
pub(crate) fn persons_preset(
    (person, name, text): (String, String, String),
) -> Result<(String, String, Preset)> {
    let (name, preset) = preset((name, text))?;
    Ok((person, name, preset))
}

/// Reads a preset with its name.
pub(crate) fn preset((name, preset): (String, String)) -> Result<(String, Preset)> {
    let read = serde_json::from_str(&preset);
    let preset = read.map_err(|error| corrupt(&format!("the preset {name:?}"), error))?;
    Ok((name, preset))
}

fn word<T: DeserializeOwned>(what: &str, text: String) -> Result<T> {
    serde_json::from_value(text.into()).map_err(|error| corrupt(what, error))
}

/// Sorts groups as [`crate::Usage::usage`] promises.
pub(crate) fn sorted(by: By, mut rows: Vec<UsageRow>) -> Vec<UsageRow> {
    if let By::Day(_) = by {
        rows.sort_by(|one, two| two.key.cmp(&one.key));
    } else {
        rows.sort_by(|one, two| {
            let weight = |row: &UsageRow| (row.cost, row.tokens.total());
            weight(two)
                .cmp(&weight(one))
                .then_with(|| one.key.cmp(&two.key))
        });
    }
    rows
}
