//! Keeps a host in force: supervises in this process where it can, asks whoever supervises otherwise, and takes over
//! when that one goes away.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use stratavore_api::{Api, Host, HostError, HostKind, Remote, v1};
use stratavore_core::config::Config;
use stratavore_core::places::Places;
use stratavore_rpc::ConnectError;
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::slot::{Seat, Slot};

/// The pauses between attempts to find a host: the first is short, since the lock of a host that died is free at once.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Nudges, wherever the host is.
pub type Nudges = broadcast::Sender<v1::Nudge>;

/// Gives hosts: the data directory's in production, made-up ones in tests.
#[async_trait]
pub trait Hosts: Send + Sync + 'static {
    /// Takes the host lock and supervises, or reaches whoever holds it.
    async fn find(&self) -> Result<Found, NoHost>;
}

/// A host that was found.
pub enum Found {
    /// This process supervises.
    Own(Box<dyn OwnHost>),
    /// Another process does.
    Other(Arc<dyn Api>),
}

/// The supervisor in this process.
#[async_trait]
pub trait OwnHost: Send + Sync {
    /// Asks it.
    fn api(&self) -> Arc<dyn Api>;
    /// Waits until a client asks it to end.
    async fn closed(&self);
    /// Ends it; runners go on.
    async fn shutdown(self: Box<Self>);
}

/// Why there is no host.
#[derive(Debug, thiserror::Error)]
pub enum NoHost {
    /// One is starting or ending.
    #[error("{0}")]
    NotYet(String),
    /// This data directory cannot be supervised.
    #[error("{0}")]
    Refused(String),
}

/// Why keeping a host ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The desktop ends.
    Cancelled,
    /// A client asked the host in this process to end.
    Asked,
    /// The very first start was refused, for this reason.
    Refused(String),
}

/// Keeps a host in the slot until `stop`, and passes its nudges on.
pub async fn keep(
    hosts: &dyn Hosts,
    slot: &Slot,
    nudges: &Nudges,
    stop: &CancellationToken,
) -> Ended {
    let mut pause = FIRST_PAUSE;
    let mut ever = false;
    loop {
        match stop.run_until_cancelled(hosts.find()).await {
            None => return Ended::Cancelled,
            Some(Ok(Found::Own(host))) => {
                let api = host.api();
                slot.fill(Seat {
                    api: api.clone(),
                    embedded: true,
                });
                renew(nudges);
                let ended = tokio::select! {
                    () = stop.cancelled() => Ended::Cancelled,
                    () = host.closed() => Ended::Asked,
                    () = pass_on_for_ever(&api, nudges) => Ended::Cancelled,
                };
                slot.vacate();
                host.shutdown().await;
                return ended;
            }
            Some(Ok(Found::Other(api))) => {
                (ever, pause) = (true, FIRST_PAUSE);
                slot.fill(Seat {
                    api: api.clone(),
                    embedded: false,
                });
                renew(nudges);
                if stop
                    .run_until_cancelled(pass_on(&api, nudges))
                    .await
                    .is_none()
                {
                    return Ended::Cancelled;
                }
                tracing::info!("the host went away: looking for another, or taking over");
                slot.vacate();
            }
            Some(Err(NoHost::Refused(why))) if !ever => return Ended::Refused(why),
            Some(Err(error)) => tracing::debug!(%error, "no host yet"),
        }
        if stop.run_until_cancelled(sleep(pause)).await.is_none() {
            return Ended::Cancelled;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Passes nudges on until the host ends the stream.
async fn pass_on(api: &Arc<dyn Api>, nudges: &Nudges) {
    match api.watch().await {
        Ok(mut stream) => {
            while let Some(Ok(nudge)) = stream.next().await {
                // Nobody listens when there is neither tray nor window; that is fine.
                let _ = nudges.send(nudge);
            }
        }
        Err(failure) => tracing::warn!(%failure, "cannot watch the host"),
    }
}

/// Passes nudges on; a stream that ended (its reader was too slow) is opened anew, and all is asked again.
async fn pass_on_for_ever(api: &Arc<dyn Api>, nudges: &Nudges) {
    loop {
        pass_on(api, nudges).await;
        sleep(FIRST_PAUSE).await;
        renew(nudges);
    }
}

/// Nudges for everything: what was known of an earlier host may be old.
fn renew(nudges: &Nudges) {
    for entity in ["status", "notifications"] {
        let _ = nudges.send(v1::Nudge {
            entity: entity.to_owned(),
            id: String::new(),
        });
    }
}

/// The host of a data directory.
pub struct DataDirectory {
    /// Where it is.
    pub places: Places,
    /// What its host is told to do.
    pub config: Config,
}

#[async_trait]
impl Hosts for DataDirectory {
    async fn find(&self) -> Result<Found, NoHost> {
        let (places, config) = (self.places.clone(), self.config.clone());
        // Opening the store blocks: migrations are copied and run.
        let runtime = Handle::current();
        let started = spawn_blocking(move || {
            runtime.block_on(Host::start(places, HostKind::Desktop, config))
        })
        .await;
        match started {
            Ok(Ok(host)) => Ok(Found::Own(Box::new(host))),
            Ok(Err(HostError::Held(_))) => reach(self.places.clone())
                .await
                .map_err(|error| NoHost::NotYet(chain(&error))),
            Ok(Err(error)) => Err(NoHost::Refused(chain(&error))),
            Err(error) => Err(NoHost::Refused(chain(&error))),
        }
    }
}

/// Reaches whoever holds the lock.
async fn reach(places: Places) -> Result<Found, ConnectError> {
    let record = stratavore_rpc::find(&places)?;
    let client = stratavore_rpc::connect(&record.socket).await?;
    Ok(Found::Other(Arc::new(Remote::new(client))))
}

#[async_trait]
impl OwnHost for Host {
    fn api(&self) -> Arc<dyn Api> {
        Host::api(self)
    }
    async fn closed(&self) {
        Host::closed(self).await;
    }
    async fn shutdown(self: Box<Self>) {
        Host::shutdown(&self).await;
    }
}

/// Tells an error with everything that caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
