//! Starts agents.
//!
//! The agent gets one end of a socket pair as its standard input and keeps it as its connection to this supervisor; it
//! separates itself from us before it executes anything, so that nothing that happens to us reaches it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use stratavore_core::config::holds_password;
use stratavore_core::ids::RunnerId;
use stratavore_core::launch::{CeilingAction, Launch, RUNNER_VARIABLE};
use stratavore_core::places::MAX_SOCKET_PATH;
use stratavore_core::runner::{Input, Runner};
use stratavore_core::session::{Mode, SessionKey};
use stratavore_programs::Hooks;
use stratavore_store::StoreError;
use stratavore_wire::client::{Connection, ConnectionError};
use stratavore_wire::frame::MAX_FRAME;
use stratavore_wire::{FrameError, Hello, HookPolicy, LaunchSpec, Message, Role, SpawnFailure};
use tokio::process::Command;
use tokio::sync::MutexGuard;
use tracing::{debug, warn};
use uuid::Uuid;

use crate::supervisor::Inner;
use crate::{attention, descriptors, link, observe};

/// Names a runner to what runs in it.
const NAME_VARIABLE: &str = "STRATAVORE_RUNNER_NAME";
/// Names the project to what runs in it.
const PROJECT_VARIABLE: &str = "STRATAVORE_PROJECT";

/// Plugins of ours, by program, in the data directory.
const PLUGINS: &str = "plugins";

/// The agent's own errors, beside the records of its attempt.
const AGENT_LOG: &str = "agent.log";

/// Why an agent could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The program is not where it should be.
    #[error("cannot find stratavore-agent beside {} or in PATH; install Stratavore again", .0.display())]
    NoAgent(PathBuf),
    /// The runner's socket would have too long a path.
    #[error(
        "the socket path {} has {} bytes, more than the {MAX_SOCKET_PATH} that a Unix socket can have; set STRATAVORE_RUNTIME_DIR to a shorter directory",
        .0.display(), .0.as_os_str().len()
    )]
    SocketPath(PathBuf),
    /// A directory or file could not be made.
    #[error("cannot {operation} {}: {source}", path.display())]
    Place {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process could not be made.
    #[error("cannot start {}: {source}", agent.display())]
    Start {
        /// The agent.
        agent: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is to be executed does not fit into one message to the agent.
    #[error(
        "the arguments and the environment have {bytes} bytes as a message to the agent, more than the {MAX_FRAME} it takes; pass what is long in a file"
    )]
    TooLong {
        /// How long that message is.
        bytes: usize,
    },
    /// The program cannot begin with its session.
    #[error("{message}; {hint}")]
    Session {
        /// What cannot be, and why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// It ended before it said anything.
    #[error("{} ended before it answered{}", agent.display(), last_said(said))]
    Mute {
        /// The agent.
        agent: PathBuf,
        /// Its last words.
        said: String,
    },
}

impl SpawnError {
    /// Returns the word to branch on: the agent's own where it has one for the same thing.
    fn code(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => SpawnFailure::ArgumentsTooLong.word(),
            _ => "agent",
        }
    }
}

fn last_said(words: &str) -> String {
    if words.is_empty() {
        String::new()
    } else {
        format!(": {words}")
    }
}

/// Starts an agent for an attempt and links to it. What goes wrong is told to the runner.
pub(crate) async fn attempt(inner: Arc<Inner>, runner: Runner, attempt: u32) {
    let id = runner.id;
    let result = async {
        let resumed = resumed(&inner, &runner, attempt).await?;
        let session = resumed.as_ref().map(|resumed| resumed.session.as_str());
        let connection = start(&inner, &runner, attempt, session).await?;
        Ok::<_, SpawnError>((connection, resumed))
    };
    match result.await {
        Ok((connection, resumed)) => {
            // From here on the link stands for the attempt: it is set before `spawning` is cleared.
            let session = resumed.as_ref().map(|resumed| resumed.session.clone());
            let link = link::begin(&inner, &runner, attempt, connection, None, session);
            inner.spawning_ended(id);
            if resumed.is_some() {
                // Before anybody else may look who holds what; the attempt after this one looks here.
                inner.keep(id, &link).await;
            }
        }
        Err(error) => {
            inner.spawning_ended(id);
            warn!(runner = %id, attempt, error = &error as &dyn std::error::Error, "cannot start an agent");
            let input = Input::CouldNotStart {
                attempt,
                code: error.code().to_owned(),
                message: error.to_string(),
                at: inner.clock.now(),
            };
            inner.tell(id, input).await;
        }
    }
}

