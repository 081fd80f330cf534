//! Tells when quiet hours are over, so that what is owed is shown then.

use std::sync::Arc;
use std::time::Duration;

use chrono::Local;

use crate::supervisor::{Change, Inner};

/// How often the time of day is looked at: clocks are set, machines sleep.
const LOOK: Duration = Duration::from_secs(30);

/// Watches the time of day, where quiet hours are set.
pub(crate) async fn watch(inner: Arc<Inner>) {
    let Some(quiet) = inner.config.quiet_hours() else {
        return;
    };
    let mut held = false;
    loop {
        let hold = quiet.hold(inner.clock.now().with_timezone(&Local).time());
        if held && !hold {
            inner.changed(Change::Notices);
        }
        held = hold;
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
