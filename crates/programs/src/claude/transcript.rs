//! Reads a transcript.

use std::path::Path;

use serde::{Deserialize, Serialize};
use stratavore_core::usage::{Entry, NanoUsd};

use super::hook::failure;
use super::row::{Row, texts};
use super::title::{self, Rank};
use crate::rows::{parse, rows};
use crate::{Findings, Reader, Transcript};

/// The model of what the program wrote in the model's name.
const SYNTHETIC: &str = "<synthetic>";

/// Reads the conversation of one file.
pub(super) struct Conversation {
    /// The session, by the file's name; a fork's rows may carry the id of the session that they were copied from.
    named: Option<String>,
    /// The name of the file, where it is no session's.
    stem: String,
    subagent: bool,
    memory: Memory,
}

/// What has to be remembered from piece to piece.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// From what the title is.
    title: Option<Rank>,
    /// The message that was counted last, and how much it used: a message has a row for each of its blocks.
    message: Option<(String, u64)>,
}

impl Conversation {
    /// Begins at the start of the file, or goes on with what was remembered. Memory that makes no sense is none: what is
    /// counted twice here counts once in the ledger.
    pub(super) fn new(transcript: &Transcript, memory: Option<&str>) -> Self {
        Self {
            named: transcript.session.clone(),
            stem: Path::new(&transcript.path)
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned())
                .unwrap_or_default(),
            subagent: transcript.subagent,
            memory: memory
                .and_then(|memory| serde_json::from_str(memory).ok())
                .unwrap_or_default(),
        }
    }

    fn row(&mut self, offset: u64, row: &Row, found: &mut Findings) {
        if self.named.is_none() && row.session_id.is_some() {
            found.session.clone_from(&row.session_id);
        }
        let request = row.request();
        if let Some(at) = row.at() {
            found.span(at);
            if let Some((role, text)) = row.passage(request.is_some()) {
                found.passage(offset, at, role, &text);
            }
        }
        if row.r#type == "assistant" {
            if let Some(entry) = self.entry(offset, row) {
                found.entries.extend(entry);
            } else {
                found.passed_over();
            }
        }
        if !self.subagent && !row.is_of_a_subagent() {
            self.of_the_session(row, request, found);
        }
    }

    /// Takes what a row says of the session itself.
    fn of_the_session(&mut self, row: &Row, request: Option<String>, found: &mut Findings) {
        if let Some(cwd) = row.cwd.as_ref().filter(|cwd| !cwd.is_empty()) {
            found.cwd = Some(cwd.clone());
        }
        if request.is_some() {
            found.requests = found.requests.saturating_add(1);
        }
        if let Some((rank, title)) = title::of(row, request)
            && title::replaces(rank, self.memory.title)
        {
            self.memory.title = Some(rank);
            found.title = Some(title);
        }
        if let Some(from) = row.copied_from() {
            found.parent = Some(from.to_owned());
        }
        if row.r#type == "cost-state"
            && let Some(cost) = row.total_cost_usd.and_then(nano)
        {
            found.program_cost = Some(cost);
        }
        let Some(message) = row.message.as_ref().filter(|_| row.r#type == "assistant") else {
            return;
        };
        if row.is_api_error_message == Some(true) {
            if let Some(at) = row.at() {
                let words = texts(message.content.as_array().map_or(&[], Vec::as_slice));
                let words = Some(words.as_str()).filter(|words| !words.is_empty());
                let error = row.error.as_ref().and_then(|error| error.as_str());
                found.said = Some(failure(error, words, at));
            }
        } else if let Some(model) = message.model.as_ref().filter(|model| *model != SYNTHETIC) {
            found.model = Some(model.clone());
            // The model answered: what went wrong before is over.
            found.said = None;
        }
    }

    /// Returns what a row counts: nothing where it was counted already or used nothing. `None`: it cannot be counted.
    fn entry(&mut self, offset: u64, row: &Row) -> Option<Option<Entry>> {
        let Some(message) = &row.message else {
            return Some(None);
        };
        let Some(usage) = &message.usage else {
            return Some(None);
        };
        let Some(model) = message.model.as_ref().filter(|model| *model != SYNTHETIC) else {
            return Some(None);
        };
        let tokens = usage.tokens()?;
        let at = row.at()?;
        let session = self
            .named
            .as_ref()
            .or(row.session_id.as_ref())
            .unwrap_or(&self.stem)
            .clone();
        let key = match (&message.id, &row.request_id, &row.uuid) {
            (Some(id), request, _) => format!("{id}:{}", request.as_deref().unwrap_or_default()),
            // A message without an id is told from others by its row.
            (None, _, Some(uuid)) => uuid.clone(),
            (None, _, None) => format!("{session}@{offset}"),
        };
        let total = tokens.total();
        if let Some((counted, most)) = &self.memory.message
            && *counted == key
            && total <= *most
        {
            return Some(None);
        }
        self.memory.message = Some((key.clone(), total));
        let fast = usage.speed.as_deref() == Some("fast");
        Some(Some(Entry {
            message: key,
            session,
            model: if fast {
                format!("{model}-fast")
            } else {
                model.clone()
            },
            at,
            tokens,
        }))
    }
}

impl Reader for Conversation {
    fn take(&mut self, offset: u64, piece: &[u8]) -> Findings {
        let mut found = Findings {
            session: self.named.clone(),
            ..Findings::default()
        };
        for (place, row) in rows(offset, piece) {
            match parse(row) {
                Some(row) => self.row(place, &row, &mut found),
                None => found.passed_over(),
            }
        }
        found
    }

    fn memory(&self) -> String {
        serde_json::to_string(&self.memory).unwrap_or_default()
    }
}

/// Dollars as billionths; nothing for what is no amount.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be in range"
)]
fn nano(dollars: f64) -> Option<NanoUsd> {
    let nanos = (dollars * 1e9).round();
    (nanos.is_finite() && (0.0..=9e18).contains(&nanos)).then_some(NanoUsd(nanos as u64))
}
