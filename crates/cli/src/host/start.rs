//! Starting a host of our own.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::fs::{MemfdFlags, memfd_create};
use stratavore_core::launch::RUNNER_VARIABLE;

use crate::failure::{Failure, Kind, Result};

/// The headless host.
const PROGRAM: &str = "stratavored";
/// As much of what it says as an error message can carry.
const MAX_WORDS: u64 = 4096;

/// A host that was started and has not answered yet.
#[derive(Debug)]
pub(crate) struct Starting {
    child: Child,
    /// What it writes to stderr. A file without a name, rather than a pipe: the host may go on writing after we are
    /// gone.
    words: File,
    program: PathBuf,
}

impl Starting {
    /// Starts `stratavored` in a session of its own, without anything of ours.
    pub(crate) fn new() -> Result<Self> {
        if std::env::var_os(RUNNER_VARIABLE).is_some() {
            // It would descend from that runner's agent, and so would every agent that it starts.
            return Err(Failure::new(
                Kind::Unavailable,
                "no host runs, and one that is started inside of a runner would end with it",
            )
            .hint("open the desktop app, or start stratavored, outside of the runner"));
        }
        let program = find().ok_or_else(|| {
            Failure::new(
                Kind::Unavailable,
                format!("no host runs, and {PROGRAM} is neither beside this program nor in PATH"),
            )
            .hint(format!(
                "install {PROGRAM} beside it, or start the desktop app"
            ))
        })?;
        let start = || -> io::Result<Self> {
            let words = File::from(memfd_create(c"stratavored-stderr", MemfdFlags::CLOEXEC)?);
            let mut command = Command::new(&program);
            command
                .arg("--started-by-client")
                .current_dir("/")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(words.as_fd().try_clone_to_owned()?);
            // SAFETY: both calls are async-signal-safe and touch nothing of the parent.
            unsafe {
                command.pre_exec(|| {
                    rustix::process::setsid()?;
                    // What a script left open (a lock, a pipe) would else stay open as long as the host runs. Marked
                    // rather than closed: std reports a failed exec through one of these.
                    let flags = libc::CLOSE_RANGE_CLOEXEC;
                    libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flags);
                    Ok(())
                });
            }
            Ok(Self {
                child: command.spawn()?,
                words,
                program: program.clone(),
            })
        };
        start().map_err(|error| {
            Failure::caused(
                Kind::Unavailable,
                format!("cannot start {}", super::shown(&program)),
                &error,
            )
            .hint("see that it is an executable of this machine")
        })
    }

    /// Tells whether it has ended already.
    pub(crate) fn has_exited(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Tells why it does not answer, in its own words.
    pub(crate) fn failure(&mut self, overdue: bool) -> Failure {
        let mut words = Vec::new();
        // What cannot be read back leaves the message without it.
        let _ = self
            .words
            .rewind()
            .and_then(|()| (&self.words).take(MAX_WORDS).read_to_end(&mut words));
        let words = String::from_utf8_lossy(&words).into_owned();
        let program = super::shown(&self.program);
        let hint = "see what is wrong with `stratavore doctor`";
        let status = match self.child.try_wait() {
            Ok(Some(status)) => status,
            _ if overdue => {
                return Failure::new(
                    Kind::Unavailable,
                    format!("{program} was started but does not answer"),
                )
                .hint("it may be slow; try again, and see its logs if this stays");
            }
            _ => {
                return Failure::new(Kind::Unavailable, format!("{program} does not answer"))
                    .hint(hint);
            }
        };
        let how = match status.code() {
            Some(code) => format!("exit {code}"),
            None => status.to_string(),
        };
        // Its own error and hint, without their labels, become ours.
        let mut message: Vec<&str> = Vec::new();
        let mut its_hint = None;
        for line in words
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty())
        {
            let line = line.strip_prefix("stratavored: ").unwrap_or(line);
            match line.strip_prefix("hint: ") {
                Some(hint) => its_hint = Some(hint.to_owned()),
                None => message.push(line.strip_prefix("error: ").unwrap_or(line)),
            }
        }
        let why = if message.is_empty() {
            String::new()
        } else {
            format!(": {}", message.join("\n"))
        };
        let kind = match status.code() {
            Some(9) => Kind::BadConfig,
            _ => Kind::Unavailable,
        };
        Failure::new(kind, format!("{program} could not start ({how}){why}"))
            .hint(its_hint.unwrap_or_else(|| hint.to_owned()))
    }
}

/// Finds the host's program: beside this one, else in PATH.
pub(crate) fn find() -> Option<PathBuf> {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|path| Some(path.parent()?.join(PROGRAM)));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|directory| directory.join(PROGRAM));
    beside
        .into_iter()
        .chain(in_path)
        .find(|path| path.is_absolute() && is_executable(path))
}

fn is_executable(path: &std::path::Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}
