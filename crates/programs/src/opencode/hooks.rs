//! Hooks, by a plugin of ours: no file of a person is touched, and the plugins of their own run beside it.
//!
//! It is a plugin of OpenCode's terminal, named by a settings file of ours that `OPENCODE_TUI_CONFIG` adds to theirs. A plugin of its
//! server would do, too, but makes OpenCode wait for packages from the network before it shows its prompt: two minutes where
//! they cannot be had. The plugin tells each time all that is true (`SessionStatus`), so that a hook that was lost makes no wrong state.

use serde::Deserialize;
use serde_json::{Value, json};
use stratavore_core::attention::{Need, Said};
use stratavore_core::clock::Timestamp;

use crate::{Ask, Hook, Hooks, Plugin, Verdict};

/// The variable that names a settings file beside those of a person.
const SETTINGS_VARIABLE: &str = "OPENCODE_TUI_CONFIG";

/// The settings, which name the plugin beside them.
const SETTINGS: &str = "tui.json";

/// The plugin.
const PLUGIN: &str = "plugin.js";

/// The event by which the plugin tells what is true.
const STATUS: &str = "SessionStatus";

/// The event by which it asks for a permission, and waits.
const PERMISSION: &str = "PermissionRequest";

/// The longest command that a person can judge as a whole; beyond it, it is decided in the terminal.
const SUBJECT_MAX: usize = 16 * 1024;

/// Words by which providers say that they take no more for now.
const LIMITS: [&str; 6] = [
    "rate limit",
    "rate-limit",
    "rate_limit",
    "too many requests",
    "overloaded",
    "quota",
];