async fn start(
    inner: &Inner,
    runner: &Runner,
    attempt: u32,
    resumed: Option<&str>,
) -> Result<Connection, SpawnError> {
    let spec = compose(inner, runner, attempt, resumed).await?;
    let agent = find_agent()?;
    let failed = |source: io::Error| SpawnError::Start {
        agent: agent.clone(),
        source,
    };
    let (ours, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .map_err(|e| failed(e.into()))?;
    let log = log_file(&spec.attempt_dir)?;
    let mut command = command(inner, runner, attempt, &agent);
    command
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        .stderr(log)
        .current_dir("/");
    let mut child = command.spawn().map_err(failed)?;
    // Our copy of its end must go, or its death would not be seen as the end of the stream.
    drop(command);
    inner.tracker.spawn(async move {
        // The process that was started ends as soon as the agent has separated itself.
        if let Err(error) = child.wait().await {
            debug!(%error, "cannot wait for the process that started an agent");
        }
    });
    let mut connection = Connection::from_stream(ours.into()).map_err(failed)?;
    let hello = Hello::new(Role::Supervisor, software());
    let sent = async {
        connection.send(&Message::Hello(hello)).await?;
        connection
            .send(&Message::Launch(Box::new(spec.clone())))
            .await
    };
    match sent.await {
        Ok(()) => Ok(connection),
        Err(ConnectionError::TooLong {
            source: FrameError::Oversized { len, .. },
            ..
        }) => Err(SpawnError::TooLong { bytes: len }),
        Err(_) => Err(SpawnError::Mute {
            agent,
            said: last_words(&spec.attempt_dir),
        }),
    }
}

/// Names us to an agent.
pub(crate) fn software() -> String {
    concat!("stratavore ", env!("CARGO_PKG_VERSION")).to_owned()
}

async fn compose(
    inner: &Inner,
    runner: &Runner,
    attempt: u32,
    resumed: Option<&str>,
) -> Result<LaunchSpec, SpawnError> {
    let socket = inner
        .places
        .agent_socket(inner.store.instance(), runner.id, attempt);
    if socket.as_os_str().len() > MAX_SOCKET_PATH {
        return Err(SpawnError::SocketPath(socket));
    }
    let attempt_dir = inner.places.attempt_dir(runner.id, attempt);
    make_private_dir(&attempt_dir)?;
    if let Some(parent) = socket.parent() {
        make_private_dir(parent)?;
    }
    let environment = inner.environment().await;
    let plugin = plugin(inner, runner, &environment.variables_of(&runner.launch))?;
    let mut own = vec![
        (RUNNER_VARIABLE, runner.id.to_string()),
        (NAME_VARIABLE, runner.name.to_string()),
        (PROJECT_VARIABLE, runner.project.to_string()),
    ];
    if let Some((variable, value)) = &plugin {
        own.push((variable, value.clone()));
    }
    let config = inner.config();
    let version = inner.version_of(&runner.launch).await;
    let adapter = stratavore_programs::adapter(&runner.launch.program);
    let wait = if adapter.asks_beside_its_hook() {
        config.permission_wait()
    } else {
        Duration::ZERO
    };
    Ok(LaunchSpec {
        runner_id: runner.id.to_string(),
        attempt,
        instance_id: inner.store.instance().to_string(),
        project: runner.project.to_string(),
        program: runner.launch.program.clone(),
        argv: words(inner, runner, resumed, version.as_deref())?,
        hooks: HookPolicy {
            permission_wait_ms: u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
        },
        cwd: runner.launch.cwd.clone(),
        env: environment.compose(&runner.launch, &own),
        columns: runner.launch.columns,
        rows: runner.launch.rows,
        history_lines: runner.launch.history_lines,
        record: runner.launch.record,
        open_files: descriptors::before(),
        keep_descendants: runner.launch.keep_descendants,
        attempt_dir,
        socket,
        heartbeat_ms: u64::try_from(config.heartbeat_interval().as_millis()).unwrap_or(10_000),
    })
}

/// Returns the words that an attempt executes: what begins or resumes its session, as far as the version takes it, what a person
/// gave, our hooks.
fn words(
    inner: &Inner,
    runner: &Runner,
    resumed: Option<&str>,
    version: Option<&str>,
) -> Result<Vec<String>, SpawnError> {
    let launch = &runner.launch;
    let adapter = stratavore_programs::adapter(&launch.program);
    let Some((executable, args)) = launch.argv.split_first() else {
        return Ok(Vec::new());
    };
    let mode = match (resumed, &launch.mode, &launch.session) {
        (Some(session), ..) => Mode::Resume(session.to_owned()),
        // It is known which one the latest was when it was launched; by now it may be another.
        (None, Mode::Continue, Some(session)) => Mode::Resume(session.clone()),
        (None, mode, _) => mode.clone(),
    };
    let fresh = launch.session.as_deref().and_then(|id| id.parse().ok());
    let beginning = adapter
        .begin(&mode, fresh.unwrap_or_else(Uuid::new_v4), args)
        .map_err(|unsupported| SpawnError::Session {
            message: unsupported.message,
            hint: unsupported.hint,
        })?
        .fit(adapter.flags(), version);
    let mut words = vec![executable.clone()];
    words.extend(beginning.args);
    words.extend(args.iter().cloned());
    Ok(match hooks(inner, launch)? {
        Some(hooks) => adapter.with_hooks(words, &hooks),
        None => words,
    })
}

/// Says how hooks reach us; nothing where a person wants none.
fn hooks(inner: &Inner, launch: &Launch) -> Result<Option<Hooks>, SpawnError> {
    if !inner.config().hooks() {
        return Ok(None);
    }
    let agent = find_agent()?.display().to_string();
    let wait = inner.config().permission_wait().as_secs();
    Ok(Some(Hooks {
        command: vec![agent, "hook".to_owned()],
        permission_wait_seconds: u32::try_from(wait).unwrap_or(u32::MAX),
        directory: PathBuf::from(&launch.cwd),
    }))
}

/// Puts a program's plugin in its place, and returns the variable that names it. Without it less is known, and the program runs.
fn plugin(
    inner: &Inner,
    runner: &Runner,
    environment: &BTreeMap<String, String>,
) -> Result<Option<(String, String)>, SpawnError> {
    let program = &runner.launch.program;
    let lookup = stratavore_programs::lookup(environment);
    let plugin = hooks(inner, &runner.launch)?
        .and_then(|hooks| stratavore_programs::adapter(program).plugin(&hooks, &lookup));
    let Some(plugin) = plugin else {
        return Ok(None);
    };
    // One place for all runners: programs remember where plugins of theirs lie.
    let directory = inner.places.data_dir.join(PLUGINS).join(program);
    match plugin.write(&directory) {
        Ok(variable) => Ok(Some(variable)),
        Err(error) => {
            warn!(path = %directory.display(), %error, "cannot write a program's plugin");
            Ok(None)
        }
    }
}

/// A session that an attempt goes on with. As long as this is held nobody else can begin to.
struct Resumed<'a> {
    session: String,
    _alone: MutexGuard<'a, ()>,
}

