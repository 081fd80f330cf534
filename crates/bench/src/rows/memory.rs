//! What one agent takes of memory: with nothing on its screen, and after ten thousand lines.

use stratavore_testkit::binary::fake_program;

use crate::effort::Effort;
use crate::host::Host;
use crate::sample::Unit;
use crate::table::{Cell, Row};
use crate::tmux::Tmux;
use crate::usage::{memories, memory};

/// Ten thousand lines of 78 characters.
const OUTPUT: &str = "flood 800000; print all written; hold";
/// Comes after them.
const WRITTEN: &str = "all written";

/// Measures several agents of one host, and the tmux server with as many sessions.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let agents = effort.agents;
    Ok(vec![
        Row {
            figure: format!(
                "PSS of an idle agent, one of {agents}; of the tmux server with {agents} sessions, all in all"
            ),
            goal: "0.6 MB",
            ours: Cell::of(idle(agents).await),
            tmux: Cell::of(idle_tmux(agents)),
        },
        Row {
            figure: "the same, each after 10,000 lines".to_owned(),
            goal: "",
            ours: Cell::of(busy(agents).await),
            tmux: Cell::of(busy_tmux(agents).await),
        },
    ])
}

async fn idle(agents: usize) -> anyhow::Result<String> {
    let host = Host::start().await?;
    let runners = host.launch_fleet(agents, &["sleep", "3600"]).await?;
    host.settled().await?;
    let taken = memories(&host.agents(&runners)?)?;
    host.end().await?;
    Ok(taken.spread(Unit::Megabytes))
}

async fn busy(agents: usize) -> anyhow::Result<String> {
    let host = Host::start().await?;
    let runners = host
        .launch_fleet(agents, &[&fake_program().to_string_lossy(), OUTPUT])
        .await?;
    for runner in &runners {
        host.shows(runner, WRITTEN).await?;
    }
    let taken = memories(&host.agents(&runners)?)?;
    host.end().await?;
    Ok(taken.spread(Unit::Megabytes))
}

fn idle_tmux(sessions: usize) -> anyhow::Result<String> {
    let tmux = Tmux::start()?;
    for _ in 0..sessions {
        tmux.launch(&["sleep", "3600"].map(str::to_owned))?;
    }
    Ok(Unit::Megabytes.print(memory(tmux.server()?)?))
}

async fn busy_tmux(sessions: usize) -> anyhow::Result<String> {
    let tmux = Tmux::start()?;
    let command = [
        fake_program().to_string_lossy().into_owned(),
        OUTPUT.to_owned(),
    ];
    for session in 0..sessions {
        tmux.launch_named(&format!("busy-{session}"), &command)?;
    }
    for session in 0..sessions {
        tmux.shows(&format!("busy-{session}"), WRITTEN).await?;
    }
    Ok(Unit::Megabytes.print(memory(tmux.server()?)?))
}
