//! Recorded conversations of version 1 must be understood for ever.
//!
//! Each `conversations/<name>.bin` is one direction of a real connection; `<name>.txt` beside it says, one line a message,
//! what was said: the name, then the JSON payload, or for terminal bytes the fixed fields and the escaped bytes. What a
//! later version adds to a message may not change what the recorded one meant: fields of the rendering must be found in the
//! decoded message, additional ones may.
//!
//! `RECORD_CONVERSATION=<file.bin>` renders a new recording to standard output.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stratavore_wire::{FrameDecoder, Message};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conversations")
}

fn messages(bytes: &[u8]) -> Vec<Message> {
    let mut decoder = FrameDecoder::new();
    decoder.push(bytes);
    let mut messages = Vec::new();
    while let Some(message) = decoder
        .next_message()
        .expect("a recorded message is understood")
    {
        messages.push(message);
    }
    decoder
        .finish()
        .expect("a recording ends with a whole frame");
    messages
}

/// What was said, as one JSON value.
fn meaning(message: &Message) -> Value {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match message {
        Message::Output { seq, bytes } => serde_json::json!({"seq": seq, "bytes": text(bytes)}),
        Message::Snapshot {
            seq,
            columns,
            rows,
            bytes,
        } => {
            serde_json::json!({"seq": seq, "columns": columns, "rows": rows, "bytes": text(bytes)})
        }
        Message::Input { bytes } => serde_json::json!({"bytes": text(bytes)}),
        Message::Screen { ansi, bytes } => serde_json::json!({"ansi": ansi, "bytes": text(bytes)}),
        Message::History { ansi, last, bytes } => {
            serde_json::json!({"ansi": ansi, "last": last, "bytes": text(bytes)})
        }
        Message::Unknown { kind, payload } => {
            serde_json::json!({"kind": kind, "payload": text(payload)})
        }
        control => {
            let frame = control.to_bytes().expect("what was received can be sent");
            serde_json::from_slice(&frame[5..]).expect("a control payload is JSON")
        }
    }
}

fn render(messages: &[Message]) -> String {
    messages
        .iter()
        .map(|message| format!("{} {}\n", message.name(), meaning(message)))
        .collect()
}

fn holds(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected.iter().all(|(key, value)| {
            found
                .get(key)
                .map_or(value.is_null(), |found| holds(value, found))
        }),
        (expected, found) => expected == found,
    }
}

#[test]
fn recorded_conversations_mean_what_they_meant() {
    if let Some(file) = std::env::var_os("RECORD_CONVERSATION") {
        print!("{}", render(&messages(&fs::read(file).unwrap())));
        return;
    }
    let mut recordings = 0;
    for entry in fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "bin") {
            continue;
        }
        recordings += 1;
        let found = messages(&fs::read(&path).unwrap());
        let rendering = fs::read_to_string(path.with_extension("txt")).unwrap();
        assert_eq!(rendering.lines().count(), found.len(), "{}", path.display());
        for (line, message) in rendering.lines().zip(&found) {
            let (name, expected) = line.split_once(' ').unwrap();
            let expected: Value = serde_json::from_str(expected).unwrap();
            assert_eq!(name, message.name(), "{}", path.display());
            assert!(
                holds(&expected, &meaning(message)),
                "{}: {expected} became {}",
                path.display(),
                meaning(message)
            );
        }
    }
    assert!(
        recordings >= 16,
        "only {recordings} recordings in {}",
        directory().display()
    );
}
