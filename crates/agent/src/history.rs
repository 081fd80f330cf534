//! Lines that scrolled off, on disk: they survive the agent, and take no memory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
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
/// Every round of the agent's loop hands over what scrolled off in it, which is written at once: a killed agent has lost at
/// most the lines of the round it was killed in.
#[derive(Debug)]
pub struct History {
    directory: PathBuf,
    file: Option<File>,
    limit: u32,
    lines: u32,
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
            bytes: 0,
            waiting: Vec::new(),
        }
    }

    /// Adds lines, after erasing all earlier ones when told so.
    pub fn append(&mut self, erased: bool, lines: &[u8]) {
        if erased {
            self.waiting.clear();
            self.lines = 0;
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
            self.bytes = 0;
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
    fn no_history_is_kept_when_none_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let mut history = History::new(directory.path(), 0);
        history.append(false, b"secret\n");
        assert_eq!(history.last(9), b"");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
