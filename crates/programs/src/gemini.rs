//! Gemini CLI.

use stratavore_core::attention::{Need, Said};
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Mode;

use crate::version::at_least;
use crate::{Adapter, Beginning, Support, Unsupported, chosen, words};

/// Knows how Gemini CLI is begun, and its titles. Its chats are not read.
pub(crate) struct Gemini;

/// Options by which a person chooses the conversation.
const CHOICES: [&str; 4] = ["-r", "--resume", "--session-id", "--session-file"];

impl Adapter for Gemini {
    fn begin(
        &self,
        mode: &Mode,
        _fresh: uuid::Uuid,
        args: &[String],
    ) -> Result<Beginning, Unsupported> {
        match (mode, chosen(args, &CHOICES)) {
            (Mode::New, _) => Ok(Beginning::default()),
            (Mode::Continue, Some(chosen)) => Err(Unsupported::conflict(chosen, mode)),
            (Mode::Continue, None) => Ok(Beginning {
                args: words(&["--resume", "latest"]),
                session: None,
            }),
            (Mode::Resume(_) | Mode::Fork(_), _) => Err(Unsupported {
                message: format!(
                    "Gemini CLI cannot {} a session by its id: it numbers them anew whenever it lists them",
                    mode.as_str()
                ),
                hint: "launch with mode continue for the latest, or give it --resume NUMBER"
                    .to_owned(),
            }),
        }
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

    fn supports(&self, version: &str) -> Vec<Support> {
        vec![
            Support::new(
                "resume",
                true,
                "continue; not by the id of a session, and no fork",
            ),
            Support::new("hooks", false, "it is given none"),
            Support::new(
                "terminal reports",
                at_least(version, (0, 61, 0)),
                "its title says whether it is ready, works or asks; only ready was seen, the others are in its code of 0.61.0",
            ),
            Support::new("transcripts", false, "its chats are not read"),
            Support::new("usage", false, "its chats are not read"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_is_continued_and_others_are_refused() {
        let begin = |mode: &Mode, args: &[&str]| {
            let args: Vec<_> = args.iter().map(|&arg| arg.to_owned()).collect();
            Gemini.begin(mode, uuid::Uuid::nil(), &args)
        };
        assert_eq!(begin(&Mode::New, &["-r", "3"]), Ok(Beginning::default()));
        let continued = begin(&Mode::Continue, &["-m", "x"]).expect("begun");
        assert_eq!(continued.args, ["--resume", "latest"]);
        let conflict = begin(&Mode::Continue, &["--resume=3"]).expect_err("refused");
        assert!(conflict.message.starts_with("--resume=3 "));
        for mode in [Mode::Resume("x".to_owned()), Mode::Fork("x".to_owned())] {
            assert!(
                begin(&mode, &[])
                    .expect_err("refused")
                    .message
                    .contains(mode.as_str())
            );
        }
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
