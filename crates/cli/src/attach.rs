//! Attaches the user's terminal to a runner's.

mod asked;
mod display;
mod lending;
mod relay;
mod viewer;
mod viewing;

use std::process::ExitCode;
use std::time::Duration;

use stratavore_core::launch::RUNNER_VARIABLE;
use stratavore_rpc::v1;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};

use self::asked::{Policy, Requests};
use self::viewer::Viewer;
pub(crate) use self::viewing::Manner;
use self::viewing::{Ending, Viewing};
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::runner;
use crate::terminal::occupy;
use crate::terminal::signals::Signal;
use crate::terminal::tty::{Tty, Typeahead};
use crate::text::printable;

/// How long the host may take to learn what the closed connection has told us already.
const END_DEADLINE: Duration = Duration::from_secs(5);
/// A connection that lasted this long was a good one; of others only some are made again, for they would break for ever.
const STEADY: Duration = Duration::from_secs(10);
const RECONNECTIONS: u32 = 3;
/// How long an agent that was lost may take to greet again; meanwhile no key does anything.
const RECONNECTION_DEADLINE: Duration = Duration::from_secs(2);

/// A runner's terminal and the user's own.
pub(crate) struct Terminals {
    runners: v1::Terminal,
    own: Tty,
}

/// Asks where a runner's terminal is, and opens the user's meanwhile.
pub(crate) async fn find(call: &Invocation, host: &mut Host, runner: &str) -> Result<Terminals> {
    let open = async {
        // Starting the guard takes about as long as the answer: the request leaves first.
        yield_now().await;
        call.tty()
    };
    let (runners, own) = tokio::join!(host.terminal(runner), open);
    Ok(Terminals {
        runners: runners?,
        own: own?,
    })
}

/// Shows a runner's terminal on the user's until the user detaches or the runner ends.
pub(crate) async fn attach(
    call: &Invocation,
    host: &mut Host,
    terminals: Terminals,
    manner: Manner,
) -> Result<ExitCode> {
    let Terminals {
        runners: terminal,
        own: tty,
    } = terminals;
    let name = printable(&terminal.runner_name).into_owned();
    if call.env.get(RUNNER_VARIABLE) == Some(&terminal.runner_id) {
        // What it shows would be shown in it, for ever.
        return Err(Failure::new(
            Kind::Conflict,
            format!("cannot attach to {name} from within it"),
        )
        .hint("attach in a terminal of your own"));
    }
    let connect = async || {
        let socket = terminal.socket.as_ref();
        Viewer::attach(socket, tty.size(), manner.read_only).await
    };
    let mut viewer = connect().await.map_err(|error| {
        Failure::caused(
            Kind::Unavailable,
            format!("cannot attach to {name}"),
            &error,
        )
        .hint(format!("see how it fares with `stratavore show {name}`"))
    })?;
    let mut viewing = Viewing::new(&tty, manner, Requests::new(Policy::of(&terminal)))
        .map_err(|error| Failure::caused(Kind::Failed, "cannot heed signals", &error))?;
    let view = async || {
        let mut left = RECONNECTIONS;
        loop {
            let begun = Instant::now();
            let ending = viewing.run(viewer).await?;
            if begun.elapsed() >= STEADY {
                left = RECONNECTIONS;
            }
            // A connection can break while the agent lives.
            if !matches!(ending, Ending::Lost { .. }) || left == 0 {
                return Ok(ending);
            }
            left -= 1;
            match timeout(RECONNECTION_DEADLINE, connect()).await {
                Ok(Ok(another)) => viewer = another,
                _ => return Ok(ending),
            }
        }
    };
    let ending = occupy(&tty, view, |ending| match ending {
        Ending::Detached => Typeahead::Keep,
        _ => Typeahead::Drop,
    })
    .await?;
    if let Some(undone) = viewing.requests().left_undone(&name) {
        call.output.note(undone);
    }
    let again = format!("attach again with `stratavore attach {name}`");
    match ending {
        Ending::Detached => {
            call.output
                .note(format!("detached from {name} (still running); {again}"));
            Ok(ExitCode::SUCCESS)
        }
        Ending::Signalled(signal) => {
            let signal_name = signal.name();
            call.output.note(format!(
                "detached from {name} (still running) by {signal_name}; {again}"
            ));
            Ok(ExitCode::from(signal.exit_code()))
        }
        Ending::TerminalClosed => Ok(ExitCode::from(Signal::Hangup.exit_code())),
        Ending::Exited(exit) => tell_end(call, host, &terminal, &name, Some(exit)).await,
        Ending::Lost { why }
            if matches!(timeout(RECONNECTION_DEADLINE, connect()).await, Ok(Ok(_))) =>
        {
            let why = why.map_or_else(String::new, |why| format!(": {}", printable(&why)));
            Err(Failure::new(
                Kind::Unavailable,
                format!("the connection to {name} was lost{why}; {name} still runs"),
            )
            .hint(again))
        }
        Ending::Lost { .. } => tell_end(call, host, &terminal, &name, None).await,
    }
}

/// Tells how the runner ended, by the host's word where it has one.
async fn tell_end(
    call: &Invocation,
    host: &mut Host,
    terminal: &v1::Terminal,
    name: &str,
    exit: Option<stratavore_wire::Exit>,
) -> Result<ExitCode> {
    let attempt = terminal.attempt;
    let seen = timeout(
        END_DEADLINE,
        host.runner_after(&terminal.runner_id, |now| {
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
