//! Permissions that are given or refused from a notification.

use stratavore_api::v1;
use stratavore_desktop::mailbox::Letter;
use stratavore_testkit::notifications::Notification;
use stratavore_testkit::wait_until_async;

use crate::support::screen::Screen;
use crate::support::told::{SOON, Told};

fn asking(runner: &str, ask: &str, subject: &str) -> v1::Runner {
    v1::Runner {
        id: runner.into(),
        name: runner.into(),
        state: "running".into(),
        attention: Some(v1::Attention {
            state: "needs-permission".into(),
            since: "2026-03-01T22:30:00.000Z".into(),
            ask: Some(v1::Ask {
                id: ask.into(),
                tool: "Bash".into(),
                subject: subject.into(),
                ..v1::Ask::default()
            }),
            ..v1::Attention::default()
        }),
        ..v1::Runner::default()
    }
}

fn notice(runner: &v1::Runner) -> v1::Notification {
    v1::Notification {
        id: format!("notice of {}", runner.id),
        edge: "needs-permission".into(),
        title: format!("{} wants to use Bash", runner.name),
        body: "waits".into(),
        runner_id: Some(runner.id.clone()),
        ask: runner
            .attention
            .as_ref()
            .and_then(|attention| attention.ask.clone()),
        ..v1::Notification::default()
    }
}

/// Has a runner ask, and gives the notification of it.
async fn ask(told: &Told, runner: &str, ask: &str, subject: &str) -> Notification {
    let runner = asking(runner, ask, subject);
    let title = format!("{} wants to use Bash", runner.name);
    let notice = notice(&runner);
    told.rig.host.state().runners.push(runner);
    told.tell([notice]);
    told.service
        .wait_for(SOON, &title, |one| one.summary == title && one.open)
        .await
}

/// Waits for a notification that says that an answer changed nothing.
async fn not_taken(told: &Told, summary: &str) -> Notification {
    told.service
        .wait_for(SOON, summary, |one| one.summary == summary && one.open)
        .await
}

fn keys(notification: &Notification) -> Vec<&str> {
    let keys = notification.actions.iter();
    keys.map(|(key, _)| key.as_str()).collect()
}

