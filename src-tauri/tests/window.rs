//! The window of the real program, used as a person uses it: seen, clicked, typed into.
//!
//! With `STRATAVORE_SCREENSHOTS` naming a directory, the pictures of the documentation are taken in passing.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use fantoccini::{Client, Locator};
use stratavore_api::{Api, Remote, v1};
use stratavore_core::places::Places;
use stratavore_testkit::bus::Bus;
use stratavore_testkit::display::Display;
use stratavore_testkit::notifications::NotificationService;
use stratavore_testkit::tray::TrayHost;
use stratavore_testkit::webdriver::WebDriver;
use stratavore_testkit::{TempHome, binary, wait_until, wait_until_async};

const SOON: Duration = Duration::from_secs(60);

/// A desk with a display, a bus, a tray, notifications, and the programs in one directory, as they are installed.
struct Desk {
    home: TempHome,
    display: Display,
    bus: Bus,
    trays: TrayHost,
    notifications: NotificationService,
    program: PathBuf,
}

impl Desk {
    async fn set() -> Self {
        let home = TempHome::new();
        let display = Display::start(&home, 1400, 900).expect("Xvfb starts");
        let bus = Bus::start(&home).expect("a bus starts");
        let programs = home.path().join("bin");
        fs::create_dir(&programs).unwrap();
        let program = programs.join("stratavore-desktop");
        let agent = binary::built("stratavore-agent", "stratavore-agent");
        fs::copy(env!("CARGO_BIN_EXE_stratavore-desktop"), &program).unwrap();
        fs::copy(agent, programs.join("stratavore-agent")).unwrap();
        // Nothing fades while it is looked at, and figures come within a second.
        let gtk = home.home().join(".config/gtk-3.0");
        fs::create_dir_all(&gtk).unwrap();
        fs::write(
            gtk.join("settings.ini"),
            "[Settings]\ngtk-enable-animations=0\n",
        )
        .unwrap();
        fs::write(home.config_file(), "[heartbeat]\ninterval_seconds = 1\n").unwrap();
        Self {
            trays: TrayHost::start(&bus).await.unwrap(),
            notifications: NotificationService::start(&bus).await.unwrap(),
            home,
            display,
            bus,
            program,
        }
    }

    /// Starts the program in a desktop with this theme.
    async fn open(&self, theme: &str) -> Window {
        let mut environment = BTreeMap::from([("GTK_THEME".to_owned(), theme.to_owned())]);
        environment.extend(self.display.environment());
        environment.extend(self.bus.environment());
        let driver = WebDriver::start(&self.home, &environment).expect("the drivers start");
        let client = driver
            .open(&self.program, &[])
            .await
            .expect("the window opens");
        let window = Window { client, driver };
        window.see("[data-testid=window][data-loaded=true]").await;
        window
    }

    /// Asks the host in the program, as the CLI does.
    async fn host(&self) -> Remote {
        let places = Places::from_env(&self.home.environment()).unwrap();
        let record = wait_until(SOON, "the host answers", || stratavore_rpc::find(&places));
        Remote::new(stratavore_rpc::connect(&record.socket).await.unwrap())
    }

    /// Installs a program of this name that plays the scene it finds in its environment.
    fn install(&self, name: &str, version: &str) {
        let programs = self.home.home().join("bin");
        fs::create_dir_all(&programs).unwrap();
        fs::write(
            self.home.home().join(".profile"),
            "PATH=\"$HOME/bin:$PATH\"\n",
        )
        .unwrap();
        let program = programs.join(name);
        let fake = binary::fake_program();
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo '{version}'; exit; }}\nexec '{}' \"$SCENE\"\n",
            fake.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }

    async fn project(&self, host: &Remote, name: &str, max_runners: Option<u32>) {
        let path = self.home.project(name).to_str().unwrap().to_owned();
        host.add_project(v1::AddProjectRequest {
            name: name.into(),
            path,
            max_runners,
        })
        .await
        .unwrap();
    }

    fn end(self) {
        self.home.end_all();
        drop((self.trays, self.notifications, self.display, self.bus));
    }
}

/// The program's window, through the eyes and hands of a person.
struct Window {
    client: Client,
    driver: WebDriver,
}

