//! `stratavore wait`.

use std::time::Duration;

use stratavore_rpc::v1;

use crate::args::{Awaited, WaitArgs};
use crate::attention::what;
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::runner::{exit_text, has_ended};
use crate::text::printable;

pub(super) async fn run(call: &Invocation, args: &WaitArgs) -> Result {
    let mut host = call.host().await?;
    let runner = host.runner(&args.runner).await?;
    let words: Vec<&str> = args.states.iter().map(|state| state.as_str()).collect();
    let awaited = words.join(" or ");
    let waiting = come_to(&mut host, &runner.id, &args.states);
    let runner = match args.timeout {
        None => waiting.await?,
        Some(timeout) => match tokio::time::timeout(Duration::from_secs_f64(timeout.0), waiting)
            .await
        {
            Ok(runner) => runner?,
            Err(_) => {
                let name = printable(&runner.name);
                let message = format!("{name} has not come to {awaited} within {} s", timeout.0);
                return Err(Failure::new(Kind::Timeout, message)
                    .hint(format!("see where it is with `stratavore show {name}`")));
            }
        },
    };
    let arrived = args.states.iter().find(|state| state.is_of(&runner));
    call.output.data(&runner, |runner| {
        if let Some(arrived) = arrived {
            call.output.note(arrival(call, runner, *arrived));
        }
        String::new()
    })?;
    if arrived.is_some() {
        return Ok(());
    }
    let message = format!(
        "{} ended otherwise than awaited: it is {} ({}), not {awaited}",
        printable(&runner.name),
        runner.state,
        exit_text(&runner)
    );
    Err(Failure::new(Kind::Failed, message).hint(format!(
        "see what it showed last with `stratavore logs {}`",
        printable(&runner.name)
    )))
}

/// Waits until the runner is in one of the states, or in one from which it cannot come to any by itself.
async fn come_to(host: &mut Host, id: &str, awaited: &[Awaited]) -> Result<v1::Runner> {
    host.runner_after(id, |runner| {
        awaited.iter().any(|state| state.is_of(runner)) || has_ended(runner)
    })
    .await
}

fn arrival(call: &Invocation, runner: &v1::Runner, arrived: Awaited) -> String {
    let name = &runner.name;
    match arrived {
        Awaited::Running => format!("{name} is running"),
        Awaited::Terminated | Awaited::Failed => {
            format!("{name} {}: {}", arrived.as_str(), exit_text(runner))
        }
        _ => {
            let attention = runner.attention.as_ref();
            let state = attention.map_or(arrived.as_str(), |attention| attention.state.as_str());
            match what(runner, call.now()).as_str() {
                "" => format!("{name}: {state}"),
                what => format!("{name}: {state}: {what}"),
            }
        }
    }
}
