//! `stratavore`: the command line of Stratavore. Always a client of a host, which it starts when none runs.

mod age;
mod args;
mod attach;
mod attention;
mod command;
mod failure;
mod host;
mod invocation;
mod output;
mod picture;
mod play;
mod runner;
mod session;
mod table;
mod terminal;
mod text;
mod usage;

use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;
use crate::failure::{Failure, Kind};
use crate::invocation::Invocation;
use crate::terminal::tty::{Tty, is_interactive};

fn main() -> ExitCode {
    let tty = foreseen();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let call = Invocation::new(cli.global, tty);
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::caused(Kind::Internal, "cannot start the runtime", &error))
        .and_then(|runtime| runtime.block_on(command::run(&call, cli)));
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            call.output.failure(&failure);
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

/// Opens the terminal of who will attach before anything else: its guard is forked, and the less there is to copy by then,
/// the sooner the runner's screen is there.
fn foreseen() -> Option<Tty> {
    let attaches = std::env::args_os()
        .nth(1)
        .is_some_and(|word| word == "attach");
    (attaches && is_interactive())
        .then(|| Tty::open().ok())
        .flatten()
}

/// Prints help or version, or says what is wrong with the command line.
fn refuse(error: &clap::Error) -> ExitCode {
    // Nobody may be there to read it.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if std::env::args_os()
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json")
    {
        let text = error.render().to_string();
        let message = text
            .split("\n\n")
            .next()
            .unwrap_or_default()
            .trim_start_matches("error: ")
            .trim_end();
        let failure = Failure::new(Kind::Usage, message).hint("for more information, try '--help'");
        eprintln!("{}", output::json_of(&failure));
    }
    ExitCode::from(Kind::Usage.exit_code())
}
