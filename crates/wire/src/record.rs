//! The files an agent leaves in its attempt's directory: text in, text out.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Exit, LaunchSpec, ProgramState, SpawnFailure, Timestamp};

/// The version of both records that this build writes, and the only one it reads.
pub const RECORD_VERSION: u32 = 1;
/// Names the record of the attempt.
pub const RUNNER_FILE: &str = "runner.json";
/// Names the record of the end.
pub const EXIT_FILE: &str = "exit.json";
/// Names the file whose lock the agent holds for life.
pub const LOCK_FILE: &str = "runner.lock";
/// Names the file of lines that scrolled off: text with SGR sequences, one line each.
pub const HISTORY_FILE: &str = "history";
/// Names the file of older history, which is complete and no longer written.
pub const OLDER_HISTORY_FILE: &str = "history.older";
/// Names the file of the last screen, as a viewer was fed it.
pub const SCREEN_FILE: &str = "screen.ansi";
/// Names the file of the last screen, as text.
pub const SCREEN_TEXT_FILE: &str = "screen.txt";

/// Names the file of all that the program wrote and when, as asciicast v2, where the launch asked for it.
pub const RECORDING_FILE: &str = "recording.cast";

/// Says that an attempt was begun; written before the program is executed, again when it was. Holds no secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The runner.
    pub runner_id: String,
    /// Which attempt of it.
    pub attempt: u32,
    /// The supervisor's store.
    pub instance_id: String,
    /// The project's name.
    pub project: String,
    /// The program's name.
    pub program: String,
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The working directory.
    pub cwd: String,
    /// The agent's pid.
    pub agent_pid: i32,
    /// The agent's start time, as in [`ProgramState`].
    pub agent_start_time: u64,
    /// The program, once executed.
    #[serde(default)]
    pub process: Option<ProgramState>,
    /// `/proc/sys/kernel/random/boot_id` when it was recorded.
    pub boot_id: String,
    /// The agent's own cgroup where that is the runner's scope: `/sys/fs/cgroup` and this.
    #[serde(default)]
    pub cgroup: Option<String>,
    /// Where the agent listens.
    pub socket: PathBuf,
    /// Width of the terminal at the start.
    pub columns: u16,
    /// Height of the terminal at the start.
    pub rows: u16,
    /// When the attempt was recorded.
    pub recorded_at: Timestamp,
    /// When the program was executed.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
}

impl RunnerRecord {
    /// Records an attempt that is about to be executed.
    pub fn new(
        launch: &LaunchSpec,
        agent: ProgramState,
        cgroup: Option<String>,
        at: Timestamp,
    ) -> Self {
        Self {
            version: RECORD_VERSION,
            runner_id: launch.runner_id.clone(),
            attempt: launch.attempt,
            instance_id: launch.instance_id.clone(),
            project: launch.project.clone(),
            program: launch.program.clone(),
            command: launch.argv.clone(),
            cwd: launch.cwd.clone(),
            agent_pid: agent.pid,
            agent_start_time: agent.start_time,
            process: None,
            boot_id: agent.boot_id,
            cgroup,
            socket: launch.socket.clone(),
            columns: launch.columns,
            rows: launch.rows,
            recorded_at: at,
            started_at: None,
        }
    }

    /// Reads the text of `runner.json`.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        parse(RUNNER_FILE, text)
    }

    /// Writes the text of `runner.json`.
    pub fn serialize(&self) -> Result<String, RecordError> {
        serialize(RUNNER_FILE, self)
    }
}

/// Says how an attempt ended; the attempt is over once this is on disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// The runner.
    pub runner_id: String,
    /// Which attempt of it.
    pub attempt: u32,
    /// When.
    pub at: Timestamp,
    /// How.
    #[serde(flatten)]
    pub end: End,
    /// Processes that the program left running when it ended.
    #[serde(default)]
    pub leftovers: u32,
}

/// Tells the ways an attempt ends, under the word `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum End {
    /// The program ended unasked.
    Exited {
        /// How.
        #[serde(flatten)]
        exit: Exit,
    },
    /// The program ended after a stop was asked for.
    Stopped {
        /// How.
        #[serde(flatten)]
        exit: Exit,
    },
    /// The program ended because the agent was told to end from outside: the machine or the login session goes down.
    Interrupted {
        /// How.
        #[serde(flatten)]
        exit: Exit,
    },
    /// The program could not be executed.
    SpawnFailed {
        /// Why, to branch on.
        failure: SpawnFailure,
        /// Why, for people.
        message: String,
    },
}

impl End {
    /// Gives the word that `reason` carries.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Exited { .. } => "exited",
            Self::Stopped { .. } => "stopped",
            Self::Interrupted { .. } => "interrupted",
            Self::SpawnFailed { .. } => "spawn-failed",
        }
    }

    /// Gives how the program ended, if it ever ran.
    pub fn exit(&self) -> Option<Exit> {
        match self {
            Self::Exited { exit } | Self::Stopped { exit } | Self::Interrupted { exit } => {
                Some(*exit)
            }
            Self::SpawnFailed { .. } => None,
        }
    }
}

impl ExitRecord {
    /// Reads the text of `exit.json`.
    pub fn parse(text: &str) -> Result<Self, RecordError> {
        parse(EXIT_FILE, text)
    }

    /// Writes the text of `exit.json`.
    pub fn serialize(&self) -> Result<String, RecordError> {
        serialize(EXIT_FILE, self)
    }
}

/// Says why a record cannot be used.
#[derive(Debug, Error)]
pub enum RecordError {
    /// It was written by a newer or foreign build.
    #[error(
        "{file} has version {version}, this build reads version {RECORD_VERSION}: use the stratavore that wrote it"
    )]
    UnknownVersion {
        /// Which record.
        file: &'static str,
        /// Its version.
        version: u32,
    },
    /// It is not the record it should be.
    #[error("{file} is malformed")]
    Malformed {
        /// Which record.
        file: &'static str,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
}

fn parse<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, RecordError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let malformed = |source| RecordError::Malformed { file, source };
    // The version comes first: of a record of another version nothing else may be assumed.
    let Versioned { version } = serde_json::from_str(text).map_err(malformed)?;
    if version != RECORD_VERSION {
        return Err(RecordError::UnknownVersion { file, version });
    }
    serde_json::from_str(text).map_err(malformed)
}

fn serialize(file: &'static str, record: &impl Serialize) -> Result<String, RecordError> {
    let mut text = serde_json::to_string_pretty(record)
        .map_err(|source| RecordError::Malformed { file, source })?;
    text.push('\n');
    Ok(text)
}
