//! Hooks, given on the command line by `--settings`: no file of a person is touched, and the hooks in those run beside ours.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::arguments::{is_command, options};
use crate::Hooks;

/// The events that are listened to.
const EVENTS: &[&str] = &[
    "SessionStart",
    "UserPromptSubmit",
    "PreToolUse",
    "PostToolUse",
    "PostToolUseFailure",
    PERMISSION,
    "Notification",
    "Stop",
    "StopFailure",
    "SubagentStart",
    "SubagentStop",
    "PreCompact",
    "PostCompact",
    "SessionEnd",
];

/// The one that may wait for a person.
const PERMISSION: &str = "PermissionRequest";

/// For how long any other may take, in seconds: nobody may listen.
const PROMPT_ANSWER: u64 = 10;

/// Beyond the time that a person has, so that our side ends the wait, in seconds.
const GRACE: u64 = 5;

/// The longest settings that are put on a command line: Linux takes no argument beyond 128 KiB.
const LONGEST: usize = 100 * 1024;

pub(super) fn with_hooks(argv: Vec<String>, hooks: &Hooks) -> Vec<String> {
    try_with_hooks(&argv, hooks).unwrap_or(argv)
}

fn try_with_hooks(argv: &[String], hooks: &Hooks) -> Option<Vec<String>> {
    let (program, args) = argv.split_first()?;
    if hooks.command.is_empty() || is_command(args) {
        return None;
    }
    // Of several, the program takes the last.
    let given = options(args)
        .into_iter()
        .rfind(|given| given.name == "--settings");
    let mut settings = match &given {
        Some(given) => read(given.value?, &hooks.directory)?,
        None => Map::new(),
    };
    add(&mut settings, hooks)?;
    let settings = Value::Object(settings).to_string();
    if settings.len() > LONGEST {
        return None;
    }
    let mut with = argv.to_vec();
    match given {
        Some(given) => {
            let word = &mut with[given.at + 1];
            *word = if word.starts_with("--settings=") {
                format!("--settings={settings}")
            } else {
                settings
            };
        }
        None => {
            with.splice(1..1, ["--settings".to_owned(), settings]);
        }
    }
    debug_assert_eq!(with.first(), Some(program));
    Some(with)
}

/// Reads settings as the program does: what looks like JSON is, all else is a file.
fn read(value: &str, directory: &Path) -> Option<Map<String, Value>> {
    let text = value.trim();
    let text = if text.starts_with('{') && text.ends_with('}') {
        text.to_owned()
    } else {
        std::fs::read_to_string(directory.join(value)).ok()?
    };
    match serde_json::from_str(&text).ok()? {
        Value::Object(settings) => Some(settings),
        _ => None,
    }
}

fn add(settings: &mut Map<String, Value>, hooks: &Hooks) -> Option<()> {
    let command = shell_words::join(&hooks.command);
    let all = settings
        .entry("hooks")
        .or_insert_with(|| json!({}))
        .as_object_mut()?;
    for &event in EVENTS {
        let timeout = match (event, hooks.permission_wait_seconds) {
            (PERMISSION, wait @ 1..) => u64::from(wait) + GRACE,
            _ => PROMPT_ANSWER,
        };
        let ours =
            json!({ "hooks": [{ "type": "command", "command": command, "timeout": timeout }] });
        all.entry(event)
            .or_insert_with(|| json!([]))
            .as_array_mut()?
            .push(ours);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn hooks() -> Hooks {
        Hooks {
            command: vec!["/opt/it's here/agent".to_owned(), "hook".to_owned()],
            permission_wait_seconds: 60,
            directory: PathBuf::from("/nowhere"),
        }
    }

    fn words(text: &[&str]) -> Vec<String> {
        text.iter().map(|&word| word.to_owned()).collect()
    }

    fn settings(argv: &[String], at: usize) -> Value {
        serde_json::from_str(argv[at].trim_start_matches("--settings=")).expect("JSON")
    }

    #[test]
    fn the_hooks_stand_before_a_persons_arguments_with_the_command_quoted() {
        let argv = with_hooks(words(&["claude", "--", "--settings"]), &hooks());
        assert_eq!(argv[0], "claude");
        assert_eq!(argv[1], "--settings");
        assert_eq!(argv[3..], ["--", "--settings"]);
        let settings = settings(&argv, 2);
        let hook = &settings["hooks"]["PermissionRequest"][0]["hooks"][0];
        let command = hook["command"].as_str().expect("a command");
        assert_eq!(shell_words::split(command).expect("words"), hooks().command);
        assert_eq!(hook["timeout"], 65);
        for event in EVENTS.iter().filter(|event| **event != PERMISSION) {
            assert_eq!(
                settings["hooks"][event][0]["hooks"][0]["timeout"], 10,
                "{event}"
            );
        }
        let told = Hooks {
            permission_wait_seconds: 0,
            ..hooks()
        };
        let argv = with_hooks(words(&["claude"]), &told);
        let settings = self::settings(&argv, 2);
        assert_eq!(
            settings["hooks"]["PermissionRequest"][0]["hooks"][0]["timeout"],
            10
        );
    }

    #[test]
    fn a_persons_settings_stay_in_force() {
        let own =
            r#"{"model":"opus","hooks":{"Stop":[{"hooks":[{"type":"command","command":"own"}]}]}}"#;
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("own.json");
        std::fs::write(&file, own).expect("written");
        let file = file.to_string_lossy().into_owned();
        let hooks = Hooks {
            directory: directory.path().to_owned(),
            ..hooks()
        };
        let equals = format!("--settings={own}");
        for (given, at) in [
            (vec!["claude", "--settings", own, "-c"], 2),
            (vec!["claude", "--settings", &file, "-c"], 2),
            (vec!["claude", "--settings", "own.json", "-c"], 2),
            (vec!["claude", "--settings=./own.json"], 1),
            (vec!["claude", "-c", &equals], 2),
            (vec!["claude", "--settings", "{}", "--settings", own], 4),
        ] {
            let argv = with_hooks(words(&given), &hooks);
            assert_eq!(argv.len(), given.len());
            let settings = settings(&argv, at);
            assert_eq!(settings["model"], "opus");
            assert_eq!(settings["hooks"]["Stop"][0]["hooks"][0]["command"], "own");
            assert!(
                settings["hooks"]["Stop"][1]["hooks"][0]["command"]
                    .as_str()
                    .is_some_and(|command| command.contains("agent"))
            );
        }
    }

    #[test]
    fn what_cannot_take_hooks_stays_as_it_is() {
        let huge = format!("{{\"x\":\"{}\"}}", "y".repeat(LONGEST));
        for given in [
            vec!["claude", "--settings", "/nowhere/at/all.json"],
            vec!["claude", "--settings", "relative.json"],
            vec!["claude", "--settings", "{not json}"],
            vec!["claude", "--settings", r#"{"hooks":[]}"#],
            vec!["claude", "--settings", r#"{"hooks":{"Stop":"x"}}"#],
            vec!["claude", "--settings", &huge],
            vec!["claude", "--settings"],
            vec!["claude", "mcp", "list"],
            vec![],
        ] {
            let given = words(&given);
            assert_eq!(with_hooks(given.clone(), &hooks()), given);
        }
        let nobody = Hooks {
            command: Vec::new(),
            ..hooks()
        };
        assert_eq!(with_hooks(words(&["claude"]), &nobody), ["claude"]);
    }
}
