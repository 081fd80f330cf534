//! Tells when quiet hours are over, so that what is owed is shown then.

use std::sync::Arc;
use std::time::Duration;

use chrono::Local;

use crate::supervisor::{Change, Inner, Supervisor};

/// How often the time of day is looked at: clocks are set, machines sleep.
const LOOK: Duration = Duration::from_secs(30);

/// Watches the time of day, where quiet hours are set.
pub(crate) async fn watch(inner: Arc<Inner>) {
    if inner.config.quiet_hours().is_none() {
        return;
    }
    let mut held = false;
    loop {
        let hold = inner.is_quiet();
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

impl Inner {
    fn is_quiet(&self) -> bool {
        let time = self.clock.now().with_timezone(&Local).time();
        self.config
            .quiet_hours()
            .is_some_and(|quiet| quiet.hold(time))
    }
}

impl Supervisor {
    /// Tells whether these are quiet hours, in which nothing is notified.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.inner.is_quiet()
    }
}
