//! Events from the store to a private RabbitMQ, beside what the broker takes from the same client library without a store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, Process};
use stratavore_store::postgres::{self, PostgresStore};
use stratavore_store::sqlite::{Options, SqliteStore};
use stratavore_store::{NewProject, NewRunner, OutboxRow, Store};
use stratavore_supervisor::broker::{Address, Broker, Names, Patience};
use stratavore_supervisor::bus::{Delivery, Outcome, Sink};
use stratavore_supervisor::publisher::{Publisher, Terms};
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::rabbitmq::RabbitMq;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::effort::Effort;
use crate::sample::{Sample, Unit};
use crate::table::{Cell, Row};

const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};
/// How often the broker alone and the whole way are measured, in turns.
const ROUNDS: usize = 5;
/// Runners that events are of.
const RUNNERS: usize = 64;
/// As many messages as Stratavore has on their way.
const WINDOW: usize = 1000;
/// As long as the body of most events.
const BODY: usize = 300;
/// Nothing here takes as long where it works.
const PATIENTLY: Duration = Duration::from_secs(120);

/// Measures how many events a second come through, how soon one does, and how soon after the broker is back.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    let mut broker = tokio::task::spawn_blocking(RabbitMq::start).await??;
    let server = tokio::task::spawn_blocking(Postgres::start).await??;
    let directory = tempfile::tempdir()?;
    let file = |name: &str| directory.path().join(name);
    let (node, options) = (InstanceId::random(), postgres::Options::default());

    // While little is kept there, which a broker reads again before it answers.
    let url = server.database()?;
    let store = PostgresStore::open(&url, node.clone(), file("node.key"), options).await?;
    let recovered = recovery(effort, Arc::new(store), &mut broker).await?;

    let (database, key) = (file("stratavore.db"), file("audit.key"));
    let store = SqliteStore::open(&database, &key, Options::default(), SystemClock.now()).await?;
    let mut rows = through(effort, Arc::new(store), &broker, "SQLite").await?;
    let url = server.database()?;
    let store = PostgresStore::open(&url, node, file("node.key"), options).await?;
    rows.extend(through(effort, Arc::new(store), &broker, "PostgreSQL").await?);
    rows.push(recovered);
    Ok(rows)
}

async fn through(
    effort: &Effort,
    store: Arc<dyn Store>,
    broker: &RabbitMq,
    database: &str,
) -> anyhow::Result<Vec<Row>> {
    let runners = launch(&store).await?;
    // One beside the other, for the machine's own ups and downs to meet both.
    let (share, mut raws, mut wholes) = (effort.events.div_ceil(ROUNDS), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raws.push(raw(&broker.url(), share).await?);
        change(&store, &runners, share).await?;
        wholes.push(drained(&store, &broker.url(), share).await?);
    }
    let (raw, whole) = (
        Sample::new(raws)?.percentile(50),
        Sample::new(wholes)?.percentile(50),
    );

    let (sink, mut confirmed) = Telling::new(&broker.url())?;
    let publishing = Publishing::start(&store, sink);
    let mut waits = Vec::new();
    for _ in 0..effort.confirms {
        change(&store, &runners[..1], 1).await?;
        let committed = Instant::now();
        let at = timeout(PATIENTLY, confirmed.recv())
            .await?
            .context("the publisher ended")?;
        waits.push(at.saturating_duration_since(committed));
    }
    let waits = Sample::of_durations(waits)?;

    publishing.end().await?;
    store.close().await;

    Ok(vec![
        row(
            format!(
                "events from {database} through RabbitMQ's confirm to their mark; the broker alone, a window of 1,000"
            ),
            "80 %",
            format!("{whole:.0}/s; {raw:.0}/s ({:.0} %)", 100.0 * whole / raw),
        ),
        row(
            format!("commit in {database} to RabbitMQ's confirm"),
            "p50 4 ms",
            format!(
                "p50 {}, p95 {}",
                Unit::Milliseconds.print(waits.percentile(50)),
                Unit::Milliseconds.print(waits.percentile(95))
            ),
        ),
    ])
}

