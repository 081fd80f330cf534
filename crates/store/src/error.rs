//! What can go wrong in the store.

use std::path::PathBuf;

use stratavore_core::ids::{ProjectId, RunnerId};
use stratavore_core::quota::Full;
use stratavore_core::runner::Refusal;

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such project.
    #[error("no project has the id {0}")]
    NoProject(ProjectId),
    /// No such runner.
    #[error("no runner has the id {0}")]
    NoRunner(RunnerId),
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
    #[error("the database {} has version {found}, newer than {known}, the newest that this program knows", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
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
