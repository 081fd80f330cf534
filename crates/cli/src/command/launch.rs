//! `stratavore launch`.

use std::process::ExitCode;

use stratavore_rpc::v1;

use crate::args::{LaunchArgs, Restart, Size};
use crate::attach::{self, Manner};
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::runner;
use crate::terminal::require_terminal;
use crate::terminal::tty::size_of_stdout;
use crate::text::printable;

pub(super) async fn run(call: &Invocation, args: LaunchArgs) -> Result<ExitCode> {
    let attach = args.attach;
    if attach {
        require_terminal("attach", "launch without --attach")?;
    }
    if args.max_attempts.is_some() && args.restart != Some(Restart::OnFailure) {
        return Err(Failure::new(
            Kind::Usage,
            "--max-attempts says nothing without --restart on-failure",
        )
        .hint("add --restart on-failure, or leave --max-attempts out"));
    }
    let mut host = call.host().await?;
    let request = request(&mut host, args).await?;
    let runner = host.launch(request).await?;
    if attach {
        return attach_started(call, &mut host, runner, Manner::default()).await;
    }
    tell_launched(call, &runner)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the name of a runner that was launched, or fails when that came to nothing.
pub(super) fn tell_launched(call: &Invocation, runner: &v1::Runner) -> Result {
    call.output
        .data(runner, |runner| format!("{}\n", printable(&runner.name)))?;
    refuse_stillborn(runner)?;
    let name = &runner.name;
    call.output.note(if runner.state == "queued" {
        format!("{name} waits in line; see it with `stratavore show {name}`")
    } else {
        format!(
            "launched {name} in {}; attach with `stratavore attach {name}`",
            runner.project
        )
    });
    Ok(())
}

/// Launches a project's default program.
pub(super) async fn launch_default(host: &mut Host, project: &str) -> Result<v1::Runner> {
    let size = size_of_stdout();
    host.launch(v1::LaunchRequest {
        project: project.to_owned(),
        columns: size.map(|size| size.columns.into()),
        rows: size.map(|size| size.rows.into()),
        request_id: Some(uuid::Uuid::new_v4().to_string()),
        ..v1::LaunchRequest::default()
    })
    .await
}

/// Attaches to a runner once it runs.
pub(super) async fn attach_started(
    call: &Invocation,
    host: &mut Host,
    runner: v1::Runner,
    manner: Manner,
) -> Result<ExitCode> {
    if runner.state == "queued" {
        call.output.note(format!(
            "{} waits in line; ctrl-c leaves it waiting",
            runner.name
        ));
    }
    let on_its_way =
        |runner: &v1::Runner| matches!(runner.state.as_str(), "queued" | "starting" | "backoff");
    let runner = if on_its_way(&runner) {
        host.runner_after(&runner.id, |runner| !on_its_way(runner))
            .await?
    } else {
        runner
    };
    refuse_stillborn(&runner)?;
    if runner::has_ended(&runner) {
        call.output.note(format!(
            "{} ended: {}",
            runner.name,
            runner::exit_text(&runner)
        ));
        return Ok(ExitCode::SUCCESS);
    }
    let terminals = attach::find(call, host, &runner.id).await?;
    attach::attach(call, host, terminals, manner).await
}

async fn request(host: &mut Host, args: LaunchArgs) -> Result<v1::LaunchRequest> {
    let size: Option<Size> = args.size.or_else(size_of_stdout);
    let memory_bytes = args.ceilings.memory_mb.map(|mb| mb << 20);
    let cpu_percent = args.ceilings.cpu_percent;
    let ceiling = if memory_bytes.is_some() || cpu_percent.is_some() {
        let action = match args.ceiling_action {
            Some(action) => action.as_str().to_owned(),
            None => configured_action(host, &args.project).await?,
        };
        Some(v1::Ceiling {
            memory_bytes,
            cpu_percent,
            action,
        })
    } else {
        None
    };
    Ok(v1::LaunchRequest {
        project: args.project,
        program: args.program,
        command: args.command.map(|words| words.0).unwrap_or_default(),
        args: args.args,
        name: args.name,
        env: args
            .env
            .into_iter()
            .map(|v| v1::EnvVar {
                key: v.key,
                value: v.value,
            })
            .collect(),
        restart: args.restart.map(|restart| v1::RestartPolicy {
            policy: restart.as_str().to_owned(),
            max_attempts: args.max_attempts,
        }),
        columns: size.map(|size| size.columns.into()),
        rows: size.map(|size| size.rows.into()),
        keep_descendants: args.keep_descendants,
        record: args.record,
        ceiling,
        queue: args.queue,
        node: args.node,
        request_id: Some(uuid::Uuid::new_v4().to_string()),
        continue_last: args.conversation.continue_last,
        resume: args.conversation.resume,
        fork: args.conversation.fork,
        preset: args.preset,
        worktree: args.worktree,
    })
}

/// Asks what a ceiling does when the command line does not say.
async fn configured_action(host: &mut Host, project: &str) -> Result<String> {
    let settings = host.settings(Some(project)).await?;
    let action = settings
        .into_iter()
        .find(|setting| setting.key == "ceiling.action");
    Ok(action.map_or_else(|| "notify".to_owned(), |setting| setting.value))
}

/// Fails when a launch came to nothing.
fn refuse_stillborn(runner: &v1::Runner) -> Result {
    let never_ran =
        matches!(runner.state.as_str(), "failed" | "cancelled") && runner.started_at.is_none();
    if !never_ran {
        return Ok(());
    }
    let name = printable(&runner.name);
    Err(Failure::new(
        Kind::Failed,
        format!("{name} could not start: {}", runner::exit_text(runner)),
    )
    .hint(format!(
        "mend it and try again with `stratavore restart {name}`"
    )))
}
