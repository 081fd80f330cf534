//! Where its chats are, and what they say.

use std::cmp::Reverse;
use std::fs;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stratavore_core::session::Role;
use stratavore_core::usage::{Entry, Tokens};

use crate::directory::{entries, is_directory, records};
use crate::rows::{parse, rows, time};
use crate::{Findings, Reader, Transcript};

/// The longest first row.
const LONGEST: u64 = 64 * 1024;

/// Lists `tmp/PROJECT/chats/session-*.jsonl`, and those of subagents in a directory by the session's id beside them.
pub(super) fn list(home: &Path) -> io::Result<Vec<Transcript>> {
    let mut found = Vec::new();
    for project in entries(&home.join("tmp"))? {
        if !is_directory(&project) {
            continue;
        }
        let chats = project.path().join("chats");
        for path in records(&chats, 1)? {
            let within = path.parent().filter(|within| *within != chats);
            let parent = within.and_then(Path::file_name).and_then(|it| it.to_str());
            found.push(Transcript {
                session: parent.map(str::to_owned).or_else(|| named(&path)),
                subagent: within.is_some(),
                path,
            });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Lists where a chat appears: `tmp`, for a project that is new, and `tmp/PROJECT/chats`, that of the project last used first.
pub(super) fn appear_in(home: &Path) -> Vec<PathBuf> {
    let tmp = home.join("tmp");
    let mut projects: Vec<_> = entries(&tmp)
        .unwrap_or_default()
        .iter()
        .filter(|entry| is_directory(entry))
        .map(|entry| {
            let changed = entry.metadata().and_then(|it| it.modified()).ok();
            (Reverse(changed), entry.path().join("chats"))
        })
        .collect();
    projects.sort();
    let chats = projects.into_iter().map(|(_, chats)| chats);
    std::iter::once(tmp).chain(chats).collect()
}

/// Returns the session that a chat's first row names: its file's name has the beginning of it alone.
fn named(path: &Path) -> Option<String> {
    let mut row = String::new();
    let file = fs::File::open(path).ok()?.take(LONGEST);
    BufReader::new(file).read_line(&mut row).ok()?;
    parse::<Row>(row.as_bytes())?.session_id
}

/// Reads one chat.
pub(super) struct Chat {
    named: Option<String>,
    cwd: Option<String>,
    memory: Memory,
}

/// What has to be remembered from piece to piece. A message is written again when more of it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Memory {
    /// The session, as its first row names it.
    session: Option<String>,
    /// Whether it has a title.
    titled: bool,
    /// The message whose words were taken last.
    said: Option<String>,
    /// The message whose calls of tools were taken last.
    called: Option<String>,
    /// The message that was counted last.
    counted: Option<String>,
}

/// A row: of the chat itself, or a message. What is not named here is not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    session_id: Option<String>,
    start_time: Option<String>,
    id: Option<String>,
    timestamp: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    content: Value,
    model: Option<String>,
    tokens: Option<Used>,
    #[serde(default)]
    tool_calls: Vec<Call>,
}

#[derive(Deserialize)]
struct Call {
    name: Option<String>,
    #[serde(default)]
    args: Value,
}

/// What a message used. What was read from a cache is a part of the input here.
#[derive(Deserialize)]
struct Used {
    input: u64,
    output: u64,
    #[serde(default)]
    cached: u64,
    #[serde(default)]
    thoughts: u64,
    #[serde(default)]
    tool: u64,
}

impl Used {
    fn tokens(&self) -> Tokens {
        let cache_read = self.cached.min(self.input);
        Tokens {
            input: (self.input - cache_read).saturating_add(self.tool),
            output: self.output.saturating_add(self.thoughts),
            cache_read,
            ..Tokens::default()
        }
    }
}

impl Chat {
    pub(super) fn new(transcript: &Transcript, memory: Option<&str>) -> Self {
        let project = transcript.path.ancestors().nth(2);
        let root = project.map(|project| project.join(".project_root"));
        Self {
            named: transcript.session.clone(),
            // It is written once, and names the directory that all chats beside it are held in.
            cwd: root
                .filter(|_| !transcript.subagent)
                .and_then(|root| fs::read_to_string(root).ok())
                .map(|root| root.trim().to_owned())
                .filter(|root| !root.is_empty()),
            memory: memory
                .and_then(|memory| serde_json::from_str(memory).ok())
                .unwrap_or_default(),
        }
    }

    fn session(&self) -> Option<String> {
        self.named.clone().or_else(|| self.memory.session.clone())
    }

    /// Takes a row; `None`: it makes no sense.
    fn row(&mut self, offset: u64, row: &[u8], found: &mut Findings) -> Option<()> {
        let row: Row = parse(row)?;
        if let Some(session) = row.session_id {
            // Should a file have more of them, the first is its own.
            self.memory.session.get_or_insert(session);
            found.span(time(row.start_time.as_deref())?);
            return Some(());
        }
        // Changes of what is said of the chat, and where it was wound back to.
        let Some(id) = row.id else {
            return Some(());
        };
        let at = time(row.timestamp.as_deref())?;
        found.span(at);
        let text = texts(&row.content);
        let first = self.memory.said.as_ref() != Some(&id);
        match row.r#type.as_deref()? {
            "user" if first && !text.trim().is_empty() => {
                self.memory.said = Some(id);
                found.requests = found.requests.saturating_add(1);
                found.passage(offset, at, Role::User, &text);
                if !self.memory.titled {
                    self.memory.titled = true;
                    found.titled_by(&text);
                }
            }
            "gemini" => {
                if first && !text.trim().is_empty() {
                    self.memory.said = Some(id.clone());
                    found.passage(offset, at, Role::Assistant, &text);
                }
                if !row.tool_calls.is_empty() && self.memory.called.as_ref() != Some(&id) {
                    self.memory.called = Some(id.clone());
                    for call in &row.tool_calls {
                        let name = call.name.as_deref().unwrap_or_default();
                        found.passage(offset, at, Role::Tool, &format!("{name} {}", call.args));
                    }
                }
                if let Some(model) = &row.model {
                    found.model = Some(model.clone());
                }
                if let Some(used) = row
                    .tokens
                    .filter(|_| self.memory.counted.as_ref() != Some(&id))
                {
                    self.memory.counted = Some(id.clone());
                    let tokens = used.tokens();
                    if tokens.total() > 0 {
                        found.entries.push(Entry {
                            message: id,
                            session: self.session().unwrap_or_default(),
                            model: row.model.unwrap_or_else(|| "unknown".to_owned()),
                            at,
                            tokens,
                        });
                    }
                }
            }
            _ => {}
        }
        Some(())
    }
}

