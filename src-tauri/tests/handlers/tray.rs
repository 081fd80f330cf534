//! The tray follows what changes, and does what is clicked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stratavore_api::{Code, Failure, v1};
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_desktop::mailbox::Letter;
use stratavore_desktop::notifications::Length;
use stratavore_desktop::tray::{Action, Entry, Follow, Mark, Menu, act, follow};
use stratavore_testkit::TempHome;
use stratavore_testkit::bus::Bus;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::Rig;
use crate::support::screen::Screen;

const PATIENCE: Duration = Duration::from_secs(10);
/// What a person is promised.
const SOON: Duration = Duration::from_millis(200);

struct Tray {
    rig: Rig,
    menus: mpsc::UnboundedReceiver<Menu>,
    seen: watch::Sender<u64>,
    stop: CancellationToken,
}

impl Tray {
    async fn start() -> Self {
        let mut tray = Self::of(Rig::new());
        tray.until(|menu| menu.mark == Mark::Quiet).await;
        tray
    }

    /// Follows what is there.
    fn of(rig: Rig) -> Self {
        let (shown, menus) = mpsc::unbounded_channel();
        let (seen, seeing) = watch::channel(0);
        let stop = CancellationToken::new();
        let followed = Follow {
            desktop: rig.desktop.clone(),
            seen: seeing,
            clock: Arc::new(SystemClock),
        };
        let ended = stop.clone();
        rig.desktop.tasks.spawn(async move {
            follow(followed, move |menu| drop(shown.send(menu)), &ended).await
        });
        Self {
            rig,
            menus,
            seen,
            stop,
        }
    }

    /// Waits for a menu of which that is true; tells how long it took.
    async fn until(&mut self, is: impl Fn(&Menu) -> bool) -> Duration {
        let began = Instant::now();
        self.found(is).await;
        began.elapsed()
    }

    /// Waits for a menu of which that is true.
    async fn found(&mut self, is: impl Fn(&Menu) -> bool) -> Menu {
        let found = async {
            loop {
                let menu = self.menus.recv().await.expect("it follows no more");
                if is(&menu) {
                    return menu;
                }
            }
        };
        timeout(PATIENCE, found).await.expect("no such menu came")
    }

    fn nudge(&self, entity: &str) {
        let _ = self.rig.desktop.nudges.send(v1::Nudge {
            entity: entity.into(),
            id: String::new(),
        });
    }
}

fn runner(id: &str) -> v1::Runner {
    v1::Runner {
        id: id.into(),
        name: id.into(),
        state: "running".into(),
        ..v1::Runner::default()
    }
}

/// One that waits for the permission to list files.
fn asking(id: &str, ask: &str, since: &str) -> v1::Runner {
    v1::Runner {
        attention: Some(v1::Attention {
            state: "needs-permission".into(),
            since: since.into(),
            ask: Some(v1::Ask {
                id: ask.into(),
                tool: "Bash".into(),
                subject: format!("ls {id}"),
                ..v1::Ask::default()
            }),
            ..v1::Attention::default()
        }),
        ..runner(id)
    }
}

/// The ids of all items, from the top.
fn ids(menu: &Menu) -> Vec<String> {
    fn all(entries: &[Entry], found: &mut Vec<String>) {
        for entry in entries {
            match entry {
                Entry::Item { id, .. } | Entry::Check { id, .. } => found.push(id.clone()),
                Entry::Submenu { entries, .. } => all(entries, found),
                Entry::Separator => {}
            }
        }
    }
    let mut found = Vec::new();
    all(&menu.entries, &mut found);
    found
}

fn says(menu: &Menu, text: &str) -> bool {
    fn any(entries: &[Entry], text: &str) -> bool {
        entries.iter().any(|entry| match entry {
            Entry::Item { text: own, .. } | Entry::Check { text: own, .. } => own.contains(text),
            Entry::Submenu {
                text: own, entries, ..
            } => own.contains(text) || any(entries, text),
            Entry::Separator => false,
        })
    }
    any(&menu.entries, text)
}

// Time is Tokio's own here: it passes only while everything waits, so that what is measured is what is waited.
#[tokio::test(start_paused = true)]
async fn a_change_shows_within_200_ms_even_in_a_burst() {
    let mut tray = Tray::start().await;
    for count in 1..=20 {
        tray.rig
            .host
            .state()
            .runners
            .push(runner(&format!("r{count}")));
        for _ in 0..30 {
            tray.nudge("runner");
        }
        let took = tray
            .until(|menu| says(menu, &format!("Running ({count})")))
            .await;
        assert!(took <= SOON, "took {took:?}");
    }
    tray.stop.cancel();
    tray.rig.desktop.tasks.close();
    timeout(PATIENCE, tray.rig.desktop.tasks.wait())
        .await
        .expect("it goes on after the end");
}

