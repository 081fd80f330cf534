//! Several machines on one database: seen together, stopped from here, and shown as last known where one is silent or the
//! database is away.

use std::fs;
use std::process::{Child, Stdio};

use stratavore_api::{Api, Remote, v1};
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::{TempHome, binary, wait_until_async};

use crate::desk::Desk;
use crate::page::{SOON, THEMES, Window, row};

/// What is configured on a machine.
fn settings(node: &str, url: &str) -> String {
    format!(
        "person = 'ada'\n[store]\nurl = '{url}'\n[node]\nname = '{node}'\n[heartbeat]\ninterval_seconds = 1\n"
    )
}

/// What an agent shows that says of itself what it does.
fn at_work(title: &str) -> String {
    format!(
        r"allocate 60; write \e]0\s{title}\a\e]7501\sstate=working:app=claude-code\a\e[2m> \e[22m{title}\n\n\e[38\s5\s78m●\e[0m I begin with what is there.\n; echo"
    )
}

/// The other machine: directories and a host of its own.
struct Tower {
    home: TempHome,
    daemon: Child,
}

impl Tower {
    fn start(url: &str, desk: &Desk) -> Self {
        let home = TempHome::new();
        fs::write(home.config_file(), settings("tower", url)).unwrap();
        // The same programs are installed there.
        let programs = desk.place.home.home().join(".local/bin");
        let path = format!("PATH=\"{}:$PATH\"\n", programs.display());
        fs::write(home.home().join(".profile"), path).unwrap();
        binary::built("stratavore-agent", "stratavore-agent");
        let daemon = Self::host(&home);
        Self { home, daemon }
    }

    fn host(home: &TempHome) -> Child {
        home.command(binary::built("stratavore-daemon", "stratavored"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    }

    /// Its host is gone at once; what it runs goes on.
    fn falls_silent(&mut self) {
        self.daemon.kill().unwrap();
        self.daemon.wait().unwrap();
    }

    fn is_back(&mut self) {
        self.daemon = Self::host(&self.home);
    }

    fn end(mut self) {
        self.falls_silent();
        self.home.end_all();
    }
}

/// Looks at a runner in both themes.
async fn pictures(window: &Window, name: &str, runner: &str) {
    for (theme, suffix) in THEMES {
        window.wear(theme).await;
        window.click(&row(runner, "running")).await;
        window.reads("facts", runner).await;
        window.picture(&format!("{name}{suffix}.png")).await;
    }
}

/// Stops the runner in front, as a person does.
async fn stop(window: &Window) {
    window.click("[data-testid=stop]").await;
    window.click("[data-testid=question-confirm]").await;
}

/// Waits until the host says that a runner has ended as it was asked to.
async fn ended(host: &Remote, name: &str) {
    wait_until_async(SOON, &format!("{name} is terminated"), async || {
        let runner = name.to_owned();
        let runner = host.runner(v1::RunnerRef { runner }).await.unwrap();
        if runner.state == "terminated" {
            Ok(())
        } else {
            Err(runner.state)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_of_a_team_are_one_list_that_stays_when_one_or_the_database_goes() {
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let desk = Desk::set().await;
    desk.configure(&settings("laptop", &url));
    desk.install("claude", "2.1.330 (Claude Code)");
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    desk.project(&host, "atlas", None).await;
    let mut tower = Tower::start(&url, &desk);
    window.reads("foot-machine", "2 machines").await;

    for (node, name, title) in [
        ("laptop", "schema", "Draw the schema of the store"),
        (
            "tower",
            "flaky upload",
            "Run the upload test a hundred times",
        ),
        ("tower", "lint", "Mend what clippy says"),
        ("tower", "nightly tests", "Running cargo nextest"),
    ] {
        host.launch(v1::LaunchRequest {
            project: "atlas".into(),
            program: Some("claude".into()),
            name: Some(name.into()),
            node: Some(node.into()),
            env: vec![v1::EnvVar {
                key: "SCENE".into(),
                value: at_work(title),
            }],
            ..v1::LaunchRequest::default()
        })
        .await
        .unwrap();
        window.see(&row(name, "running")).await;
        let place = if node == "tower" { "on tower: " } else { "" };
        window.reads_row(name, &format!("{place}{title}")).await;
    }
    window.click(&row("flaky upload", "running")).await;
    window.reads("fact-node", "tower").await;
    window.reads("fact-memory", "MB").await;
    pictures(&window, "team", "flaky upload").await;

    // Stopped from here, on the other machine.
    stop(&window).await;
    ended(&host, "flaky upload").await;
    window.see(&row("flaky upload", "terminated")).await;

    // What ran on a machine that says nothing may well run still: it is told since when, and not called ended.
    tower.falls_silent();
    window
        .reads_row("nightly tests", "tower not heard from since")
        .await;
    window.see(&row("nightly tests", "running")).await;
    window
        .reads("foot-machine", "2 machines, tower silent")
        .await;
    window.click(&row("nightly tests", "running")).await;
    window
        .reads("stage-waiting", "Nothing is heard from tower since")
        .await;
    window.see("[data-testid=fact-heard]").await;
    pictures(&window, "team-silent", "nightly tests").await;
    // What is asked of it meanwhile is done when it is back.
    window.click(&row("lint", "running")).await;
    stop(&window).await;
    window.see(&row("lint", "stopping")).await;
    tower.is_back();
    window.reads_row("nightly tests", "on tower:").await;
    ended(&host, "lint").await;
    window.see(&row("lint", "terminated")).await;

    server.stop_immediately().unwrap();
    window
        .reads("foot-away", "database not reachable, shown as of")
        .await;
    for name in ["schema", "nightly tests"] {
        window.see(&row(name, "running")).await;
    }
    window.click(&row("schema", "running")).await;
    // What runs here goes on, and is typed into as ever.
    window.see("[data-testid=terminal][data-ready=true]").await;
    window.see_gone("[data-testid=foot-outbox]").await;
    window.click("[data-testid=terminal]").await;
    window.keys("still here\u{e007}").await;
    window.sees_in_terminal("you said: still here").await;
    window.reads("fact-memory", "MB").await;
    pictures(&window, "team-away", "schema").await;
    server.restart().unwrap();
    window.see_gone("[data-testid=foot-away]").await;
    window.end().await;
    tower.end();
    desk.end();
}
