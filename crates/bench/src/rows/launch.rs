//! From the request of a launch to the program's first write to its terminal, one launch after another.
//!
//! The runner is committed, with the file synced, before anything is executed. Earlier ones stay alive, here and in tmux.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::effort::Effort;
use crate::first_writes::FirstWrites;
use crate::host::{Host, PROJECT};
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::tmux::Tmux;

/// Measures launches by a connected client, as the window and the tray are, and by a command.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let connected = by_client(effort).await;
    let command = by_command(effort).await;
    let tmux = by_tmux(effort).await;
    Ok(vec![
        Row {
            figure: "launch request to first write, durable (connected client)".to_owned(),
            goal: "p50 8, p99 50 ms",
            ours: Cell::of(connected),
            tmux: Cell::Inapplicable,
        },
        Row {
            figure:
                "the same by command: `stratavore launch`; `tmux new-session -d`, nothing durable"
                    .to_owned(),
            goal: "",
            ours: Cell::of(command),
            tmux: Cell::of(tmux),
        },
    ])
}

async fn by_client(effort: &Effort) -> anyhow::Result<String> {
    let host = Host::start().await?;
    let mut writes = FirstWrites::listen(host.home())?;
    let mut took = Vec::new();
    for _ in 0..effort.launches {
        let begun = Instant::now();
        let (launched, written) = tokio::join!(host.launch(writes.program()), writes.next());
        launched?;
        took.push(written? - begun);
    }
    host.end().await?;
    Ok(Sample::of_durations(took)?.waits(Unit::Milliseconds))
}

async fn by_command(effort: &Effort) -> anyhow::Result<String> {
    let host = Host::start().await?;
    let mut writes = FirstWrites::listen(host.home())?;
    let command = shell_words::join(writes.program());
    let mut took = Vec::new();
    for _ in 0..effort.launches {
        let mut launching = host.stratavore();
        launching.args(["launch", PROJECT, "--command", &command]);
        took.push(time(launching, &mut writes).await?);
    }
    host.end().await?;
    Ok(Sample::of_durations(took)?.waits(Unit::Milliseconds))
}

async fn by_tmux(effort: &Effort) -> anyhow::Result<String> {
    let tmux = Tmux::start()?;
    let mut writes = FirstWrites::listen(tmux.home())?;
    let mut took = Vec::new();
    for _ in 0..effort.launches {
        took.push(time(tmux.launching(&writes.program()), &mut writes).await?);
    }
    Ok(Sample::of_durations(took)?.waits(Unit::Milliseconds))
}

async fn time(mut launching: Command, writes: &mut FirstWrites) -> anyhow::Result<Duration> {
    launching
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let begun = Instant::now();
    let mut child = launching
        .spawn()
        .with_context(|| format!("cannot start {:?}", launching.get_program()))?;
    let written = writes.next().await;
    let status = child.wait()?;
    ensure!(
        status.success(),
        "{:?} ended with {status}",
        launching.get_program()
    );
    Ok(written? - begun)
}
