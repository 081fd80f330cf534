//! The time an attachment lasts: bytes in both directions, sizes, signals, the detach key.

use std::io;
use std::time::Duration;

use stratavore_wire::{Ack, Exit, Message, Refusal, Resize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::keys::DetachKey;
use super::modes::reset_of;
use super::relay::{Origin, Passed, Relay, Touched};
use super::tty::{self, Tty};
use super::viewer::Viewer;
use crate::args::Size;

/// How long the rest of a key's encoding may take; people press Alt-[ now and then.
const KEY_DEADLINE: Duration = Duration::from_millis(50);
/// How long an agent may go on after its program has exited before the viewer leaves it.
const EXIT_DEADLINE: Duration = Duration::from_secs(2);

/// How an attachment ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The user pressed the detach key.
    Detached,
    /// Somebody asked this process to end.
    Signalled(Signal),
    /// The user's terminal is gone.
    TerminalClosed,
    /// The agent closed the connection.
    Closed {
        /// How the program ended, if the agent said so.
        exit: Option<Exit>,
        /// What the agent refused last, if anything.
        refusal: Option<String>,
    },
}

/// A signal that ends an attachment.
#[derive(Clone, Copy, Debug)]
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

/// One attachment under way.
pub(crate) struct Viewing<'a> {
    tty: &'a Tty,
    viewer: Viewer,
    read_only: bool,
    relay: Relay,
    /// What leaving was told to reset.
    touched: Touched,
    keys: DetachKey,
    /// On its way to the terminal. Nothing more is received before it has arrived: the agent notices who is slow.
    out: Vec<u8>,
    /// Received since the last acknowledgement.
    unacknowledged: u64,
    /// A snapshot is on its way; output before it is part of it.
    awaits_snapshot: bool,
    key_deadline: Option<Instant>,
    leave_at: Option<Instant>,
    exit: Option<Exit>,
    refusal: Option<String>,
}

impl<'a> Viewing<'a> {
    pub(crate) fn new(tty: &'a Tty, viewer: Viewer, read_only: bool) -> Self {
        Self {
            tty,
            viewer,
            read_only,
            relay: Relay::new(),
            touched: Touched::default(),
            keys: DetachKey::default(),
            out: Vec::new(),
            unacknowledged: 0,
            awaits_snapshot: true,
            key_deadline: None,
            leave_at: None,
            exit: None,
            refusal: None,
        }
    }

    /// Views until something ends it. Fails when the terminal does.
    pub(crate) async fn run(mut self) -> io::Result<Ending> {
        let mut resized = signal(SignalKind::window_change())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut typed = vec![0; 16 * 1024];
        let ending = loop {
            tokio::select! {
                message = self.viewer.recv(), if self.out.is_empty() => match message {
                    Ok(Some(Message::Ended)) | Ok(None) | Err(_) => break self.closed(),
                    Ok(Some(message)) => self.take(message),
                },
                written = self.tty.write(&self.out), if !self.out.is_empty() => match written {
                    Ok(written) => self.wrote(written),
                    Err(_) => break Ending::TerminalClosed,
                },
                read = self.tty.read(&mut typed) => match read {
                    Ok(0) | Err(_) => break Ending::TerminalClosed,
                    Ok(read) => {
                        let typed = self.keys.read(&typed[..read]);
                        self.key_deadline = self.keys.is_waiting().then(|| Instant::now() + KEY_DEADLINE);
                        self.type_bytes(typed.bytes);
                        if typed.detach {
                            break Ending::Detached;
                        }
                    }
                },
                Some(()) = resized.recv() => {
                    let Size { columns, rows } = self.tty.size();
                    self.viewer.send(Message::Resize(Resize { columns, rows }));
                }
                Some(()) = hangup.recv() => break Ending::Signalled(Signal::Hangup),
                Some(()) = interrupt.recv() => break Ending::Signalled(Signal::Interrupt),
                Some(()) = terminate.recv() => break Ending::Signalled(Signal::Terminate),
                () = passed(self.key_deadline) => {
                    self.key_deadline = None;
                    let bytes = self.keys.give_up();
                    self.type_bytes(bytes);
                }
                () = passed(self.leave_at) => break self.closed(),
            }
        };
        self.viewer.close().await;
        Ok(ending)
    }

    fn closed(&mut self) -> Ending {
        Ending::Closed {
            exit: self.exit,
            refusal: self.refusal.take(),
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Snapshot { bytes, .. } => {
                self.unacknowledged += bytes.len() as u64;
                self.awaits_snapshot = false;
                self.relay.restart(&mut self.out);
                // A snapshot is complete in itself: it never asks for another.
                let _ = self.relay.pass(Origin::Snapshot, &bytes, &mut self.out);
            }
            Message::Output { bytes, .. } => {
                self.unacknowledged += bytes.len() as u64;
                if !self.awaits_snapshot
                    && self.relay.pass(Origin::Live, &bytes, &mut self.out) == Passed::Redraw
                {
                    // Attaching anew brings a snapshot. After a change of size the agent sends one unasked.
                    self.awaits_snapshot = true;
                    self.viewer.begin(self.tty.size(), self.read_only);
                }
            }
            Message::Exited(exited) => {
                self.exit = Some(exited.exit);
                self.leave_at = Some(Instant::now() + EXIT_DEADLINE);
            }
            // The program does not read: what was typed is lost, and the user is told as a terminal tells it.
            Message::Refused(refused) if refused.code == Refusal::InputFull => self.out.push(0x07),
            Message::Refused(refused) if refused.code == Refusal::ReadOnly => {}
            Message::Refused(refused) => self.refusal = Some(refused.message),
            _ => {}
        }
        if self.relay.touched() != self.touched {
            self.touched = self.relay.touched();
            tty::also_on_leaving(reset_of(self.touched));
        }
        self.acknowledge();
    }

    fn wrote(&mut self, written: usize) {
        self.out.drain(..written);
        if self.out.is_empty() {
            // A snapshot may have been large; an idle attachment holds little.
            self.out.shrink_to(64 * 1024);
        }
        self.acknowledge();
    }

    fn acknowledge(&mut self) {
        if self.out.is_empty() && self.unacknowledged > 0 {
            let bytes = std::mem::take(&mut self.unacknowledged);
            self.viewer.send(Message::Ack(Ack { bytes }));
        }
    }

    fn type_bytes(&self, bytes: Vec<u8>) {
        if !bytes.is_empty() && !self.read_only {
            self.viewer.send(Message::Input { bytes });
        }
    }
}

async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
