//! Codex.

mod hooks;
mod rollout;

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stratavore_core::attention::Said;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Mode;

use crate::claude::{self, report};
use crate::directory::records;
use crate::version::recorded;
use crate::{
    Adapter, Beginning, Flag, Hook, Hooks, Reader, Support, Transcript, Unsupported, Verdict, words,
};

/// Knows Codex, as recorded in `corpus/codex-*`.
pub(crate) struct Codex;

/// First words that begin a conversation which a person chooses.
const CHOICES: [&str; 2] = ["resume", "fork"];

/// First words that are a command of the program, and no conversation in the terminal.
const COMMANDS: [&str; 28] = [
    "a",
    "agents",
    "app-server",
    "apply",
    "archive",
    "cloud",
    "completion",
    "debug",
    "delete",
    "doctor",
    "e",
    "exec",
    "exec-server",
    "features",
    "help",
    "login",
    "logout",
    "mcp",
    "migrate-nfs-db",
    "migrate-rollouts",
    "plugin",
    "queue",
    "remote-control",
    "review",
    "sandbox",
    "unarchive",
    "update",
    "upgrade",
];

/// Keeps the conversation in its own process. Else Codex begins a server that all of a person's conversations share: it would be
/// the first runner's, and end with it, and what it runs would be of no other runner.
const ALONE: &str = "--no-daemon";

/// Options that not every version takes.
const FLAGS: [Flag; 1] = [Flag {
    name: ALONE,
    values: 0,
    names_session: false,
    since: (0, 156, 0),
    what: "own process",
    without: "whether its conversations share a server is not known",
}];

impl Adapter for Codex {
    fn begin(
        &self,
        mode: &Mode,
        _fresh: uuid::Uuid,
        args: &[String],
    ) -> Result<Beginning, Unsupported> {
        if *mode == Mode::New {
            let alone = !is_command(args) && !args.iter().any(|arg| arg == ALONE);
            return Ok(Beginning {
                args: if alone { words(&[ALONE]) } else { Vec::new() },
                session: own(args),
            });
        }
        let taken = CHOICES.iter().chain(&COMMANDS);
        if let Some(taken) = taken
            .copied()
            .find(|taken| args.iter().any(|arg| arg == taken))
        {
            return Err(Unsupported::conflict(taken, mode));
        }
        if let Some(id) = mode.session()
            && uuid::Uuid::try_parse(id).is_err()
        {
            return Err(Unsupported::no_session(id, "Codex", "is a UUID"));
        }
        let (args, session) = match mode {
            Mode::New => (Vec::new(), None),
            Mode::Continue => (words(&["resume", ALONE, "--last"]), None),
            Mode::Resume(id) => (words(&["resume", ALONE, id]), Some(id.clone())),
            // The fork's own id is told by nothing before its first request.
            Mode::Fork(id) => (words(&["fork", ALONE, id]), None),
        };
        Ok(Beginning { args, session })
    }

    fn with_hooks(&self, mut argv: Vec<String>, hooks: &Hooks) -> Vec<String> {
        if let Some((_, args)) = argv.split_first()
            && !hooks.command.is_empty()
            && !is_command(args)
            && !args.iter().any(|arg| hooks::are_in(arg))
        {
            argv.splice(1..1, hooks::words(hooks));
        }
        argv
    }

    fn hook(&self, payload: &Value, at: Timestamp) -> Result<Hook, String> {
        hooks::read(payload, at)
    }

    fn answer(&self, event: &str, verdict: &Verdict) -> Option<String> {
        claude::hook::answer(event, verdict)
    }

    fn home(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        crate::home(environment, "CODEX_HOME", ".codex")
    }

    fn report(&self, text: &str, at: Timestamp) -> Option<Said> {
        report::read(text, at)
    }

    fn speaks(&self, report: &str) -> bool {
        !report::is_of_a_task(report)
    }

    fn transcripts(&self, home: &Path) -> io::Result<Vec<Transcript>> {
        // Year, month, day.
        let mut paths = records(&home.join("sessions"), 3)?;
        paths.sort();
        let found = paths.into_iter().map(|path| Transcript {
            session: session(&path),
            path,
            subagent: false,
        });
        Ok(found.collect())
    }

    fn reader(&self, transcript: &Transcript, memory: Option<&str>) -> Option<Box<dyn Reader>> {
        Some(Box::new(rollout::Rollout::new(transcript, memory)))
    }

    fn flags(&self) -> &'static [Flag] {
        &FLAGS
    }

    fn supports(&self, version: &str) -> Vec<Support> {
        let (recorded, since) = recorded(version, (0, 169, 0));
        vec![
            Support::new(
                "resume",
                recorded,
                format!("continue, resume ID, fork ID; {since}"),
            ),
            FLAGS[0].support(version),
            Support::new(
                "hooks",
                recorded,
                format!(
                    "given by -c; a permission is told, and given in the terminal alone; {since}"
                ),
            ),
            Support::new("terminal reports", recorded, &since),
            Support::new("transcripts", recorded, &since),
            Support::new("usage", recorded, &since),
        ]
    }
}

/// Tells whether the arguments are of a command of the program, and not of a conversation.
fn is_command(args: &[String]) -> bool {
    let first = args.iter().find(|arg| !arg.starts_with('-'));
    first.is_some_and(|first| COMMANDS.contains(&first.as_str()))
        || args
            .iter()
            .any(|arg| matches!(arg.as_str(), "-h" | "--help" | "-V" | "--version"))
}

