//! Tells when nobody needs this host any more.

use std::time::Duration;

use stratavore_api::Host;
use tokio::time::Instant;

/// Returns once there have been neither clients nor runners for as long as `patience`.
pub(crate) async fn idle(host: &Host, patience: Duration) {
    let mut clients = host.clients().watch();
    let mut changes = host.supervisor().changes();
    loop {
        let busy = *clients.borrow_and_update() > 0 || has_runners(host).await;
        let deadline = Instant::now() + patience;
        tokio::select! {
            _ = clients.changed() => {}
            _ = changes.recv() => {}
            () = tokio::time::sleep_until(deadline), if !busy => return,
        }
    }
}

/// A host that cannot tell stays.
async fn has_runners(host: &Host) -> bool {
    host.supervisor()
        .active(None)
        .await
        .map_or(true, |active| !active.is_empty())
}
