//! Shows the domain as clients see it.

use futures::stream::{self, BoxStream, StreamExt};
use stratavore_core::clock::{Timestamp, to_rfc3339};
use stratavore_core::ids::InstanceId;
use stratavore_core::launch::{Ceiling, CeilingAction, RestartPolicy};
use stratavore_core::project::Project;
use stratavore_core::runner::{Exit, Failure as RunnerFailure, State};
use stratavore_store::{AuditReport, Cursor, DeadLetter, Event, NodeView, RunnerView};
use stratavore_supervisor::{Change, Check, Known, Live, Outcome, Supervisor};
use stratavore_wire::Attached;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::attention::attention;
use super::usage::usage;
use crate::{Code, Failure, Result, v1};

pub(super) fn runner(supervisor: &Supervisor, view: RunnerView, known: &Known) -> v1::Runner {
    let unreachable_since = supervisor.unreachable_since(&view.runner);
    let node = supervisor.node_name(&view.runner.node);
    let here = supervisor.is_ours(&view.runner);
    let RunnerView {
        runner,
        observation,
    } = view;
    let state = &runner.state;
    let observed = observation.as_ref();
    let live = !state.name().is_final();
    let said = supervisor.live(&runner).filter(|_| live);
    // Without a connection the last heartbeat is what is known.
    let viewers = match &said {
        Some(said) => u32::try_from(said.attached.len()).unwrap_or(u32::MAX),
        None => observed.filter(|_| live).map_or(0, |seen| seen.viewers),
    };
    let Live { attached, report } = said.unwrap_or_default();
    v1::Runner {
        id: runner.id.to_string(),
        name: runner.name.to_string(),
        project: runner.project.to_string(),
        program: runner.launch.program.clone(),
        state: state.name().as_str().to_owned(),
        pid: state.process().map(|process| process.pid),
        exit: exit(state),
        created_at: to_rfc3339(runner.created_at),
        started_at: state.started_at().map(to_rfc3339),
        ended_at: state.ended_at().map(to_rfc3339),
        // What was used last says nothing of what is used now.
        cpu_percent: observed.filter(|_| live).map(|seen| seen.cpu_percent),
        memory_bytes: observed.filter(|_| live).map(|seen| seen.memory_bytes),
        last_heartbeat: observed.map(|seen| to_rfc3339(seen.at)),
        project_id: runner.project_id.to_string(),
        attempt: state.attempt(),
        command: runner.launch.argv.clone(),
        cwd: runner.launch.cwd.clone(),
        unreachable: unreachable_since.is_some(),
        restart: Some(restart(runner.launch.restart)),
        ceiling: runner.launch.ceiling.map(ceiling),
        retry_at: match state {
            State::Backoff { until, .. } => Some(to_rfc3339(*until)),
            _ => None,
        },
        viewers,
        title: observed.and_then(|seen| seen.title.clone()),
        revision: runner.revision,
        attachments: attached.into_iter().map(attachment).collect(),
        report: report.map(|report| v1::Report {
            text: report.text,
            at: to_rfc3339(report.at),
        }),
        recording: supervisor
            .recording(&runner)
            .map(|path| path.display().to_string()),
        node_id: runner.node.to_string(),
        node,
        here,
        person: runner.person.clone(),
        unreachable_since: unreachable_since.map(to_rfc3339),
        attention: supervisor
            .attention(&runner)
            .filter(|_| live)
            .map(|needs| attention(needs, supervisor.asking(&runner))),
        session_id: supervisor
            .session_of(&runner)
            .or_else(|| known.sessions.get(&runner.id).cloned()),
        usage: known.usage.get(&runner.id).map(|row| usage(row, None)),
        mode: runner.launch.mode.as_str().to_owned(),
        worktree: runner.launch.worktree.clone(),
    }
}

/// `away`: since when it cannot be reached, and why.
pub(super) fn server(address: String, away: Option<(Timestamp, String)>) -> v1::Server {
    let (since, reason) = away.unzip();
    v1::Server {
        address,
        away_since: since.map(to_rfc3339),
        reason,
    }
}

