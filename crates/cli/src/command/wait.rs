//! `stratavore wait`.

use std::time::Duration;

use stratavore_rpc::v1;

use crate::args::{Awaited, WaitArgs};
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::runner::{exit_text, has_ended};
use crate::text::printable;

pub(super) async fn run(call: &Invocation, args: &WaitArgs) -> Result {
    let mut host = call.host().await?;
    let runner = host.runner(&args.runner).await?;
    let awaited = args.state.as_str();
    let waiting = come_to(&mut host, &runner.id, args.state);
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
    let arrived = is(&runner, args.state);
    call.output.data(&runner, |runner| {
        if arrived {
            call.output.note(match args.state {
                Awaited::Running => format!("{} is running", runner.name),
                Awaited::Terminated | Awaited::Failed => {
                    format!("{} {awaited}: {}", runner.name, exit_text(runner))
                }
            });
        }
        String::new()
    })?;
    if arrived {
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

/// Waits until the runner is in the state, or in one from which it cannot come to it by itself.
async fn come_to(host: &mut Host, id: &str, awaited: Awaited) -> Result<v1::Runner> {
    host.runner_after(id, |runner| is(runner, awaited) || has_ended(runner))
        .await
}

fn is(runner: &v1::Runner, awaited: Awaited) -> bool {
    runner.state == awaited.as_str()
}
