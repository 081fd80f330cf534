//! From a socketpair on standard input to a running program.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stratavore_wire::record::RECORD_VERSION;
use stratavore_wire::{
    End, ExitRecord, FrameDecoder, Hello, LaunchSpec, Message, MessageError, ProgramState, Refusal,
    Refused, RunnerRecord, SpawnFailed, SpawnFailure, Started, Timestamp,
};

use crate::agent::{Agent, Parts, peer_pid, welcome};
use crate::cgroup::{self, Cgroup};
use crate::clock;
use crate::peer::Peer;
use crate::place::{Durability, Place};
use crate::process::Stat;
use crate::pty::Pty;
use crate::screen::Size;
use crate::signals::{Arrived, Signals};
use crate::tree::{Reaped, Tree, become_reaper, reap};

/// Longest path of a Unix socket: `sun_path` has 108 bytes and ends with a NUL.
const SOCKET_PATH_MAX: usize = 107;
/// The shim has this long to connect and to say what is wrong; it does so in a millisecond.
const SHIM_TIMEOUT: Duration = Duration::from_secs(30);

/// What ended start-up before a program ran; the supervisor was told.
#[derive(Debug)]
pub enum Ended {
    /// The agent is not needed, or not wanted.
    Refused(Refused),
    /// The program could not be executed.
    SpawnFailed(SpawnFailed),
    /// The supervisor left before it said what to run.
    Unheard(io::Error),
}

/// Hears what to run, leaves the supervisor's session, runs it, and stays until it has ended.
pub fn run() -> Result<(), Ended> {
    let mut supervisor = take_standard_input().map_err(Ended::Unheard)?;
    let (hello, mut launch, decoder) = hear(&mut supervisor)?;
    let version = match hello.negotiate() {
        Ok(version) => version,
        Err(refused) => return Err(refuse(&mut supervisor, refused)),
    };
    // Only one thread runs: a fork is as safe as in C.
    leave_session().map_err(Ended::Unheard)?;

    let (place, listener) = match settle(&launch) {
        Ok(settled) => settled,
        Err(refused) => return Err(refuse(&mut supervisor, refused)),
    };
    note_panics(place.directory());
    // Whoever has the place answers for the attempt from here on.
    let size = Size::bounded(launch.columns, launch.rows);
    let mut started = match Spawner::new(&launch, place, listener) {
        Ok(spawner) => {
            let welcome = welcome(&launch, version, None, size, false, false);
            tell(&mut supervisor, &Message::Welcome(welcome));
            match spawner.spawn(&launch, size) {
                Ok(started) => started,
                Err(failed) => {
                    let _ = std::fs::remove_file(&launch.socket);
                    tell(&mut supervisor, &Message::SpawnFailed(failed.clone()));
                    return Err(Ended::SpawnFailed(failed));
                }
            }
        }
        Err(refused) => return Err(refuse(&mut supervisor, refused)),
    };
    tell(
        &mut supervisor,
        &Message::Started(Started {
            program: started.program.clone(),
            at: started.at,
        }),
    );

    // Secrets are needed no more.
    launch.env = Vec::new();
    let now = Instant::now();
    let mut first = Peer::new(0, supervisor, now).map_err(Ended::Unheard)?;
    first.greeted(&hello);
    first.continue_with(decoder);
    started.peers.insert(0, first);
    let agent = Agent::new(Parts {
        launch,
        place: started.place,
        program: started.program,
        pty: started.pty,
        tree: started.tree,
        listener: started.listener,
        signals: started.signals,
        peers: started.peers,
    });
    drop((hello, size));
    // What start-up allocated is given back: from here on the agent mostly sleeps.
    // SAFETY: always sound to call.
    unsafe { libc::malloc_trim(0) };
    agent.run().map_err(Ended::Unheard)
}

/// Moves the supervisor's stream away from standard input, for the program must not inherit it.
fn take_standard_input() -> io::Result<UnixStream> {
    let stream = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let nothing = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?;
    rustix::stdio::dup2_stdin(&nothing)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    Ok(UnixStream::from(stream))
}

