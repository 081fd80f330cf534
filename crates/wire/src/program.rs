//! The running program: who it is, how it fares, how it ends.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Identifies a process for ever: a bare pid does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramState {
    /// Its pid while it lives.
    pub pid: i32,
    /// Field 22 of `/proc/<pid>/stat`, in clock ticks since boot.
    pub start_time: u64,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
}

/// Says how a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Exit {
    /// By itself, with this status.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl fmt::Display for Exit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit status {code}"),
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
        }
    }
}

/// Tells the supervisor how the runner fares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When.
    pub at: Timestamp,
    /// CPU of the tree since the last heartbeat, in percent of one core.
    pub cpu_percent: f32,
    /// Proportional set size of the tree, in bytes.
    pub memory_bytes: u64,
    /// Processes in the tree.
    pub processes: u32,
    /// Attached viewers.
    #[serde(default)]
    pub viewers: u32,
    /// The terminal's title, stripped of control characters.
    #[serde(default)]
    pub title: String,
    /// Whether the tree is paused.
    #[serde(default)]
    pub frozen: bool,
}

/// Tells that the program ended; what it left behind may still run until [`Stopped`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// How.
    #[serde(flatten)]
    pub exit: Exit,
    /// When.
    pub at: Timestamp,
    /// Whether a stop had been asked for.
    #[serde(default)]
    pub stopped: bool,
    /// Whether the agent was told to end from outside: the machine or the login session goes down.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Processes that it left running.
    #[serde(default)]
    pub leftovers: u32,
}

/// Asks for the whole tree's end. Asking twice is asking once, the shorter grace holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Milliseconds between the polite signals and `SIGKILL`.
    pub grace_ms: u64,
}

/// Tells that nothing of the tree is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// When.
    pub at: Timestamp,
    /// How many processes had to be killed.
    #[serde(default)]
    pub killed: u32,
}

/// Tells whether the tree is paused; answers `Freeze` and `Thaw`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// Whether it is.
    pub frozen: bool,
    /// When.
    pub at: Timestamp,
    /// How many processes were signalled, where there is no cgroup to freeze.
    #[serde(default)]
    pub processes: u32,
}

/// Tells what the program reported of itself (OSC 7501).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When.
    pub at: Timestamp,
    /// The report, free of control characters.
    pub text: String,
}