/// How soon events are confirmed again after the broker was killed.
async fn recovery(
    effort: &Effort,
    store: Arc<dyn Store>,
    broker: &mut RabbitMq,
) -> anyhow::Result<Row> {
    let runners = launch(&store).await?;
    let (sink, mut confirmed) = Telling::new(&broker.url())?;
    let publishing = Publishing::start(&store, sink);
    // The project and what was launched come first.
    timeout(PATIENTLY, until_quiet(&store)).await??;
    while confirmed.try_recv().is_ok() {}
    // RabbitMQ 3.10 forgets a quorum queue that it made within the second before it was killed, and nothing tells when that is over.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (mut starts, mut recoveries) = (Vec::new(), Vec::new());
    for _ in 0..effort.kills {
        broker.kill()?;
        change(&store, &runners[..1], 1).await?;
        let begun = Instant::now();
        tokio::task::block_in_place(|| broker.restart())?;
        let back = Instant::now();
        let at = timeout(PATIENTLY, confirmed.recv())
            .await?
            .context("the publisher ended")?;
        starts.push(back - begun);
        recoveries.push(at.saturating_duration_since(back));
    }
    publishing.end().await?;
    store.close().await;
    let (start, recovery) = (
        Sample::of_durations(starts)?,
        Sample::of_durations(recoveries)?,
    );
    Ok(row(
        "recovery after RabbitMQ's kill -9: from its first answer to the first event confirmed (its own start before)"
            .to_owned(),
        "",
        format!(
            "{} ({})",
            recovery.spread(Unit::Milliseconds),
            start.spread(Unit::Seconds)
        ),
    ))
}

