//! Sessions: the programs' own conversations. Runners come and go, a session is resumed.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{InstanceId, ProjectId, RunnerId};
use crate::usage::NanoUsd;

/// Names a session: by its program's own id, on the machine whose files hold it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionKey {
    /// The node whose disk has it.
    pub node: InstanceId,
    /// The program's name.
    pub program: String,
    /// The program's own id of it.
    pub id: String,
}

/// With which conversation a runner begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "mode", content = "session", rename_all = "kebab-case")]
pub enum Mode {
    /// A new one.
    #[default]
    New,
    /// The latest of its directory, whichever that is.
    Continue,
    /// This one goes on.
    Resume(String),
    /// A new one that begins as a copy of this.
    Fork(String),
}

impl Mode {
    /// Returns its word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Continue => "continue",
            Self::Resume(_) => "resume",
            Self::Fork(_) => "fork",
        }
    }

    /// Returns the session that it names.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        match self {
            Self::New | Self::Continue => None,
            Self::Resume(id) | Self::Fork(id) => Some(id),
        }
    }
}

/// What is known of a session, all of it read from the program's own files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which.
    pub key: SessionKey,
    /// The project whose directory it was held in, where there is one.
    pub project: Option<ProjectId>,
    /// The directory that it was held in.
    pub cwd: String,
    /// What it is called: the program's own title, else its first request.
    pub title: Option<String>,
    /// The model that answered last.
    pub model: Option<String>,
    /// When its first row was written.
    pub began_at: Timestamp,
    /// When its last row was written.
    pub updated_at: Timestamp,
    /// Requests that a person made.
    pub requests: u32,
    /// The session that it was forked from, by the program's id.
    pub parent: Option<String>,
    /// The runner that holds it or held it last; none: it was held outside of Stratavore.
    pub runner: Option<RunnerId>,
    /// The file with its transcript; none: the program has deleted it.
    pub transcript: Option<String>,
    /// What the program itself says that the session cost.
    pub program_cost: Option<NanoUsd>,
    /// The compressed copy that was kept, and its SHA-256.
    pub archive: Option<(String, String)>,
}

/// Who said a passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person.
    User,
    /// The program.
    Assistant,
    /// A tool's call or result.
    Tool,
}

impl Role {
    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// Something said in a session, to be found again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Where its row begins in its file, in bytes.
    pub offset: u64,
    /// Who said it.
    pub role: Role,
    /// When.
    pub at: Timestamp,
    /// What, cut to [`PASSAGE_MAX`] bytes.
    pub text: String,
}

/// The longest text of one passage that is searched, in bytes: a tool may print megabytes.
pub const PASSAGE_MAX: usize = 16 * 1024;