#[derive(Deserialize)]
struct Payload {
    hook_event_name: String,
    session_id: Option<String>,
    status: Option<Status>,
    permission: Option<Permission>,
    question: Option<Vec<String>>,
    error: Option<Failure>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Status {
    Idle,
    Busy,
    /// It tries again by itself.
    Retry {
        message: Option<String>,
        /// What a person can do about a limit of their account.
        action: Option<Value>,
    },
}

#[derive(Deserialize)]
struct Permission {
    tool: String,
    #[serde(default)]
    patterns: Vec<String>,
    command: Option<String>,
    filepath: Option<String>,
    url: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    name: Option<String>,
    message: Option<String>,
    status: Option<u16>,
}

impl Permission {
    /// The exact command, file or address; else the patterns that are asked for.
    fn subject(&self) -> String {
        let named = [&self.command, &self.filepath, &self.url];
        let named = named.into_iter().flatten().next().cloned();
        named.unwrap_or_else(|| self.patterns.join("\n"))
    }
}

/// Returns the plugin, unless a person gives settings in the same way.
pub(super) fn plugin(
    hooks: &Hooks,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Option<Plugin> {
    if hooks.command.is_empty() || environment(SETTINGS_VARIABLE).is_some() {
        return None;
    }
    let options = json!({ "command": hooks.command });
    let settings = json!({ "plugin": [[format!("./{PLUGIN}"), options]] });
    Some(Plugin {
        variable: SETTINGS_VARIABLE,
        names: SETTINGS,
        files: vec![
            (PLUGIN, include_str!("plugin.js").to_owned()),
            (SETTINGS, settings.to_string()),
        ],
    })
}

/// Understands what the plugin tells.
pub(super) fn read(payload: &Value, at: Timestamp) -> Result<Hook, String> {
    let payload = Payload::deserialize(payload).map_err(|error| error.to_string())?;
    let (said, ask) = match payload.hook_event_name.as_str() {
        STATUS => (said(&payload, at), None),
        PERMISSION => {
            let asked = payload.permission.as_ref();
            let asked = asked.ok_or("a PermissionRequest without permission")?;
            (None, ask(asked))
        }
        _ => (None, None),
    };
    Ok(Hook {
        event: payload.hook_event_name,
        session: payload.session_id.filter(|id| !id.is_empty()),
        said,
        ask,
        ..Hook::default()
    })
}

fn said(payload: &Payload, at: Timestamp) -> Option<Said> {
    let say = |need, detail: Option<String>| {
        Some(Said {
            need,
            at,
            detail: detail.map(cut),
            until: None,
        })
    };
    if let Some(permission) = &payload.permission {
        let subject = permission.subject();
        let detail = if subject.is_empty() {
            permission.tool.clone()
        } else {
            format!("{}: {subject}", permission.tool)
        };
        return say(Need::NeedsPermission, Some(detail));
    }
    if let Some(questions) = &payload.question {
        return say(Need::NeedsAnswer, Some(questions.join("\n")));
    }
    match (payload.status.as_ref()?, &payload.error) {
        (Status::Busy, _) => say(Need::Working, None),
        (Status::Retry { message, action }, _) => {
            let limited = action.is_some() || message.as_deref().is_some_and(tells_a_limit);
            let need = if limited {
                Need::RateLimited
            } else {
                Need::Working
            };
            // Until when is not said to be the end of the limit: it is when it tries again.
            let words = message.as_deref().unwrap_or("the provider failed");
            say(need, Some(format!("{words}; it tries again by itself")))
        }
        (Status::Idle, Some(failure)) => {
            let words = failure.message.as_ref().or(failure.name.as_ref());
            let limited =
                failure.status == Some(429) || words.is_some_and(|words| tells_a_limit(words));
            let need = if limited {
                Need::RateLimited
            } else {
                Need::Errored
            };
            say(need, words.cloned())
        }
        (Status::Idle, None) => say(Need::Idle, None),
    }
}

fn tells_a_limit(words: &str) -> bool {
    let words = words.to_lowercase();
    LIMITS.iter().any(|limit| words.contains(limit))
}

/// Nobody allows what was not shown whole.
fn ask(permission: &Permission) -> Option<Ask> {
    let subject = permission.subject();
    (subject.len() <= SUBJECT_MAX && !permission.tool.is_empty()).then(|| Ask {
        tool: permission.tool.clone(),
        subject,
        reason: permission.description.clone(),
    })
}

fn cut(text: String) -> String {
    if text.len() <= SUBJECT_MAX {
        return text;
    }
    let begins = &text[..text.floor_char_boundary(SUBJECT_MAX)];
    format!("{begins} … ({} bytes in all)", text.len())
}

pub(super) fn answer(event: &str, verdict: &Verdict) -> Option<String> {
    if event != PERMISSION {
        return None;
    }
    let answer = match verdict {
        Verdict::Allow => json!({ "reply": "once" }),
        Verdict::Deny(reason) => json!({ "reply": "reject", "message": reason }),
    };
    Some(answer.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks() -> Hooks {
        Hooks {
            command: vec!["/opt/it's here/agent".to_owned(), "hook".to_owned()],
            permission_wait_seconds: 60,
            directory: "/project".into(),
        }
    }

    fn told(payload: &Value) -> (&'static str, String) {
        let hook = read(payload, Timestamp::UNIX_EPOCH).expect("understood");
        let said = hook.said.expect("said");
        (said.need.as_str(), said.detail.unwrap_or_default())
    }

    fn status(status: &Value) -> Value {
        json!({ "hook_event_name": STATUS, "session_id": "ses_1", "status": status })
    }

    #[test]
    fn the_plugin_is_given_beside_a_persons_own_settings_and_not_instead() {
        let plugin = plugin(&hooks(), &|_| None).expect("given");
        let settings = plugin.files.iter().find(|(name, _)| *name == plugin.names);
        let settings: Value = serde_json::from_str(&settings.expect("there").1).expect("JSON");
        assert_eq!(settings["plugin"][0][0], "./plugin.js");
        assert_eq!(
            settings["plugin"][0][1]["command"],
            json!(["/opt/it's here/agent", "hook"])
        );
        let own = |name: &str| (name == SETTINGS_VARIABLE).then(|| "/own.json".to_owned());
        assert_eq!(super::plugin(&hooks(), &own), None);
        let nobody = Hooks {
            command: Vec::new(),
            permission_wait_seconds: 0,
            directory: "/project".into(),
        };
        assert_eq!(super::plugin(&nobody, &|_| None), None);
    }

    #[test]
    fn what_waits_for_a_person_comes_before_what_it_does() {
        let busy = status(&json!({ "type": "busy" }));
        assert_eq!(told(&busy), ("working", String::new()));
        let mut asked = busy.clone();
        asked["question"] = json!(["Tea or coffee?", "Milk?"]);
        assert_eq!(
            told(&asked),
            ("needs-answer", "Tea or coffee?\nMilk?".to_owned())
        );
        asked["permission"] =
            json!({ "tool": "bash", "patterns": ["touch *"], "command": "touch made" });
        assert_eq!(
            told(&asked),
            ("needs-permission", "bash: touch made".to_owned())
        );
        asked["permission"] = json!({ "tool": "external_directory", "patterns": ["/a/*", "/b/*"] });
        assert_eq!(
            told(&asked),
            (
                "needs-permission",
                "external_directory: /a/*\n/b/*".to_owned()
            )
        );
    }

    #[test]
    fn an_error_is_one_until_the_next_turn_and_a_limit_is_told_by_its_words() {
        let mut failed = status(&json!({ "type": "idle" }));
        assert_eq!(told(&failed), ("idle", String::new()));
        failed["error"] = json!({ "name": "APIError", "message": "no", "status": 400 });
        assert_eq!(told(&failed), ("errored", "no".to_owned()));
        failed["error"]["status"] = json!(429);
        assert_eq!(told(&failed).0, "rate-limited");
        failed["error"] = json!({ "name": "ContextOverflowError" });
        assert_eq!(
            told(&failed),
            ("errored", "ContextOverflowError".to_owned())
        );
        failed["status"] = json!({ "type": "busy" });
        assert_eq!(told(&failed).0, "working");
        for (message, need) in [
            ("This request would exceed your rate limit", "rate-limited"),
            ("Provider is overloaded", "rate-limited"),
            ("Connection reset by server", "working"),
        ] {
            let retry = json!({ "type": "retry", "attempt": 1, "message": message, "next": 1 });
            let (found, detail) = told(&status(&retry));
            assert_eq!(found, need, "{message}");
            assert!(detail.starts_with(message), "{detail}");
        }
    }

    #[test]
    fn a_permission_is_answered_by_the_plugins_word_for_it_and_nothing_else_is() {
        let mut payload = json!({ "hook_event_name": PERMISSION, "permission":
            { "tool": "edit", "patterns": ["a"], "filepath": "/p/a", "description": "why" } });
        let ask = |payload: &Value| read(payload, Timestamp::UNIX_EPOCH).expect("understood");
        let asked = ask(&payload).ask.expect("asked");
        assert_eq!(
            (asked.tool.as_str(), asked.subject.as_str()),
            ("edit", "/p/a")
        );
        assert_eq!(asked.reason.as_deref(), Some("why"));
        payload["permission"]["filepath"] = json!("x".repeat(SUBJECT_MAX + 1));
        assert_eq!(
            ask(&payload).ask,
            None,
            "nobody allows what was not shown whole"
        );
        let answer = |event| answer(event, &Verdict::Deny("no".to_owned()));
        assert_eq!(
            answer(PERMISSION).as_deref(),
            Some(r#"{"message":"no","reply":"reject"}"#)
        );
        assert_eq!((answer("PreToolUse"), answer(STATUS)), (None, None));
    }

    #[test]
    fn what_is_malformed_is_refused_and_what_is_unknown_says_nothing() {
        for payload in [
            json!(null),
            json!({}),
            json!({ "hook_event_name": PERMISSION }),
            status(&json!({ "type": "of-tomorrow" })),
        ] {
            assert!(read(&payload, Timestamp::UNIX_EPOCH).is_err(), "{payload}");
        }
        let other = json!({ "hook_event_name": "Other" });
        let hook = read(&other, Timestamp::UNIX_EPOCH).expect("understood");
        assert_eq!((hook.said, hook.ask), (None, None));
    }
}
