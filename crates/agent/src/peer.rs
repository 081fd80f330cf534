//! One connection: a supervisor, a viewer, a client, or a stranger.

use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use stratavore_wire::hello::capability;
use stratavore_wire::{
    FrameDecoder, Hello, Lend, MAX_FRAME, Message, MessageError, Refusal, Refused, Role, message,
};

use crate::lent::Lent;
use crate::screen::Size;

/// A viewer that is this far behind is shown a fresh snapshot instead of what it missed.
pub const BEHIND_MAX: usize = 256 * 1024;
/// A lagging viewer counts as drained when no more than this is unacknowledged.
const DRAINED: u64 = 64 * 1024;
/// Whoever has not greeted by then is no peer.
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// No greeting is longer.
const GREETING_MAX: usize = 64 * 1024;
/// Nobody has more than this waiting to be taken: a whole history fits.
const UNTAKEN_MAX: usize = 32 * 1024 * 1024;
/// Output is sent at once when this much has gathered.
const GATHERED_MAX: usize = 32 * 1024;
/// So many descriptors come with a message: a terminal, and what is held as long as it.
const DESCRIPTORS: usize = 2;

/// Holds a connection.
#[derive(Debug)]
pub struct Peer {
    /// Distinguishes it from all others of this agent.
    pub id: u64,
    stream: UnixStream,
    decoder: FrameDecoder,
    out: Vec<u8>,
    sent: usize,
    /// How many messages it was sent.
    told: u64,
    /// Descriptors that came, until the message is taken that says what they are.
    came: Vec<OwnedFd>,
    /// Its own terminal, if it ever lent it.
    lent: Option<Lent>,
    /// Whether that is lent now.
    lends: bool,
    /// There may be something to read in that.
    pub typed: bool,
    /// It may have said something, or take something.
    pub ready: bool,
    /// When it connected.
    pub since: Instant,
    /// Who it is, once it has greeted.
    pub role: Option<Role>,
    acknowledges: bool,
    hears_hooks: bool,
    /// How many hooks it was not told of, since it was told of one.
    pub missed: u64,
    /// What it looks at, once attached.
    pub viewer: Option<Viewer>,
    /// Which history it is sent as it comes about.
    pub follows: Option<Follow>,
    /// A screen that it asked for and that is not sent inside of a frame: whether with colours.
    pub wants_screen: Option<bool>,
    /// It is to be closed when everything is sent.
    pub leaving: bool,
    /// It is gone.
    pub gone: bool,
}

/// Says which snapshot a viewer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// The screen alone.
    Screen,
    /// The last lines of history too, so many at most.
    History(u32),
}

/// Holds how far a reader of history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Follow {
    /// With colours and attributes, rather than text.
    pub ansi: bool,
    /// What it was sent, as a position in all history.
    pub position: u64,
}

/// Holds what a viewer is shown.
#[derive(Debug)]
pub struct Viewer {
    /// Where it is, in its own words.
    pub place: String,
    /// Its window.
    pub size: Size,
    /// Whether it only watches.
    pub read_only: bool,
    /// When it typed or attached last; the latest decides the size.
    pub activity: u64,
    /// The snapshot that it waits for; output meanwhile is in that.
    pub wants: Option<Wanted>,
    lagging: bool,
    gathered: Vec<u8>,
    gathered_from: u64,
    unacknowledged: u64,
    /// How much of that is history, which is no output that it is behind with.
    past: u64,
}

impl Viewer {
    /// Starts with nothing shown.
    pub fn new(place: String, size: Size, read_only: bool, activity: u64) -> Self {
        Self {
            place,
            size,
            read_only,
            activity,
            wants: Some(Wanted::Screen),
            lagging: false,
            gathered: Vec::new(),
            gathered_from: 0,
            unacknowledged: 0,
            past: 0,
        }
    }

    /// Asks for a snapshot, unless a larger one is asked for already.
    pub fn want(&mut self, wanted: Wanted) {
        self.wants = self.wants.max(Some(wanted));
        self.gathered = Vec::new();
    }

    /// Counts what the viewer says it has shown.
    pub fn acknowledge(&mut self, bytes: u64) {
        self.unacknowledged = self.unacknowledged.saturating_sub(bytes);
        self.past = self.past.min(self.unacknowledged);
    }

