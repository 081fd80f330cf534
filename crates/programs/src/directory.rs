//! Directories of programs, which change while they are read.

use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

/// Lists a directory; one that is not there, or went away meanwhile, is empty.
pub(crate) fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("could not list {}: {error}", directory.display()),
        )),
    }
}

/// A link is followed by nobody: it could lead around in a circle, or out of the home.
pub(crate) fn is_directory(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}
