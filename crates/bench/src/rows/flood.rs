//! A program that writes far more than anybody reads: how long it takes, what that costs, and what is left of it in memory.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use stratavore_testkit::Process;

use crate::effort::Effort;
use crate::host::Host;
use crate::patience::until;
use crate::pty::{Pty, Reading};
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::tmux::Tmux;
use crate::usage::{memory, processor_time_of};

/// Is on the screen before and after the flood.
const READY: &str = "ready";

/// Says who looks on meanwhile.
#[derive(Clone, Copy)]
enum Audience {
    Nobody,
    Reader,
    Sleeper,
}

/// What one flood took.
struct Flood {
    wall: Duration,
    server: Duration,
}

/// Measures floods with nobody attached, with a terminal that reads, and with one that never does.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let megabytes = effort.flood / 1_000_000;
    let audiences = [
        (
            Audience::Nobody,
            format!(
                "`cat` of {megabytes} MB, nobody attached: wall; processor time of agent, server"
            ),
        ),
        (
            Audience::Reader,
            "the same with a terminal attached that reads".to_owned(),
        ),
        (
            Audience::Sleeper,
            "the same with a terminal attached that never reads; beside nobody attached".to_owned(),
        ),
    ];
    let mut rows = Vec::new();
    let (mut left, mut left_by_tmux) = (Cell::Inapplicable, Cell::Inapplicable);
    // How long the program takes with nobody attached, ours and tmux's.
    let mut alone = [None, None];
    for (audience, figure) in audiences {
        let measured = [ours(effort, audience).await, beside(effort, audience).await];
        if matches!(audience, Audience::Nobody) {
            let [ours, beside] = &measured;
            left = Cell::of(memory_of(ours));
            left_by_tmux = Cell::of(memory_of(beside));
            alone = measured.each_ref().map(|measured| wall_of(measured).ok());
        }
        let sleeps = matches!(audience, Audience::Sleeper);
        let mut beside_alone = alone.into_iter();
        let [ours, tmux] = measured.map(|measured| {
            let alone = beside_alone.next().flatten().filter(|_| sleeps);
            let slowed = alone.zip(wall_of(&measured).ok());
            let slowed =
                slowed.map(|(alone, wall)| format!("; {:+.0} %", (wall / alone - 1.0) * 100.0));
            let told = measured.and_then(|(floods, _)| print(&floods));
            Cell::of(told.map(|told| told + &slowed.unwrap_or_default()))
        });
        rows.push(Row {
            figure,
            goal: if sleeps {
                "not slower than tmux; within 10 % of nobody attached"
            } else {
                "not slower than tmux"
            },
            ours,
            tmux,
        });
    }
    rows.push(Row {
        figure: "PSS of the agent, of the tmux server, after that with nobody attached".to_owned(),
        goal: "",
        ours: left,
        tmux: left_by_tmux,
    });
    Ok(rows)
}

/// Gives the median of how long the program took, in seconds.
fn wall_of(measured: &anyhow::Result<(Vec<Flood>, f64)>) -> anyhow::Result<f64> {
    match measured {
        Ok((floods, _)) => {
            Ok(Sample::of_durations(floods.iter().map(|flood| flood.wall))?.percentile(50))
        }
        Err(error) => anyhow::bail!("{error:#}"),
    }
}

fn memory_of(measured: &anyhow::Result<(Vec<Flood>, f64)>) -> anyhow::Result<String> {
    match measured {
        Ok((_, bytes)) => Ok(Unit::Megabytes.print(*bytes)),
        Err(error) => anyhow::bail!("{error:#}"),
    }
}

fn print(floods: &[Flood]) -> anyhow::Result<String> {
    let wall = Sample::of_durations(floods.iter().map(|flood| flood.wall))?;
    let server = Sample::of_durations(floods.iter().map(|flood| flood.server))?;
    Ok(format!(
        "{}; {}",
        wall.spread(Unit::Seconds),
        server.spread(Unit::Seconds)
    ))
}

