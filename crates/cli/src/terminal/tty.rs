//! The user's terminal: raw while an attachment lasts, and restored however it ends.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::ioctl_fionread;
use rustix::termios::{
    LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr, ttyname,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::colours::Touched;
use super::guard::{Coming, Guard};
use super::lease::Lease;
use super::modes::{BACK, ENTER, NEUTRAL};
use crate::args::Size;

/// A terminal that takes nothing for this long is not waited for on leaving.
const LEAVE_DEADLINE: Duration = Duration::from_secs(1);

/// The terminal, opened anew: our own file description can be non-blocking without the shell's becoming so.
#[derive(Debug)]
pub(crate) struct Tty {
    file: File,
    /// Absent once the terminal is entered.
    coming: Mutex<Option<(Lease, Option<Coming>)>>,
}

/// What is typed in the terminal. As long as there is one, each key wakes this process.
#[derive(Debug)]
pub(crate) struct Keyboard(AsyncFd<File>);

/// What leaving must restore; there is one terminal, and a panic must find it.
static LEFT_BEHIND: Mutex<Option<Restore>> = Mutex::new(None);

#[derive(Debug)]
struct Restore {
    file: File,
    saved: Termios,
    touched: Touched,
    lease: Lease,
    /// Absent where a second process cannot be had: then only being killed outright leaves the terminal as it is.
    guard: Option<Guard>,
}

/// Tells whether a person sits in front of stdin and stdout.
pub(crate) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Tells the size of the terminal on stdout, if there is one.
pub(crate) fn size_of_stdout() -> Option<Size> {
    size_of(io::stdout())
}

fn size_of(terminal: impl AsFd) -> Option<Size> {
    let size = tcgetwinsize(terminal).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(Size {
        columns: size.ws_col,
        rows: size.ws_row,
    })
}

impl Tty {
    /// Opens the terminal of stdin.
    pub(crate) fn open() -> io::Result<Self> {
        let open = |path: &str| {
            let flags = (OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
            OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(flags.cast_signed())
                .open(path)
        };
        // /dev/tty opens even where the terminal belongs to whoever ran `su`; a terminal that is not the controlling
        // one is reached by its descriptor.
        let file = open("/dev/tty").or_else(|_| open("/proc/self/fd/0"))?;
        let lease = Lease::new()?;
        let guard = Guard::start(lease.end()).ok();
        Ok(Self {
            file,
            coming: Mutex::new(Some((lease, guard))),
        })
    }

    /// Makes the terminal raw and enters its alternate screen, until [`leave`].
    pub(crate) fn enter(&self) -> io::Result<()> {
        let coming = self
            .coming
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (lease, guard) = match coming {
            Some((lease, guard)) => (lease, guard.and_then(Coming::arrived)),
            None => (Lease::new()?, None),
        };
        let saved = tcgetattr(&self.file)?;
        let mut raw = saved.clone();
        raw.make_raw();
        let file = self.file.try_clone()?;
        *lock() = Some(Restore {
            file,
            saved,
            touched: Touched::default(),
            lease,
            guard,
        });
        // Not flushed: what was typed ahead is meant for the runner.
        tcsetattr(&self.file, OptionalActions::Drain, &raw)?;
        write_within(&self.file, ENTER, LEAVE_DEADLINE)
    }

    /// Names the terminal as other programs do: `pts/3`.
    pub(crate) fn name() -> String {
        let name = ttyname(io::stdin(), Vec::new()).ok();
        let name = name.and_then(|name| name.into_string().ok());
        name.map_or_else(String::new, |name| {
            name.strip_prefix("/dev/").unwrap_or(&name).to_owned()
        })
    }

    /// Gives the terminal's size.
    pub(crate) fn size(&self) -> Size {
        size_of(&self.file).unwrap_or(Size {
            columns: 80,
            rows: 24,
        })
    }

    /// Gives the terminal itself, to be handed to another process.
    pub(crate) const fn file(&self) -> &File {
        &self.file
    }

    /// Tells whether the terminal is as [`Self::enter`] made it.
    pub(crate) fn is_raw(&self) -> bool {
        is_raw(&self.file)
    }

    /// Tells whether something was typed that nobody has read yet.
    pub(crate) fn has_unread(&self) -> bool {
        ioctl_fionread(&self.file).is_ok_and(|unread| unread > 0)
    }

    /// Begins to heed what is typed.
    pub(crate) fn keyboard(&self) -> io::Result<Keyboard> {
        let file = self.file.try_clone()?;
        // SAFETY: the descriptor is the file's, which the AsyncFd owns and which stays open as long.
        let file = unsafe { AsyncFd::register_with_interest(file, Interest::READABLE)? };
        Ok(Keyboard(file))
    }

    /// Writes as much as the terminal takes now, once it takes any. Cancel safe.
    pub(crate) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut terminal = &self.file;
        loop {
            match terminal.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable().await?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                written => return written,
            }
        }
    }

    /// Waits until the terminal takes something. It is awaited for reading only but here: the system tells whoever
    /// awaits writing each time the terminal has read something, which is once more for every key.
    async fn writable(&self) -> io::Result<()> {
        let file = self.file.try_clone()?;
        // SAFETY: as for reading.
        let file = unsafe { AsyncFd::register_with_interest(file, Interest::WRITABLE)? };
        let _ready = file.writable().await?;
        Ok(())
    }
}

