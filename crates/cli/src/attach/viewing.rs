//! The time an attachment lasts: bytes in both directions, sizes, signals, the keys that are ours.

use std::io;
use std::time::Duration;

use stratavore_wire::keys::{Key, Keys, Typed};
use stratavore_wire::{Ack, Attached, Exit, Message, Redraw, Refusal};
use tokio::time::Instant;

use super::asked::Requests;
use super::display::Display;
use super::lending::Lending;
use super::relay::Passed;
use super::viewer::Viewer;
use crate::args::Size;
use crate::terminal::passed;
use crate::terminal::signals::{Heard, Signal, Signals};
use crate::terminal::tty::Tty;

/// How long the rest of a key's encoding may take; people press Alt-[ now and then.
const KEY_DEADLINE: Duration = Duration::from_millis(50);
/// How long an agent may go on after its program has exited before the viewer leaves it.
const EXIT_DEADLINE: Duration = Duration::from_secs(2);
/// How long a snapshot that comes by itself may take before it is asked for: a storm of sizes and a synchronized frame
/// delay it.
const SNAPSHOT_DEADLINE: Duration = Duration::from_millis(300);

/// What was shown is acknowledged in pieces of this size, far less than a viewer may be behind: a message for each echo
/// would cost more than the echo.
const ACKNOWLEDGED_AT_ONCE: u64 = 16 * 1024;

/// How a person looks on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) read_only: bool,
    pub(crate) detach: Key,
    pub(crate) take_over: Key,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            read_only: false,
            detach: Key::DETACH,
            take_over: Key::TAKE_OVER,
        }
    }
}

/// How an attachment ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The user pressed the detach key.
    Detached,
    /// Somebody asked this process to end.
    Signalled(Signal),
    /// The user's terminal is gone.
    TerminalClosed,
    /// The program has exited.
    Exited(Exit),
    /// The agent closed the connection, or it broke.
    Lost {
        /// What the agent refused last, or what is wrong with the connection, if anything is known.
        why: Option<String>,
    },
}

/// One attachment, over one connection after the other.
pub(crate) struct Viewing<'a> {
    tty: &'a Tty,
    manner: Manner,
    signals: Signals,
    display: Display,
    requests: Requests,
    attached: Vec<Attached>,
    lending: Lending,
    keys: Keys,
    /// On its way to the terminal. Nothing more is received before it has arrived: the agent notices who is slow.
    out: Vec<u8>,
    /// Received since the last acknowledgement.
    unacknowledged: u64,
    /// A snapshot is on its way; output before it is part of it.
    awaits_snapshot: bool,
    key_deadline: Option<Instant>,
    redraw_at: Option<Instant>,
    leave_at: Option<Instant>,
    exit: Option<Exit>,
    refusal: Option<String>,
}

impl<'a> Viewing<'a> {
    pub(crate) fn new(tty: &'a Tty, manner: Manner, requests: Requests) -> io::Result<Self> {
        Ok(Self {
            tty,
            manner,
            signals: Signals::new()?,
            display: Display::new(tty.size()),
            requests,
            attached: Vec::new(),
            lending: Lending::new(tty)?,
            keys: Keys::default(),
            out: Vec::new(),
            unacknowledged: 0,
            awaits_snapshot: true,
            key_deadline: None,
            redraw_at: None,
            leave_at: None,
            exit: None,
            refusal: None,
        })
    }

