//! The agent's loop: waits for descriptors and deadlines, and acts on them.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stratavore_wire::history::plain;
use stratavore_wire::record::{RECORD_VERSION, SCREEN_FILE, SCREEN_TEXT_FILE};
use stratavore_wire::{
    Attach, End, Exit, ExitRecord, Exited, Frozen, GetHistory, Heartbeat, Hello, LaunchSpec,
    Message, ProgramState, Refusal, Resized, Role, Stopped, Viewers, Welcome,
};

use crate::clock;
use crate::history::History;
use crate::paste::Paste;
use crate::peer::{GREETING_TIMEOUT, Peer, Viewer, Wanted};
use crate::place::{Durability, Place};
use crate::pty::Pty;
use crate::screen::{Screen, Size};
use crate::signals::Signals;
use crate::tree::{Reaped, Tree, reap};

/// Names this build to peers.
pub const SOFTWARE: &str = concat!("stratavore-agent ", env!("CARGO_PKG_VERSION"));

/// Output gathers this long before it is sent: a redraw comes in many writes.
const GATHER: Duration = Duration::from_millis(4);
/// Output this soon after input is what the person waits for.
const ECHO: Duration = Duration::from_millis(50);
/// A frame that is not ended by then is shown half drawn, as terminals do.
const FRAME_TIMEOUT: Duration = Duration::from_millis(150);
/// Between two rounds of killing what may have been born meanwhile.
const RESCAN: Duration = Duration::from_millis(10);
/// What an exited program left behind has this long to end by itself.
const LEFTOVER_GRACE: Duration = Duration::from_secs(2);
/// When the first heartbeat comes, so that a person who launches sees soon what it takes.
const FIRST_BEAT: Duration = Duration::from_secs(1);
/// A machine that shuts down waits longer than this.
const TERMINATE_GRACE: Duration = Duration::from_secs(5);
/// At the end, peers that do not take what they are told are waited for this long.
const FAREWELL: Duration = Duration::from_secs(1);
/// Connections beside these are refused at once.
const PEERS_MAX: usize = 64;
/// Input waits for a program that does not read, up to this.
const INPUT_MAX: usize = 1024 * 1024;
/// Read from the terminal in one round, before anything else gets its turn.
const ROUND_MAX: usize = 256 * 1024;
/// Read from the terminal after the exit: a daemon of the program may write for ever.
const DRAIN_MAX: usize = 16 * 1024 * 1024;
/// A piece of history in one message.
const HISTORY_PIECE: usize = 256 * 1024;
/// Lines of scrollback in a snapshot; the rest is asked for.
const SCROLLBACK_LINES: u32 = 1000;
/// A snapshot that is longer does not fit a frame with certainty.
const SNAPSHOT_MAX: usize = 3 * 1024 * 1024;

/// Everything that start-up made.
pub struct Parts {
    /// What was asked for; without its environment.
    pub launch: LaunchSpec,
    /// The attempt's directory and lock.
    pub place: Place,
    /// The running program.
    pub program: ProgramState,
    /// Its terminal.
    pub pty: Pty,
    /// Its tree.
    pub tree: Tree,
    /// Where peers connect.
    pub listener: UnixListener,
    /// `SIGCHLD` and others.
    pub signals: Signals,
    /// Connections from before: the supervisor's, and those that came during start-up.
    pub peers: Vec<Peer>,
}

/// A stop in progress.
#[derive(Debug)]
struct Stopping {
    kill_at: Instant,
    killed: u32,
    /// It was asked for, rather than follow from an exit.
    asked: bool,
}

/// Owns one running program.
pub struct Agent {
    parts: Parts,
    screen: Screen,
    history: History,
    /// Bytes that the program ever wrote.
    position: u64,
    input: VecDeque<u8>,
    paste: Paste,
    typed_at: Option<Instant>,
    gathering_since: Option<Instant>,
    frame_since: Option<Instant>,
    activity: u64,
    /// Another size may be due; of a storm of sizes only the last counts.
    unfit: bool,
    next_peer: u64,
    frozen: bool,
    stopping: Option<Stopping>,
    interrupted: bool,
    exited: Option<Exited>,
    tree_empty: bool,
    beat_at: Instant,
    beaten: (Instant, u64),
    reported_viewers: Viewers,
}

