//! The real program on a private display and bus: tray, notifications, window, a second start, the end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stratavore_api::{Api, Remote, v1};
use stratavore_core::places::Places;
use stratavore_testkit::bus::Bus;
use stratavore_testkit::display::Display;
use stratavore_testkit::notifications::NotificationService;
use stratavore_testkit::tray::{TrayHost, TrayItem};
use stratavore_testkit::{TempHome, binary, wait_until, wait_until_async};

const SOON: Duration = Duration::from_secs(30);

/// A display, a bus, and the programs in one directory, as they are installed.
struct Stage {
    home: TempHome,
    display: Display,
    bus: Bus,
    environment: BTreeMap<String, String>,
    program: PathBuf,
}

impl Stage {
    fn set() -> Self {
        let home = TempHome::new();
        let display = Display::start(&home, 1400, 900).expect("Xvfb starts");
        let bus = Bus::start(&home).expect("a bus starts");
        let mut environment = home.environment();
        environment.extend(display.environment());
        environment.extend(bus.environment());
        let agent = binary::built("stratavore-agent", "stratavore-agent");
        let programs = home.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        let program = programs.join("stratavore-desktop");
        for (from, to) in [
            (
                Path::new(env!("CARGO_BIN_EXE_stratavore-desktop")),
                &program,
            ),
            (&agent, &programs.join("stratavore-agent")),
        ] {
            std::fs::copy(from, to).unwrap();
        }
        Self {
            home,
            display,
            bus,
            environment,
            program,
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.env_clear().envs(&self.environment).args(arguments);
        // A webview's processes may outlive the program by a moment; the test's own output is not theirs to hold.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(self.log());
        command
    }

    fn log(&self) -> std::fs::File {
        let path = self.home.path().join("desktop.stderr");
        std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("a log")
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running(self.command(arguments).spawn().expect("it starts"))
    }

    /// Asks the host in the desktop, as the CLI does.
    async fn host(&self) -> Remote {
        let places = Places::from_env(&self.environment).unwrap();
        let record = wait_until(SOON, "the host answers", || stratavore_rpc::find(&places));
        Remote::new(stratavore_rpc::connect(&record.socket).await.unwrap())
    }

    async fn project(&self, host: &Remote, name: &str) {
        let path = self.home.project(name).to_str().unwrap().to_owned();
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

    /// Tells the titles of the windows on the display.
    fn windows(&self) -> String {
        let tree = Command::new("xwininfo")
            .args(["-root", "-tree", "-display", self.display.name()])
            .output();
        String::from_utf8_lossy(&tree.expect("xwininfo (x11-utils) runs").stdout).into_owned()
    }

    fn has_window(&self) -> bool {
        self.windows().contains("\"Stratavore\"")
    }

    fn end(self) {
        self.home.end_all();
        drop((self.display, self.bus));
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
    let trays = TrayHost::start(&stage.bus).await.unwrap();
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
            menu.find(&["auth · api   running"]).cloned()
        })
        .await;
    assert!(running.enabled);
    wait_until_async(SOON, "another icon", async || icon(&tray).await != quiet).await;
    assert!(!stage.has_window(), "hidden opens no window");

    // A change of state changes texts in place: ids stay, so that an open menu never misfires.
    let menu = tray.menu().await.unwrap();
    let stop = menu
        .find(&["Runners (1)", "auth · api", "Stop"])
        .unwrap_or_else(|| panic!("{}", menu.outline()))
        .id;
    tray.click(&["Runners (1)", "auth · api", "Pause"])
        .await
        .unwrap();
    let paused = tray
        .wait_for_menu(SOON, "paused", |menu| {
            menu.find(&["auth · api   paused"])?;
            menu.find(&["Runners (1)", "auth · api", "paused"])?;
            menu.find(&["Runners (1)", "auth · api", "Stop"]).cloned()
        })
        .await;
    assert_eq!(paused.id, stop, "the menu was rebuilt");
    tray.click(&["Runners (1)", "auth · api", "Continue"])
        .await
        .unwrap();
    tray.wait_for_menu(SOON, "running again", |menu| {
        menu.find(&["auth · api   running"]).cloned()
    })
    .await;

    tray.click(&["auth · api   running"]).await.unwrap();
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
    let autostart = stage.home.home().join(".config/autostart");
    wait_until(SOON, "an autostart entry", || {
        autostart
            .read_dir()
            .is_ok_and(|entries| entries.count() == 1)
    });
    tray.click(&["Quit, runners keep running"]).await.unwrap();
    let mut desktop = desktop;
    assert!(wait_until(SOON, "it quits", || desktop.0.try_wait().unwrap()).success());
    stage.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_is_told_and_attach_brings_the_window_up_and_a_start_later_tells_what_was_missed()
{
    let stage = Stage::set();
    let _trays = TrayHost::start(&stage.bus).await.unwrap();
    let notifications = NotificationService::start(&stage.bus).await.unwrap();
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

    // It ends while no host runs.
    let flag = stage.home.path().join("go");
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
        std::fs::read_dir(stage.home.data().join("runners"))
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
    stage.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_raises_the_first_and_leaves() {
    let stage = Stage::set();
    let _trays = TrayHost::start(&stage.bus).await.unwrap();
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
    stage.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_bus_or_a_tray_it_runs_and_without_a_display_it_says_what_to_do() {
    let mut stage = Stage::set();
    stage.environment.insert(
        "DBUS_SESSION_BUS_ADDRESS".into(),
        "unix:path=/nonexistent/bus".into(),
    );
    let desktop = stage.start(&[]);
    wait_until(SOON, "the window opens", || stage.has_window());
    stage.host().await.status().await.unwrap();
    assert!(desktop.terminate());

    stage.environment.remove("DISPLAY");
    let refused = stage.command(&[]).stderr(Stdio::piped()).output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        said.contains("no display") && said.contains("stratavored"),
        "{said}"
    );
    stage.end();
}
