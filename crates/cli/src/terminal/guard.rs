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

/// A guard at work.
#[derive(Debug)]
pub(crate) struct Guard {
    child: Child,
}

impl Guard {
    /// Starts a guard and waits until it has seen the terminal as it is.
    pub(crate) fn start() -> io::Result<Self> {
        // The running program, even where its file was replaced.
        let mut child = Command::new("/proc/self/exe")
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // What the user's terminal sends to the foreground is not for it.
            .process_group(0)
            .spawn()?;
        let mut ready = [0];
        let seen = child
            .stdout
            .take()
            .map(|mut stdout| stdout.read_exact(&mut ready));
        match seen {
            Some(Ok(())) if ready == [READY] => Ok(Self { child }),
            _ => {
                child.wait()?;
                Err(io::Error::other("the guard cannot open the terminal"))
            }
        }
    }

    /// Tells the guard what it would have to reset.
    pub(crate) fn tell(&mut self, touched: Touched) {
        if let Some(stdin) = &mut self.child.stdin {
            // A guard that was killed guards nothing any more.
            let _ = stdin.write_all(&[touched.bits()]);
        }
    }

    /// Tells the guard that the terminal is restored, and sees it end.
    pub(crate) fn dismiss(mut self) {
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