impl Agent {
    /// Takes over a program that was just executed.
    pub fn new(parts: Parts) -> Self {
        let size = Size::bounded(parts.launch.columns, parts.launch.rows);
        let history = History::new(parts.place.directory(), parts.launch.history_lines);
        let now = Instant::now();
        let next_peer = parts
            .peers
            .iter()
            .map(|peer| peer.id + 1)
            .max()
            .unwrap_or(0);
        Self {
            screen: Screen::new(size),
            history,
            position: 0,
            input: VecDeque::new(),
            paste: Paste::default(),
            typed_at: None,
            gathering_since: None,
            frame_since: None,
            activity: 0,
            unfit: false,
            next_peer,
            frozen: false,
            stopping: None,
            interrupted: false,
            exited: None,
            tree_empty: false,
            beat_at: now + Duration::from_millis(parts.launch.heartbeat_ms).min(FIRST_BEAT),
            beaten: (now, 0),
            reported_viewers: Viewers {
                count: 0,
                read_only: 0,
            },
            parts,
        }
    }

    /// Runs until the program has ended and nothing is left of it, or what is left may live on.
    pub fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        // What happened before the signals were awaited.
        self.reap();
        while !self.is_over() {
            self.wait()?;
            let arrived = self.parts.signals.take();
            self.read_terminal(&mut buffer, ROUND_MAX);
            if arrived.child {
                self.reap();
            }
            if arrived.terminate {
                // Nobody of ours asks so: the machine or the login session goes down.
                self.interrupted = self.interrupted || self.stopping.is_none();
                self.stop(TERMINATE_GRACE, true);
            }
            self.accept();
            self.hear(&mut buffer);
            self.part();
            if std::mem::take(&mut self.unfit) {
                self.fit();
            }
            self.write_terminal();
            self.keep_deadlines();
            self.show();
        }
        self.finish();
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.exited.is_some()
            && (self.tree_empty || (self.parts.launch.keep_descendants && self.stopping.is_none()))
    }

    fn wait(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let timeout = self.deadline().map(|deadline| {
            let left = deadline.saturating_duration_since(now);
            Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            }
        });
        let terminal = if self.input.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::IN | PollFlags::OUT
        };
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.parts.signals.as_fd(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.parts.pty.as_fd(), terminal),
            PollFd::from_borrowed_fd(self.parts.listener.as_fd(), PollFlags::IN),
        ];
        for peer in &self.parts.peers {
            let interest = if peer.unsent() > 0 {
                PollFlags::IN | PollFlags::OUT
            } else {
                PollFlags::IN
            };
            fds.push(PollFd::from_borrowed_fd(peer.as_fd(), interest));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Gives the next moment at which something is to be done though nothing happens; there is none when nobody looks on.
    fn deadline(&self) -> Option<Instant> {
        let beat = self.has_supervisor().then_some(self.beat_at);
        let kill = self.stopping.as_ref().map(|stopping| stopping.kill_at);
        let gathered = self.gathering_since.map(|since| since + GATHER);
        let frame = if self.someone_waits() {
            self.frame_since.map(|since| since + FRAME_TIMEOUT)
        } else {
            None
        };
        let greeting = self
            .parts
            .peers
            .iter()
            .filter(|peer| peer.role.is_none())
            .map(|peer| peer.since + GREETING_TIMEOUT)
            .min();
        [beat, kill, gathered, frame, greeting, self.paste.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    fn has_supervisor(&self) -> bool {
        self.parts
            .peers
            .iter()
            .any(|peer| peer.role == Some(Role::Supervisor))
    }

    fn someone_waits(&self) -> bool {
        self.parts.peers.iter().any(|peer| {
            peer.wants_screen.is_some()
                || peer
                    .viewer
                    .as_ref()
                    .is_some_and(|viewer| viewer.wants.is_some())
        })
    }

    // The terminal.

    fn read_terminal(&mut self, buffer: &mut [u8], max: usize) {
        let mut read = 0;
        while read < max {
            match self.parts.pty.read(buffer) {
                Ok(0) => break,
                Ok(count) => {
                    read += count;
                    self.take_output(&buffer[..count]);
                    if count < 512 {
                        // That was likely all; the poll tells when not.
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if read > 0 {
            let (erased, lines) = self.screen.take_scrolled();
            self.history.append(erased, &lines);
        }
    }

    fn take_output(&mut self, bytes: &[u8]) {
        self.screen.feed(bytes);
        let answers = self.screen.take_answers();
        self.input.extend(answers);
        for peer in &mut self.parts.peers {
            peer.show(self.position, bytes);
        }
        self.position += bytes.len() as u64;
        let now = Instant::now();
        match (self.screen.in_frame(), self.frame_since) {
            (true, None) => self.frame_since = Some(now),
            (false, Some(_)) => self.frame_since = None,
            _ => {}
        }
        if self.gathering_since.is_none() && self.gathered() {
            self.gathering_since = Some(now);
        }
    }

    fn gathered(&self) -> bool {
        self.parts
            .peers
            .iter()
            .any(|peer| peer.viewer.as_ref().is_some_and(Viewer::has_gathered))
    }

    fn write_terminal(&mut self) {
        while !self.input.is_empty() {
            let (first, _) = self.input.as_slices();
            match self.parts.pty.write(first) {
                Ok(0) => break,
                Ok(written) => drop(self.input.drain(..written)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // Nobody will ever read it.
                Err(_) => self.input.clear(),
            }
        }
        if self.input.is_empty() {
            self.input.shrink_to(4096);
        }
    }

    // Peers.

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.parts.listener.accept() {
            let now = Instant::now();
            let id = self.next_peer;
            self.next_peer += 1;
            let Ok(mut peer) = Peer::new(id, stream, now) else {
                continue;
            };
            if !is_ours(&peer) {
                peer.refuse(Refusal::WrongUser, "this runner belongs to another user");
                continue;
            }
            if self.parts.peers.len() >= PEERS_MAX {
                // A stranger that says nothing makes room before a peer is turned away.
                match self.parts.peers.iter().position(|peer| peer.role.is_none()) {
                    Some(stranger) => drop(self.parts.peers.remove(stranger)),
                    None => {
                        peer.refuse(
                            Refusal::TooManyPeers,
                            "too many are connected to this runner: close some viewers",
                        );
                        continue;
                    }
                }
            }
            self.parts.peers.push(peer);
        }
    }

    fn hear(&mut self, buffer: &mut [u8]) {
        for index in 0..self.parts.peers.len() {
            self.parts.peers[index].receive(buffer);
            while let Some(message) = self.parts.peers[index].take_message() {
                self.handle(index, message);
            }
            self.parts.peers[index].flush();
        }
    }

    fn handle(&mut self, index: usize, message: Message) {
        let Some(role) = self.parts.peers[index].role else {
            match message {
                Message::Hello(hello) => self.greet(index, &hello),
                other => {
                    let peer = &mut self.parts.peers[index];
                    let text = format!("{} came before hello: greet first", other.name());
                    peer.refuse(Refusal::OutOfTurn, text);
                    peer.leaving = true;
                }
            }
            return;
        };
        match message {
            Message::Attach(attach) => self.attach(index, &attach),
            Message::Resize(resize) => {
                if let Some(viewer) = &mut self.parts.peers[index].viewer {
                    viewer.size = Size::bounded(resize.columns, resize.rows);
                    self.unfit = true;
                }
            }
            Message::Ack(ack) => {
                if let Some(viewer) = &mut self.parts.peers[index].viewer {
                    viewer.acknowledge(ack.bytes);
                }
            }
            Message::Input { bytes } => self.type_in(index, bytes),
            Message::GetScreen(get) => self.parts.peers[index].wants_screen = Some(get.ansi),
            Message::GetHistory(get) => self.send_history(index, &get),
            Message::Stop(_) | Message::Freeze | Message::Thaw if role == Role::Viewer => {
                self.refuse(
                    index,
                    Refusal::OutOfTurn,
                    &format!("a viewer may not {}", message.name()),
                );
            }
            Message::Stop(stop) => self.stop(Duration::from_millis(stop.grace_ms), true),
            Message::Freeze => self.freeze(index, true),
            Message::Thaw => self.freeze(index, false),
            Message::Unknown { kind, .. } => {
                self.refuse(
                    index,
                    Refusal::UnknownMessage,
                    &format!("message kind {kind:#04x} is not known to {SOFTWARE}: it needs a newer agent, which the next launch brings"),
                );
            }
            Message::Refused(_) => {}
            Message::Hello(_)
            | Message::Launch(_)
            | Message::Welcome(_)
            | Message::Started(_)
            | Message::SpawnFailed(_)
            | Message::Heartbeat(_)
            | Message::Exited(_)
            | Message::Stopped(_)
            | Message::Frozen(_)
            | Message::Ended
            | Message::Resized(_)
            | Message::Viewers(_)
            | Message::Output { .. }
            | Message::Snapshot { .. }
            | Message::Screen { .. }
            | Message::History { .. } => {
                self.refuse(
                    index,
                    Refusal::OutOfTurn,
                    &format!("{} makes no sense here and now", message.name()),
                );
            }
        }
    }

    fn refuse(&mut self, index: usize, code: Refusal, text: &str) {
        self.parts.peers[index].refuse(code, text);
    }

    fn greet(&mut self, index: usize, hello: &Hello) {
        let size = self.screen.size();
        let peer = &mut self.parts.peers[index];
        let version = match hello.negotiate() {
            Ok(version) => version,
            Err(refused) => {
                peer.send(&Message::Refused(refused));
                peer.leaving = true;
                return;
            }
        };
        peer.greeted(hello);
        peer.send(&Message::Welcome(welcome(
            &self.parts.launch,
            version,
            Some(self.parts.program.clone()),
            size,
            self.frozen,
            self.stopping.is_some(),
        )));
        if hello.role == Role::Supervisor {
            self.beat_at = Instant::now();
        }
        if let Some(exited) = &self.exited {
            peer.send(&Message::Exited(exited.clone()));
        }
    }

    fn attach(&mut self, index: usize, attach: &Attach) {
        self.activity += 1;
        let size = Size::bounded(attach.columns, attach.rows);
        self.parts.peers[index].viewer = Some(Viewer::new(size, attach.read_only, self.activity));
        self.unfit = true;
    }

    /// Gives the terminal the size of the viewer that typed or attached last.
    fn fit(&mut self) {
        let decides = self
            .parts
            .peers
            .iter()
            .filter(|peer| !peer.gone)
            .filter_map(|peer| peer.viewer.as_ref())
            .filter(|viewer| !viewer.read_only)
            .max_by_key(|viewer| viewer.activity);
        let Some(size) = decides.map(|viewer| viewer.size) else {
            return;
        };
        if size == self.screen.size() || self.parts.pty.resize(size).is_err() {
            return;
        }
        self.screen.resize(size);
        let (erased, lines) = self.screen.take_scrolled();
        self.history.append(erased, &lines);
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

    fn type_in(&mut self, index: usize, bytes: Vec<u8>) {
        let peer = &mut self.parts.peers[index];
        if let Some(viewer) = &mut peer.viewer {
            if viewer.read_only {
                peer.refuse(
                    Refusal::ReadOnly,
                    "this attachment is read-only: attach again without --read-only to type",
                );
                return;
            }
            self.activity += 1;
            viewer.activity = self.activity;
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
        self.unfit = true;
    }

    fn send_history(&mut self, index: usize, get: &GetHistory) {
        let lines = get.lines.unwrap_or(u32::MAX);
        let mut history = self.history.last(lines);
        history.extend_from_slice(&self.screen.painted());
        let history = stratavore_wire::history::tail(&history, lines as usize);
        let text;
        let mut rest = if get.ansi {
            history
        } else {
            text = plain(history);
            &text
        };
        let peer = &mut self.parts.peers[index];
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
            peer.send(&Message::History {
                ansi: get.ansi,
                last: rest.is_empty(),
                bytes: piece.to_vec(),
            });
            if rest.is_empty() {
                break;
            }
        }
    }

    /// Sends output that has gathered, and snapshots and screens that are waited for.
    fn show(&mut self) {
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
            let peer = &self.parts.peers[index];
            if let Some(ansi) = peer.wants_screen {
                let bytes = if ansi {
                    self.snapshot(false)
                } else {
                    self.screen.text().into_bytes()
                };
                let peer = &mut self.parts.peers[index];
                peer.wants_screen = None;
                peer.send(&Message::Screen { ansi, bytes });
            }
            let peer = &self.parts.peers[index];
            if let Some(wants) = peer.viewer.as_ref().and_then(|viewer| viewer.wants) {
                let mut bytes = self.snapshot(peer.scrollback && wants == Wanted::All);
                bytes.extend_from_slice(&self.screen.pending());
                self.parts.peers[index].send_snapshot(self.position, size, bytes);
            }
        }
    }

    fn snapshot(&mut self, scrollback: bool) -> Vec<u8> {
        let history = scrollback.then(|| self.history.last(SCROLLBACK_LINES));
        let bytes = self.screen.snapshot(history.as_deref());
        if bytes.len() <= SNAPSHOT_MAX {
            return bytes;
        }
        let bytes = self.screen.snapshot(None);
        if bytes.len() <= SNAPSHOT_MAX {
            bytes
        } else {
            self.screen.plain_snapshot()
        }
    }

    /// Lets go of peers that left.
    fn part(&mut self) {
        let before = self.parts.peers.len();
        let now = Instant::now();
        for peer in &mut self.parts.peers {
            if peer.role.is_none() && now >= peer.since + GREETING_TIMEOUT {
                peer.gone = true;
            }
            if peer.gone {
                self.paste.left(peer.id, &mut self.input);
            }
        }
        self.parts.peers.retain(|peer| !peer.gone);
        if self.parts.peers.len() != before {
            self.unfit = true;
        }
        let viewers = self.viewers();
        if viewers != self.reported_viewers {
            self.reported_viewers = viewers.clone();
            let message = Message::Viewers(viewers);
            for peer in &mut self.parts.peers {
                if peer.role == Some(Role::Supervisor) || peer.viewer.is_some() {
                    peer.send(&message);
                }
            }
        }
    }

    fn viewers(&self) -> Viewers {
        let viewers = self
            .parts
            .peers
            .iter()
            .filter_map(|peer| peer.viewer.as_ref());
        let (mut count, mut read_only) = (0, 0);
        for viewer in viewers {
            count += 1;
            read_only += u32::from(viewer.read_only);
        }
        Viewers { count, read_only }
    }

    fn tell_supervisors(&mut self, message: &Message) {
        for peer in self
            .parts
            .peers
            .iter_mut()
            .filter(|peer| peer.role == Some(Role::Supervisor))
        {
            peer.send(message);
        }
    }

    fn tell_all(&mut self, message: &Message) {
        for peer in self
            .parts
            .peers
            .iter_mut()
            .filter(|peer| peer.role.is_some())
        {
            peer.send_gathered();
            peer.send(message);
        }
    }

    // The program and its tree.

    fn reap(&mut self) {
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
                    return;
                }
                Reaped::Nothing => {
                    self.tree_empty = true;
                    return;
                }
            }
        }
    }

    fn note_exit(&mut self, exit: Exit) {
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
        self.save_screen();
        if let Err(error) = self.parts.place.record_exit(&record) {
            // The peers are told nevertheless; without them the supervisor finds an agent that was lost.
            let note = format!("record exit: {error}\n");
            let _ = self
                .parts
                .place
                .write("agent.log", note.as_bytes(), Durability::Process);
        }
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
            self.stop(LEFTOVER_GRACE, false);
        }
    }

    /// Begins to end the whole tree; a stop that has begun can only be hastened.
    fn stop(&mut self, grace: Duration, asked: bool) {
        let kill_at = Instant::now() + grace.min(Duration::from_secs(24 * 3600));
        if let Some(stopping) = &mut self.stopping {
            stopping.kill_at = stopping.kill_at.min(kill_at);
            stopping.asked |= asked;
            return;
        }
        self.stopping = Some(Stopping {
            kill_at,
            killed: 0,
            asked,
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

    fn freeze(&mut self, index: usize, freeze: bool) {
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

    fn keep_deadlines(&mut self) {
        let now = Instant::now();
        if let Some(stopping) = &mut self.stopping
            && now >= stopping.kill_at
        {
            stopping.killed += self.parts.tree.kill();
            stopping.kill_at = now + RESCAN;
            self.reap();
        }
        self.paste.expire(now, &mut self.input);
        if now >= self.beat_at && self.has_supervisor() {
            self.beat(now);
        }
    }

    fn beat(&mut self, now: Instant) {
        let usage = self.parts.tree.usage();
        let (then, ticks) = self.beaten;
        let seconds = now.duration_since(then).as_secs_f64();
        let spent = usage.ticks.saturating_sub(ticks) as f64 / ticks_per_second();
        // A beat right after another would measure noise.
        let cpu_percent = if seconds > 0.05 {
            (100.0 * spent / seconds) as f32
        } else {
            0.0
        };
        self.beaten = (now, usage.ticks);
        self.beat_at = now + Duration::from_millis(self.parts.launch.heartbeat_ms.max(10));
        let message = Message::Heartbeat(Heartbeat {
            at: clock::now(),
            cpu_percent,
            memory_bytes: usage.memory,
            processes: usage.processes,
            viewers: self.viewers().count,
            title: self.screen.title().to_owned(),
            frozen: self.frozen,
        });
        self.tell_supervisors(&message);
    }

    // The end.

    fn save_screen(&mut self) {
        let snapshot = self.snapshot(false);
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

    fn finish(&mut self) {
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
        self.tell_all(&Message::Ended);
        let deadline = Instant::now() + FAREWELL;
        loop {
            self.parts
                .peers
                .retain(|peer| !peer.gone && peer.unsent() > 0);
            let left = deadline.saturating_duration_since(Instant::now());
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
            for peer in &mut self.parts.peers {
                peer.flush();
            }
        }
    }
}

/// Says what a peer reached.
pub fn welcome(
    launch: &LaunchSpec,
    version: u16,
    program: Option<ProgramState>,
    size: Size,
    frozen: bool,
    stopping: bool,
) -> Welcome {
    use stratavore_wire::hello::capability;
    Welcome {
        version,
        software: SOFTWARE.to_owned(),
        capabilities: [
            capability::ACK,
            capability::SCROLLBACK,
            capability::HISTORY,
            capability::FREEZE,
        ]
        .map(str::to_owned)
        .to_vec(),
        runner_id: launch.runner_id.clone(),
        attempt: launch.attempt,
        agent_pid: std::process::id() as i32,
        program,
        columns: size.columns,
        rows: size.rows,
        frozen,
        stopping,
    }
}

fn ticks_per_second() -> f64 {
    // SAFETY: always sound to call.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}

/// Says whether a peer belongs to this user.
fn is_ours(peer: &Peer) -> bool {
    rustix::net::sockopt::socket_peercred(peer)
        .is_ok_and(|credentials| credentials.uid == rustix::process::geteuid())
}

/// Gives the pid at the other end of a stream.
pub fn peer_pid(stream: &UnixStream) -> Option<i32> {
    rustix::net::sockopt::socket_peercred(stream)
        .ok()
        .map(|credentials| credentials.pid.as_raw_nonzero().get())
}
