//! `make run-shared`: both servers and two hosts on them for a look, of which nothing is left.

use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use stratavore_testkit::binary::built;
use stratavore_testkit::{Process, wait_until};

/// Two servers start, and later end: longer than a loaded machine takes for that.
const PATIENTLY: Duration = Duration::from_secs(180);

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// What `make run-shared` runs, once all is built.
struct Shared {
    child: Child,
    /// Everything that it makes is in here.
    place: tempfile::TempDir,
    /// Where the programs are.
    programs: PathBuf,
}

impl Shared {
    fn start() -> Self {
        for (package, program) in [
            ("stratavore-agent", "stratavore-agent"),
            ("stratavore-daemon", "stratavored"),
        ] {
            built(package, program);
        }
        let cli = built("stratavore-cli", "stratavore");
        let programs = cli.parent().expect("it lies somewhere").to_owned();
        let place = tempfile::tempdir().unwrap();
        // PostgreSQL runs as a user of its own.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let said = fs::File::create(place.path().join("said")).unwrap();
        let child = Command::new(built("stratavore-testkit", "stratavore-test-servers"))
            .args(["--", "scripts/run-shared.sh"])
            .arg(&programs)
            .current_dir(repository())
            .env("TMPDIR", place.path())
            .env_remove("STRATAVORE_TEST_POSTGRES_URL")
            .env_remove("STRATAVORE_TEST_AMQP_URL")
            // Nobody presses Enter.
            .stdin(Stdio::piped())
            .stderr(said.try_clone().unwrap())
            .stdout(said)
            .spawn()
            .unwrap();
        Self {
            child,
            place,
            programs,
        }
    }

    fn said(&self) -> String {
        fs::read_to_string(self.place.path().join("said")).unwrap()
    }

    /// Waits until it tells how to look, and returns the variables with which that is done.
    fn told(&mut self) -> Vec<(String, String)> {
        let Self { child, place, .. } = self;
        let said = wait_until(PATIENTLY, "both hosts are there", || {
            let said = fs::read_to_string(place.path().join("said")).unwrap();
            if let Some(status) = child.try_wait().unwrap() {
                panic!("it ended with {status}: {said}");
            }
            said.contains("ends all of it")
                .then_some(said)
                .ok_or("not yet")
        });
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("export "));
        let variables = line.unwrap_or_else(|| panic!("{said}")).split_whitespace();
        let pair = |word: &str| {
            word.split_once('=')
                .map(|(key, value)| (key.into(), value.into()))
        };
        variables.filter_map(pair).collect()
    }

    fn run(&self, variables: &[(String, String)], args: &[&str]) -> Value {
        let mut command = Command::new(self.programs.join("stratavore"));
        command.args(["--no-start"]).args(args).arg("--json");
        let output = command.envs(variables.iter().cloned()).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The processes that have to do with its directory, itself apart: by their words, their variables or where they are.
    fn processes(&self) -> Vec<Process> {
        let place = self.place.path().as_os_str().as_bytes();
        let holds = |bytes: &[u8]| bytes.windows(place.len()).any(|part| part == place);
        let has_to_do = |process: &Process| {
            process
                .command_line()
                .iter()
                .any(|word| holds(word.as_bytes()))
                || process
                    .environment()
                    .iter()
                    .any(|variable| holds(variable.as_bytes()))
                || process
                    .working_directory()
                    .is_some_and(|directory| directory.starts_with(self.place.path()))
        };
        Process::all().into_iter().filter(has_to_do).collect()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // It cleans up, as long as that takes.
            let _ = Process::find(self.child.id()).map(|process| process.signal(Signal::TERM));
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("---- it said\n{}", self.said());
        }
    }
}

/// The home of a server, which is made for it.
fn home(process: &Process) -> Option<PathBuf> {
    let variables = process.environment();
    let home = |variable: &OsString| Some(PathBuf::from(variable.to_str()?.strip_prefix("HOME=")?));
    let words = process.command_line().join(" ");
    let is_server = words.contains("beam") || words.contains("epmd") || words.contains("postgres");
    variables.iter().find_map(home).filter(|_| is_server)
}