/// Returns the session that a person's own arguments resume.
fn own(args: &[String]) -> Option<String> {
    let mut words = args.iter().skip_while(|arg| *arg != "resume");
    let id = words.find_map(|word| uuid::Uuid::try_parse(word).ok())?;
    Some(id.to_string())
}

/// `rollout-2026-11-24T00-07-38-UUID.jsonl`.
fn session(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let id = stem.get(stem.len().checked_sub(36)?..)?;
    uuid::Uuid::try_parse(id).ok().map(|_| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a20ae1-29f0-7e90-b9bc-a9d0101e8006";

    fn begin(mode: &Mode, args: &[&str]) -> Result<Beginning, Unsupported> {
        let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
        Codex.begin(mode, uuid::Uuid::nil(), &args)
    }

    #[test]
    fn each_mode_has_its_arguments_and_conflicts_are_refused_by_name() {
        let words = |mode: &Mode| begin(mode, &["-m", "gpt-5"]).expect("begun").args.join(" ");
        assert_eq!(words(&Mode::New), "--no-daemon");
        assert_eq!(words(&Mode::Continue), "resume --no-daemon --last");
        assert_eq!(
            words(&Mode::Resume(ID.to_owned())),
            format!("resume --no-daemon {ID}")
        );
        assert_eq!(
            words(&Mode::Fork(ID.to_owned())),
            format!("fork --no-daemon {ID}")
        );
        let conflict = begin(&Mode::Continue, &["exec", "x"]).expect_err("refused");
        assert!(conflict.message.starts_with("exec "));
        assert!(begin(&Mode::Resume("--last".to_owned()), &[]).is_err());
        let own = begin(&Mode::New, &["resume", ID]).expect("begun");
        assert_eq!(
            (own.args.join(" ").as_str(), own.session.as_deref()),
            ("--no-daemon", Some(ID))
        );
        assert_eq!(begin(&Mode::New, &["exec", "x"]), Ok(Beginning::default()));
    }

    #[test]
    fn a_version_is_not_given_an_option_that_it_does_not_take() {
        for mode in [
            Mode::New,
            Mode::Continue,
            Mode::Resume(ID.to_owned()),
            Mode::Fork(ID.to_owned()),
        ] {
            let whole = begin(&mode, &["-m", "gpt-5"]).expect("begun");
            let fit = |version| whole.clone().fit(Codex.flags(), version);
            let old = fit(Some("codex-cli 0.155.9"));
            assert_eq!(old.session, whole.session);
            let others: Vec<_> = whole.args.iter().filter(|arg| *arg != ALONE).collect();
            assert_eq!(old.args.iter().collect::<Vec<_>>(), others);
            assert_ne!(old, whole);
            for taken in [
                Some("codex-cli 0.156.0"),
                Some("codex-cli 1.0.0"),
                Some("?"),
                None,
            ] {
                assert_eq!(fit(taken), whole, "{taken:?}");
            }
        }
        let own = |version| {
            let support = Codex.supports(version);
            let own = support.into_iter().find(|it| it.what == "own process");
            own.expect("it is told").supported
        };
        assert!(own("codex-cli 0.156.0") && !own("codex-cli 0.155.0"));
    }

    #[test]
    fn hooks_stand_first_and_only_where_a_conversation_takes_them() {
        let hooks = Hooks {
            command: words(&["/opt/it's here/agent", "hook"]),
            permission_wait_seconds: 60,
            directory: std::path::PathBuf::new(),
        };
        let argv = Codex.with_hooks(words(&["codex", "resume", ID]), &hooks);
        assert_eq!(
            (argv[1].as_str(), &argv[3..]),
            ("-c", &words(&["resume", ID])[..])
        );
        let table = argv[2].strip_prefix("hooks=").expect("a table");
        let table: toml::Value = toml::from_str(&format!("hooks = {table}")).expect("TOML");
        let hook = &table["hooks"]["PermissionRequest"][0]["hooks"][0];
        let command = hook["command"].as_str().expect("a command");
        assert_eq!(shell_words::split(command).expect("words"), hooks.command);
        let trusted = table["hooks"]["state"].as_table().expect("a table");
        assert_eq!(
            trusted.len(),
            table["hooks"].as_table().expect("a table").len() - 1
        );
        for given in [
            words(&["codex", "exec", "x"]),
            words(&["codex", "-c", "hooks.Stop=[]"]),
            words(&["codex", "--version"]),
        ] {
            assert_eq!(Codex.with_hooks(given.clone(), &hooks), given);
        }
    }

    #[test]
    fn rollouts_are_found_by_day() {
        let home = tempfile::tempdir().expect("a directory");
        assert_eq!(Codex.transcripts(home.path()).expect("listed"), []);
        let day = home.path().join("sessions/2026/11/24");
        std::fs::create_dir_all(&day).expect("made");
        let path = day.join(format!("rollout-2026-11-24T00-07-38-{ID}.jsonl"));
        std::fs::write(&path, "").expect("written");
        std::fs::write(day.join("notes.txt"), "").expect("written");
        let found = Codex.transcripts(home.path()).expect("listed");
        let session = Some(ID.to_owned());
        assert_eq!(
            found,
            [Transcript {
                path,
                session,
                subagent: false
            }]
        );
    }
}