fn decisions(told: &Told) -> Vec<String> {
    let state = told.rig.host.state();
    let asked = state.asked.iter();
    asked
        .filter(|what| what.starts_with("decide"))
        .cloned()
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_answers_the_ask_that_was_shown_and_says_nothing_more() {
    let told = Told::start().await;
    let one = ask(&told, "r1", "7", "cargo test <all> & more").await;
    let two = ask(&told, "r2", "8", "rm -rf ~").await;
    assert_eq!(
        one.body.lines().collect::<Vec<_>>(),
        ["waits", "cargo test &lt;all&gt; &amp; more"]
    );
    assert_eq!(keys(&one), ["default", "allow", "deny", "attach"]);
    told.service.press(two.id, "deny").await.unwrap();
    told.asked("decide r2 8 allow=false", 1).await;
    told.service.press(one.id, "allow").await.unwrap();
    told.asked("decide r1 7 allow=true", 1).await;
    // What is told next comes after whatever the answers would have had to say.
    told.has_to_tell("next", None);
    told.shown("next").await;
    assert_eq!(told.service.all().len(), 3, "{:?}", told.service.all());
    assert_eq!(told.rig.shell.raised.lock().unwrap().len(), 0);
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_ask_in_one_project_at_once_each_can_be_answered_by_a_press() {
    let told = Told::start().await;
    let runners = ["r1", "r2", "r3", "r4"].map(|name| asking(name, &format!("7{name}"), "ls"));
    let of_project = |runner: &v1::Runner| v1::Notification {
        project: Some("api".into()),
        ..notice(runner)
    };
    told.rig.host.state().runners.extend(runners.clone());
    told.tell(runners.each_ref().map(of_project));
    for (runner, key) in [("r3", "allow"), ("r1", "deny"), ("r4", "allow")] {
        let title = format!("{runner} wants to use Bash");
        let shown = told
            .service
            .wait_for(SOON, &title, |one| one.summary == title && one.open)
            .await;
        assert_eq!(keys(&shown), ["default", "allow", "deny", "attach"]);
        told.service.press(shown.id, key).await.unwrap();
        let decided = format!("decide {runner} 7{runner} allow={}", key == "allow");
        told.asked(&decided, 1).await;
    }
    assert_eq!(decisions(&told).len(), 3);
    assert_eq!(told.service.all().len(), 4, "{:?}", told.service.all());
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_on_what_was_answered_or_changed_meanwhile_does_nothing_and_says_so() {
    let told = Told::start().await;
    let shown = ask(&told, "r1", "7", "ls").await;
    // Something else is asked by now; nobody has heard of it yet.
    told.rig.host.state().runners = vec![asking("r1", "9", "rm -rf ~")];
    told.service.press(shown.id, "allow").await.unwrap();
    let said = not_taken(&told, "Nothing was allowed").await;
    assert_eq!(
        said.body,
        "r1 no longer waits for that\nsee what it does now"
    );
    assert_eq!(decisions(&told), ["decide r1 7 allow=true"]);
    let runner = told.rig.host.state().runners[0].clone();
    assert_eq!(
        runner.attention.unwrap().ask.unwrap().id,
        "9",
        "another ask was answered"
    );
    told.service.press(said.id, "attach").await.unwrap();
    told.raised(1).await;
    assert_eq!(
        *told.rig.shell.delivered.lock().unwrap(),
        [Letter::Attach("r1".into())]
    );
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_locked_screen_nothing_is_offered_and_a_press_does_nothing() {
    for gnome in [false, true] {
        let told = Told::start().await;
        let screen = if gnome {
            Screen::gnome(&told.bus).await
        } else {
            Screen::freedesktop(&told.bus).await
        };
        let open = ask(&told, "r1", "7", "ls").await;
        assert_eq!(keys(&open), ["default", "allow", "deny", "attach"]);
        screen.lock(true);
        let locked = ask(&told, "r2", "8", "ls").await;
        assert_eq!(keys(&locked), ["default", "attach"]);
        told.service.press(open.id, "allow").await.unwrap();
        let said = not_taken(&told, "Nothing was allowed").await;
        assert!(said.body.starts_with("the screen is locked\n"), "{said:?}");
        assert_eq!(decisions(&told), [] as [&str; 0]);
        told.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_does_not_answer_is_taken_for_locked() {
    let told = Told::start().await;
    let _screen = Screen::silent(&told.bus).await;
    let shown = ask(&told, "r1", "7", "ls").await;
    assert_eq!(keys(&shown), ["default", "attach"]);
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_closes_when_its_ask_is_over_and_not_before() {
    let told = Told::start().await;
    let over = ask(&told, "r1", "7", "ls").await;
    let open = ask(&told, "r2", "8", "ls").await;
    let ended = ask(&told, "r3", "9", "ls").await;
    told.has_to_tell("other", Some("r1"));
    let other = told.shown("other").await;
    let closed = async |id: u32| {
        wait_until_async(SOON, "it is closed", async || {
            let all = told.service.all();
            let one = all.into_iter().find(|one| one.id == id).unwrap();
            (!one.open).then_some(())
        })
        .await;
    };
    // Answered in the terminal.
    {
        let mut state = told.rig.host.state();
        let attention = state.runners[0].attention.as_mut().unwrap();
        attention.ask = None;
        attention.state = "working".into();
    }
    for runner in ["r2", "r1"] {
        told.nudge("runner", runner);
    }
    closed(over.id).await;
    // The runner is gone altogether; the nudge names none.
    told.rig.host.state().runners.pop();
    told.nudge("runner", "");
    closed(ended.id).await;
    let all = told.service.all();
    for id in [open.id, other] {
        assert!(all.iter().any(|one| one.id == id && one.open), "{all:?}");
    }
    // It still answers its own.
    told.service.press(open.id, "allow").await.unwrap();
    told.asked("decide r2 8 allow=true", 1).await;
    told.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_too_long_to_be_read_can_be_refused_and_not_allowed() {
    let told = Told::start().await;
    let shown = ask(&told, "r1", "7", &"x".repeat(2000)).await;
    assert_eq!(keys(&shown), ["default", "deny", "attach"]);
    told.service.press(shown.id, "deny").await.unwrap();
    told.asked("decide r1 7 allow=false", 1).await;
    told.end().await;
}