    /// Says whether it has output waiting to be sent.
    pub fn has_gathered(&self) -> bool {
        !self.gathered.is_empty()
    }
}

impl Peer {
    /// Welcomes a connection that has said nothing yet.
    pub fn new(id: u64, stream: UnixStream, now: Instant) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            id,
            stream,
            decoder: FrameDecoder::with_limit(GREETING_MAX),
            out: Vec::new(),
            sent: 0,
            told: 0,
            came: Vec::new(),
            lent: None,
            lends: false,
            typed: false,
            ready: true,
            since: now,
            role: None,
            acknowledges: false,
            hears_hooks: false,
            missed: 0,
            viewer: None,
            follows: None,
            wants_screen: None,
            leaving: false,
            gone: false,
        })
    }

    /// Says whether it belongs to this user.
    pub fn is_ours(&self) -> bool {
        rustix::net::sockopt::socket_peercred(self)
            .is_ok_and(|credentials| credentials.uid == rustix::process::geteuid())
    }

    /// Gives the process at the other end.
    pub fn pid(&self) -> Option<i32> {
        rustix::net::sockopt::socket_peercred(self)
            .ok()
            .map(|credentials| credentials.pid.as_raw_nonzero().get())
    }

    /// Says whether it is a supervisor that is there and wants to be told of hooks.
    pub fn hears_hooks(&self) -> bool {
        self.hears_hooks && !self.gone && !self.leaving
    }

    /// Notes who it is.
    pub fn greeted(&mut self, hello: &Hello) {
        let can = |wanted: &str| {
            hello
                .capabilities
                .iter()
                .any(|capability| capability == wanted)
        };
        self.role = Some(hello.role);
        self.acknowledges = can(capability::ACK);
        self.hears_hooks = hello.role == Role::Supervisor && can(capability::HOOKS);
        self.decoder.set_limit(MAX_FRAME);
    }

    /// Goes on with what was read of its stream before.
    pub fn continue_with(&mut self, decoder: FrameDecoder) {
        self.decoder = decoder;
    }

    /// Reads what came; the messages are taken by [`Self::take_message`].
    pub fn receive(&mut self, buffer: &mut [u8]) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut with = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &self.stream,
            &mut [IoSliceMut::new(buffer)],
            &mut with,
            RecvFlags::CMSG_CLOEXEC,
        );
        for message in with.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.came = descriptors.collect();
            }
        }
        match received.map(|received| received.bytes) {
            Ok(0) => self.gone = true,
            Ok(_) if self.leaving => {}
            Ok(read) => self.decoder.push(&buffer[..read]),
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.gone = true,
        }
    }

    /// Gives the next message; a stream that is none is refused and closed.
    pub fn take_message(&mut self) -> Option<Message> {
        if self.leaving {
            return None;
        }
        match self.decoder.next_message() {
            Ok(message) => message,
            Err(error) => {
                let code = match (&error, self.role) {
                    (MessageError::Frame(_), None) => Refusal::NotStratavore,
                    _ => Refusal::BadFrame,
                };
                self.refuse(code, format!("{error}: this connection is closed"));
                self.leaving = true;
                None
            }
        }
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Message) {
        if self.unsent() > UNTAKEN_MAX {
            self.gone = true;
        }
        if self.gone {
            return;
        }
        // What is too long for a frame is cut into several before it comes here.
        if message.encode(&mut self.out).is_ok() {
            self.said();
        }
    }

    /// Sends on what was said to it. Its terminal is its own again: it may have to do with it now.
    fn said(&mut self) {
        self.told += 1;
        self.lends = false;
        self.flush();
    }

    /// Takes the terminal that the viewer lends.
    pub fn take_lent(&mut self, lend: Lend) {
        let types = self.viewer.as_ref().is_some_and(|viewer| !viewer.read_only);
        if let Ok([terminal, lease]) =
            <[OwnedFd; DESCRIPTORS]>::try_from(std::mem::take(&mut self.came))
        {
            self.lent = Lent::new(terminal, lease);
        }
        match &mut self.lent {
            Some(lent) if types => {
                lent.set_keys(lend.keys);
                // Otherwise it has to do with what is on its way to it, and lends again.
                self.lends = lend.heard == self.told;
            }
            _ => self.refuse(
                Refusal::NotLent,
                "no terminal came with the message that lends one: it is written to by way of the viewer",
            ),
        }
    }

    /// Gives the viewer's terminal, while that is lent.
    pub fn lent(&self) -> Option<&Lent> {
        self.lent.as_ref().filter(|_| self.lends)
    }

    /// Notes that the viewer reads its terminal itself.
    pub const fn reads_itself(&mut self) {
        self.lends = false;
    }

    /// Sends a refusal.
    pub fn refuse(&mut self, code: Refusal, message: impl Into<String>) {
        self.send(&Message::Refused(Refused::new(code, message)));
    }

    /// Writes what the peer takes now.
    pub fn flush(&mut self) {
        while self.sent < self.out.len() && !self.gone {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => self.gone = true,
            }
        }
        if self.sent == self.out.len() {
            self.sent = 0;
            self.out = Vec::new();
            if let Some(viewer) = &mut self.viewer
                && !self.acknowledges
            {
                viewer.past = 0;
            }
            if self.leaving {
                self.gone = true;
            }
        } else if self.sent > BEHIND_MAX {
            self.out.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Counts the bytes that wait to be taken.
    pub fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Hands a viewer output, at `position` of all that viewers were ever fed.
    pub fn show(&mut self, position: u64, bytes: &[u8]) {
        let behind = self.unsent();
        let Some(viewer) = &mut self.viewer else {
            return;
        };
        if viewer.lagging || viewer.wants.is_some() {
            return;
        }
        let unshown = if self.acknowledges {
            viewer.unacknowledged as usize
        } else {
            behind
        };
        let before = unshown.max(behind) + viewer.gathered.len();
        if bytes.len() > BEHIND_MAX && before < DRAINED as usize {
            // An image is one sequence, and may be longer than anybody may be behind.
            viewer.past = bytes.len() as u64;
        }
        if before + bytes.len() > BEHIND_MAX + viewer.past as usize {
            viewer.lagging = true;
            viewer.gathered = Vec::new();
            return;
        }
        if viewer.gathered.is_empty() {
            viewer.gathered_from = position;
        }
        viewer.gathered.extend_from_slice(bytes);
        if viewer.gathered.len() >= GATHERED_MAX {
            self.send_gathered();
        }
    }

    /// Sends a viewer what has gathered for it.
    pub fn send_gathered(&mut self) {
        let Some(viewer) = &mut self.viewer else {
            return;
        };
        if viewer.gathered.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut viewer.gathered);
        let lent = self.lent.as_ref().filter(|_| self.lends);
        let shown = lent.map_or(0, |lent| lent.write(&bytes));
        let rest = &bytes[shown..];
        if rest.is_empty() {
            return;
        }
        viewer.unacknowledged += rest.len() as u64;
        let from = viewer.gathered_from + shown as u64;
        if message::encode_output(from, rest, &mut self.out).is_ok() {
            self.said();
        }
    }

    /// Lets a viewer that lagged and has drained want a snapshot.
    pub fn catch_up(&mut self) {
        let drained = self.unsent() == 0;
        let acknowledges = self.acknowledges;
        if let Some(viewer) = &mut self.viewer
            && viewer.lagging
            && drained
            && (!acknowledges || viewer.unacknowledged <= DRAINED)
        {
            viewer.lagging = false;
            viewer.want(Wanted::Screen);
        }
    }

    /// Says whether it waits for a snapshot and has taken what came before.
    pub fn takes_snapshot(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| {
            viewer.wants.is_some()
                && self.unsent() <= BEHIND_MAX
                && (!self.acknowledges || viewer.unacknowledged <= BEHIND_MAX as u64 + viewer.past)
        })
    }

    /// Says whether it takes what it can do without.
    pub fn keeps_up(&self) -> bool {
        self.unsent() <= BEHIND_MAX
    }

    /// Sends a viewer the snapshot that it waits for, `past` bytes of which are history.
    pub fn send_snapshot(&mut self, position: u64, size: Size, bytes: Vec<u8>, past: usize) {
        let Some(viewer) = &mut self.viewer else {
            return;
        };
        viewer.wants = None;
        viewer.gathered = Vec::new();
        viewer.unacknowledged += bytes.len() as u64;
        viewer.past = past as u64;
        self.send(&Message::Snapshot {
            seq: position,
            columns: size.columns,
            rows: size.rows,
            bytes,
        });
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
