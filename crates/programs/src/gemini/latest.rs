//! Which chat it would continue, by its own rule: of those that something was said in, the one that began last. Resumed in the
//! minute in which it began, a chat says anew when it did.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Deserialize;
use serde_json::Value;
use stratavore_core::clock::Timestamp;

use super::chat::texts;
use crate::directory::{entries, is_directory, is_rows};
use crate::rows::{parse, time};

/// With what words begins that no person said.
const NOT_SAID: [&str; 4] = ["/", "?", "<session_context>", "<hook_context>"];

/// Returns the session; nothing where it cannot be told which the program would take.
pub(super) fn latest(home: &Path, directory: &Path) -> Option<String> {
    let mut chats = Vec::new();
    for project in entries(&home.join("tmp")).ok()? {
        if is_directory(&project) && is_of(&project.path(), directory) {
            chats.extend(in_project(&project.path().join("chats")).ok()?);
        }
    }
    // A file changes no earlier than what is in it.
    chats.sort_by_key(|(changed, _)| *changed);
    let mut best: Option<(Timestamp, String)> = None;
    for (changed, path) in chats.into_iter().rev() {
        if best
            .as_ref()
            .is_some_and(|(began, _)| Timestamp::from(changed) < *began)
        {
            break;
        }
        // Earlier versions wrote whole files, which are not read.
        if !is_rows(&path) {
            return None;
        }
        let Ok(Some(found)) = read(&path) else {
            continue;
        };
        if best.as_ref().is_none_or(|(began, _)| found.0 > *began) {
            best = Some(found);
        }
    }
    best.map(|(_, session)| session)
}

/// Tells whether what is kept of a project is of this directory.
fn is_of(project: &Path, directory: &Path) -> bool {
    let Ok(root) = fs::read_to_string(project.join(".project_root")) else {
        return false;
    };
    let root = Path::new(root.trim());
    // It calls its directory as the kernel does.
    root == directory
        || directory
            .canonicalize()
            .is_ok_and(|directory| root == directory)
}

fn in_project(chats: &Path) -> io::Result<Vec<(SystemTime, PathBuf)>> {
    let mut found = Vec::new();
    for entry in entries(chats)? {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with("session-") {
            found.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    Ok(found)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    session_id: Option<String>,
    start_time: Option<String>,
    kind: Option<String>,
    #[serde(rename = "$set")]
    set: Option<Set>,
    #[serde(rename = "$rewindTo")]
    rewind_to: Option<String>,
    #[serde(flatten)]
    message: Message,
}

/// What is said anew of the chat.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    session_id: Option<String>,
    start_time: Option<String>,
    kind: Option<String>,
    messages: Option<Vec<Message>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    id: Option<String>,
    r#type: Option<String>,
    #[serde(default)]
    content: Value,
    #[serde(default)]
    tool_calls: Vec<Value>,
    #[serde(default)]
    thoughts: Vec<Value>,
}

impl Message {
    /// Tells whether there is something in it to go on from.
    fn says_something(&self) -> bool {
        let text = texts(&self.content);
        let text = text.trim();
        match self.r#type.as_deref() {
            Some("user") => !text.is_empty() && !NOT_SAID.iter().any(|not| text.starts_with(not)),
            Some("gemini") => {
                !(text.is_empty() && self.tool_calls.is_empty() && self.thoughts.is_empty())
            }
            _ => false,
        }
    }
}

/// Reads a chat: when it began and its session; nothing of one that cannot be continued.
fn read(path: &Path) -> io::Result<Option<(Timestamp, String)>> {
    let (mut session, mut began, mut kind) = (None, None, None);
    // The messages that it has, and whether each says something.
    let mut messages: Vec<(String, bool)> = Vec::new();
    let mut file = BufReader::new(File::open(path)?);
    let mut row = Vec::new();
    while file.read_until(b'\n', &mut row)? > 0 {
        let parsed = parse::<Row>(row.trim_ascii());
        row.clear();
        let Some(row) = parsed else { continue };
        let mut learn = |id: Option<String>, start: Option<String>, what: Option<String>| {
            session = id.or(session.take());
            began = start.or(began.take());
            kind = what.or(kind.take());
        };
        if let Some(id) = row.rewind_to {
            let kept = messages.iter().position(|(known, _)| *known == id);
            messages.truncate(kept.unwrap_or_default());
        } else if let Some(set) = row.set {
            learn(set.session_id, set.start_time, set.kind);
            if let Some(all) = set.messages {
                messages.clear();
                messages.extend(all.into_iter().filter_map(said));
            }
        } else if let Some(message) = said(row.message) {
            messages.retain(|(known, _)| *known != message.0);
            messages.push(message);
        } else {
            learn(row.session_id, row.start_time, row.kind);
        }
    }
    let says_something = messages.iter().any(|(_, says_something)| *says_something);
    if !says_something || kind.as_deref() == Some("subagent") {
        return Ok(None);
    }
    Ok(time(began.as_deref()).zip(session))
}

