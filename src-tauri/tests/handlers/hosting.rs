//! Which host is in force, and what happens when it goes.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use stratavore_api::{Api, v1};
use stratavore_desktop::hosting::{Ended, Found, Hosts, NoHost, Nudges, OwnHost, keep};
use stratavore_desktop::slot::Slot;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::support::host::FakeHost;

const PATIENCE: Duration = Duration::from_secs(10);

/// Gives the hosts that a test lined up, one for each time it is asked.
#[derive(Default)]
struct Line(Mutex<VecDeque<Result<Found, NoHost>>>);

#[async_trait]
impl Hosts for Line {
    async fn find(&self) -> Result<Found, NoHost> {
        let next = self.0.lock().unwrap().pop_front();
        next.unwrap_or_else(|| Err(NoHost::NotYet("the line is at its end".into())))
    }
}

struct Own {
    host: Arc<FakeHost>,
    asked: CancellationToken,
    down: Arc<AtomicBool>,
}

#[async_trait]
impl OwnHost for Own {
    fn api(&self) -> Arc<dyn Api> {
        self.host.clone()
    }
    async fn closed(&self) {
        self.asked.cancelled().await;
    }
    async fn shutdown(self: Box<Self>) {
        self.down.store(true, Ordering::SeqCst);
    }
}

struct Kept {
    slot: Arc<Slot>,
    nudges: Nudges,
    stop: CancellationToken,
    ended: JoinHandle<Ended>,
}

impl Kept {
    fn of(line: Vec<Result<Found, NoHost>>) -> Self {
        let hosts = Line(Mutex::new(line.into()));
        let (slot, nudges, stop) = (
            Arc::new(Slot::default()),
            broadcast::Sender::new(64),
            CancellationToken::new(),
        );
        let ended = {
            let (slot, nudges, stop) = (slot.clone(), nudges.clone(), stop.clone());
            tokio::spawn(async move { keep(&hosts, &slot, &nudges, &stop).await })
        };
        Self {
            slot,
            nudges,
            stop,
            ended,
        }
    }

    /// Waits until the host of that version is in force.
    async fn in_force(&self, version: &str) -> bool {
        let mut seats = self.slot.changes();
        let embedded = async {
            loop {
                let seat = seats.borrow_and_update().clone();
                if let Some(seat) = seat
                    && seat
                        .api
                        .status()
                        .await
                        .is_ok_and(|status| status.version == version)
                {
                    return seat.embedded;
                }
                seats.changed().await.unwrap();
            }
        };
        timeout(PATIENCE, embedded)
            .await
            .unwrap_or_else(|_| panic!("host {version} is not in force"))
    }

    async fn end(self) -> Ended {
        timeout(PATIENCE, self.ended)
            .await
            .expect("it is kept on")
            .unwrap()
    }
}

fn own(host: &Arc<FakeHost>) -> (Result<Found, NoHost>, CancellationToken, Arc<AtomicBool>) {
    let (asked, down) = (CancellationToken::new(), Arc::default());
    let own = Own {
        host: host.clone(),
        asked: asked.clone(),
        down: Arc::clone(&down),
    };
    (Ok(Found::Own(Box::new(own))), asked, down)
}

async fn nudge(nudges: &mut broadcast::Receiver<v1::Nudge>, entity: &str) {
    let found = async { while nudges.recv().await.unwrap().entity != entity {} };
    timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("no nudge about {entity}"));
}

#[tokio::test]
async fn a_client_takes_over_when_its_host_goes_and_everything_is_asked_anew() {
    let (first, second) = (
        Arc::new(FakeHost::new("first")),
        Arc::new(FakeHost::new("second")),
    );
    let (taken, _asked, down) = own(&second);
    let line = vec![
        Ok(Found::Other(first.clone())),
        Err(NoHost::NotYet("it is still ending".into())),
        taken,
    ];
    let kept = Kept::of(line);
    assert!(!kept.in_force("first").await, "a client does not embed");
    let mut nudges = kept.nudges.subscribe();

    first.gone.cancel();
    assert!(
        kept.in_force("second").await,
        "after the take-over it embeds"
    );
    nudge(&mut nudges, "status").await;
    nudge(&mut nudges, "notifications").await;
    assert_eq!(
        kept.slot
            .api()
            .await
            .unwrap()
            .status()
            .await
            .unwrap()
            .version,
        "second"
    );

    kept.stop.cancel();
    let slot = kept.slot.clone();
    assert_eq!(kept.end().await, Ended::Cancelled);
    assert!(
        down.load(Ordering::SeqCst),
        "the host in this process is shut down"
    );
    assert!(slot.seat().is_none());
}

#[tokio::test]
async fn one_host_after_another_is_followed_while_others_hold_the_lock() {
    let (first, second) = (
        Arc::new(FakeHost::new("first")),
        Arc::new(FakeHost::new("second")),
    );
    let kept = Kept::of(vec![
        Ok(Found::Other(first.clone())),
        Ok(Found::Other(second.clone())),
    ]);
    kept.in_force("first").await;
    first.gone.cancel();
    assert!(!kept.in_force("second").await);
    let mut nudges = kept.nudges.subscribe();
    nudge_until_heard(&second, &mut nudges).await;
    kept.stop.cancel();
    assert_eq!(kept.end().await, Ended::Cancelled);
}

/// The host in force may not be watched yet when it nudges first.
async fn nudge_until_heard(host: &FakeHost, nudges: &mut broadcast::Receiver<v1::Nudge>) {
    let heard = async {
        loop {
            host.nudge("runner");
            if let Ok(Ok(nudge)) = timeout(Duration::from_millis(20), nudges.recv()).await
                && nudge.entity == "runner"
            {
                return;
            }
        }
    };
    timeout(PATIENCE, heard)
        .await
        .expect("its nudges are not passed on");
}

#[tokio::test]
async fn a_client_that_asks_the_embedded_host_to_end_ends_the_desktop() {
    let host = Arc::new(FakeHost::new("own"));
    let (taken, asked, down) = own(&host);
    let kept = Kept::of(vec![taken]);
    assert!(kept.in_force("own").await);
    asked.cancel();
    assert_eq!(kept.end().await, Ended::Asked);
    assert!(down.load(Ordering::SeqCst));
}

#[tokio::test]
async fn a_first_start_that_is_refused_says_why_and_a_later_one_is_tried_again() {
    let kept = Kept::of(vec![Err(NoHost::Refused("the database is newer".into()))]);
    assert_eq!(
        kept.end().await,
        Ended::Refused("the database is newer".into())
    );

    let (first, second) = (
        Arc::new(FakeHost::new("first")),
        Arc::new(FakeHost::new("second")),
    );
    let (taken, ..) = own(&second);
    let kept = Kept::of(vec![
        Ok(Found::Other(first.clone())),
        Err(NoHost::Refused("the disk is full".into())),
        taken,
    ]);
    kept.in_force("first").await;
    first.gone.cancel();
    assert!(kept.in_force("second").await);
    kept.stop.cancel();
    kept.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_a_host_and_then_says_that_there_is_none() {
    let slot = Slot::default();
    let Err(failure) = slot.api().await else {
        panic!("there is no host")
    };
    assert_eq!(failure.code, stratavore_api::Code::Unavailable);
    assert!(failure.hint.is_some());
}
