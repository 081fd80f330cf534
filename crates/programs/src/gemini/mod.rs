//! Gemini CLI.

mod chat;
mod latest;

use std::io;
use std::path::{Path, PathBuf};

use stratavore_core::attention::{Need, Said};
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Mode;

use crate::version::recorded;
use crate::{Adapter, Beginning, Flag, Reader, Support, Transcript, Unsupported, chosen, words};

/// Knows Gemini CLI, as recorded in `corpus/gemini-*`.
pub(crate) struct Gemini;

/// Options by which a person chooses the conversation.
const CHOICES: [&str; 4] = ["-r", "--resume", NAMED, "--session-file"];

/// By which a session is named at its beginning.
const NAMED: &str = "--session-id";

/// Options that not every version takes.
const FLAGS: [Flag; 1] = [Flag {
    name: NAMED,
    values: 1,
    names_session: true,
    since: (0, 41, 0),
    what: "session named at launch",
    without: "which session a new runner holds is not known",
}];

/// First words that are a command of the program, and no conversation.
const COMMANDS: [&str; 8] = [
    "extension",
    "extensions",
    "gemma",
    "hook",
    "hooks",
    "mcp",
    "skill",
    "skills",
];

/// Options with which it does something else than to converse.
const OTHERS: [&str; 9] = [
    "-h",
    "--help",
    "-v",
    "--version",
    "-l",
    "--list-extensions",
    "--list-sessions",
    "--delete-session",
    "--acp",
];

impl Adapter for Gemini {
    fn begin(
        &self,
        mode: &Mode,
        fresh: uuid::Uuid,
        args: &[String],
    ) -> Result<Beginning, Unsupported> {
        if let Some(chosen) = chosen(args, &CHOICES) {
            return match mode {
                Mode::New => Ok(Beginning::default()),
                _ => Err(Unsupported::conflict(chosen, mode)),
            };
        }
        match mode {
            Mode::New if is_command(args) => Ok(Beginning::default()),
            Mode::New => {
                let id = fresh.to_string();
                Ok(Beginning {
                    args: words(&[NAMED, &id]),
                    session: Some(id),
                })
            }
            Mode::Continue => Ok(Beginning {
                args: words(&["--resume", "latest"]),
                session: None,
            }),
            // It takes a number too, which means another session each day.
            Mode::Resume(id) if uuid::Uuid::try_parse(id).is_err() => {
                Err(Unsupported::no_session(id, "Gemini CLI", "is a UUID"))
            }
            Mode::Resume(id) => Ok(Beginning {
                args: words(&["--resume", id]),
                session: Some(id.clone()),
            }),
            Mode::Fork(_) => Err(Unsupported {
                message: "Gemini CLI cannot fork a session".to_owned(),
                hint: "resume it, or launch with mode new".to_owned(),
            }),
        }
    }

    fn home(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        let home = environment("GEMINI_CLI_HOME").or_else(|| environment("HOME"))?;
        Some(Path::new(&home).join(".gemini"))
    }

    fn latest(&self, home: &Path, directory: &Path) -> Option<String> {
        latest::latest(home, directory)
    }

    fn title(&self, title: &str, at: Timestamp) -> Option<Said> {
        let need = match title.chars().next()? {
            '◇' => Need::Idle,
            '✋' => Need::NeedsPermission,
            '✦' | '⏲' => Need::Working,
            // `Gemini CLI (directory)`, where a person has turned its telling titles off.
            _ => return None,
        };
        Some(Said::plain(need, at))
    }

    fn transcripts(&self, home: &Path) -> io::Result<Vec<Transcript>> {
        chat::list(home)
    }

    fn appear_in(&self, home: &Path) -> Vec<PathBuf> {
        chat::appear_in(home)
    }

    fn reader(&self, transcript: &Transcript, memory: Option<&str>) -> Option<Box<dyn Reader>> {
        Some(Box::new(chat::Chat::new(transcript, memory)))
    }

    fn flags(&self) -> &'static [Flag] {
        &FLAGS
    }

    fn supports(&self, version: &str) -> Vec<Support> {
        let (recorded, since) = recorded(version, (0, 61, 0));
        vec![
            Support::new(
                "resume",
                recorded,
                format!("continue, resume ID; it has no fork; {since}"),
            ),
            FLAGS[0].support(version),
            Support::new("hooks", false, "it takes none on its command line"),
            Support::new(
                "terminal reports",
                recorded,
                format!("its title tells its state; {since}"),
            ),
            Support::new("transcripts", recorded, &since),
            Support::new("usage", recorded, &since),
        ]
    }
}

/// Tells whether the arguments are of something else than a conversation.
fn is_command(args: &[String]) -> bool {
    let first = args.first().map(String::as_str);
    first.is_some_and(|first| COMMANDS.contains(&first)) || chosen(args, &OTHERS).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(mode: &Mode, args: &[&str]) -> Result<Beginning, Unsupported> {
        let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
        Gemini.begin(mode, uuid::Uuid::nil(), &args)
    }

    #[test]
    fn a_version_that_cannot_be_told_its_session_is_not() {
        let whole = begin(&Mode::New, &["-m", "pro"]).expect("begun");
        let fit = |version| whole.clone().fit(Gemini.flags(), version);
        assert_eq!(fit(Some("0.40.1")), Beginning::default());
        for taken in [Some("0.41.0"), Some("nightly"), None] {
            assert_eq!(fit(taken), whole, "{taken:?}");
        }
        let id = uuid::Uuid::from_u128(7).to_string();
        let resumed = begin(&Mode::Resume(id), &[]).expect("begun");
        assert_eq!(resumed.clone().fit(Gemini.flags(), Some("0.40.1")), resumed);
    }

    #[test]
    fn each_mode_has_its_arguments_and_the_session_it_will_hold() {
        let id = uuid::Uuid::nil().to_string();
        for mode in [Mode::New, Mode::Resume(id.clone())] {
            let begun = begin(&mode, &["-m", "x"]).expect("begun");
            assert_eq!(begun.session, Some(id.clone()));
            assert_eq!(begun.args[1], id);
        }
        let continued = begin(&Mode::Continue, &["-m", "x"]).expect("begun");
        assert_eq!(continued.args, ["--resume", "latest"]);
        for own in ["mcp", "--resume=3", "--version"] {
            assert_eq!(begin(&Mode::New, &[own]), Ok(Beginning::default()), "{own}");
        }
    }

    #[test]
    fn what_it_cannot_is_refused_by_name() {
        let conflict = begin(&Mode::Continue, &["--resume=3"]).expect_err("refused");
        assert!(conflict.message.starts_with("--resume=3 "));
        let number = begin(&Mode::Resume("3".to_owned()), &[]).expect_err("refused");
        assert!(number.message.contains("UUID"));
        let fork = begin(&Mode::Fork("x".to_owned()), &[]).expect_err("refused");
        assert!(fork.message.contains("fork"));
    }

    #[test]
    fn a_title_says_its_state_and_nothing_is_guessed() {
        let need = |title: &str| {
            let said = Gemini.title(title, Timestamp::UNIX_EPOCH);
            said.map(|said| said.need)
        };
        assert_eq!(need("◇  Ready (demo)"), Some(Need::Idle));
        assert_eq!(
            need("✋  Action Required (demo)"),
            Some(Need::NeedsPermission)
        );
        assert_eq!(need("✦  Thinking (demo)"), Some(Need::Working));
        assert_eq!(need("⏲  Working… (demo)"), Some(Need::Working));
        for title in ["", "Gemini CLI (demo)", "Ready", "zsh"] {
            assert_eq!(need(title), None, "{title}");
        }
    }
}
