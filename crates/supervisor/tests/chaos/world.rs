//! Writers, a reader, and what is between them.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, Process};
use stratavore_store::postgres::{self, PostgresStore};
use stratavore_store::sqlite::{Options, SqliteStore};
use stratavore_store::{Cursor, EventFilter, NewProject, NewRunner, Store};
use stratavore_supervisor::broker::{Broker, Names};
use stratavore_supervisor::publisher::{Pauses, Publisher, Terms};
use stratavore_testkit::wait_until_async;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::oracle::Oracle;
use crate::support::{Reader, names, patience, tidy};

/// Few at once, so that many batches are under way in a short run.
const BATCH: u32 = 50;
const RUNNERS: usize = 16;
/// While as many wait, no more are written: what a slow machine has to catch up with is bounded.
const ENOUGH: u64 = 2000;
/// Between two events of one runner.
const PACE: Duration = Duration::from_millis(2);
/// A broker that was killed may take so long to be back.
pub(crate) const PATIENTLY: Duration = Duration::from_secs(60);

const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};

/// Short terms, so that what takes over does so within the test.
pub(crate) fn terms() -> Terms {
    Terms {
        ttl: Duration::from_secs(3),
        batch: BATCH,
        pauses: Pauses {
            first: Duration::from_millis(50),
            longest: Duration::from_millis(500),
        },
        backstop: Terms::default().backstop,
    }
}

/// Tells whether the long version was asked for (`make chaos`).
pub(crate) fn is_long() -> bool {
    std::env::var_os("STRATAVORE_CHAOS").is_some_and(|value| value == "long")
}

/// A database that several processes open.
#[derive(Clone, Debug)]
pub(crate) enum Database {
    /// A directory for the file and the key.
    Sqlite(PathBuf),
    /// A URL, and a directory for the key.
    Postgres(String, PathBuf),
}

impl Database {
    pub(crate) fn read(text: &str) -> Self {
        match text.split_once(' ') {
            Some((url, directory)) => Self::Postgres(url.to_owned(), directory.into()),
            None => Self::Sqlite(text.into()),
        }
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(directory) => {
                let file = |name: &str| directory.join(name);
                // Here alone two processes write to one file.
                let options = Options {
                    busy_timeout: PATIENTLY,
                    ..Options::default()
                };
                let store = SqliteStore::open(file("db"), file("key"), options, SystemClock.now());
                Arc::new(store.await.unwrap())
            }
            Self::Postgres(url, directory) => {
                let options = postgres::Options::default();
                let node = InstanceId::from_stored("c0ffee00".to_owned());
                let store = PostgresStore::open(url, node, directory.join("key"), options).await;
                Arc::new(store.unwrap())
            }
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(directory) => write!(f, "{}", directory.display()),
            Self::Postgres(url, directory) => write!(f, "{url} {}", directory.display()),
        }
    }
}

/// Events that are written and read while things go wrong in between.
pub(crate) struct World {
    pub(crate) database: Database,
    pub(crate) store: Arc<dyn Store>,
    /// The broker's URL.
    pub(crate) url: String,
    pub(crate) names: Names,
    pub(crate) prefix: String,
    oracle: Arc<Mutex<Oracle>>,
    /// What the reader is about.
    reader: Arc<Mutex<String>>,
    /// What troubles the publishers of this process.
    troubles: Mutex<Vec<watch::Receiver<Option<String>>>>,
    writers: Vec<JoinHandle<()>>,
    writing: CancellationToken,
    _reading: DropGuard,
}

