//! What viewers and readers are shown, whose size counts, and who types.

use std::time::Instant;

use stratavore_wire::history::{plain, tail};
use stratavore_wire::{
    Asked, Attach, Attached, GetHistory, Message, Refusal, Resize, Resized, Role, Viewers,
};

use super::{Agent, ECHO, FRAME_TIMEOUT, GATHER, INPUT_MAX};
use crate::peer::{Follow, Viewer, Wanted};
use crate::screen::{SNAPSHOT_MAX, Size};

/// A piece of history in one message.
const HISTORY_PIECE: usize = 256 * 1024;
/// A reader of history that has not taken this much is sent no more until it has.
const UNREAD_MAX: usize = 256 * 1024;
/// History in a snapshot; the screen has as much room again.
const PAST_MAX: usize = SNAPSHOT_MAX / 2;

impl Agent {
    // Sizes.

    pub(super) fn attach(&mut self, index: usize, attach: Attach) {
        self.activity += 1;
        let size = Size::bounded(attach.columns, attach.rows);
        let viewer = Viewer::new(attach.place, size, attach.read_only, self.activity);
        self.parts.peers[index].viewer = Some(viewer);
        self.unfit = true;
    }

    pub(super) fn viewer_resized(&mut self, index: usize, resize: &Resize) {
        if let Some(viewer) = &mut self.parts.peers[index].viewer {
            viewer.size = Size::bounded(resize.columns, resize.rows);
            self.unfit = true;
        }
    }

    pub(super) fn take_over(&mut self, index: usize) {
        match &mut self.parts.peers[index].viewer {
            Some(viewer) if viewer.read_only => self.refuse(
                index,
                Refusal::ReadOnly,
                "this attachment is read-only and decides no size: attach again without --read-only",
            ),
            Some(viewer) => {
                self.activity += 1;
                viewer.activity = self.activity;
                self.unfit = true;
            }
            None => self.refuse(
                index,
                Refusal::OutOfTurn,
                "take-over came before attach: attach first",
            ),
        }
    }

    /// Gives the viewer whose size the terminal has: the one that typed, attached or took over last.
    fn decides(&self) -> Option<u64> {
        self.parts
            .peers
            .iter()
            .filter(|peer| !peer.gone)
            .filter_map(|peer| Some((peer.id, peer.viewer.as_ref()?)))
            .filter(|(_, viewer)| !viewer.read_only)
            .max_by_key(|(_, viewer)| viewer.activity)
            .map(|(id, _)| id)
    }

    /// Gives the terminal the size of the viewer that decides.
    pub(super) fn fit(&mut self) {
        let Some(decides) = self.decides() else {
            return;
        };
        let size = self
            .parts
            .peers
            .iter()
            .find(|peer| peer.id == decides)
            .and_then(|peer| peer.viewer.as_ref())
            .map(|viewer| viewer.size);
        let Some(size) = size.filter(|size| *size != self.screen.size()) else {
            return;
        };
        if self.parts.pty.resize(size).is_err() {
            return;
        }
        self.screen.resize(size);
        self.keep_scrolled();
        if let Some(recording) = &mut self.recording {
            recording.resize(size, Instant::now());
        }
        self.write_recording();
        for peer in &mut self.parts.peers {
            if peer.role == Some(Role::Supervisor) || peer.viewer.is_some() {
                peer.send_gathered();
                peer.send(&Message::Resized(Resized {
                    columns: size.columns,
                    rows: size.rows,
                }));
            }
            if let Some(viewer) = &mut peer.viewer {
                // No two terminals wrap their lines anew alike.
                viewer.want(Wanted::Screen);
            }
        }
    }

    /// Tells viewers and supervisors who looks on, when that has changed.
    pub(super) fn tell_company(&mut self) {
        let viewers = self.viewers();
        if viewers == self.told_viewers {
            return;
        }
        self.told_viewers = viewers.clone();
        let mut place = 0;
        for peer in &mut self.parts.peers {
            let mut viewers = viewers.clone();
            if peer.viewer.is_some() {
                viewers.attached[place].you = true;
                place += 1;
            } else if peer.role != Some(Role::Supervisor) {
                continue;
            }
            peer.send(&Message::Viewers(viewers));
        }
    }

    /// Describes who looks on.
    pub(super) fn viewers(&self) -> Viewers {
        let decides = self.decides();
        let attached: Vec<Attached> = self
            .parts
            .peers
            .iter()
            .filter_map(|peer| {
                let viewer = peer.viewer.as_ref()?;
                Some(Attached {
                    place: viewer.place.clone(),
                    columns: viewer.size.columns,
                    rows: viewer.size.rows,
                    read_only: viewer.read_only,
                    decides: decides == Some(peer.id),
                    you: false,
                })
            })
            .collect();
        let read_only = attached.iter().filter(|viewer| viewer.read_only).count();
        Viewers {
            count: attached.len() as u32,
            read_only: read_only as u32,
            attached,
        }
    }

    // Typing.

    pub(super) fn type_in(&mut self, index: usize, bytes: Vec<u8>) {
        let peer = &mut self.parts.peers[index];
        if let Some(viewer) = &mut peer.viewer {
            if viewer.read_only {
                peer.refuse(
                    Refusal::ReadOnly,
                    "this attachment is read-only: attach again without --read-only to type",
                );
                return;
            }
            // Of the one that types already all is known.
            if viewer.activity != self.activity {
                self.activity += 1;
                viewer.activity = self.activity;
                self.unfit = true;
            }
        }
        let id = peer.id;
        if self.input.len() + self.paste.held() + bytes.len() > INPUT_MAX {
            self.refuse(
                index,
                Refusal::InputFull,
                "the program does not read its input: what was typed is dropped",
            );
            return;
        }
        let now = Instant::now();
        self.typed_at = Some(now);
        self.paste.take(id, bytes, now, &mut self.input);
    }

