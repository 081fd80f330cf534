//! The runner and its states.
//!
//! A state owns exactly its data. [`Runner::apply`] is the one place where a state changes: it takes an input and
//! the time, and returns the changed runner, the facts to append and the effects to execute, or a [`Refusal`] that
//! names the state and the input. Every effect may be executed twice. The edges are listed in [`EDGES`]; the
//! diagram in ARCHITECTURE.md is compared with them by a test.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::fact::Fact;
use crate::ids::{InstanceId, ProjectId, RunnerId};
use crate::launch::Launch;
use crate::name::Name;

/// One supervised run of a program in a project, through all its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Runner {
    /// Its identity.
    pub id: RunnerId,
    /// Its name, unique among the active runners of all projects.
    pub name: Name,
    /// Where it belongs.
    pub project_id: ProjectId,
    /// The project's name.
    pub project: Name,
    /// The node whose host starts and ends it.
    pub node: InstanceId,
    /// Who launched it; empty where that was not recorded yet.
    pub person: String,
    /// What it runs.
    pub launch: Launch,
    /// When it was launched.
    pub created_at: Timestamp,
    /// What it is doing.
    pub state: State,
    /// Grows with every change.
    pub revision: u64,
}

/// What a runner is from its launch on, whatever becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its identity.
    pub id: RunnerId,
    /// Its name.
    pub name: Name,
    /// Where it belongs.
    pub project_id: ProjectId,
    /// The project's name.
    pub project: Name,
    /// The node whose host is to start it.
    pub node: InstanceId,
    /// Who launches it.
    pub person: String,
    /// What it runs.
    pub launch: Launch,
}

/// A process, named so that a reused number or a reboot is never taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start_time: u64,
    /// The boot in which that was (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal, named without SIG.
    Signal(String),
    /// It had not been executed yet.
    NotStarted,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Signal(name) => write!(f, "killed by SIG{name}"),
            Self::NotStarted => f.write_str("never started"),
        }
    }
}

/// Why a runner failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Failure {
    /// The program ended with another code than 0, or by a signal nobody here sent.
    Exited {
        /// How.
        exit: Exit,
    },
    /// The program could not be executed.
    CouldNotStart {
        /// A word for it, such as `not-found`.
        code: String,
        /// What failed, on which thing, why, and what to do.
        message: String,
    },
    /// The agent died, and with it what it knew of the program's end.
    AgentLost,
    /// The machine was started again, or the login session ended, under the runner.
    Interrupted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { exit } => exit.fmt(f),
            Self::CouldNotStart { message, .. } => write!(f, "could not start: {message}"),
            Self::AgentLost => {
                f.write_str("agent lost: the process that held its terminal was killed")
            }
            Self::Interrupted => f.write_str("interrupted: the machine or the login session ended"),
        }
    }
}

/// What a runner is doing. Attempts count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Waits for a place under the quotas.
    Queued,
    /// Has its place; the agent is to be started.
    Starting {
        /// Which attempt.
        attempt: u32,
        /// Since when.
        since: Timestamp,
    },
    /// The program was executed.
    Running {
        /// Which attempt.
        attempt: u32,
        /// Since when.
        started_at: Timestamp,
        /// The program.
        process: Process,
    },
    /// The whole tree stands still.
    Paused {
        /// Which attempt.
        attempt: u32,
        /// Since when the program ran.
        started_at: Timestamp,
        /// The program.
        process: Process,
        /// Since when it is paused.
        since: Timestamp,
    },
    /// Its tree is being ended.
    Stopping {
        /// Which attempt.
        attempt: u32,
        /// Since when the program ran, if it did.
        started: Option<(Timestamp, Process)>,
        /// Since when.
        since: Timestamp,
        /// How long it may take before it is killed, in milliseconds.
        grace_ms: u64,
        /// Whether it is to start again afterwards.
        restart: bool,
    },
    /// It failed; the next attempt is due.
    Backoff {
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// When it ended.
        ended_at: Timestamp,
        /// When the next attempt is due.
        until: Timestamp,
    },
    /// Ended as it should.
    Terminated {
        /// Which attempt.
        attempt: u32,
        /// How.
        exit: Exit,
        /// Since when the program had run, if it had.
        started_at: Option<Timestamp>,
        /// When it ended.
        ended_at: Timestamp,
        /// Whether it had been told to stop.
        asked: bool,
    },
    /// Ended otherwise.
    Failed {
        /// Which attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// Since when the program had run, if it had.
        started_at: Option<Timestamp>,
        /// When it ended, as far as known.
        ended_at: Timestamp,
    },
    /// Cancelled before it ever started.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// A state's name, as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// [`State::Queued`].
    Queued,
    /// [`State::Starting`].
    Starting,
    /// [`State::Running`].
    Running,
    /// [`State::Paused`].
    Paused,
    /// [`State::Stopping`].
    Stopping,
    /// [`State::Backoff`].
    Backoff,
    /// [`State::Terminated`].
    Terminated,
    /// [`State::Failed`].
    Failed,
    /// [`State::Cancelled`].
    Cancelled,
}

