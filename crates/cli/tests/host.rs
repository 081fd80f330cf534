//! Finding, starting, losing and ending a host.

mod support;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use stratavore_core::places::Places;
use stratavore_rpc::{ConnectError, v1};
use stratavore_testkit::{TempHome, wait_until};
use support::host::{FakeHost, World, ended, project, runner};
use support::{Run, SOON, places};

/// Set for the process that plays `stratavored`.
const PLAY: &str = "STRATAVORE_TEST_PLAY_HOST";

/// Plays `stratavored` when a test's script executes this very file so.
#[test]
#[ignore = "no test: the host that other tests start"]
fn be_a_host() {
    let Some(data) = std::env::var_os(PLAY).map(PathBuf::from) else {
        return;
    };
    let runtime_dir =
        PathBuf::from(std::env::var_os("STRATAVORE_RUNTIME_DIR").expect("a home's environment"));
    let places = Places {
        config_file: data.join("none"),
        data_dir: data,
        runtime_dir,
    };
    let host = FakeHost::start(
        &places,
        World {
            projects: vec![project("api")],
            ..World::default()
        },
    );
    wait_until(Duration::from_secs(60), "the end", || {
        host.was_asked("ShutdownRequest")
    });
}

/// Installs the program under test beside a `stratavored` that notes each start.
fn install(home: &TempHome) -> PathBuf {
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let program = bin.join("stratavore");
    fs::copy(support::program(), &program).unwrap();
    let host = bin.join("stratavored");
    let script = format!(
        "#!/bin/sh\necho \"$*\" >> {}\n{PLAY}=$STRATAVORE_DATA_DIR exec {} --exact be_a_host --ignored\n",
        home.path().join("starts").display(),
        std::env::current_exe().unwrap().display(),
    );
    fs::write(&host, script).unwrap();
    fs::set_permissions(&host, Permissions::from_mode(0o755)).unwrap();
    program
}

