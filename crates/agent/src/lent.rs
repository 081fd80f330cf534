//! A viewer's own terminal, lent to the agent.
//!
//! A key's way through a viewer is long: from its terminal to its process, to the agent, and back again with the echo. A
//! viewer in a terminal lends that terminal, so that what is typed is read and what is shown is written here. The viewer
//! keeps all that is more than passing on: its own keys, sizes, modes, a terminal that takes less than it is shown. Whatever
//! is for it to see to is sent to it, and any message sent to it ends the lending until it lends again.
//!
//! Nothing here waits, and nothing is kept: what the terminal does not take at once goes to the viewer as any output does.

use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;
use rustix::termios::{LocalModes, OutputModes, tcgetattr};
use stratavore_wire::keys::{Key, is_programs};
use stratavore_wire::reach::stays_within;

/// Holds a terminal that was lent.
#[derive(Debug)]
pub struct Lent {
    terminal: OwnedFd,
    /// Its closing tells whoever restores the terminal that nobody writes to it any more: closed after it, as it stands
    /// after it.
    _lease: OwnedFd,
    keys: Vec<Key>,
}

/// Says what is there to read.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// This was typed, and all of it is for the program.
    Programs(&'a [u8]),
    /// This was typed, and the viewer is to look at it.
    Viewers(&'a [u8]),
    /// Nothing yet.
    Nothing,
    /// The terminal is closed, or somebody else has it.
    Over,
}

impl Lent {
    /// Takes a terminal; nothing where it is none, or one that would be waited for.
    pub fn new(terminal: OwnedFd, lease: OwnedFd) -> Option<Self> {
        let flags = fcntl_getfl(&terminal).ok()?;
        let fits = flags.contains(OFlags::NONBLOCK | OFlags::RDWR) && tcgetattr(&terminal).is_ok();
        fits.then_some(Self {
            terminal,
            _lease: lease,
            keys: Vec::new(),
        })
    }

    /// Gives the terminal, to be awaited.
    pub const fn terminal(&self) -> &OwnedFd {
        &self.terminal
    }

    /// Takes the keys that are the viewer's.
    pub fn set_keys(&mut self, keys: Vec<Key>) {
        self.keys = keys;
    }

    /// Reads what was typed.
    pub fn read<'a>(&self, buffer: &'a mut [u8]) -> Heard<'a> {
        if !self.is_raw() {
            return Heard::Over;
        }
        match rustix::io::read(&self.terminal, &mut *buffer) {
            Ok(0) => Heard::Over,
            Ok(read) if is_programs(&buffer[..read], &self.keys) => {
                Heard::Programs(&buffer[..read])
            }
            Ok(read) => Heard::Viewers(&buffer[..read]),
            Err(Errno::AGAIN | Errno::INTR) => Heard::Nothing,
            Err(_) => Heard::Over,
        }
    }

    /// Writes output; gives how much of it the terminal took. None is taken where the viewer is to see to it.
    pub fn write(&self, output: &[u8]) -> usize {
        if !stays_within(output) || !self.is_raw() {
            return 0;
        }
        let mut taken = 0;
        while taken < output.len() {
            match rustix::io::write(&self.terminal, &output[taken..]) {
                Ok(written) if written > 0 => taken += written,
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
        taken
    }

    /// Tells whether the terminal is as the viewer made it: a shell that has it while the viewer is stopped, or after its
    /// end, sets it for its prompt.
    fn is_raw(&self) -> bool {
        tcgetattr(&self.terminal).is_ok_and(|now| {
            !now.local_modes
                .intersects(LocalModes::ICANON | LocalModes::ISIG | LocalModes::ECHO)
                && !now.output_modes.contains(OutputModes::OPOST)
        })
    }
}
