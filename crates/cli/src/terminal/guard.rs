//! A second process that restores the terminal when the attaching one is killed outright.
//!
//! Nothing in a process can act on SIGKILL (or on running out of memory), and a terminal left raw, on its alternate
//! screen and with mouse reports on is beyond what most people can mend. So `attach` and `play` start this program once
//! more, as a guard that does nothing but read a pipe: bytes say what is to be reset besides the modes and at last that
//! all is restored; an end without that says that it was not.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::colours::Touched;
use super::tty::{farewell, write_within};

/// The argument that makes this program a guard; no command for people.
pub(crate) const ARGUMENT: &str = "__guard-terminal";

const READY: u8 = b'r';
const RESTORED: u8 = u8::MAX;

/// A guard at work. Dropping it dismisses it.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
}

/// A guard that may not have seen the terminal yet.
#[derive(Debug)]
pub(crate) struct Coming(Guard);

impl Guard {
    /// Starts a guard, which takes about as long as starting this program did: time for something else.
    pub(crate) fn start() -> io::Result<Coming> {
        // The running program, even where its file was replaced.
        let child = Command::new("/proc/self/exe")
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What the user's terminal sends to the foreground is not for it.
            .process_group(0)
            .spawn()?;
        Ok(Coming(Self { child }))
    }

    /// Tells the guard what it would have to reset.
    pub(crate) fn tell(&mut self, touched: Touched) {
        if let Some(stdin) = &mut self.child.stdin {
            // A guard that was killed guards nothing any more.
            let _ = stdin.write_all(&[touched.bits()]);
        }
    }
}

impl Coming {
    /// Waits until the guard has seen the terminal as it is; nothing where it could not.
    pub(crate) fn arrived(self) -> Option<Guard> {
        let mut guard = self.0;
        let mut ready = [0];
        guard.child.stdout.take()?.read_exact(&mut ready).ok()?;
        (ready == [READY]).then_some(guard)
    }
}

impl Drop for Guard {
    /// Tells the guard that the terminal is restored, or was never changed, and sees it end.
    fn drop(&mut self) {
        if let Some(mut stdin) = self.child.stdin.take() {
            // A guard that was killed needs no dismissal.
            let _ = stdin.write_all(&[RESTORED]);
        }
        let _ = self.child.wait();
    }
}

/// Guards the controlling terminal until stdin ends.
pub(crate) fn run() -> io::Result<()> {
    ignore_signals();
    let file = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
    let saved = tcgetattr(&file)?;
    io::stdout().write_all(&[READY])?;
    io::stdout().flush()?;
    let mut touched = Touched::default();
    let mut said = [0];
    while io::stdin().read(&mut said)? == 1 {
        match said {
            [RESTORED] => return Ok(()),
            [bits] => touched = Touched::from_bits(bits),
        }
    }
    // A shell that noticed the death first has set the terminal for its prompt; that is not to be undone.
    let is_raw = |file: &File| {
        tcgetattr(file).map(|now| {
            !now.local_modes
                .intersects(LocalModes::ICANON | LocalModes::ISIG)
        })
    };
    if is_raw(&file)? {
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
