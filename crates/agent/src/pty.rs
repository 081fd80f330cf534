//! The program's terminal.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use portable_pty::{CommandBuilder, PtyPair, PtySize, native_pty_system};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Pid;

use crate::screen::Size;

/// Holds both ends. The inner one stays open here: the outer never ends while a daemon of the program may come back to it,
/// and an exit is known by its signal, not by the terminal.
pub struct Pty {
    pair: PtyPair,
}

impl std::fmt::Debug for Pty {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Pty")
            .field("name", &self.pair.master.tty_name())
            .finish()
    }
}

impl Pty {
    /// Opens a terminal.
    pub fn open(size: Size) -> io::Result<Self> {
        let pair = native_pty_system()
            .openpty(pty_size(size))
            .map_err(io::Error::other)?;
        let pty = Self { pair };
        fcntl_setfl(pty.as_fd(), fcntl_getfl(pty.as_fd())? | OFlags::NONBLOCK)?;
        Ok(pty)
    }

    /// Starts the shim on it, as leader of a session of its own; gives its pid. The child is reaped with all others.
    pub fn spawn(&self, program: impl AsRef<OsStr>, socket: &Path) -> io::Result<i32> {
        let mut command = CommandBuilder::new(program);
        command.env_clear();
        // Both would otherwise be looked up in the user database, which loads half a megabyte of libraries.
        command.env("HOME", "/");
        command.env("SHELL", "/bin/sh");
        command.cwd("/");
        command.args([OsStr::new("exec"), socket.as_os_str()]);
        let child = self
            .pair
            .slave
            .spawn_command(command)
            .map_err(io::Error::other)?;
        child
            .process_id()
            .map(|pid| pid as i32)
            .ok_or_else(|| io::Error::other("the child has no pid"))
    }

    /// Tells the programs on it its new size.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        self.pair
            .master
            .resize(pty_size(size))
            .map_err(io::Error::other)
    }

    /// Gives the process group that has the terminal now.
    pub fn foreground(&self) -> Option<Pid> {
        self.pair
            .master
            .process_group_leader()
            .and_then(Pid::from_raw)
    }

    /// Reads what the program wrote; `WouldBlock` when that was all.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        rustix::io::read(self.as_fd(), buffer).map_err(Into::into)
    }

    /// Types; gives how much the terminal took. The library's own writer types an end of file when it is dropped.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        rustix::io::write(self.as_fd(), bytes).map_err(Into::into)
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let fd = self.pair.master.as_raw_fd().unwrap_or(-1);
        // SAFETY: the master keeps its descriptor open as long as `self` lives, and on Unix always has one.
        unsafe { BorrowedFd::borrow_raw(fd) }
    }
}

fn pty_size(size: Size) -> PtySize {
    PtySize {
        rows: size.rows,
        cols: size.columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}
