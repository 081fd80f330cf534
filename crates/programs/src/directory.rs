//! Directories of programs, which change while they are read.

use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

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

/// Tells whether a file is a record of rows, by its name.
pub(crate) fn is_rows(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("jsonl"))
}

/// Lists the records of rows in a directory and those in it, so deep and no deeper.
pub(crate) fn records(directory: &Path, depth: u32) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in entries(directory)? {
        let path = entry.path();
        if is_directory(&entry) {
            if depth > 0 {
                found.extend(records(&path, depth - 1)?);
            }
        } else if is_rows(&path) {
            found.push(path);
        }
    }
    Ok(found)
}