fn hear(stream: &mut UnixStream) -> Result<(Hello, LaunchSpec, FrameDecoder), Ended> {
    let mut decoder = FrameDecoder::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut hello = None;
    loop {
        let message = match decoder.next_message() {
            Ok(message) => message,
            Err(error) => {
                let code = match error {
                    MessageError::Frame(_) if hello.is_none() => Refusal::NotStratavore,
                    _ => Refusal::BadFrame,
                };
                return Err(refuse(stream, Refused::new(code, error.to_string())));
            }
        };
        match (message, hello.take()) {
            (Some(Message::Hello(said)), None) => hello = Some(said),
            (Some(Message::Launch(launch)), Some(hello)) => return Ok((hello, *launch, decoder)),
            (Some(other), _) => {
                let text = format!("{} came out of turn: say hello, then launch", other.name());
                return Err(refuse(stream, Refused::new(Refusal::OutOfTurn, text)));
            }
            (None, said) => {
                hello = said;
                match stream.read(&mut buffer) {
                    Ok(0) => return Err(Ended::Unheard(io::ErrorKind::UnexpectedEof.into())),
                    Ok(read) => decoder.push(&buffer[..read]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(Ended::Unheard(error)),
                }
            }
        }
    }
}

/// Says something to the supervisor; it may have died meanwhile, which changes nothing for the runner.
fn tell(stream: &mut UnixStream, message: &Message) {
    if let Ok(bytes) = message.to_bytes() {
        let _ = stream.write_all(&bytes);
    }
}

fn refuse(stream: &mut UnixStream, refused: Refused) -> Ended {
    tell(stream, &Message::Refused(refused.clone()));
    Ended::Refused(refused)
}

/// Becomes nobody's child, in a session of its own, with nothing of the caller's but what the program shall inherit.
fn leave_session() -> io::Result<()> {
    // SAFETY: only one thread runs; parent and child go on as after any return.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        // SAFETY: nothing is left to do for this process; the child owns every descriptor.
        _ => unsafe { libc::_exit(0) },
    }
    rustix::process::setsid()?;
    std::env::set_current_dir("/")?;
    // Not before: the supervisor reads what a failing start says.
    let nothing = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(&nothing)?;
    become_reaper()
}

