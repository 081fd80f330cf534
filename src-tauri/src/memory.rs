//! Remembers small things between one run of the desktop and the next, each in a file of its own in the data directory.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads what was remembered; `None` when nothing usable was.
pub(crate) fn load<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Remembers it: aside and renamed, so that no half of it is ever read.
///
/// # Errors
/// The file could not be written.
pub(crate) fn store<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let aside = path.with_extension("new");
    std::fs::write(&aside, serde_json::to_vec(value)?)?;
    std::fs::rename(aside, path)
}