impl StateName {
    /// Every state, in the order of a runner's life.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::Paused,
        Self::Stopping,
        Self::Backoff,
        Self::Terminated,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::Backoff => "backoff",
            Self::Terminated => "terminated",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Tells whether nothing happens any more unless a person asks for it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Terminated | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for StateName {
    type Err = UnknownState;
    fn from_str(text: &str) -> Result<Self, UnknownState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// A word that is no state.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown runner state {0:?}")]
pub struct UnknownState(String);

/// What can happen to a runner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A place became free for a queued runner.
    Admit,
    /// The agent executed the program.
    Started {
        /// Which attempt.
        attempt: u32,
        /// The program.
        process: Process,
        /// When.
        at: Timestamp,
    },
    /// The agent could not execute the program.
    CouldNotStart {
        /// Which attempt.
        attempt: u32,
        /// A word for it.
        code: String,
        /// What failed, on which thing, why, and what to do.
        message: String,
        /// When.
        at: Timestamp,
    },
    /// The program ended.
    Exited {
        /// Which attempt.
        attempt: u32,
        /// How.
        exit: Exit,
        /// When.
        at: Timestamp,
    },
    /// Evidence shows that the agent is gone without having recorded an exit.
    Lost {
        /// Which attempt.
        attempt: u32,
        /// Whether the machine or the session ended, rather than the agent alone.
        interrupted: bool,
    },
    /// A person (or a ceiling) wants it paused.
    Pause,
    /// A person wants it to go on.
    Continue,
    /// A person (or a ceiling) wants it ended, or a queued one cancelled.
    Stop {
        /// How long it may take before it is killed.
        grace: Duration,
    },
    /// A person wants it started again, ended first where it still runs.
    Restart {
        /// How long ending it may take before it is killed.
        grace: Duration,
    },
    /// The pause after a failure is over.
    RetryDue,
}

impl Input {
    /// Returns its name, for errors.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Admit => "admit",
            Self::Started { .. } => "started",
            Self::CouldNotStart { .. } => "could-not-start",
            Self::Exited { .. } => "exited",
            Self::Lost { .. } => "lost",
            Self::Pause => "pause",
            Self::Continue => "continue",
            Self::Stop { .. } => "stop",
            Self::Restart { .. } => "restart",
            Self::RetryDue => "retry-due",
        }
    }
}

/// What is to be done outside, after the change is durable. Each may be done twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Start an agent for this attempt.
    Spawn {
        /// Which.
        attempt: u32,
    },
    /// End the whole tree.
    EndTree {
        /// Of which attempt.
        attempt: u32,
        /// How long it may take before it is killed.
        grace: Duration,
    },
    /// Pause the whole tree.
    Freeze {
        /// Of which attempt.
        attempt: u32,
    },
    /// Let the whole tree go on.
    Thaw {
        /// Of which attempt.
        attempt: u32,
    },
}

/// What an input changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The runner after it. Its revision is one more than before if facts were appended, else the same.
    pub runner: Runner,
    /// What to append, in this order; empty when the input changed nothing.
    pub facts: Vec<Fact>,
    /// What to do once that is durable.
    pub effects: Vec<Effect>,
}

