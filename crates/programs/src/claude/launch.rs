//! With which conversation it begins.

use stratavore_core::session::Mode;

use super::arguments::{Given, is_command, options};
use crate::{Beginning, Unsupported, words};

pub(super) fn begin(
    mode: &Mode,
    fresh: uuid::Uuid,
    args: &[String],
) -> Result<Beginning, Unsupported> {
    let given = options(args);
    let chosen = given.iter().find(|given| chooses(given.name));
    if *mode != Mode::New {
        if let Some(chosen) = chosen {
            return Err(Unsupported::conflict(chosen.name, mode));
        }
        if is_command(args) {
            return Err(Unsupported {
                message: format!(
                    "{} is a command of Claude Code, which has no session to {}",
                    args.first().map_or("that", String::as_str),
                    mode.as_str()
                ),
                hint: "launch it with mode new".to_owned(),
            });
        }
    }
    Ok(match mode {
        Mode::New if is_command(args) => Beginning::default(),
        Mode::New => match chosen {
            Some(_) => Beginning {
                args: Vec::new(),
                session: own(&given),
            },
            None => {
                let id = fresh.to_string();
                Beginning {
                    args: words(&["--session-id", &id]),
                    session: Some(id),
                }
            }
        },
        Mode::Continue => Beginning {
            args: words(&["--continue"]),
            session: None,
        },
        Mode::Resume(session) => {
            let session = named(session)?;
            Beginning {
                args: words(&["--resume", session]),
                session: Some(session.to_owned()),
            }
        }
        Mode::Fork(session) => {
            let id = fresh.to_string();
            Beginning {
                args: words(&[
                    "--resume",
                    named(session)?,
                    "--fork-session",
                    "--session-id",
                    &id,
                ]),
                session: Some(id),
            }
        }
    })
}

/// Options by which a person chooses the conversation.
fn chooses(name: &str) -> bool {
    matches!(
        name,
        "--session-id"
            | "-r"
            | "--resume"
            | "-c"
            | "--continue"
            | "--fork-session"
            | "--from-pr"
            | "--teleport"
            | "--cloud"
            | "--no-session-persistence"
    )
}

/// Returns the session that a person's own arguments name.
fn own(given: &[Given<'_>]) -> Option<String> {
    let value = |wanted: &[&str]| {
        given
            .iter()
            .rev()
            .find(|given| wanted.contains(&given.name))
            .and_then(|given| given.value)
    };
    let forks = given.iter().any(|given| given.name == "--fork-session");
    let id = value(&["--session-id"]).or_else(|| {
        // A fork gets an id of its own, which nobody knows yet.
        value(&["-r", "--resume"]).filter(|_| !forks)
    })?;
    uuid::Uuid::try_parse(id).ok().map(|id| id.to_string())
}

/// A session's id must be one: the program would take anything else as words to search for, and ask.
fn named(session: &str) -> Result<&str, Unsupported> {
    if uuid::Uuid::try_parse(session).is_ok() {
        return Ok(session);
    }
    Err(Unsupported::no_session(session, "Claude Code", "is a UUID"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: uuid::Uuid = uuid::uuid!("11111111-1111-4111-8111-111111111111");
    const OLD: &str = "22222222-2222-4222-8222-222222222222";

    fn begun(mode: &Mode, args: &str) -> (String, Option<String>) {
        let args = shell_words::split(args).expect("words");
        let beginning = begin(mode, FRESH, &args).expect("begun");
        (beginning.args.join(" "), beginning.session)
    }

    fn refused(mode: &Mode, args: &str) -> String {
        let args = shell_words::split(args).expect("words");
        begin(mode, FRESH, &args).expect_err("refused").message
    }

    #[test]
    fn each_mode_has_its_arguments_and_the_session_it_will_hold() {
        let fresh = Some(FRESH.to_string());
        assert_eq!(
            begun(&Mode::New, "--model opus 'fix -c'"),
            (format!("--session-id {FRESH}"), fresh.clone())
        );
        assert_eq!(
            begun(&Mode::Continue, "--model opus"),
            ("--continue".to_owned(), None)
        );
        assert_eq!(
            begun(&Mode::Resume(OLD.to_owned()), ""),
            (format!("--resume {OLD}"), Some(OLD.to_owned()))
        );
        assert_eq!(
            begun(&Mode::Fork(OLD.to_owned()), "-p hello"),
            (
                format!("--resume {OLD} --fork-session --session-id {FRESH}"),
                fresh
            )
        );
    }

    #[test]
    fn a_persons_own_choice_stays() {
        let nothing = String::new();
        let old = Some(OLD.to_owned());
        assert_eq!(begun(&Mode::New, "-c"), (nothing.clone(), None));
        assert_eq!(begun(&Mode::New, "-r"), (nothing.clone(), None));
        assert_eq!(
            begun(&Mode::New, &format!("-r {OLD}")),
            (nothing.clone(), old.clone())
        );
        assert_eq!(
            begun(&Mode::New, &format!("--resume={OLD} --fork-session")),
            (nothing.clone(), None)
        );
        assert_eq!(
            begun(&Mode::New, &format!("--session-id={OLD}")),
            (nothing.clone(), old)
        );
        assert_eq!(
            begun(&Mode::New, "--resume 'a search'"),
            (nothing.clone(), None)
        );
        assert_eq!(begun(&Mode::New, "mcp list"), (nothing, None));
    }

    #[test]
    fn a_conflict_is_refused_by_name() {
        let resume = Mode::Resume(OLD.to_owned());
        assert_eq!(
            refused(&resume, "--model opus --continue"),
            "--continue among the arguments says otherwise than the mode resume"
        );
        assert!(refused(&Mode::Continue, "-r").starts_with("-r "));
        assert!(
            refused(&Mode::Fork(OLD.to_owned()), "--session-id=x").starts_with("--session-id ")
        );
        assert!(refused(&resume, "mcp list").contains("mcp is a command"));
        assert!(refused(&Mode::Resume("--version".to_owned()), "").contains("UUID"));
        assert!(refused(&Mode::Fork(String::new()), "").contains("UUID"));
    }
}
