//! The tray follows what changes, and does what is clicked.

use std::sync::atomic::Ordering;
use std::time::Duration;

use stratavore_api::{Code, Failure, v1};
use stratavore_desktop::mailbox::Letter;
use stratavore_desktop::tray::{Action, Entry, Follow, Mark, Menu, act, follow};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::support::Rig;

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
        let rig = Rig::new();
        let (shown, menus) = mpsc::unbounded_channel();
        let (seen, seeing) = watch::channel(0);
        let stop = CancellationToken::new();
        let followed = Follow {
            desktop: rig.desktop.clone(),
            seen: seeing,
        };
        let ended = stop.clone();
        rig.desktop.tasks.spawn(async move {
            follow(followed, move |menu| drop(shown.send(menu)), &ended).await
        });
        let mut tray = Self {
            rig,
            menus,
            seen,
            stop,
        };
        tray.until(|menu| menu.mark == Mark::Quiet).await;
        tray
    }

    /// Waits for a menu of which that is true; tells how long it took.
    async fn until(&mut self, is: impl Fn(&Menu) -> bool) -> Duration {
        let began = Instant::now();
        let found = async { while !is(&self.menus.recv().await.expect("it follows no more")) {} };
        timeout(PATIENCE, found).await.expect("no such menu came");
        began.elapsed()
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
            .until(|menu| says(menu, &format!("Runners ({count})")))
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
        (Action::StopAndQuit, "stop Some(All(true)) wait=true"),
    ] {
        let rig = Rig::new();
        rig.host.state().runners.push(runner("r1"));
        act(&rig.desktop, action.clone()).await;
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
        act(&rig.desktop, action.clone()).await;
        assert_eq!(rig.shell.raised.lock().unwrap().len(), 1, "{action:?}");
        assert_eq!(*rig.shell.delivered.lock().unwrap(), letters, "{action:?}");
    }
    let rig = Rig::new();
    act(&rig.desktop, Action::Autostart).await;
    assert!(rig.desktop.autostart.is_enabled());
    act(&rig.desktop, Action::Autostart).await;
    assert!(!rig.desktop.autostart.is_enabled());
    act(&rig.desktop, Action::Quit).await;
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
        act(&rig.desktop, Action::Launch("p1".into())).await;
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
