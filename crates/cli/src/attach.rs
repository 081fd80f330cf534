//! Attaches the user's terminal to a runner's.

pub(crate) mod guard;
mod keys;
mod modes;
mod relay;
mod tty;
mod viewer;
mod viewing;

use std::process::ExitCode;
use std::time::Duration;

use stratavore_rpc::v1;

use self::guard::Guard;
use self::tty::{Tty, Typeahead};
use self::viewer::Viewer;
use self::viewing::{Ending, Viewing};
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::runner;
use crate::text::printable;

pub(crate) use self::tty::size_of_stdout;

/// How long the host may take to learn what the closed connection has told us already.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// Refuses where nobody sits in front of a terminal.
pub(crate) fn require_terminal(what: &str, instead: &str) -> Result {
    if tty::is_interactive() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Failed,
        format!("cannot {what}: stdin and stdout are not a terminal"),
    )
    .hint(instead))
}

/// Shows a runner's terminal on the user's until the user detaches or the runner ends.
pub(crate) async fn attach(
    call: &Invocation,
    host: &mut Host,
    runner: &v1::Runner,
    read_only: bool,
) -> Result<ExitCode> {
    let name = printable(&runner.name).into_owned();
    let cannot = |error: &dyn std::error::Error| {
        Failure::caused(Kind::Failed, "cannot use this terminal", error)
    };
    let terminal = host.terminal(&runner.id).await?;
    let tty = Tty::open().map_err(|error| cannot(&error))?;
    let viewer = Viewer::attach(terminal.socket.as_ref(), tty.size(), read_only)
        .await
        .map_err(|error| {
            Failure::caused(
                Kind::Unavailable,
                format!("cannot attach to {name}"),
                &error,
            )
            .hint(format!("see how it fares with `stratavore show {name}`"))
        })?;

    // Nothing before this line changes the terminal; nothing after it returns without restoring it.
    let guard = Guard::start().ok();
    tty::restore_on_panic();
    let ending = match tty.enter() {
        Ok(()) => Viewing::new(&tty, viewer, read_only).run().await,
        Err(error) => Err(error),
    };
    let typeahead = match ending {
        Ok(Ending::Detached) => Typeahead::Keep,
        Ok(Ending::Signalled(_) | Ending::Closed { .. } | Ending::TerminalClosed) | Err(_) => {
            Typeahead::Drop
        }
    };
    tty::leave(typeahead);
    if let Some(guard) = guard {
        guard.dismiss();
    }

    match ending.map_err(|error| cannot(&error))? {
        Ending::Detached => {
            call.output.note(format!(
                "detached from {name} (still running); attach again with `stratavore attach {name}`"
            ));
            Ok(ExitCode::SUCCESS)
        }
        Ending::Signalled(signal) => {
            call.output.note(format!(
                "detached from {name} (still running) by {}; attach again with `stratavore attach {name}`",
                signal.name()
            ));
            Ok(ExitCode::from(signal.exit_code()))
        }
        Ending::TerminalClosed => Ok(ExitCode::from(viewing::Signal::Hangup.exit_code())),
        Ending::Closed { exit, refusal } => {
            if let Some(refusal) = refusal {
                return Err(Failure::new(
                    Kind::Unavailable,
                    format!("the agent of {name} refused: {refusal}"),
                ));
            }
            tell_end(call, host, runner, &name, terminal.attempt, exit).await
        }
    }
}

/// Tells how the runner ended, by the host's word where it has one.
async fn tell_end(
    call: &Invocation,
    host: &mut Host,
    runner: &v1::Runner,
    name: &str,
    attempt: u32,
    exit: Option<stratavore_wire::Exit>,
) -> Result<ExitCode> {
    let seen = tokio::time::timeout(
        END_DEADLINE,
        host.runner_after(&runner.id, |now| {
            now.attempt > attempt || runner::has_ended(now) || now.state == "backoff"
        }),
    )
    .await;
    match (seen, exit) {
        (Ok(Ok(now)), _) if now.attempt > attempt || now.state == "backoff" => {
            call.output.note(format!(
                "attempt {attempt} of {name} ended; it is started again: attach with `stratavore attach {name}`"
            ));
            Ok(ExitCode::SUCCESS)
        }
        (Ok(Ok(now)), exit) => {
            let lost = exit.is_none()
                && now
                    .exit
                    .as_ref()
                    .is_none_or(|exit| exit.code.is_none() && exit.signal.is_none());
            if lost {
                let why = now
                    .exit
                    .map_or_else(|| now.state.clone(), |exit| exit.reason);
                return Err(Failure::new(
                    Kind::Failed,
                    format!("{name} {}: {}", now.state, printable(&why)),
                )
                .hint(format!("start it again with `stratavore restart {name}`")));
            }
            call.output
                .note(format!("{name} ended: {}", runner::exit_text(&now)));
            Ok(ExitCode::SUCCESS)
        }
        (_, Some(exit)) => {
            let exit = match exit {
                stratavore_wire::Exit::Code(code) => format!("exit {code}"),
                stratavore_wire::Exit::Signal(signal) => format!("signal {signal}"),
            };
            call.output.note(format!("{name} ended: {exit}"));
            Ok(ExitCode::SUCCESS)
        }
        (_, None) => Err(Failure::new(
            Kind::Failed,
            format!("the agent of {name} is gone, and the host does not say why"),
        )
        .hint(format!(
            "see what became of it with `stratavore show {name}`"
        ))),
    }
}