impl World {
    /// Begins to write and read.
    pub(crate) async fn begin(database: Database, url: String) -> Self {
        let store = database.open().await;
        let names = names();
        let prefix = names.events().trim_end_matches(".events").to_owned();
        let oracle = Arc::new(Mutex::new(Oracle::default()));
        // The reader's queue is there as soon as a publisher was.
        let sink = Broker::new(url.parse().unwrap(), names.clone(), patience());
        stratavore_supervisor::bus::Sink::ready(&sink)
            .await
            .unwrap();
        let reading = CancellationToken::new();
        let reader = Arc::new(Mutex::new(String::new()));
        let read = read(
            url.clone(),
            names.clone(),
            Arc::clone(&oracle),
            Arc::clone(&reader),
        );
        tokio::spawn(reading.clone().run_until_cancelled_owned(read));
        let writing = CancellationToken::new();
        let now = SystemClock.now();
        let project = NewProject {
            id: ProjectId::new(now),
            name: Name::new("api").unwrap(),
            path: "/srv".into(),
            max_runners: None,
        };
        let project = store.add_project(project, now).await.unwrap().id;
        let (enough, held) = watch::channel(false);
        let hold_back = hold_back(Arc::clone(&store), enough);
        tokio::spawn(reading.clone().run_until_cancelled_owned(hold_back));
        let mut writers = Vec::new();
        for _ in 0..RUNNERS {
            let write = write(Arc::clone(&store), project, held.clone(), writing.clone());
            writers.push(tokio::spawn(write));
        }
        Self {
            database,
            store,
            url,
            names,
            prefix,
            oracle,
            reader,
            troubles: Mutex::default(),
            writers,
            writing,
            _reading: reading.drop_guard(),
        }
    }

    /// Starts a publisher in this process, to a broker reached by this URL.
    pub(crate) fn publish(
        &self,
        store: Arc<dyn Store>,
        url: &str,
        clock: Arc<dyn Clock>,
    ) -> Publishing {
        let sink = Broker::new(url.parse().unwrap(), self.names.clone(), patience());
        let publisher = Publisher::new(store, Arc::new(sink), clock, terms());
        self.troubles.lock().unwrap().push(publisher.trouble());
        let cancel = CancellationToken::new();
        let task = tokio::spawn(publisher.run(cancel.clone()));
        Publishing { cancel, task }
    }

    /// Waits until so many more events have come for the first time.
    pub(crate) async fn progress(&self, events: u64) {
        let firsts = || self.oracle.lock().unwrap().firsts;
        let wanted = firsts() + events;
        let came = async || {
            let now = firsts();
            if now >= wanted {
                return Ok(());
            }
            Err(format!("{now} of {wanted} came; {}", self.tell().await))
        };
        wait_until_async(PATIENTLY, "events to come", came).await;
    }

    /// Tells where events may be held up.
    async fn tell(&self) -> String {
        let depth = timeout(Duration::from_secs(1), self.store.outbox_depth()).await;
        let waiting = match depth {
            Ok(Ok(depth)) => format!("{depth} wait"),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the store does not answer".to_owned(),
        };
        let troubles = self.troubles.lock().unwrap();
        let troubles: Vec<_> = troubles
            .iter()
            .map(|trouble| trouble.borrow().clone())
            .collect();
        let reader = self.reader.lock().unwrap();
        format!("{waiting}; publishers: {troubles:?}; the reader {reader}")
    }

    /// Waits until the broker has events whose confirm a muted connection holds back. Those that came last may be such
    /// already: then no more come.
    pub(crate) async fn unconfirmed(&self) {
        let _ = timeout(Duration::from_secs(1), self.progress(1)).await;
    }

    /// Waits until so many events wait.
    pub(crate) async fn wait_for_backlog(&self, events: u64) {
        let waiting = async || match self.store.outbox_depth().await {
            Ok(depth) if depth >= events => Ok(()),
            Ok(depth) => Err(format!("{depth} wait")),
            Err(error) => Err(error.to_string()),
        };
        wait_until_async(PATIENTLY, "events to wait", waiting).await;
    }

    /// Ends the writers, lets a healthy publisher deliver what is left, and judges.
    pub(crate) async fn end(mut self, faults: u64) {
        self.writing.cancel();
        for writer in std::mem::take(&mut self.writers) {
            writer.await.unwrap();
        }
        let store = Arc::clone(&self.store);
        let publishing = self.publish(store, &self.url, Arc::new(SystemClock));
        let empty = async || match self.store.outbox_depth().await {
            Ok(0) => Ok(()),
            Ok(_) => Err(self.tell().await),
            Err(error) => Err(error.to_string()),
        };
        wait_until_async(PATIENTLY, "the outbox to be empty", empty).await;
        publishing.end().await;
        assert!(
            self.store.dead_letters().await.unwrap().is_empty(),
            "no fault was an event's"
        );
        let heads = heads(&*self.store).await;
        let came = async || match self.oracle.lock().unwrap().has_all(&heads) {
            true => Ok(()),
            false => Err(format!("the reader {}", self.reader.lock().unwrap())),
        };
        wait_until_async(PATIENTLY, "everything to come", came).await;
        let judged = self
            .oracle
            .lock()
            .unwrap()
            .judge(&heads, faults * u64::from(BATCH));
        judged.unwrap_or_else(|wrong| panic!("{wrong}"));
        tidy(&self.url, &self.names).await.unwrap();
        self.store.close().await;
    }
}

