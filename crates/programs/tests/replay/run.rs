//! A recorded run: what was said, when, and what was true.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;
use stratavore_core::clock::Timestamp;

/// What one source gave.
#[derive(Clone, Debug)]
pub(crate) enum Signal {
    /// A terminal of so many columns and rows was there.
    Opened(u16, u16),
    /// The program wrote this to it.
    Wrote(Vec<u8>),
    /// What another source said.
    Said(Value),
}

impl Signal {
    pub(crate) fn is_of(&self, source: &str) -> bool {
        match self {
            Self::Opened(..) | Self::Wrote(_) => source == "terminal",
            Self::Said(said) => said["source"] == source,
        }
    }
}

/// What was true for a while.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) need: String,
    pub(crate) subject: Option<String>,
    /// When it ends by itself, where the provider said so.
    pub(crate) ends: Option<Timestamp>,
}

/// One recorded run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) place: PathBuf,
    /// The program by whose name and version its recordings lie together: `claude-2.1.330/working`.
    pub(crate) program: String,
    pub(crate) name: String,
    /// In the order of their times.
    pub(crate) signals: Vec<(Timestamp, Signal)>,
    pub(crate) moments: Vec<Moment>,
}

impl Run {
    fn read(place: &Path) -> Self {
        let together = place.parent().and_then(Path::file_name).expect("a corpus");
        let together = together.to_string_lossy();
        let (program, _) = together.split_once('-').expect("a program and its version");
        let lines = fs::read_to_string(place.join("signals.jsonl")).expect("signals");
        let mut signals: Vec<_> = lines
            .lines()
            .map(|line| {
                let said: Value = serde_json::from_str(line).expect("JSON");
                (time(&said, "at"), Signal::Said(said))
            })
            .collect();
        signals.extend(terminal(place));
        signals.sort_by_key(|(at, _)| *at);
        Self {
            place: place.to_owned(),
            program: program.to_owned(),
            name: place
                .file_name()
                .expect("a name")
                .to_string_lossy()
                .into_owned(),
            signals,
            moments: moments(place),
        }
    }
}

/// Reads every recorded run of every program.
pub(crate) fn all() -> Vec<Run> {
    read("")
}

/// Reads those of one program.
pub(crate) fn of(program: &str) -> Vec<Run> {
    let runs = read(&format!("{program}-"));
    assert!(runs.len() >= 5, "{program} has {} runs", runs.len());
    runs
}

fn read(together: &str) -> Vec<Run> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let named = |it: &&PathBuf| {
        let name = it.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with(together)
    };
    directories(&corpus)
        .iter()
        .filter(named)
        .flat_map(|it| directories(it))
        .map(|place| Run::read(&place))
        .collect()
}

/// Finds one.
pub(crate) fn named(program: &str, name: &str) -> Run {
    let found = of(program).into_iter().find(|run| run.name == name);
    found.expect("the scenario")
}

fn directories(place: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(place)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

/// Reads what was written to the terminals: a line for each terminal, and one before each piece.
fn terminal(place: &Path) -> Vec<(Timestamp, Signal)> {
    let packed = fs::read(place.join("terminal.gz")).expect("the terminal");
    let mut whole = Vec::new();
    GzDecoder::new(&packed[..])
        .read_to_end(&mut whole)
        .expect("packed by us");
    let mut rest = &whole[..];
    let mut signals = Vec::new();
    let mut opened = None;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').expect("a line");
        let line: Value = serde_json::from_slice(&rest[..end]).expect("JSON");
        rest = &rest[end + 1..];
        let number = |key: &str| line[key].as_u64().expect("a number");
        if line["columns"].is_u64() {
            let small = |key| u16::try_from(number(key)).expect("small");
            opened = Some(Signal::Opened(small("columns"), small("rows")));
            continue;
        }
        let at = time(&line, "at");
        signals.extend(opened.take().map(|opened| (at, opened)));
        let (piece, after) = rest.split_at(usize::try_from(number("bytes")).expect("small"));
        signals.push((at, Signal::Wrote(piece.to_owned())));
        rest = after;
    }
    signals
}

fn moments(place: &Path) -> Vec<Moment> {
    let truth = fs::read_to_string(place.join("truth.json")).expect("the truth");
    let truth: Value = serde_json::from_str(&truth).expect("JSON");
    truth["moments"]
        .as_array()
        .expect("moments")
        .iter()
        .map(|moment| Moment {
            from: time(moment, "from"),
            until: time(moment, "until"),
            need: text(moment, "need").to_owned(),
            subject: moment["subject"].as_str().map(str::to_owned),
            ends: moment["ends"].is_string().then(|| time(moment, "ends")),
        })
        .collect()
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

fn time(value: &Value, key: &str) -> Timestamp {
    let at = chrono::DateTime::parse_from_rfc3339(text(value, key)).expect("a time");
    at.to_utc()
}
