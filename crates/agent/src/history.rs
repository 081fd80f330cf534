//! Lines that scrolled off, on disk: they survive the agent, and take no memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use stratavore_wire::history::tail;
use stratavore_wire::record::{HISTORY_FILE, OLDER_HISTORY_FILE};

/// A file of history ends here, however few its lines are.
const FILE_MAX: u64 = 8 * 1024 * 1024;
/// What a full disk did not take waits here to be written; beyond that, the oldest is lost.
const WAITING_MAX: usize = 1024 * 1024;

/// Keeps at least the last `limit` lines in two files, the older of which is complete.
///
/// Every byte has a position in all that was ever appended, so that a reader who was away goes on where it was.
///
/// Every round of the agent's loop hands over what scrolled off in it, which is written at once: a killed agent has lost at
/// most the lines of the round it was killed in.
#[derive(Debug)]
pub struct History {
    directory: PathBuf,
    file: Option<File>,
    limit: u32,
    lines: u32,
    /// Where the older file begins.
    begin: u64,
    /// Bytes in the older file.
    older: u64,
    /// Bytes in the newer one.
    bytes: u64,
    waiting: Vec<u8>,
}

impl History {
    /// Starts empty, in a directory that has no history yet.
    pub fn new(directory: &Path, limit: u32) -> Self {
        Self {
            directory: directory.to_owned(),
            file: None,
            limit,
            lines: 0,
            begin: 0,
            older: 0,
            bytes: 0,
            waiting: Vec::new(),
        }
    }

    /// Adds lines, after erasing all earlier ones when told so.
    pub fn append(&mut self, erased: bool, lines: &[u8]) {
        if erased {
            self.begin = self.end();
            self.waiting.clear();
            self.lines = 0;
            self.older = 0;
            self.bytes = 0;
            if let Some(file) = &mut self.file {
                // A truncation that fails leaves more history than the program wanted, no less.
                let _ = file.set_len(0).and_then(|()| file.rewind());
            }
            let _ = fs::remove_file(self.directory.join(OLDER_HISTORY_FILE));
        }
        if lines.is_empty() || self.limit == 0 {
            return;
        }
        self.waiting.extend_from_slice(lines);
        if self.write().is_err() && self.waiting.len() > WAITING_MAX {
            let excess = self.waiting.len() - WAITING_MAX;
            self.waiting.drain(..excess);
            self.begin += excess as u64;
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let path = self.directory.join(HISTORY_FILE);
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(
                OpenOptions::new()
                    .create(true)
                    .truncate(true)
                    .write(true)
                    .mode(0o600)
                    .open(&path)?,
            ),
        };
        while !self.waiting.is_empty() {
            let written = file.write(&self.waiting)?;
            self.bytes += written as u64;
            self.lines += self.waiting[..written]
                .iter()
                .filter(|byte| **byte == b'\n')
                .count() as u32;
            self.waiting.drain(..written);
        }
        self.waiting.shrink_to(4096);
        if self.lines >= self.limit || self.bytes >= FILE_MAX {
            fs::rename(&path, self.directory.join(OLDER_HISTORY_FILE))?;
            self.file = None;
            self.lines = 0;
            self.begin += self.older;
            self.older = std::mem::take(&mut self.bytes);
        }
        Ok(())
    }

    /// Gives the last lines, at most as many as are kept.
    pub fn last(&self, lines: u32) -> Vec<u8> {
        let lines = lines.min(self.limit);
        if lines == 0 {
            return Vec::new();
        }
        let mut history = Vec::new();
        if self.lines < lines {
            read(&self.directory.join(OLDER_HISTORY_FILE), &mut history);
        }
        if self.file.is_some() {
            read(&self.directory.join(HISTORY_FILE), &mut history);
        }
        history.extend_from_slice(&self.waiting);
        let start = history.len() - tail(&history, lines as usize).len();
        history.drain(..start);
        history
    }

    /// Gives the position behind the last byte.
    pub fn end(&self) -> u64 {
        self.begin + self.older + self.bytes + self.waiting.len() as u64
    }

