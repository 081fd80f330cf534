//! What runners at work take of the processor beside their programs: the host, the agents, and the hooks that the programs run.

use std::time::Instant;

use anyhow::Context;
use stratavore_rpc::{Failure, v1};
use stratavore_testkit::Process;

use crate::effort::Effort;
use crate::host::Host;
use crate::patience::until;
use crate::sample::{Sample, Unit};
use crate::stand_in;
use crate::table::{Cell, Row};
use crate::usage::{processor_time_of, processor_time_of_children};

/// Measures runners whose programs draw, speak, write and run hooks as a busy Claude Code does.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    Ok(vec![Row {
        figure: format!(
            "{} working runners: CPU of host and agents, of one core; of the hooks that their programs run",
            effort.working
        ),
        goal: "",
        ours: Cell::of(ours(effort).await),
        tmux: Cell::Inapplicable,
    }])
}

async fn ours(effort: &Effort) -> anyhow::Result<String> {
    let host = stand_in::host().await?;
    let runners = host.launch_claudes(effort.working).await?;
    until("every runner works and its session is known", async || {
        let request = v1::ListRunnersRequest::default();
        let listed = host.client().list_runners(request).await.ok()?.into_inner();
        let works = |runner: &&v1::Runner| {
            let attention = runner.attention.as_ref();
            runner.session_id.is_some() && attention.is_some_and(|it| it.state == "working")
        };
        // A turn that ends just now begins again at once.
        let at_work = listed.runners.iter().filter(works).count();
        (at_work * 10 >= runners.len() * 9).then_some(())
    })
    .await?;
    host.settled().await?;
    let (server, agents) = (host.process()?, host.agents(&runners)?);
    let programs = programs(&host, &runners).await?;
    let (mut ours, mut own, mut hooks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..effort.windows {
        let (begun, before) = (Instant::now(), Used::by(server, &agents, &programs)?);
        tokio::time::sleep(effort.window).await;
        let (after, passed) = (
            Used::by(server, &agents, &programs)?,
            begun.elapsed().as_secs_f64(),
        );
        own.push((after.host - before.host) / passed);
        ours.push((after.host + after.agents - before.host - before.agents) / passed);
        hooks.push((after.hooks - before.hooks) / passed);
    }
    host.end().await?;
    let (ours, own, hooks) = (Sample::new(ours)?, Sample::new(own)?, Sample::new(hooks)?);
    Ok(format!(
        "{} (host {}); {}",
        ours.spread(Unit::Percent),
        Unit::Percent.print(own.percentile(50)),
        hooks.spread(Unit::Percent),
    ))
}

/// Finds the programs of runners.
async fn programs(host: &Host, runners: &[v1::Runner]) -> anyhow::Result<Vec<Process>> {
    let request = v1::ListRunnersRequest::default();
    let listed = host.client().list_runners(request).await;
    let listed = listed.map_err(Failure::from)?.into_inner().runners;
    let found: Vec<Process> = listed
        .iter()
        .filter_map(|runner| Process::find(runner.pid?))
        .collect();
    anyhow::ensure!(
        found.len() == runners.len(),
        "of {} programs only {} run",
        runners.len(),
        found.len()
    );
    Ok(found)
}

/// Seconds of processor time so far.
struct Used {
    host: f64,
    agents: f64,
    /// Of the programs' children: they have no others.
    hooks: f64,
}

impl Used {
    fn by(host: Process, agents: &[Process], programs: &[Process]) -> anyhow::Result<Self> {
        let mut used = Self {
            host: processor_time_of(host)?.as_secs_f64(),
            agents: 0.0,
            hooks: 0.0,
        };
        for agent in agents {
            used.agents += processor_time_of(*agent)?.as_secs_f64();
        }
        for program in programs {
            let children = processor_time_of_children(*program).context("a program has ended")?;
            used.hooks += children.as_secs_f64();
        }
        Ok(used)
    }
}