/// Takes the attempt and its socket; nothing is recorded yet.
fn settle(launch: &LaunchSpec) -> Result<(Place, UnixListener), Refused> {
    let place = Place::take(&launch.attempt_dir)?;
    let length = launch.socket.as_os_str().len();
    if length > SOCKET_PATH_MAX {
        return Err(Refused::new(
            Refusal::SocketPathTooLong,
            format!(
                "socket path {} has {length} bytes, more than the {SOCKET_PATH_MAX} the system takes: \
                 set STRATAVORE_RUNTIME_DIR to a shorter directory",
                launch.socket.display()
            ),
        ));
    }
    let listener = listen(&launch.socket).map_err(|error| {
        Refused::new(
            Refusal::BadPlace,
            format!(
                "listen on {}: {error}: make the runtime directory writable",
                launch.socket.display()
            ),
        )
    })?;
    Ok((place, listener))
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    // The lock is held: whoever listened here is dead.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The file must not be open to others even for a moment.
    let mask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(mask);
    let listener = listener?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Leaves a trace of a panic, which nobody would see.
fn note_panics(directory: &Path) {
    let path = directory.join("agent.log");
    std::panic::set_hook(Box::new(move |panic| {
        let _ = std::fs::write(&path, format!("{panic}\n"));
    }));
}

/// Executes the program and notes each step.
struct Spawner {
    place: Place,
    listener: UnixListener,
    record: RunnerRecord,
}

struct Running {
    place: Place,
    listener: UnixListener,
    program: ProgramState,
    at: Timestamp,
    pty: Pty,
    tree: Tree,
    signals: Signals,
    peers: Vec<Peer>,
}

impl Spawner {
    /// Records the attempt: it is never executed again after this.
    fn new(launch: &LaunchSpec, place: Place, listener: UnixListener) -> Result<Self, Refused> {
        let agent = Stat::read(std::process::id() as i32).map(|stat| stat.process.identity());
        let record = agent
            .ok_or_else(|| io::Error::other("/proc is not mounted"))
            .and_then(|agent| {
                let scope = cgroup::own_scope(&launch.runner_id);
                let record = RunnerRecord::new(launch, agent, scope, clock::now());
                place
                    .record_runner(&record, Durability::Power)
                    .map(|()| record)
            });
        match record {
            Ok(record) => Ok(Self {
                place,
                listener,
                record,
            }),
            Err(error) => Err(Refused::new(
                Refusal::BadPlace,
                format!(
                    "record attempt in {}: {error}: nothing was started; make room, or make it writable",
                    place.directory().display()
                ),
            )),
        }
    }

    fn spawn(mut self, launch: &LaunchSpec, size: Size) -> Result<Running, SpawnFailed> {
        match self.execute(launch, size) {
            Ok((pid, pty, tree, signals, peers)) => {
                let at = clock::now();
                let process = Stat::read(pid).map(|stat| stat.process.identity());
                // A program that has ended already is not reaped yet, and so still has its entry.
                let program = process.unwrap_or(ProgramState {
                    pid,
                    start_time: 0,
                    boot_id: self.record.boot_id.clone(),
                });
                self.record.process = Some(program.clone());
                self.record.started_at = Some(at);
                // The attempt is on disk; who the program is matters only as long as this boot lasts.
                let _ = self.place.record_runner(&self.record, Durability::Process);
                let (place, listener) = (self.place, self.listener);
                Ok(Running {
                    place,
                    listener,
                    program,
                    at,
                    pty,
                    tree,
                    signals,
                    peers,
                })
            }
            Err(failed) => {
                let record = ExitRecord {
                    version: RECORD_VERSION,
                    runner_id: launch.runner_id.clone(),
                    attempt: launch.attempt,
                    at: failed.at,
                    end: End::SpawnFailed {
                        failure: failed.code,
                        message: failed.message.clone(),
                    },
                    leftovers: 0,
                };
                let _ = self.place.record_exit(&record);
                Err(failed)
            }
        }
    }

    fn execute(
        &mut self,
        launch: &LaunchSpec,
        size: Size,
    ) -> Result<(i32, Pty, Tree, Signals, Vec<Peer>), SpawnFailed> {
        launch.check().map_err(|refused| failed(refused.message))?;
        let broken =
            |what: &'static str| move |error: io::Error| failed(format!("{what}: {error}"));
        let mut signals = Signals::new().map_err(broken("await signals"))?;
        let pty = Pty::open(size).map_err(broken("open terminal"))?;
        let mut tree = Tree::new(self.record.cgroup.as_deref().and_then(Cgroup::create));
        let pid = pty
            .spawn("/proc/self/exe", &launch.socket)
            .map_err(broken("start the shim that executes the program"))?;
        tree.adopt(pid);
        let mut peers = Vec::new();
        match self.brief(pid, launch, &mut signals, &mut peers) {
            Ok(()) => Ok((pid, pty, tree, signals, peers)),
            Err(failure) => {
                tree.kill();
                Err(failure)
            }
        }
    }

    /// Waits for the shim, tells it what to execute, and hears whether that went well.
    fn brief(
        &self,
        pid: i32,
        launch: &LaunchSpec,
        signals: &mut Signals,
        peers: &mut Vec<Peer>,
    ) -> Result<(), SpawnFailed> {
        let deadline = Instant::now() + SHIM_TIMEOUT;
        let mut shim = self.await_shim(pid, deadline, signals, peers)?;
        let broken = |error: io::Error| {
            failed(format!(
                "talk to the shim that executes the program: {error}"
            ))
        };
        let message = Message::Launch(Box::new(launch.clone()));
        let bytes = message
            .to_bytes()
            .map_err(|error| failed(format!("tell the shim what to execute: {error}")))?;
        shim.set_nonblocking(false).map_err(broken)?;
        shim.set_read_timeout(Some(SHIM_TIMEOUT)).map_err(broken)?;
        shim.set_write_timeout(Some(SHIM_TIMEOUT)).map_err(broken)?;
        shim.write_all(&bytes).map_err(broken)?;
        drop(bytes);
        let mut decoder = FrameDecoder::new();
        let mut buffer = [0; 4096];
        let mut about_to = false;
        loop {
            match decoder.next_message() {
                Ok(Some(Message::Ended)) => about_to = true,
                Ok(Some(Message::SpawnFailed(failure))) => return Err(failure),
                Ok(Some(other)) => return Err(failed(format!("the shim said {}", other.name()))),
                Err(error) => {
                    return Err(failed(format!("the shim said what is no message: {error}")));
                }
                Ok(None) => match shim.read(&mut buffer).map_err(broken)? {
                    // Closed on exec.
                    0 if about_to => return Ok(()),
                    0 => return Err(failed("the shim that executes the program died")),
                    read => decoder.push(&buffer[..read]),
                },
            }
        }
    }

    fn await_shim(
        &self,
        pid: i32,
        deadline: Instant,
        signals: &mut Signals,
        peers: &mut Vec<Peer>,
    ) -> Result<UnixStream, SpawnFailed> {
        loop {
            while let Ok((stream, _)) = self.listener.accept() {
                if peer_pid(&stream) == Some(pid) {
                    return Ok(stream);
                }
                // Others have their turn when the program runs.
                const EARLY_MAX: usize = 16;
                if peers.len() < EARLY_MAX
                    && let Ok(peer) = Peer::new(peers.len() as u64 + 1, stream, Instant::now())
                    && peer.is_ours()
                {
                    peers.push(peer);
                }
            }
            if signals.take() != Arrived::default()
                && matches!(reap(), Reaped::Ended(..) | Reaped::Nothing)
            {
                return Err(failed(
                    "the shim that executes the program died before it could say why",
                ));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(failed(
                    "the shim that executes the program does not come: the machine is overloaded",
                ));
            }
            let timeout = Timespec {
                tv_sec: left.as_secs() as i64,
                tv_nsec: left.subsec_nanos().into(),
            };
            let mut fds = [
                PollFd::new(&self.listener, PollFlags::IN),
                PollFd::new(signals, PollFlags::IN),
            ];
            let _ = poll(&mut fds, Some(&timeout));
        }
    }
}

fn failed(message: impl Into<String>) -> SpawnFailed {
    SpawnFailed {
        code: SpawnFailure::Other,
        message: message.into(),
        at: clock::now(),
    }
}
