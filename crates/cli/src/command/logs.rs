//! `stratavore logs`.

use std::process::ExitCode;

use serde_json::json;
use stratavore_rpc::v1;
use stratavore_wire::client::{Connection, ConnectionError};
use stratavore_wire::history::tail;
use stratavore_wire::{GetHistory, Hello, Message, Role};
use tokio::signal::ctrl_c;

use super::terminal::print;
use crate::args::LogsArgs;
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::runner::has_ended;
use crate::terminal::signals::Signal;
use crate::text::printable;

pub(super) async fn run(call: &Invocation, args: LogsArgs) -> Result<ExitCode> {
    let mut host = call.host().await?;
    if !args.follow {
        return history(call, &mut host, args).await;
    }
    tokio::select! {
        followed = follow(call, &mut host, args) => followed,
        interrupted = ctrl_c() => match interrupted {
            Ok(()) => Ok(ExitCode::from(Signal::Interrupt.exit_code())),
            Err(error) => Err(Failure::caused(Kind::Internal, "cannot heed ctrl-c", &error)),
        },
    }
}

/// Prints what there is.
async fn history(call: &Invocation, host: &mut Host, args: LogsArgs) -> Result<ExitCode> {
    let LogsArgs {
        runner,
        ansi,
        lines,
        ..
    } = args;
    let history = host
        .ask(async |client| {
            client
                .get_history(v1::HistoryRequest { runner, ansi })
                .await
        })
        .await?;
    let lines = lines.map_or(usize::MAX, |lines| {
        usize::try_from(lines).unwrap_or(usize::MAX)
    });
    show(call, tail(&history.content, lines), ansi)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what there is and what comes, until the runner's attempt ends.
async fn follow(call: &Invocation, host: &mut Host, args: LogsArgs) -> Result<ExitCode> {
    let runner = host.runner(&args.runner).await?;
    if has_ended(&runner) {
        return history(call, host, args).await;
    }
    let on_its_way =
        |runner: &v1::Runner| matches!(runner.state.as_str(), "queued" | "starting" | "backoff");
    let runner = host
        .runner_after(&runner.id, |runner| !on_its_way(runner))
        .await?;
    if has_ended(&runner) {
        return history(call, host, args).await;
    }
    let name = printable(&runner.name);
    let terminal = host.terminal(&runner.id).await?;
    let broken = |error: &ConnectionError| {
        Failure::caused(Kind::Unavailable, format!("cannot follow {name}"), error)
            .hint(format!("see how it fares with `stratavore show {name}`"))
    };
    let ask = async {
        let mut connection = Connection::connect(&terminal.socket).await?;
        let software = concat!("stratavore ", env!("CARGO_PKG_VERSION"));
        connection.greet(Hello::new(Role::Client, software)).await?;
        let get = GetHistory {
            ansi: args.ansi,
            lines: args.lines,
            follow: true,
        };
        connection.send(&Message::GetHistory(get)).await?;
        Ok(connection)
    };
    let mut connection = ask.await.map_err(|error| broken(&error))?;
    loop {
        match connection.recv().await.map_err(|error| broken(&error))? {
            Some(Message::History { bytes, last, .. }) => {
                if !bytes.is_empty() {
                    show(call, &bytes, args.ansi)?;
                }
                if last {
                    return Ok(ExitCode::SUCCESS);
                }
            }
            Some(Message::Refused(refused)) => {
                return Err(Failure::new(
                    Kind::Unavailable,
                    format!(
                        "the agent of {name} refused: {}",
                        printable(&refused.message)
                    ),
                ));
            }
            Some(_) => {}
            None => {
                return Err(Failure::new(
                    Kind::Failed,
                    format!("the agent of {name} went away in the midst of it"),
                )
                .hint(format!(
                    "see what became of it with `stratavore show {name}`"
                )));
            }
        }
    }
}

fn show(call: &Invocation, content: &[u8], ansi: bool) -> Result {
    if call.output.json {
        let object = json!({ "content": String::from_utf8_lossy(content) });
        return call.output.data(&object, |_| String::new());
    }
    print(call, content, ansi)
}
