//! Gives the notices that a person is owed, in words; those that settings turn off, or that are over, are owed no more.

use stratavore_core::attention::Need;
use stratavore_core::clock::to_rfc3339;
use stratavore_core::fact::Fact;
use stratavore_core::launch::{CeilingAction, Excess};
use stratavore_core::notice::Edge;
use stratavore_core::runner::{Failure as RunnerFailure, Runner};
use stratavore_store::{Event, Notice, StoreError};
use stratavore_supervisor::Supervisor;

use super::attention;
use crate::failure::store_failure;
use crate::{Result, v1};

/// Claims what a consumer is to show now. In quiet hours that is nothing: it is claimed after them.
pub(super) async fn claim(supervisor: &Supervisor, consumer: &str) -> Result<v1::Notifications> {
    if supervisor.is_quiet() {
        return Ok(v1::Notifications::default());
    }
    let notices = supervisor
        .claim_notices(consumer)
        .await
        .map_err(store_failure)?;
    let mut notifications = Vec::with_capacity(notices.len());
    for notice in notices {
        let runner = match &notice.runner {
            Some((id, _)) => match supervisor.store().runner(*id).await {
                Ok(view) => Some(view.runner),
                Err(StoreError::NoRunner(_)) => None,
                Err(error) => return Err(store_failure(error)),
            },
            None => None,
        };
        let config = match &runner {
            Some(runner) => supervisor.config_for(runner).await,
            None => supervisor.config().clone(),
        };
        if !config.notifies(notice.edge) || is_over(supervisor, runner.as_ref(), notice.edge) {
            supervisor
                .notice_shown(notice.id)
                .await
                .map_err(store_failure)?;
            continue;
        }
        notifications.push(whole(supervisor, runner.as_ref(), notice));
    }
    Ok(v1::Notifications { notifications })
}

/// Tells whether a state that a person was to be told of is over: it was answered, or something else is by now.
fn is_over(supervisor: &Supervisor, runner: Option<&Runner>, edge: Edge) -> bool {
    let need = match edge {
        Edge::NeedsPermission => Need::NeedsPermission,
        Edge::NeedsAnswer => Need::NeedsAnswer,
        Edge::TurnDone => Need::Idle,
        Edge::RateLimited => Need::RateLimited,
        Edge::Errored => Need::Errored,
        Edge::Stalled => Need::Stalled,
        Edge::Ended
        | Edge::Failed
        | Edge::CouldNotStart
        | Edge::AgentLost
        | Edge::Interrupted
        | Edge::QuotaRefused
        | Edge::OverCeiling
        | Edge::BudgetReached
        | Edge::BudgetRefused => return false,
    };
    let Some(runner) = runner else { return true };
    if runner.state.name().is_final() {
        return true;
    }
    // Of a runner of another node, or one that is not connected yet, nothing newer is known.
    supervisor
        .attention(runner)
        .is_some_and(|attention| attention.need != need)
}

/// Adds what is known only now: what exactly is asked, which no event holds.
fn whole(supervisor: &Supervisor, runner: Option<&Runner>, notice: Notice) -> v1::Notification {
    let edge = notice.edge;
    let mut notification = notification(notice);
    let Some(runner) = runner else {
        return notification;
    };
    let needs = supervisor.attention(runner);
    match edge {
        Edge::NeedsPermission => {
            if let Some(asking) = supervisor.asking(runner) {
                notification.title = format!("{} wants to use {}", runner.name, asking.ask.tool);
                notification.body.clone_from(&asking.ask.subject);
                if supervisor.config().decide_from_notifications() {
                    notification.ask = Some(attention::ask(asking));
                }
            } else if let Some(detail) = needs.and_then(|needs| needs.detail) {
                notification.body = detail;
            }
        }
        Edge::NeedsAnswer | Edge::Errored | Edge::RateLimited | Edge::Stalled => {
            if let Some(needs) = needs {
                if let Some(detail) = needs.detail {
                    notification.body = detail;
                }
                if let Some(until) = needs.until {
                    let until = until.with_timezone(&chrono::Local).format("%H:%M");
                    notification.body = format!("{} Until {until}.", notification.body);
                }
            }
        }
        _ => {}
    }
    notification
}

