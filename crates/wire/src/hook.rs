//! Hooks: what a program tells before it does something, and what it is answered.
//!
//! A program runs a command with a payload on standard input and reads what the command prints. The command is
//! `stratavore-agent hook`, which hands the payload to the runner's own agent as [`Hook`] and prints the [`HookOutput`]. The
//! agent answers at once: with nothing, or with what a standing [`Gate`] denies. Only a request for permission waits, while
//! there is a supervisor to answer it and the [`HookPolicy`] lets it. Supervisors hear of each hook by [`Hooked`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Names the variable in a program's environment by which its hooks find the agent's socket.
pub const SOCKET_VARIABLE: &str = "STRATAVORE_AGENT_SOCKET";

/// Says how an agent treats hooks, for as long as its runner runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookPolicy {
    /// For how many milliseconds a request for permission waits for a person; zero: it does not.
    #[serde(default)]
    pub permission_wait_ms: u64,
}

impl HookPolicy {
    /// Says whether it is what holds when nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Tells the agent what the program told its hook. Only from processes of the runner's own tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// The program's words: JSON as a rule, see [`crate::payload`].
    pub payload: String,
}

/// Answers a hook; the connection ends after it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookOutput {
    /// What the hook prints for the program to read; nothing when empty.
    pub output: String,
}

/// Tells a supervisor of a hook that the program ran.
///
/// A supervisor that connects is told again of the last one that told which session the program holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooked {
    /// Which; unique within the agent's life, and larger for later ones.
    pub id: u64,
    /// When the agent heard of it.
    pub at: Timestamp,
    /// The program's words, shortened where they are too long.
    pub payload: String,
    /// Whether it waits for [`HookAnswer`], and ends with [`HookGone`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waits: bool,
    /// Whether it was answered with a denial of the [`Gate`].
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub denied: bool,
    /// How many before it this supervisor was not told of, for it had not taken what it was told already.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub missed: u64,
}

/// Answers a hook that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookAnswer {
    /// Which.
    pub id: u64,
    /// What it prints for the program to read; nothing when empty.
    pub output: String,
}

/// Tells a supervisor that a hook waits no more: it was answered, killed, hung up, or waited long enough.
///
/// It comes once for each hook that waits, and to whoever answers one that does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookGone {
    /// Which.
    pub id: u64,
    /// Whether it was handed the answer of the supervisor that is told this.
    #[serde(default)]
    pub answered: bool,
}

/// Says what the program is refused from now on; replaces what was said before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// What it is refused with; nothing is refused without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deny: Option<Denial>,
    /// What holds while no supervisor is connected.
    #[serde(default)]
    pub when_away: WhenAway,
}

/// Refuses what hooks of certain events are about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// Why, for people.
    pub reason: String,
    /// What a hook prints for the program to read, by its event's name; other events are not refused.
    pub outputs: BTreeMap<String, String>,
}

/// Says whether a denial holds while no supervisor is connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenAway {
    /// It holds.
    Closed,
    /// It does not; nor where a newer supervisor's word is not known here.
    #[default]
    #[serde(other)]
    Open,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
