//! When the user's terminal is lent to the agent, which then reads and writes it without this process in between.
//!
//! It is lent while there is nothing to do but to pass on, and ours again with the next message. What is typed then wakes
//! only the agent; once a second this process looks whether the agent does read it.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use crate::terminal::tty::{Keyboard, Tty};

/// It is not lent more often: where much is written each lending is short.
const INTERVAL: Duration = Duration::from_millis(10);
/// An agent that has not read by then what was typed, twice, hangs: the detach key must work all the same.
const READ_DEADLINE: Duration = Duration::from_millis(500);

/// Who has the terminal.
#[derive(Debug)]
pub(crate) struct Lending {
    /// While the terminal is lent this only tells that somebody types; absent once it has.
    keyboard: Option<Keyboard>,
    is_lent: bool,
    /// The agent left unread what was typed, and has said nothing since.
    hangs: bool,
    /// Something had been typed and not been read when this was last looked at.
    unread: bool,
    look_at: Option<Instant>,
    not_before: Option<Instant>,
}

impl Lending {
    /// Begins with the terminal in our hands.
    pub(crate) fn new(tty: &Tty) -> io::Result<Self> {
        Ok(Self {
            keyboard: Some(tty.keyboard()?),
            is_lent: false,
            hangs: false,
            unread: false,
            look_at: None,
            not_before: None,
        })
    }

    pub(crate) const fn is_lent(&self) -> bool {
        self.is_lent
    }

    /// Tells whether the agent is there to be lent it.
    pub(crate) const fn is_awake(&self) -> bool {
        !self.hangs
    }

    /// Tells until when it is not lent, if that is still to come.
    pub(crate) fn not_before(&self) -> Option<Instant> {
        self.not_before.filter(|at| *at > Instant::now())
    }

    /// Notes that the terminal is lent, or that it could not be.
    pub(crate) fn lent(&mut self, is_lent: bool) {
        self.is_lent = is_lent;
        self.unread = false;
        self.not_before = Some(Instant::now() + INTERVAL);
    }

    /// Has the terminal back, for the agent has said something; tells whether it had been lent.
    pub(crate) fn take_back(&mut self, tty: &Tty) -> io::Result<bool> {
        self.hangs = false;
        self.look_at = None;
        if self.keyboard.is_none() {
            self.keyboard = Some(tty.keyboard()?);
        }
        Ok(std::mem::replace(&mut self.is_lent, false))
    }

    /// Reads what was typed, while the terminal is ours. Cancel safe.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.keyboard {
            Some(keyboard) => keyboard.read(buffer).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until something is typed for somebody else to read. Cancel safe.
    pub(crate) async fn stirs(&self) {
        match &self.keyboard {
            Some(keyboard) => keyboard.stirs().await,
            None => std::future::pending().await,
        }
    }

    /// Looks later whether it was read, and sleeps until then.
    pub(crate) fn look_later(&mut self) {
        self.keyboard = None;
        self.look_at = Some(Instant::now() + READ_DEADLINE);
    }

    /// Tells when that is to be looked at.
    pub(crate) const fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Looks whether what is typed is read, and takes the terminal back where it is not.
    pub(crate) fn look(&mut self, tty: &Tty) -> io::Result<()> {
        if !tty.has_unread() {
            self.unread = false;
            self.look_at = None;
            self.keyboard = Some(tty.keyboard()?);
        } else if std::mem::replace(&mut self.unread, true) {
            self.take_back(tty)?;
            self.hangs = true;
        } else {
            self.look_later();
        }
        Ok(())
    }
}
