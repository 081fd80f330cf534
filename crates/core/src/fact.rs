//! Facts: what events say. An event is a fact with an identity, a place in its aggregate's order, and a time.

use serde::{Deserialize, Serialize};

use crate::attention::Need;
use crate::budget::{Amount, Period};
use crate::clock::Timestamp;
use crate::ids::BudgetId;
use crate::launch::Excess;
use crate::quota::Scope;
use crate::runner::{Exit, Failure, Process};

/// Something that happened to a runner or a project. Its words are the event types that clients see; they hold no
/// secret and are never renamed, since the audit chain covers them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum Fact {
    /// A runner waits for a place.
    #[serde(rename = "runner.queued")]
    Queued {
        /// Its name.
        name: String,
        /// Its program.
        program: String,
    },
    /// A runner has its place and is being started.
    #[serde(rename = "runner.starting")]
    Starting {
        /// Its name.
        name: String,
        /// Its program.
        program: String,
        /// Which attempt this is, from 1.
        attempt: u32,
    },
    /// The program was executed.
    #[serde(rename = "runner.started")]
    Started {
        /// Which attempt.
        attempt: u32,
        /// The program's process.
        process: Process,
    },
    /// The tree was paused.
    #[serde(rename = "runner.paused")]
    Paused {
        /// Which attempt.
        attempt: u32,
    },
    /// The tree goes on.
    #[serde(rename = "runner.continued")]
    Continued {
        /// Which attempt.
        attempt: u32,
    },
    /// A stop was asked for.
    #[serde(rename = "runner.stopping")]
    Stopping {
        /// Which attempt.
        attempt: u32,
        /// Whether it is to start again afterwards.
        restart: bool,
    },
    /// It ended as it should: exit 0, or any exit after a stop.
    #[serde(rename = "runner.terminated")]
    Terminated {
        /// Which attempt.
        attempt: u32,
        /// How.
        exit: Exit,
        /// Whether it had been told to stop.
        asked: bool,
        /// When it ended, which may be long before this was noticed.
        ended_at: Timestamp,
    },
    /// It ended otherwise.
    #[serde(rename = "runner.failed")]
    Failed {
        /// Which attempt.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// When it ended, as far as known.
        ended_at: Timestamp,
    },
    /// It failed and will be started again.
    #[serde(rename = "runner.backoff")]
    BackedOff {
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        failure: Failure,
        /// When the next attempt is due.
        until: Timestamp,
    },
    /// It was cancelled before it ever started.
    #[serde(rename = "runner.cancelled")]
    Cancelled {},
    /// It uses more than its ceiling.
    #[serde(rename = "runner.over_ceiling")]
    OverCeiling {
        /// Which attempt.
        attempt: u32,
        /// What, and how much.
        excess: Excess,
        /// What was done.
        action: crate::launch::CeilingAction,
    },
    /// What a runner needs of a person changed, in a way that a person may want to be told of.
    #[serde(rename = "runner.attention")]
    Attention {
        /// Which attempt.
        attempt: u32,
        /// What it needs.
        need: Need,
        /// The tool that waits for a permission. Not what it is to do: that may hold a secret.
        tool: Option<String>,
    },
    /// A project was added.
    #[serde(rename = "project.added")]
    ProjectAdded {
        /// Its name.
        name: String,
        /// Its directory.
        path: String,
    },
    /// A project was archived.
    #[serde(rename = "project.archived")]
    ProjectArchived {},
    /// A launch was refused because a quota is full.
    #[serde(rename = "project.quota_refused")]
    QuotaRefused {
        /// Which quota.
        scope: Scope,
        /// Its limit.
        limit: u32,
        /// The program that was to be launched.
        program: String,
    },
    /// A launch was refused because a budget leaves no room.
    #[serde(rename = "project.budget_refused")]
    BudgetRefused {
        /// Which budget.
        budget: BudgetId,
        /// Whose: `global` or `project`.
        scope: String,
        /// In which time.
        period: Period,
        /// How much was used.
        spent: Amount,
        /// How much may be.
        limit: Amount,
        /// The program that was to be launched.
        program: String,
    },
    /// A share of a budget was used.
    #[serde(rename = "project.budget_reached")]
    BudgetReached {
        /// Which budget.
        budget: BudgetId,
        /// Whose: `global`, `project`, `runner` or `session`.
        scope: String,
        /// In which time.
        period: Period,
        /// The share, in percent.
        percent: u8,
        /// How much was used.
        spent: Amount,
        /// How much may be.
        limit: Amount,
    },
}

impl Fact {
    /// Returns the event's type, such as `runner.started`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "runner.queued",
            Self::Starting { .. } => "runner.starting",
            Self::Started { .. } => "runner.started",
            Self::Paused { .. } => "runner.paused",
            Self::Continued { .. } => "runner.continued",
            Self::Stopping { .. } => "runner.stopping",
            Self::Terminated { .. } => "runner.terminated",
            Self::Failed { .. } => "runner.failed",
            Self::BackedOff { .. } => "runner.backoff",
            Self::Cancelled {} => "runner.cancelled",
            Self::OverCeiling { .. } => "runner.over_ceiling",
            Self::Attention { .. } => "runner.attention",
            Self::ProjectAdded { .. } => "project.added",
            Self::ProjectArchived {} => "project.archived",
            Self::QuotaRefused { .. } => "project.quota_refused",
            Self::BudgetRefused { .. } => "project.budget_refused",
            Self::BudgetReached { .. } => "project.budget_reached",
        }
    }

    /// Returns the attempt of a runner that it speaks of, if it speaks of one.
    #[must_use]
    pub const fn attempt(&self) -> Option<u32> {
        match self {
            Self::Starting { attempt, .. }
            | Self::Started { attempt, .. }
            | Self::Paused { attempt }
            | Self::Continued { attempt }
            | Self::Stopping { attempt, .. }
            | Self::Terminated { attempt, .. }
            | Self::Failed { attempt, .. }
            | Self::BackedOff { attempt, .. }
            | Self::OverCeiling { attempt, .. }
            | Self::Attention { attempt, .. } => Some(*attempt),
            Self::Queued { .. }
            | Self::Cancelled {}
            | Self::ProjectAdded { .. }
            | Self::ProjectArchived {}
            | Self::QuotaRefused { .. }
            | Self::BudgetRefused { .. }
            | Self::BudgetReached { .. } => None,
        }
    }
}