/// A publisher in this process.
pub(crate) struct Publishing {
    cancel: CancellationToken,
    task: JoinHandle<()>,
}

impl Publishing {
    pub(crate) async fn end(self) {
        self.cancel.cancel();
        self.task.await.unwrap();
    }
}

/// Takes what arrives, over as many connections as it takes, and tells what it is about.
async fn read(url: String, names: Names, oracle: Arc<Mutex<Oracle>>, about: Arc<Mutex<String>>) {
    let say = |what: String| *about.lock().unwrap() = what;
    loop {
        say("connects".to_owned());
        oracle.lock().unwrap().reads_anew();
        // A client without patience of its own: a broker that is not quite there may never answer.
        match timeout(patience().connect, Reader::open(&url, &names)).await {
            Ok(Ok(mut reader)) => {
                say("reads".to_owned());
                loop {
                    let message = match reader.next().await {
                        Ok(Some(message)) => message,
                        ended => {
                            say(format!("was cut off: {:?}", ended.err()));
                            break;
                        }
                    };
                    let body: serde_json::Value = serde_json::from_slice(&message.data).unwrap();
                    let aggregate: Uuid = body["aggregate_id"].as_str().unwrap().parse().unwrap();
                    let seq = body["seq"].as_u64().unwrap();
                    let mut oracle = oracle.lock().unwrap();
                    match message.redelivered {
                        true => oracle.saw_again(aggregate, seq),
                        false => oracle.saw(aggregate, seq),
                    }
                }
            }
            Ok(Err(error)) => say(format!("cannot connect: {error}")),
            Err(_) => say("was not answered".to_owned()),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Says whether enough waits, so that writers hold back.
async fn hold_back(store: Arc<dyn Store>, enough: watch::Sender<bool>) {
    loop {
        if let Ok(depth) = store.outbox_depth().await {
            enough.send_replace(depth >= ENOUGH);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Lets a runner be paused and continued until told to end. What a database that is away did not take is tried again.
async fn write(
    store: Arc<dyn Store>,
    project: ProjectId,
    mut enough: watch::Receiver<bool>,
    end: CancellationToken,
) {
    let id = RunnerId::new(SystemClock.now());
    let launch = || NewRunner {
        id,
        name: None,
        project_id: project,
        node: store.instance().clone(),
        person: "ada".into(),
        launch: Launch::new("claude", &["claude"], "/srv"),
        queue: false,
        request_id: Some(id.as_uuid()),
    };
    while store
        .launch(launch(), FREE, SystemClock.now())
        .await
        .is_err()
    {
        sleep(PACE).await;
    }
    let started = Input::Started {
        attempt: 1,
        process: Process {
            pid: 4242,
            start_time: 1,
            boot_id: "boot".into(),
        },
        at: SystemClock.now(),
    };
    let inputs = [Input::Pause, Input::Continue];
    for input in std::iter::once(&started).chain(inputs.iter().cycle()) {
        tokio::select! {
            () = end.cancelled() => return,
            _ = enough.wait_for(|enough| !enough) => {}
        }
        if end.is_cancelled() {
            return;
        }
        // A refusal means that it was committed though nobody could say so.
        let _ = store
            .apply(id, input.clone(), FREE, SystemClock.now())
            .await;
        sleep(PACE).await;
    }
}

/// How many events each aggregate has.
async fn heads(store: &dyn Store) -> HashMap<Uuid, u64> {
    let mut heads = HashMap::new();
    let mut after = Cursor::default();
    loop {
        let filter = EventFilter { after, limit: 1000 };
        let events = store.events(filter).await.unwrap();
        let Some(last) = events.last() else {
            return heads;
        };
        after = last.cursor;
        for event in events {
            heads.insert(event.aggregate_id, event.seq);
        }
    }
}
