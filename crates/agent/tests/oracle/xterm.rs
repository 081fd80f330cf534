//! A terminal of xterm.js, run by node.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Runs terminals of xterm.js until it is dropped.
pub(crate) struct Oracle {
    child: Child,
    scrollback: u32,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

/// Holds what could be noticed of a terminal.
pub(crate) struct State(pub(crate) Value);

impl State {
    /// Gives one thing a line.
    fn lines(&self) -> BTreeSet<String> {
        fn add(name: &str, value: &Value, lines: &mut BTreeSet<String>) {
            match value {
                Value::Object(values) => values
                    .iter()
                    .for_each(|(key, value)| add(&format!("{name} {key}"), value, lines)),
                Value::Array(values) => values.iter().for_each(|value| add(name, value, lines)),
                other => drop(lines.insert(format!("{name} {other}"))),
            }
        }
        let mut lines = BTreeSet::new();
        add("", &self.0, &mut lines);
        lines
    }

    /// Names what this one has otherwise than the one that is right; nothing when they are alike.
    pub(crate) fn difference(&self, right: &Self) -> String {
        let (own, right) = (self.lines(), right.lines());
        let mut difference = String::new();
        for line in right.difference(&own) {
            difference.push_str(&format!("xterm.js{line}\n"));
        }
        for line in own.difference(&right) {
            difference.push_str(&format!("    ours{line}\n"));
        }
        difference
    }
}

fn window() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui")
}

/// Gives the file by which the window counts columns.
pub(crate) fn widths_file() -> PathBuf {
    window().join("src/terminal/widths.json")
}

impl Oracle {
    /// Starts it; its terminals keep so many lines that scroll off.
    pub(crate) fn start(scrollback: u32) -> Self {
        let window = window();
        let package = window.join("node_modules/@xterm/headless");
        assert!(
            package.is_dir(),
            "{} is missing: run `npm --prefix ui ci`, or `make test`, which does",
            package.display()
        );
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/xterm.mjs");
        let mut child = Command::new("node")
            .arg(script)
            .arg(window.join("package.json"))
            .arg(widths_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node runs");
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Self {
            child,
            scrollback,
            pipes: Mutex::new((
                input.expect("a pipe"),
                BufReader::new(output.expect("a pipe")),
            )),
        }
    }

    /// Tells how a terminal stands that was fed this; nothing when it broke.
    pub(crate) fn tell(&self, columns: u16, rows: u16, feeds: &[&[u8]]) -> Option<State> {
        let told = self.ask(columns, rows, feeds, false);
        told.get("thrown").is_none().then_some(State(told))
    }

    /// Tells which lines scrolled off a terminal that was fed this, as text, each whole however often it was wrapped.
    pub(crate) fn past(&self, columns: u16, rows: u16, feed: &[u8]) -> Vec<String> {
        let told = self.ask(columns, rows, &[feed], true);
        serde_json::from_value(told["past"].clone()).unwrap_or_else(|_| panic!("{told}"))
    }

    fn ask(&self, columns: u16, rows: u16, feeds: &[&[u8]], past: bool) -> Value {
        let feeds: Vec<_> = feeds.iter().map(|feed| STANDARD.encode(feed)).collect();
        let asked = json!({
            "columns": columns,
            "rows": rows,
            "scrollback": self.scrollback,
            "feeds": feeds,
            "past": past,
        });
        let (input, output) = &mut *self.pipes.lock().expect("whole");
        writeln!(input, "{asked}").expect("the oracle reads");
        let mut line = String::new();
        output.read_line(&mut line).expect("the oracle answers");
        serde_json::from_str(&line).expect("the oracle runs; what it said stands above")
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // Refused only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
