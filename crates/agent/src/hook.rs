//! The command that a program runs as its hook: hands the agent what the program tells, and prints what is answered.
//!
//! It must never harm the program. Whatever goes wrong it prints nothing and succeeds; it takes all that the program writes,
//! so that writing never fails; and it ends when nobody waits for it any more. Only a request for permission waits for longer
//! than `PATIENCE`, for a person, and how long the agent decides.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{PidfdFlags, getppid, pidfd_open};
use stratavore_wire::hello::capability;
use stratavore_wire::hook::SOCKET_VARIABLE;
use stratavore_wire::payload::{self, Head, PAYLOAD_MAX};
use stratavore_wire::{FrameDecoder, Hello, Hook, Message, Role};

/// Kept of what the program writes; what comes after is taken and dropped.
const READ_MAX: usize = 8 * 1024 * 1024;
/// A payload that was too long is told as this much of it.
const CUT_TO: usize = 16 * 1024;
/// An agent that works takes a millisecond for each step; one that takes this long is not waited for.
const PATIENCE: Duration = Duration::from_secs(1);
/// A program that has written nothing for this long may have written all, without saying so.
const PAUSE: Duration = Duration::from_millis(100);
/// One that has not written a whole payload by so many pauses never does.
const PAUSES_MAX: u32 = 50;

/// Hands on one hook.
pub fn run() {
    // First of all: when it ends, whoever it belonged to waits no more, and this process is somebody else's child.
    let parent = getppid().and_then(|parent| pidfd_open(parent, PidfdFlags::empty()).ok());
    let payload = read();
    let Some(socket) = std::env::var_os(SOCKET_VARIABLE) else {
        return;
    };
    if let Some(output) = ask(&socket, payload, parent) {
        let mut stdout = io::stdout();
        // Whoever does not read it does not want it.
        let _ = stdout.write_all(output.as_bytes());
        let _ = stdout.flush();
    }
}

/// Reads what the program tells: no more than is kept, and one byte to know that there was more.
fn read() -> Vec<u8> {
    let mut payload = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    let stdin = rustix::stdio::stdin();
    let mut pauses = 0;
    loop {
        let mut fds = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
        match poll(&mut fds, Some(&timespec(PAUSE))) {
            Ok(1..) => pauses = 0,
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) if pauses < PAUSES_MAX && !is_whole(&payload) => {
                pauses += 1;
                continue;
            }
            Ok(0) | Err(_) => break,
        }
        match rustix::io::read(stdin, &mut buffer) {
            Ok(read @ 1..) => {
                let room = (READ_MAX + 1).saturating_sub(payload.len());
                payload.extend_from_slice(&buffer[..read.min(room)]);
            }
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) | Err(_) => break,
        }
    }
    payload
}

fn is_whole(payload: &[u8]) -> bool {
    std::str::from_utf8(payload).is_ok_and(|payload| Head::of(payload).event.is_some())
}

/// Asks the agent; nothing is known where it does not answer as an agent does that takes hooks.
fn ask(socket: &OsStr, payload: Vec<u8>, parent: Option<OwnedFd>) -> Option<String> {
    let payload = if payload.len() > PAYLOAD_MAX {
        payload::cut(&payload, CUT_TO)
    } else {
        String::from_utf8(payload)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    };
    let head = Head::of(&payload);
    let asks = head.event.as_deref() == Some(payload::PERMISSION_REQUEST);
    let mut stream = connect(Path::new(socket)).ok()?;
    let software = concat!("stratavore-agent hook ", env!("CARGO_PKG_VERSION"));
    let mut said = Vec::new();
    Message::Hello(Hello::new(Role::Client, software))
        .encode(&mut said)
        .ok()?;
    Message::Hook(Hook { payload }).encode(&mut said).ok()?;
    stream.write_all(&said).ok()?;
    drop(said);
    hear(&mut stream, asks, parent)
}

/// Connects, and waits only so long for an agent that has many others to hear.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // This bounds the connecting, too.
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(UnixStream::from(socket))
}

/// Waits for the answer while somebody waits for it here.
fn hear(stream: &mut UnixStream, asks: bool, parent: Option<OwnedFd>) -> Option<String> {
    stream.set_nonblocking(true).ok()?;
    let stdout = io::stdout();
    let mut decoder = FrameDecoder::new();
    let mut buffer = [0; 16 * 1024];
    let mut deadline = Some(Instant::now() + PATIENCE);
    loop {
        match decoder.next_message().ok()? {
            Some(Message::HookOutput(answer)) => return Some(answer.output),
            Some(Message::Welcome(welcome)) => {
                let takes = |able: &String| able == capability::HOOKS;
                if !welcome.capabilities.iter().any(takes) {
                    return None;
                }
                if asks {
                    deadline = None;
                }
                continue;
            }
            Some(Message::Refused(_) | Message::Ended) => return None,
            // What everybody is told.
            Some(_) => continue,
            None => {}
        }
        let timeout = deadline.map(|at| timespec(at.saturating_duration_since(Instant::now())));
        let mut fds = vec![
            PollFd::new(&*stream, PollFlags::IN),
            // That nobody reads any more is always told.
            PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::empty()),
        ];
        if let Some(parent) = &parent {
            fds.push(PollFd::new(parent, PollFlags::IN));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(1..) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Ok(0) | Err(_) => return None,
        }
        if fds[0].revents().is_empty() {
            // Its reader or its parent is gone.
            return None;
        }
        match stream.read(&mut buffer) {
            Ok(0) => return None,
            Ok(read) => decoder.push(&buffer[..read]),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(_) => return None,
        }
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: duration.as_secs() as i64,
        tv_nsec: duration.subsec_nanos().into(),
    }
}
