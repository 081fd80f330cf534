//! What `make` does on a machine that lacks something, played with stand-ins for its tools.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use stratavore_testkit::TempHome;

/// What the scripts themselves are written with.
const TOOLS: [&str; 13] = [
    "cat", "cut", "dirname", "echo", "env", "expand", "find", "make", "printf", "sed", "sh", "tr",
    "touch",
];

/// A machine with a `PATH` of its own: these tools, and stand-ins for what is to be found or missed.
struct Machine {
    home: TempHome,
    bin: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let home = TempHome::new();
        let bin = home.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for tool in TOOLS {
            let found = std::env::split_paths(&path)
                .map(|dir| dir.join(tool))
                .find(|file| file.exists());
            symlink(found.unwrap_or_else(|| panic!("{tool}")), bin.join(tool)).unwrap();
        }
        let machine = Self { home, bin };
        machine
            .has("rustc", "echo rustc 1.95.0 stable")
            .has("cargo", "echo cargo \"$@\" >>\"$SAID\"")
            .has("node", "echo v22.1.0")
            .has("npm", ":")
            .has("id", "echo 1000");
        machine
    }

    /// Installs a program that does this.
    fn has(&self, name: &str, does: &str) -> &Self {
        let program = self.bin.join(name);
        fs::write(&program, format!("#!/bin/sh\n{does}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.home.command(self.bin.join(program));
        command
            .env("PATH", &self.bin)
            .env("CARGO_HOME", self.home.path().join("cargo"))
            .env("SAID", self.home.path().join("said"))
            .current_dir(repository());
        command
    }

    fn bootstrap(&self, what: &str) -> (Option<i32>, String) {
        let output = self
            .command("sh")
            .args(["scripts/bootstrap.sh", what])
            .output();
        let output = output.unwrap();
        (output.status.code(), words(&output))
    }

    /// What its tools were asked.
    fn said(&self) -> String {
        fs::read_to_string(self.home.path().join("said")).unwrap_or_default()
    }
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn words(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn where_nothing_may_be_installed_it_is_listed() {
    let machine = Machine::new();
    machine.has("apt-get", "echo apt-get \"$@\" >>\"$SAID\"");
    let (code, words) = machine.bootstrap("build");
    assert_eq!(code, Some(1), "{words}");
    let list = "sudo apt-get install build-essential pkg-config libwebkit2gtk-4.1-dev libayatana-appindicator3-dev";
    assert!(words.contains(list), "{words}");
    assert_eq!(machine.said(), "", "nothing is tried");
}

#[test]
fn root_installs_what_is_missing_and_nothing_else() {
    let machine = Machine::new();
    machine
        .has("id", "echo 0")
        .has("cc", ":")
        .has("apt-get", "echo apt-get \"$@\" >>\"$SAID\"");
    let (code, words) = machine.bootstrap("build");
    assert_eq!(code, Some(0), "{words}");
    let said = machine.said();
    assert!(said.contains("apt-get -q update"), "{said}");
    assert!(
        said.contains(
            "--no-install-recommends pkg-config libwebkit2gtk-4.1-dev libayatana-appindicator3-dev"
        ),
        "{said}"
    );
    assert!(!said.contains("build-essential"), "{said}");
    // All there: nothing is asked for again.
    let machine = Machine::new();
    machine
        .has("id", "echo 0")
        .has("cc", ":")
        .has("pkg-config", ":");
    assert_eq!(machine.bootstrap("build"), (Some(0), String::new()));
}

#[test]
fn servers_are_installed_without_being_started_now_or_at_the_next_boot() {
    let machine = Machine::new();
    let policy = machine.home.path().join("policy-rc.d");
    for tool in ["chmod", "rm"] {
        symlink(format!("/bin/{tool}"), machine.bin.join(tool)).unwrap();
    }
    let noting = "echo $(cat \"$STRATAVORE_POLICY_RC_D\" 2>/dev/null) : $0 \"$@\" >>\"$SAID\"";
    machine
        .has("id", "echo 0")
        .has("apt-get", noting)
        .has("systemctl", noting)
        .has("cargo-deny", ":")
        .has("cargo-nextest", ":")
        .has("tauri-driver", ":");
    // Present, whatever this machine has, but for one server.
    let script = fs::read_to_string(repository().join("scripts/bootstrap.sh")).unwrap();
    let script = script.replace("/usr/lib/rabbitmq/bin/rabbitmq-server", "/nowhere");
    let script = script
        .replace("/usr/sbin/pgbouncer", "/")
        .replace("/usr/lib/postgresql", "/");
    let path = machine.home.path().join("bootstrap.sh");
    fs::write(&path, script).unwrap();
    let output = machine
        .command("sh")
        .arg(&path)
        .arg("test")
        .env("STRATAVORE_POLICY_RC_D", &policy)
        .output()
        .unwrap();
    let words = words(&output);
    assert!(output.status.success(), "{words}");
    let said = machine.said();
    let line = |wanted: &str| {
        let line = said.lines().find(|line| line.contains(wanted));
        line.unwrap_or_else(|| panic!("{wanted}: {said}{words}"))
            .to_owned()
    };
    let install = line("install --no-install-recommends");
    assert!(install.starts_with("#!/bin/sh exit 101 :"), "{install}");
    assert!(install.contains("rabbitmq-server"), "{install}");
    assert!(!install.contains("postgresql"), "{install}");
    let disable = line("systemctl --quiet disable rabbitmq-server");
    assert!(
        disable.starts_with(" :") || disable.starts_with(':'),
        "{disable}"
    );
    assert!(!policy.exists());
}

#[test]
fn rust_and_node_are_the_persons_own_and_named_with_the_mend() {
    for (program, does, named) in [
        ("rustc", "echo rustc 1.80.1", "rustup update stable"),
        (
            "node",
            "echo v18.20.0",
            "Node 20.19 or newer is needed; found 18.20.0",
        ),
    ] {
        let machine = Machine::new();
        machine.has(program, does);
        let (code, words) = machine.bootstrap("build");
        assert_eq!(code, Some(1), "{words}");
        assert!(words.contains(named), "{words}");
    }
    let machine = Machine::new();
    fs::remove_file(machine.bin.join("cargo")).unwrap();
    let (code, words) = machine.bootstrap("host");
    assert_eq!(
        (code, words.contains("https://rustup.rs")),
        (Some(1), true),
        "{words}"
    );
}

#[test]
fn without_a_display_make_run_says_so_in_one_line_and_runs_stratavored() {
    let machine = Machine::new();
    machine.has("cc", ":");
    let target = machine.home.path().join("target");
    fs::create_dir_all(target.join("debug")).unwrap();
    machine.has("stratavored", "echo stratavored runs");
    fs::rename(
        machine.bin.join("stratavored"),
        target.join("debug/stratavored"),
    )
    .unwrap();
    let output = machine
        .command("make")
        .args(["--no-print-directory", "run"])
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    let words = words(&output);
    assert!(output.status.success(), "{words}");
    let lines: Vec<&str> = words.lines().collect();
    assert!(
        matches!(lines[..], [line, "stratavored runs"] if line.contains("No display here")),
        "{words}"
    );
    let said = machine.said();
    assert!(
        said.contains("cargo build") && !said.contains("stratavore-desktop"),
        "{said}"
    );
}
