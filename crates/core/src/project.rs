//! Projects: directories with a name and limits.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::ProjectId;
use crate::name::Name;

/// A directory in which runners are launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// Its identity.
    pub id: ProjectId,
    /// Its name, unique among those that are not archived.
    pub name: Name,
    /// Its absolute path.
    pub path: String,
    /// How many runners may be active at once; none: no limit of its own.
    pub max_runners: Option<u32>,
    /// When it was added.
    pub created_at: Timestamp,
    /// When it was archived; its history stays.
    pub archived_at: Option<Timestamp>,
    /// Grows with every change.
    pub revision: u64,
}
