//! Notifications, on a private bus: what is shown, what a click does, and by which right the window then comes to the front.

use std::sync::atomic::Ordering;

use stratavore_api::v1;
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_desktop::mailbox::Letter;
use stratavore_testkit::notifications::activation_token_of;

use crate::support::told::{SOON, Told};

fn notice(id: &str, edge: &str, project: &str, runner: &str) -> v1::Notification {
    v1::Notification {
        id: id.into(),
        edge: edge.into(),
        title: format!("{id} is told"),
        runner_id: Some(runner.into()),
        project: Some(project.into()),
        ..v1::Notification::default()
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
    told.asked("shown", 3).await;
    // One that was dismissed opens nothing.
    told.service.dismiss(all[0].id).await.unwrap();
    told.service.press(all[1].id, "attach").await.unwrap();
    assert_eq!(told.raised(1).await, [Some(activation_token_of(all[1].id))]);
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_looks_at_is_not_told_and_that_it_failed_is() {
    let told = Told::start().await;
    told.rig.desktop.set_shown(vec!["r0".into(), "r1".into()]);
    told.rig.shell.focused.store(true, Ordering::Relaxed);
    let seen = [
        "ended",
        "turn-done",
        "needs-permission",
        "needs-answer",
        "rate-limited",
        "errored",
        "stalled",
    ];
    told.tell(seen.map(|edge| notice(edge, edge, "api", "r1")));
    told.asked("shown", seen.len()).await;
    told.has_to_tell("one", Some("r1"));
    told.shown("one").await;
    assert_eq!(told.service.all().len(), 1, "{:?}", told.service.all());
    // The same of another runner, and of this one behind another window, is told.
    told.tell([notice("other", "needs-answer", "api", "r2")]);
    told.service
        .wait_for(SOON, "another runner", |one| one.summary.contains("other"))
        .await;
    told.rig.shell.focused.store(false, Ordering::Relaxed);
    told.tell([notice("behind", "needs-answer", "api", "r1")]);
    told.service
        .wait_for(SOON, "behind another window", |one| {
            one.summary.contains("behind")
        })
        .await;
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_of_a_project_at_once_are_one_notification_that_opens_the_window() {
    let told = Told::start().await;
    told.tell([
        notice("a", "needs-answer", "api-gateway", "r1"),
        notice("b", "needs-permission", "api-gateway", "r2"),
        notice("x", "needs-answer", "docs", "r5"),
        notice("c", "stalled", "api-gateway", "r3"),
        notice("d", "errored", "api-gateway", "r4"),
    ]);
    let title = "4 runners of api-gateway need you";
    let group = told
        .service
        .wait_for(SOON, title, |one| one.summary == title)
        .await;
    assert_eq!(group.body, "a is told\nb is told\nc is told\nd is told");
    told.asked("shown", 5).await;
    assert_eq!(told.service.all().len(), 2, "{:?}", told.service.all());
    told.service.press(group.id, "default").await.unwrap();
    assert_eq!(told.raised(1).await, [Some(activation_token_of(group.id))]);
    assert_eq!(*told.rig.shell.delivered.lock().unwrap(), [] as [Letter; 0]);
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_pause_nothing_is_claimed_and_after_it_all_is_told() {
    let told = Told::start().await;
    told.has_to_tell("before", None);
    let before = told.shown("before").await;
    told.asked("shown", 1).await;
    let claims = || {
        let state = told.rig.host.state();
        state.asked.iter().filter(|what| *what == "claim").count()
    };
    let now = SystemClock.now();
    told.rig
        .desktop
        .pause
        .set(Some(now + chrono::TimeDelta::hours(1)));
    let claimed = claims();
    told.has_to_tell("in it", None);
    // What is on screen can be clicked meanwhile.
    told.service.press(before, "default").await.unwrap();
    told.raised(1).await;
    assert_eq!((claims(), told.service.all().len()), (claimed, 1));

    // It is over by itself, without a nudge.
    let soon = SystemClock.now() + chrono::TimeDelta::milliseconds(300);
    told.rig.desktop.pause.set(Some(soon));
    told.shown("in it").await;
    assert!(SystemClock.now() >= soon, "told before its end");

    told.rig
        .desktop
        .pause
        .set(Some(SystemClock.now() + chrono::TimeDelta::hours(1)));
    told.has_to_tell("later", None);
    told.rig.desktop.pause.set(None);
    told.shown("later").await;
    told.end().await;
}