impl Keyboard {
    /// Reads what was typed; nothing means that the terminal is gone. Cancel safe.
    pub(crate) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.0.readable().await?;
            if let Ok(read) = ready.try_io(|file| file.get_ref().read(buffer)) {
                if read.as_ref().is_ok_and(|read| *read < buffer.len()) {
                    // That was all; what comes next is told.
                    ready.clear_ready();
                }
                return read;
            }
        }
    }

    /// Waits until something is typed, and leaves it unread. Cancel safe.
    pub(crate) async fn stirs(&self) {
        // What is wrong with it reading tells.
        let _ready = self.0.readable().await;
    }
}

/// Makes a panic restore the terminal before it is told.
pub(crate) fn restore_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        leave(Typeahead::Drop);
        tell(panic);
    }));
}

/// Notes what leaving must reset besides the modes.
pub(crate) fn touch(touched: Touched) {
    if let Some(restore) = lock().as_mut()
        && restore.touched != touched
    {
        restore.touched = touched;
        if let Some(guard) = &mut restore.guard {
            guard.tell(touched);
        }
    }
}

/// Gives what whoever is lent the terminal is to hold as long as that.
pub(crate) fn lease() -> Option<OwnedFd> {
    let restore = lock();
    let held = restore.as_ref()?.lease.held().try_clone().ok()?;
    Some(held.into())
}

/// What becomes of keys typed and not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typeahead {
    /// They are the shell's: the user left on purpose.
    Keep,
    /// They were meant for the runner, which has gone; a shell must not run them.
    Drop,
}

/// Undoes every mode and makes the terminal what it was; does nothing when it was not changed.
pub(crate) fn leave(typeahead: Typeahead) {
    let Some(restore) = lock().take() else {
        return;
    };
    let Restore {
        file,
        saved,
        touched,
        lease,
        guard,
    } = restore;
    if !lease.give_up() {
        // Whoever it was lent to hangs, and should it go on it leaves a terminal alone that is not raw.
        let _ = tcsetattr(&file, OptionalActions::Now, &saved);
    }
    // A terminal that was closed cannot be restored, and needs not be.
    let _ = write_within(&file, &farewell(touched), LEAVE_DEADLINE);
    let how = match typeahead {
        Typeahead::Keep => OptionalActions::Now,
        Typeahead::Drop => OptionalActions::Flush,
    };
    let _ = tcsetattr(&file, how, &saved);
    drop(guard);
}

/// Gives what undoes every mode and colour and returns to the user's screen.
pub(crate) fn farewell(touched: Touched) -> Vec<u8> {
    [&touched.reset(), NEUTRAL, BACK].concat()
}

/// Tells whether what is typed comes as it is.
pub(crate) fn is_raw(terminal: impl AsFd) -> bool {
    tcgetattr(terminal).is_ok_and(|now| {
        !now.local_modes
            .intersects(LocalModes::ICANON | LocalModes::ISIG)
    })
}

fn lock() -> std::sync::MutexGuard<'static, Option<Restore>> {
    LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Writes to a non-blocking terminal, waiting at most `patience` each time it takes nothing.
pub(crate) fn write_within(
    mut file: &File,
    mut bytes: &[u8],
    patience: Duration,
) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let patience = Timespec::try_from(patience).ok();
                if poll(&mut [PollFd::new(&file, PollFlags::OUT)], patience.as_ref())? == 0 {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