#[tokio::test(start_paused = true)]
async fn observations_alone_make_it_ask_nothing() {
    let mut tray = Tray::start().await;
    // Let the look that is due after the start pass.
    tray.rig.host.state().runners.push(runner("r1"));
    tray.nudge("runner");
    tray.until(|menu| says(menu, "r1")).await;
    tray.rig.host.state().asked.clear();
    for _ in 0..10 {
        tray.nudge("observations");
        tokio::time::advance(SOON).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(tray.rig.host.state().asked, [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_a_problem_until_the_window_was_in_front() {
    let mut tray = Tray::start().await;
    tray.rig.host.state().failed = 2;
    tray.nudge("runner");
    tray.until(|menu| menu.mark == Mark::Problem && says(menu, "2 failed"))
        .await;
    tray.seen.send_modify(|times| *times += 1);
    tray.until(|menu| menu.mark == Mark::Quiet).await;
    // One of them is started again, and fails again.
    tray.rig.host.state().failed = 1;
    tray.rig.host.state().runners.push(runner("r1"));
    tray.nudge("runner");
    tray.until(|menu| menu.mark == Mark::Running).await;
    tray.rig.host.state().failed = 2;
    tray.rig.host.state().runners.clear();
    tray.nudge("runner");
    tray.until(|menu| menu.mark == Mark::Problem && says(menu, "1 failed"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn without_a_host_it_says_so_and_comes_back() {
    let mut tray = Tray::start().await;
    let seat = tray.rig.desktop.slot.seat().unwrap();
    tray.rig.desktop.slot.vacate();
    tray.until(|menu| menu.mark == Mark::Problem && says(menu, "No host answers"))
        .await;
    tray.rig.desktop.slot.fill(seat);
    tray.until(|menu| menu.mark == Mark::Quiet).await;
}

#[tokio::test(start_paused = true)]
async fn a_project_names_the_program_that_it_launches() {
    let mut tray = Tray::start().await;
    tray.rig.host.state().projects.push(v1::Project {
        id: "p1".into(),
        name: "api".into(),
        ..v1::Project::default()
    });
    tray.nudge("project");
    tray.until(|menu| says(menu, "Launch Codex")).await;
}

#[tokio::test(start_paused = true)]
async fn who_needs_a_person_is_shown_first_until_that_is_over() {
    let mut tray = Tray::start().await;
    tray.rig.host.state().runners = vec![
        runner("r0"),
        asking("r1", "7", "2026-03-01T22:31:00.000Z"),
        asking("r2", "8", "2026-03-01T22:30:00.000Z"),
    ];
    tray.nudge("runner");
    let menu = tray.found(|menu| menu.mark == Mark::NeedsYou).await;
    assert_eq!(
        ids(&menu)[..12],
        [
            "needs-you",
            "since r2",
            "asked r2 0",
            "attach r2 needs-you",
            "allow r2 8",
            "deny r2 8",
            "stop r2 needs-you",
            "since r1",
            "asked r1 0",
            "attach r1 needs-you",
            "allow r1 7",
            "deny r1 7",
        ]
    );
    // It asks for something else: what was to be clicked for the first is no longer in the menu.
    tray.rig.host.state().runners[2] = asking("r2", "9", "2026-03-01T22:32:00.000Z");
    tray.nudge("runner");
    let menu = tray
        .found(|menu| ids(menu).contains(&"allow r2 9".to_owned()))
        .await;
    assert!(!ids(&menu).contains(&"allow r2 8".to_owned()));
    tray.rig.host.state().runners.truncate(1);
    tray.nudge("runner");
    tray.until(|menu| menu.mark == Mark::Running && !says(menu, "need"))
        .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_can_be_allowed_where_the_setting_says_so() {
    let mut tray = Tray::start().await;
    tray.rig.host.state().decide_off = true;
    tray.rig.host.state().runners = vec![asking("r1", "7", "2026-03-01T22:31:00.000Z")];
    tray.nudge("status");
    let menu = tray.found(|menu| menu.mark == Mark::NeedsYou).await;
    let found = ids(&menu);
    assert!(found.contains(&"attach r1 needs-you".to_owned()));
    assert!(
        !found
            .iter()
            .any(|id| id.starts_with("allow") || id.starts_with("deny"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_project_used_last_is_offered_first_also_when_all_have_ended_and_so_are_presets() {
    let rig = Rig::new();
    for (id, name) in [("p1", "api"), ("p2", "docs")] {
        rig.host.state().projects.push(v1::Project {
            id: id.into(),
            name: name.into(),
            ..v1::Project::default()
        });
    }
    let launched = |id: &str, project: &str, at: &str, state: &str| v1::Runner {
        project_id: project.into(),
        created_at: at.into(),
        state: state.into(),
        ..runner(id)
    };
    rig.host.state().runners = vec![
        launched("r1", "p1", "2026-03-01T22:30:00.000Z", "terminated"),
        launched("r2", "p2", "2026-03-01T22:31:00.000Z", "terminated"),
    ];
    let mut tray = Tray::of(rig);
    tray.until(|menu| menu.mark == Mark::Quiet && says(menu, "Launch in docs (Codex)"))
        .await;
    // Ended ones are asked for once.
    tray.rig.host.state().asked.clear();
    let new = launched("r3", "p1", "2026-03-01T22:32:00.000Z", "running");
    tray.rig.host.state().runners.push(new);
    tray.nudge("runner");
    tray.until(|menu| says(menu, "Launch in api (Codex)")).await;
    let asked = tray.rig.host.state().asked.clone();
    assert!(
        asked.contains(&"runners None all=false".to_owned()),
        "{asked:?}"
    );
    assert!(
        !asked.contains(&"runners None all=true".to_owned()),
        "{asked:?}"
    );

    tray.rig.host.state().presets.push(v1::Preset {
        name: "review".into(),
        ..v1::Preset::default()
    });
    tray.nudge("presets");
    let menu = tray.found(|menu| says(menu, "review")).await;
    assert!(ids(&menu).contains(&"launch-preset p2 review".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_notifications_shows_until_it_is_over() {
    let mut tray = Tray::start().await;
    let pause = Action::PauseNotifications(Length::Hour);
    act(&tray.rig.desktop, pause, &SystemClock).await;
    let now = SystemClock.now();
    let until = tray.rig.desktop.pause.until(now).expect("a pause");
    assert!((until - now).num_minutes() >= 58, "{until}");
    let menu = tray
        .found(|menu| ids(menu).contains(&"resume-notifications".to_owned()))
        .await;
    assert!(says(&menu, "Notifications paused until "));
    act(&tray.rig.desktop, Action::ResumeNotifications, &SystemClock).await;
    assert_eq!(tray.rig.desktop.pause.until(now), None);
    tray.until(|menu| says(menu, "Pause notifications")).await;
}

#[tokio::test]
async fn a_stale_item_answers_no_other_ask_and_the_window_says_so() {
    let rig = Rig::new();
    rig.desktop.presence.send_replace(Some(Default::default()));
    rig.desktop.greet().await;
    rig.host.state().runners = vec![asking("r1", "9", "2026-03-01T22:31:00.000Z")];
    let click = |id: &str| Action::from_id(id).expect("an action");
    act(&rig.desktop, click("allow r1 7"), &SystemClock).await;
    assert_eq!(
        *rig.shell.delivered.lock().unwrap(),
        [Letter::Problem(
            "r1 no longer waits for that: see what it does now".into()
        )]
    );
    assert!(
        rig.host.state().runners[0]
            .attention
            .as_ref()
            .unwrap()
            .ask
            .is_some()
    );
    act(&rig.desktop, click("deny r1 9"), &SystemClock).await;
    assert_eq!(
        rig.host.state().asked,
        ["decide r1 7 allow=true", "decide r1 9 allow=false"]
    );
    assert_eq!(
        rig.shell.raised.lock().unwrap().len(),
        1,
        "an answer that is taken opens nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_locked_screen_the_tray_allows_nothing() {
    let home = TempHome::new();
    let bus = Bus::start(&home).expect("a bus starts");
    let screen = Screen::freedesktop(&bus).await;
    let rig = Rig::new();
    rig.desktop.lock.ask_on(bus.connect().await.unwrap());
    rig.desktop.presence.send_replace(Some(Default::default()));
    rig.desktop.greet().await;
    rig.host.state().runners = vec![asking("r1", "7", "2026-03-01T22:31:00.000Z")];
    let allow = || Action::Allow {
        runner: "r1".into(),
        ask: "7".into(),
    };
    screen.lock(true);
    act(&rig.desktop, allow(), &SystemClock).await;
    assert_eq!(rig.host.state().asked, [] as [&str; 0]);
    let delivered = rig.shell.delivered.lock().unwrap().clone();
    assert!(
        matches!(&delivered[..], [Letter::Problem(text)] if text.contains("the screen is locked")),
        "{delivered:?}"
    );
    screen.lock(false);
    act(&rig.desktop, allow(), &SystemClock).await;
    assert_eq!(rig.host.state().asked, ["decide r1 7 allow=true"]);
}

#[tokio::test]
async fn each_click_does_what_its_item_says() {
    for (action, asked) in [
        (
            Action::Stop("r1".into()),
            "stop Some(Runner(\"r1\")) wait=false",
        ),
        (
            Action::StopProject("p1".into()),
            "stop Some(Project(\"p1\")) wait=false",
        ),
        (Action::Restart("r1".into()), "restart r1"),
        (Action::Pause("r1".into()), "pause r1"),
        (Action::Continue("r1".into()), "continue r1"),
        (Action::Launch("p1".into()), "launch p1 []"),
        (
            Action::LaunchPreset {
                project: "p1".into(),
                preset: "review".into(),
            },
            "launch p1 [] preset=review",
        ),
        (Action::ContinueLast("p1".into()), "launch p1 [] continue"),
        (
            Action::LaunchInWorktree("p1".into()),
            "launch p1 [] worktree=\"\"",
        ),
        (Action::StopAndQuit, "stop Some(All(true)) wait=true"),
    ] {
        let rig = Rig::new();
        rig.host.state().runners.push(runner("r1"));
        act(&rig.desktop, action.clone(), &SystemClock).await;
        assert_eq!(rig.host.state().asked, [asked], "{action:?}");
        assert_eq!(
            rig.shell.ended.load(Ordering::Relaxed),
            action == Action::StopAndQuit
        );
    }
}

#[tokio::test]
async fn clicks_that_show_something_bring_the_window_up_on_it() {
    for (action, letters) in [
        (Action::Open, vec![]),
        (
            Action::Attach("r1".into()),
            vec![Letter::Attach("r1".into())],
        ),
        (
            Action::LaunchInWindow("p1".into()),
            vec![Letter::Launch("p1".into())],
        ),
        (
            Action::Launch("p1".into()),
            vec![Letter::Attach("r9".into())],
        ),
    ] {
        let rig = Rig::new();
        rig.desktop.presence.send_replace(Some(Default::default()));
        rig.desktop.greet().await;
        act(&rig.desktop, action.clone(), &SystemClock).await;
        assert_eq!(rig.shell.raised.lock().unwrap().len(), 1, "{action:?}");
        assert_eq!(*rig.shell.delivered.lock().unwrap(), letters, "{action:?}");
    }
    let rig = Rig::new();
    act(&rig.desktop, Action::Autostart, &SystemClock).await;
    assert!(rig.desktop.autostart.is_enabled());
    act(&rig.desktop, Action::Autostart, &SystemClock).await;
    assert!(!rig.desktop.autostart.is_enabled());
    act(&rig.desktop, Action::Quit, &SystemClock).await;
    assert!(rig.shell.ended.load(Ordering::Relaxed));
    assert_eq!(rig.host.state().asked, [] as [&str; 0]);
}

#[tokio::test]
async fn a_click_that_fails_is_told_in_the_window_unless_a_notification_tells_it() {
    let told = async |code| {
        let rig = Rig::new();
        rig.desktop.presence.send_replace(Some(Default::default()));
        rig.desktop.greet().await;
        rig.host.state().refusal = Some(Failure::new(code, "cannot launch").hint("do this"));
        act(&rig.desktop, Action::Launch("p1".into()), &SystemClock).await;
        let delivered = rig.shell.delivered.lock().unwrap().clone();
        (delivered, rig.shell.raised.lock().unwrap().len())
    };
    assert_eq!(
        told(Code::Conflict).await,
        (vec![Letter::Problem("cannot launch: do this".into())], 1)
    );
    assert_eq!(told(Code::QuotaFull).await, (vec![], 0));
}

#[tokio::test]
async fn a_runner_named_on_the_command_line_is_found_or_said_to_be_unknown() {
    let rig = Rig::new();
    rig.desktop.presence.send_replace(Some(Default::default()));
    rig.desktop.greet().await;
    rig.host.state().runners.push(v1::Runner {
        id: "0199".into(),
        name: "auth".into(),
        ..v1::Runner::default()
    });
    rig.desktop.attach("auth", Some("token".into())).await;
    rig.desktop.attach("nobody", None).await;
    assert_eq!(
        *rig.shell.raised.lock().unwrap(),
        [Some("token".into()), None]
    );
    let delivered = rig.shell.delivered.lock().unwrap().clone();
    assert_eq!(delivered[0], Letter::Attach("0199".into()));
    assert!(
        matches!(&delivered[1], Letter::Problem(text) if text.contains("nobody")),
        "{delivered:?}"
    );
}