    // Showing.

    /// Passes on what the program asks of whoever looks on: a clipboard is the affair of the one who uses the terminal,
    /// and a notice that of everybody.
    pub(super) fn ask(&mut self, asked: Asked) {
        let decides = self.decides();
        let message = Message::Asked(asked);
        let personal = matches!(message, Message::Asked(Asked::Clipboard { .. }));
        for peer in &mut self.parts.peers {
            if peer.viewer.is_some() && peer.keeps_up() && (!personal || decides == Some(peer.id)) {
                peer.send_gathered();
                peer.send(&message);
            }
        }
    }

    pub(super) fn gathered(&self) -> bool {
        self.parts
            .peers
            .iter()
            .any(|peer| peer.viewer.as_ref().is_some_and(Viewer::has_gathered))
    }

    pub(super) fn someone_waits(&self) -> bool {
        self.parts
            .peers
            .iter()
            .any(|peer| peer.wants_screen.is_some() || peer.takes_snapshot())
    }

    /// Sends output that has gathered, history that is followed, and snapshots and screens that are waited for.
    pub(super) fn show(&mut self) {
        let now = Instant::now();
        let echo = self
            .typed_at
            .is_some_and(|typed| now.duration_since(typed) < ECHO);
        if self
            .gathering_since
            .is_some_and(|since| echo || now >= since + GATHER)
        {
            for peer in &mut self.parts.peers {
                peer.send_gathered();
            }
            self.gathering_since = None;
        }
        self.send_followed(false);
        for peer in &mut self.parts.peers {
            peer.catch_up();
        }
        let half_drawn = self
            .frame_since
            .is_some_and(|since| now < since + FRAME_TIMEOUT);
        if half_drawn || !self.someone_waits() {
            return;
        }
        let size = self.screen.size();
        for index in 0..self.parts.peers.len() {
            if let Some(ansi) = self.parts.peers[index].wants_screen.take() {
                let bytes = if ansi {
                    self.snapshot(0).0
                } else {
                    self.screen.text().into_bytes()
                };
                self.parts.peers[index].send(&Message::Screen { ansi, bytes });
            }
            if !self.parts.peers[index].takes_snapshot() {
                continue;
            }
            let viewer = self.parts.peers[index].viewer.as_ref();
            if let Some(wants) = viewer.and_then(|viewer| viewer.wants) {
                let (bytes, past) = self.snapshot(match wants {
                    Wanted::Screen => 0,
                    Wanted::History(lines) => lines,
                });
                self.parts.peers[index].send_snapshot(self.position, size, bytes, past);
            }
        }
    }

    /// Draws the screen, after so many lines of history where both fit; gives how many bytes of it are those.
    pub(super) fn snapshot(&mut self, lines: u32) -> (Vec<u8>, usize) {
        if lines > 0 {
            let mut history = self.history.last(lines);
            if history.len() > PAST_MAX {
                let excess = history.len() - PAST_MAX;
                let cut = history[excess..].iter().position(|byte| *byte == b'\n');
                history.drain(..cut.map_or(history.len(), |at| excess + at + 1));
            }
            let bytes = self.screen.snapshot(Some(&history));
            if bytes.len() <= SNAPSHOT_MAX {
                return (bytes, history.len());
            }
        }
        (self.screen.snapshot(None), 0)
    }

    // History.

    pub(super) fn give_history(&mut self, index: usize, get: &GetHistory) {
        if get.follow {
            let end = self.history.end();
            let position = match get.lines {
                None => 0,
                Some(lines) => end - self.history.last(lines).len() as u64,
            };
            self.parts.peers[index].follows = Some(Follow {
                ansi: get.ansi,
                position,
            });
            return;
        }
        let lines = get.lines.unwrap_or(u32::MAX);
        let mut history = self.history.last(lines);
        history.extend_from_slice(&self.screen.painted());
        let mut rest = tail(&history, lines as usize);
        loop {
            let cut = if rest.len() <= HISTORY_PIECE {
                rest.len()
            } else {
                rest[..HISTORY_PIECE]
                    .iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(HISTORY_PIECE, |at| at + 1)
            };
            let (piece, after) = rest.split_at(cut);
            rest = after;
            self.parts.peers[index].send(&history_piece(get.ansi, piece, rest.is_empty()));
            if rest.is_empty() {
                break;
            }
        }
    }

    /// Sends followers of the history what is new in it, as far as they take it; the last piece when it is `over`.
    pub(super) fn send_followed(&mut self, over: bool) {
        for peer in &mut self.parts.peers {
            while peer.unsent() < UNREAD_MAX {
                let Some(follow) = &mut peer.follows else {
                    break;
                };
                let ansi = follow.ansi;
                let (piece, end) = self.history.since(follow.position, HISTORY_PIECE);
                follow.position = end;
                if piece.is_empty() {
                    if over {
                        peer.follows = None;
                        peer.send(&history_piece(ansi, b"", true));
                        peer.send(&Message::Ended);
                    }
                    break;
                }
                peer.send(&history_piece(ansi, &piece, false));
            }
        }
    }
}

fn history_piece(ansi: bool, lines: &[u8], last: bool) -> Message {
    Message::History {
        ansi,
        last,
        bytes: if ansi { lines.to_vec() } else { plain(lines) },
    }
}
