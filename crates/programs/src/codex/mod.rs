//! Codex.

mod rollout;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use stratavore_core::attention::Said;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Mode;

use crate::claude::report;
use crate::directory::{entries, is_directory};
use crate::version::at_least;
use crate::{Adapter, Beginning, Reader, Support, Transcript, Unsupported};

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
            return Err(Unsupported {
                message: format!(
                    "{command} among the arguments says otherwise than the mode {}",
                    mode.as_str()
                ),
                hint: format!("leave out {command}, or launch with mode new"),
            });
        }
        if let Some(id) = mode.session()
            && uuid::Uuid::try_parse(id).is_err()
        {
            return Err(Unsupported {
                message: format!("{id:?} is no id of a session of Codex, which is a UUID"),
                hint: "list the sessions that there are: stratavore sessions list".to_owned(),
            });
        }
        let (args, session): (&[&str], _) = match mode {
            Mode::New => (&[], None),
            Mode::Continue => (&["resume", "--last"], None),
            Mode::Resume(id) => (&["resume", id], Some(id.clone())),
            // The fork's own id is told by nothing before its file.
            Mode::Fork(id) => (&["fork", id], None),
        };
        Ok(Beginning {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            session,
        })
    }

    fn home(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        environment("CODEX_HOME")
            .map(PathBuf::from)
            .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".codex")))
    }

    fn report(&self, text: &str, at: Timestamp) -> Option<Said> {
        report::read(text, at)
    }

    fn speaks(&self, report: &str) -> bool {
        !report::is_of_a_task(report)
    }

    fn transcripts(&self, home: &Path) -> io::Result<Vec<Transcript>> {
        let mut found = Vec::new();
        // Year, month, day.
        list(&home.join("sessions"), 3, &mut found)?;
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(found)
    }

    fn reader(&self, transcript: &Transcript, memory: Option<&str>) -> Option<Box<dyn Reader>> {
        Some(Box::new(rollout::Rollout::new(transcript, memory)))
    }

    fn supports(&self, version: &str) -> Vec<Support> {
        let recorded = at_least(version, (0, 169, 0));
        let seen = |what, supported, detail: &str| Support {
            what,
            supported,
            detail: detail.to_owned(),
        };
        let since = if recorded {
            "recorded with 0.169.0"
        } else {
            "recorded with 0.169.0, not with this version"
        };
        vec![
            seen("resume", true, "continue, resume ID, fork ID"),
            seen("hooks", false, "it is given none"),
            seen("terminal reports", recorded, since),
            seen("transcripts", recorded, since),
            seen("usage", recorded, since),
        ]
    }
}

fn list(directory: &Path, depth: u32, found: &mut Vec<Transcript>) -> io::Result<()> {
    for entry in entries(directory)? {
        let path = entry.path();
        if is_directory(&entry) {
            if depth > 0 {
                list(&path, depth - 1, found)?;
            }
        } else if path.extension() == Some(OsStr::new("jsonl")) {
            found.push(Transcript {
                session: session(&path),
                path,
                subagent: false,
            });
        }
    }
    Ok(())
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
