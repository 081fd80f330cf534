//! Runs a command beside a private PostgreSQL and a private RabbitMQ: `stratavore-test-servers -- COMMAND [ARGUMENT…]`.
//!
//! The command finds them by `STRATAVORE_TEST_POSTGRES_URL` and `STRATAVORE_TEST_AMQP_URL`; what one of these names already
//! is used as it is. Its exit code is passed on, a signal as 128 and its number. Nothing is left, also after SIGINT, SIGTERM
//! and SIGHUP, which the command gets first.

use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::thread;

use rustix::process::Signal;
use stratavore_testkit::Process;
use stratavore_testkit::postgres::{self, Postgres};
use stratavore_testkit::rabbitmq::{self, RabbitMq};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    words.next_if(|word| word == "--");
    let Some(program) = words.next() else {
        eprintln!("usage: stratavore-test-servers -- COMMAND [ARGUMENT…]");
        return ExitCode::from(2);
    };
    let mut command = Command::new(&program);
    command.args(words);
    match run(command).await {
        Ok(status) => ExitCode::from(code(status)),
        Err(error) => {
            eprintln!("stratavore-test-servers: {}: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}

async fn run(mut command: Command) -> io::Result<ExitStatus> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let servers = tokio::task::spawn_blocking(start);
    let (postgres, broker) = servers.await??;
    if let Some(postgres) = &postgres {
        command.env(postgres::URL, postgres.url("postgres"));
    }
    if let Some(broker) = &broker {
        command.env(rabbitmq::URL, broker.url());
    }
    let mut child = command.spawn()?;
    let process = child.id().and_then(Process::find);
    loop {
        let signal = tokio::select! {
            status = child.wait() => return status,
            // From a terminal it went to the command too, which may take a second one for impatience.
            _ = interrupt.recv() => (!io::stdin().is_terminal()).then_some(Signal::INT),
            _ = terminate.recv() => Some(Signal::TERM),
            _ = hangup.recv() => Some(Signal::HUP),
        };
        if let (Some(signal), Some(process)) = (signal, process) {
            process.signal(signal)?;
        }
    }
}

/// Starts those that are not named, both at once.
fn start() -> io::Result<(Option<Postgres>, Option<RabbitMq>)> {
    let missing = |variable: &str| std::env::var_os(variable).is_none();
    let broker = thread::spawn(move || missing(rabbitmq::URL).then(RabbitMq::start).transpose());
    let postgres = missing(postgres::URL).then(Postgres::start).transpose();
    let broker = broker
        .join()
        .map_err(|_| io::Error::other("starting RabbitMQ panicked"))?;
    Ok((postgres?, broker?))
}

fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    u8::try_from(code).unwrap_or(1)
}
