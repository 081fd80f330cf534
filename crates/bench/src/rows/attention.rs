//! From what a program does when its state changes to a client that knows it.

use std::time::{Duration, Instant};

use anyhow::Context;
use stratavore_rpc::{Failure, v1};
use tokio::time::timeout;

use crate::effort::Effort;
use crate::host::Host;
use crate::patience::LONGEST;
use crate::sample::{Sample, Unit};
use crate::stand_in::{self, StandIn};
use crate::table::{Cell, Row};

/// As far apart as changes are: an agent tells no more than twenty reports a second.
const APART: Duration = Duration::from_millis(60);

/// What a program does when it begins to work, and when it is done.
struct Source {
    figure: &'static str,
    goal: &'static str,
    works: &'static str,
    is_done: &'static str,
}

const SOURCES: [Source; 3] = [
    Source {
        figure: "attention: a report on the terminal (OSC 7501) to a client that knows it",
        goal: "100 ms",
        works: "report state=working:app=claude-code",
        is_done: "report state=idle:app=claude-code",
    },
    Source {
        figure: "attention: a hook, its own start included, to a client that knows it",
        goal: "100 ms",
        works: "hook UserPromptSubmit",
        is_done: "hook Stop",
    },
    Source {
        figure: "attention: the file of its process to a client that knows it",
        goal: "100 ms",
        works: "status busy",
        is_done: "status idle",
    },
];

/// Measures edges of each source, on a runner that has no other.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let host = stand_in::host().await?;
    let mut rows = Vec::new();
    for (index, source) in SOURCES.iter().enumerate() {
        let measured = edges(&host, effort, source, &format!("orders-{index}")).await;
        rows.push(Row {
            figure: source.figure.to_owned(),
            goal: source.goal,
            ours: Cell::of(measured),
            tmux: Cell::Inapplicable,
        });
    }
    host.end().await?;
    Ok(rows)
}

async fn edges(
    host: &Host,
    effort: &Effort,
    source: &Source,
    pipe: &str,
) -> anyhow::Result<String> {
    let mut program = StandIn::launch(host, pipe).await?;
    let mut follower = Follower::of(host, &program.runner).await?;
    // The first of all is not measured: the program has just been started.
    program.order(source.is_done)?;
    follower.knows("idle").await?;
    let mut took = Vec::new();
    for nth in 0..effort.edges {
        let (order, state) = if nth % 2 == 0 {
            (source.works, "working")
        } else {
            (source.is_done, "idle")
        };
        tokio::time::sleep(APART).await;
        let begun = Instant::now();
        program.order(order)?;
        took.push(follower.knows(state).await? - begun);
    }
    Ok(Sample::of_durations(took)?.waits(Unit::Milliseconds))
}

/// Follows one runner as the window and `stratavore attention --follow` do: a nudge says that something changed, a question what.
struct Follower<'h> {
    host: &'h Host,
    runner: String,
    nudges: tonic::Streaming<v1::Nudge>,
}

impl<'h> Follower<'h> {
    async fn of(host: &'h Host, runner: &v1::Runner) -> anyhow::Result<Self> {
        let nudges = host.client().watch(v1::WatchRequest {}).await;
        Ok(Self {
            host,
            runner: runner.id.clone(),
            nudges: nudges.map_err(Failure::from)?.into_inner(),
        })
    }

    /// Waits until the runner is known to be in a state.
    async fn knows(&mut self, state: &str) -> anyhow::Result<Instant> {
        let heard = timeout(LONGEST, async {
            loop {
                let nudge = self.nudges.message().await.map_err(Failure::from)?;
                let nudge = nudge.context("the host tells nothing any more")?;
                if nudge.entity != "status" && nudge.id != self.runner {
                    continue;
                }
                let reference = v1::RunnerRef {
                    runner: self.runner.clone(),
                };
                let runner = self.host.client().get_runner(reference).await;
                let attention = runner.map_err(Failure::from)?.into_inner().attention;
                if attention.is_some_and(|attention| attention.state == state) {
                    return anyhow::Ok(Instant::now());
                }
            }
        });
        heard
            .await
            .with_context(|| format!("no client was told that the runner is {state}"))?
    }
}
