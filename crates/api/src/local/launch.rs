//! Reads launch requests.

use stratavore_core::config::Config;
use stratavore_core::launch::{Ceiling, CeilingAction, RestartPolicy};
use stratavore_core::program;
use stratavore_core::project::Project;
use stratavore_core::runner::{Failure as RunnerFailure, Runner, State, StateName};
use stratavore_core::session::Mode;
use stratavore_supervisor::{LaunchRequest, Supervisor, Where, Words};

use super::sessions;
use crate::{Code, Failure, Result, v1};

/// The terminal's size when nobody says: what a viewer will change when it attaches.
const SIZE: (u16, u16) = (120, 40);
/// The agent's word for a program that is not there.
const NOT_FOUND: &str = "not-found";
/// The largest width or height of a terminal.
const MAX_SIZE: u32 = 2000;

/// Asks for the node with the most room.
pub(super) const LEAST_LOADED: &str = "least-loaded";

/// Reads a request, in the light of the settings in force in its project.
pub(super) fn request(
    config: &Config,
    project: Project,
    on: Where,
    (mode, directory): (Mode, Option<String>),
    request: v1::LaunchRequest,
) -> Result<LaunchRequest> {
    if request.program.is_some() && !request.command.is_empty() {
        return Err(
            Failure::new(Code::Invalid, "both a program and a command were named")
                .hint("name one of them"),
        );
    }
    let words = match request.program.as_deref() {
        Some(program::COMMAND) | None if !request.command.is_empty() => {
            Words::Command(request.command)
        }
        _ => Words::Program(request.program),
    };
    let restart = request
        .restart
        .map(|policy| restart_policy(config, &policy))
        .transpose()?;
    let size = match (request.columns, request.rows) {
        (None, None) => SIZE,
        (columns, rows) => (side(columns, SIZE.0)?, side(rows, SIZE.1)?),
    };
    let request_id = request
        .request_id
        .map(|id| id.parse::<uuid::Uuid>())
        .transpose()
        .map_err(|error| {
            Failure::new(Code::Invalid, format!("the request id is no UUID: {error}"))
        })?;
    Ok(LaunchRequest {
        project,
        words,
        args: request.args,
        name: request.name.map(super::name).transpose()?,
        env: request
            .env
            .into_iter()
            .map(|variable| (variable.key, variable.value))
            .collect(),
        restart,
        ceiling: request
            .ceiling
            .map(|ceiling| self::ceiling(config, &ceiling))
            .transpose()?,
        keep_descendants: request.keep_descendants,
        record: request.record,
        size,
        on,
        queue: request.queue,
        mode,
        directory,
        worktree: request.worktree,
        request_id,
    })
}

/// Reads with which conversation a launch begins, and in which directory that is held.
pub(super) async fn begins(
    supervisor: &Supervisor,
    request: &v1::LaunchRequest,
) -> Result<(Mode, Option<String>)> {
    let (reference, fork) = match (request.continue_last, &request.resume, &request.fork) {
        (false, None, None) => return Ok((Mode::New, None)),
        (true, None, None) => return Ok((Mode::Continue, None)),
        (false, Some(session), None) => (session, false),
        (false, None, Some(session)) => (session, true),
        _ => {
            return Err(Failure::new(
                Code::Invalid,
                "a launch continues, resumes or forks a session, not several of these",
            )
            .hint("choose one"));
        }
    };
    if request.worktree.is_some() && !fork {
        return Err(Failure::new(
            Code::Invalid,
            "a session goes on in the directory that it was held in, not in a fresh worktree",
        )
        .hint("leave one of the two out"));
    }
    let session = sessions::find(supervisor, reference).await?;
    sessions::resumable(supervisor, &session, fork).await?;
    let id = session.key.id;
    let mode = if fork {
        Mode::Fork(id)
    } else {
        Mode::Resume(id)
    };
    Ok((mode, Some(session.cwd)))
}

fn side(given: Option<u32>, usual: u16) -> Result<u16> {
    let Some(given) = given else { return Ok(usual) };
    if !(1..=MAX_SIZE).contains(&given) {
        return Err(Failure::new(
            Code::Invalid,
            format!("a terminal cannot be {given} columns or rows"),
        )
        .hint(format!("give a number from 1 to {MAX_SIZE}")));
    }
    Ok(u16::try_from(given).unwrap_or(usual))
}

fn restart_policy(config: &Config, policy: &v1::RestartPolicy) -> Result<RestartPolicy> {
    match (policy.policy.as_str(), policy.max_attempts) {
        ("never", _) => Ok(RestartPolicy::Never),
        ("on-failure", Some(0)) => Err(Failure::new(
            Code::Invalid,
            "a runner cannot have 0 attempts",
        )
        .hint("give at least 1")),
        ("on-failure", attempts) => Ok(config.on_failure(attempts)),
        (other, _) => Err(
            Failure::new(Code::Invalid, format!("{other:?} is no restart policy"))
                .hint("use never or on-failure"),
        ),
    }
}

fn ceiling(config: &Config, ceiling: &v1::Ceiling) -> Result<Ceiling> {
    let action = match ceiling.action.as_str() {
        "" => config.ceiling_action(),
        "notify" => CeilingAction::Notify,
        "pause" => CeilingAction::Pause,
        "stop" => CeilingAction::Stop,
        other => {
            return Err(Failure::new(
                Code::Invalid,
                format!("{other:?} is nothing to do above a ceiling"),
            )
            .hint("use notify, pause or stop"));
        }
    };
    Ok(Ceiling {
        memory_bytes: ceiling.memory_bytes,
        cpu_percent: ceiling.cpu_percent,
        action,
    })
}

/// Turns a runner that could not start into the failure that whoever launched it is to read.
pub(super) fn started(runner: &Runner) -> Result<()> {
    match &runner.state {
        State::Failed {
            failure: RunnerFailure::CouldNotStart { code, message },
            ..
        } => {
            let message = format!("cannot start {}: {message}", runner.name);
            let mend = program::find(&runner.launch.program)
                .filter(|_| code == NOT_FOUND)
                .map_or_else(
                    || "mend the cause".to_owned(),
                    |known| format!("`{}`", known.install),
                );
            Err(Failure::new(Code::CouldNotStart, message).hint(format!(
                "{mend}, then `stratavore restart {}`: it is kept as failed",
                runner.name
            )))
        }
        state if state.name() == StateName::Starting => Err(Failure::new(
            Code::Timeout,
            format!(
                "{} was launched, but its agent has not said yet whether it started",
                runner.name
            ),
        )
        .hint(format!("see `stratavore show {}`", runner.name))),
        _ => Ok(()),
    }
}