pub(super) fn node(node: NodeView, here: &InstanceId) -> v1::Node {
    v1::Node {
        here: node.id == *here,
        id: node.id.to_string(),
        name: node.name,
        version: node.version,
        max_runners: node.max_runners,
        active_runners: node.active,
        registered_at: to_rfc3339(node.registered_at),
        heard_at: to_rfc3339(node.heard_at),
        silent: node.silent.is_some(),
    }
}

fn attachment(attached: Attached) -> v1::Attachment {
    v1::Attachment {
        place: attached.place,
        columns: attached.columns.into(),
        rows: attached.rows.into(),
        read_only: attached.read_only,
        decides: attached.decides,
    }
}

fn exit(state: &State) -> Option<v1::Exit> {
    match state {
        State::Terminated { exit, asked, .. } => {
            let reason = if *asked {
                "stopped".to_owned()
            } else {
                exit.to_string()
            };
            Some(v1::Exit {
                reason,
                ..parts(exit)
            })
        }
        State::Failed { failure, .. } | State::Backoff { failure, .. } => {
            let parts = match failure {
                RunnerFailure::Exited { exit } => parts(exit),
                RunnerFailure::CouldNotStart { .. }
                | RunnerFailure::AgentLost
                | RunnerFailure::Interrupted => v1::Exit::default(),
            };
            Some(v1::Exit {
                reason: failure.to_string(),
                ..parts
            })
        }
        State::Cancelled { .. } => Some(v1::Exit {
            reason: "cancelled".to_owned(),
            ..v1::Exit::default()
        }),
        State::Queued
        | State::Starting { .. }
        | State::Running { .. }
        | State::Paused { .. }
        | State::Stopping { .. } => None,
    }
}

fn parts(exit: &Exit) -> v1::Exit {
    let (code, signal) = match exit {
        Exit::Code(code) => (Some(*code), None),
        Exit::Signal(name) => (None, Some(name.clone())),
        Exit::NotStarted => (None, None),
    };
    v1::Exit {
        code,
        signal,
        reason: String::new(),
    }
}

fn restart(policy: RestartPolicy) -> v1::RestartPolicy {
    match policy {
        RestartPolicy::Never => v1::RestartPolicy {
            policy: "never".to_owned(),
            max_attempts: None,
        },
        RestartPolicy::OnFailure { max_attempts, .. } => v1::RestartPolicy {
            policy: "on-failure".to_owned(),
            max_attempts: Some(max_attempts),
        },
    }
}

fn ceiling(ceiling: Ceiling) -> v1::Ceiling {
    v1::Ceiling {
        memory_bytes: ceiling.memory_bytes,
        cpu_percent: ceiling.cpu_percent,
        action: action(ceiling.action).to_owned(),
    }
}

const fn action(action: CeilingAction) -> &'static str {
    match action {
        CeilingAction::Notify => "notify",
        CeilingAction::Pause => "pause",
        CeilingAction::Stop => "stop",
    }
}

pub(super) fn project(project: Project, active: u32) -> v1::Project {
    v1::Project {
        id: project.id.to_string(),
        name: project.name.to_string(),
        path: project.path,
        max_runners: project.max_runners,
        active_runners: active,
        created_at: to_rfc3339(project.created_at),
        archived_at: project.archived_at.map(to_rfc3339),
        revision: project.revision,
    }
}

pub(super) fn event(event: Event) -> v1::Event {
    let mut data = serde_json::to_value(&event.fact).unwrap_or_default();
    if let Some(fields) = data.as_object_mut() {
        fields.remove("type");
    }
    v1::Event {
        cursor: cursor(event.cursor),
        id: event.id.to_string(),
        aggregate: event.aggregate.to_owned(),
        aggregate_id: event.aggregate_id.to_string(),
        seq: event.seq,
        r#type: event.fact.kind().to_owned(),
        at: to_rfc3339(event.at),
        data: data.to_string(),
        project: Some(event.project),
    }
}

