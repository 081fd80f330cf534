//! What is launched, and how that went.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{HookPolicy, ProgramState, Refusal, Refused, Timestamp};

/// Lines of history kept when the launch does not say.
pub const DEFAULT_HISTORY_LINES: u32 = 10_000;
/// Milliseconds between heartbeats when the launch does not say.
pub const DEFAULT_HEARTBEAT_MS: u64 = 10_000;

/// Tells an agent everything it needs to run one attempt of one runner.
///
/// The environment holds secrets: it is never shown by `Debug` nor written to a record.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The runner.
    pub runner_id: String,
    /// Which attempt of it, from 1.
    pub attempt: u32,
    /// The supervisor's store, so that instances side by side never adopt each other's.
    pub instance_id: String,
    /// The project's name.
    pub project: String,
    /// The program's name (`claude`, `codex`, …, `custom`).
    pub program: String,
    /// The command and its arguments; looked up in the environment's `PATH` when it holds no `/`.
    pub argv: Vec<String>,
    /// The working directory, absolute.
    pub cwd: String,
    /// The complete environment, in order.
    pub env: Vec<(String, String)>,
    /// Width of the terminal.
    pub columns: u16,
    /// Height of the terminal.
    pub rows: u16,
    /// How many lines of history are kept.
    #[serde(default = "default_history_lines")]
    pub history_lines: u32,
    /// Whether all that the program writes is recorded, with its times, as `recording.cast`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub record: bool,
    /// How many files the program may have open, where the host itself may have more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Whether what the program leaves running after its own exit may live on.
    #[serde(default)]
    pub keep_descendants: bool,
    /// The directory of this attempt: lock, records, history. Exists.
    pub attempt_dir: PathBuf,
    /// Where the agent listens; its directory exists.
    pub socket: PathBuf,
    /// Milliseconds between heartbeats.
    #[serde(default = "default_heartbeat_ms")]
    pub heartbeat_ms: u64,
    /// How hooks are treated.
    #[serde(default, skip_serializing_if = "HookPolicy::is_default")]
    pub hooks: HookPolicy,
}

fn default_history_lines() -> u32 {
    DEFAULT_HISTORY_LINES
}

fn default_heartbeat_ms() -> u64 {
    DEFAULT_HEARTBEAT_MS
}

impl LaunchSpec {
    /// Refuses what no program can be executed with, naming it.
    pub fn check(&self) -> Result<(), Refused> {
        let bad = |message: String| Err(Refused::new(Refusal::BadLaunch, message));
        if self.argv.first().is_none_or(String::is_empty) {
            return bad("the command is empty: name a program".to_owned());
        }
        if let Some(index) = self
            .argv
            .iter()
            .position(|argument| argument.contains('\0'))
        {
            return bad(format!(
                "argument {index} of {:?} holds a NUL byte, which no program can be given: remove it",
                self.argv[0],
            ));
        }
        for (key, value) in &self.env {
            if key.is_empty() || key.contains(['=', '\0']) {
                return bad(format!(
                    "environment key {key:?} is empty or holds '=' or a NUL byte: rename it"
                ));
            }
            if value.contains('\0') {
                return bad(format!(
                    "the value of environment key {key:?} holds a NUL byte: remove it"
                ));
            }
        }
        if !self.cwd.starts_with('/') || self.cwd.contains('\0') {
            return bad(format!(
                "working directory {:?} is not an absolute path: give one",
                self.cwd
            ));
        }
        if !self
            .runner_id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            || self.runner_id.is_empty()
        {
            return bad(format!(
                "runner id {:?} is not made of letters, digits and dashes",
                self.runner_id
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for LaunchSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.env.iter().map(|(key, _)| key.as_str()).collect();
        formatter
            .debug_struct("LaunchSpec")
            .field("runner_id", &self.runner_id)
            .field("attempt", &self.attempt)
            .field("instance_id", &self.instance_id)
            .field("project", &self.project)
            .field("program", &self.program)
            .field("argv", &self.argv)
            .field("cwd", &self.cwd)
            .field("env_keys", &keys)
            .field("columns", &self.columns)
            .field("rows", &self.rows)
            .field("history_lines", &self.history_lines)
            .field("keep_descendants", &self.keep_descendants)
            .field("attempt_dir", &self.attempt_dir)
            .field("socket", &self.socket)
            .field("heartbeat_ms", &self.heartbeat_ms)
            .field("hooks", &self.hooks)
            .finish()
    }
}

/// Says that the program was executed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Who it is.
    #[serde(flatten)]
    pub program: ProgramState,
    /// When.
    pub at: Timestamp,
}

/// Names why a program could not be executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpawnFailure {
    /// No such file, nor in `PATH`.
    NotFound,
    /// The file may not be executed, or is no program.
    NotExecutable,
    /// The script's first line names an interpreter that is missing or not executable.
    BadInterpreter,
    /// The working directory is missing, not a directory, or may not be entered.
    BadCwd,
    /// Arguments and environment are more than the system takes.
    ArgumentsTooLong,
    /// Anything else.
    #[serde(other)]
    Other,
}

impl SpawnFailure {
    /// Gives the word used on the wire and in `exit.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::NotExecutable => "not-executable",
            Self::BadInterpreter => "bad-interpreter",
            Self::BadCwd => "bad-cwd",
            Self::ArgumentsTooLong => "arguments-too-long",
            Self::Other => "other",
        }
    }
}

/// Says that the program could not be executed, and the mend. The agent ends after this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnFailed {
    /// Why, to branch on.
    pub code: SpawnFailure,
    /// Why, for people.
    pub message: String,
    /// When.
    pub at: Timestamp,
}
