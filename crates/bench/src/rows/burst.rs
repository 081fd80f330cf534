//! Many launches at once: until the last program has written to its terminal.

use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::task::JoinSet;

use crate::effort::Effort;
use crate::first_writes::FirstWrites;
use crate::host::Host;
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::tmux::Tmux;

/// Measures bursts of launches by one connected client, and of as many `tmux new-session`.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    Ok(vec![Row {
        figure: format!(
            "{} launches at once: to half of the first writes; to the last",
            effort.burst
        ),
        goal: "",
        ours: Cell::of(ours(effort).await),
        tmux: Cell::of(beside(effort).await),
    }])
}

/// Holds how long half of a burst took, and all of it.
struct Burst {
    half: Duration,
    all: Duration,
}

async fn ours(effort: &Effort) -> anyhow::Result<String> {
    let host = Host::start().await?;
    let mut writes = FirstWrites::listen(host.home())?;
    let mut bursts = Vec::new();
    for _ in 0..effort.bursts {
        let mut launches = JoinSet::new();
        let begun = Instant::now();
        for _ in 0..effort.burst {
            launches.spawn(crate::host::launch(host.client(), writes.program()));
        }
        bursts.push(watch(begun, effort.burst, &mut writes).await?);
        launches
            .join_all()
            .await
            .into_iter()
            .collect::<anyhow::Result<Vec<_>>>()?;
        host.stop_runners().await?;
    }
    host.end().await?;
    print(&bursts)
}

async fn beside(effort: &Effort) -> anyhow::Result<String> {
    let tmux = Tmux::start()?;
    let mut writes = FirstWrites::listen(tmux.home())?;
    let mut bursts = Vec::new();
    for _ in 0..effort.bursts {
        let begun = Instant::now();
        let launches: std::io::Result<Vec<Child>> = (0..effort.burst)
            .map(|_| tmux.launching(&writes.program()).spawn())
            .collect();
        let watched = watch(begun, effort.burst, &mut writes).await;
        for mut launch in launches.context("cannot start tmux")? {
            launch.wait()?;
        }
        bursts.push(watched?);
        tmux.end_sessions()?;
    }
    print(&bursts)
}

async fn watch(begun: Instant, size: usize, writes: &mut FirstWrites) -> anyhow::Result<Burst> {
    let mut half = begun;
    let mut last = begun;
    for nth in 1..=size {
        last = writes.next().await?;
        if nth == size.div_ceil(2) {
            half = last;
        }
    }
    Ok(Burst {
        half: half - begun,
        all: last - begun,
    })
}

fn print(bursts: &[Burst]) -> anyhow::Result<String> {
    let half = Sample::of_durations(bursts.iter().map(|burst| burst.half))?;
    let all = Sample::of_durations(bursts.iter().map(|burst| burst.all))?;
    Ok(format!(
        "{}; {}",
        half.spread(Unit::Milliseconds),
        all.spread(Unit::Milliseconds)
    ))
}
