//! What can go wrong in the store.

use std::path::PathBuf;
use std::time::Duration;

use stratavore_core::ids::{BudgetId, InstanceId, ProjectId, RunnerId};
use stratavore_core::quota::Full;
use stratavore_core::runner::Refusal;

use crate::Position;

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such project.
    #[error("no project has the id {0}")]
    NoProject(ProjectId),
    /// No such runner.
    #[error("no runner has the id {0}")]
    NoRunner(RunnerId),
    /// No such node.
    #[error("no node has the id {0}")]
    NoNode(InstanceId),
    /// No such session.
    #[error("no session has the id {0}")]
    NoSession(String),
    /// No such budget.
    #[error("no budget has the id {0}")]
    NoBudget(BudgetId),
    /// No such preset.
    #[error("there is no preset {0:?}")]
    NoPreset(String),
    /// A transcript was read from elsewhere than where it was read to.
    #[error("the transcript {path} was read up to {known:?} bytes, not {from:?}")]
    StaleReading {
        /// Which.
        path: String,
        /// How far it was read.
        known: Option<u64>,
        /// Where the digest begins.
        from: Option<u64>,
    },
    /// A budget leaves no room for another runner.
    #[error(
        "the budget of the {scope} for this {period} leaves no room: {spent} of {limit} are spent{aside}",
        aside = aside(*set_aside)
    )]
    BudgetSpent {
        /// Which.
        id: BudgetId,
        /// Whose: `person` for all, or the project or runner with its name.
        scope: String,
        /// In which time.
        period: &'static str,
        /// How much was used, with its unit.
        spent: String,
        /// How much may be, with its unit.
        limit: String,
        /// For how many runners, this one included, something is set aside.
        set_aside: u32,
    },
    /// No event is parked there.
    #[error("no dead letter has the number {}", .0.0)]
    NoDeadLetter(Position),
    /// Another host goes by the node's id.
    #[error(
        "the node id {id} belongs to another host, on {name:?}, heard from {} s ago; a data directory that was copied \
         must not be used on two machines at once: end one of the hosts",
        heard.as_secs()
    )]
    NodeTaken {
        /// Which id.
        id: InstanceId,
        /// What the other's machine is called.
        name: String,
        /// How long ago it was heard from.
        heard: Duration,
    },
    /// A node that is heard from is not forgotten.
    #[error("the node {name:?} ({id}) is heard from; end its host before it is forgotten")]
    NodeAlive {
        /// Which.
        id: InstanceId,
        /// What its machine is called.
        name: String,
    },
    /// Another owner has taken over a part of the outbox since.
    #[error("another host delivers this part of the outbox by now")]
    Fenced,
    /// The database cannot be reached.
    #[error("{reason}")]
    Away {
        /// What cannot be reached, why, and what to do.
        reason: String,
    },
    /// The name belongs to another.
    #[error("the {what} name {name:?} is taken")]
    NameTaken {
        /// `project` or `runner`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Nothing is launched in an archived project.
    #[error("the project {0:?} is archived")]
    ProjectArchived(String),
    /// The project still has runners.
    #[error("the project {name:?} has {active} runners that have not ended")]
    ProjectBusy {
        /// Its name.
        name: String,
        /// How many.
        active: u32,
    },
    /// A quota leaves no room.
    #[error("the quota of the {} is full: {} of {} places are taken by {}", full.scope, holders.len(), full.limit, holders.join(", "))]
    QuotaFull {
        /// Which.
        full: Full,
        /// The names of the runners that hold the places.
        holders: Vec<String>,
    },
    /// The runner's state does not take the input.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database was written by a newer version.
    #[error(
        "the database {database} has version {found}, newer than {known}, the newest that this program knows"
    )]
    Newer {
        /// Which.
        database: String,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database on a server cannot be opened.
    #[error("cannot open the database {database}: {reason}")]
    Unreachable {
        /// Which, without the password.
        database: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The database that was to be copied to holds something else.
    #[error(
        "the database {database} is not empty: only an empty one is copied to; have another made, and name it in the URL"
    )]
    NotEmpty {
        /// Which.
        database: String,
    },
    /// What was to be copied, or what arrived, is not whole.
    #[error("the history in {database} was not copied: {reason}; nothing was changed")]
    Unsound {
        /// Where.
        database: String,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// The database cannot be opened or is damaged.
    #[error("cannot {operation} the database {}: {reason}", path.display())]
    Unusable {
        /// What was tried: `open`, `migrate`, `back up`.
        operation: &'static str,
        /// Which.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The key of the audit chain cannot be used.
    #[error("cannot use the audit key {}: {reason}", path.display())]
    BadKey {
        /// Which file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The disk is full.
    #[error("cannot {0}: the disk is full; free some space on it and try again")]
    DiskFull(&'static str),
    /// The database failed.
    #[error("cannot {operation}")]
    Database {
        /// What was tried.
        operation: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// A stored value is not what this version writes.
    #[error("cannot read {what}: {reason}")]
    Corrupt {
        /// Which value.
        what: String,
        /// Why.
        reason: String,
    },
    /// The code of one request panicked; nothing of that request was kept.
    #[error("cannot {0}: its code panicked, which is a bug; the log says where")]
    Panicked(&'static str),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

fn aside(runners: u32) -> String {
    match runners {
        0 => String::new(),
        runners => format!(", and what is set aside for {runners} runners does not fit"),
    }
}
