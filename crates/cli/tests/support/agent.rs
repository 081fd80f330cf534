//! An agent that does as a test tells it, and remembers what it was told.

use std::fs::File;
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use stratavore_testkit::wait_until;
use stratavore_wire::hello::capability;
use stratavore_wire::{FrameDecoder, Message, VERSION, Welcome};

use super::SOON;

/// An agent in threads of the test, listening at a socket of its own.
pub struct FakeAgent {
    socket: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What whoever attaches is fed first.
    snapshot: Vec<u8>,
    viewers: Vec<UnixStream>,
    /// How many ever attached.
    attached: usize,
    /// The size of the terminal; nothing: that of whoever attaches.
    size: Option<(u16, u16)>,
    /// What was on and above the screen.
    history: Vec<u8>,
    heard: Vec<Message>,
    closed: bool,
    takes_lent: bool,
    /// The terminal of whoever attached, and what is held with it.
    lent: Option<(File, OwnedFd)>,
    /// Whether it is kept when the viewer has left.
    keeps_lent: bool,
    /// Whether somebody has closed its connection.
    left: bool,
    /// How many messages viewers were sent.
    told: u64,
}

impl FakeAgent {
    /// Listens at `socket`, and feeds every viewer `snapshot`.
    pub fn start(socket: &Path, snapshot: &[u8]) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        let shared = Arc::new(Shared::default());
        shared.state.lock().unwrap().snapshot = snapshot.to_vec();
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    let Ok(stream) = stream else { break };
                    if shared.state.lock().unwrap().closed {
                        break;
                    }
                    let shared = Arc::clone(&shared);
                    std::thread::spawn(move || serve(stream, &shared));
                }
            }
        });
        Self {
            socket: socket.to_owned(),
            shared,
            accepting: Some(accepting),
        }
    }

    pub fn set_snapshot(&self, snapshot: &[u8]) {
        self.shared.state.lock().unwrap().snapshot = snapshot.to_vec();
    }

    /// Has viewers lend it their terminals.
    pub fn take_lent(&self) {
        self.shared.state.lock().unwrap().takes_lent = true;
    }

    /// Has it keep a terminal whose viewer has left, as one does that has not noticed yet.
    pub fn keep_lent(&self) {
        self.shared.state.lock().unwrap().keeps_lent = true;
    }

    /// Lets go of the terminal.
    pub fn let_go(&self) {
        self.shared.state.lock().unwrap().lent = None;
    }

    /// Waits until the viewer lends its terminal, having heard all it was told; gives the terminal.
    #[track_caller]
    pub fn wait_lent(&self) -> File {
        wait_until(SOON, "a terminal to be lent", || {
            let state = self.shared.state.lock().unwrap();
            let last = state.heard.iter().rev().find_map(|message| match message {
                Message::Lend(lend) => Some(lend.heard),
                _ => None,
            });
            match &state.lent {
                Some((terminal, _)) if last == Some(state.told) => {
                    Ok(terminal.try_clone().expect("a descriptor"))
                }
                _ => Err(format!("{last:?} of {} heard", state.told)),
            }
        })
    }

    /// Has the terminal keep a size, whoever attaches.
    pub fn set_size(&self, columns: u16, rows: u16) {
        self.shared.state.lock().unwrap().size = Some((columns, rows));
    }

    pub fn set_history(&self, history: &[u8]) {
        self.shared.state.lock().unwrap().history = history.to_vec();
    }

    /// Sends a piece of history.
    pub fn history(&self, bytes: &[u8], last: bool) {
        self.send(&Message::History {
            ansi: false,
            last,
            bytes: bytes.to_vec(),
        });
    }

    /// Sends a snapshot of a terminal of that size.
    pub fn snapshot(&self, columns: u16, rows: u16, bytes: &[u8]) {
        self.send(&Message::Snapshot {
            seq: 0,
            columns,
            rows,
            bytes: bytes.to_vec(),
        });
    }

    /// Closes every connection, and takes new ones.
    pub fn drop_viewers(&self) {
        for viewer in self.shared.state.lock().unwrap().viewers.drain(..) {
            let _ = viewer.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Sends to every viewer.
    pub fn send(&self, message: &Message) {
        let bytes = message.to_bytes().expect("a frame");
        let mut state = self.shared.state.lock().unwrap();
        state.told += 1;
        for mut viewer in &state.viewers {
            // One that has left is told nothing.
            let _ = viewer.write_all(&bytes);
        }
    }

    /// Sends what the program wrote.
    pub fn output(&self, bytes: &[u8]) {
        self.send(&Message::Output {
            seq: 0,
            bytes: bytes.to_vec(),
        });
    }

    /// Waits until so many have attached in all.
    #[track_caller]
    pub fn wait_attached(&self, count: usize) {
        wait_until(SOON, "a viewer", || {
            let attached = self.shared.state.lock().unwrap().attached;
            if attached >= count {
                Ok(())
            } else {
                Err(format!("{attached} attached"))
            }
        });
    }

    /// Gives what was typed so far.
    pub fn typed(&self) -> Vec<u8> {
        let state = self.shared.state.lock().unwrap();
        let inputs = state.heard.iter().filter_map(|message| match message {
            Message::Input { bytes } => Some(bytes.as_slice()),
            _ => None,
        });
        inputs.collect::<Vec<_>>().concat()
    }

    /// Waits until `text` was typed, and all of it is that.
    #[track_caller]
    pub fn wait_typed(&self, text: &[u8]) {
        wait_until(SOON, "what was typed", || {
            let typed = self.typed();
            if typed == text {
                Ok(())
            } else {
                Err(typed.escape_ascii().to_string())
            }
        });
    }

    /// Waits until a message was heard that fits.
    #[track_caller]
    pub fn wait_heard(&self, what: &str, fits: impl Fn(&Message) -> bool) {
        wait_until(SOON, what, || {
            let state = self.shared.state.lock().unwrap();
            if state.heard.iter().any(&fits) {
                Ok(())
            } else {
                Err(format!("{:?}", state.heard))
            }
        });
    }

    /// Counts the messages heard that fit.
    pub fn count(&self, fits: impl Fn(&Message) -> bool) -> usize {
        let state = self.shared.state.lock().unwrap();
        state.heard.iter().filter(|message| fits(message)).count()
    }

    /// Waits until a viewer has closed its connection.
    #[track_caller]
    pub fn wait_left(&self) {
        wait_until(SOON, "the viewer to leave", || {
            self.shared.state.lock().unwrap().left
        });
    }

    /// Counts the bytes acknowledged.
    pub fn acknowledged(&self) -> u64 {
        let state = self.shared.state.lock().unwrap();
        let acks = state.heard.iter().filter_map(|message| match message {
            Message::Ack(ack) => Some(ack.bytes),
            _ => None,
        });
        acks.sum()
    }

    /// Closes every connection and the socket, as a killed agent does.
    pub fn die(&mut self) {
        {
            let mut state = self.shared.state.lock().unwrap();
            state.closed = true;
            for viewer in state.viewers.drain(..) {
                let _ = viewer.shutdown(std::net::Shutdown::Both);
            }
        }
        // Wakes the accepting thread, which then ends.
        let _ = UnixStream::connect(&self.socket);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        if self.accepting.is_some() {
            self.die();
        }
    }
}

fn serve(mut stream: UnixStream, shared: &Shared) {
    let mut decoder = FrameDecoder::new();
    let mut buffer = [0; 4096];
    let mut views = false;
    // The size of the viewer's own terminal.
    let mut own = (80, 24);
    loop {
        match receive(&stream, &mut buffer) {
            Ok((0, _)) | Err(_) => {
                let mut state = shared.state.lock().unwrap();
                state.left = true;
                if !state.keeps_lent {
                    state.lent = None;
                }
                return;
            }
            Ok((read, lent)) => {
                decoder.push(&buffer[..read]);
                if let Some((terminal, lease)) = lent {
                    shared.state.lock().unwrap().lent = Some((terminal.into(), lease));
                }
            }
        }
        while let Ok(Some(message)) = decoder.next_message() {
            let mut state = shared.state.lock().unwrap();
            match &message {
                Message::Hello(_) => {
                    let mut welcome = welcome();
                    if state.takes_lent {
                        welcome.capabilities.push(capability::LENT.to_owned());
                    }
                    state.told = 1;
                    say(&mut stream, &Message::Welcome(welcome));
                }
                Message::Attach(attach) => {
                    own = (attach.columns, attach.rows);
                    state.told += 1;
                    feed(&mut stream, &state, own);
                    if !std::mem::replace(&mut views, true) {
                        let viewer = stream.try_clone().expect("a descriptor");
                        state.viewers.push(viewer);
                    }
                    state.attached += 1;
                }
                Message::Resize(size) => own = (size.columns, size.rows),
                Message::Redraw(_) => {
                    state.told += 1;
                    feed(&mut stream, &state, own);
                }
                Message::GetHistory(get) => {
                    let history = Message::History {
                        ansi: get.ansi,
                        last: !get.follow,
                        bytes: state.history.clone(),
                    };
                    say(&mut stream, &history);
                    if get.follow {
                        let follower = stream.try_clone().expect("a descriptor");
                        state.viewers.push(follower);
                    }
                }
                _ => {}
            }
            state.heard.push(message);
        }
    }
}

/// Receives bytes, and what a terminal is lent with.
fn receive(
    stream: &UnixStream,
    buffer: &mut [u8],
) -> io::Result<(usize, Option<(OwnedFd, OwnedFd)>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut with = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [IoSliceMut::new(buffer)];
    let received = recvmsg(stream, parts, &mut with, RecvFlags::CMSG_CLOEXEC)?;
    let mut lent = None;
    for message in with.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            lent = descriptors.next().zip(descriptors.next());
        }
    }
    Ok((received.bytes, lent))
}

fn feed(stream: &mut UnixStream, state: &State, own: (u16, u16)) {
    let (columns, rows) = state.size.unwrap_or(own);
    let snapshot = Message::Snapshot {
        seq: 0,
        columns,
        rows,
        bytes: state.snapshot.clone(),
    };
    say(stream, &snapshot);
}

fn say(stream: &mut UnixStream, message: &Message) {
    let _ = stream.write_all(&message.to_bytes().expect("a frame"));
}

fn welcome() -> Welcome {
    serde_json::from_value(serde_json::json!({
        "version": VERSION,
        "software": "fake agent",
        "capabilities": [],
        "runner_id": "0190a5d0-x",
        "attempt": 1,
        "agent_pid": 1,
        "columns": 80,
        "rows": 24,
    }))
    .expect("a welcome")
}
