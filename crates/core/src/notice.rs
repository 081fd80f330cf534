//! Notices: the edges that a person is told of, one each.

use serde::{Deserialize, Serialize};

use crate::attention::Need;
use crate::fact::Fact;
use crate::runner::Failure;

/// An edge that a person cares about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edge {
    /// A runner ended by itself, as it should.
    Ended,
    /// A runner failed.
    Failed,
    /// A runner could not start.
    CouldNotStart,
    /// A runner's agent was killed.
    AgentLost,
    /// The machine or the login session ended under a runner.
    Interrupted,
    /// A launch was refused by a quota.
    QuotaRefused,
    /// A runner uses more than its ceiling.
    OverCeiling,
    /// A program waits for a permission.
    NeedsPermission,
    /// A program asked a question.
    NeedsAnswer,
    /// A turn is done.
    TurnDone,
    /// The provider takes no more for now.
    RateLimited,
    /// A turn ended in an error.
    Errored,
    /// A program says that it works, but nothing moves.
    Stalled,
    /// A share of a budget was used.
    BudgetReached,
    /// A launch was refused by a budget.
    BudgetRefused,
}

impl Edge {
    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Failed => "failed",
            Self::CouldNotStart => "could-not-start",
            Self::AgentLost => "agent-lost",
            Self::Interrupted => "interrupted",
            Self::QuotaRefused => "quota-refused",
            Self::OverCeiling => "over-ceiling",
            Self::NeedsPermission => "needs-permission",
            Self::NeedsAnswer => "needs-answer",
            Self::TurnDone => "turn-done",
            Self::RateLimited => "rate-limited",
            Self::Errored => "errored",
            Self::Stalled => "stalled",
            Self::BudgetReached => "budget-reached",
            Self::BudgetRefused => "budget-refused",
        }
    }
}

/// Returns the edge that a fact is, if a person is to be told.
///
/// What a person asked for (a stop) and what mends itself (a pause before the next attempt) are no news.
#[must_use]
pub const fn edge(fact: &Fact) -> Option<Edge> {
    match fact {
        Fact::Terminated { asked: false, .. } => Some(Edge::Ended),
        Fact::Failed { failure, .. } => Some(match failure {
            Failure::Exited { .. } => Edge::Failed,
            Failure::CouldNotStart { .. } => Edge::CouldNotStart,
            Failure::AgentLost => Edge::AgentLost,
            Failure::Interrupted => Edge::Interrupted,
        }),
        Fact::QuotaRefused { .. } => Some(Edge::QuotaRefused),
        Fact::OverCeiling { .. } => Some(Edge::OverCeiling),
        Fact::Attention { need, .. } => match need {
            Need::NeedsPermission => Some(Edge::NeedsPermission),
            Need::NeedsAnswer => Some(Edge::NeedsAnswer),
            Need::Idle => Some(Edge::TurnDone),
            Need::RateLimited => Some(Edge::RateLimited),
            Need::Errored => Some(Edge::Errored),
            Need::Stalled => Some(Edge::Stalled),
            Need::Working | Need::Starting | Need::Unknown => None,
        },
        Fact::BudgetReached { .. } => Some(Edge::BudgetReached),
        Fact::BudgetRefused { .. } => Some(Edge::BudgetRefused),
        Fact::Terminated { asked: true, .. }
        | Fact::Queued { .. }
        | Fact::Starting { .. }
        | Fact::Started { .. }
        | Fact::Paused { .. }
        | Fact::Continued { .. }
        | Fact::Stopping { .. }
        | Fact::BackedOff { .. }
        | Fact::Cancelled {}
        | Fact::ProjectAdded { .. }
        | Fact::ProjectArchived {} => None,
    }
}