/// Waits until nothing waits.
async fn until_quiet(store: &Arc<dyn Store>) -> anyhow::Result<()> {
    while store.outbox_depth().await? > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn row(figure: String, goal: &'static str, figures: String) -> Row {
    Row {
        figure,
        goal,
        ours: Cell::Measured(figures),
        tmux: Cell::Inapplicable,
    }
}

/// Says of a message what is said of an event: what a broker has to keep beside a body costs it a part of the whole.
fn properties(number: usize) -> BasicProperties {
    let mut headers = FieldTable::default();
    let trace = AMQPValue::LongString(format!("00-{number:032x}-{number:016x}-01").into());
    headers.insert("traceparent".into(), trace);
    BasicProperties::default()
        .with_app_id("stratavore".into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_headers(headers)
        .with_message_id(uuid::Uuid::from_u128(number as u128).to_string().into())
        .with_timestamp(1_700_000_000)
        .with_type("stratavore.event.v1".into())
}

/// What the broker takes of such messages from memory.
async fn raw(url: &str, count: usize) -> anyhow::Result<f64> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await?;
    // What is published to is declared as for events.
    let names = Names::beginning_with("raw");
    let sink = Broker::new(url.parse()?, names.clone(), Patience::default());
    sink.ready().await.map_err(anyhow::Error::msg)?;
    let (exchange, body) = (names.events(), vec![b'x'; BODY]);
    let mut under_way = VecDeque::new();
    let begun = Instant::now();
    for number in 0..count {
        if under_way.len() == WINDOW
            && let Some(confirm) = under_way.pop_front()
        {
            let confirm: lapin::PublisherConfirm = confirm;
            anyhow::ensure!(confirm.await?.is_ack(), "the broker did not keep a message");
        }
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        let published = channel.basic_publish(
            exchange.as_str().into(),
            "runner.paused.bench".into(),
            options,
            &body,
            properties(number),
        );
        under_way.push_back(published.await?);
    }
    for confirm in under_way {
        anyhow::ensure!(confirm.await?.is_ack(), "the broker did not keep a message");
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// How fast a publisher empties an outbox in which so many events wait.
async fn drained(store: &Arc<dyn Store>, url: &str, count: usize) -> anyhow::Result<f64> {
    let (sink, mut confirmed) = Telling::new(url)?;
    // The broker alone is measured once it is connected to, too.
    sink.ready().await.map_err(anyhow::Error::msg)?;
    let begun = Instant::now();
    let publishing = Publishing::start(store, sink);
    // To count what waits costs the machine something: only what is confirmed can be marked.
    for _ in 0..count {
        timeout(PATIENTLY, confirmed.recv())
            .await?
            .context("the publisher ended")?;
    }
    timeout(PATIENTLY, until_quiet(store)).await??;
    let rate = count as f64 / begun.elapsed().as_secs_f64();
    publishing.end().await?;
    Ok(rate)
}

/// A publisher at work.
struct Publishing {
    cancel: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Publishing {
    fn start(store: &Arc<dyn Store>, sink: Telling) -> Self {
        let publisher = Publisher::new(
            Arc::clone(store),
            Arc::new(sink),
            Arc::new(SystemClock),
            Terms::default(),
        );
        let cancel = CancellationToken::new();
        let task = tokio::spawn(publisher.run(cancel.clone()));
        Self { cancel, task }
    }

    async fn end(self) -> anyhow::Result<()> {
        self.cancel.cancel();
        Ok(self.task.await?)
    }
}

/// The broker as a sink that tells of each confirm.
struct Telling {
    sink: Broker,
    confirms: mpsc::UnboundedSender<Instant>,
}

impl Telling {
    fn new(url: &str) -> anyhow::Result<(Self, mpsc::UnboundedReceiver<Instant>)> {
        let address = url.parse::<Address>()?;
        let sink = Broker::new(address, Names::default(), Patience::default());
        let (confirms, confirmed) = mpsc::unbounded_channel();
        Ok((Self { sink, confirms }, confirmed))
    }
}

#[async_trait]
impl Sink for Telling {
    async fn ready(&self) -> Result<(), String> {
        self.sink.ready().await
    }

    async fn deliver(&self, rows: &[OutboxRow]) -> Delivery {
        let delivery = self.sink.deliver(rows).await;
        let now = Instant::now();
        for _ in delivery
            .outcomes
            .iter()
            .filter(|outcome| **outcome == Outcome::Taken)
        {
            // Nobody listens any more when the row is measured.
            let _ = self.confirms.send(now);
        }
        delivery
    }
}

async fn launch(store: &Arc<dyn Store>) -> anyhow::Result<Vec<RunnerId>> {
    let now = SystemClock.now();
    let new = NewProject {
        id: ProjectId::new(now),
        name: Name::new("bench")?,
        path: "/".into(),
        max_runners: None,
    };
    let project = store.add_project(new, now).await?.id;
    let mut runners = Vec::new();
    for _ in 0..RUNNERS {
        let id = RunnerId::new(SystemClock.now());
        let new = NewRunner {
            id,
            name: None,
            project_id: project,
            node: store.instance().clone(),
            person: "ada".to_owned(),
            launch: Launch::new("claude", &["claude"], "/"),
            queue: false,
            request_id: None,
        };
        store.launch(new, FREE, SystemClock.now()).await?;
        let started = Input::Started {
            attempt: 1,
            process: Process {
                pid: 4242,
                start_time: 1,
                boot_id: "boot".to_owned(),
            },
            at: SystemClock.now(),
        };
        store.apply(id, started, FREE, SystemClock.now()).await?;
        runners.push(id);
    }
    Ok(runners)
}

/// Makes so many events.
async fn change(store: &Arc<dyn Store>, runners: &[RunnerId], count: usize) -> anyhow::Result<()> {
    let mut changes = JoinSet::new();
    for (index, id) in runners.iter().enumerate() {
        let (store, id) = (Arc::clone(store), *id);
        let share = count / runners.len() + usize::from(index < count % runners.len());
        changes.spawn(async move {
            let mut made = 0;
            let inputs = [Input::Pause, Input::Continue];
            // One of the two is refused first where an earlier round ended with it.
            for input in inputs.iter().cycle() {
                if made == share {
                    break;
                }
                match store
                    .apply(id, input.clone(), FREE, SystemClock.now())
                    .await
                {
                    Ok(applied) => made += usize::from(applied.changed),
                    Err(stratavore_store::StoreError::Refused(_)) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            anyhow::Ok(())
        });
    }
    changes.join_all().await.into_iter().collect()
}
