//! The publisher as a process of its own, to be killed or stopped.

use std::env;
use std::io::{self, Read};
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
use stratavore_testkit::{Process, wait_until_async};
use tempfile::NamedTempFile;
use tokio_util::sync::CancellationToken;

use crate::support::patience;
use crate::world::{self, Database, PATIENTLY};

const DATABASE: &str = "CHAOS_DATABASE";
const BROKER: &str = "CHAOS_BROKER";
const PREFIX: &str = "CHAOS_PREFIX";
const DEATH: &str = "CHAOS_DEATH";

/// What a publisher logs that was told of another owner of what it publishes.
const FENCED: &str = "another host took over a part of the outbox";

/// What it logs that begins anew for another reason.
const WAIT: &str = "events wait";

/// What one says that waits to be stopped.
const WAITS: &str = "all of it is confirmed and nothing of it is marked";

/// When a publisher kills itself, or waits to be stopped, at the so manieth delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// Everything before is marked, and nothing more is published.
    Marked(u32),
    /// All of it is confirmed, and nothing of it marked.
    Confirmed(u32),
    /// The same, but it waits, and goes on in the end.
    Waits(u32),
}

/// A running publisher, which ends with this value.
pub(crate) struct PublisherProcess {
    child: Child,
    process: Process,
    log: NamedTempFile,
}

impl PublisherProcess {
    /// Starts one.
    pub(crate) fn start(
        database: &Database,
        broker: &str,
        prefix: &str,
        death: Option<Death>,
    ) -> Self {
        let log = NamedTempFile::new().unwrap();
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
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.reopen().unwrap());
        if let Some(death) = death {
            command.env(DEATH, death.to_string());
        }
        let child = command.spawn().unwrap();
        let process = Process::find(child.id()).unwrap();
        Self {
            child,
            process,
            log,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    async fn logs(&self, words: &str) {
        let logged = async || match self.log() {
            log if log.contains(words) => Ok(()),
            log => Err(log),
        };
        wait_until_async(PATIENTLY, words, logged).await;
    }

    /// Stops one that [waits](Death::Waits).
    pub(crate) async fn stop(&self) {
        self.logs(WAITS).await;
        self.signal(Signal::STOP);
        let stopped = async || self.process.state() == Some('T');
        wait_until_async(PATIENTLY, "the publisher to be stopped", stopped).await;
    }

    /// Lets it go on to mark what was confirmed, which is another's by now; tells whether the fence told it so. It is not
    /// asked where the database seems not to have answered while this was stopped: then it begins anew by itself.
    pub(crate) async fn goes_on_and_is_fenced(&mut self) -> bool {
        let before = self.log().len();
        self.signal(Signal::CONT);
        drop(self.child.stdin.take());
        let told = async || {
            let log = self.log()[before..].to_owned();
            match (log.contains(FENCED), log.contains(WAIT)) {
                (false, false) => Err(log),
                (fenced, _) => Ok(fenced),
            }
        };
        wait_until_async(PATIENTLY, "the publisher to be told", told).await
    }
}

impl Drop for PublisherProcess {
    fn drop(&mut self) {
        // Fails only when it has killed itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- a publisher logged\n{}", self.log());
        }
    }
}

impl std::fmt::Display for Death {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Marked(at) => write!(f, "marked {at}"),
            Self::Confirmed(at) => write!(f, "confirmed {at}"),
            Self::Waits(at) => write!(f, "waits {at}"),
        }
    }
}

impl Death {
    fn read(text: &str) -> Self {
        let (point, at) = text.split_once(' ').unwrap();
        let at = at.parse().unwrap();
        match point {
            "marked" => Self::Marked(at),
            "confirmed" => Self::Confirmed(at),
            _ => Self::Waits(at),
        }
    }
}

/// A sink that ends its process, or holds it up, at a certain point.
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
        match self.death {
            Some(Death::Confirmed(at)) if at == this => die(),
            Some(Death::Waits(at)) if at == this => {
                eprintln!("{WAITS}");
                // Nothing else of this publisher goes on meanwhile: it is one task.
                let _ = io::stdin().read(&mut [0]);
            }
            _ => {}
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
    tracing_subscriber::fmt().with_writer(io::stderr).init();
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
