//! What was said with agents, as Claude Code keeps it.

use std::fs;

use chrono::TimeDelta;
use serde_json::json;
use stratavore_core::clock::{Clock, SystemClock, to_rfc3339};

use crate::desk::Desk;

/// One request and its answer, two minutes later.
pub(crate) struct Talk {
    pub(crate) project: &'static str,
    pub(crate) asked: &'static str,
    pub(crate) said: &'static str,
    pub(crate) model: &'static str,
    /// Read from the cache; of the other kinds there are some, too.
    pub(crate) tokens: u64,
    /// How long the request is ago.
    pub(crate) ago: TimeDelta,
}

const TALKS: [Talk; 6] = [
    Talk {
        project: "api-gateway",
        asked: "Split the token check out of the middleware and test it",
        said: "The token is checked twice today: once in the middleware, once in the handler.",
        model: "claude-opus-4-5",
        tokens: 1_840_000,
        ago: TimeDelta::hours(1),
    },
    Talk {
        project: "web-shop",
        asked: "Tax rules for the Nordic countries, with a test for each rate",
        said: "Finland has a reduced rate of 14 % for food; each rate is a test of its own now.",
        model: "claude-sonnet-4-5",
        tokens: 2_960_000,
        ago: TimeDelta::hours(5),
    },
    Talk {
        project: "docs-site",
        asked: "Why does the search find nothing with an umlaut?",
        said: "The index folds case and not accents; it folds both now.",
        model: "claude-sonnet-4-5",
        tokens: 388_000,
        ago: TimeDelta::hours(26),
    },
    Talk {
        project: "api-gateway",
        asked: "Drop the endpoints that nobody calls any more",
        said: "Nothing has asked for the old token endpoint since March, so it can go.",
        model: "claude-opus-4-5",
        tokens: 1_120_000,
        ago: TimeDelta::hours(51),
    },
    Talk {
        project: "web-shop",
        asked: "Make the basket survive a lost connection",
        said: "It is kept in the browser and merged when the connection is back.",
        model: "claude-opus-4-5",
        tokens: 2_210_000,
        ago: TimeDelta::hours(74),
    },
    Talk {
        project: "api-gateway",
        asked: "Name every thread, so that a profile can be read",
        said: "Each has the name of what it does, at most 15 characters.",
        model: "a-model-of-tomorrow",
        tokens: 240_000,
        ago: TimeDelta::hours(122),
    },
];

/// Keeps some conversations of several days.
pub(crate) fn keep_all(desk: &Desk) {
    for (number, talk) in TALKS.iter().enumerate() {
        keep(desk, number, talk);
    }
}

/// Keeps a conversation where Claude Code keeps it, and gives its id.
pub(crate) fn keep(desk: &Desk, number: usize, talk: &Talk) -> String {
    let &Talk {
        project,
        asked,
        said,
        model,
        tokens,
        ago,
    } = talk;
    let cwd = desk.directory(project);
    let cwd = cwd.to_str().unwrap();
    let session = format!("57180cc{number}-1c1a-4f09-9d2e-000000000000");
    let began = SystemClock.now() - ago;
    let request = json!({
        "type": "user", "uuid": format!("u{number}"), "sessionId": session, "cwd": cwd,
        "timestamp": to_rfc3339(began),
        "message": { "role": "user", "content": asked },
    });
    let answer = json!({
        "type": "assistant", "uuid": format!("a{number}"), "sessionId": session, "cwd": cwd,
        "timestamp": to_rfc3339(began + TimeDelta::minutes(2)),
        "requestId": format!("req_{number}"),
        "message": {
            "id": format!("msg_{number}"), "role": "assistant", "model": model,
            "content": [{ "type": "text", "text": said }],
            "usage": {
                "input_tokens": tokens / 160, "output_tokens": tokens / 55,
                "cache_creation_input_tokens": tokens / 12, "cache_read_input_tokens": tokens,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": tokens / 20,
                    "ephemeral_1h_input_tokens": tokens / 12 - tokens / 20,
                },
            },
        },
    });
    let kept = desk
        .place
        .home
        .home()
        .join(".claude/projects")
        .join(cwd.replace('/', "-"));
    fs::create_dir_all(&kept).unwrap();
    fs::write(
        kept.join(format!("{session}.jsonl")),
        format!("{request}\n{answer}\n"),
    )
    .unwrap();
    session
}