    /// Gives what the program asked and was not done.
    pub(crate) const fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Views over a connection until something ends it. Fails when the terminal does.
    pub(crate) async fn run(&mut self, mut viewer: Viewer) -> io::Result<Ending> {
        self.lending.take_back(self.tty)?;
        self.awaits_snapshot = true;
        self.unacknowledged = 0;
        self.redraw_at = None;
        // It may have changed since the attachment was asked for.
        viewer.resize(self.tty.size());
        let mut typed = vec![0; 16 * 1024];
        let ending = loop {
            let lend_at = self.lend(&mut viewer);
            let is_lent = self.lending.is_lent();
            tokio::select! {
                message = viewer.receiver.recv(), if self.out.is_empty() => match message {
                    Ok(Some(Message::Ended) | None) => break self.closed(),
                    Ok(Some(Message::Typed { bytes })) => {
                        self.lending.take_back(self.tty)?;
                        if self.typed(&mut viewer, &bytes) {
                            break Ending::Detached;
                        }
                    }
                    Ok(Some(message)) => {
                        let was_lent = self.lending.take_back(self.tty)?;
                        self.take(&mut viewer, message, was_lent);
                    }
                    Err(error) => {
                        self.refusal.get_or_insert(error.to_string());
                        break self.closed();
                    }
                },
                // That the agent has closed is received.
                _ = viewer.sender.flush(), if viewer.sender.has_unsent() => {}
                written = self.tty.write(&self.out), if !self.out.is_empty() => match written {
                    Ok(written) => self.wrote(&mut viewer, written),
                    Err(_) => break Ending::TerminalClosed,
                },
                read = self.lending.read(&mut typed), if !is_lent => match read {
                    Ok(0) | Err(_) => break Ending::TerminalClosed,
                    Ok(read) => if self.typed(&mut viewer, &typed[..read]) {
                        break Ending::Detached;
                    },
                },
                () = self.lending.stirs(), if is_lent => self.lending.look_later(),
                () = passed(self.lending.look_at()) => self.lending.look(self.tty)?,
                () = passed(lend_at) => {}
                heard = self.signals.next() => match heard {
                    Heard::Resized => self.resized(&mut viewer),
                    Heard::Asked(signal) => break Ending::Signalled(signal),
                },
                () = passed(self.key_deadline) => {
                    self.key_deadline = None;
                    let bytes = self.keys.give_up();
                    self.type_bytes(&mut viewer, bytes);
                }
                () = passed(self.redraw_at) => self.redraw(&mut viewer),
                () = passed(self.display.frame_deadline()) => self.display.end_frame(&mut self.out),
                () = passed(self.leave_at) => break self.closed(),
            }
        };
        viewer.close().await;
        Ok(ending)
    }

    /// Lends the terminal where there is nothing to do but to pass on; tells when it could be if it cannot yet.
    fn lend(&mut self, viewer: &mut Viewer) -> Option<Instant> {
        let passes_on = self.out.is_empty()
            && !self.awaits_snapshot
            && !self.display.is_boxed()
            && self.keys.is_at_rest()
            && self.lending.is_awake()
            && self.redraw_at.is_none()
            && self.exit.is_none();
        if self.lending.is_lent() || !passes_on || !viewer.takes_lent() {
            return None;
        }
        let not_before = self.lending.not_before();
        // A shell that got it while this process was stopped has it in its own way.
        if not_before.is_none() && self.tty.is_raw() {
            let lent = viewer.lend(self.tty, vec![self.manner.detach]);
            self.lending.lent(lent);
            return self.lending.not_before().filter(|_| !lent);
        }
        not_before
    }

    fn closed(&mut self) -> Ending {
        match self.exit {
            Some(exit) => Ending::Exited(exit),
            None => Ending::Lost {
                why: self.refusal.take(),
            },
        }
    }

    fn take(&mut self, viewer: &mut Viewer, message: Message, was_lent: bool) {
        match message {
            Message::Snapshot {
                columns,
                rows,
                bytes,
                ..
            } => {
                self.unacknowledged += bytes.len() as u64;
                self.awaits_snapshot = false;
                self.redraw_at = None;
                let size = Size { columns, rows };
                self.display.restart(size, &bytes, &mut self.out);
                self.hint();
            }
            Message::Output { bytes, .. } => {
                self.unacknowledged += bytes.len() as u64;
                // After what the agent wrote by itself this may be the rest of a sequence.
                if (!self.awaits_snapshot || was_lent)
                    && self.display.pass(&bytes, &mut self.out) == Passed::Redraw
                {
                    self.redraw(viewer);
                }
            }
            // A snapshot follows; output before it is for a size that is not shown yet.
            Message::Resized(_) => {
                self.awaits_snapshot = true;
                self.redraw_at = Some(Instant::now() + SNAPSHOT_DEADLINE);
            }
            Message::Viewers(viewers) => {
                self.attached = viewers.attached;
                self.hint();
            }
            Message::Asked(asked) => self.requests.take(&asked, &mut self.out),
            Message::Exited(exited) => {
                self.exit = Some(exited.exit);
                self.leave_at = Some(Instant::now() + EXIT_DEADLINE);
            }
            // The program does not read: what was typed is lost, and the user is told as a terminal tells it.
            Message::Refused(refused) if refused.code == Refusal::InputFull => self.out.push(0x07),
            Message::Refused(refused) if refused.code == Refusal::ReadOnly => {}
            Message::Refused(refused) if refused.code == Refusal::NotLent => viewer.lend_no_more(),
            Message::Refused(refused) => self.refusal = Some(refused.message),
            _ => {}
        }
        self.acknowledge(viewer);
    }