fn is_shown_and_leaves_nothing(end: impl FnOnce(&mut Shared), code: i32) {
    let mut shared = Shared::start();
    let variables = shared.told();
    let nodes = shared.run(&variables, &["node", "list"]);
    let nodes: Vec<_> = nodes
        .as_array()
        .unwrap()
        .iter()
        .map(|node| (node["name"].as_str().unwrap(), node["silent"].as_bool()))
        .collect();
    assert_eq!(nodes, [("attic", Some(false)), ("cellar", Some(false))]);
    let status = shared.run(&variables, &["status"]);
    for (server, address) in [("store", "postgres:"), ("broker", "amqp:")] {
        let told = &status[server];
        let is_there = told["address"]
            .as_str()
            .is_some_and(|told| told.starts_with(address));
        assert!(is_there && told["away_since"].is_null(), "{status}");
    }
    wait_until(PATIENTLY, "a runner runs on each", || {
        let runners = shared.run(&variables, &["runners"]);
        let mut running: Vec<String> = runners
            .as_array()
            .unwrap()
            .iter()
            .filter(|runner| runner["state"] == "running")
            .map(|runner| format!("{} on {}", runner["name"], runner["node"]).replace('"', ""))
            .collect();
        running.sort();
        match running == ["here on cellar", "there on attic"] {
            true => Ok(()),
            false => Err(runners.to_string()),
        }
    });
    let itself = Process::find(shared.child.id()).expect("it runs");
    let mut processes = shared.processes();
    processes.extend(itself.descendants());
    for part in [
        "postgres",
        "beam",
        "epmd",
        "stratavored",
        "stratavore-agent",
    ] {
        let is_part = |process: &Process| process.command_line().join(" ").contains(part);
        assert!(processes.iter().any(is_part), "no {part}");
    }
    // The broker's directory is not among the others.
    let homes: Vec<PathBuf> = processes.iter().filter_map(home).collect();
    assert!(
        homes
            .iter()
            .any(|home| !home.starts_with(shared.place.path()))
    );

    end(&mut shared);
    let status = wait_until(PATIENTLY, "it ends", || shared.child.try_wait().unwrap());
    assert_eq!(status.code(), Some(code), "{}", shared.said());
    let left = shared.processes();
    let left: Vec<_> = left.iter().map(Process::command_line).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(processes.iter().all(|process| !process.is_alive()));
    for home in homes {
        assert!(!home.exists(), "{} is left", home.display());
    }
    let left: Vec<_> = fs::read_dir(shared.place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "said")
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn signal(shared: &Shared, signal: Signal) {
    let process = Process::find(shared.child.id()).expect("it runs");
    process.signal(signal).unwrap();
}

#[test]
fn two_hosts_on_private_servers_are_shown_until_an_interrupt_and_nothing_is_left() {
    is_shown_and_leaves_nothing(|shared| signal(shared, Signal::INT), 130);
}

#[test]
fn nor_is_anything_left_by_a_termination_and_a_second_one_meanwhile() {
    let hosts = |shared: &Shared| {
        let is_host = |process: &&Process| {
            process
                .command_line()
                .first()
                .is_some_and(|word| word.ends_with("stratavored"))
        };
        shared.processes().iter().filter(is_host).count()
    };
    let twice = |shared: &mut Shared| {
        assert_eq!(hosts(shared), 2);
        signal(shared, Signal::TERM);
        wait_until(PATIENTLY, "the first host has ended", || hosts(shared) < 2);
        signal(shared, Signal::TERM);
    };
    is_shown_and_leaves_nothing(twice, 130);
}

#[test]
fn nor_by_who_has_seen_enough() {
    let enter = |shared: &mut Shared| drop(shared.child.stdin.take());
    is_shown_and_leaves_nothing(enter, 0);
}

#[test]
fn it_is_what_make_runs() {
    let mut make = Command::new("make")
        .args(["--no-print-directory", "--dry-run", "run-shared"])
        .current_dir(repository())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut words = String::new();
    make.stdout
        .take()
        .unwrap()
        .read_to_string(&mut words)
        .unwrap();
    assert!(make.wait().unwrap().success());
    let last = words.lines().last().unwrap_or_default();
    assert!(
        last.contains("stratavore-test-servers -- scripts/run-shared.sh "),
        "{words}"
    );
}
