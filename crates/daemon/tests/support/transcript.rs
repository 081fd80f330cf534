//! Transcripts of Claude Code, written by the test.

use std::fs;
use std::path::{Path, PathBuf};

use stratavore_testkit::TempHome;

/// The session that they are of.
pub const SESSION: &str = "7b0c2f34-8a51-4f0e-9d55-0a2b6c1d3e4f";

/// Where the transcript is.
pub fn place(home: &TempHome, session: &str) -> PathBuf {
    let directory = home.home().join(".claude/projects/elsewhere");
    fs::create_dir_all(&directory).unwrap();
    directory.join(format!("{session}.jsonl"))
}

/// An answer of so many tokens, with its newline.
pub fn answer(session: &str, number: u32, at: &str, cwd: &Path, text: &str, tokens: u64) -> String {
    let row = serde_json::json!({
        "type": "assistant", "uuid": format!("{session}-{number}"), "timestamp": at, "sessionId": session, "cwd": cwd,
        "requestId": format!("request-{session}-{number}"), "message": {
            "id": format!("message-{session}-{number}"), "model": "claude-opus-5", "role": "assistant",
            "content": [{"type": "text", "text": text}],
            "usage": {"input_tokens": 0, "output_tokens": tokens},
        },
    });
    format!("{row}\n")
}
