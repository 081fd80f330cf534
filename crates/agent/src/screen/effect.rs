//! What a program asks of people rather than of the screen.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::command::Command;
use super::{NOTICE_MAX, clean};

/// Bytes of text that a program may write to a clipboard.
pub const CLIPBOARD_MAX: usize = 1 << 20;
/// Effects that wait to be taken.
pub const EFFECTS_MAX: usize = 64;

/// Names a thing that somebody decides upon: viewers are not fed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Text for a clipboard (OSC 52); programs never read one.
    Clipboard {
        /// Which one.
        selection: Selection,
        /// At most [`CLIPBOARD_MAX`] bytes; empty to clear it.
        text: String,
    },
    /// A notification (OSC 9, OSC 777), free of control characters.
    Notice {
        /// May be empty.
        title: String,
        /// May be empty.
        body: String,
    },
    /// The bell, once for as often as it rang since effects were taken.
    Bell,
    /// What the program reports of itself (OSC 7501), free of control characters.
    Report(String),
}

/// Names a clipboard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// That of copy and paste.
    Clipboard,
    /// What is selected, pasted with the middle button.
    Primary,
}

/// Holds effects until they are taken: of clipboards and the bell the last, of others the latest ones.
#[derive(Debug, Default)]
pub(crate) struct Effects(VecDeque<Effect>);

impl Effects {
    pub(crate) fn push(&mut self, effect: Effect) {
        self.0.retain(|known| match (known, &effect) {
            (
                Effect::Clipboard {
                    selection: known, ..
                },
                Effect::Clipboard { selection, .. },
            ) => known != selection,
            (Effect::Bell, Effect::Bell) => false,
            _ => true,
        });
        if self.0.len() == EFFECTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(effect);
    }

    pub(crate) fn extend(&mut self, effect: Option<Effect>) {
        if let Some(effect) = effect {
            self.push(effect);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.0).into()
    }
}

/// Reads what a command asks of people.
pub(crate) fn of(command: &Command<'_>) -> Option<Effect> {
    let clean = |text| clean(text, NOTICE_MAX);
    Some(match command {
        Command::Notice { title, body } => Effect::Notice {
            title: clean(title),
            body: clean(body),
        },
        Command::Report(report) => Effect::Report(clean(report)),
        Command::Clipboard {
            selections,
            payload,
        } => clipboard(selections, payload)?,
        _ => return None,
    })
}

/// Reads what OSC 52 says; nothing for a read, for what is no text, and for what is too long.
fn clipboard(selections: &[u8], payload: &[u8]) -> Option<Effect> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    let selection = match selections {
        [] => Selection::Clipboard,
        letters if letters.contains(&b'c') => Selection::Clipboard,
        letters if letters.iter().any(|letter| b"ps".contains(letter)) => Selection::Primary,
        _ => return None,
    };
    let text = String::from_utf8(LENIENT.decode(payload).ok()?).ok()?;
    (text.len() <= CLIPBOARD_MAX).then_some(Effect::Clipboard { selection, text })
}
