//! Follows changes.

use std::sync::Arc;
use std::time::Duration;

use stratavore_api::v1;
use stratavore_core::clock::Clock;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::known::Memory;
use super::model::{Menu, model};
use crate::desktop::Desktop;

/// How long a nudge waits for others: a launch gives several at once.
const GATHER: Duration = Duration::from_millis(20);
/// The least time between two looks, so that a thousand runners' nudges are ten looks a second. With [`GATHER`] and the
/// queries, a change shows within 200 ms.
const SPACING: Duration = Duration::from_millis(100);
/// The most time between two looks: that an agent fell silent is derived when it is asked, and nudges nobody.
const LONGEST: Duration = Duration::from_secs(15);

/// What following needs and where it leads.
pub struct Follow {
    /// What the tray is about.
    pub desktop: Arc<Desktop>,
    /// Rises whenever a person has the window in front.
    pub seen: watch::Receiver<u64>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Hands `show` the menu whenever it has changed, until `stop`.
pub async fn follow(follow: Follow, mut show: impl FnMut(Menu), stop: &CancellationToken) {
    let Follow {
        desktop,
        mut seen,
        clock,
    } = follow;
    let mut nudges = desktop.nudges.subscribe();
    let mut seats = desktop.slot.changes();
    let mut memory = Memory::default();
    let mut shown = None;
    let mut own = true;
    loop {
        if seen.has_changed().unwrap_or(false) {
            seen.mark_unchanged();
            memory.see_failures();
        }
        let seat = seats.borrow_and_update().clone();
        let now = clock.now();
        let Some(known) = stop
            .run_until_cancelled(memory.look(seat, &desktop, now))
            .await
        else {
            return;
        };
        let menu = model(&known, &chrono::Local);
        // A click on a check item changed the real one: it is put right even when nothing else is new.
        if own || shown.as_ref() != Some(&menu) {
            show(menu.clone());
            shown = Some(menu);
        }
        let next = async {
            sleep(SPACING - GATHER).await;
            own = tokio::select! {
                own = nudged(&mut nudges, &mut memory) => own,
                Ok(()) = seats.changed() => {
                    memory.forget_host();
                    false
                }
                Ok(()) = seen.changed() => {
                    memory.see_failures();
                    false
                }
                () = sleep(LONGEST) => false,
            };
            sleep(GATHER).await;
            while let Ok(nudge) = nudges.try_recv() {
                own |= memory.heed(&nudge);
            }
        };
        if stop.run_until_cancelled(next).await.is_none() {
            return;
        }
    }
}

/// Waits for a nudge that concerns the tray; tells whether it concerns the desktop itself.
async fn nudged(nudges: &mut broadcast::Receiver<v1::Nudge>, memory: &mut Memory) -> bool {
    loop {
        match nudges.recv().await {
            // CPU and memory, every few seconds: the tray shows neither.
            Ok(nudge) if nudge.entity == "observations" => {}
            Ok(nudge) => return memory.heed(&nudge),
            Err(RecvError::Lagged(_)) => {
                memory.forget_host();
                return true;
            }
            // The desktop holds the sender as long as it is followed.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}
