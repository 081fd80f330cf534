//! What waits for the window's page until it listens.

use std::sync::Mutex;

use serde::Serialize;

/// Something to tell the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Letter {
    /// Show this runner's terminal.
    Attach(String),
    /// Open the launch dialog on this project.
    Launch(String),
    /// Say that something went wrong.
    Problem(String),
}

impl Letter {
    /// Returns the name of the event that carries it.
    #[must_use]
    pub const fn event(&self) -> &'static str {
        match self {
            Self::Attach(_) => "attach",
            Self::Launch(_) => "launch",
            Self::Problem(_) => "problem",
        }
    }
}

/// Keeps letters for a page that does not listen yet.
#[derive(Debug, Default)]
pub struct Mailbox(Mutex<Letters>);

#[derive(Debug, Default)]
struct Letters {
    listening: bool,
    waiting: Vec<Letter>,
}

impl Mailbox {
    /// Takes a letter in; gives it back when the page listens and it can be delivered now.
    pub fn post(&self, letter: Letter) -> Option<Letter> {
        let mut inner = self.lock();
        if inner.listening {
            return Some(letter);
        }
        inner.waiting.push(letter);
        None
    }

    /// Notes that the page listens now, and gives what waited.
    pub fn collect(&self) -> Vec<Letter> {
        let mut inner = self.lock();
        inner.listening = true;
        std::mem::take(&mut inner.waiting)
    }

    /// Notes that the page went away or loads anew.
    pub fn close(&self) {
        self.lock().listening = false;
    }

    /// Tells whether a page listens.
    pub fn is_listening(&self) -> bool {
        self.lock().listening
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Letters> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_waits_until_the_page_listens_and_again_after_it_went() {
        let mailbox = Mailbox::default();
        let attach = Letter::Attach("r1".into());
        assert_eq!(mailbox.post(attach.clone()), None);
        assert_eq!(mailbox.collect(), std::slice::from_ref(&attach));
        assert_eq!(mailbox.post(attach.clone()), Some(attach.clone()));
        mailbox.close();
        assert_eq!(mailbox.post(attach.clone()), None);
        assert_eq!(mailbox.collect(), [attach]);
        assert_eq!(mailbox.collect(), []);
    }
}
