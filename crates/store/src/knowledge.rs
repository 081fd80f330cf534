//! What is kept of the programs' own conversations: sessions, what was said in them, what they used, and what bounds that.

pub(crate) mod row;
pub(crate) mod words;

pub use words::Wanted;

use async_trait::async_trait;
use stratavore_core::budget::{Budget, Spent, Terms};
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{BudgetId, ProjectId, RunnerId};
use stratavore_core::preset::Preset;
use stratavore_core::session::{Passage, Role, Session, SessionKey};
use stratavore_core::usage::{Entry, NanoUsd, Prices, Tokens};

use crate::Result;

/// Keeps an index of the programs' own files. All of it can be read from those again: [`Sessions::forget_index`] loses
/// nothing that is still on disk, and no usage.
///
/// While a shared database is away what was last known of sessions is listed, and the rest refuses: nothing is lost by that, since
/// a file's position only advances with what was read of it.
#[async_trait]
pub trait Sessions {
    /// Tells how far every transcript of this node was read, by path.
    async fn transcripts(&self) -> Result<Vec<Reading>>;

    /// Keeps what was read of one transcript, all or nothing, and returns how many entries of usage it changed. A message
    /// counts once, with the most that any file says of it, for the session that had it first. The session's runner, project,
    /// parent and archive are kept where the digest has none.
    ///
    /// # Errors
    /// [`crate::StoreError::StaleReading`] when the transcript was not read up to where the digest begins.
    async fn digest(&self, digest: Digest) -> Result<u64>;

    /// Keeps a session that has no transcript yet, or that changed otherwise: who holds it, its archive. As in
    /// [`Sessions::digest`], what is absent stays as it was.
    async fn put_session(&self, session: Session) -> Result<()>;

    /// Records that these transcripts of this node are gone; the sessions stay, and can be searched, but not be resumed unless
    /// they were archived.
    async fn transcripts_gone(&self, paths: Vec<String>) -> Result<()>;

    /// Lists sessions, the latest first.
    async fn sessions(&self, filter: SessionFilter) -> Result<Vec<Session>>;

    /// Returns a session, or [`crate::StoreError::NoSession`].
    async fn session(&self, key: &SessionKey) -> Result<Session>;

    /// Finds what was said, the best first. Every word must occur, as the beginning of a word; in quotes, one after another.
    async fn search(&self, query: SearchQuery) -> Result<Vec<Hit>>;

    /// Lists what was said in a session, in its order.
    async fn passages(&self, key: &SessionKey, limit: u32) -> Result<Vec<Passage>>;

    /// Forgets sessions, passages and positions of this node, to be read again; and none of the usage. What no file tells stays:
    /// who held a session, its archive, and what was said in a transcript that is gone.
    async fn forget_index(&self) -> Result<()>;
}

/// How far a transcript was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Its absolute path.
    pub path: String,
    /// Its device and inode, as one text: another file under its name begins anew.
    pub file: String,
    /// How many bytes were read, always at the end of a row.
    pub offset: u64,
    /// What the reader has to remember to go on, as it wrote it.
    pub memory: String,
}

/// What was read of a transcript, from where it was read before up to the end of a row.
#[derive(Clone, Debug)]
pub struct Digest {
    /// How far it was read before; nothing: not at all, or it is another file now, of which all passages are replaced.
    pub from: Option<u64>,
    /// How far it is read now.
    pub reading: Reading,
    /// What is known of its session after this.
    pub session: Session,
    /// What was said.
    pub passages: Vec<Passage>,
    /// What was used, with its price; nothing for a model without one.
    pub entries: Vec<(Entry, Option<NanoUsd>)>,
    /// The runner that used it; nothing: it was used outside of Stratavore.
    pub runner: Option<RunnerId>,
}

/// Which sessions to list.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only of this program.
    pub program: Option<String>,
    /// Only held by this runner.
    pub runner: Option<RunnerId>,
    /// Only those whose id begins so.
    pub id: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
}

/// What to search for.
#[derive(Clone, Debug, Default)]
pub struct SearchQuery {
    /// Words, or several in quotes.
    pub text: String,
    /// Only in this project.
    pub project: Option<ProjectId>,
    /// At most so many.
    pub limit: u32,
}

