//! What many idle runners take of memory and processor: the host and all agents, the programs apart.

use crate::effort::Effort;
use crate::host::Host;
use crate::sample::Unit;
use crate::table::{Cell, Row};
use crate::tmux::Tmux;
use crate::usage::{memories, memory, processor};

/// What everybody runs.
const PROGRAM: [&str; 2] = ["sleep", "3600"];

/// Measures a fleet of one size.
pub(crate) async fn measure(effort: &Effort, size: usize) -> anyhow::Result<Vec<Row>> {
    Ok(vec![Row {
        figure: format!("{size} live runners: PSS of everything; idle CPU, of one core"),
        goal: if size == 100 { "75 MB; 0.5 %" } else { "" },
        ours: Cell::of(ours(effort, size).await),
        tmux: Cell::of(beside(effort, size).await),
    }])
}

async fn ours(effort: &Effort, size: usize) -> anyhow::Result<String> {
    let host = Host::start().await?;
    let runners = host.launch_fleet(size, &PROGRAM).await?;
    host.settled().await?;
    let server = host.process()?;
    let agents = host.agents(&runners)?;
    let mut everything = agents.clone();
    everything.push(server);
    let used = processor(&everything, effort.windows, effort.window).await?;
    let (own, each) = (memory(server)?, memories(&agents)?);
    host.end().await?;
    Ok(format!(
        "{} (host {}, agents {} each); {}",
        Unit::Megabytes.print(own + each.sum()),
        Unit::Megabytes.print(own),
        Unit::Megabytes.print(each.percentile(50)),
        used.spread(Unit::Percent),
    ))
}

async fn beside(effort: &Effort, size: usize) -> anyhow::Result<String> {
    let tmux = Tmux::start()?;
    for _ in 0..size {
        tmux.launch(&PROGRAM.map(str::to_owned))?;
    }
    let server = tmux.server()?;
    let used = processor(&[server], effort.windows, effort.window).await?;
    Ok(format!(
        "{}; {}",
        Unit::Megabytes.print(memory(server)?),
        used.spread(Unit::Percent)
    ))
}
