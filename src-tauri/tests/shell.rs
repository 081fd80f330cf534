//! The real program on a private display and bus: tray, notifications, window, a second start, the end.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stratavore_api::{Api, Remote, v1};
use stratavore_core::places::Places;
use stratavore_testkit::desk::Desk;
use stratavore_testkit::notifications::{NotificationService, activation_token_of};
use stratavore_testkit::tray::{TrayHost, TrayItem};
use stratavore_testkit::windows::Windows;
use stratavore_testkit::{Process, binary, wait_until, wait_until_async};

const SOON: Duration = Duration::from_secs(30);

/// What the window is called.
const TITLE: &str = "Stratavore";

/// A desk with the desktop and the agent on it.
struct Stage {
    desk: Desk,
    windows: Windows,
}

impl Stage {
    fn set() -> Self {
        let agent = binary::built("stratavore-agent", "stratavore-agent");
        let desktop = Path::new(env!("CARGO_BIN_EXE_stratavore-desktop"));
        let desk = Desk::set(&[desktop, &agent]).expect("a desk is set");
        let windows = Windows::of(&desk.display).expect("Xvfb answers");
        Self { desk, windows }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        self.desk
            .command("stratavore-desktop", arguments)
            .expect("a log")
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running(self.command(arguments).spawn().expect("it starts"))
    }

    fn places(&self) -> Places {
        Places::from_env(&self.desk.environment).unwrap()
    }

    /// Asks the host in the desktop, as the CLI does.
    async fn host(&self) -> Remote {
        let places = self.places();
        wait_until_async(SOON, "the host answers", async || {
            // The record may be that of a host that was killed, until the next has written its own.
            let record = stratavore_rpc::find(&places).map_err(|error| error.to_string())?;
            let client = stratavore_rpc::connect(&record.socket).await;
            client.map(Remote::new).map_err(|error| error.to_string())
        })
        .await
    }

    async fn project(&self, host: &Remote, name: &str) {
        let path = self.desk.home.project(name).to_str().unwrap().to_owned();
        host.add_project(v1::AddProjectRequest {
            name: name.into(),
            path,
            max_runners: None,
        })
        .await
        .unwrap();
    }

    async fn launch(&self, host: &Remote, project: &str, name: &str, script: &str) -> v1::Runner {
        let program = binary::fake_program().to_str().unwrap().to_owned();
        let request = v1::LaunchRequest {
            project: project.into(),
            name: Some(name.into()),
            command: vec![program, script.into()],
            ..v1::LaunchRequest::default()
        };
        host.launch(request).await.unwrap()
    }

    fn has_window(&self) -> bool {
        self.windows.shows(TITLE)
    }

