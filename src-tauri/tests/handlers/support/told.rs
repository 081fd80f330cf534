//! A desktop that shows notifications, on a private bus.

use std::time::Duration;

use stratavore_api::v1;
use stratavore_core::clock::SystemClock;
use stratavore_desktop::notifications::follow;
use stratavore_desktop::presence::Presence;
use stratavore_testkit::bus::Bus;
use stratavore_testkit::notifications::NotificationService;
use stratavore_testkit::{TempHome, wait_until_async};
use tokio_util::sync::CancellationToken;

use super::Rig;

/// How long a test waits.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A desktop that follows what its host has to tell, on a bus with a notification service.
pub(crate) struct Told {
    // Dropped in this order: the bus goes before the home it was started in.
    pub(crate) rig: Rig,
    pub(crate) service: NotificationService,
    pub(crate) bus: Bus,
    stop: CancellationToken,
    _home: TempHome,
}

impl Told {
    pub(crate) async fn start() -> Self {
        let home = TempHome::new();
        let bus = Bus::start(&home).expect("a bus starts");
        let service = NotificationService::start(&bus).await.unwrap();
        let rig = Rig::new();
        rig.desktop.presence.send_replace(Some(Presence::ALL));
        rig.desktop.greet().await;
        let stop = CancellationToken::new();
        let (desktop, ended) = (rig.desktop.clone(), stop.clone());
        let connection = bus.connect().await.unwrap();
        rig.desktop.lock.ask_on(connection.clone());
        rig.desktop.tasks.spawn(async move {
            follow(&desktop, &connection, &SystemClock, true, &ended).await;
        });
        Self {
            rig,
            service,
            bus,
            stop,
            _home: home,
        }
    }

    pub(crate) fn has_to_tell(&self, id: &str, runner: Option<&str>) {
        self.tell([v1::Notification {
            id: id.into(),
            edge: "failed".into(),
            title: format!("{id} failed"),
            runner_id: runner.map(str::to_owned),
            at: "2026-03-01T22:30:00.000Z".into(),
            ..v1::Notification::default()
        }]);
    }

    /// Has the host tell these, all at once.
    pub(crate) fn tell<const N: usize>(&self, notices: [v1::Notification; N]) {
        self.rig.host.state().notices.extend(notices);
        self.nudge("notifications", "");
    }

    pub(crate) fn nudge(&self, entity: &str, id: &str) {
        let _ = self.rig.desktop.nudges.send(v1::Nudge {
            entity: entity.into(),
            id: id.into(),
        });
    }

    /// Waits until the host was asked this, and gives all that it was asked.
    pub(crate) async fn asked(&self, what: &str, times: usize) -> Vec<String> {
        wait_until_async(SOON, what, async || {
            let asked = self.rig.host.state().asked.clone();
            let count = asked.iter().filter(|one| *one == what).count();
            if count == times {
                Ok(asked)
            } else {
                Err(count)
            }
        })
        .await
    }

    pub(crate) async fn shown(&self, id: &str) -> u32 {
        let title = format!("{id} failed");
        self.service
            .wait_for(SOON, &title, |one| one.summary == title)
            .await
            .id
    }

    pub(crate) async fn raised(&self, times: usize) -> Vec<Option<String>> {
        wait_until_async(SOON, "the window is raised", async || {
            let raised = self.rig.shell.raised.lock().unwrap().clone();
            (raised.len() == times).then_some(raised)
        })
        .await
    }

    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.rig.desktop.tasks.close();
        self.rig.desktop.tasks.wait().await;
        drop(self.bus);
    }
}
