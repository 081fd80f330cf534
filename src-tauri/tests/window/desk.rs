//! A desk to put the window on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use stratavore_api::{Api, Remote, v1};
use stratavore_core::places::Places;
use stratavore_testkit::desk::Desk as Place;
use stratavore_testkit::notifications::NotificationService;
use stratavore_testkit::tray::TrayHost;
use stratavore_testkit::webdriver::WebDriver;
use stratavore_testkit::{binary, wait_until, wait_until_async};

use crate::page::{SOON, Window, row};

/// The configuration, below the person's home.
const CONFIG: &str = ".config/stratavore/stratavore.toml";

/// A desk with a display, a bus, a tray, notifications, and the programs in one directory, as they are installed.
pub(crate) struct Desk {
    // Dropped in this order: both speak on the place's bus.
    trays: TrayHost,
    pub(crate) notifications: NotificationService,
    pub(crate) place: Place,
    program: PathBuf,
}

impl Desk {
    pub(crate) async fn set() -> Self {
        let mut place = Place::set(&[]).expect("a display and a bus start");
        // Everything below the person's home, as it would be: paths are part of what the window shows.
        let home = place.home.home();
        let programs = home.join(".local/bin");
        fs::create_dir_all(&programs).unwrap();
        let program = programs.join("stratavore-desktop");
        let agent = binary::built("stratavore-agent", "stratavore-agent");
        fs::copy(desktop(), &program).unwrap();
        fs::copy(agent, programs.join("stratavore-agent")).unwrap();
        for (variable, below) in [
            ("STRATAVORE_DATA_DIR", ".local/share/stratavore"),
            ("STRATAVORE_CONFIG", CONFIG),
            ("STRATAVORE_RUNTIME_DIR", "run"),
        ] {
            let path = home.join(below).to_str().unwrap().to_owned();
            place.environment.insert(variable.into(), path);
        }
        // Nothing fades while it is looked at.
        let gtk = home.join(".config/gtk-3.0");
        fs::create_dir_all(&gtk).unwrap();
        fs::write(
            gtk.join("settings.ini"),
            "[Settings]\ngtk-enable-animations=0\n",
        )
        .unwrap();
        let desk = Self {
            trays: TrayHost::start(&place.bus).await.unwrap(),
            notifications: NotificationService::start(&place.bus).await.unwrap(),
            place,
            program,
        };
        // Figures come within a second.
        desk.configure("[heartbeat]\ninterval_seconds = 1\n");
        desk
    }

    /// Writes the configuration; for a host that is not there yet.
    pub(crate) fn configure(&self, text: &str) {
        let file = self.place.home.home().join(CONFIG);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Starts the program in a desktop with this theme.
    pub(crate) async fn open(&self, theme: &str) -> Window {
        let mut environment = self.place.environment.clone();
        environment.insert("GTK_THEME".to_owned(), theme.to_owned());
        let driver = WebDriver::start(&self.place.home, &environment).expect("the drivers start");
        let client = driver
            .open(&self.program, &[])
            .await
            .expect("the window opens");
        let window = Window { client, driver };
        window.see("[data-testid=window][data-loaded=true]").await;
        window
    }

    /// Asks the host in the program, as the CLI does.
    pub(crate) async fn host(&self) -> Remote {
        let places = Places::from_env(&self.place.environment).unwrap();
        // A record may still be that of a host which was killed.
        let connect = async || {
            let record = stratavore_rpc::find(&places)?;
            stratavore_rpc::connect(&record.socket).await
        };
        Remote::new(wait_until_async(SOON, "the host answers", connect).await)
    }

    /// Starts the headless host, and waits until it supervises.
    pub(crate) fn daemon(&self) -> Child {
        let program = self.program.with_file_name("stratavored");
        fs::copy(binary::built("stratavore-daemon", "stratavored"), &program).unwrap();
        let daemon = Command::new(&program)
            .env_clear()
            .envs(&self.place.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let places = Places::from_env(&self.place.environment).unwrap();
        wait_until(SOON, "stratavored answers", || {
            stratavore_rpc::find(&places)
        });
        daemon
    }

    /// Installs a program of this name that plays the scene it finds in its environment; without one it tells which
    /// conversation it was asked to go on with, and answers what is typed.
    pub(crate) fn install(&self, name: &str, version: &str) {
        let programs = self.place.home.home().join(".local/bin");
        fs::write(
            self.place.home.home().join(".profile"),
            "PATH=\"$HOME/.local/bin:$PATH\"\n",
        )
        .unwrap();
        let program = programs.join(name);
        let fake = binary::fake_program();
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && {{ echo '{version}'; exit; }}\n\
             while [ $# -gt 0 ]; do [ \"$1\" = --resume ] && resumed=$2; shift; done\n\
             exec '{}' \"${{SCENE:-print I go on with $resumed; echo}}\"\n",
            fake.display()
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Makes a directory where people keep their projects.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let directory = self.place.home.home().join("code").join(name);
        fs::create_dir_all(&directory).unwrap();
        directory
    }

    pub(crate) async fn project(&self, host: &Remote, name: &str, max_runners: Option<u32>) {
        let path = self.directory(name).to_str().unwrap().to_owned();
        host.add_project(v1::AddProjectRequest {
            name: name.into(),
            path,
            max_runners,
        })
        .await
        .unwrap();
    }

    pub(crate) fn end(self) {
        self.place.home.end_all();
        drop((self.trays, self.notifications, self.place));
    }
}

/// Opens a window on one project whose runners play scenes, the first of them in front.
pub(crate) async fn at_work(desk: &Desk, scenes: &[(&str, &str)]) -> (Window, Remote) {
    desk.install("claude", "2.1.34 (Claude Code)");
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    desk.project(&host, "atlas", None).await;
    for (name, scene) in scenes {
        launch(&host, "atlas", "claude", name, scene).await;
    }
    for (name, _) in scenes {
        window.see(&row(name, "running")).await;
    }
    if let Some((name, _)) = scenes.first() {
        window.click(&row(name, "running")).await;
        window.see("[data-testid=terminal][data-ready=true]").await;
    }
    (window, host)
}

/// Launches a program that plays a scene.
pub(crate) async fn launch(host: &Remote, project: &str, program: &str, name: &str, scene: &str) {
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

/// What an agent says of itself on its terminal, and what it shows.
pub(crate) fn says(state: &str, shows: &str) -> String {
    format!(r"write \e]7501\sstate={state}\a{shows}; hold")
}

/// Gives the program under test; where others are given built, as when it is measured, that beside them.
fn desktop() -> PathBuf {
    match std::env::var_os(binary::DIRECTORY) {
        Some(directory) => PathBuf::from(directory).join("stratavore-desktop"),
        None => PathBuf::from(env!("CARGO_BIN_EXE_stratavore-desktop")),
    }
}