    /// Waits until a window manager can read from the window that it may come to the front by this token.
    fn entitled_by(&self, token: &str) {
        wait_until(SOON, "the window carries the token", || {
            match self.windows.property(TITLE, "_NET_STARTUP_ID") {
                Ok(Some(found)) if found == token => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }

    /// Waits until so many look at a runner's terminal.
    async fn viewed(&self, host: &Remote, runner: &str, viewers: u32) {
        wait_until_async(SOON, "somebody looks at the terminal", async || {
            let runner = host
                .runner(v1::RunnerRef {
                    runner: runner.into(),
                })
                .await;
            match runner {
                Ok(runner) if runner.viewers == viewers => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
}

/// A desktop that is ended when its test is.
struct Running(Child);

impl Running {
    /// Ends it as a session's end does; tells whether it ended well.
    fn terminate(mut self) -> bool {
        signal(&self.0, rustix::process::Signal::TERM);
        wait_until(SOON, "it ends", || self.0.try_wait().unwrap()).success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

async fn icon(tray: &TrayItem) -> Vec<u8> {
    let file = wait_until_async(SOON, "an icon", async || {
        tray.icon_file().await.ok().flatten()
    })
    .await;
    std::fs::read(file).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tray_follows_runners_and_its_items_do_what_they_say() {
    let stage = Stage::set();
    let trays = TrayHost::start(&stage.desk.bus).await.unwrap();
    let desktop = stage.start(&["--hidden"]);
    let tray = trays.wait_for_item(SOON).await;
    let host = stage.host().await;
    let quiet = icon(&tray).await;
    stage.project(&host, "api").await;
    let runner = stage
        .launch(&host, "api", "auth", "print ready; hold")
        .await;
    let running = tray
        .wait_for_menu(SOON, "the runner", |menu| {
            // Before that it is starting, and cannot be paused.
            menu.find(&["Running (1)", "api · auth", "running"])?;
            menu.find(&["Running (1)", "api · auth", "Attach"]).cloned()
        })
        .await;
    assert!(running.enabled);
    wait_until_async(SOON, "another icon", async || icon(&tray).await != quiet).await;
    assert!(!stage.has_window(), "hidden opens no window");

    // A change of state changes texts in place: ids stay, so that an open menu never misfires.
    let menu = tray.menu().await.unwrap();
    let stop = menu
        .find(&["Running (1)", "api · auth", "Stop"])
        .unwrap_or_else(|| panic!("{}", menu.outline()))
        .id;
    tray.click(&["Running (1)", "api · auth", "Pause"])
        .await
        .unwrap();
    let paused = tray
        .wait_for_menu(SOON, "paused", |menu| {
            menu.find(&["1 paused"])?;
            menu.find(&["Running (1)", "api · auth", "paused"])?;
            menu.find(&["Running (1)", "api · auth", "Stop"]).cloned()
        })
        .await;
    assert_eq!(paused.id, stop, "the menu was rebuilt");
    tray.click(&["Running (1)", "api · auth", "Continue"])
        .await
        .unwrap();
    tray.wait_for_menu(SOON, "running again", |menu| {
        menu.find(&["Running (1)", "api · auth", "running"])
            .cloned()
    })
    .await;

    tray.click(&["Running (1)", "api · auth", "Attach"])
        .await
        .unwrap();
    wait_until(SOON, "a click on a runner opens the window", || {
        stage.has_window()
    });
    tray.click_id(stop).await.unwrap();
    tray.wait_for_menu(SOON, "nothing runs", |menu| {
        menu.find(&["Nothing is running"]).cloned()
    })
    .await;
    let ended = host
        .runner(v1::RunnerRef { runner: runner.id })
        .await
        .unwrap();
    assert_eq!(ended.state, "terminated");

    tray.click(&["Start at login"]).await.unwrap();
    let autostart = stage.desk.home.home().join(".config/autostart");
    wait_until(SOON, "an autostart entry", || {
        autostart
            .read_dir()
            .is_ok_and(|entries| entries.count() == 1)
    });
    tray.click(&["Quit, runners keep running"]).await.unwrap();
    let mut desktop = desktop;
    assert!(wait_until(SOON, "it quits", || desktop.0.try_wait().unwrap()).success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_told_and_attach_brings_the_window_up_and_a_start_later_tells_what_was_missed()
{
    let stage = Stage::set();
    let _trays = TrayHost::start(&stage.desk.bus).await.unwrap();
    let notifications = NotificationService::start(&stage.desk.bus).await.unwrap();
    let desktop = stage.start(&["--hidden"]);
    let host = stage.host().await;
    stage.project(&host, "api").await;
    stage.launch(&host, "api", "auth", "exit 3").await;
    let failed = notifications
        .wait_for(SOON, "a failure is told", |one| {
            one.summary.contains("auth")
        })
        .await;
    assert!(
        failed
            .actions
            .iter()
            .any(|(key, label)| key == "attach" && label == "Attach"),
        "{failed:?}"
    );
    assert!(!stage.has_window());
    notifications.press(failed.id, "attach").await.unwrap();
    wait_until(SOON, "Attach opens the window", || stage.has_window());
    stage.entitled_by(&activation_token_of(failed.id));

    // It ends while no host runs.
    let flag = stage.desk.home.path().join("go");
    stage
        .launch(
            &host,
            "api",
            "later",
            &format!("wait-file {}; exit 4", flag.display()),
        )
        .await;
    wait_until_async(SOON, "it runs", async || {
        host.runner(v1::RunnerRef {
            runner: "later".into(),
        })
        .await
        .is_ok_and(|runner| runner.state == "running")
    })
    .await;
    assert!(desktop.terminate());
    std::fs::write(&flag, "").unwrap();
    let exits = || {
        std::fs::read_dir(stage.desk.home.data().join("runners"))
            .unwrap()
            .flatten()
            .filter(|runner| runner.path().join("1/exit.json").exists())
            .count()
    };
    wait_until(SOON, "both have ended", || exits() == 2);
    let desktop = stage.start(&["--hidden"]);
    let missed = notifications
        .wait_for(SOON, "what was missed is told", |one| {
            one.summary.contains("later")
        })
        .await;
    assert!(missed.open);
    assert!(desktop.terminate());
    let told = |name: &str| {
        notifications
            .all()
            .iter()
            .filter(|one| one.summary.contains(name))
            .count()
    };
    assert_eq!((told("auth"), told("later")), (1, 1), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_raises_the_first_and_leaves() {
    let stage = Stage::set();
    let _trays = TrayHost::start(&stage.desk.bus).await.unwrap();
    let desktop = stage.start(&["--hidden"]);
    let host = stage.host().await;
    assert!(!stage.has_window());
    assert!(stage.command(&[]).status().unwrap().success());
    wait_until(SOON, "the first shows its window", || stage.has_window());
    let status = host.status().await.unwrap();
    assert_eq!(
        (status.host.as_str(), status.host_pid),
        ("desktop", desktop.0.id()),
        "one desktop, the first"
    );
    assert!(desktop.terminate());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bus_or_a_tray_it_runs_and_without_a_display_it_says_what_to_do() {
    let mut stage = Stage::set();
    stage.desk.environment.insert(
        "DBUS_SESSION_BUS_ADDRESS".into(),
        "unix:path=/nonexistent/bus".into(),
    );
    let desktop = stage.start(&[]);
    wait_until(SOON, "the window opens", || stage.has_window());
    stage.host().await.status().await.unwrap();
    assert!(desktop.terminate());

    stage.desk.environment.remove("DISPLAY");
    let refused = stage.command(&[]).stderr(Stdio::piped()).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("no display") && said.contains("stratavored"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_named_at_the_start_is_attached_by_the_first_desktop_and_by_a_second_start() {
    let stage = Stage::set();
    let _trays = TrayHost::start(&stage.desk.bus).await.unwrap();
    let desktop = stage.start(&["--hidden"]);
    let host = stage.host().await;
    stage.project(&host, "api").await;
    stage.launch(&host, "api", "auth", "print one; hold").await;
    stage.launch(&host, "api", "docs", "print two; hold").await;
    assert!(!stage.has_window());

    // The launcher's token comes along, and entitles the first one's window.
    let mut second = stage.command(&["--attach", "auth"]);
    second.env("XDG_ACTIVATION_TOKEN", "of-the-launcher");
    assert!(second.status().unwrap().success());
    wait_until(SOON, "the first shows its window", || stage.has_window());
    stage.entitled_by("of-the-launcher");
    stage.viewed(&host, "auth", 1).await;
    stage.viewed(&host, "docs", 0).await;
    assert!(desktop.terminate());

    // Now as the first and only one, by a prefix.
    let desktop = stage.start(&["--attach", "doc"]);
    let host = stage.host().await;
    stage.viewed(&host, "docs", 1).await;
    assert!(stage.has_window());
    assert!(desktop.terminate());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_beside_stratavored_is_its_client_and_takes_over_when_it_is_killed() {
    let stage = Stage::set();
    let trays = TrayHost::start(&stage.desk.bus).await.unwrap();
    let mut daemon = stage
        .desk
        .home
        .command(binary::built("stratavore-daemon", "stratavored"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let host = stage.host().await;
    stage.project(&host, "api").await;
    let runner = stage
        .launch(&host, "api", "auth", "print ready; echo")
        .await;
    let program = Process::find(runner.pid.unwrap()).unwrap();

    let desktop = stage.start(&["--hidden"]);
    let tray = trays.wait_for_item(SOON).await;
    tray.wait_for_menu(SOON, "the runner of the other host", |menu| {
        menu.find(&["Running (1)", "api · auth", "running"])
            .cloned()
    })
    .await;
    assert_eq!(host.status().await.unwrap().host, "stratavored");

    daemon.kill().unwrap();
    daemon.wait().unwrap();
    let status = wait_until_async(SOON, "the desktop supervises", async || {
        let record = stratavore_rpc::find(&stage.places()).ok()?;
        let host = Remote::new(stratavore_rpc::connect(&record.socket).await.ok()?);
        let status = host.status().await.ok()?;
        (status.host == "desktop").then_some(status)
    })
    .await;
    assert_eq!(status.host_pid, desktop.0.id());
    let host = stage.host().await;
    wait_until_async(SOON, "the runner is adopted", async || {
        let asked = host
            .send(v1::SendRequest {
                runner: "auth".into(),
                text: "still there".into(),
                enter: true,
            })
            .await;
        asked.is_ok()
    })
    .await;
    assert!(program.is_alive());
    tray.wait_for_menu(SOON, "the runner of its own host", |menu| {
        menu.find(&["Running (1)", "api · auth", "running"])
            .cloned()
    })
    .await;
    tray.click(&["Running (1)", "api · auth", "Stop"])
        .await
        .unwrap();
    wait_until(SOON, "the new host ends the old one's runner", || {
        !program.is_alive()
    });
    assert!(desktop.terminate());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_desktop_leaves_its_runners_running_and_the_next_start_adopts_them() {
    let stage = Stage::set();
    let trays = TrayHost::start(&stage.desk.bus).await.unwrap();
    let desktop = stage.start(&["--hidden"]);
    let host = stage.host().await;
    stage.project(&host, "api").await;
    let runner = stage
        .launch(&host, "api", "auth", "print ready; echo")
        .await;
    let program = Process::find(runner.pid.unwrap()).unwrap();
    let tray = trays.wait_for_item(SOON).await;
    // By SIGKILL.
    drop(desktop);
    wait_until_async(SOON, "its tray is gone", async || {
        tray.title().await.is_err()
    })
    .await;
    assert!(program.is_alive());

    let desktop = stage.start(&["--hidden"]);
    let tray = trays.wait_for_item(SOON).await;
    tray.wait_for_menu(SOON, "the runner again", |menu| {
        menu.find(&["Running (1)", "api · auth", "running"])
            .cloned()
    })
    .await;
    let host = stage.host().await;
    let found = host
        .runner(v1::RunnerRef {
            runner: "auth".into(),
        })
        .await
        .unwrap();
    assert_eq!((found.id, found.pid), (runner.id, runner.pid));
    assert_eq!(found.attempt, 1, "nothing was launched twice");
    assert!(desktop.terminate());
    assert!(program.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_desktop_killed_during_launches_and_a_stop_launches_each_once_and_finishes_the_stop() {
    let stage = Stage::set();
    let marks = stage.desk.home.path().join("marks");
    std::fs::create_dir(&marks).unwrap();
    let mut desktop = stage.start(&["--hidden"]);
    let host = stage.host().await;
    stage.project(&host, "api").await;
    let stubborn = stage
        .launch(
            &host,
            "api",
            "stubborn",
            "ignore TERM HUP; print deaf; hold",
        )
        .await;
    let program = Process::find(stubborn.pid.unwrap()).unwrap();
    let mut host = host;
    // Killed at another moment of the launches each time, by what is answered rather than by a clock.
    for round in 0..3 {
        let mut launches = tokio::task::JoinSet::new();
        for n in 0..4 {
            let (host, marks) = (host.clone(), marks.clone());
            launches.spawn(async move {
                let script = format!(
                    "record {}; hold",
                    marks.join(format!("{round}-{n}")).display()
                );
                let request = v1::LaunchRequest {
                    project: "api".into(),
                    name: Some(format!("r{round}-{n}")),
                    command: vec![binary::fake_program().to_str().unwrap().to_owned(), script],
                    ..v1::LaunchRequest::default()
                };
                host.launch(request).await.map(|runner| runner.id)
            });
        }
        let mut acknowledged = Vec::new();
        while acknowledged.len() < round {
            acknowledged.push(launches.join_next().await.unwrap().unwrap().unwrap());
        }
        if round == 2 {
            let stop = v1::StopRequest {
                target: Some(v1::stop_request::Target::Runner(stubborn.id.clone())),
                grace_seconds: Some(1),
                wait: false,
            };
            host.stop(stop).await.unwrap();
        }
        drop(desktop);
        drop(launches);
        desktop = stage.start(&["--hidden"]);
        host = stage.host().await;
        let runners = wait_until_async(SOON, "every launch runs", async || {
            let all = v1::ListRunnersRequest {
                project: None,
                all: true,
            };
            let runners = host.runners(all).await.map_err(|error| error.to_string())?;
            let prefix = format!("r{round}-");
            let launched: Vec<v1::Runner> = runners
                .runners
                .into_iter()
                .filter(|runner| runner.name.starts_with(&prefix))
                .collect();
            let run = |runner: &v1::Runner| {
                let mark = std::fs::read_to_string(marks.join(&runner.name[1..]));
                runner.state == "running" && mark.is_ok_and(|mark| !mark.is_empty())
            };
            if launched.iter().all(run) {
                Ok(launched)
            } else {
                Err(format!("{launched:?}"))
            }
        })
        .await;
        for id in &acknowledged {
            assert!(
                runners.iter().any(|runner| runner.id == *id),
                "{id} is lost"
            );
        }
        for runner in &runners {
            let mark = std::fs::read_to_string(marks.join(&runner.name[1..])).unwrap();
            assert_eq!(mark.lines().count(), 1, "{} ran twice", runner.name);
        }
    }
    wait_until_async(SOON, "the stop is finished", async || {
        let runner = host
            .runner(v1::RunnerRef {
                runner: stubborn.id.clone(),
            })
            .await;
        match runner {
            Ok(runner) if runner.state == "terminated" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(!program.is_alive());
    assert!(desktop.terminate());
}
