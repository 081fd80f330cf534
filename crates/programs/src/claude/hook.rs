//! Hooks: what their payloads say, and how they are answered.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stratavore_core::attention::{Need, Said};
use stratavore_core::clock::Timestamp;

use crate::{Ask, Hook, Verdict};

/// The longest command that a person can judge as a whole; beyond it, it is decided in the terminal.
const SUBJECT_MAX: usize = 16 * 1024;

/// The longest payload that is believed to be one, in bytes of text.
const PAYLOAD_MAX: usize = 8 * 1024 * 1024;

/// The longest detail of a state.
const DETAIL_MAX: usize = 1024;

/// The tool by which it asks a person something rather than for a permission.
const QUESTION: &str = "AskUserQuestion";

/// The tool by which it asks to leave the mode in which it plans.
const PLAN: &str = "ExitPlanMode";

#[derive(Deserialize)]
struct Payload {
    hook_event_name: String,
    session_id: Option<String>,
    transcript_path: Option<PathBuf>,
    agent_id: Option<String>,
    source: Option<String>,
    trigger: Option<String>,
    tool_name: Option<String>,
    #[serde(default)]
    tool_input: Map<String, Value>,
    error: Option<String>,
    error_details: Option<String>,
    last_assistant_message: Option<String>,
    #[serde(default)]
    background_tasks: Vec<Task>,
}

/// What goes on behind the prompt.
#[derive(Deserialize)]
struct Task {
    r#type: Option<String>,
    status: Option<String>,
}

impl Task {
    /// Tells whether the conversation goes on by itself when it is done.
    fn is_an_agent_at_work(&self) -> bool {
        self.r#type.as_deref() != Some("shell") && self.status.as_deref() == Some("running")
    }
}

pub(crate) fn read(payload: &Value, at: Timestamp) -> Result<Hook, String> {
    let size = weight(payload);
    if size > PAYLOAD_MAX {
        return Err(format!("it has {size} bytes"));
    }
    let payload = Payload::deserialize(payload).map_err(|error| error.to_string())?;
    if payload.hook_event_name.is_empty() {
        return Err("hook_event_name is empty".to_owned());
    }
    let subagent = payload.agent_id.is_some();
    let ask = ask(&payload)?;
    Ok(Hook {
        said: said(&payload, subagent, at),
        ask,
        event: payload.hook_event_name,
        session: payload.session_id.filter(|id| !id.is_empty()),
        transcript: payload.transcript_path.filter(|path| path.is_absolute()),
        subagent,
    })
}

/// What follows for the conversation that a person sees. What a subagent or a task in the background does, says nothing of it,
/// but that a permission which it asks for is asked of the same person.
fn said(payload: &Payload, subagent: bool, at: Timestamp) -> Option<Said> {
    let plain = |need| Some(Said::plain(need, at));
    match (payload.hook_event_name.as_str(), subagent) {
        ("PermissionRequest", _) => {
            let tool = payload.tool_name.as_deref()?;
            let need = if tool == QUESTION {
                Need::NeedsAnswer
            } else {
                Need::NeedsPermission
            };
            let subject = subject(tool, &payload.tool_input);
            let detail = match (need, subject.is_empty() || tool == PLAN) {
                (_, true) if tool == PLAN => "plan".to_owned(),
                (_, true) => tool.to_owned(),
                (Need::NeedsAnswer, false) => subject,
                (_, false) => format!("{tool}: {subject}"),
            };
            Some(Said {
                need,
                at,
                detail: Some(cut(&detail, SUBJECT_MAX)),
                until: None,
            })
        }
        (_, true) => None,
        // What follows a compaction in the middle of a turn is the rest of the turn.
        ("SessionStart", _) => match payload.source.as_deref() {
            Some("startup" | "resume" | "clear" | "fork") => plain(Need::Idle),
            _ => None,
        },
        ("UserPromptSubmit" | "PostToolUse" | "PostToolUseFailure", _) => plain(Need::Working),
        ("PreCompact", _) => plain(Need::Working),
        ("PostCompact", _) if payload.trigger.as_deref() == Some("manual") => plain(Need::Idle),
        // The conversation waits for its agents, and goes on by itself.
        ("Stop", _)
            if payload
                .background_tasks
                .iter()
                .any(Task::is_an_agent_at_work) =>
        {
            None
        }
        ("Stop", _) => plain(Need::Idle),
        ("StopFailure", _) => Some(failure(
            payload.error.as_deref(),
            payload
                .last_assistant_message
                .as_deref()
                .or(payload.error_details.as_deref()),
            at,
        )),
        // PreToolUse: another tool of the same message may wait for a permission meanwhile. Notification: it comes seconds
        // after what it tells of. Others end, or say nothing of a state.
        _ => None,
    }
}