async fn ours(effort: &Effort, audience: Audience) -> anyhow::Result<(Vec<Flood>, f64)> {
    let host = Host::start().await?;
    let script = Script::write(host.home().path(), effort.flood)?;
    let runner = host.launch(script.words.clone()).await?;
    host.shows(&runner, READY).await?;
    let agent = host.agents(std::slice::from_ref(&runner))?.remove(0);
    let mut attach = host.stratavore();
    attach.args(["attach", &runner.id]);
    let words: Vec<String> = [attach.get_program()]
        .into_iter()
        .chain(attach.get_args())
        .map(|word| word.to_string_lossy().into())
        .collect();
    let measured = floods(
        effort,
        audience,
        agent,
        &script,
        &words,
        &host.home().environment(),
    )
    .await?;
    host.end().await?;
    Ok(measured)
}

async fn beside(effort: &Effort, audience: Audience) -> anyhow::Result<(Vec<Flood>, f64)> {
    let tmux = Tmux::start()?;
    let script = Script::write(tmux.home().path(), effort.flood)?;
    tmux.launch_named("flood", &script.words)?;
    tmux.shows("flood", READY).await?;
    let words = tmux.words(&["attach-session", "-t", "flood"]);
    floods(
        effort,
        audience,
        tmux.server()?,
        &script,
        &words,
        &tmux.home().environment(),
    )
    .await
}

async fn floods(
    effort: &Effort,
    audience: Audience,
    server: Process,
    script: &Script,
    attach: &[String],
    environment: &BTreeMap<String, String>,
) -> anyhow::Result<(Vec<Flood>, f64)> {
    let mut terminal = match audience {
        Audience::Nobody => None,
        Audience::Reader | Audience::Sleeper => {
            let mut terminal = Pty::start(attach, environment)?;
            terminal.wait_for(READY.as_bytes())?;
            Some(terminal)
        }
    };
    if let Some(terminal) = &mut terminal {
        terminal.read_on(match audience {
            Audience::Sleeper => Reading::Never,
            _ => Reading::Away,
        });
    }
    let mut floods = Vec::new();
    for round in 0..effort.floods {
        let before = processor_time_of(server)?;
        let wall = script.flood(round).await?;
        floods.push(Flood {
            wall,
            server: processor_time_of(server)? - before,
        });
    }
    Ok((floods, memory(server)?))
}

/// A program that floods its terminal each time a file appears, and notes when it began and ended.
struct Script {
    words: Vec<String>,
    directory: std::path::PathBuf,
}

impl Script {
    fn write(directory: &Path, size: usize) -> anyhow::Result<Self> {
        let lines = directory.join("flood.txt");
        let mut file = std::io::BufWriter::new(File::create(&lines)?);
        let mut written = 0;
        for line in 0_u32.. {
            // As builds and tests write: words, numbers, a colour here and there.
            let text = format!(
                "{line:>8} \x1b[32mcompiling\x1b[0m some/module/number_{}.rs with flags -O2 -g --verbose\n",
                line % 997
            );
            file.write_all(text.as_bytes())?;
            written += text.len();
            if written >= size {
                break;
            }
        }
        file.flush()?;
        let place = directory.display();
        let script = format!(
            "printf {READY}; n=0; while :; do \
             until [ -e {place}/go-$n ]; do sleep 0.02; done; \
             begun=$(date +%s%N); cat {place}/flood.txt; ended=$(date +%s%N); printf {READY}; \
             echo $((ended - begun)) > {place}/took; mv {place}/took {place}/took-$n; n=$((n + 1)); done"
        );
        Ok(Self {
            words: vec!["sh".to_owned(), "-c".to_owned(), script],
            directory: directory.to_owned(),
        })
    }

    /// Lets it flood once, and gives how long the program took for it.
    async fn flood(&self, round: usize) -> anyhow::Result<Duration> {
        File::create(self.directory.join(format!("go-{round}")))?;
        let took = self.directory.join(format!("took-{round}"));
        let text = until("the flood is over", async || fs::read_to_string(&took).ok()).await?;
        let nanoseconds = text.trim().parse().context("the flood was not timed")?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}
