//! A desk to put the window on.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use stratavore_api::{Api, Remote, v1};
use stratavore_core::places::Places;
use stratavore_testkit::bus::Bus;
use stratavore_testkit::display::Display;
use stratavore_testkit::notifications::NotificationService;
use stratavore_testkit::tray::TrayHost;
use stratavore_testkit::webdriver::WebDriver;
use stratavore_testkit::{TempHome, binary, wait_until};

use crate::page::{SOON, Window};

/// A desk with a display, a bus, a tray, notifications, and the programs in one directory, as they are installed.
pub(crate) struct Desk {
    pub(crate) home: TempHome,
    display: Display,
    bus: Bus,
    trays: TrayHost,
    notifications: NotificationService,
    environment: BTreeMap<String, String>,
    program: PathBuf,
}

impl Desk {
    pub(crate) async fn set() -> Self {
        let home = TempHome::new();
        let display = Display::start(&home, 1400, 900).expect("Xvfb starts");
        let bus = Bus::start(&home).expect("a bus starts");
        let programs = home.home().join(".local/bin");
        fs::create_dir_all(&programs).unwrap();
        let program = programs.join("stratavore-desktop");
        let agent = binary::built("stratavore-agent", "stratavore-agent");
        fs::copy(desktop(), &program).unwrap();
        fs::copy(agent, programs.join("stratavore-agent")).unwrap();
        // Everything below the person's home, as it would be: paths are part of what the window shows.
        let mut environment = home.environment();
        environment.extend(display.environment());
        environment.extend(bus.environment());
        for (variable, place) in [
            ("STRATAVORE_DATA_DIR", ".local/share/stratavore"),
            ("STRATAVORE_CONFIG", ".config/stratavore/stratavore.toml"),
            ("STRATAVORE_RUNTIME_DIR", "run"),
        ] {
            let place = home.home().join(place);
            environment.insert(variable.into(), place.to_str().unwrap().into());
        }
        // Nothing fades while it is looked at, and figures come within a second.
        let gtk = home.home().join(".config/gtk-3.0");
        fs::create_dir_all(&gtk).unwrap();
        fs::write(
            gtk.join("settings.ini"),
            "[Settings]\ngtk-enable-animations=0\n",
        )
        .unwrap();
        let settings = home.home().join(".config/stratavore");
        fs::create_dir_all(&settings).unwrap();
        fs::write(
            settings.join("stratavore.toml"),
            "[heartbeat]\ninterval_seconds = 1\n",
        )
        .unwrap();
        Self {
            trays: TrayHost::start(&bus).await.unwrap(),
            notifications: NotificationService::start(&bus).await.unwrap(),
            home,
            display,
            bus,
            environment,
            program,
        }
    }

    /// Starts the program in a desktop with this theme.
    pub(crate) async fn open(&self, theme: &str) -> Window {
        let mut environment = self.environment.clone();
        environment.insert("GTK_THEME".to_owned(), theme.to_owned());
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
    pub(crate) async fn host(&self) -> Remote {
        let places = Places::from_env(&self.environment).unwrap();
        let record = wait_until(SOON, "the host answers", || stratavore_rpc::find(&places));
        Remote::new(stratavore_rpc::connect(&record.socket).await.unwrap())
    }

    /// Starts the headless host, and waits until it supervises.
    pub(crate) fn daemon(&self) -> Child {
        let program = self.program.with_file_name("stratavored");
        fs::copy(binary::built("stratavore-daemon", "stratavored"), &program).unwrap();
        let daemon = Command::new(&program)
            .env_clear()
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let places = Places::from_env(&self.environment).unwrap();
        wait_until(SOON, "stratavored answers", || {
            stratavore_rpc::find(&places)
        });
        daemon
    }

    /// Installs a program of this name that plays the scene it finds in its environment.
    pub(crate) fn install(&self, name: &str, version: &str) {
        let programs = self.home.home().join(".local/bin");
        fs::write(
            self.home.home().join(".profile"),
            "PATH=\"$HOME/.local/bin:$PATH\"\n",
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

    /// Makes a directory where people keep their projects.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let directory = self.home.home().join("code").join(name);
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
        self.home.end_all();
        drop((self.trays, self.notifications, self.display, self.bus));
    }
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

/// Gives the program under test; where others are given built, as when it is measured, that beside them.
fn desktop() -> PathBuf {
    match std::env::var_os(binary::DIRECTORY) {
        Some(directory) => PathBuf::from(directory).join("stratavore-desktop"),
        None => PathBuf::from(env!("CARGO_BIN_EXE_stratavore-desktop")),
    }
}
