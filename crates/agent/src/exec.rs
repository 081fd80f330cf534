//! The shim that becomes the program: it says why when it cannot.
//!
//! `portable-pty` closes every descriptor but the terminal in the child, and with them the pipe by which the standard library
//! reports a failed exec: the child would abort, and nobody knew why. So the child is this program again; it connects to the
//! agent's socket, is told what to execute, and either its connection closes on exec or it says what is wrong.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::termios::{InputModes, OptionalActions, tcgetattr, tcsetattr};
use stratavore_wire::hook::SOCKET_VARIABLE;
use stratavore_wire::{FrameDecoder, LaunchSpec, Message, SpawnFailed, SpawnFailure};

use crate::clock;

/// Where programs are looked for when the environment does not say.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Says why the program could not be executed, and the mend.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    code: SpawnFailure,
    message: String,
}

impl Failure {
    fn new(code: SpawnFailure, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// Tells it now.
    pub fn told(self) -> SpawnFailed {
        SpawnFailed {
            code: self.code,
            message: self.message,
            at: clock::now(),
        }
    }
}

/// Connects to the agent, hears what to execute, and becomes it; returns only when that failed.
pub fn run(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    let launch = hear(&mut stream)?;
    let failure = match prepare(&launch) {
        Err(failure) => failure,
        Ok(exec) => {
            // From here on an end of the stream means that the program runs.
            stream.write_all(&Message::Ended.to_bytes().map_err(io::Error::other)?)?;
            exec.execute()
        }
    };
    let message = Message::SpawnFailed(failure.told());
    stream.write_all(&message.to_bytes().map_err(io::Error::other)?)
}

fn hear(stream: &mut UnixStream) -> io::Result<LaunchSpec> {
    let mut decoder = FrameDecoder::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match decoder.next_message().map_err(io::Error::other)? {
            Some(Message::Launch(launch)) => return Ok(*launch),
            Some(other) => {
                return Err(io::Error::other(format!(
                    "agent said {}, not launch",
                    other.name()
                )));
            }
            None => {}
        }
        match stream.read(&mut buffer)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => decoder.push(&buffer[..read]),
        }
    }
}

/// Everything that execve wants.
struct Exec {
    name: String,
    candidates: Vec<PathBuf>,
    arguments: Vec<CString>,
    environment: Vec<CString>,
}

fn prepare(launch: &LaunchSpec) -> Result<Exec, Failure> {
    enter(&launch.cwd)?;
    // A kernel that takes the terminal's input for bytes erases half of a character. Only an odd terminal refuses.
    if let Ok(mut terminal) = tcgetattr(io::stdin()) {
        terminal.input_modes |= InputModes::IUTF8;
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &terminal);
    }
    if let Some(files) = launch.open_files {
        let most = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit {
            current: Some(most.map_or(files, |most| most.min(files))),
            maximum: most,
        };
        // What it has is no less then, which only few programs mind.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    let has = |wanted: &str| launch.env.iter().any(|(key, _)| key == wanted);
    let mut environment = launch.env.clone();
    // A runner started from within another has hooks of its own.
    environment.retain(|(key, _)| key != "PWD" && key != SOCKET_VARIABLE);
    environment.push(("PWD".to_owned(), launch.cwd.clone()));
    if let Some(socket) = launch.socket.to_str() {
        environment.push((SOCKET_VARIABLE.to_owned(), socket.to_owned()));
    }
    for (key, value) in [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")] {
        if !has(key) {
            environment.push((key.to_owned(), value.to_owned()));
        }
    }
    let name = launch.argv[0].clone();
    let search = launch
        .env
        .iter()
        .find(|(key, _)| key == "PATH")
        .map_or(DEFAULT_PATH, |(_, path)| path.as_str());
    let candidates = if name.contains('/') {
        vec![PathBuf::from(&name)]
    } else {
        // An empty entry is the working directory, as everywhere.
        search
            .split(':')
            .map(|entry| Path::new(if entry.is_empty() { "." } else { entry }).join(&name))
            .collect()
    };
    let text = |text: String| {
        CString::new(text).map_err(|_| {
            Failure::new(SpawnFailure::Other, "an argument or a variable holds a NUL byte, which no program can be given: remove it")
        })
    };
    Ok(Exec {
        name,
        candidates,
        arguments: launch
            .argv
            .iter()
            .cloned()
            .map(text)
            .collect::<Result<_, _>>()?,
        environment: environment
            .into_iter()
            .map(|(key, value)| text(format!("{key}={value}")))
            .collect::<Result<_, _>>()?,
    })
}

