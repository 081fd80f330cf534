//! Hooks, given on the command line by `-c`: no file of a person is touched, and the hooks in those run beside ours.
//!
//! Codex runs no hook that a person has not trusted, and asks at its start about each that is new. Whoever launches a runner
//! wants ours, so that theirs come with them, trusted by their own hash; every other is asked about as always.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use stratavore_core::attention::{Need, Said};
use stratavore_core::clock::Timestamp;

use crate::{Hook, Hooks, claude};

/// The events that are listened to, with the names by which trust is kept.
const EVENTS: [(&str, &str); 11] = [
    ("SessionStart", "session_start"),
    ("UserPromptSubmit", "user_prompt_submit"),
    ("PreToolUse", "pre_tool_use"),
    ("PermissionRequest", "permission_request"),
    ("PostToolUse", "post_tool_use"),
    ("Interrupt", "interrupt"),
    ("Stop", "stop"),
    ("SubagentStop", "subagent_stop"),
    ("PreCompact", "pre_compact"),
    ("PostCompact", "post_compact"),
    ("SessionEnd", "session_end"),
];

/// What Codex calls the file that its command line would be.
const FLAGS: &str = "/<session-flags>/config.toml";

/// How long one may take, in seconds: nobody may listen. Codex gives what runs at an end no more than this, and trusts a hook as it
/// would run it.
fn timeout(kept: &str) -> u64 {
    match kept {
        "interrupt" | "session_end" => 3,
        _ => 10,
    }
}

/// Returns the words that give our hooks, to stand before all others.
pub(super) fn words(hooks: &Hooks) -> [String; 2] {
    let command = shell_words::join(&hooks.command);
    let mut tables = String::new();
    let mut trust = String::new();
    for (event, kept) in EVENTS {
        let (command, timeout) = (quoted(&command), timeout(kept));
        tables += &format!(
            r#"{event}=[{{hooks=[{{type="command",command={command},timeout={timeout}}}]}}],"#
        );
    }
    for (_, kept) in EVENTS {
        let key = quoted(&format!("{FLAGS}:{kept}:0:0"));
        let hash = quoted(&hash(kept, &command));
        trust += &format!("{key}={{trusted_hash={hash}}},");
    }
    let trust = trust.trim_end_matches(',');
    [
        "-c".to_owned(),
        format!("hooks={{{tables}state={{{trust}}}}}"),
    ]
}

/// Tells whether a word gives hooks of a person's own: `hooks.Stop=[…]` after `-c`, or together with it.
pub(super) fn are_in(word: &str) -> bool {
    let given = ["--config=", "-c"]
        .iter()
        .find_map(|it| word.strip_prefix(it));
    given.unwrap_or(word).trim_start().starts_with("hooks")
}

/// Returns the hash by which Codex knows a hook again: of what it is, written as JSON with its keys in order.
fn hash(event: &str, command: &str) -> String {
    let handler =
        json!({ "async": false, "command": command, "timeout": timeout(event), "type": "command" });
    let identity = json!({ "event_name": event, "hooks": [handler] });
    let digest = Sha256::digest(identity.to_string());
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Writes a text as TOML does, which is as JSON does.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Understands a payload, which is as Claude Code's.
pub(super) fn read(payload: &Value, at: Timestamp) -> Result<Hook, String> {
    let mut hook = claude::hook::read(payload, at)?;
    match hook.event.as_str() {
        // It is run with the first request, and not at the prompt.
        "SessionStart" => hook.said = None,
        "Interrupt" => hook.said = Some(Said::plain(Need::Idle, at)),
        _ => {}
    }
    Ok(hook)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hooks_of_a_persons_own_are_known() {
        for own in ["hooks.Stop=[]", "--config=hooks={}", "-chooks.Stop=[]"] {
            assert!(are_in(own), "{own}");
        }
        for other in ["-c", "fix the hooks", "model=\"hooks\""] {
            assert!(!are_in(other), "{other}");
        }
    }

    #[test]
    fn a_hook_is_trusted_by_the_hash_that_codex_itself_gave_it() {
        assert_eq!(
            hash("session_start", "/opt/hook"),
            "sha256:576ce739081acdbe52aeea6524cdf8280be9a89b3d66860d837355d237b9bc04"
        );
        assert_eq!(
            hash("interrupt", "/opt/hook"),
            "sha256:4ec3f8bef4b9cdd93ac01c5f7bc7c20101df38d06ca288bc81d379491ab0bf4c"
        );
    }
}