/// Returns the session that an earlier attempt held, which the next goes on with; nothing where nothing was said in it yet.
async fn resumed<'a>(
    inner: &'a Inner,
    runner: &Runner,
    attempt: u32,
) -> Result<Option<Resumed<'a>>, SpawnError> {
    if attempt <= 1 {
        return Ok(None);
    }
    let alone = inner.resuming.lock().await;
    let cannot_tell = |error: StoreError| SpawnError::Session {
        message: format!("cannot tell which session to go on with: {error}"),
        hint: "start it again".to_owned(),
    };
    let Some(session) = attention::last_session(inner, runner, attempt - 1) else {
        return Ok(None);
    };
    let key = SessionKey {
        node: inner.store.instance().clone(),
        program: runner.launch.program.clone(),
        id: session.clone(),
    };
    let transcript = match inner.store.session(&key).await {
        Ok(known) => known.transcript,
        Err(StoreError::NoSession { .. }) => None,
        Err(error) => return Err(cannot_tell(error)),
    };
    let Some(transcript) = transcript else {
        return Ok(None);
    };
    if !tokio::fs::try_exists(&transcript).await.unwrap_or(false) {
        return Ok(None);
    }
    match inner.holder(&session).await.map_err(cannot_tell)? {
        Some(holder) if holder.id != runner.id => Err(SpawnError::Session {
            message: format!(
                "cannot go on with the session {session}, for the runner {} holds it now",
                holder.name
            ),
            hint: "go on there, or end that runner and start this one again".to_owned(),
        }),
        _ => Ok(Some(Resumed {
            session,
            _alone: alone,
        })),
    }
}

/// Makes a directory and those above it that nobody but the user may enter.
pub(crate) fn make_private_dir(path: &Path) -> Result<(), SpawnError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| SpawnError::Place {
            operation: "make the directory",
            path: path.to_owned(),
            source,
        })
}

fn log_file(dir: &Path) -> Result<std::fs::File, SpawnError> {
    use std::os::unix::fs::OpenOptionsExt;
    let path = dir.join(AGENT_LOG);
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| SpawnError::Place {
            operation: "open",
            path,
            source,
        })
}