fn said(message: Message) -> Option<(String, bool)> {
    let says_something = message.says_something();
    Some((message.id?, says_something))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "11111111-1111-4111-8111-111111111111";
    const TWO: &str = "22222222-2222-4222-8222-222222222222";

    struct Chats {
        home: tempfile::TempDir,
    }

    impl Chats {
        fn new() -> Self {
            let chats = Self {
                home: tempfile::tempdir().expect("a directory"),
            };
            fs::create_dir_all(chats.place()).expect("made");
            let root = chats.home.path().join("tmp/demo/.project_root");
            fs::write(root, "/p\n").expect("written");
            chats
        }

        fn place(&self) -> PathBuf {
            self.home.path().join("tmp/demo/chats")
        }

        fn write(&self, name: &str, rows: &[String]) {
            let path = self.place().join(format!("session-{name}"));
            fs::write(path, rows.join("\n") + "\n").expect("written");
        }

        fn latest(&self) -> Option<String> {
            latest(self.home.path(), Path::new("/p"))
        }
    }

    fn begun(id: &str, hour: u32) -> String {
        format!(
            r#"{{"kind":"main","projectHash":"x","sessionId":"{id}","startTime":"2020-01-01T{hour:02}:00:00.000Z"}}"#
        )
    }

    fn user(id: &str, text: &str) -> String {
        format!(r#"{{"id":"{id}","type":"user","content":[{{"text":"{text}"}}]}}"#)
    }

    #[test]
    fn the_latest_is_the_one_that_began_last_by_what_it_said_last_of_that() {
        let chats = Chats::new();
        assert_eq!(chats.latest(), None);
        chats.write("a.jsonl", &[begun(ONE, 1), user("m", "hello")]);
        assert_eq!(chats.latest().as_deref(), Some(ONE));
        chats.write("b.jsonl", &[begun(TWO, 2), user("m", "hello")]);
        assert_eq!(chats.latest().as_deref(), Some(TWO));
        chats.write(
            "a.jsonl",
            &[begun(ONE, 1), user("m", "hello"), begun(ONE, 3)],
        );
        assert_eq!(chats.latest().as_deref(), Some(ONE));
        assert_eq!(latest(chats.home.path(), Path::new("/q")), None);
        // What it cannot read may be the one.
        chats.write("c.json", &[]);
        assert_eq!(chats.latest(), None);
    }

    #[test]
    fn one_that_nothing_was_said_in_is_never_the_latest() {
        let chats = Chats::new();
        chats.write("a.jsonl", &[begun(ONE, 1), user("m", "hello")]);
        let nothing = [
            vec![],
            vec![user("m", "<session_context> so it is")],
            vec![user("m", "/quit")],
            vec![r#"{"id":"m","type":"info","content":"Cancelled."}"#.to_owned()],
            vec![user("m", "hello"), r#"{"$rewindTo":"m"}"#.to_owned()],
            vec![user("m", "hello"), r#"{"$set":{"messages":[]}}"#.to_owned()],
            vec![
                user("m", "hello"),
                r#"{"$set":{"kind":"subagent"}}"#.to_owned(),
            ],
            vec![
                r#"{"id":"m","type":"gemini","content":""}"#.to_owned(),
                "{\"cut".to_owned(),
            ],
        ];
        for rows in nothing {
            let rows: Vec<String> = std::iter::once(begun(TWO, 2)).chain(rows).collect();
            chats.write("b.jsonl", &rows);
            assert_eq!(chats.latest().as_deref(), Some(ONE), "{rows:?}");
        }
        let answer = r#"{"id":"m","type":"gemini","content":"","toolCalls":[{"name":"x"}]}"#;
        chats.write("b.jsonl", &[begun(TWO, 2), answer.to_owned()]);
        assert_eq!(chats.latest().as_deref(), Some(TWO));
    }
}
