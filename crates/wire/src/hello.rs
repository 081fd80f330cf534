//! The first words of a connection, and refusals.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Opens every connection, so that a stranger on the socket is told apart from a peer.
pub const MAGIC: &str = "stratavore";
/// The newest version of the wire format that this build speaks.
pub const VERSION: u16 = 1;
/// The oldest version of the wire format that this build speaks.
pub const OLDEST_VERSION: u16 = 1;

/// What a peer can do beyond its version, by name.
pub mod capability {
    /// The viewer acknowledges output; what it has not acknowledged counts as not shown.
    pub const ACK: &str = "ack";
    /// The agent keeps history and gives it, at once or as it comes about; and in a snapshot when a viewer asks to redraw.
    pub const HISTORY: &str = "history";
    /// What viewers are fed is made of whole sequences, and holds neither queries nor what is told by [`crate::Asked`].
    pub const FILTERED: &str = "filtered";
    /// The agent pauses and continues the whole tree.
    pub const FREEZE: &str = "freeze";
    /// The agent takes hooks; the supervisor wants to be told of them, and answers those that wait.
    pub const HOOKS: &str = "hooks";
    /// The agent takes the terminals that viewers lend it; see [`crate::Lend`].
    pub const LENT: &str = "lent";
}

/// Says what the connecting peer is there for. It decides what is sent unasked, not what may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Supervises the runner: is told heartbeats, stops, the exit.
    Supervisor,
    /// Shows the runner's terminal once it has sent [`crate::Attach`].
    Viewer,
    /// Asks something and leaves.
    Client,
}

/// Introduces the connecting peer; always its first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`MAGIC`].
    pub magic: String,
    /// The newest version the peer speaks.
    pub version: u16,
    /// The oldest version the peer still speaks; its newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<u16>,
    /// What the peer is there for.
    pub role: Role,
    /// Name and version of the peer's software, for people.
    #[serde(default)]
    pub software: String,
    /// What the peer can do beyond its version.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

impl Hello {
    /// Introduces this build.
    pub fn new(role: Role, software: impl Into<String>) -> Self {
        Self {
            magic: MAGIC.to_owned(),
            version: VERSION,
            oldest: Some(OLDEST_VERSION),
            role,
            software: software.into(),
            capabilities: match role {
                Role::Supervisor => vec![capability::HOOKS.to_owned()],
                Role::Viewer | Role::Client => Vec::new(),
            },
        }
    }

    /// Chooses the newest version that both speak, or says why there is none.
    pub fn negotiate(&self) -> Result<u16, Refused> {
        if self.magic != MAGIC {
            return Err(Refused::new(
                Refusal::NotStratavore,
                "the first message is not a Stratavore greeting: connect with a Stratavore program",
            ));
        }
        let oldest = self.oldest.unwrap_or(self.version).min(self.version);
        if self.version < OLDEST_VERSION || oldest > VERSION {
            return Err(Refused::new(
                Refusal::UnsupportedVersion,
                format!(
                    "wire versions {oldest} to {} of {} are not spoken here, only {OLDEST_VERSION} to {VERSION}: \
                     use the stratavore of the same release, or restart the runner with the new one",
                    self.version,
                    if self.software.is_empty() {
                        "the peer"
                    } else {
                        &self.software
                    },
                ),
            ));
        }
        Ok(self.version.min(VERSION))
    }
}

/// Accepts a peer and tells it what it reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version that is spoken on this connection from now on.
    pub version: u16,
    /// Name and version of the agent's software, for people.
    #[serde(default)]
    pub software: String,
    /// What the agent can do beyond its version.
    #[serde(default)]
    pub capabilities: Vec<String>,
    /// The runner this agent serves.
    pub runner_id: String,
    /// The attempt this agent serves.
    pub attempt: u32,
    /// The agent's own process.
    pub agent_pid: i32,
    /// The program, once executed.
    #[serde(default)]
    pub program: Option<crate::ProgramState>,
    /// Width of the terminal.
    pub columns: u16,
    /// Height of the terminal.
    pub rows: u16,
    /// Whether the tree is paused.
    #[serde(default)]
    pub frozen: bool,
    /// Whether the tree is being stopped.
    #[serde(default)]
    pub stopping: bool,
}

/// Names the ground of a refusal, as a word that somebody branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// The peer is not one of ours.
    NotStratavore,
    /// The peer belongs to another user.
    WrongUser,
    /// No common version of the wire format.
    UnsupportedVersion,
    /// The stream is not made of frames, or a payload not what its kind says. The connection ends.
    BadFrame,
    /// The kind of message is not known here. The connection goes on.
    UnknownMessage,
    /// The message makes no sense now. The connection goes on.
    OutOfTurn,
    /// Another agent holds the attempt's lock: adopt it.
    AlreadyRunning,
    /// The attempt was recorded before: it is never executed twice.
    AlreadyAttempted,
    /// The launch itself is wrong (a NUL, an empty command, a key with `=`).
    BadLaunch,
    /// The socket's path does not fit a Unix socket address.
    SocketPathTooLong,
    /// The attempt's directory or socket cannot be used.
    BadPlace,
    /// The program does not read its input and the queue is full. The connection goes on.
    InputFull,
    /// The attachment is read-only. The connection goes on.
    ReadOnly,
    /// No terminal was lent, or not by one who may type. The connection goes on.
    NotLent,
    /// The peer is no process of the runner's own tree, as whoever tells of a hook must be.
    NotOfThisRunner,
    /// Too many peers are connected.
    TooManyPeers,
    /// Something that this build has no word for.
    #[serde(other)]
    Other,
}

/// Refuses a connection or a message, for a reason and with the mend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Error)]
#[error("{message}")]
pub struct Refused {
    /// The ground, to branch on.
    pub code: Refusal,
    /// The ground, for people.
    pub message: String,
}

impl Refused {
    /// Refuses on a ground.
    pub fn new(code: Refusal, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