/// The state after a turn that failed.
pub(super) fn failure(error: Option<&str>, words: Option<&str>, at: Timestamp) -> Said {
    let until = words.and_then(limit_ends);
    let limited = until.is_some() || error == Some("rate_limit");
    Said {
        need: if limited {
            Need::RateLimited
        } else {
            Need::Errored
        },
        at,
        detail: words.or(error).map(|words| cut(words, DETAIL_MAX)),
        until,
    }
}

/// Reads when a limit ends, where it is told as a number: `Claude AI usage limit reached|1735689600`. A clock time in some zone
/// is not guessed at.
fn limit_ends(words: &str) -> Option<Timestamp> {
    let (_, after) = words.split_once("limit reached|")?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    Timestamp::from_timestamp(digits.parse().ok()?, 0)
}

fn ask(payload: &Payload) -> Result<Option<Ask>, String> {
    if payload.hook_event_name != "PermissionRequest" {
        return Ok(None);
    }
    let tool = payload
        .tool_name
        .as_deref()
        .filter(|tool| !tool.is_empty())
        .ok_or("a PermissionRequest without tool_name")?;
    let subject = subject(tool, &payload.tool_input);
    // A question is answered, not allowed; and nobody allows what was not shown whole.
    if tool == QUESTION || tool == PLAN || subject.len() > SUBJECT_MAX {
        return Ok(None);
    }
    Ok(Some(Ask {
        tool: tool.to_owned(),
        subject,
        reason: text(&payload.tool_input, "description").map(str::to_owned),
    }))
}

/// The exact command, file or address; for a tool that is not known, all of its input.
fn subject(tool: &str, input: &Map<String, Value>) -> String {
    if tool == QUESTION {
        let questions = input.get("questions").and_then(Value::as_array);
        return questions
            .into_iter()
            .flatten()
            .filter_map(|question| question["question"].as_str())
            .collect::<Vec<_>>()
            .join("\n");
    }
    let key = match tool {
        "Bash" | "PowerShell" | "Monitor" => "command",
        "Write" | "Edit" | "MultiEdit" | "Read" => "file_path",
        "NotebookEdit" => "notebook_path",
        "WebFetch" => "url",
        "WebSearch" => "query",
        "Skill" => "skill",
        _ => "",
    };
    match text(input, key) {
        Some(text) => text.to_owned(),
        None if input.is_empty() => String::new(),
        None => Value::Object(input.clone()).to_string(),
    }
}

fn text<'a>(input: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    input.get(key).and_then(Value::as_str)
}

/// Sums the text in a value.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(|value| 1 + weight(value)).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| key.len() + weight(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// Cuts a text to at most so many bytes, and says so.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!(
        "{} … ({} bytes in all)",
        &text[..text.floor_char_boundary(most)],
        text.len()
    )
}

pub(crate) fn answer(event: &str, verdict: &Verdict) -> Option<String> {
    let output = match (event, verdict) {
        ("PermissionRequest", Verdict::Allow) => json!({
            "hookSpecificOutput": { "hookEventName": event, "decision": { "behavior": "allow" } }
        }),
        ("PermissionRequest", Verdict::Deny(reason)) => json!({
            "hookSpecificOutput": { "hookEventName": event, "decision": { "behavior": "deny", "message": reason } }
        }),
        ("PreToolUse", Verdict::Deny(reason)) => json!({
            "hookSpecificOutput": {
                "hookEventName": event, "permissionDecision": "deny", "permissionDecisionReason": reason
            }
        }),
        ("UserPromptSubmit", Verdict::Deny(reason)) => {
            json!({ "decision": "block", "reason": reason })
        }
        // To allow a tool before its permission is asked for would skip the question.
        _ => return None,
    };
    Some(output.to_string())
}

#[cfg(test)]
mod tests;