impl Reader for Chat {
    fn take(&mut self, offset: u64, piece: &[u8]) -> Findings {
        let mut found = Findings::default();
        for (place, row) in rows(offset, piece) {
            if self.row(place, row, &mut found).is_none() {
                found.passed_over();
            }
        }
        found.session = self.session();
        found.cwd.clone_from(&self.cwd);
        found
    }

    fn memory(&self) -> String {
        serde_json::to_string(&self.memory).unwrap_or_default()
    }
}

/// Joins the texts of a message, which is one or many.
pub(super) fn texts(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts
            .iter()
            .filter_map(|part| part.as_str().or_else(|| part["text"].as_str()))
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "11111111-1111-4111-8111-111111111111";

    #[test]
    fn chats_are_found_with_their_session_and_directory() {
        let home = tempfile::tempdir().expect("a directory");
        assert_eq!(list(home.path()).expect("listed"), []);
        let project = home.path().join("tmp/demo");
        let chats = project.join("chats");
        fs::create_dir_all(chats.join(ID)).expect("made");
        fs::write(project.join(".project_root"), "/p\n").expect("written");
        let own = chats.join("session-2026-11-24T03-45-11111111.jsonl");
        let first = format!(r#"{{"sessionId":"{ID}","startTime":"2026-11-24T03:45:00.000Z"}}"#);
        fs::write(&own, format!("{first}\n")).expect("written");
        fs::write(chats.join(ID).join("a.jsonl"), "").expect("written");
        fs::write(chats.join("session-x-2.jsonl"), "{\"cut").expect("written");
        let found = list(home.path()).expect("listed");
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.session.as_deref(), it.subagent))
            .collect();
        assert_eq!(found, [(Some(ID), true), (Some(ID), false), (None, false)]);
        let appear = [home.path().join("tmp"), chats.clone()];
        assert_eq!(appear_in(home.path()), appear);
        let transcript = &list(home.path()).expect("listed")[1];
        let found = Chat::new(transcript, None).take(0, first.as_bytes());
        assert_eq!(
            (
                found.session.as_deref(),
                found.cwd.as_deref(),
                found.malformed
            ),
            (Some(ID), Some("/p"), 0)
        );
    }
}
