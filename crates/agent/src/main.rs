//! `stratavore-agent`: owns one runner's terminal and process tree, and outlives everything else.

use std::path::Path;
use std::process::ExitCode;

use stratavore_agent::start::Ended;
use stratavore_agent::{exec, hook, start};

const USAGE: &str = "\
stratavore-agent runs one program for Stratavore and keeps its terminal. It is started by its supervisor.

usage: stratavore-agent run            with the supervisor's socket as standard input
       stratavore-agent exec SOCKET    becomes the program; used by `run`
       stratavore-agent hook           hands its standard input to the agent that STRATAVORE_AGENT_SOCKET names, and
                                       prints the answer; run by the program as its hook, and never fails
       stratavore-agent --version
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["run"] => match start::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(Ended::Refused(refused)) => fail(&refused.message),
            Err(Ended::SpawnFailed(failed)) => fail(&failed.message),
            Err(Ended::Unheard(error)) => fail(&format!("hear what to run: {error}")),
        },
        ["exec", socket] => match exec::run(Path::new(socket)) {
            // The agent was told why.
            Ok(()) => ExitCode::from(127),
            Err(error) => fail(&format!("hear what to execute: {error}")),
        },
        ["hook", ..] => {
            hook::run();
            ExitCode::SUCCESS
        }
        ["--version"] => {
            println!("stratavore-agent {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        ["--help"] => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("stratavore-agent: {message}");
    ExitCode::FAILURE
}