/// Returns the last line that an agent wrote of its own troubles.
pub(crate) fn last_words(dir: &Path) -> String {
    let text = std::fs::read_to_string(dir.join(AGENT_LOG)).unwrap_or_default();
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
        .to_owned()
}

/// Finds the agent beside this program, else in PATH.
pub(crate) fn find_agent() -> Result<PathBuf, SpawnError> {
    const NAME: &str = "stratavore-agent";
    let own = std::env::current_exe().unwrap_or_default();
    let dir = own.parent().map(Path::to_owned).unwrap_or_default();
    // Tests run from the directory below that of the programs.
    let beside = [dir.join(NAME), dir.join("..").join(NAME)];
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(std::env::split_paths(&path).map(|dir| dir.join(NAME)))
        .find(|candidate| candidate.is_file())
        .ok_or(SpawnError::NoAgent(dir))
}

fn command(inner: &Inner, runner: &Runner, attempt: u32, agent: &Path) -> Command {
    let mut command = if inner.scopes {
        let mut command = Command::new("systemd-run");
        command.args(["--user", "--scope", "--quiet", "--collect"]);
        command.arg(format!("--unit={}", scope_name(runner.id, attempt)));
        if let Some(ceiling) = runner.launch.ceiling {
            // The kernel's limit ends what exceeds it, so it is set only where that is what was asked for. CPU has no such
            // limit: a quota would slow a runner down and hide from the measurement what was to be told, paused or stopped.
            if ceiling.action == CeilingAction::Stop
                && let Some(bytes) = ceiling.memory_bytes
            {
                command.arg(format!("--property=MemoryMax={bytes}"));
            }
        }
        command.arg("--").arg(agent);
        command
    } else {
        Command::new(agent)
    };
    command.arg("run");
    // A host that was started from within a runner all the same would make its agents part of that one.
    for key in [RUNNER_VARIABLE, NAME_VARIABLE, PROJECT_VARIABLE] {
        command.env_remove(key);
    }
    // A program may read the environment of the agent above it.
    for (key, _) in std::env::vars_os() {
        if key.to_str().is_some_and(holds_password) {
            command.env_remove(key);
        }
    }
    command
}

fn scope_name(runner: RunnerId, attempt: u32) -> String {
    format!("stratavore-{runner}-{attempt}.scope")
}

/// Tells whether the user's systemd can give each agent a scope of its own.
pub(crate) fn has_scopes() -> bool {
    let manager =
        std::env::var_os("XDG_RUNTIME_DIR").map(|dir| Path::new(&dir).join("systemd/private"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    manager.is_some_and(|socket| socket.exists())
        && std::env::split_paths(&path).any(|dir| dir.join("systemd-run").is_file())
}

/// Connects to the agent that holds an attempt, and links to it.
pub(crate) async fn adopt(inner: &Arc<Inner>, runner: &Runner, attempt: u32) -> Result<(), String> {
    let socket = inner
        .places
        .agent_socket(inner.store.instance(), runner.id, attempt);
    let mut connection = Connection::connect(&socket)
        .await
        .map_err(|error| error.to_string())?;
    let hello = Hello::new(Role::Supervisor, software());
    let welcome = connection
        .greet(hello)
        .await
        .map_err(|error| error.to_string())?;
    if welcome.runner_id != runner.id.to_string() || welcome.attempt != attempt {
        return Err(format!(
            "the agent at {} serves another runner",
            socket.display()
        ));
    }
    if let Some(program) = welcome.program.clone() {
        let record = observe::read_runner(&inner.places.attempt_dir(runner.id, attempt))
            .ok()
            .flatten();
        let at = record
            .and_then(|record| record.started_at)
            .map_or_else(|| inner.clock.now(), observe::time);
        inner
            .tell(
                runner.id,
                Input::Started {
                    attempt,
                    process: observe::program(program),
                    at,
                },
            )
            .await;
    }
    let agent_pid = welcome.agent_pid.unsigned_abs();
    let link = link::begin(inner, runner, attempt, connection, Some(agent_pid), None);
    // What a person asked for while there was no link was told to nobody. What is asked for from here on finds the link,
    // and what is asked for between the look and the telling is seen by the next look.
    let (mut frozen, mut told) = (Some(welcome.frozen), None);
    loop {
        let now = inner
            .store
            .runner(runner.id)
            .await
            .map_err(|error| error.to_string())?
            .runner;
        if told == Some(now.revision) || now.state.attempt() != attempt {
            return Ok(());
        }
        link.agree(&now.state, frozen);
        (frozen, told) = (None, Some(now.revision));
    }
}