fn enter(cwd: &str) -> Result<(), Failure> {
    let bad = |why: &str| {
        Failure::new(
            SpawnFailure::BadCwd,
            format!("working directory {cwd} {why}"),
        )
    };
    let directory = rustix::fs::open(
        cwd,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    directory
        .and_then(rustix::process::fchdir)
        .map_err(|error| match error {
            Errno::NOENT => bad("does not exist: create it, or give the project another path"),
            Errno::NOTDIR => bad("is not a directory: give the project another path"),
            Errno::ACCESS => bad(
                "may not be entered: give yourself the right to, or give the project another path",
            ),
            error => bad(&format!("cannot be entered: {error}")),
        })
}

impl Exec {
    fn execute(&self) -> Failure {
        reset_signals();
        let pointers = |texts: &[CString]| -> Vec<*const libc::c_char> {
            texts
                .iter()
                .map(|text| text.as_ptr())
                .chain([std::ptr::null()])
                .collect()
        };
        let (arguments, environment) = (pointers(&self.arguments), pointers(&self.environment));
        let mut worst = None;
        for candidate in &self.candidates {
            let Ok(path) = CString::new(candidate.as_os_str().as_bytes()) else {
                continue;
            };
            // SAFETY: all are NUL-terminated and outlive the call, which returns only when it failed.
            unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
            let error = io::Error::last_os_error().raw_os_error().unwrap_or(0);
            match error {
                libc::ENOENT | libc::ENOTDIR if !exists(candidate) => {}
                libc::EACCES if self.candidates.len() > 1 => {
                    worst.get_or_insert((candidate, error));
                }
                _ => return self.diagnose(candidate, error),
            }
        }
        match worst {
            Some((candidate, error)) => self.diagnose(candidate, error),
            None => self.not_found(),
        }
    }

    fn not_found(&self) -> Failure {
        let name = &self.name;
        let message = if name.contains('/') {
            format!("program {name} does not exist: install it, or mend the command")
        } else {
            let places: Vec<_> = self
                .candidates
                .iter()
                .filter_map(|path| path.parent()?.to_str())
                .collect();
            format!(
                "program {name} is not installed, or not in PATH ({}): install it, or mend PATH",
                places.join(":")
            )
        };
        Failure::new(SpawnFailure::NotFound, message)
    }

    fn diagnose(&self, path: &Path, error: i32) -> Failure {
        let shown = path.display();
        match error {
            libc::E2BIG => {
                let size: usize = self
                    .arguments
                    .iter()
                    .chain(&self.environment)
                    .map(|text| text.as_bytes_with_nul().len())
                    .sum();
                Failure::new(
                    SpawnFailure::ArgumentsTooLong,
                    format!(
                        "arguments and environment of {} are {size} bytes, more than the system takes: \
                         pass long text in a file or on standard input",
                        self.name,
                    ),
                )
            }
            libc::ENOENT | libc::ENOTDIR | libc::ELOOP => match interpreter(path) {
                Some(interpreter) => bad_interpreter(path, &interpreter, "does not exist"),
                None if !exists(path) => self.not_found(),
                None => Failure::new(
                    SpawnFailure::BadInterpreter,
                    format!(
                        "program {shown} needs a loader that is not installed: install it for this machine's architecture"
                    ),
                ),
            },
            libc::EACCES => match fs::metadata(path) {
                Ok(found) if found.is_dir() => Failure::new(
                    SpawnFailure::NotExecutable,
                    format!("program {shown} is a directory: name a program in it"),
                ),
                Ok(found) if found.permissions().mode() & 0o111 == 0 => Failure::new(
                    SpawnFailure::NotExecutable,
                    format!("program {shown} is not executable: chmod +x {shown}"),
                ),
                Ok(_) => match interpreter(path) {
                    Some(interpreter) => bad_interpreter(path, &interpreter, "is not executable"),
                    None => Failure::new(
                        SpawnFailure::NotExecutable,
                        format!(
                            "program {shown} may not be executed by you, or its file system forbids it"
                        ),
                    ),
                },
                Err(_) => Failure::new(
                    SpawnFailure::NotExecutable,
                    format!("program {shown} is in a directory that you may not enter"),
                ),
            },
            libc::ENOEXEC => Failure::new(
                SpawnFailure::NotExecutable,
                format!(
                    "program {shown} is neither a binary for this machine nor a script: start it with a line such as #!/bin/sh"
                ),
            ),
            libc::ETXTBSY => Failure::new(
                SpawnFailure::NotExecutable,
                format!(
                    "program {shown} is being written to: try again when its installation is done"
                ),
            ),
            error => Failure::new(
                SpawnFailure::Other,
                format!("execute {shown}: {}", io::Error::from_raw_os_error(error)),
            ),
        }
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

fn bad_interpreter(path: &Path, interpreter: &str, why: &str) -> Failure {
    Failure::new(
        SpawnFailure::BadInterpreter,
        format!(
            "script {} names the interpreter {interpreter}, which {why}: install it, or mend the script's first line",
            path.display()
        ),
    )
}

/// Reads the interpreter that a script's first line names.
fn interpreter(path: &Path) -> Option<String> {
    let mut start = Vec::new();
    File::open(path)
        .ok()?
        .take(256)
        .read_to_end(&mut start)
        .ok()?;
    let line = start
        .strip_prefix(b"#!")?
        .split(|byte| *byte == b'\n')
        .next()?;
    let line = String::from_utf8_lossy(line);
    let line = line
        .strip_suffix('\r')
        .map_or_else(|| line.to_string(), |line| format!("{line}\\r"));
    line.split_ascii_whitespace().next().map(str::to_owned)
}

/// Gives every signal its default: an ignored one is inherited by all that the program ever starts.
fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: no handler is installed; numbers that are no signals are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: a zeroed set is made a valid one by `sigemptyset` before it is used.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}
