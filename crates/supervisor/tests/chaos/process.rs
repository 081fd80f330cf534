//! The publisher as a process of its own, to be killed.

use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use rustix::process::{Signal, getpid, kill_process};
use stratavore_core::clock::SystemClock;
use stratavore_store::OutboxRow;
use stratavore_supervisor::broker::{Broker, Names};
use stratavore_supervisor::bus::{Delivery, Sink};
use stratavore_supervisor::publisher::Publisher;
use stratavore_testkit::Process;
use tokio_util::sync::CancellationToken;

use crate::support::patience;
use crate::world::{self, Database};

const DATABASE: &str = "CHAOS_DATABASE";
const BROKER: &str = "CHAOS_BROKER";
const PREFIX: &str = "CHAOS_PREFIX";
const DEATH: &str = "CHAOS_DEATH";

/// When a publisher kills itself, at the so manieth delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// Everything before is marked, and nothing more is published.
    Marked(u32),
    /// All of it is confirmed, and nothing of it marked.
    Confirmed(u32),
}

/// A running publisher, which ends with this value.
pub(crate) struct PublisherProcess {
    child: Child,
    process: Process,
}

impl PublisherProcess {
    /// Starts one.
    pub(crate) fn start(
        database: &Database,
        broker: &str,
        prefix: &str,
        death: Option<Death>,
    ) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                "--exact",
                "process::publishes_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(DATABASE, database.to_string())
            .env(BROKER, broker)
            .env(PREFIX, prefix)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some(death) = death {
            command.env(DEATH, death.to_string());
        }
        let child = command.spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        Self { child, process }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for PublisherProcess {
    fn drop(&mut self) {
        // Fails only when it has killed itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Marked(at) => write!(f, "marked {at}"),
            Self::Confirmed(at) => write!(f, "confirmed {at}"),
        }
    }
}

impl Death {
    fn read(text: &str) -> Self {
        let (point, at) = text.split_once(' ').unwrap();
        let at = at.parse().unwrap();
        match point {
            "marked" => Self::Marked(at),
            _ => Self::Confirmed(at),
        }
    }
}

/// A sink that ends its process at a certain point.
struct Mortal {
    sink: Broker,
    death: Option<Death>,
    deliveries: AtomicU32,
}

#[async_trait]
impl Sink for Mortal {
    async fn ready(&self) -> Result<(), String> {
        self.sink.ready().await
    }

    async fn deliver(&self, rows: &[OutboxRow]) -> Delivery {
        let this = self.deliveries.fetch_add(1, Ordering::Relaxed) + 1;
        if matches!(self.death, Some(Death::Marked(at)) if at == this) {
            die();
        }
        let delivery = self.sink.deliver(rows).await;
        if matches!(self.death, Some(Death::Confirmed(at)) if at == this) {
            die();
        }
        delivery
    }
}

fn die() {
    kill_process(getpid(), Signal::KILL).unwrap();
}

/// Not a test of its own: the process that [`PublisherProcess`] starts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by other tests, which kill it"]
async fn publishes_until_killed() {
    let Ok(database) = env::var(DATABASE) else {
        return;
    };
    let store = Database::read(&database).open().await;
    let names = Names::beginning_with(&env::var(PREFIX).unwrap());
    let sink = Mortal {
        sink: Broker::new(
            env::var(BROKER).unwrap().parse().unwrap(),
            names,
            patience(),
        ),
        death: env::var(DEATH).ok().map(|death| Death::read(&death)),
        deliveries: AtomicU32::new(0),
    };
    Publisher::new(store, Arc::new(sink), Arc::new(SystemClock), world::terms())
        .run(CancellationToken::new())
        .await;
}