    /// Gives what follows a position, at most `max` bytes, cut behind a line when there is more; and where that ends.
    /// What is not kept any more is passed over.
    pub fn since(&self, position: u64, max: usize) -> (Vec<u8>, u64) {
        let start = position.clamp(self.begin, self.end());
        let mut found = Vec::new();
        let mut offset = start - self.begin;
        let left = |found: &Vec<u8>| (max - found.len()) as u64;
        if offset < self.older {
            let path = self.directory.join(OLDER_HISTORY_FILE);
            read_at(&path, offset, left(&found), &mut found);
            offset = self.older;
        }
        offset -= self.older;
        if offset < self.bytes && left(&found) > 0 {
            let path = self.directory.join(HISTORY_FILE);
            read_at(&path, offset, left(&found), &mut found);
            offset = self.bytes;
        }
        let waiting = &self.waiting[(offset - self.bytes.min(offset)) as usize..];
        found.extend_from_slice(&waiting[..waiting.len().min(max - found.len())]);
        let end = start + found.len() as u64;
        if end < self.end() {
            let cut = found.iter().rposition(|byte| *byte == b'\n');
            found.truncate(cut.map_or(found.len(), |at| at + 1));
        }
        let end = start + found.len() as u64;
        (found, end)
    }
}

/// Appends at most `max` bytes of a file from `offset`; what cannot be read is not there.
fn read_at(path: &Path, offset: u64, max: u64, out: &mut Vec<u8>) {
    let _ = File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(offset))?;
        file.take(max).read_to_end(out)
    });
}

/// Appends a file's content; what cannot be read is not there.
fn read(path: &Path, out: &mut Vec<u8>) {
    let _ = File::open(path).and_then(|mut file| file.read_to_end(out));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_on_disk() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = History::new(directory.path(), 10);
        for line in 0..37 {
            history.append(false, format!("line {line}\n").as_bytes());
        }
        history.append(false, b"unfinished");
        assert_eq!(history.last(2), b"line 36\nunfinished");
        let all = String::from_utf8(history.last(100)).unwrap();
        assert_eq!(all.lines().count(), 10);
        assert!(all.starts_with("line 28\n"), "{all}");
        // Two files of ten lines at most.
        let on_disk: usize = [HISTORY_FILE, OLDER_HISTORY_FILE]
            .iter()
            .map(|file| {
                fs::read_to_string(directory.path().join(file))
                    .unwrap()
                    .lines()
                    .count()
            })
            .sum();
        assert_eq!(on_disk, 18);
    }

    #[test]
    fn erasing_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = History::new(directory.path(), 2);
        history.append(false, b"a\nb\nc\nd\ne\n");
        history.append(true, b"");
        assert_eq!(history.last(9), b"");
        history.append(true, b"f\n");
        assert_eq!(history.last(9), b"f\n");
    }

    #[test]
    fn what_the_disk_does_not_take_waits() {
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone");
        let mut history = History::new(&gone, 100);
        history.append(false, b"one\n");
        assert_eq!(history.last(9), b"one\n");
        fs::create_dir(&gone).unwrap();
        history.append(false, b"two\n");
        assert_eq!(fs::read(gone.join(HISTORY_FILE)).unwrap(), b"one\ntwo\n");
        assert_eq!(history.last(9), b"one\ntwo\n");
    }

    #[test]
    fn a_reader_goes_on_where_it_was_across_files() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = History::new(directory.path(), 4);
        let (mut at, mut read) = (0, Vec::new());
        for line in 0..20 {
            history.append(false, format!("line {line}\n").as_bytes());
            if line % 3 == 0 {
                loop {
                    let (piece, end) = history.since(at, 15);
                    at = end;
                    if piece.is_empty() {
                        break;
                    }
                    assert!(piece.ends_with(b"\n"));
                    read.extend(piece);
                }
            }
        }
        read.extend(history.since(at, 100).0);
        let all: String = (0..20).map(|line| format!("line {line}\n")).collect();
        assert_eq!(String::from_utf8(read).unwrap(), all);
        history.append(true, b"after\n");
        assert_eq!(history.since(0, 100), (b"after\n".to_vec(), history.end()));
        assert_eq!(history.since(u64::MAX, 100), (vec![], history.end()));
    }

    #[test]
    fn no_history_is_kept_when_none_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = History::new(directory.path(), 0);
        history.append(false, b"secret\n");
        assert_eq!(history.last(9), b"");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