    fn redraw(&mut self, viewer: &mut Viewer) {
        self.awaits_snapshot = true;
        self.redraw_at = None;
        viewer.send(&Message::Redraw(Redraw { history_lines: 0 }));
    }

    fn resized(&mut self, viewer: &mut Viewer) {
        let size = self.tty.size();
        viewer.resize(size);
        self.display.resize(size, &mut self.out);
        // Where this viewer decides, the terminal takes the size and a snapshot comes by itself.
        let another_decides = self
            .attached
            .iter()
            .any(|attached| attached.decides && !attached.you);
        if self.manner.read_only || another_decides {
            self.redraw(viewer);
        } else {
            self.redraw_at = Some(Instant::now() + SNAPSHOT_DEADLINE);
        }
    }

    /// Says on the last row why the picture is not as large as the terminal.
    fn hint(&mut self) {
        if self.display.is_boxed() {
            let Size { columns, rows } = self.display.picture();
            let decider = self
                .attached
                .iter()
                .find(|attached| attached.decides && !attached.you);
            let mut hint = format!("{columns}x{rows}");
            if let Some(decider) = decider {
                let place = match decider.place.as_str() {
                    "" => "another viewer",
                    place => place,
                };
                hint.push_str(&format!(", the size of {place}"));
            }
            if self.manner.read_only {
                hint.push_str(" · read-only");
            } else if decider.is_some() {
                hint.push_str(&format!(" · {} takes over", self.manner.take_over));
            }
            hint.push_str(&format!(" · {} detaches", self.manner.detach));
            self.display.hint(hint, &mut self.out);
        }
    }

    fn wrote(&mut self, viewer: &mut Viewer, written: usize) {
        self.out.drain(..written);
        if self.out.is_empty() {
            // A snapshot may have been large; an idle attachment holds little.
            self.out.shrink_to(64 * 1024);
        }
        self.acknowledge(viewer);
    }

    fn acknowledge(&mut self, viewer: &mut Viewer) {
        if self.out.is_empty() && self.unacknowledged >= ACKNOWLEDGED_AT_ONCE {
            let bytes = std::mem::take(&mut self.unacknowledged);
            viewer.send(&Message::Ack(Ack { bytes }));
        }
    }

    /// Passes on what was typed; tells whether the detach key was among it.
    fn typed(&mut self, viewer: &mut Viewer, bytes: &[u8]) -> bool {
        let Manner {
            read_only,
            detach,
            take_over,
        } = self.manner;
        // Where there is nothing to take over, that key is the program's.
        let wanted = if self.display.is_boxed() && !read_only {
            &[detach, take_over][..]
        } else {
            &[detach]
        };
        let typed = self.keys.read(bytes, wanted);
        self.key_deadline = self
            .keys
            .is_waiting()
            .then(|| Instant::now() + KEY_DEADLINE);
        for typed in typed {
            match typed {
                Typed::Bytes(bytes) => self.type_bytes(viewer, bytes),
                Typed::Key(key) if key == detach => return true,
                Typed::Key(_) => viewer.send(&Message::TakeOver),
            }
        }
        false
    }

    fn type_bytes(&self, viewer: &mut Viewer, bytes: Vec<u8>) {
        if !bytes.is_empty() && !self.manner.read_only {
            viewer.send(&Message::Input { bytes });
        }
    }
}
