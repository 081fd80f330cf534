//! OpenCode.

mod copies;
mod hooks;
mod rows;

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Mode;

use crate::version::recorded;
use crate::{
    Adapter, Beginning, Hook, Hooks, Plugin, Reader, Support, Transcript, Unsupported, Verdict,
    chosen, words,
};

/// Knows OpenCode, as recorded in `corpus/opencode-*`. What it keeps is a database, which is copied.
pub(crate) struct OpenCode;

/// Options by which a person chooses the conversation.
const CHOICES: [&str; 5] = ["-c", "--continue", "-s", "--session", "--fork"];

impl Adapter for OpenCode {
    fn begin(
        &self,
        mode: &Mode,
        _fresh: uuid::Uuid,
        args: &[String],
    ) -> Result<Beginning, Unsupported> {
        if let Some(chosen) = chosen(args, &CHOICES).filter(|_| *mode != Mode::New) {
            return Err(Unsupported::conflict(chosen, mode));
        }
        let (args, session) = match mode {
            Mode::New => (words(&[]), None),
            Mode::Continue => (words(&["--continue"]), None),
            Mode::Resume(id) => (words(&["--session", id]), Some(id.clone())),
            Mode::Fork(id) => (words(&["--session", id, "--fork"]), None),
        };
        if let Some(id) = mode.session()
            && !id.starts_with("ses_")
        {
            return Err(Unsupported::no_session(id, "OpenCode", "begins with ses_"));
        }
        Ok(Beginning { args, session })
    }

    fn plugin(
        &self,
        hooks: &Hooks,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Plugin> {
        hooks::plugin(hooks, environment)
    }

    fn asks_beside_its_hook(&self) -> bool {
        true
    }

    fn hook(&self, payload: &Value, at: Timestamp) -> Result<Hook, String> {
        hooks::read(payload, at)
    }

    fn answer(&self, event: &str, verdict: &Verdict) -> Option<String> {
        hooks::answer(event, verdict)
    }

    /// Returns its database, where it says that it is.
    fn home(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        let data = environment("XDG_DATA_HOME")
            .map(PathBuf::from)
            .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".local/share")))?;
        let named = environment("OPENCODE_DB").unwrap_or_else(|| "opencode.db".to_owned());
        Some(data.join("opencode").join(named))
    }

    fn copy(&self, home: &Path, place: &Path, only: Option<&str>) -> io::Result<Option<u64>> {
        copies::follow(home, place, only).map(Some)
    }

    fn transcripts(&self, home: &Path) -> io::Result<Vec<Transcript>> {
        copies::transcripts(home)
    }

    fn reader(&self, transcript: &Transcript, memory: Option<&str>) -> Option<Box<dyn Reader>> {
        Some(Box::new(rows::Rows::new(transcript, memory)))
    }

    fn supports(&self, version: &str) -> Vec<Support> {
        let (recorded, since) = recorded(version, (1, 18, 33));
        vec![
            Support::new("resume", true, "continue, resume ID, fork ID"),
            Support::new(
                "hooks",
                recorded,
                format!("by a plugin of its terminal, not for `opencode run`; {since}"),
            ),
            Support::new(
                "denials",
                false,
                "a permission is allowed or denied; a spent budget denies nothing",
            ),
            Support::new("terminal reports", false, "it tells nothing of its state"),
            Support::new(
                "transcripts",
                recorded,
                format!("copied from its database; {since}"),
            ),
            Support::new(
                "usage",
                recorded,
                format!("of the messages in its database; {since}"),
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_has_its_arguments_and_conflicts_are_refused_by_name() {
        let begin = |mode: &Mode, args: &[&str]| {
            let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
            OpenCode.begin(mode, uuid::Uuid::nil(), &args)
        };
        let id = || "ses_1".to_owned();
        assert_eq!(begin(&Mode::New, &["-c"]), Ok(Beginning::default()));
        assert_eq!(
            begin(&Mode::Continue, &[]).expect("begun").args,
            ["--continue"]
        );
        let resumed = begin(&Mode::Resume(id()), &[]).expect("begun");
        assert_eq!(
            (resumed.args.join(" "), resumed.session),
            ("--session ses_1".to_owned(), Some(id()))
        );
        let forked = begin(&Mode::Fork(id()), &[]).expect("begun");
        assert_eq!(
            (forked.args.join(" "), forked.session),
            ("--session ses_1 --fork".to_owned(), None)
        );
        let conflict = begin(&Mode::Continue, &["--session=x"]).expect_err("refused");
        assert!(conflict.message.starts_with("--session=x "));
        assert!(begin(&Mode::Resume("--help".to_owned()), &[]).is_err());
    }
}
