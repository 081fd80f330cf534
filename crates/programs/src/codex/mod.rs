//! Codex.

mod rollout;

use std::io;
use std::path::{Path, PathBuf};

use stratavore_core::attention::Said;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Mode;

use crate::claude::report;
use crate::directory::records;
use crate::version::at_least;
use crate::{Adapter, Beginning, Reader, Support, Transcript, Unsupported, words};

/// Knows Codex, as recorded in `corpus/codex-*`.
pub(crate) struct Codex;

/// First words by which a person chooses the conversation, or that are none.
const COMMANDS: [&str; 6] = ["resume", "fork", "exec", "e", "review", "agents"];

impl Adapter for Codex {
    fn begin(
        &self,
        mode: &Mode,
        _fresh: uuid::Uuid,
        args: &[String],
    ) -> Result<Beginning, Unsupported> {
        let command = args.iter().find(|arg| COMMANDS.contains(&arg.as_str()));
        if let Some(command) = command.filter(|_| *mode != Mode::New) {
            return Err(Unsupported::conflict(command, mode));
        }
        if let Some(id) = mode.session()
            && uuid::Uuid::try_parse(id).is_err()
        {
            return Err(Unsupported::no_session(id, "Codex", "is a UUID"));
        }
        let (args, session) = match mode {
            Mode::New => (words(&[]), None),
            Mode::Continue => (words(&["resume", "--last"]), None),
            Mode::Resume(id) => (words(&["resume", id]), Some(id.clone())),
            // The fork's own id is told by nothing before its file.
            Mode::Fork(id) => (words(&["fork", id]), None),
        };
        Ok(Beginning { args, session })
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

    fn supports(&self, version: &str) -> Vec<Support> {
        let recorded = at_least(version, (0, 169, 0));
        let since = if recorded {
            "recorded with 0.169.0"
        } else {
            "recorded with 0.169.0, not with this version"
        };
        vec![
            Support::new("resume", true, "continue, resume ID, fork ID"),
            Support::new("hooks", false, "it is given none"),
            Support::new("terminal reports", recorded, since),
            Support::new("transcripts", recorded, since),
            Support::new("usage", recorded, since),
        ]
    }
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
        assert_eq!(words(&Mode::New), "");
        assert_eq!(words(&Mode::Continue), "resume --last");
        assert_eq!(words(&Mode::Resume(ID.to_owned())), format!("resume {ID}"));
        assert_eq!(words(&Mode::Fork(ID.to_owned())), format!("fork {ID}"));
        let conflict = begin(&Mode::Continue, &["exec", "x"]).expect_err("refused");
        assert!(conflict.message.starts_with("exec "));
        assert!(begin(&Mode::Resume("--last".to_owned()), &[]).is_err());
        assert_eq!(begin(&Mode::New, &["resume"]), Ok(Beginning::default()));
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
