//! Reads what was appended to a transcript, in pieces that end with rows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use stratavore_core::hex::hex;

use crate::file;

/// How much is read before it is kept.
const PIECE: usize = 4 << 20;
/// A longer row is passed over: no program means one.
const ROW_MAX: usize = 128 << 20;

/// Rows, as they stand in the file.
pub(super) struct Piece {
    /// Where they begin.
    pub(super) offset: u64,
    /// The rows, each ended by a newline. Empty: a row that is too long was passed over.
    pub(super) rows: Vec<u8>,
    /// Where the next piece begins.
    pub(super) end: u64,
}

/// How much of a file's beginning tells it from one that was written in its place.
const HEAD: u64 = 4 << 10;

/// Names a file: its device and inode, and when it was made, for an inode is soon another file's.
pub(super) fn identity(metadata: &std::fs::Metadata) -> String {
    let made = metadata.created().ok();
    let made = made.and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    let made = made.unwrap_or_default().as_nanos();
    format!("{}:{}:{made}", metadata.dev(), metadata.ino())
}

/// What a file begins with. A transcript only grows: one that begins otherwise was written anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    length: u64,
    sha256: String,
}

impl Head {
    fn of(bytes: &[u8]) -> Self {
        Self {
            length: bytes.len() as u64,
            sha256: hex(&Sha256::digest(bytes)),
        }
    }
}

/// An open transcript.
pub(super) struct Open {
    file: BufReader<File>,
    offset: u64,
    /// Which file it is.
    pub(super) identity: String,
    /// Its length when it was opened.
    pub(super) length: u64,
}

impl Open {
    /// Opens a transcript.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        let file = file::open(path)?;
        let metadata = file.metadata()?;
        Ok(Self {
            file: BufReader::with_capacity(1 << 16, file),
            offset: 0,
            identity: identity(&metadata),
            length: metadata.len(),
        })
    }

    /// Returns what the file begins with, if it still begins with what it did when `known` was returned.
    pub(super) fn head(&mut self, known: Option<&Head>) -> io::Result<Option<Head>> {
        let mut begins = Vec::new();
        self.file.rewind()?;
        (&mut self.file).take(HEAD).read_to_end(&mut begins)?;
        let is_same = known.is_none_or(|known| {
            let length = usize::try_from(known.length).unwrap_or(usize::MAX);
            begins
                .get(..length)
                .is_some_and(|begins| Head::of(begins) == *known)
        });
        Ok(is_same.then(|| Head::of(&begins)))
    }

    /// Goes on from there.
    pub(super) fn from(&mut self, offset: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.offset = offset;
        Ok(())
    }

    /// Returns the next whole rows; nothing where only a part of one is left, which the program is still writing.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        let offset = self.offset;
        let mut rows = Vec::new();
        loop {
            let begins = rows.len();
            let read = (&mut self.file)
                .take(ROW_MAX as u64)
                .read_until(b'\n', &mut rows)?;
            if rows.last() == Some(&b'\n') && read > 0 {
                self.offset += read as u64;
                if rows.len() >= PIECE {
                    break;
                }
                continue;
            }
            if read == ROW_MAX {
                rows.truncate(begins);
                if begins > 0 {
                    // What comes before it is kept first.
                    self.file.seek(SeekFrom::Start(self.offset))?;
                    break;
                }
                return Ok(self.pass(read as u64)?.then_some(Piece {
                    offset,
                    rows: Vec::new(),
                    end: self.offset,
                }));
            }
            rows.truncate(begins);
            break;
        }
        Ok((!rows.is_empty()).then_some(Piece {
            offset,
            rows,
            end: self.offset,
        }))
    }

    /// Passes over the rest of a row, and tells whether it ends.
    fn pass(&mut self, read: u64) -> io::Result<bool> {
        let mut passed = read;
        loop {
            let buffer = self.file.fill_buf()?;
            if buffer.is_empty() {
                return Ok(false);
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(buffer.len(), |end| end + 1);
            self.file.consume(taken);
            passed += taken as u64;
            if end.is_some() {
                self.offset += passed;
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.jsonl");
        std::fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn rows_come_whole_and_a_part_of_one_waits() {
        let (_dir, path) = file(b"{1}\n{2}\n{3");
        let mut open = Open::at(&path).unwrap();
        let piece = open.next().unwrap().unwrap();
        assert_eq!(
            (piece.offset, piece.end, piece.rows.as_slice()),
            (0, 8, b"{1}\n{2}\n".as_slice())
        );
        assert!(open.next().unwrap().is_none());
        std::fs::write(&path, b"{1}\n{2}\n{3}\n").unwrap();
        let mut open = Open::at(&path).unwrap();
        open.from(8).unwrap();
        let piece = open.next().unwrap().unwrap();
        assert_eq!(
            (piece.offset, piece.end, piece.rows.as_slice()),
            (8, 12, b"{3}\n".as_slice())
        );
    }

    #[test]
    fn a_row_that_is_too_long_is_passed_over_and_the_next_one_is_read() {
        let mut text = b"{1}\n".to_vec();
        text.resize(text.len() + ROW_MAX + 10, b'x');
        text.extend_from_slice(b"\n{2}\n");
        let (_dir, path) = file(&text);
        let mut open = Open::at(&path).unwrap();
        assert_eq!(open.next().unwrap().unwrap().rows, b"{1}\n");
        assert_eq!(open.next().unwrap().unwrap().rows, b"");
        let last = open.next().unwrap().unwrap();
        assert_eq!(
            (last.rows.as_slice(), last.end),
            (b"{2}\n".as_slice(), text.len() as u64)
        );
    }

    #[test]
    fn a_file_that_was_written_anew_begins_otherwise() {
        let (_dir, path) = file(b"{1}\n");
        let head = |known: Option<&Head>| Open::at(&path).unwrap().head(known).unwrap();
        let first = head(None).unwrap();
        std::fs::write(&path, b"{1}\n{2}\n").unwrap();
        let grown = head(Some(&first)).expect("it has grown");
        assert_eq!(head(Some(&grown)), Some(grown.clone()));
        for other in [&b"{1}\n{3}\n{4}\n"[..], b"{1}\n", b""] {
            std::fs::write(&path, other).unwrap();
            assert_eq!(head(Some(&grown)), None);
        }
    }

    #[test]
    fn a_file_in_the_place_of_another_is_another() {
        let (_dir, path) = file(b"{1}\n");
        let named = || identity(&std::fs::metadata(&path).unwrap());
        let first = named();
        std::fs::write(&path, b"{1}\n{2}\n").unwrap();
        assert_eq!(named(), first);
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"{1}\n").unwrap();
        assert_ne!(named(), first);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Open::at(dir.path()).is_err());
    }
}
