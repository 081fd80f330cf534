//! How long a program waits for one of its hooks: from the start of the shell that runs it to its end.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use stratavore_testkit::TempHome;
use stratavore_testkit::binary::built;

use crate::effort::Effort;
use crate::host::Host;
use crate::patience::until;
use crate::sample::{Sample, Unit};
use crate::stand_in::{self, StandIn};
use crate::table::{Cell, Row};

/// Measures hooks that a host hears, that only the agent does, and that nobody does; and a shell that does nothing.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let (heard, alone) = match by_the_program(effort).await {
        Ok((heard, alone)) => (Ok(heard), Ok(alone)),
        Err(error) => {
            let why = format!("{error:#}");
            (Err(error), Err(anyhow::anyhow!(why)))
        }
    };
    let agent = shell_words::join([
        built("stratavore-agent", "stratavore-agent")
            .to_string_lossy()
            .as_ref(),
        "hook",
    ]);
    let row = |figure: &str, ours| Row {
        figure: figure.to_owned(),
        goal: "",
        ours: Cell::of(ours),
        tmux: Cell::Inapplicable,
    };
    Ok(vec![
        row(
            "hook, as Claude Code runs it (`sh -c`), start to end; a host listens",
            heard,
        ),
        row("the same; the host was killed", alone),
        row("the same; nobody listens at all", by_us(effort, &agent)),
        row(
            "`sh -c /bin/true`, for comparison",
            by_us(effort, "/bin/true"),
        ),
    ])
}

async fn by_the_program(effort: &Effort) -> anyhow::Result<(String, String)> {
    let mut host = stand_in::host().await?;
    let mut program = StandIn::launch(&host, "orders").await?;
    let heard = times(&host, &mut program, "heard", effort.hooks).await?;
    host.kill()?;
    let alone = times(&host, &mut program, "alone", effort.hooks).await?;
    Ok((heard, alone))
}

async fn times(
    host: &Host,
    program: &mut StandIn,
    name: &str,
    count: usize,
) -> anyhow::Result<String> {
    let file = program.time_hooks(host, name, count)?;
    let text = until("every hook has ended", async || {
        std::fs::read_to_string(&file).ok()
    })
    .await?;
    let took: Result<Vec<Duration>, _> = text
        .lines()
        .map(|line| line.parse().map(Duration::from_nanos))
        .collect();
    Ok(Sample::of_durations(took?)?.waits(Unit::Milliseconds))
}

/// Runs a command as the program does its hooks, where no agent is.
fn by_us(effort: &Effort, command: &str) -> anyhow::Result<String> {
    let home = TempHome::new();
    let nobody = home.runtime().join("nobody.sock");
    let mut took = Vec::new();
    for _ in 0..effort.hooks {
        let mut shell: Command = home.command("/bin/sh");
        shell
            .args(["-c", command])
            .env("STRATAVORE_AGENT_SOCKET", &nobody)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let begun = Instant::now();
        let mut child = shell.spawn().context("cannot start /bin/sh")?;
        if let Some(mut input) = child.stdin.take() {
            // What does not read it has ended already.
            let _ = input.write_all(br#"{"hook_event_name":"PreToolUse"}"#);
        }
        let ended = child.wait_with_output()?;
        took.push(begun.elapsed());
        ensure!(
            ended.status.success(),
            "{command:?} ended with {}",
            ended.status
        );
    }
    Ok(Sample::of_durations(took)?.waits(Unit::Milliseconds))
}
