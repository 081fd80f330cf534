//! Names that people give to projects and runners.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name, in characters: what fits a menu line.
pub const MAX_NAME: usize = 64;

/// A name that is safe to print, to type in a shell and to put in a menu.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing but white space.
    #[error("the name is empty")]
    Empty,
    /// Too long for a menu line.
    #[error("the name has {0} characters; at most {MAX_NAME} are allowed")]
    TooLong(usize),
    /// Something that cannot be printed or would be taken for an option.
    #[error("the name {name:?} contains {what}")]
    Forbidden {
        /// The name as given.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl Name {
    /// Accepts a text as a name, or says why not.
    ///
    /// # Errors
    /// [`BadName`] when it is empty, longer than [`MAX_NAME`] characters, has control or direction-changing
    /// characters or surrounding space, starts with `-`, or contains `/`.
    pub fn new(text: impl Into<String>) -> Result<Self, BadName> {
        let text = text.into();
        if text.trim().is_empty() {
            return Err(BadName::Empty);
        }
        let length = text.chars().count();
        if length > MAX_NAME {
            return Err(BadName::TooLong(length));
        }
        let what = if text.chars().any(char::is_control) {
            Some("control characters")
        } else if text.chars().any(is_invisible) {
            Some("invisible or direction-changing characters")
        } else if text.trim() != text {
            Some("leading or trailing space")
        } else if text.starts_with('-') {
            Some("a leading '-', which would be taken for an option")
        } else if text.contains('/') {
            Some("a '/'")
        } else {
            None
        };
        match what {
            Some(what) => Err(BadName::Forbidden { name: text, what }),
            None => Ok(Self(text)),
        }
    }

    /// Returns its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Tells whether a character shows nothing or reorders what surrounds it (Unicode's bidi and zero-width marks).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        Self::new(text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_people_write() {
        for good in ["api", "auth refactor", "größe", "工具", "a.b_c-d", "x"] {
            assert_eq!(Name::new(good).map(String::from), Ok(good.to_owned()));
        }
    }

    #[test]
    fn refuses_what_would_deceive_or_break() {
        for bad in [
            "",
            "  ",
            "a\nb",
            "\u{1b}[31m",
            " a",
            "a ",
            "-x",
            "a/b",
            "a\u{202e}b",
            &"x".repeat(65),
        ] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
    }
}
