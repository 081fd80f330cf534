//! OpenCode.

mod hooks;

use serde_json::Value;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Mode;

use crate::version::at_least;
use crate::{
    Adapter, Beginning, Hook, Hooks, Plugin, Support, Unsupported, Verdict, chosen, words,
};

/// Knows OpenCode, as recorded in `corpus/opencode-*`. What it keeps is a database of its own, which is not read.
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

    fn supports(&self, version: &str) -> Vec<Support> {
        let recorded = at_least(version, (1, 18, 33));
        let since = if recorded {
            "recorded with 1.18.33"
        } else {
            "recorded with 1.18.33, not with this version"
        };
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
                false,
                "it keeps them in a database of its own, which is not read",
            ),
            Support::new(
                "usage",
                false,
                "it keeps it in a database of its own, which is not read",
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