impl Window {
    /// Waits until this is on the screen.
    async fn see(&self, css: &str) {
        wait_until_async(SOON, css, async || {
            let found = self.client.find(Locator::Css(css)).await;
            match found {
                Ok(element) => element.is_displayed().await.unwrap_or(false),
                Err(_) => false,
            }
        })
        .await;
    }

    /// Waits until the page holds this, where a person need not see it.
    async fn holds(&self, css: &str) {
        wait_until_async(SOON, css, async || {
            self.client.find(Locator::Css(css)).await.map(drop)
        })
        .await;
    }

    async fn see_gone(&self, css: &str) {
        wait_until_async(SOON, &format!("no {css}"), async || {
            self.client
                .find_all(Locator::Css(css))
                .await
                .is_ok_and(|found| found.is_empty())
        })
        .await;
    }

    /// Clicks it once it takes clicks.
    async fn click(&self, css: &str) {
        self.see(css).await;
        wait_until_async(SOON, &format!("a click on {css}"), async || {
            let element = self.client.find(Locator::Css(css)).await?;
            element.click().await
        })
        .await;
    }

    /// Types into a field.
    async fn fill(&self, css: &str, text: &str) {
        self.click(css).await;
        let field = self.client.find(Locator::Css(css)).await.unwrap();
        field.send_keys(text).await.unwrap();
        assert_eq!(
            field.prop("value").await.unwrap().as_deref(),
            Some(text),
            "{css}"
        );
    }

