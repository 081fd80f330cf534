//! What of attention outlives the host: what a person was told, so that nothing is told twice or never.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stratavore_core::attention::Need;
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::BudgetId;

/// The file, beside the attempt's records.
const FILE: &str = "attention.json";

/// What is kept of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Kept {
    /// What a person was told last.
    pub(crate) told: Option<Told>,
    /// Since when the present turn runs.
    pub(crate) turn_since: Option<Timestamp>,
    /// The session that it holds.
    pub(crate) session: Option<String>,
    /// The spent budget that paused it.
    pub(crate) paused_for: Option<BudgetId>,
}

/// A state that a person was told of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// Which.
    pub(crate) need: Need,
    /// Since when it held.
    pub(crate) since: Timestamp,
}

/// Reads what is kept of an attempt; what cannot be read is as good as nothing.
pub(crate) fn read(dir: &Path) -> Kept {
    std::fs::read(dir.join(FILE))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

/// Keeps it: aside and renamed, so that no half of it is ever read.
pub(crate) fn write(dir: &Path, kept: &Kept) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let aside = dir.join(format!("{FILE}.new"));
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    std::fs::rename(&aside, dir.join(FILE))
}
