//! Notifications, on a private bus: what is shown, what a click does, and by which right the window then comes to the front.

use std::time::Duration;

use stratavore_api::v1;
use stratavore_core::clock::SystemClock;
use stratavore_desktop::mailbox::Letter;
use stratavore_desktop::notifications::follow;
use stratavore_desktop::presence::Presence;
use stratavore_testkit::bus::Bus;
use stratavore_testkit::notifications::{NotificationService, activation_token_of};
use stratavore_testkit::{TempHome, wait_until_async};
use tokio_util::sync::CancellationToken;

use crate::support::Rig;

const SOON: Duration = Duration::from_secs(20);

/// A desktop that follows what its host has to tell, on a bus with a notification service.
struct Told {
    // Dropped in this order: the bus goes before the home it was started in.
    rig: Rig,
    service: NotificationService,
    stop: CancellationToken,
    bus: Bus,
    _home: TempHome,
}

impl Told {
    async fn start() -> Self {
        let home = TempHome::new();
        let bus = Bus::start(&home).expect("a bus starts");
        let service = NotificationService::start(&bus).await.unwrap();
        let rig = Rig::new();
        rig.desktop.presence.send_replace(Some(Presence::ALL));
        rig.desktop.greet().await;
        let stop = CancellationToken::new();
        let (desktop, ended) = (rig.desktop.clone(), stop.clone());
        let connection = bus.connect().await.unwrap();
        rig.desktop.tasks.spawn(async move {
            follow(&desktop, &connection, &SystemClock, true, &ended).await;
        });
        Self {
            rig,
            service,
            stop,
            bus,
            _home: home,
        }
    }

    fn has_to_tell(&self, id: &str, runner: Option<&str>) {
        self.rig.host.state().notices.push(v1::Notification {
            id: id.into(),
            edge: "failed".into(),
            title: format!("{id} failed"),
            runner_id: runner.map(str::to_owned),
            at: "2026-03-01T22:30:00.000Z".into(),
            ..v1::Notification::default()
        });
        let _ = self.rig.desktop.nudges.send(v1::Nudge {
            entity: "notifications".into(),
            id: String::new(),
        });
    }

    async fn shown(&self, id: &str) -> u32 {
        let title = format!("{id} failed");
        self.service
            .wait_for(SOON, &title, |one| one.summary == title)
            .await
            .id
    }

    async fn raised(&self, times: usize) -> Vec<Option<String>> {
        wait_until_async(SOON, "the window is raised", async || {
            let raised = self.rig.shell.raised.lock().unwrap().clone();
            (raised.len() == times).then_some(raised)
        })
        .await
    }

    async fn end(self) {
        self.stop.cancel();
        self.rig.desktop.tasks.close();
        self.rig.desktop.tasks.wait().await;
        drop(self.bus);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attach_and_a_click_open_that_runner_with_the_token_that_came_for_it() {
    let told = Told::start().await;
    told.has_to_tell("one", Some("r1"));
    told.has_to_tell("two", Some("r2"));
    told.has_to_tell("three", None);
    let (one, two, three) = (
        told.shown("one").await,
        told.shown("two").await,
        told.shown("three").await,
    );
    told.service.press(two, "attach").await.unwrap();
    told.raised(1).await;
    told.service.press(one, "default").await.unwrap();
    told.raised(2).await;
    told.service.press(three, "default").await.unwrap();
    assert_eq!(
        told.raised(3).await,
        [two, one, three].map(|id| Some(activation_token_of(id))),
        "each with its own token"
    );
    assert_eq!(
        *told.rig.shell.delivered.lock().unwrap(),
        [Letter::Attach("r2".into()), Letter::Attach("r1".into())]
    );
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_notification_comes_from_one_connection_and_is_confirmed_once_shown() {
    let told = Told::start().await;
    for id in ["one", "two", "three"] {
        told.has_to_tell(id, Some("r1"));
        told.shown(id).await;
    }
    let all = told.service.all();
    assert_eq!(all.len(), 3, "one for each");
    assert!(all.iter().all(|one| one.sender == all[0].sender), "{all:?}");
    wait_until_async(SOON, "each is confirmed", async || {
        let asked = told.rig.host.state().asked.clone();
        let shown = asked.iter().filter(|what| *what == "shown").count();
        if shown == 3 { Ok(()) } else { Err(shown) }
    })
    .await;
    // One that was dismissed opens nothing.
    told.service.dismiss(all[0].id).await.unwrap();
    told.service.press(all[1].id, "attach").await.unwrap();
    assert_eq!(told.raised(1).await, [Some(activation_token_of(all[1].id))]);
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_looks_at_in_any_part_of_a_tab_ends_without_a_notification_and_fails_with_one()
 {
    let told = Told::start().await;
    told.rig.desktop.set_shown(vec!["r0".into(), "r1".into()]);
    told.rig
        .shell
        .focused
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let ended = v1::Notification {
        id: "seen".into(),
        edge: "ended".into(),
        title: "seen ended".into(),
        runner_id: Some("r1".into()),
        ..v1::Notification::default()
    };
    told.rig.host.state().notices.push(ended);
    told.has_to_tell("one", Some("r1"));
    told.shown("one").await;
    assert_eq!(told.service.all().len(), 1, "{:?}", told.service.all());
    told.end().await;
}