/// An input that a state does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The state has no such edge.
    #[error("cannot {input} a runner that is {state}")]
    WrongState {
        /// The state.
        state: StateName,
        /// The input.
        input: &'static str,
    },
    /// The input speaks of another attempt: it comes too late, or too early.
    #[error("{input} speaks of attempt {got}, but the runner is {state} in attempt {attempt}")]
    OtherAttempt {
        /// The state.
        state: StateName,
        /// The runner's attempt.
        attempt: u32,
        /// The input.
        input: &'static str,
        /// The input's attempt.
        got: u32,
    },
}

/// Every edge of the machine, with the input that takes it.
pub const EDGES: &[(StateName, StateName, &str)] = {
    use StateName as S;
    &[
        (S::Queued, S::Starting, "admit"),
        (S::Queued, S::Cancelled, "stop"),
        (S::Starting, S::Running, "started"),
        (S::Starting, S::Failed, "could-not-start"),
        (S::Starting, S::Failed, "lost"),
        (S::Starting, S::Backoff, "lost"),
        (S::Starting, S::Terminated, "exited"),
        (S::Starting, S::Failed, "exited"),
        (S::Starting, S::Backoff, "exited"),
        (S::Starting, S::Stopping, "stop"),
        (S::Starting, S::Stopping, "restart"),
        (S::Running, S::Paused, "pause"),
        (S::Running, S::Stopping, "stop"),
        (S::Running, S::Stopping, "restart"),
        (S::Running, S::Terminated, "exited"),
        (S::Running, S::Failed, "exited"),
        (S::Running, S::Backoff, "exited"),
        (S::Running, S::Failed, "lost"),
        (S::Running, S::Backoff, "lost"),
        (S::Paused, S::Running, "continue"),
        (S::Paused, S::Stopping, "stop"),
        (S::Paused, S::Stopping, "restart"),
        (S::Paused, S::Terminated, "exited"),
        (S::Paused, S::Failed, "exited"),
        (S::Paused, S::Backoff, "exited"),
        (S::Paused, S::Failed, "lost"),
        (S::Paused, S::Backoff, "lost"),
        (S::Stopping, S::Terminated, "exited"),
        (S::Stopping, S::Terminated, "could-not-start"),
        (S::Stopping, S::Starting, "exited"),
        (S::Stopping, S::Starting, "could-not-start"),
        (S::Stopping, S::Failed, "lost"),
        (S::Backoff, S::Starting, "retry-due"),
        (S::Backoff, S::Starting, "restart"),
        (S::Backoff, S::Terminated, "stop"),
        (S::Terminated, S::Starting, "restart"),
        (S::Failed, S::Starting, "restart"),
    ]
};

impl State {
    /// Returns its name.
    #[must_use]
    pub const fn name(&self) -> StateName {
        match self {
            Self::Queued => StateName::Queued,
            Self::Starting { .. } => StateName::Starting,
            Self::Running { .. } => StateName::Running,
            Self::Paused { .. } => StateName::Paused,
            Self::Stopping { .. } => StateName::Stopping,
            Self::Backoff { .. } => StateName::Backoff,
            Self::Terminated { .. } => StateName::Terminated,
            Self::Failed { .. } => StateName::Failed,
            Self::Cancelled { .. } => StateName::Cancelled,
        }
    }

    /// Returns the attempt it speaks of; 0 before the first.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        match self {
            Self::Queued | Self::Cancelled { .. } => 0,
            Self::Starting { attempt, .. }
            | Self::Running { attempt, .. }
            | Self::Paused { attempt, .. }
            | Self::Stopping { attempt, .. }
            | Self::Backoff { attempt, .. }
            | Self::Terminated { attempt, .. }
            | Self::Failed { attempt, .. } => *attempt,
        }
    }

    /// Returns the program's process while it is known to run.
    #[must_use]
    pub const fn process(&self) -> Option<&Process> {
        match self {
            Self::Running { process, .. }
            | Self::Paused { process, .. }
            | Self::Stopping {
                started: Some((_, process)),
                ..
            } => Some(process),
            _ => None,
        }
    }

    /// Returns when the present attempt's program was executed.
    #[must_use]
    pub const fn started_at(&self) -> Option<Timestamp> {
        match self {
            Self::Running { started_at, .. }
            | Self::Paused { started_at, .. }
            | Self::Stopping {
                started: Some((started_at, _)),
                ..
            } => Some(*started_at),
            Self::Terminated { started_at, .. } | Self::Failed { started_at, .. } => *started_at,
            _ => None,
        }
    }

    /// Returns when it ended.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Terminated { ended_at, .. } | Self::Failed { ended_at, .. } => Some(*ended_at),
            Self::Cancelled { at } => Some(*at),
            _ => None,
        }
    }
}