    /// Presses these keys together.
    async fn chord(&self, keys: &[char]) {
        let mut actions = KeyActions::new("keyboard".into());
        for value in keys.iter().copied() {
            actions = actions.then(KeyAction::Down { value });
        }
        for value in keys.iter().rev().copied() {
            actions = actions.then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Types at whatever has the focus.
    async fn keys(&self, text: &str) {
        let actions = text
            .chars()
            .fold(KeyActions::new("keyboard".into()), |actions, value| {
                actions
                    .then(KeyAction::Down { value })
                    .then(KeyAction::Up { value })
            });
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Runs a command of the palette by the keyboard alone.
    async fn palette(&self, words: &str) {
        self.chord(&[Key::Control.into(), 'k']).await;
        self.see("[data-testid=palette-text]:focus").await;
        self.keys(words).await;
        self.see("[data-testid=palette-option][aria-selected=true]")
            .await;
        self.keys(&char::from(Key::Enter).to_string()).await;
        self.see_gone("[data-testid=palette]").await;
    }

    /// Waits until the text of what has this name contains the words.
    async fn reads(&self, testid: &str, words: &str) {
        let css = format!("[data-testid={testid}]");
        wait_until_async(SOON, &format!("`{words}` in {testid}"), async || {
            let found = self.client.find(Locator::Css(&css)).await;
            let text = found.map_err(|error| error.to_string())?.text().await;
            let text = text.map_err(|error| error.to_string())?;
            if text.contains(words) {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    }

    async fn sees_in_terminal(&self, text: &str) {
        wait_until_async(SOON, &format!("`{text}` in the terminal"), async || {
            let shown = self.run("return window.__stratavore_terminal_text()").await;
            let shown = shown.as_str().unwrap_or_default().trim().to_owned();
            if shown.contains(text) {
                Ok(())
            } else {
                Err(shown)
            }
        })
        .await;
    }

    async fn run(&self, script: &str) -> serde_json::Value {
        self.client.execute(script, Vec::new()).await.unwrap()
    }

    /// Takes a picture for the documentation, where one was asked for.
    async fn picture(&self, name: &str) {
        let Some(directory) = std::env::var_os("STRATAVORE_SCREENSHOTS") else {
            return;
        };
        let picture = self.client.screenshot().await.unwrap();
        fs::create_dir_all(&directory).unwrap();
        fs::write(Path::new(&directory).join(name), picture).unwrap();
    }

    /// Ends the program; what it runs goes on.
    async fn end(self) {
        self.client.close().await.unwrap();
        drop(self.driver);
    }
}

fn row(name: &str, state: &str) -> String {
    format!("[data-testid=runner-row][data-name=\"{name}\"][data-state={state}]")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_adds_a_project_launches_types_and_stops_by_mouse_and_then_by_keyboard_alone() {
    let desk = Desk::set().await;
    let directory = desk.home.project("api");
    let window = desk.open("Adwaita").await;

    window.click("[data-testid=first-project]").await;
    window
        .fill("[data-testid=project-path]", directory.to_str().unwrap())
        .await;
    let name = window
        .client
        .find(Locator::Css("[data-testid=project-name]"))
        .await
        .unwrap();
    assert_eq!(name.prop("value").await.unwrap().as_deref(), Some("api"));
    window.click("[data-testid=project-submit]").await;
    window.see("[data-testid=no-runners]").await;

    window.chord(&[Key::Control.into(), 'n']).await;
    window.see("[data-testid=launch-dialog]").await;
    window
        .click("[data-testid=launch-program][data-program=command] input")
        .await;
    let fake = binary::fake_program();
    window
        .fill(
            "[data-testid=launch-command]",
            &format!("{} 'print hello from the runner; echo'", fake.display()),
        )
        .await;
    window.fill("[data-testid=launch-name]", "greeter").await;
    window.click("[data-testid=launch-submit]").await;
    window.see(&row("greeter", "running")).await;
    window.sees_in_terminal("hello from the runner").await;
    window.click("[data-testid=terminal]").await;
    window.keys("good morning\u{e007}").await;
    window.sees_in_terminal("you said: good morning").await;

    window.click("[data-testid=stop]").await;
    window.see("[data-testid=question-cancel]:focus").await;
    window.click("[data-testid=question-confirm]").await;
    window.see(&row("greeter", "terminated")).await;
    window.see("[data-testid=ended-strip]").await;
    for view in ["projects", "events", "settings"] {
        window.click(&format!("[data-testid=view-{view}]")).await;
        window.see(&format!("[data-testid={view}-view]")).await;
    }
    window.see("[data-testid=config-table] tr").await;

    // The same again without the mouse.
    window.palette("go to events").await;
    window.see("[data-testid=event-row]").await;
    window.palette("go to projects").await;
    window
        .see("[data-testid=project-row][data-project=api]")
        .await;
    window.chord(&[Key::Control.into(), '1']).await;
    window.see("[data-testid=facts]").await;
    window.palette("restart greeter").await;
    window.see(&row("greeter", "running")).await;
    window.see("[data-testid=terminal][data-ready=true]").await;
    window.sees_in_terminal("hello from the runner").await;
    window.holds("[data-testid=terminal] textarea:focus").await;
    window.keys("good evening\u{e007}").await;
    window.sees_in_terminal("you said: good evening").await;
    window.palette("stop greeter").await;
    window.see("[data-testid=question-cancel]:focus").await;
    window.keys("\u{e004}").await;
    window.see("[data-testid=question-confirm]:focus").await;
    window.keys("\u{e007}").await;
    window.see(&row("greeter", "terminated")).await;

    let runner = v1::RunnerRef {
        runner: "greeter".into(),
    };
    let told = desk.host().await.runner(runner).await.unwrap();
    assert_eq!((told.state.as_str(), told.attempt), ("terminated", 2));
    window.end().await;
    desk.end();
}

/// What an agent shows while it works: text in colours, a change, a box to type into.
const AGENT: &str = concat!(
    r"allocate 60; write \e]0\sSplitting the session store\a",
    r"\e[2m> \e[22mMove session expiry into the store, and test it\n\n",
    r"\e[38\s5\s75m●\e[0m I'll look at how sessions expire today.\n\n",
    r"\e[38\s5\s78m●\e[0m \e[1mRead\e[22m(src/session.rs)\n",
    r"  \e[2m└ 214 lines\e[22m\n\n",
    r"\e[38\s5\s78m●\e[0m \e[1mUpdate\e[22m(src/session.rs)\n",
    r"  \e[2m└ 2 additions, 3 removals\e[22m\n",
    r"     \e[2m41\e[22m      pub fn get(&self, id: &Id) -> Option<Session> {\n",
    r"     \e[2m42\e[22m \e[31m-        let session = self.map.get(id)?\s\e[0m\n",
    r"     \e[2m43\e[22m \e[31m-        if session.expires < now() { return None\s }\e[0m\n",
    r"     \e[2m44\e[22m \e[31m-        Some(session.clone())\e[0m\n",
    r"     \e[2m42\e[22m \e[32m+        let now = self.clock.now()\s\e[0m\n",
    r"     \e[2m43\e[22m \e[32m+        self.store.live_at(id, now)\e[0m\n",
    r"     \e[2m44\e[22m      }\n\n",
    r"\e[38\s5\s78m●\e[0m \e[1mRun\e[22m(cargo test session)\n",
    r"  \e[2m└\e[22m \e[32m17 passed\e[0m, 0 failed\n\n",
    r"\e[38\s5\s75m✻\e[0m \e[38\s5\s75mWriting the test for clock skew…\e[0m \e[2m(48s, 3.1k tokens)\e[22m\n\n",
    r"\e[2m────────────────────────────────────────────────────────────\e[22m\n",
    r"> \n",
    r"\e[2m────────────────────────────────────────────────────────────\e[22m\e[A\e[58D\e[0m; hold",
);

async fn launch(host: &Remote, project: &str, program: &str, name: &str, scene: &str) {
    let request = v1::LaunchRequest {
        project: project.into(),
        program: Some(program.into()),
        name: Some(name.into()),
        env: vec![v1::EnvVar {
            key: "SCENE".into(),
            value: scene.into(),
        }],
        ..v1::LaunchRequest::default()
    };
    host.launch(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_shows_each_state_and_the_window_follows_the_desktops_theme() {
    let desk = Desk::set().await;
    desk.install("claude", "2.1.34 (Claude Code)");
    desk.install("codex", "codex-cli 0.46.0");
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    for (name, limit) in [
        ("api-gateway", Some(4)),
        ("docs-site", None),
        ("web-shop", Some(2)),
    ] {
        desk.project(&host, name, limit).await;
    }
    let title = |title: &str| format!(r"allocate 60; write \e]0\s{title}\a; hold");
    launch(&host, "api-gateway", "claude", "sessions", AGENT).await;
    for (project, program, name, doing) in [
        (
            "api-gateway",
            "claude",
            "flaky-tests",
            "Running cargo nextest for the fourth time",
        ),
        (
            "docs-site",
            "codex",
            "rewrite-intro",
            "Rewriting the first page",
        ),
        (
            "web-shop",
            "claude",
            "checkout",
            "Reading the payment module",
        ),
    ] {
        launch(&host, project, program, name, &title(doing)).await;
    }
    launch(
        &host,
        "web-shop",
        "codex",
        "upgrade",
        "print cannot reach the registry; exit 3",
    )
    .await;
    launch(
        &host,
        "docs-site",
        "claude",
        "spelling",
        "print done; exit 0",
    )
    .await;
    window.see(&row("rewrite-intro", "running")).await;
    let paused = v1::RunnerRef {
        runner: "rewrite-intro".into(),
    };
    host.pause(paused).await.unwrap();

    for (name, state) in [
        ("sessions", "running"),
        ("flaky-tests", "running"),
        ("checkout", "running"),
        ("rewrite-intro", "paused"),
        ("upgrade", "failed"),
        ("spelling", "terminated"),
    ] {
        window.see(&row(name, state)).await;
    }
    window.click(&row("checkout", "running")).await;
    window.click(&row("sessions", "running")).await;
    window.sees_in_terminal("17 passed").await;
    window.reads("fact-viewers", "1").await;
    window.reads("fact-memory", "MB").await;
    assert_eq!(window.run(IS_DARK).await, true);
    window.picture("fleet-dark.png").await;
    window.chord(&[Key::Control.into(), 'n']).await;
    window
        .see("[data-testid=launch-program][data-found=true]")
        .await;
    window.picture("launch.png").await;
    window.click("[data-testid=launch-cancel]").await;
    for (view, settled) in [
        ("projects", "[data-testid=project-row]"),
        ("events", "[data-testid=event-row]"),
        ("settings", "[data-testid=doctor-check]"),
    ] {
        window.click(&format!("[data-testid=view-{view}]")).await;
        window.see(settled).await;
        window.picture(&format!("{view}.png")).await;
    }
    window.end().await;

    // Another desktop session, in light colours: the same runners.
    let window = desk.open("Adwaita").await;
    window.click(&row("sessions", "running")).await;
    window.sees_in_terminal("17 passed").await;
    window.see(&row("rewrite-intro", "paused")).await;
    window.reads("fact-viewers", "1").await;
    assert_eq!(window.run(IS_DARK).await, false);
    window.picture("fleet-light.png").await;
    window.end().await;
    desk.end();
}

const IS_DARK: &str = "return matchMedia('(prefers-color-scheme: dark)').matches";
