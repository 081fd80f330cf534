//! Exits, stops, pauses, the end.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stratavore_wire::record::{RECORD_VERSION, SCREEN_FILE, SCREEN_TEXT_FILE};
use stratavore_wire::{End, Exit, ExitRecord, Exited, Frozen, Message, Refusal, Role, Stopped};

use super::Agent;
use crate::clock;
use crate::peer::Peer;
use crate::place::Durability;
use crate::tree::{Reaped, reap};

/// Between two rounds of killing what may have been born meanwhile; doubled each time, for what hangs in the kernel.
const RESCAN: Duration = Duration::from_millis(10);
/// The longest time between two such rounds.
const RESCAN_MAX: Duration = Duration::from_secs(1);
/// Between two tries to record an exit.
const RECORD_AGAIN: Duration = Duration::from_secs(1);
/// What an exited program left behind has this long to end by itself.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);
/// Read from the terminal after the exit: a daemon of the program may write for ever.
const DRAIN_MAX: usize = 16 * 1024 * 1024;
/// At the end, peers that take nothing of what they are told for this long are left.
const FAREWELL: Duration = Duration::from_secs(1);
/// However slowly they take it, the end comes by then.
const FAREWELL_MAX: Duration = Duration::from_secs(10);

/// A stop in progress.
#[derive(Debug)]
pub(super) struct Stopping {
    pub(super) kill_at: Instant,
    pub(super) killed: u32,
    /// When to look again after a kill.
    pub(super) rescan: Duration,
}

/// An exit that a full disk did not take.
#[derive(Debug)]
pub(super) struct Unrecorded {
    record: ExitRecord,
    pub(super) again_at: Instant,
}

impl Agent {
    pub(super) fn reap(&mut self) {
        loop {
            match reap() {
                Reaped::Ended(pid, exit)
                    if pid == self.parts.program.pid && self.exited.is_none() =>
                {
                    self.note_exit(exit);
                }
                Reaped::Ended(..) => {}
                Reaped::Waiting => {
                    self.tree_empty = false;
                    if self.exited.is_some() && !self.parts.launch.keep_descendants {
                        // A child is there that a look at the tree may have missed.
                        self.stop_leftovers();
                    }
                    return;
                }
                Reaped::Nothing => {
                    self.tree_empty = true;
                    return;
                }
            }
        }
    }

    pub(super) fn note_exit(&mut self, exit: Exit) {
        let at = clock::now();
        self.read_terminal(&mut vec![0; 16 * 1024], DRAIN_MAX);
        let leftovers = self.parts.tree.descendants().len() as u32;
        let stopped = self.stopping.is_some();
        let end = if self.interrupted {
            End::Interrupted { exit }
        } else if stopped {
            End::Stopped { exit }
        } else {
            End::Exited { exit }
        };
        let record = ExitRecord {
            version: RECORD_VERSION,
            runner_id: self.parts.launch.runner_id.clone(),
            attempt: self.parts.launch.attempt,
            at,
            end,
            leftovers,
        };
        self.record_exit(record);
        // Only now: on a disk that is nearly full the exit comes first.
        self.save_screen();
        let exited = Exited {
            exit,
            at,
            stopped,
            interrupted: self.interrupted,
            leftovers,
        };
        self.exited = Some(exited.clone());
        self.tell_all(&Message::Exited(exited));
        if leftovers > 0 && !self.parts.launch.keep_descendants {
            self.stop_leftovers();
        }
    }

    fn stop_leftovers(&mut self) {
        if self.stopping.is_none() {
            self.stop(LEFTOVER_GRACE);
        }
    }

    /// Records the exit, again and again while the disk does not take it: nobody else knows of it.
    fn record_exit(&mut self, record: ExitRecord) {
        self.unrecorded = self.parts.place.record_exit(&record).err().map(|error| {
            self.note(&format!("record the exit yet: {error}"));
            Unrecorded {
                record,
                again_at: Instant::now() + RECORD_AGAIN,
            }
        });
    }