fn starts(home: &TempHome) -> Vec<String> {
    let text = fs::read_to_string(home.path().join("starts")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn installed(home: &TempHome, program: &PathBuf, args: &[&str]) -> Run {
    Run::of(
        home,
        home.command(program)
            .args(args)
            .current_dir(home.path())
            .output()
            .unwrap(),
    )
}

#[test]
fn a_command_starts_one_host_in_a_session_of_its_own_and_the_next_finds_it() {
    let home = TempHome::new();
    let program = install(&home);
    let status = installed(&home, &program, &["--json", "status"]).json();
    assert_eq!(status["host"], "stratavored");
    assert_eq!(starts(&home), ["--started-by-client"]);

    let record = stratavore_rpc::find(&places(&home)).expect("it still runs");
    let pid = rustix::process::Pid::from_raw(record.pid.cast_signed()).unwrap();
    assert_eq!(
        rustix::process::getsid(Some(pid)).unwrap(),
        pid,
        "its own session"
    );
    let cwd = fs::read_link(format!("/proc/{}/cwd", record.pid)).unwrap();
    assert_eq!(cwd, PathBuf::from("/"), "it keeps no directory busy");

    assert_eq!(
        installed(&home, &program, &["project", "list", "--json"]).json()[0]["name"],
        "api"
    );
    assert_eq!(starts(&home).len(), 1);

    let stop = installed(&home, &program, &["host", "stop", "--json"]);
    assert_eq!(stop.json()["stopped"], true);
    assert!(matches!(
        stratavore_rpc::find(&places(&home)),
        Err(ConnectError::NoHost(_))
    ));
    assert_eq!(
        installed(&home, &program, &["host", "stop", "--json"]).json()["stopped"],
        false
    );
    assert_eq!(starts(&home).len(), 1, "stopping a host starts none");
    home.assert_nothing_left(SOON);
}

#[test]
fn inside_of_a_runner_no_host_is_started_that_would_end_with_it() {
    let home = TempHome::new();
    let program = install(&home);
    let run = Run::of(
        &home,
        home.command(&program)
            .arg("runners")
            .env(
                "STRATAVORE_RUNNER_ID",
                "0190b5c2-0000-7000-8000-000000000001",
            )
            .output()
            .unwrap(),
    );
    assert_eq!(run.code, 8, "{}", run.shown());
    assert!(
        run.shown().contains("outside of the runner"),
        "{}",
        run.shown()
    );
    assert!(starts(&home).is_empty());
}

#[test]
fn many_commands_at_once_leave_one_host() {
    let home = TempHome::new();
    let program = install(&home);
    let calls: Vec<Child> = (0..8)
        .map(|_| {
            let mut command = home.command(&program);
            command
                .args(["--json", "status"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command.spawn().unwrap()
        })
        .collect();
    for call in calls {
        assert_eq!(
            Run::of(&home, call.wait_with_output().unwrap()).json()["host"],
            "stratavored"
        );
    }
    let hosts = || {
        home.left_running()
            .into_iter()
            .filter(|it| it.command_line().iter().any(|w| w == "be_a_host"))
    };
    wait_until(SOON, "those that came late to end", || {
        match hosts().count() {
            1 => Ok(()),
            count => Err(format!("{count} hosts")),
        }
    });
}

#[test]
fn a_host_keeps_nothing_of_its_starters() {
    let home = TempHome::new();
    let program = install(&home);
    // The script's descriptor 9 is our pipe: reading it to the end takes as long as anybody has it.
    let script = format!("exec 9>&1; exec {} --json status", program.display());
    let run = Run::of(
        &home,
        home.command("sh").args(["-c", &script]).output().unwrap(),
    );
    assert_eq!(run.json()["host"], "stratavored");
    assert!(
        stratavore_rpc::find(&places(&home)).is_ok(),
        "the host runs on"
    );
}

/// Reads the lines of a running `stratavore`.
struct Lines {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Lines {
    fn of(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn next(&self) -> serde_json::Value {
        serde_json::from_str(&self.lines.recv_timeout(SOON).expect("a line")).expect("JSON")
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn event(number: usize) -> v1::Event {
    v1::Event {
        cursor: number.to_string(),
        id: format!("e{number}"),
        aggregate: "runner".into(),
        aggregate_id: "0190a5d0-auth".into(),
        seq: number as u64,
        r#type: "runner.started".into(),
        at: "2026-03-01T12:00:00.000Z".into(),
        data: format!("{{\"number\":{number}}}"),
        project: Some("api".into()),
    }
}

#[test]
fn events_are_followed_through_a_restart_of_the_host_without_loss_or_repetition() {
    let home = TempHome::new();
    let world = World {
        events: vec![event(1), event(2)],
        ..World::default()
    };
    let host = FakeHost::start(&places(&home), world);
    let mut command = home.command(support::program());
    command
        .args(["events", "--follow", "--since", "0", "--json"])
        .stderr(Stdio::null());
    let lines = Lines::of(command);
    assert_eq!(lines.next()["data"]["number"], 1);
    assert_eq!(lines.next()["data"]["number"], 2);
    let world = host.shared();
    drop(host);
    world.lock().unwrap().events.push(event(3));
    let host = FakeHost::share(&places(&home), world);
    assert_eq!(lines.next()["data"]["number"], 3);
    assert!(host.was_asked("since: Some(\"2\"), follow: true"));
}

#[test]
fn a_wait_sees_a_change_and_outlives_the_host() {
    let home = TempHome::new();
    let host = FakeHost::start(
        &places(&home),
        World {
            runners: vec![runner("auth")],
            ..World::default()
        },
    );
    let mut command = home.command(support::program());
    command.args([
        "wait",
        "auth",
        "--for",
        "terminated",
        "--timeout",
        "60",
        "--json",
    ]);
    let mut lines = Lines::of(command);
    wait_until(SOON, "the watch", || host.watchers() == 1);
    host.change("auth", |runner| runner.state = "paused".into());
    let world = host.shared();
    drop(host);
    let host = FakeHost::share(&places(&home), world);
    wait_until(SOON, "the watch again", || host.watchers() == 1);
    host.change("auth", |runner| {
        *runner = ended("auth", "terminated", Some(0), None)
    });
    let seen = lines.next();
    assert_eq!(
        (&seen["state"], &seen["exit"]["code"]),
        (&"terminated".into(), &0.into())
    );
    assert!(lines.child.wait().unwrap().success());
}

#[test]
fn a_launch_or_stop_that_its_host_dies_over_is_asked_of_the_next() {
    for args in [
        &["launch", "api", "--json"][..],
        &["stop", "auth", "--json"],
    ] {
        let home = TempHome::new();
        let world = World {
            projects: vec![project("api")],
            runners: vec![runner("auth")],
            launched: Some(runner("fresh")),
            silent: true,
            ..World::default()
        };
        let host = FakeHost::start(&places(&home), world);
        let mut command = home.command(support::program());
        command.args(args);
        let mut lines = Lines::of(command);
        wait_until(SOON, "the request", || {
            host.was_asked("request_id: Some") || host.was_asked("StopRequest")
        });
        let world = host.shared();
        drop(host);
        world.lock().unwrap().silent = false;
        let host = FakeHost::share(&places(&home), world);
        lines.next();
        assert!(lines.child.wait().unwrap().success());
        let asked = host.world().asked.clone();
        let requests: Vec<_> = asked
            .iter()
            .filter(|asked| asked.contains(if args[0] == "stop" { "Stop" } else { "Launch" }))
            .collect();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0], requests[1], "the same request, by its id");
    }
}