/// Two stops that would be over within so long of each other are one: their clocks were read in one order and they came
/// in another.
const SAME_STOP: Duration = Duration::from_secs(1);

impl Runner {
    /// Makes a runner that has its place, and what follows from that.
    #[must_use]
    pub fn launched(origin: Origin, now: Timestamp) -> Outcome {
        Self::queued(origin, now).runner.start_attempt(1, now)
    }

    /// Makes a runner that waits for a place.
    #[must_use]
    pub fn queued(origin: Origin, now: Timestamp) -> Outcome {
        let facts = vec![Fact::Queued {
            name: origin.name.to_string(),
            program: origin.launch.program.clone(),
        }];
        let runner = Self {
            id: origin.id,
            name: origin.name,
            project_id: origin.project_id,
            project: origin.project,
            node: origin.node,
            person: origin.person,
            launch: origin.launch,
            created_at: now,
            state: State::Queued,
            revision: 0,
        };
        Outcome {
            runner,
            facts,
            effects: Vec::new(),
        }
    }

    /// Applies an input at a time.
    ///
    /// An input that asks for what is already so (a second stop, a repeated report) changes nothing and is no error.
    ///
    /// # Errors
    /// [`Refusal`] when the state has no edge for it, or it speaks of another attempt.
    pub fn apply(&self, input: Input, now: Timestamp) -> Result<Outcome, Refusal> {
        if let Some(got) = input_attempt(&input)
            && got != self.state.attempt()
        {
            return Err(Refusal::OtherAttempt {
                state: self.state.name(),
                attempt: self.state.attempt(),
                input: input.name(),
                got,
            });
        }
        match input {
            Input::Admit => self.admit(now),
            Input::Started { process, at, .. } => self.started(process, at),
            Input::CouldNotStart {
                code, message, at, ..
            } => self.could_not_start(code, message, at, now),
            Input::Exited { exit, at, .. } => self.exited(exit, at, now),
            Input::Lost { interrupted, .. } => self.lost(interrupted, now),
            Input::Pause => self.pause(now),
            Input::Continue => self.go_on(),
            Input::Stop { grace } => self.stop(grace, now),
            Input::Restart { grace } => self.restart(grace, now),
            Input::RetryDue => self.retry(now),
        }
    }