/// Writes a cursor so that nobody is tempted to count with it.
fn cursor(cursor: Cursor) -> String {
    format!("c{:x}", cursor.0)
}

pub(super) fn parse_cursor(text: &str) -> Result<Cursor> {
    text.strip_prefix('c')
        .and_then(|hex| i64::from_str_radix(hex, 16).ok())
        .map(Cursor)
        .ok_or_else(|| {
            Failure::new(Code::Invalid, format!("{text:?} is no cursor"))
                .hint("use the cursor of an event, as it was printed")
        })
}

/// `runner`: the name of the one that the event is of, where it is of a runner.
pub(super) fn dead_letter(letter: DeadLetter, runner: Option<String>) -> v1::DeadLetter {
    v1::DeadLetter {
        aggregate_id: letter.aggregate_id.to_string(),
        seq: letter.seq,
        event: letter.kind,
        attempts: letter.attempts,
        error: letter.error,
        number: letter.position.0,
        of: runner.unwrap_or(letter.project),
    }
}

pub(super) fn problems(dead: &[v1::DeadLetter]) -> Vec<String> {
    dead.iter()
        .map(|letter| {
            format!(
                "the event {} {} of {} could not be delivered after {} attempts, and holds back those after it: {}; try it again with `stratavore outbox retry`, or give it up with `stratavore outbox drop {}`",
                letter.event, letter.seq, letter.of, letter.attempts, letter.error, letter.number
            )
        })
        .collect()
}

pub(super) fn check(check: Check) -> v1::Check {
    let outcome = match check.outcome {
        Outcome::Ok => "ok",
        Outcome::Warning => "warning",
        Outcome::Problem => "problem",
    };
    v1::Check {
        name: check.name,
        outcome: outcome.to_owned(),
        detail: check.detail,
        mend: check.mend,
        supports: check
            .supports
            .into_iter()
            .map(|support| v1::Support {
                what: support.what.to_owned(),
                supported: support.supported,
                detail: support.detail,
            })
            .collect(),
    }
}

pub(super) fn audit(report: AuditReport) -> v1::AuditReport {
    v1::AuditReport {
        events: report.events,
        chains: report.chains,
        faults: report
            .faults
            .into_iter()
            .map(|fault| v1::AuditFault {
                aggregate_id: fault.aggregate_id.to_string(),
                seq: fault.seq,
                kind: fault.kind.to_owned(),
                detail: fault.detail,
            })
            .collect(),
    }
}

pub(super) fn nudges(changes: broadcast::Receiver<Change>) -> BoxStream<'static, v1::Nudge> {
    stream::unfold(changes, |mut changes| async move {
        let nudge = match changes.recv().await {
            Ok(Change::Runner(id)) => nudge("runner", id.to_string()),
            Ok(Change::Project(id)) => nudge("project", id.to_string()),
            Ok(Change::Observations) => nudge("observations", String::new()),
            Ok(Change::Notices) => nudge("notifications", String::new()),
            Ok(Change::Nodes) => nudge("nodes", String::new()),
            Ok(Change::Availability) => nudge("status", String::new()),
            Ok(Change::Sessions) => nudge("sessions", String::new()),
            Ok(Change::Usage) => nudge("usage", String::new()),
            Ok(Change::Presets) => nudge("presets", String::new()),
            // Something was missed: everything may have changed.
            Err(RecvError::Lagged(_)) => nudge("status", String::new()),
            Err(RecvError::Closed) => return None,
        };
        Some((nudge, changes))
    })
    .boxed()
}

fn nudge(entity: &str, id: String) -> v1::Nudge {
    v1::Nudge {
        entity: entity.to_owned(),
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_a_client() {
        for value in [0, 1, 255, i64::MAX] {
            assert_eq!(parse_cursor(&cursor(Cursor(value))).unwrap(), Cursor(value));
        }
        assert!(
            parse_cursor("12").is_err() && parse_cursor("cx").is_err() && parse_cursor("").is_err()
        );
    }
}