    /// Begins to end the whole tree; a stop that has begun can only be hastened.
    pub(super) fn stop(&mut self, grace: Duration) {
        let kill_at = Instant::now() + grace.min(Duration::from_secs(24 * 3600));
        if let Some(stopping) = &mut self.stopping {
            stopping.kill_at = stopping.kill_at.min(kill_at);
            return;
        }
        self.stopping = Some(Stopping {
            kill_at,
            killed: 0,
            rescan: RESCAN,
        });
        self.parts.tree.terminate(self.parts.pty.foreground());
        if self.frozen {
            self.frozen = false;
            self.tell_supervisors(&Message::Frozen(Frozen {
                frozen: false,
                at: clock::now(),
                processes: 0,
            }));
        }
    }

    pub(super) fn freeze(&mut self, index: usize, freeze: bool) {
        if self.stopping.is_some() || self.exited.is_some() {
            self.refuse(
                index,
                Refusal::OutOfTurn,
                "the program is ending: it can be neither paused nor continued",
            );
            return;
        }
        let processes = if freeze {
            self.parts.tree.freeze()
        } else {
            self.parts.tree.thaw()
        };
        self.frozen = freeze;
        let message = Message::Frozen(Frozen {
            frozen: freeze,
            at: clock::now(),
            processes,
        });
        if self.parts.peers[index].role != Some(Role::Supervisor) {
            self.parts.peers[index].send(&message);
        }
        self.tell_supervisors(&message);
    }

    pub(super) fn keep_deadlines(&mut self) {
        let now = Instant::now();
        if let Some(stopping) = &mut self.stopping
            && now >= stopping.kill_at
        {
            stopping.killed += self.parts.tree.kill();
            stopping.kill_at = now + stopping.rescan;
            stopping.rescan = (stopping.rescan * 2).min(RESCAN_MAX);
            self.reap();
        }
        if let Some(unrecorded) = self
            .unrecorded
            .take_if(|unrecorded| now >= unrecorded.again_at)
        {
            self.record_exit(unrecorded.record);
        }
        self.paste.expire(now, &mut self.input);
        if now >= self.beat_at && self.has_supervisor() {
            self.beat(now);
        }
    }

    fn save_screen(&mut self) {
        let snapshot = self.snapshot(0).0;
        let text = self.screen.text();
        // A full disk loses the last screen, not the exit.
        let _ = self
            .parts
            .place
            .write(SCREEN_FILE, &snapshot, Durability::Process);
        let _ = self
            .parts
            .place
            .write(SCREEN_TEXT_FILE, text.as_bytes(), Durability::Process);
    }

    pub(super) fn finish(&mut self) {
        self.read_terminal(&mut vec![0; 16 * 1024], DRAIN_MAX);
        self.save_screen();
        let last = self.screen.painted();
        self.history.append(false, &last);
        if let Some(stopping) = self.stopping.take() {
            self.tell_all(&Message::Stopped(Stopped {
                at: clock::now(),
                killed: stopping.killed,
            }));
        }
        // Who is told of the end finds nobody there any more.
        let _ = std::fs::remove_file(&self.parts.launch.socket);
        for peer in &mut self.parts.peers {
            // Who follows the history is told when it has all of it.
            if peer.role.is_some() && peer.follows.is_none() {
                peer.send_gathered();
                peer.send(&Message::Ended);
            }
        }
        self.take_leave();
    }

    /// Waits until peers have taken what they were told and what they follow.
    fn take_leave(&mut self) {
        let last = Instant::now() + FAREWELL_MAX;
        let mut deadline = Instant::now() + FAREWELL;
        loop {
            let before: usize = self.parts.peers.iter().map(Peer::unsent).sum();
            for peer in &mut self.parts.peers {
                peer.flush();
            }
            self.send_followed(true);
            self.parts
                .peers
                .retain(|peer| !peer.gone && (peer.unsent() > 0 || peer.follows.is_some()));
            let after: usize = self.parts.peers.iter().map(Peer::unsent).sum();
            if before != after {
                deadline = Instant::now() + FAREWELL;
            }
            let left = deadline.min(last).saturating_duration_since(Instant::now());
            if self.parts.peers.is_empty() || left.is_zero() {
                break;
            }
            let timeout = Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds: Vec<_> = self
                .parts
                .peers
                .iter()
                .map(|peer| PollFd::from_borrowed_fd(peer.as_fd(), PollFlags::OUT))
                .collect();
            let _ = poll(&mut fds, Some(&timeout));
        }
    }
}