    fn admit(&self, now: Timestamp) -> Result<Outcome, Refusal> {
        match self.state {
            State::Queued => Ok(self.start_attempt(1, now)),
            State::Starting { .. } => Ok(self.unchanged()),
            State::Running { .. }
            | State::Paused { .. }
            | State::Stopping { .. }
            | State::Backoff { .. }
            | State::Terminated { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => Err(self.refuse("admit")),
        }
    }

    fn started(&self, process: Process, at: Timestamp) -> Result<Outcome, Refusal> {
        match &self.state {
            State::Starting { attempt, .. } => {
                let attempt = *attempt;
                Ok(self.becomes(
                    State::Running {
                        attempt,
                        started_at: at,
                        process: process.clone(),
                    },
                    vec![Fact::Started { attempt, process }],
                    vec![],
                ))
            }
            // The stop was recorded before the program was executed; it goes on against the program.
            State::Stopping {
                attempt,
                started: None,
                since,
                grace_ms,
                restart,
            } => {
                let attempt = *attempt;
                Ok(self.becomes(
                    State::Stopping {
                        attempt,
                        started: Some((at, process.clone())),
                        since: *since,
                        grace_ms: *grace_ms,
                        restart: *restart,
                    },
                    vec![Fact::Started { attempt, process }],
                    vec![Effect::EndTree {
                        attempt,
                        grace: Duration::from_millis(*grace_ms),
                    }],
                ))
            }
            State::Running { .. } | State::Paused { .. } | State::Stopping { .. } => {
                Ok(self.unchanged())
            }
            State::Queued
            | State::Backoff { .. }
            | State::Terminated { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => Err(self.refuse("started")),
        }
    }

    fn could_not_start(
        &self,
        code: String,
        message: String,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Outcome, Refusal> {
        match &self.state {
            State::Starting { attempt, .. } => {
                Ok(self.fails(*attempt, Failure::CouldNotStart { code, message }, None, at))
            }
            State::Stopping {
                attempt,
                restart,
                started: None,
                ..
            } => Ok(self.stopped(*attempt, Exit::NotStarted, None, at, *restart, now)),
            State::Failed { .. } | State::Terminated { .. } => Ok(self.unchanged()),
            State::Queued
            | State::Running { .. }
            | State::Paused { .. }
            | State::Stopping { .. }
            | State::Backoff { .. }
            | State::Cancelled { .. } => Err(self.refuse("could-not-start")),
        }
    }

    fn exited(&self, exit: Exit, at: Timestamp, now: Timestamp) -> Result<Outcome, Refusal> {
        match &self.state {
            // A program may end before its start was noticed.
            State::Starting { attempt, .. } => {
                Ok(self.ended_unasked(*attempt, exit, None, at, now))
            }
            State::Running {
                attempt,
                started_at,
                ..
            }
            | State::Paused {
                attempt,
                started_at,
                ..
            } => Ok(self.ended_unasked(*attempt, exit, Some(*started_at), at, now)),
            State::Stopping {
                attempt,
                started,
                restart,
                ..
            } => {
                let started_at = started.as_ref().map(|(at, _)| *at);
                Ok(self.stopped(*attempt, exit, started_at, at, *restart, now))
            }
            State::Backoff { .. } | State::Terminated { .. } | State::Failed { .. } => {
                Ok(self.unchanged())
            }
            State::Queued | State::Cancelled { .. } => Err(self.refuse("exited")),
        }
    }

    fn lost(&self, interrupted: bool, now: Timestamp) -> Result<Outcome, Refusal> {
        let failure = if interrupted {
            Failure::Interrupted
        } else {
            Failure::AgentLost
        };
        match &self.state {
            State::Starting { attempt, .. } => {
                Ok(self.fails_or_backs_off(*attempt, failure, None, now, now))
            }
            State::Running {
                attempt,
                started_at,
                ..
            }
            | State::Paused {
                attempt,
                started_at,
                ..
            } => Ok(self.fails_or_backs_off(*attempt, failure, Some(*started_at), now, now)),
            State::Stopping {
                attempt, started, ..
            } => Ok(self.fails(*attempt, failure, started.as_ref().map(|(at, _)| *at), now)),
            State::Backoff { .. } | State::Terminated { .. } | State::Failed { .. } => {
                Ok(self.unchanged())
            }
            State::Queued | State::Cancelled { .. } => Err(self.refuse("lost")),
        }
    }

    fn pause(&self, now: Timestamp) -> Result<Outcome, Refusal> {
        match &self.state {
            State::Running {
                attempt,
                started_at,
                process,
            } => {
                let attempt = *attempt;
                Ok(self.becomes(
                    State::Paused {
                        attempt,
                        started_at: *started_at,
                        process: process.clone(),
                        since: now,
                    },
                    vec![Fact::Paused { attempt }],
                    vec![Effect::Freeze { attempt }],
                ))
            }
            State::Paused { .. } => Ok(self.unchanged()),
            State::Queued
            | State::Starting { .. }
            | State::Stopping { .. }
            | State::Backoff { .. }
            | State::Terminated { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => Err(self.refuse("pause")),
        }
    }

    fn go_on(&self) -> Result<Outcome, Refusal> {
        match &self.state {
            State::Paused {
                attempt,
                started_at,
                process,
                ..
            } => {
                let attempt = *attempt;
                Ok(self.becomes(
                    State::Running {
                        attempt,
                        started_at: *started_at,
                        process: process.clone(),
                    },
                    vec![Fact::Continued { attempt }],
                    vec![Effect::Thaw { attempt }],
                ))
            }
            State::Running { .. } => Ok(self.unchanged()),
            State::Queued
            | State::Starting { .. }
            | State::Stopping { .. }
            | State::Backoff { .. }
            | State::Terminated { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => Err(self.refuse("continue")),
        }
    }

    fn stop(&self, grace: Duration, now: Timestamp) -> Result<Outcome, Refusal> {
        match &self.state {
            State::Queued => Ok(self.becomes(
                State::Cancelled { at: now },
                vec![Fact::Cancelled {}],
                vec![],
            )),
            State::Starting { attempt, .. } => {
                Ok(self.begins_to_stop(*attempt, None, grace, false, now))
            }
            State::Running {
                attempt,
                started_at,
                process,
            }
            | State::Paused {
                attempt,
                started_at,
                process,
                ..
            } => Ok(self.begins_to_stop(
                *attempt,
                Some((*started_at, process.clone())),
                grace,
                false,
                now,
            )),
            // A stop overrules a restart that is under way; else it is the same stop.
            State::Stopping {
                attempt,
                started,
                since,
                grace_ms,
                restart: true,
            } => Ok(self.becomes(
                State::Stopping {
                    attempt: *attempt,
                    started: started.clone(),
                    since: *since,
                    grace_ms: *grace_ms,
                    restart: false,
                },
                vec![Fact::Stopping {
                    attempt: *attempt,
                    restart: false,
                }],
                vec![],
            )),
            // A later stop may hasten the one under way, never delay it. One that differs by less is the same, said twice.
            State::Stopping {
                attempt,
                started,
                since,
                grace_ms,
                restart: false,
            } if now + grace + SAME_STOP <= *since + Duration::from_millis(*grace_ms) => {
                let sooner = (now + grace - *since).num_milliseconds();
                Ok(self.becomes(
                    State::Stopping {
                        attempt: *attempt,
                        started: started.clone(),
                        since: *since,
                        grace_ms: u64::try_from(sooner).unwrap_or(0),
                        restart: false,
                    },
                    vec![Fact::Stopping {
                        attempt: *attempt,
                        restart: false,
                    }],
                    vec![Effect::EndTree {
                        attempt: *attempt,
                        grace,
                    }],
                ))
            }
            State::Backoff {
                attempt,
                failure,
                ended_at,
                ..
            } => {
                let exit = match failure {
                    Failure::Exited { exit } => exit.clone(),
                    Failure::CouldNotStart { .. } | Failure::AgentLost | Failure::Interrupted => {
                        Exit::NotStarted
                    }
                };
                Ok(self.terminates(*attempt, exit, None, *ended_at, true))
            }
            State::Stopping { .. }
            | State::Terminated { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => Ok(self.unchanged()),
        }
    }

    fn restart(&self, grace: Duration, now: Timestamp) -> Result<Outcome, Refusal> {
        match &self.state {
            State::Starting { attempt, .. } => {
                Ok(self.begins_to_stop(*attempt, None, grace, true, now))
            }
            State::Running {
                attempt,
                started_at,
                process,
            }
            | State::Paused {
                attempt,
                started_at,
                process,
                ..
            } => Ok(self.begins_to_stop(
                *attempt,
                Some((*started_at, process.clone())),
                grace,
                true,
                now,
            )),
            State::Stopping { restart: true, .. } => Ok(self.unchanged()),
            State::Backoff { attempt, .. }
            | State::Terminated { attempt, .. }
            | State::Failed { attempt, .. } => Ok(self.start_attempt(attempt + 1, now)),
            State::Queued | State::Stopping { .. } | State::Cancelled { .. } => {
                Err(self.refuse("restart"))
            }
        }
    }

    fn retry(&self, now: Timestamp) -> Result<Outcome, Refusal> {
        match &self.state {
            State::Backoff { attempt, .. } => Ok(self.start_attempt(attempt + 1, now)),
            State::Queued
            | State::Starting { .. }
            | State::Running { .. }
            | State::Paused { .. }
            | State::Stopping { .. }
            | State::Terminated { .. }
            | State::Failed { .. }
            | State::Cancelled { .. } => Err(self.refuse("retry-due")),
        }
    }

    fn start_attempt(&self, attempt: u32, now: Timestamp) -> Outcome {
        let fact = Fact::Starting {
            name: self.name.to_string(),
            program: self.launch.program.clone(),
            attempt,
        };
        self.becomes(
            State::Starting {
                attempt,
                since: now,
            },
            vec![fact],
            vec![Effect::Spawn { attempt }],
        )
    }

    fn begins_to_stop(
        &self,
        attempt: u32,
        started: Option<(Timestamp, Process)>,
        grace: Duration,
        restart: bool,
        now: Timestamp,
    ) -> Outcome {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.becomes(
            State::Stopping {
                attempt,
                started,
                since: now,
                grace_ms,
                restart,
            },
            vec![Fact::Stopping { attempt, restart }],
            vec![Effect::EndTree { attempt, grace }],
        )
    }

    fn ended_unasked(
        &self,
        attempt: u32,
        exit: Exit,
        started_at: Option<Timestamp>,
        at: Timestamp,
        now: Timestamp,
    ) -> Outcome {
        if exit == Exit::Code(0) {
            self.terminates(attempt, exit, started_at, at, false)
        } else {
            self.fails_or_backs_off(attempt, Failure::Exited { exit }, started_at, at, now)
        }
    }

    fn stopped(
        &self,
        attempt: u32,
        exit: Exit,
        started_at: Option<Timestamp>,
        at: Timestamp,
        restart: bool,
        now: Timestamp,
    ) -> Outcome {
        let ended = self.terminates(attempt, exit, started_at, at, true);
        if !restart {
            return ended;
        }
        let mut again = self.start_attempt(attempt + 1, now);
        again.facts.splice(0..0, ended.facts);
        again
    }

    fn terminates(
        &self,
        attempt: u32,
        exit: Exit,
        started_at: Option<Timestamp>,
        ended_at: Timestamp,
        asked: bool,
    ) -> Outcome {
        self.becomes(
            State::Terminated {
                attempt,
                exit: exit.clone(),
                started_at,
                ended_at,
                asked,
            },
            vec![Fact::Terminated {
                attempt,
                exit,
                asked,
                ended_at,
            }],
            vec![],
        )
    }

    fn fails(
        &self,
        attempt: u32,
        failure: Failure,
        started_at: Option<Timestamp>,
        ended_at: Timestamp,
    ) -> Outcome {
        self.becomes(
            State::Failed {
                attempt,
                failure: failure.clone(),
                started_at,
                ended_at,
            },
            vec![Fact::Failed {
                attempt,
                failure,
                ended_at,
            }],
            vec![],
        )
    }

    fn fails_or_backs_off(
        &self,
        attempt: u32,
        failure: Failure,
        started_at: Option<Timestamp>,
        ended_at: Timestamp,
        now: Timestamp,
    ) -> Outcome {
        // After a reboot or logout a person is asked once for all runners, rather than each starting by itself.
        let pause = match failure {
            Failure::Interrupted => None,
            Failure::Exited { .. } | Failure::AgentLost | Failure::CouldNotStart { .. } => {
                self.launch.restart.pause_after(attempt)
            }
        };
        let Some(pause) = pause else {
            return self.fails(attempt, failure, started_at, ended_at);
        };
        let until = now + pause;
        self.becomes(
            State::Backoff {
                attempt,
                failure: failure.clone(),
                ended_at,
                until,
            },
            vec![Fact::BackedOff {
                attempt,
                failure,
                until,
            }],
            vec![],
        )
    }

    fn becomes(&self, state: State, facts: Vec<Fact>, effects: Vec<Effect>) -> Outcome {
        let runner = Self {
            state,
            revision: self.revision + 1,
            ..self.clone()
        };
        Outcome {
            runner,
            facts,
            effects,
        }
    }

    fn unchanged(&self) -> Outcome {
        Outcome {
            runner: self.clone(),
            facts: vec![],
            effects: vec![],
        }
    }

    fn refuse(&self, input: &'static str) -> Refusal {
        Refusal::WrongState {
            state: self.state.name(),
            input,
        }
    }
}

const fn input_attempt(input: &Input) -> Option<u32> {
    match input {
        Input::Started { attempt, .. }
        | Input::CouldNotStart { attempt, .. }
        | Input::Exited { attempt, .. }
        | Input::Lost { attempt, .. } => Some(*attempt),
        Input::Admit
        | Input::Pause
        | Input::Continue
        | Input::Stop { .. }
        | Input::Restart { .. }
        | Input::RetryDue => None,
    }
}
