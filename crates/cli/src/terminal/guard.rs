//! A second process that restores the terminal when the attaching one is killed outright.
//!
//! Nothing in a process can act on SIGKILL (or on running out of memory), and a terminal left raw, on its alternate
//! screen and with mouse reports on is beyond what most people can mend. So `attach` and `play` fork a guard that does
//! nothing but read a pipe: bytes say what is to be reset besides the modes and at last that all is restored; an end
//! without that says that it was not.

use std::fs::OpenOptions;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::colours::Touched;
use super::lease::has_ended;
use super::tty::{farewell, is_raw, write_within};

const READY: u8 = b'r';
const RESTORED: u8 = u8::MAX;

/// A guard at work. Dropping it dismisses it.
#[derive(Debug)]
pub(crate) struct Guard {
    process: Pid,
    orders: PipeWriter,
}

/// A guard that may not have seen the terminal yet.
#[derive(Debug)]
pub(crate) struct Coming {
    guard: Guard,
    answer: PipeReader,
}

impl Guard {
    /// Starts a guard; it needs a moment, which is time for something else. It waits for `lease`, the end of one, before
    /// it restores the terminal.
    pub(crate) fn start(lease: &PipeReader) -> io::Result<Coming> {
        let (heard, orders) = io::pipe()?;
        let (answer, ready) = io::pipe()?;
        // SAFETY: this process has one thread, for its runtime has no others and nothing here makes any; and the child
        // never returns from this function.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                // Not even by a panic.
                let guarded = catch_unwind(AssertUnwindSafe(|| guard(heard, ready, lease)));
                let code = i32::from(!matches!(guarded, Ok(Ok(()))));
                // SAFETY: ends the process without running what the parent is to run at its own end.
                unsafe { libc::_exit(code) }
            }
            child => {
                let process = Pid::from_raw(child).ok_or(io::ErrorKind::Other)?;
                let guard = Self { process, orders };
                Ok(Coming { guard, answer })
            }
        }
    }

    /// Tells the guard what it would have to reset.
    pub(crate) fn tell(&mut self, touched: Touched) {
        // A guard that was killed guards nothing any more.
        let _ = self.orders.write_all(&[touched.bits()]);
    }
}

impl Coming {
    /// Waits until the guard has seen the terminal as it is; nothing where it could not.
    pub(crate) fn arrived(mut self) -> Option<Guard> {
        let mut ready = [0];
        self.answer.read_exact(&mut ready).ok()?;
        (ready == [READY]).then_some(self.guard)
    }
}

impl Drop for Guard {
    /// Tells the guard that the terminal is restored, or was never changed, and sees it end.
    fn drop(&mut self) {
        // A guard that was killed needs no dismissal.
        let _ = self.orders.write_all(&[RESTORED]);
        let _ = retry_on_intr(|| waitpid(Some(self.process), WaitOptions::empty()));
    }
}

/// Guards the controlling terminal until there are no more orders.
fn guard(mut heard: PipeReader, mut ready: PipeWriter, lease: &PipeReader) -> io::Result<()> {
    // What the user's terminal sends to the foreground is not for it.
    // SAFETY: sound to call.
    unsafe { libc::setpgid(0, 0) };
    ignore_signals();
    keep_only([heard.as_raw_fd(), ready.as_raw_fd(), lease.as_raw_fd()]);
    let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let saved = tcgetattr(&file)?;
    ready.write_all(&[READY])?;
    drop(ready);
    let mut touched = Touched::default();
    let mut said = [0];
    while heard.read(&mut said)? == 1 {
        match said {
            [RESTORED] => return Ok(()),
            [bits] => touched = Touched::from_bits(bits),
        }
    }
    // Whatever came of it: the one that hangs leaves a terminal alone that is not raw.
    has_ended(lease);
    // A shell that noticed the death first has set the terminal for its prompt; that is not to be undone.
    if is_raw(&file) {
        tcsetattr(&file, OptionalActions::Flush, &saved)?;
    }
    write_within(&file, &farewell(touched), Duration::from_secs(1))
}

/// The guard outlives what ends the attachment; and in the background it may set the terminal only while TTOU is
/// ignored.
fn ignore_signals() {
    for signal in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGTERM,
        libc::SIGTSTP,
        libc::SIGTTOU,
        libc::SIGPIPE,
    ] {
        // SAFETY: ignoring a signal runs no handler.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Closes every descriptor but these: a connection that the guard held open would look alive to the other side, and
/// so would the shell's pipes.
fn keep_only(mut kept: [RawFd; 3]) {
    kept.sort_unstable();
    let mut first = 0;
    for descriptor in kept.into_iter().chain([RawFd::MAX]) {
        if first < descriptor {
            // SAFETY: closes what nothing in this process will use again: it returns to nobody, and owns only `kept`.
            unsafe {
                libc::close_range(first.cast_unsigned(), (descriptor - 1).cast_unsigned(), 0)
            };
        }
        first = descriptor.saturating_add(1);
    }
}