/// A passage that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// In which session.
    pub session: Session,
    /// Where its row begins in the transcript.
    pub offset: u64,
    /// Who said it.
    pub role: Role,
    /// When.
    pub at: Timestamp,
    /// The words around what was found, which stands between U+E000 and U+E001.
    pub snippet: String,
}

/// Counts what was used.
#[async_trait]
pub trait Usage {
    /// Sums usage in groups, the latest or the largest group first: days by date descending, others by cost.
    async fn usage(&self, filter: UsageFilter) -> Result<Vec<UsageRow>>;

    /// Sums usage for whoever keeps it at hand: by quarters of an hour from this one on. With `earlier`, what was used before
    /// is added, all of it in the quarter before.
    async fn quarters(&self, from: i64, earlier: bool) -> Result<Vec<Quarter>>;

    /// Prices every entry anew whose price differs by this table, and returns how many there were.
    async fn reprice(&self, prices: Prices) -> Result<u64>;
}

/// By what usage is grouped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// All together: one group, even of nothing.
    #[default]
    Nothing,
    /// By day of a time zone that is so many seconds east of UTC.
    Day(i32),
    /// By model.
    Model,
    /// By project; those outside of any are one group.
    Project,
    /// By session.
    Session,
    /// By runner; what was used outside of Stratavore is one group.
    Runner,
}

/// Which usage to sum.
#[derive(Clone, Debug, Default)]
pub struct UsageFilter {
    /// Grouped by what.
    pub by: By,
    /// From then on.
    pub since: Option<Timestamp>,
    /// Before then.
    pub until: Option<Timestamp>,
    /// Only of this project.
    pub project: Option<ProjectId>,
    /// Only of this runner.
    pub runner: Option<RunnerId>,
    /// Only of this session, by its program's id.
    pub session: Option<String>,
}

/// A sum of usage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// The group: a date, a model, a project's name, a session's or a runner's id; empty for one that has none.
    pub key: String,
    /// How many messages.
    pub messages: u64,
    /// How much.
    pub tokens: Tokens,
    /// What the priced part of it costs.
    pub cost: NanoUsd,
    /// Tokens of models without a price: their cost is unknown.
    pub unpriced: u64,
}

/// What was used in a quarter of an hour: of one session, by one runner in one project, of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarter {
    /// How many began before it since 1970.
    pub number: i64,
    /// The session, by its program's id.
    pub session: String,
    /// The project; nothing: outside of any.
    pub project: Option<ProjectId>,
    /// The runner; nothing: outside of Stratavore.
    pub runner: Option<RunnerId>,
    /// The model.
    pub model: String,
    /// How much. It has no key.
    pub used: UsageRow,
}

/// Keeps budgets, and who was warned of what.
#[async_trait]
pub trait Budgets {
    /// Sets a budget. One with the same scope, unit and period is replaced, and keeps its id; its warnings of this period are
    /// given anew where they are reached anew.
    async fn set_budget(&self, budget: Budget) -> Result<Budget>;

    /// Removes a budget, or [`crate::StoreError::NoBudget`].
    async fn remove_budget(&self, id: BudgetId) -> Result<()>;

    /// Lists budgets with what was spent of each in its present period.
    async fn budgets(&self, terms: Terms) -> Result<Vec<(Budget, Spent)>>;

    /// Records that a share of a budget was reached in the period that began then, and tells whether that is new. When it is,
    /// appends the fact `project.budget_reached` to the project, where one is given.
    async fn budget_reached(
        &self,
        id: BudgetId,
        since: Timestamp,
        percent: u8,
        project: Option<ProjectId>,
        now: Timestamp,
    ) -> Result<bool>;
}

/// Keeps a person's presets. A project's own are in its `.stratavore.toml`.
#[async_trait]
pub trait Presets {
    /// Lists a person's presets by name.
    async fn presets(&self, person: &str) -> Result<Vec<(String, Preset)>>;

    /// Lists everybody's presets, each with whose it is and its name.
    async fn everybodys_presets(&self) -> Result<Vec<(String, String, Preset)>>;

    /// Keeps a preset under its name.
    async fn put_preset(
        &self,
        person: &str,
        name: &str,
        preset: Preset,
        now: Timestamp,
    ) -> Result<()>;

    /// Removes a preset, or [`crate::StoreError::NoPreset`].
    async fn remove_preset(&self, person: &str, name: &str) -> Result<()>;
}
