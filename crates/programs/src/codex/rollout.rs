//! Reads a rollout, Codex's record of a session.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Role;
use stratavore_core::usage::{Entry, Tokens};

use crate::rows::{parse, rows, time};
use crate::{Findings, Reader, Transcript};

/// Reads one file.
pub(super) struct Rollout {
    named: Option<String>,
    memory: Memory,
}

/// What has to be remembered from piece to piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// The session, as its first row names it.
    session: Option<String>,
    /// The model of the present turn.
    model: Option<String>,
    /// Whether it has a title.
    titled: bool,
    /// Whether it records the usage of each response, beside which the running totals say nothing new.
    exact: bool,
    /// The running total that was seen last, which is written again without anything new.
    total: u64,
}

#[derive(Deserialize)]
struct Row {
    timestamp: Option<String>,
    r#type: String,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
    #[serde(default)]
    cached_input_tokens: u64,
    #[serde(default)]
    cache_write_input_tokens: u64,
}

impl Usage {
    /// What was read from a cache, or written to it, is a part of the input here.
    fn tokens(&self) -> Tokens {
        let cache_read = self.cached_input_tokens.min(self.input_tokens);
        let fresh = self.input_tokens - cache_read;
        let cache_write_5m = self.cache_write_input_tokens.min(fresh);
        Tokens {
            input: fresh - cache_write_5m,
            output: self.output_tokens,
            cache_write_5m,
            cache_write_1h: 0,
            cache_read,
        }
    }
}

impl Rollout {
    pub(super) fn new(transcript: &Transcript, memory: Option<&str>) -> Self {
        Self {
            named: transcript.session.clone(),
            memory: memory
                .and_then(|memory| serde_json::from_str(memory).ok())
                .unwrap_or_default(),
        }
    }

    fn session(&self) -> Option<String> {
        self.named.clone().or_else(|| self.memory.session.clone())
    }

    /// Takes a row; `None`: it makes no sense.
    fn row(&mut self, offset: u64, line: &[u8], found: &mut Findings) -> Option<()> {
        let row: Row = parse(line)?;
        let at = time(row.timestamp.as_deref())?;
        found.span(at);
        let payload = &row.payload;
        match (row.r#type.as_str(), text(payload, "type")) {
            // Should a file have more of them, the first is its own.
            ("session_meta", _) if self.memory.session.is_none() => {
                self.memory.session = text(payload, "id").map(str::to_owned);
                found.cwd = text(payload, "cwd").map(str::to_owned);
                found.parent = text(payload, "forked_from_id").map(str::to_owned);
            }
            ("turn_context", _) => {
                if let Some(model) = text(payload, "model") {
                    self.memory.model = Some(model.to_owned());
                    found.model = Some(model.to_owned());
                }
                if let Some(cwd) = text(payload, "cwd") {
                    found.cwd = Some(cwd.to_owned());
                }
            }
            ("token_usage_record", _) => {
                self.memory.exact = true;
                let usage = Usage::deserialize(&payload["usage"]).ok()?;
                let turn = text(payload, "turn_id").unwrap_or_default();
                let key = format!("{}:{turn}", text(payload, "response_id")?);
                found.entries.extend(self.entry(key, at, &usage));
            }
            ("event_msg", Some("token_count")) if !self.memory.exact => {
                let info = &payload["info"];
                let total = info["total_token_usage"]["total_tokens"].as_u64();
                if let (Ok(usage), Some(total)) =
                    (Usage::deserialize(&info["last_token_usage"]), total)
                    && total != self.memory.total
                {
                    self.memory.total = total;
                    let key = format!("{}:{total}", at.timestamp_micros());
                    found.entries.extend(self.entry(key, at, &usage));
                }
            }
            ("event_msg", Some("item_completed")) => {
                let item = &payload["item"];
                if text(item, "type") == Some("UserMessage") {
                    self.request(offset, at, &texts(&item["content"]), found);
                }
            }
            ("event_msg", Some("user_message")) => {
                self.request(
                    offset,
                    at,
                    text(payload, "message").unwrap_or_default(),
                    found,
                );
            }
            ("response_item", Some("message")) if text(payload, "role") == Some("assistant") => {
                found.passage(offset, at, Role::Assistant, &texts(&payload["content"]));
            }
            ("response_item", Some("function_call" | "custom_tool_call")) => {
                let name = text(payload, "name").unwrap_or_default();
                let input = text(payload, "arguments").or_else(|| text(payload, "input"));
                let call = format!("{name} {}", input.unwrap_or_default());
                found.passage(offset, at, Role::Tool, &call);
            }
            ("response_item", Some("function_call_output" | "custom_tool_call_output")) => {
                let output = text(payload, "output").unwrap_or_default();
                found.passage(offset, at, Role::Tool, output);
            }
            _ => {}
        }
        Some(())
    }

    fn request(&mut self, offset: u64, at: Timestamp, asked: &str, found: &mut Findings) {
        if asked.trim().is_empty() {
            return;
        }
        found.requests = found.requests.saturating_add(1);
        found.passage(offset, at, Role::User, asked);
        if !self.memory.titled {
            self.memory.titled = true;
            found.titled_by(asked);
        }
    }

    fn entry(&self, message: String, at: Timestamp, usage: &Usage) -> Option<Entry> {
        let tokens = usage.tokens();
        (tokens.total() > 0).then(|| Entry {
            message,
            session: self.session().unwrap_or_default(),
            model: self
                .memory
                .model
                .clone()
                .unwrap_or_else(|| "unknown".to_owned()),
            at,
            tokens,
        })
    }
}

impl Reader for Rollout {
    fn take(&mut self, offset: u64, piece: &[u8]) -> Findings {
        let mut found = Findings::default();
        for (place, row) in rows(offset, piece) {
            if self.row(place, row, &mut found).is_none() {
                found.passed_over();
            }
        }
        found.session = self.session();
        found
    }

    fn memory(&self) -> String {
        serde_json::to_string(&self.memory).unwrap_or_default()
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

fn texts(content: &Value) -> String {
    let blocks = content.as_array().into_iter().flatten();
    blocks
        .filter_map(|block| text(block, "text"))
        .collect::<Vec<_>>()
        .join("\n")
}
