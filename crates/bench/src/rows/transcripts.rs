//! The index of transcripts that were there before the host was: its first reading, searches in it, and what was appended while no
//! host ran.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use stratavore_rpc::{Failure, v1};
use stratavore_testkit::TempHome;
use tokio::time::timeout;

use crate::effort::Effort;
use crate::host::Host;
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};
use crate::transcript::{COMMON, Pile, RARE, UNCOMMON};
use crate::usage::{memory, processor_time_of};

/// No index takes longer.
const PATIENTLY: Duration = Duration::from_mins(20);
/// How long nothing must have been read for the index to be asked whether it is whole.
const QUIET: Duration = Duration::from_secs(2);
/// How often memory is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Measures one pile: all of it, then searches, then what it grew by.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let home = Arc::new(TempHome::new());
    let (directory, size) = (home.home(), effort.transcripts);
    let mut pile = tokio::task::spawn_blocking(move || Pile::write(&directory, size)).await??;

    let (host, first) = read(&home, &pile, pile.bytes).await?;
    let searches = searches(effort, &host).await?;
    host.end().await?;

    let (before, appended) = (pile.bytes, effort.appended);
    let mut pile =
        tokio::task::spawn_blocking(move || pile.grow(appended).map(|()| pile)).await??;
    let (host, later) = read(&home, &pile, pile.bytes - before).await?;
    host.end().await?;
    pile.bytes = before;

    let row = |figure: String, figures: String| Row {
        figure,
        goal: "",
        ours: Cell::Measured(figures),
        tmux: Cell::Inapplicable,
    };
    let mut rows = vec![row(
        format!(
            "{} of transcripts in {} files, {} messages: first index; processor time and greatest PSS of the host",
            Unit::Megabytes.print(pile.bytes as f64),
            pile.count(),
            pile.messages,
        ),
        first.print(),
    )];
    rows.push(row(
        "search in them, the best 50: a common word; an uncommon; a rare; two words; a phrase"
            .to_owned(),
        searches,
    ));
    rows.push(row(
        format!(
            "{} appended while no host ran: its start until the ledger is whole; processor time and greatest PSS",
            Unit::Megabytes.print(later.bytes as f64)
        ),
        later.print(),
    ));
    Ok(rows)
}

/// How a host read what it had not read before.
struct Reading {
    bytes: u64,
    took: Duration,
    /// Processor time of the host.
    used: Duration,
    /// The most memory that it took meanwhile.
    most: f64,
}

impl Reading {
    fn print(&self) -> String {
        let seconds = self.took.as_secs_f64();
        format!(
            "{} ({:.1} MB/s); {}; {}",
            Unit::Seconds.print(seconds),
            self.bytes as f64 / 1e6 / seconds,
            Unit::Seconds.print(self.used.as_secs_f64()),
            Unit::Megabytes.print(self.most),
        )
    }
}

/// Starts a host that has so many bytes to read, and waits until it counted every message.
async fn read(home: &Arc<TempHome>, pile: &Pile, bytes: u64) -> anyhow::Result<(Host, Reading)> {
    let begun = Instant::now();
    let host = Host::start_in(Arc::clone(home)).await?;
    let server = host.process()?;
    let mut most = memory(server)?;
    let mut looks = tokio::time::interval(LOOK);
    let finished = {
        let mut whole = pin!(timeout(PATIENTLY, whole(&host, pile.messages)));
        loop {
            tokio::select! {
                finished = &mut whole => break finished.context("the index is not whole")??,
                _ = looks.tick() => most = most.max(memory(server)?),
            }
        }
    };
    let reading = Reading {
        bytes,
        took: finished - begun,
        used: processor_time_of(server)?,
        most,
    };
    Ok((host, reading))
}

/// Waits until so many messages were counted, and tells when the last was.
async fn whole(host: &Host, messages: u64) -> anyhow::Result<Instant> {
    let nudges = host.client().watch(v1::WatchRequest {}).await;
    let mut nudges = nudges.map_err(Failure::from)?.into_inner();
    let mut last = Instant::now();
    loop {
        if let Ok(nudge) = timeout(QUIET, nudges.message()).await {
            let nudge = nudge.map_err(Failure::from)?;
            nudge.context("the host tells nothing any more")?;
            last = Instant::now();
            continue;
        }
        let usage = host.client().get_usage(v1::UsageRequest::default()).await;
        let total = usage.map_err(Failure::from)?.into_inner().total;
        let counted = total.unwrap_or_default().messages;
        ensure!(
            counted <= messages,
            "{counted} messages of {messages} were counted"
        );
        if counted == messages {
            return Ok(last);
        }
    }
}

async fn searches(effort: &Effort, host: &Host) -> anyhow::Result<String> {
    let both = format!("{UNCOMMON} {COMMON}");
    let phrase = format!("\"{COMMON} {UNCOMMON}\"");
    let mut medians = Vec::new();
    for query in [COMMON, UNCOMMON, RARE, &both, &phrase] {
        let mut took = Vec::new();
        for _ in 0..effort.searches {
            let request = v1::SearchSessionsRequest {
                query: query.to_owned(),
                ..v1::SearchSessionsRequest::default()
            };
            let begun = Instant::now();
            host.client()
                .search_sessions(request)
                .await
                .map_err(Failure::from)?;
            took.push(begun.elapsed());
        }
        let took = Sample::of_durations(took)?;
        medians.push(Unit::Milliseconds.print(took.percentile(50)));
    }
    Ok(format!("p50 {}", medians.join("; ")))
}
