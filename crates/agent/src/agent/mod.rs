//! The agent's loop: waits for descriptors and deadlines, and acts on them.
//!
//! | part | does |
//! |---|---|
//! | here | the loop, the terminal, heartbeats |
//! | `hooks` | what the program tells before it does something, and what it is answered |
//! | `peers` | whoever connects: greets, hears, tells |
//! | `report` | what the program says of itself |
//! | `viewing` | what viewers and readers are shown, whose size counts, who types |
//! | `ending` | exits, stops, pauses, the end |

mod ending;
mod hooks;
mod mark;
mod peers;
mod report;
mod viewing;

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stratavore_wire::{
    Asked, Exited, Heartbeat, LaunchSpec, Message, ProgramState, Report, Role, Viewers,
};

use crate::clock;
use crate::history::History;
use crate::paste::Paste;
use crate::peer::{GREETING_TIMEOUT, Peer};
use crate::place::{Durability, Place};
use crate::pty::Pty;
use crate::recording::Recording;
use crate::screen::{Effect, Screen, Selection, Size};
use crate::signals::{Arrived, Signals};
use crate::tree::Tree;
use ending::{Stopping, Unrecorded};
use hooks::Hooks;
use mark::Mark;
pub use peers::{peer_pid, welcome};
use report::Latest;

/// Output gathers this long before it is sent: a redraw comes in many writes.
const GATHER: Duration = Duration::from_millis(4);
/// Output this soon after input is what the person waits for.
const ECHO: Duration = Duration::from_millis(50);
/// A frame that is not ended by then is shown half drawn, as terminals do.
const FRAME_TIMEOUT: Duration = Duration::from_millis(150);
/// When the first heartbeat comes, so that a person who launches sees soon what it takes.
const FIRST_BEAT: Duration = Duration::from_secs(1);
/// A machine that shuts down waits longer than this.
const TERMINATE_GRACE: Duration = Duration::from_secs(5);
/// Input waits for a program that does not read, up to this.
const INPUT_MAX: usize = 1024 * 1024;
/// Read from the terminal in one round, before anything else gets its turn.
const ROUND_MAX: usize = 256 * 1024;

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

/// Says which descriptors have something; a peer knows for itself.
#[derive(Clone, Copy)]
struct Ready {
    signals: bool,
    terminal: bool,
    listener: bool,
}

impl Ready {
    const ALL: Self = Self {
        signals: true,
        terminal: true,
        listener: true,
    };
    const NOTHING: Self = Self {
        signals: false,
        terminal: false,
        listener: false,
    };
}

