//! `stratavore stop`, `pause`, `continue`, `restart`, `interrupted`.

use stratavore_rpc::v1;

use crate::args::{InterruptedArgs, StopArgs};
use crate::failure::{Failure, Kind, Result};
use crate::invocation::Invocation;
use crate::output::names;
use crate::runner::{self, exit_text, has_ended};

pub(super) async fn stop(call: &Invocation, args: StopArgs) -> Result {
    use v1::stop_request::Target;
    let StopArgs {
        target,
        grace,
        no_wait,
    } = args;
    let target = match (target.runner, target.project) {
        (Some(runner), _) => Target::Runner(runner),
        (None, Some(project)) => Target::Project(project),
        (None, None) => Target::All(true),
    };
    let request = v1::StopRequest {
        target: Some(target),
        grace_seconds: grace,
        wait: !no_wait,
    };
    let mut host = call.host().await?;
    let runners = host.stop(request).await?;
    call.output.data(&runners, |runners| {
        if runners.is_empty() {
            call.output.note("nothing to stop");
        }
        for runner in runners {
            call.output.note(if has_ended(runner) {
                format!("stopped {} ({})", runner.name, exit_text(runner))
            } else {
                format!("stopping {}", runner.name)
            });
        }
        String::new()
    })?;
    let going_on: Vec<&str> = runners
        .iter()
        .filter(|runner| !has_ended(runner))
        .map(|runner| runner.name.as_str())
        .collect();
    if no_wait || going_on.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the stop is recorded, but not all have ended: {}",
        names(going_on)
    );
    Err(Failure::new(Kind::Failed, message)
        .hint("see `stratavore runners`, and what is wrong with `stratavore doctor`"))
}

pub(super) async fn pause(call: &Invocation, runner: String) -> Result {
    let mut host = call.host().await?;
    let runner = host
        .ask(async |client| client.pause(v1::RunnerRef { runner }).await)
        .await?;
    tell(call, &runner, |name| {
        format!("paused {name}; let it go on with `stratavore continue {name}`")
    })
}

pub(super) async fn go_on(call: &Invocation, runner: String) -> Result {
    let mut host = call.host().await?;
    let runner = host
        .ask(async |client| client.r#continue(v1::RunnerRef { runner }).await)
        .await?;
    tell(call, &runner, |name| format!("{name} goes on"))
}

pub(super) async fn restart(call: &Invocation, runner: String) -> Result {
    let mut host = call.host().await?;
    let runner = host
        .ask(async |client| client.restart(v1::RunnerRef { runner }).await)
        .await?;
    tell(call, &runner, |name| {
        format!(
            "started {name} again (attempt {}); attach with `stratavore attach {name}`",
            runner.attempt
        )
    })
}

fn tell(call: &Invocation, runner: &v1::Runner, text: impl FnOnce(&str) -> String) -> Result {
    call.output.data(runner, |runner| {
        call.output.note(text(&runner.name));
        String::new()
    })
}

pub(super) async fn interrupted(call: &Invocation, args: &InterruptedArgs) -> Result {
    let mut host = call.host().await?;
    if !args.start && !args.dismiss {
        let interrupted = host.status().await?.interrupted;
        return call.output.data(&interrupted, |runners| {
            if runners.is_empty() {
                call.output.note("no interrupted runners");
                return String::new();
            }
            call.output
                .note("start them again with --start, or leave them ended with --dismiss");
            runner::table(runners, call.now(), call.output.stdout)
        });
    }
    let request = v1::InterruptedAnswer { start: args.start };
    let runners = host
        .ask(async |client| client.answer_interrupted(request).await)
        .await?
        .runners;
    call.output.data(&runners, |runners| {
        let names = names(runners.iter().map(|runner| runner.name.as_str()));
        call.output.note(match (runners.is_empty(), args.start) {
            (true, true) => "no interrupted runners".to_owned(),
            (false, true) => format!("started again: {names}"),
            (_, false) => "interrupted runners stay ended".to_owned(),
        });
        String::new()
    })
}
