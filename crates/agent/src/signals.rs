//! Signals as a descriptor to poll.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};

/// Waits for `SIGCHLD`, `SIGTERM`, `SIGHUP` and `SIGINT` instead of being interrupted by them.
#[derive(Debug)]
pub struct Signals {
    file: File,
}

/// Says what came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrived {
    /// A child ended.
    pub child: bool,
    /// The machine, or a person, wants the agent to end.
    pub terminate: bool,
}

impl Signals {
    /// Blocks the signals and opens the descriptor.
    pub fn new() -> io::Result<Self> {
        // SAFETY: a zeroed set is made a valid one by `sigemptyset` before it is used.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGHUP, libc::SIGINT] {
                libc::sigaddset(&raw mut set, signal);
            }
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self {
                file: File::from_raw_fd(fd),
            })
        }
    }

    /// Takes all that came.
    pub fn take(&mut self) -> Arrived {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut arrived = Arrived::default();
        let mut buffer = [0; SIZE * 8];
        while let Ok(read) = self.file.read(&mut buffer) {
            for info in buffer[..read].chunks_exact(SIZE) {
                // The first field of `signalfd_siginfo` is the signal's number.
                let signal = info
                    .first_chunk()
                    .map_or(0, |number| u32::from_ne_bytes(*number));
                match signal as i32 {
                    libc::SIGCHLD => arrived.child = true,
                    libc::SIGTERM => arrived.terminate = true,
                    _ => {}
                }
            }
            if read == 0 {
                break;
            }
        }
        arrived
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
