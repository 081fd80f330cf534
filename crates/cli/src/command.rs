//! The commands.

mod attention;
mod budget;
mod db;
mod decide;
mod doctor;
mod events;
mod launch;
mod logs;
mod node;
mod outbox;
mod play;
mod preset;
mod project;
mod resume;
mod sessions;
mod shell;
mod smart;
mod status;
mod steer;
mod terminal;
mod usage;
mod wait;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use stratavore_rpc::v1;

use crate::args::{AuditCommand, Cli, Command, ConfigCommand, HostCommand};
use crate::failure::{Failure, Kind, Result};
use crate::invocation::Invocation;
use crate::runner;
use crate::table::{Side, Table};

/// Does what the command line asks for.
pub(crate) async fn run(call: &Invocation, cli: Cli) -> Result<ExitCode> {
    let Some(command) = cli.command else {
        return match cli.project {
            Some(project) => smart::open(call, &project).await,
            None => greet(call).await,
        };
    };
    if let Some(project) = cli.project {
        let message =
            format!("'{project}' stands before a command: only one of the two can be meant");
        return Err(Failure::new(Kind::Usage, message).hint("see `stratavore --help`"));
    }
    match command {
        Command::Project(command) => project::run(call, command).await?,
        Command::Launch(args) => return launch::run(call, *args).await,
        Command::Runners(args) => {
            let mut host = call.host().await?;
            let runners = host.runners(args.project, args.all).await?;
            status::age(call, &mut host).await;
            call.output.data(&runners, |runners| {
                if runners.is_empty() {
                    call.output.note("no runners");
                    return String::new();
                }
                runner::table(runners, call.now(), call.output.stdout)
            })?;
        }
        Command::Show(args) => {
            let mut host = call.host().await?;
            let runner = host.runner(&args.runner).await?;
            status::age(call, &mut host).await;
            call.output
                .data(&runner, |runner| runner::card(runner, call.now()))?;
        }
        Command::Attention(args) => return attention::run(call, args).await,
        Command::Decide(args) => decide::run(call, args).await?,
        Command::Attach(args) => return terminal::attach(call, &args).await,
        Command::Send(args) => terminal::send(call, args).await?,
        Command::Screen(args) => terminal::screen(call, args).await?,
        Command::Logs(args) => return logs::run(call, args).await,
        Command::Play(args) => return play::run(call, args).await,
        Command::Wait(args) => wait::run(call, &args).await?,
        Command::Stop(args) => steer::stop(call, args).await?,
        Command::Pause(args) => steer::pause(call, args.runner).await?,
        Command::Continue(args) => steer::go_on(call, args.runner).await?,
        Command::Restart(args) => steer::restart(call, args.runner).await?,
        Command::Interrupted(args) => steer::interrupted(call, &args).await?,
        Command::Sessions(command) => sessions::run(call, command).await?,
        Command::Resume(args) => return resume::run(call, args).await,
        Command::Usage(args) => usage::run(call, args).await?,
        Command::Budget(command) => budget::run(call, command).await?,
        Command::Preset(command) => preset::run(call, command).await?,
        Command::Events(args) => events::run(call, args).await?,
        Command::Db(command) => db::run(call, command).await?,
        Command::Node(command) => node::run(call, command).await?,
        Command::Outbox(command) => outbox::run(call, command).await?,
        Command::Status => status::run(call).await?,
        Command::Audit(AuditCommand::Verify) => return verify(call).await,
        Command::Config(ConfigCommand::Show { project }) => doctor::config(call, project).await?,
        Command::Doctor => return doctor::run(call).await,
        Command::Host(HostCommand::Start) => start(call).await?,
        Command::Host(HostCommand::Stop { stop_runners }) => stop_host(call, stop_runners).await?,
        Command::Completions { shell } => shell::completions(call, shell)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a short help, and how much is running if a host can tell without being started.
async fn greet(call: &Invocation) -> Result<ExitCode> {
    let help = Cli::command().render_help();
    let help = if io::IsTerminal::is_terminal(&io::stdout()) {
        help.ansi().to_string()
    } else {
        help.to_string()
    };
    io::stdout()
        .lock()
        .write_all(help.as_bytes())
        .map_err(|error| Failure::of_stdout(&error))?;
    if let Ok(mut host) = call.running_host().await
        && let Ok(status) = host.status().await
    {
        call.output.note(format!("\n{}", status::counts(&status)));
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify(call: &Invocation) -> Result<ExitCode> {
    let mut host = call.host().await?;
    let report = host
        .await_reply(async |client| client.verify_audit(v1::VerifyAuditRequest {}).await)
        .await?;
    call.output.data(&report, |report| {
        if report.faults.is_empty() {
            return format!(
                "{} events in {} chains: all as recorded\n",
                report.events, report.chains
            );
        }
        let mut table = Table::new(&[
            ("AGGREGATE", Side::Left),
            ("SEQ", Side::Right),
            ("FAULT", Side::Left),
            ("DETAIL", Side::Left),
        ]);
        for fault in &report.faults {
            let v1::AuditFault {
                aggregate_id,
                seq,
                kind,
                detail,
            } = fault.clone();
            table.row([aggregate_id, seq.to_string(), kind, detail]);
        }
        table.render(call.output.stdout)
    })?;
    if report.faults.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let message = format!(
        "the audit log does not hold: {} of {} events",
        report.faults.len(),
        report.events
    );
    Err(Failure::new(Kind::Failed, message).hint("docs/cli.md tells what each fault means"))
}

async fn start(call: &Invocation) -> Result {
    let host = call.host().await?;
    call.output.data(&host.record, |record| {
        call.output.note(format!(
            "{} {} runs (pid {})",
            record.host, record.version, record.pid
        ));
        String::new()
    })
}

async fn stop_host(call: &Invocation, stop_runners: bool) -> Result {
    let mut host = match call.running_host().await {
        Ok(host) => host,
        Err(failure)
            if stratavore_rpc::find(&call.places()?).is_err()
                && failure.kind == Kind::Unavailable =>
        {
            call.output.note("no host runs");
            return call
                .output
                .data(&serde_json::json!({ "stopped": false }), |_| String::new());
        }
        Err(failure) => return Err(failure),
    };
    let pid = host.record.pid;
    host.await_reply(async |client| client.shutdown(v1::ShutdownRequest { stop_runners }).await)
        .await?;
    // The longest grace that can be configured is an hour; a host that only ends itself takes no time.
    let deadline = std::time::Duration::from_secs(if stop_runners { 3700 } else { 30 });
    if !host.await_end(deadline).await {
        return Err(Failure::new(
            Kind::Timeout,
            format!("the host (pid {pid}) was told to end, and has not"),
        )
        .hint("see its logs, in the data directory"));
    }
    call.output.note(if stop_runners {
        "the host and its runners have ended"
    } else {
        "the host has ended; runners go on"
    });
    call.output
        .data(&serde_json::json!({ "stopped": true }), |_| String::new())
}
