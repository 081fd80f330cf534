//! A recording of all that a program writes to its terminal: asciicast v2.
//!
//! The format: a JSON object on the first line, then one JSON array a line, `[seconds, "o" or "r", text]`: what was
//! written, and the sizes it was written for, <https://docs.asciinema.org/manual/asciicast/v2/>. What is typed is not
//! recorded: it holds passwords.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use stratavore_wire::record::RECORDING_FILE;
use stratavore_wire::{LaunchSpec, Timestamp};

use crate::screen::{Size, partial_character};

/// Writes a recording. Each round of output is on its way to disk when the next is read: a killed agent leaves what a
/// player understands, its last line at most cut short.
#[derive(Debug)]
pub struct Recording {
    file: File,
    since: Instant,
    /// The beginning of a character whose end has not come.
    partial: Vec<u8>,
    lines: Vec<u8>,
}

impl Recording {
    /// Begins one in an attempt's directory.
    pub fn begin(
        directory: &Path,
        launch: &LaunchSpec,
        size: Size,
        at: Timestamp,
    ) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(directory.join(RECORDING_FILE))?;
        let header = json!({
            "version": 2,
            "width": size.columns,
            "height": size.rows,
            "timestamp": at.as_micros() / 1_000_000,
            "command": launch.argv.join(" "),
        });
        let mut recording = Self {
            file,
            since: Instant::now(),
            partial: Vec::new(),
            lines: format!("{header}\n").into_bytes(),
        };
        recording.write()?;
        Ok(recording)
    }

    /// Adds what the program wrote.
    pub fn output(&mut self, bytes: &[u8], now: Instant) {
        let joined;
        let bytes = if self.partial.is_empty() {
            bytes
        } else {
            joined = [&std::mem::take(&mut self.partial), bytes].concat();
            &joined
        };
        let (whole, partial) = bytes.split_at(bytes.len() - partial_character(bytes));
        self.partial.extend_from_slice(partial);
        if !whole.is_empty() {
            self.event(now, "o", &String::from_utf8_lossy(whole));
        }
    }

    /// Adds that the terminal has another size.
    pub fn resize(&mut self, size: Size, now: Instant) {
        self.event(now, "r", &format!("{}x{}", size.columns, size.rows));
    }

    fn event(&mut self, now: Instant, kind: &str, data: &str) {
        let seconds = now.duration_since(self.since).as_secs_f64();
        // Writing to a Vec does not fail, and all of it can be JSON.
        let _ = write!(self.lines, "[{seconds:.6}, \"{kind}\", ");
        let _ = serde_json::to_writer(&mut self.lines, data);
        self.lines.extend_from_slice(b"]\n");
    }

    /// Writes what was added.
    ///
    /// # Errors
    /// Whatever the disk says. What it did not take is lost, and so is a recording that goes on behind a gap: end it.
    pub fn write(&mut self) -> io::Result<()> {
        self.file.write_all(&self.lines)?;
        self.lines.clear();
        self.lines.shrink_to(64 * 1024);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::time::Duration;

    #[test]
    fn what_is_recorded_is_asciicast() {
        let directory = tempfile::tempdir().unwrap();
        let launch = LaunchSpec {
            runner_id: "r".to_owned(),
            attempt: 1,
            instance_id: "i".to_owned(),
            project: "p".to_owned(),
            program: "command".to_owned(),
            argv: vec!["make".to_owned(), "all".to_owned()],
            cwd: "/".to_owned(),
            env: vec![
                ("TERM".to_owned(), "xterm-256color".to_owned()),
                ("TOKEN".to_owned(), "hunter2".to_owned()),
            ],
            columns: 80,
            rows: 24,
            history_lines: 0,
            record: true,
            open_files: None,
            keep_descendants: false,
            attempt_dir: directory.path().to_owned(),
            socket: directory.path().join("s"),
            heartbeat_ms: 1000,
            hooks: stratavore_wire::HookPolicy::default(),
        };
        let at = Timestamp(1_700_000_000_000_000);
        let size = Size::bounded(80, 24);
        let mut recording = Recording::begin(directory.path(), &launch, size, at).unwrap();
        let later = |ms| recording.since + Duration::from_millis(ms);
        let (first, second, third) = (later(250), later(300), later(1500));
        recording.output("grün \u{1b}[1m\"\u{7}".as_bytes(), first);
        // Half a character, the rest later; then a byte that is none.
        recording.output(&"é".as_bytes()[..1], first);
        recording.output(&["é".as_bytes()[1], 0xff], second);
        recording.resize(Size::bounded(100, 30), third);
        recording.write().unwrap();
        let text = std::fs::read_to_string(directory.path().join(RECORDING_FILE)).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["version"], 2);
        assert_eq!(lines[0]["width"], 80);
        assert_eq!(lines[0]["timestamp"], 1_700_000_000);
        assert_eq!(lines[0]["command"], "make all");
        assert!(!text.contains("hunter2"));
        assert_eq!(lines[1], json!([0.25, "o", "grün \u{1b}[1m\"\u{7}"]));
        assert_eq!(lines[2], json!([0.3, "o", "é\u{fffd}"]));
        assert_eq!(lines[3], json!([1.5, "r", "100x30"]));
    }
}