fn notification(notice: Notice) -> v1::Notification {
    let project = notice.event.project.clone();
    let name = notice
        .runner
        .as_ref()
        .map_or_else(|| project.clone(), |(_, name)| name.to_string());
    let (title, body) = match notice.edge {
        Edge::Ended => (format!("{name} ended"), words(&notice.event.fact)),
        Edge::Failed => (format!("{name} failed"), words(&notice.event.fact)),
        Edge::CouldNotStart => (format!("{name} could not start"), words(&notice.event.fact)),
        Edge::AgentLost => (format!("{name} was lost"), words(&notice.event.fact)),
        Edge::Interrupted => (format!("{name} was interrupted"), words(&notice.event.fact)),
        Edge::QuotaRefused => (
            format!("{project}: launch refused"),
            words(&notice.event.fact),
        ),
        Edge::OverCeiling => (format!("{name} uses too much"), words(&notice.event.fact)),
        Edge::NeedsPermission => (
            format!("{name} needs a permission"),
            words(&notice.event.fact),
        ),
        Edge::NeedsAnswer => (format!("{name} asks"), words(&notice.event.fact)),
        Edge::TurnDone => (format!("{name} is done"), words(&notice.event.fact)),
        Edge::RateLimited => (format!("{name} must wait"), words(&notice.event.fact)),
        Edge::Errored => (format!("{name} met an error"), words(&notice.event.fact)),
        Edge::Stalled => (format!("{name} stands still"), words(&notice.event.fact)),
        Edge::BudgetReached => (format!("{project}: budget"), words(&notice.event.fact)),
        Edge::BudgetRefused => (
            format!("{project}: launch refused"),
            words(&notice.event.fact),
        ),
    };
    v1::Notification {
        id: notice.id.to_string(),
        edge: notice.edge.as_str().to_owned(),
        title,
        body,
        runner_id: notice.runner.map(|(id, _)| id.to_string()),
        project: Some(project),
        at: to_rfc3339(ended_at(&notice.event)),
        ask: None,
    }
}

/// When it happened, which may be long before it was noticed.
fn ended_at(event: &Event) -> stratavore_core::clock::Timestamp {
    match &event.fact {
        Fact::Terminated { ended_at, .. } | Fact::Failed { ended_at, .. } => *ended_at,
        _ => event.at,
    }
}

fn words(fact: &Fact) -> String {
    match fact {
        Fact::Terminated { exit, .. } => format!("It is done: {exit}."),
        Fact::Failed {
            failure: RunnerFailure::CouldNotStart { message, .. },
            ..
        } => message.clone(),
        Fact::Failed { failure, .. } => format!("{failure}."),
        Fact::QuotaRefused { scope, limit, .. } => {
            format!("The quota of the {scope} is full: {limit} of {limit} runners are active.")
        }
        Fact::OverCeiling {
            excess,
            action: done,
            ..
        } => {
            let what = match excess {
                Excess::Memory { used, limit } => format!(
                    "{} MB of memory; its ceiling is {} MB",
                    used >> 20,
                    limit >> 20
                ),
                Excess::Cpu { used, limit } => format!("{used} % CPU; its ceiling is {limit} %"),
            };
            let done = match done {
                CeilingAction::Notify => "It goes on.",
                CeilingAction::Pause => "It was paused.",
                CeilingAction::Stop => "It was stopped.",
            };
            format!("{what}. {done}")
        }
        Fact::Attention { need, tool, .. } => match (need, tool) {
            (Need::NeedsPermission, Some(tool)) => format!("{tool} waits for a permission."),
            (Need::NeedsPermission, None) => "A tool waits for a permission.".to_owned(),
            (Need::NeedsAnswer, _) => "It waits for an answer.".to_owned(),
            (Need::Idle, _) => "The turn is done.".to_owned(),
            (Need::RateLimited, _) => "The provider takes no more for now.".to_owned(),
            (Need::Errored, _) => "The turn ended in an error.".to_owned(),
            (Need::Stalled, _) => "It says that it works, but nothing moves.".to_owned(),
            (Need::Working | Need::Starting | Need::Unknown, _) => need.to_string(),
        },
        Fact::BudgetReached {
            period,
            percent,
            spent,
            limit,
            ..
        } => format!(
            "{percent} % of the budget for this {} is used: {spent} of {limit}.",
            period.as_str()
        ),
        Fact::BudgetRefused {
            period,
            spent,
            limit,
            ..
        } => format!(
            "The budget for this {} leaves no room: {spent} of {limit} are used.",
            period.as_str()
        ),
        other => other.kind().to_owned(),
    }
}
