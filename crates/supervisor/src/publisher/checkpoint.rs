//! Signs the audit log from time to time.

use std::sync::Arc;
use std::time::Duration;

use stratavore_core::clock::Clock;
use stratavore_store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

/// How long commits gather before a checkpoint is signed over them.
const CHECKPOINT_AFTER: Duration = Duration::from_secs(60);

/// Signs audit checkpoints over what was committed, some time after the first commit, and when cancelled.
pub(crate) async fn checkpoint(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    cancel: CancellationToken,
) {
    let mut commits = store.commits();
    loop {
        tokio::select! {
            () = cancel.cancelled() => break,
            changed = commits.changed() => if changed.is_err() { return },
        }
        tokio::select! {
            () = cancel.cancelled() => break,
            () = tokio::time::sleep_until(Instant::now() + CHECKPOINT_AFTER) => {}
        }
        commits.borrow_and_update();
        sign(&*store, &*clock).await;
    }
    sign(&*store, &*clock).await;
}

async fn sign(store: &dyn Store, clock: &dyn Clock) {
    if let Err(error) = store.checkpoint_audit(clock.now()).await {
        error!(
            error = &error as &dyn std::error::Error,
            "cannot sign an audit checkpoint"
        );
    }
}
