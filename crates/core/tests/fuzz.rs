//! What people write by hand (settings, names, command lines) is understood or refused, whatever it is.

use std::path::Path;
use std::time::Duration;

use stratavore_core::command::{self, BadCommand};
use stratavore_core::config::{Config, SETTINGS, Source};
use stratavore_core::name::{MAX_NAME, Name};

/// How long each target runs as a test; a fuzzer ignores it.
const SHORTLY: Duration = Duration::from_secs(2);

/// Pieces of settings files: whole keys and values, so that more than the first character is understood.
const TOML: &[&str] = &[
    "[stop]\n",
    "[launch]\n",
    "[programs]\n",
    "[[stop]]\n",
    "[stop",
    "]",
    "\n",
    "\r\n",
    " ",
    "\t",
    ".",
    ",",
    "=",
    " = ",
    "#",
    "stop",
    "grace_seconds",
    "launch",
    "program",
    "restart",
    "ceiling.action",
    "log.level",
    "quota.max_runners",
    "programs.claude",
    "stop.grace_seconds",
    "\"stop\"",
    "'log'.level",
    "true",
    "false",
    "3",
    "-1",
    "3600",
    "1_000",
    "0x10",
    "99999999999999999999",
    "1e400",
    "inf",
    "nan",
    "1979-05-27T07:32:00Z",
    "07:32:00",
    "'codex'",
    "\"stop\"",
    "\"\"",
    "'debug'",
    "\"/opt/claude\"",
    "\"\\u0000\"",
    "\"\"\"\nx\n\"\"\"",
    "'''",
    "\"",
    "\\",
    "[",
    "{",
    "}",
    "{ a = 1 }",
    "[1, 2]",
    "\u{feff}",
    "é",
    "\u{202e}",
    "\0",
];

fn of_pieces(bytes: &[u8], pieces: &[&str]) -> String {
    bytes
        .iter()
        .map(|byte| pieces[usize::from(*byte) % pieces.len()])
        .collect()
}

#[test]
fn any_settings_file_is_read_or_refused_with_its_line() {
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_max_len(256)
        .for_each(|bytes: &[u8]| {
            if let Ok(text) = std::str::from_utf8(bytes) {
                settings(text);
            }
            settings(&of_pieces(bytes, TOML));
        });
}

fn settings(text: &str) {
    let lines = text.matches('\n').count() + 1;
    let (user, project) = (
        Path::new("/c/stratavore.toml"),
        Path::new("/p/.stratavore.toml"),
    );
    let read = [
        (user, Config::default().with_user_file(user, text)),
        (project, Config::default().with_project_file(project, text)),
    ];
    for (file, read) in read {
        let config = match read {
            Ok(config) => config,
            Err(error) => {
                let said = error.to_string();
                let prefix = format!("{}:", file.display());
                let line = said
                    .strip_prefix(&prefix)
                    .and_then(|rest| rest.split(':').next()?.parse().ok())
                    .filter(|line| (1..=lines).contains(line));
                assert!(line.is_some(), "{said:?} names no line of {text:?}");
                continue;
            }
        };
        for (key, value, source) in config.list() {
            let Source::File(path, line) = source else {
                assert_eq!(*source, Source::Default);
                continue;
            };
            assert_eq!((path.as_path(), (1..=lines).contains(line)), (file, true));
            Config::default()
                .with_flag(key, &value)
                .unwrap_or_else(|error| panic!("{text:?} set {key}: {error}"));
            let spec = SETTINGS.iter().find(|spec| spec.key == key).unwrap();
            assert!(
                file == user || spec.in_project,
                "{text:?} set {key} in a project"
            );
        }
        let _ = (config.restart(), config.ceiling(), config.daemon_idle());
    }
}

#[test]
fn any_text_is_a_printable_name_or_refused_in_printable_words() {
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_max_len(300)
        .for_each(|bytes: &[u8]| name(&String::from_utf8_lossy(bytes)));
}

fn name(text: &str) {
    match Name::new(text) {
        Ok(name) => {
            assert_eq!(name.as_str(), text);
            assert!((1..=MAX_NAME).contains(&text.chars().count()), "{text:?}");
            assert!(!text.chars().any(char::is_control), "{text:?}");
            assert!(!text.starts_with('-') && !text.contains('/'), "{text:?}");
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<Name>(&json).unwrap(), name);
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.chars().any(char::is_control), "{said:?}");
            assert!(serde_json::from_value::<Name>(text.into()).is_err());
        }
    }
}

/// Pieces of command lines.
const SHELL: &[&str] = &[
    "a", "claude", " ", "  ", "\t", "\n", "'", "\"", "\\", "$", "`", "#", "*", "~", "=", ";", "&&",
    "é", "\0", "-",
];

#[test]
fn any_command_line_is_split_or_refused_and_quoting_keeps_words_whole() {
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_max_len(200)
        .for_each(|bytes: &[u8]| {
            let texts = [
                of_pieces(bytes, SHELL),
                String::from_utf8_lossy(bytes).into_owned(),
            ];
            for text in &texts {
                match command::split(text) {
                    Ok(words) => assert!(!words[0].is_empty(), "{text:?}"),
                    Err(BadCommand::Unclosed) => {
                        assert!(text.contains(['\'', '"']), "{text:?}");
                    }
                    Err(BadCommand::NoProgram) => {}
                }
            }
            let words: Vec<&str> = texts.iter().map(String::as_str).collect();
            if !words[0].is_empty() {
                assert_eq!(command::split(&shell_words::join(&words)).unwrap(), words);
            }
        });
}
