//! Reads a copy of one of OpenCode's sessions.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Role;
use stratavore_core::usage::{Entry, NanoUsd, Tokens};

use crate::rows::{parse, rows};
use crate::{Findings, Reader, Transcript};

/// What it calls a session that has no title yet.
const UNTITLED: &str = "New session - ";

/// Reads one file.
pub(super) struct Rows {
    named: Option<String>,
    memory: Memory,
}

/// What has to be remembered from piece to piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// Whether it has a title, by a person or the program.
    titled: bool,
    /// Whether anything was asked.
    asked: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Row {
    Message {
        info: Info,
        #[serde(default)]
        parts: Vec<Value>,
    },
    Session {
        directory: String,
        title: String,
        cost: f64,
        created: i64,
    },
}

#[derive(Deserialize)]
struct Info {
    role: String,
    time: Time,
    #[serde(rename = "modelID")]
    model: Option<String>,
    tokens: Option<Usage>,
}

#[derive(Deserialize)]
struct Time {
    created: i64,
    completed: Option<i64>,
}

#[derive(Deserialize)]
struct Usage {
    input: u64,
    /// What a person sees of it.
    output: u64,
    #[serde(default)]
    reasoning: u64,
    cache: Cache,
}

#[derive(Deserialize)]
struct Cache {
    read: u64,
    /// For how long is not kept.
    write: u64,
}

impl Usage {
    fn tokens(&self) -> Tokens {
        Tokens {
            input: self.input,
            output: self.output.saturating_add(self.reasoning),
            cache_write_5m: self.cache.write,
            cache_write_1h: 0,
            cache_read: self.cache.read,
        }
    }
}

impl Rows {
    pub(super) fn new(transcript: &Transcript, memory: Option<&str>) -> Self {
        Self {
            named: transcript.session.clone(),
            memory: memory
                .and_then(|memory| serde_json::from_str(memory).ok())
                .unwrap_or_default(),
        }
    }

    /// Takes a row; `None`: it makes no sense.
    fn row(&mut self, offset: u64, line: &[u8], found: &mut Findings) -> Option<()> {
        match parse(line)? {
            Row::Session {
                directory,
                title,
                cost,
                created,
            } => {
                found.span(Timestamp::from_timestamp_millis(created)?);
                found.cwd = Some(directory);
                if !title.starts_with(UNTITLED) {
                    self.memory.titled = true;
                    found.title = Some(title);
                }
                if cost > 0.0 {
                    found.program_cost = NanoUsd::parse(&format!("{cost:.9}"));
                }
            }
            Row::Message { info, parts } => self.message(offset, &info, &parts, found)?,
        }
        Some(())
    }

    fn message(
        &mut self,
        offset: u64,
        info: &Info,
        parts: &[Value],
        found: &mut Findings,
    ) -> Option<()> {
        let at = Timestamp::from_timestamp_millis(info.time.created)?;
        let until = info
            .time
            .completed
            .and_then(Timestamp::from_timestamp_millis);
        let until = until.unwrap_or(at);
        found.span(at);
        found.span(until);
        let person = info.role == "user";
        let texts: Vec<&str> = parts
            .iter()
            // What the program itself puts into a request.
            .filter(|part| part["type"] == "text" && part["synthetic"] != true)
            .filter_map(|part| part["text"].as_str())
            .collect();
        let text = texts.join("\n");
        if person {
            if !text.trim().is_empty() {
                found.requests = found.requests.saturating_add(1);
                found.passage(offset, at, Role::User, &text);
                if !self.memory.asked && !self.memory.titled {
                    found.titled_by(&text);
                }
                self.memory.asked = true;
            }
            return Some(());
        }
        found.passage(offset, until, Role::Assistant, &text);
        for part in parts.iter().filter(|part| part["type"] == "tool") {
            let state = &part["state"];
            let name = part["tool"].as_str().unwrap_or_default();
            found.passage(
                offset,
                until,
                Role::Tool,
                &format!("{name} {}", state["input"]),
            );
            let output = state["output"].as_str().or_else(|| state["error"].as_str());
            found.passage(offset, until, Role::Tool, output.unwrap_or_default());
        }
        if let Some(model) = &info.model {
            found.model = Some(model.clone());
        }
        let tokens = info.tokens.as_ref()?.tokens();
        if tokens.total() > 0 {
            found.entries.push(Entry {
                // A fork gives what it repeats other ids, and leaves it its times.
                message: format!(
                    "opencode:{}:{}",
                    info.time.created,
                    info.time.completed.unwrap_or_default()
                ),
                session: self.named.clone().unwrap_or_default(),
                model: info.model.clone().unwrap_or_else(|| "unknown".to_owned()),
                at: until,
                tokens,
            });
        }
        Some(())
    }
}

impl Reader for Rows {
    fn take(&mut self, offset: u64, piece: &[u8]) -> Findings {
        let mut found = Findings::default();
        for (place, row) in rows(offset, piece) {
            if self.row(place, row, &mut found).is_none() {
                found.passed_over();
            }
        }
        found.session.clone_from(&self.named);
        found
    }

    fn memory(&self) -> String {
        serde_json::to_string(&self.memory).unwrap_or_default()
    }
}
