//! Gathers heartbeats into one statement.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use stratavore_store::{Heartbeat, Store};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::supervisor::Change;

/// How long the first heartbeat of a batch waits for others.
const GATHER: Duration = Duration::from_millis(100);

/// Writes heartbeats until cancelled. Of several of one runner only the latest is written.
pub(crate) async fn write(
    store: Arc<dyn Store>,
    mut heartbeats: mpsc::Receiver<Heartbeat>,
    changes: broadcast::Sender<Change>,
    cancel: CancellationToken,
) {
    let mut batch = HashMap::new();
    loop {
        tokio::select! {
            first = heartbeats.recv() => match first {
                Some(first) => batch.insert(first.runner, first),
                None => return,
            },
            () = cancel.cancelled() => return,
        };
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            () = cancel.cancelled() => {}
        }
        while let Ok(next) = heartbeats.try_recv() {
            batch.insert(next.runner, next);
        }
        let written = batch.drain().map(|(_, heartbeat)| heartbeat).collect();
        match store.record_heartbeats(written).await {
            Ok(()) => {
                let _ = changes.send(Change::Observations);
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "cannot write heartbeats"
            ),
        }
    }
}
