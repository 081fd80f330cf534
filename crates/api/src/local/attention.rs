//! Shows what runners need of a person, and takes the answers.

use stratavore_core::attention::Attention;
use stratavore_core::clock::to_rfc3339;
use stratavore_programs::Verdict;
use stratavore_supervisor::{Asking, DecideError, Supervisor};

use super::find;
use crate::{Code, Failure, Result, v1};

pub(super) fn attention(attention: Attention, asking: Option<Asking>) -> v1::Attention {
    v1::Attention {
        state: attention.need.as_str().to_owned(),
        source: attention.source.as_str().to_owned(),
        since: to_rfc3339(attention.since),
        detail: attention.detail,
        until: attention.until.map(to_rfc3339),
        ask: asking.map(ask),
    }
}

pub(super) fn ask(asking: Asking) -> v1::Ask {
    v1::Ask {
        id: asking.id.to_string(),
        tool: asking.ask.tool,
        subject: asking.ask.subject,
        reason: asking.ask.reason,
        at: to_rfc3339(asking.at),
        until: to_rfc3339(asking.until),
    }
}

pub(super) async fn decide(supervisor: &Supervisor, request: v1::DecideRequest) -> Result<()> {
    let runner = find::runner(supervisor, &request.runner).await?.runner;
    let id = request.ask.parse().map_err(|_| {
        Failure::new(
            Code::Invalid,
            format!("{:?} names no permission that is asked for", request.ask),
        )
        .hint(format!(
            "see what is asked with `stratavore show {}`",
            runner.name
        ))
    })?;
    let verdict = if request.allow {
        Verdict::Allow
    } else {
        let reason = request.reason.filter(|reason| !reason.trim().is_empty());
        Verdict::Deny(reason.unwrap_or_else(|| "The person said no.".to_owned()))
    };
    supervisor
        .decide(&runner, id, verdict)
        .await
        .map_err(|error| failure(&error, runner.name.as_str()))
}

fn failure(error: &DecideError, runner: &str) -> Failure {
    match error {
        DecideError::Over { .. } => Failure::new(Code::Conflict, error.to_string()).hint(format!(
            "see what it does now with `stratavore show {runner}`"
        )),
        DecideError::Elsewhere { node, .. } => {
            Failure::new(Code::Conflict, error.to_string()).hint(format!("answer on {node}"))
        }
        DecideError::Silent { .. } => Failure::new(Code::Timeout, error.to_string()).hint(format!(
            "look at its terminal: `stratavore attach {runner}`"
        )),
    }
}
