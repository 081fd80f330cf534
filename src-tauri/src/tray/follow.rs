//! Follows changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stratavore_api::{Api, v1};
use stratavore_core::program;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::model::{Menu, Snapshot, model};
use crate::desktop::Desktop;
use crate::slot::Seat;

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
}

/// Hands `show` the menu whenever it has changed, until `stop`.
pub async fn follow(follow: Follow, mut show: impl FnMut(Menu), stop: &CancellationToken) {
    let Follow { desktop, mut seen } = follow;
    let mut nudges = desktop.nudges.subscribe();
    let mut seats = desktop.slot.changes();
    let mut memory = Memory::default();
    let mut shown = None;
    let mut own = true;
    loop {
        if seen.has_changed().unwrap_or(false) {
            seen.mark_unchanged();
            memory.failures_seen = memory.failures;
        }
        let seat = seats.borrow_and_update().clone();
        let Some(known) = stop.run_until_cancelled(memory.look(seat, &desktop)).await else {
            return;
        };
        let menu = model(&known);
        // A click on a check item changed the real one: it is put right even when nothing else is new.
        if own || shown.as_ref() != Some(&menu) {
            show(menu.clone());
            shown = Some(menu);
        }
        let next = async {
            sleep(SPACING - GATHER).await;
            own = tokio::select! {
                own = nudged(&mut nudges, &mut memory) => own,
                Ok(()) = seats.changed() => false,
                Ok(()) = seen.changed() => {
                    memory.failures_seen = memory.failures;
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
                memory.programs.clear();
                return true;
            }
            // The desktop holds the sender as long as it is followed.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// What is kept from one look to the next.
#[derive(Default)]
struct Memory {
    failures: Option<u32>,
    failures_seen: Option<u32>,
    /// What each project launches by default: asked once, and again when a project changed.
    programs: BTreeMap<String, String>,
}

impl Memory {
    /// Takes a nudge in; tells whether it concerns the desktop itself.
    fn heed(&mut self, nudge: &v1::Nudge) -> bool {
        if matches!(nudge.entity.as_str(), "project" | "status") {
            self.programs.clear();
        }
        nudge.entity == crate::desktop::SELF
    }

    async fn look(&mut self, seat: Option<Seat>, desktop: &Desktop) -> Snapshot {
        let autostart = desktop.autostart.is_enabled();
        let nobody = Snapshot {
            autostart,
            ..Snapshot::default()
        };
        let Some(Seat { api, .. }) = seat else {
            return nobody;
        };
        let asked = futures::try_join!(
            api.status(),
            api.runners(v1::ListRunnersRequest::default()),
            api.projects(v1::ListProjectsRequest::default()),
        );
        let (status, runners, projects) = match asked {
            Ok(answered) => answered,
            Err(failure) => {
                tracing::warn!(%failure, "the tray cannot tell how things stand");
                return nobody;
            }
        };
        for project in &projects.projects {
            if !self.programs.contains_key(&project.id)
                && let Some(title) = default_program(&api, &project.id).await
            {
                self.programs.insert(project.id.clone(), title);
            }
        }
        // What had failed before this desktop started is told by notifications, not by the icon.
        let failures = status.runners.get("failed").copied().unwrap_or(0);
        self.failures = Some(failures);
        let seen = self
            .failures_seen
            .map_or(failures, |seen| seen.min(failures));
        self.failures_seen = Some(seen);
        Snapshot {
            status: Some(status),
            runners: runners.runners,
            projects: projects.projects,
            programs: self.programs.clone(),
            unseen_failures: failures - seen,
            autostart,
        }
    }
}

/// Tells what a launch in a project runs when it names no program, as people call it.
async fn default_program(api: &Arc<dyn Api>, project: &str) -> Option<String> {
    let config = api
        .config(v1::ConfigRequest {
            project: Some(project.to_owned()),
        })
        .await
        .ok()?;
    let name = config
        .settings
        .into_iter()
        .find(|setting| setting.key == "launch.program")?
        .value;
    Some(program::find(&name).map_or(name, |program| program.title.to_owned()))
}