/// Owns one running program.
pub struct Agent {
    parts: Parts,
    screen: Screen,
    history: History,
    recording: Option<Recording>,
    /// What viewers are fed of the last output; kept for its memory.
    viewed: Vec<u8>,
    /// Bytes that viewers were ever fed.
    position: u64,
    report: Latest,
    hooks: Hooks,
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
    unrecorded: Option<Unrecorded>,
    tree_empty: bool,
    beat_at: Instant,
    beaten: (Instant, u64),
    last_beat: Option<Heartbeat>,
    mark: Mark,
    told_viewers: Viewers,
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
            recording: None,
            viewed: Vec::new(),
            position: 0,
            report: Latest::default(),
            hooks: Hooks::default(),
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
            unrecorded: None,
            tree_empty: false,
            beat_at: now + Duration::from_millis(parts.launch.heartbeat_ms).min(FIRST_BEAT),
            beaten: (now, 0),
            last_beat: None,
            mark: Mark::default(),
            told_viewers: Viewers::default(),
            parts,
        }
    }

    /// Runs until the program has ended and nothing is left of it, or what is left may live on.
    pub fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        if self.parts.launch.record {
            self.begin_recording();
        }
        // Something may have happened before it was awaited.
        self.reap();
        let mut ready = Ready::ALL;
        while !self.is_over() {
            let arrived = if ready.signals {
                self.parts.signals.take()
            } else {
                Arrived::default()
            };
            if ready.terminal {
                self.read_terminal(&mut buffer, ROUND_MAX);
            }
            if arrived.terminate {
                // Nobody of ours asks so: the machine or the login session goes down. It tells the program in the same
                // moment, whose exit is no exit of its own then.
                self.interrupted = self.interrupted || self.stopping.is_none();
                self.stop(TERMINATE_GRACE);
            }
            if arrived.child {
                self.reap();
            }
            if ready.listener {
                self.accept();
            }
            self.hear(&mut buffer);
            self.hear_typing(&mut buffer);
            self.part();
            self.release_hooks();
            if std::mem::take(&mut self.unfit) {
                self.fit();
                self.tell_company();
            }
            self.write_terminal();
            self.keep_deadlines();
            self.show();
            self.tell_report();
            self.tell_mark();
            if !self.is_over() {
                ready = self.wait()?;
            }
        }
        self.finish();
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.exited.is_some()
            && (self.unrecorded.is_none() || self.interrupted)
            && (self.tree_empty || (self.parts.launch.keep_descendants && self.stopping.is_none()))
    }

    /// Sleeps until a descriptor has something or a deadline comes.
    fn wait(&mut self) -> io::Result<Ready> {
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
        for lent in self.parts.peers.iter().filter_map(Peer::lent) {
            fds.push(PollFd::new(lent.terminal(), PollFlags::IN));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::NOTHING),
            Err(error) => return Err(error.into()),
        }
        // Errors and ends count as something, too: reading tells.
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (peers, lent) = ready[3..].split_at(self.parts.peers.len());
        let mut lent = lent.iter();
        for (peer, ready) in self.parts.peers.iter_mut().zip(peers) {
            peer.ready = *ready;
            peer.typed = peer.lent().is_some() && lent.next() == Some(&true);
        }
        Ok(Ready {
            signals: ready[0],
            terminal: ready[1],
            listener: ready[2],
        })
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
        let record = self.unrecorded.as_ref().map(|exit| exit.again_at);
        let paste = self.paste.deadline();
        let report = self.report.due();
        let mark = self.mark.due();
        let hook = self.hooks.due();
        [
            beat, kill, gathered, frame, greeting, record, paste, report, mark, hook,
        ]
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

    // The terminal.

    fn read_terminal(&mut self, buffer: &mut [u8], max: usize) {
        let mut read = 0;
        while read < max {
            match self.parts.pty.read(buffer) {
                Ok(0) => break,
                Ok(count) => {
                    read += count;
                    self.take_output(&buffer[..count]);
                    if count < 512 && max == ROUND_MAX {
                        // That was likely all; the poll tells when not, but there is none after the last round.
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        if read > 0 {
            self.keep_scrolled();
            self.write_recording();
        }
    }

    fn keep_scrolled(&mut self) {
        let (erased, lines) = self.screen.take_scrolled();
        self.history.append(erased, &lines);
    }

    fn take_output(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        self.viewed.clear();
        self.screen.feed_viewed(bytes, &mut self.viewed);
        let answers = self.screen.take_answers();
        if self.input.len() < INPUT_MAX {
            self.input.extend(answers);
        }
        if let Some(recording) = &mut self.recording {
            recording.output(bytes, now);
        }
        for peer in &mut self.parts.peers {
            peer.show(self.position, &self.viewed);
        }
        self.position += self.viewed.len() as u64;
        for effect in self.screen.take_effects() {
            self.pass_on(effect);
        }
        self.note_mark(now);
        match (self.screen.in_frame(), self.frame_since) {
            (true, None) => self.frame_since = Some(now),
            (false, Some(_)) => self.frame_since = None,
            _ => {}
        }
        if self.gathering_since.is_none() && self.gathered() {
            self.gathering_since = Some(now);
        }
    }

    /// Tells those whom it concerns what the program wants of more than its screen.
    fn pass_on(&mut self, effect: Effect) {
        match effect {
            Effect::Clipboard { selection, text } => {
                let selection = match selection {
                    Selection::Clipboard => 'c',
                    Selection::Primary => 'p',
                };
                self.ask(Asked::Clipboard { selection, text });
            }
            Effect::Notice { title, body } => self.ask(Asked::Notify { title, body }),
            Effect::Report(text) => {
                let at = clock::now();
                self.report.note(Report { at, text }, Instant::now());
            }
            // A viewer hears it in what it is fed.
            Effect::Bell => {}
        }
    }

    fn begin_recording(&mut self) {
        let directory = self.parts.place.directory();
        let size = self.screen.size();
        match Recording::begin(directory, &self.parts.launch, size, clock::now()) {
            Ok(recording) => self.recording = Some(recording),
            Err(error) => self.note(&format!("begin the recording: {error}")),
        }
    }

    fn write_recording(&mut self) {
        if let Some(Err(error)) = self.recording.as_mut().map(Recording::write) {
            self.recording = None;
            self.note(&format!(
                "go on with the recording, which ends here: {error}"
            ));
        }
    }

    /// Notes for people what could not be done.
    fn note(&self, text: &str) {
        let note = format!("cannot {text}\n");
        let _ = self
            .parts
            .place
            .write("agent.log", note.as_bytes(), Durability::Process);
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
        let heartbeat = Heartbeat {
            at: clock::now(),
            cpu_percent,
            memory_bytes: usage.memory,
            processes: usage.processes,
            viewers: self.viewers().count,
            title: self.screen.title().to_owned(),
            frozen: self.frozen,
        };
        self.mark.told(&heartbeat.title);
        self.last_beat = Some(heartbeat.clone());
        self.tell_supervisors(&Message::Heartbeat(heartbeat));
    }
}

fn ticks_per_second() -> f64 {
    // SAFETY: always sound to call.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    if ticks > 0 { ticks as f64 } else { 100.0 }
}
