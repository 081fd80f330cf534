//! The signals that reach whoever has the terminal.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal that asks this process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Hangup,
    Interrupt,
    Terminate,
}

impl Signal {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hangup => "SIGHUP",
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }

    /// The code that a shell gives a process ended by it.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::Hangup => 128 + 1,
            Self::Interrupt => 128 + 2,
            Self::Terminate => 128 + 15,
        }
    }
}

/// What a signal tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The terminal has another size.
    Resized,
    /// This process is to end.
    Asked(Signal),
}

/// The signals, heard from now on instead of obeyed.
#[derive(Debug)]
pub(crate) struct Signals {
    resized: Stream,
    hangup: Stream,
    interrupt: Stream,
    terminate: Stream,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            resized: signal(SignalKind::window_change())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one. Cancel safe.
    pub(crate) async fn next(&mut self) -> Heard {
        tokio::select! {
            Some(()) = self.resized.recv() => Heard::Resized,
            Some(()) = self.hangup.recv() => Heard::Asked(Signal::Hangup),
            Some(()) = self.interrupt.recv() => Heard::Asked(Signal::Interrupt),
            Some(()) = self.terminate.recv() => Heard::Asked(Signal::Terminate),
            else => std::future::pending().await,
        }
    }
}
