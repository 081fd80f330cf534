//! `stratavore PROJECT`: attach to what runs there, whatever that takes.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use stratavore_rpc::v1;

use super::launch;
use crate::age;
use crate::args::Cli;
use crate::attach::Manner;
use crate::failure::{Failure, Kind, Result};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::output::names;
use crate::runner::has_ended;
use crate::terminal::require_terminal;
use crate::text::printable;

/// Attaches to the project's one runner; launches one when there is none, lets choose when there are several.
pub(super) async fn open(call: &Invocation, project: &str) -> Result<ExitCode> {
    if call.output.json {
        return Err(Failure::new(Kind::Usage, "`stratavore PROJECT` attaches a terminal: it has no JSON to print")
            .hint("use `stratavore launch PROJECT --json` or `stratavore runners --project PROJECT --json`"));
    }
    let mut host = call.host().await?;
    let mut runners = match host.runners(Some(project.to_owned()), false).await {
        Ok(runners) => runners,
        Err(failure) if failure.kind == Kind::NotFound => {
            return Err(perhaps_a_command(failure, project));
        }
        Err(failure) => return Err(failure),
    };
    runners.retain(|runner| !has_ended(runner) && runner.state != "stopping");
    if runners.len() > 1 && require_terminal("choose", "").is_err() {
        let message = format!(
            "{} runners are active in {}: {}",
            runners.len(),
            printable(project),
            names(runners.iter().map(|runner| runner.name.as_str()))
        );
        return Err(
            Failure::new(Kind::Ambiguous, message).hint("name one: `stratavore attach RUNNER`")
        );
    }
    require_terminal(
        "attach",
        "use `stratavore launch PROJECT`, which needs no terminal",
    )?;
    let runner = match runners.len() {
        0 => launch::launch_default(&mut host, project).await?,
        1 => runners.remove(0),
        _ => choose(call, &mut host, runners).await?,
    };
    launch::attach_started(call, &mut host, runner, Manner::default()).await
}

/// Lets the person choose one of several.
async fn choose(
    call: &Invocation,
    host: &mut Host,
    runners: Vec<v1::Runner>,
) -> Result<v1::Runner> {
    for (number, runner) in (1..).zip(&runners) {
        let age = age::since(&runner.created_at, call.now());
        call.output.note(format!(
            "{number}  {}  {}  {}  {age}",
            runner.name, runner.program, runner.state
        ));
    }
    loop {
        // A prompt that cannot be shown changes nothing about the answer.
        let _ = write!(
            io::stderr(),
            "attach to (1-{}, nothing for none): ",
            runners.len()
        );
        let mut line = String::new();
        let read = io::stdin()
            .read_line(&mut line)
            .map_err(|error| Failure::caused(Kind::Failed, "cannot read the answer", &error))?;
        let answer = line.trim();
        if read == 0 || answer.is_empty() {
            return Err(Failure::new(Kind::Failed, "nothing was chosen")
                .hint("name one: `stratavore attach RUNNER`"));
        }
        let chosen = answer
            .parse()
            .ok()
            .and_then(|number: usize| runners.get(number.checked_sub(1)?));
        if let Some(chosen) = chosen.or_else(|| runners.iter().find(|runner| runner.name == answer))
        {
            // It may have changed while the person thought.
            return host.runner(&chosen.id).await;
        }
        call.output.note(format!("there is no {answer}"));
    }
}

/// Adds the command that was perhaps meant to a failure that says there is no such project.
fn perhaps_a_command(failure: Failure, typed: &str) -> Failure {
    let near = Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .min_by_key(|name| distance(name, typed))
        .filter(|name| distance(name, typed) <= 2);
    match near {
        Some(command) => failure.hint(format!("did you mean the command `stratavore {command}`?")),
        None => failure,
    }
}

/// Counts the letters that must be added, left out or changed to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, cb) in b.iter().enumerate() {
            let changed = diagonal + usize::from(ca != *cb);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters() {
        for (a, b, expected) in [
            ("runners", "runers", 1),
            ("stop", "stpo", 2),
            ("", "abc", 3),
            ("wait", "wait", 0),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
