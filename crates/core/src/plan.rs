//! What to do about the difference between what should be and what is.
//!
//! [`plan`] is pure and total. It may be given facts that are already stale: every action may be executed twice,
//! and what it decides wrongly for that reason the next pass decides again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::ids::RunnerId;
use crate::runner::{Exit, Input, Runner, State};

/// What the disk, the locks and the connections say of one runner's present attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// Nobody holds the lock, and the attempt was never recorded: nothing was executed.
    Absent,
    /// This process is starting an agent for it right now.
    Spawning,
    /// The agent holds the lock.
    Alive {
        /// Whether the supervisor is connected to it.
        connected: bool,
    },
    /// Nobody holds the lock; the agent recorded how the program ended.
    Ended(End),
    /// Nobody holds the lock; the attempt was recorded, its end was not.
    Lost {
        /// Whether it belongs to an earlier boot or login session.
        interrupted: bool,
    },
}

/// How an attempt ended, as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The program was executed and ended.
    Exited {
        /// How.
        exit: Exit,
        /// When.
        at: Timestamp,
    },
    /// It was ended together with the machine or the login session.
    Interrupted,
    /// The program could not be executed.
    CouldNotStart {
        /// A word for it.
        code: String,
        /// What failed, on which thing, why, and what to do.
        message: String,
        /// When.
        at: Timestamp,
    },
}

/// Something to do. Each may be done twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start an agent for this attempt.
    Spawn(RunnerId, u32),
    /// Connect to the agent that holds this attempt.
    Adopt(RunnerId, u32),
    /// Tell the runner what happened.
    Apply(RunnerId, Input),
    /// End what is left of an attempt whose agent is gone, then tell the runner.
    SweepThen(RunnerId, u32, Input),
    /// End the tree of an attempt through its agent.
    EndTree(RunnerId, u32, Duration),
    /// Kill an agent that does not do what it is told.
    KillAgent(RunnerId, u32),
    /// Let queued runners have the places that are free.
    AdmitQueued,
}

/// What to do now, and when to look again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to do, in this order.
    pub actions: Vec<Action>,
    /// When something will be due that no event announces.
    pub wake_at: Option<Timestamp>,
}

/// How much longer than its grace a stop may take before its agent is taken for hung and killed.
pub const OVERDUE: Duration = Duration::from_secs(15);

impl Plan {
    fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }
}

/// Decides what to do.
///
/// `desired` are the runners that are not final, and the final ones whose agent still lives; `observed` says of each what
/// its present attempt looks like ([`Attempt::Absent`] where it says nothing).
#[must_use]
pub fn plan(desired: &[Runner], observed: &BTreeMap<RunnerId, Attempt>, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for runner in desired {
        let attempt = observed.get(&runner.id).unwrap_or(&Attempt::Absent);
        plan_one(runner, attempt, now, &mut plan);
    }
    plan
}

fn plan_one(runner: &Runner, observed: &Attempt, now: Timestamp, plan: &mut Plan) {
    let id = runner.id;
    let attempt = runner.state.attempt();
    match &runner.state {
        State::Queued => {
            if !plan.actions.contains(&Action::AdmitQueued) {
                plan.actions.push(Action::AdmitQueued);
            }
        }
        State::Starting { .. } => match observed {
            Attempt::Absent => plan.actions.push(Action::Spawn(id, attempt)),
            Attempt::Spawning | Attempt::Alive { connected: true } => {}
            Attempt::Alive { connected: false } => plan.actions.push(Action::Adopt(id, attempt)),
            Attempt::Ended(end) => plan.actions.push(ended(runner, end)),
            Attempt::Lost { interrupted } => plan.actions.push(sweep(id, attempt, *interrupted)),
        },
        State::Running { .. } | State::Paused { .. } => match observed {
            Attempt::Spawning | Attempt::Alive { connected: true } => {}
            Attempt::Alive { connected: false } => {
                plan.actions.push(Action::Adopt(id, attempt));
            }
            Attempt::Ended(end) => plan.actions.push(ended(runner, end)),
            Attempt::Absent => plan.actions.push(sweep(id, attempt, false)),
            Attempt::Lost { interrupted } => plan.actions.push(sweep(id, attempt, *interrupted)),
        },
        State::Stopping {
            started,
            since,
            grace_ms,
            ..
        } => match observed {
            Attempt::Spawning => {}
            Attempt::Alive { connected } => {
                let overdue = *since + Duration::from_millis(*grace_ms) + OVERDUE;
                if overdue <= now {
                    plan.actions.push(Action::KillAgent(id, attempt));
                    return;
                }
                if !connected {
                    plan.actions.push(Action::Adopt(id, attempt));
                }
                plan.actions.push(Action::EndTree(
                    id,
                    attempt,
                    Duration::from_millis(*grace_ms),
                ));
                plan.wake(overdue);
            }
            Attempt::Ended(end) => plan.actions.push(ended(runner, end)),
            Attempt::Absent if started.is_none() => plan.actions.push(Action::Apply(
                id,
                Input::Exited {
                    attempt,
                    exit: Exit::NotStarted,
                    at: now,
                },
            )),
            Attempt::Absent => plan.actions.push(sweep(id, attempt, false)),
            Attempt::Lost { interrupted } => plan.actions.push(sweep(id, attempt, *interrupted)),
        },
        State::Backoff { until, .. } => {
            if *until <= now {
                plan.actions.push(Action::Apply(id, Input::RetryDue));
            } else {
                plan.wake(*until);
            }
        }
        State::Terminated { .. } | State::Failed { .. } | State::Cancelled { .. } => {
            // Nothing may be left running behind a runner that ended.
            if let Attempt::Alive { connected } = observed {
                if !connected {
                    plan.actions.push(Action::Adopt(id, attempt));
                }
                plan.actions
                    .push(Action::EndTree(id, attempt, Duration::ZERO));
            }
        }
    }
}

/// What a recorded end means for a runner. That a program which ran "could not start" is no end that it can have had: such
/// a record is worth as much as none.
fn ended(runner: &Runner, end: &End) -> Action {
    let attempt = runner.state.attempt();
    if runner.state.process().is_some() && matches!(end, End::CouldNotStart { .. }) {
        return sweep(runner.id, attempt, false);
    }
    Action::Apply(runner.id, end.input(attempt))
}

const fn sweep(id: RunnerId, attempt: u32, interrupted: bool) -> Action {
    Action::SweepThen(
        id,
        attempt,
        Input::Lost {
            attempt,
            interrupted,
        },
    )
}

impl End {
    /// Returns what it tells the runner.
    #[must_use]
    pub fn input(&self, attempt: u32) -> Input {
        match self.clone() {
            Self::Exited { exit, at } => Input::Exited { attempt, exit, at },
            Self::Interrupted => Input::Lost {
                attempt,
                interrupted: true,
            },
            Self::CouldNotStart { code, message, at } => Input::CouldNotStart {
                attempt,
                code,
                message,
                at,
            },
        }
    }
}
