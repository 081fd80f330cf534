//! `stratavored`: hosts a supervisor without a window.

mod db;
mod idle;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use db::DbCommand;
use stratavore_api::{Host, HostError, HostKind, environment, load_config, logs};
use stratavore_core::config::Config;
use stratavore_core::places::Places;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// Hosts Stratavore's supervisor without a window. Ending it leaves every runner running.
#[derive(Parser)]
#[command(name = "stratavored", version, about)]
struct Arguments {
    /// End by itself after some idle minutes without clients and runners (daemon.idle_minutes).
    #[arg(long)]
    started_by_client: bool,
    /// Print data as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Look at the database, bring it up to date, or move this machine's history to it, rather than host.
    #[command(subcommand)]
    Db(DbCommand),
}

/// Another host is there already: nothing is wrong, and nothing is to be done.
const ALREADY: u8 = 6;
/// The settings are wrong.
const BAD_CONFIG: u8 = 9;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        Some(Command::Db(command)) => db::run(command, arguments.json),
        None => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stratavored: error: {error:#}");
            match error.downcast_ref::<HostError>() {
                Some(HostError::Held(_) | HostError::HostRuns(..)) => ExitCode::from(ALREADY),
                Some(HostError::Config(_) | HostError::Prices(_)) => ExitCode::from(BAD_CONFIG),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let variables = environment();
    let places = Places::from_env(&variables)?;
    let config = load_config(&places, &variables)?;
    let _logs = logs::begin(
        &places,
        HostKind::Daemon,
        config.log_level(),
        std::io::stderr().is_terminal(),
    )?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(host(places, config, arguments.started_by_client))
}

async fn host(places: Places, config: Config, ends_when_idle: bool) -> anyhow::Result<()> {
    // Caught from the beginning: a signal during the start ends what was started, rather than this process at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let patience = config.daemon_idle();
    let host = Host::start(places, HostKind::Daemon, config).await?;
    eprintln!("stratavored: ready");
    tokio::select! {
        _ = terminate.recv() => info!("told to end by SIGTERM"),
        _ = interrupt.recv() => info!("told to end by SIGINT"),
        _ = hangup.recv() => info!("told to end by SIGHUP"),
        () = host.closed() => info!("told to end by a client"),
        () = idle::idle(&host, patience), if ends_when_idle => info!("idle for {} s", patience.as_secs()),
    }
    host.shutdown().await;
    Ok(())
}
