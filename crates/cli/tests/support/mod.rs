//! A home with a host that answers as a test wants it, and the program run in it.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses its own part"
)]

pub mod agent;
pub mod host;
pub mod scene;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use stratavore_core::places::Places;
use stratavore_testkit::TempHome;

/// How long anything here may take that takes no time.
pub const SOON: Duration = Duration::from_secs(20);

/// Gives the places of a home.
pub fn places(home: &TempHome) -> Places {
    Places {
        data_dir: home.data(),
        runtime_dir: home.runtime(),
        config_file: home.config_file(),
    }
}

/// Gives the program under test.
pub fn program() -> PathBuf {
    env!("CARGO_BIN_EXE_stratavore").into()
}

/// Runs `stratavore` with these arguments and no terminal.
pub fn run(home: &TempHome, args: &[&str]) -> Run {
    run_with(home, args, |_| {})
}

/// Runs `stratavore` with a changed command.
pub fn run_with(home: &TempHome, args: &[&str], change: impl FnOnce(&mut Command)) -> Run {
    let mut command = home.command(program());
    command
        .args(args)
        .stdin(Stdio::null())
        .current_dir(home.path());
    change(&mut command);
    Run::of(home, command.output().expect("stratavore starts"))
}

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Leaves out what holds times.
    pub fn without_stdout(self) -> Self {
        Self {
            stdout: String::new(),
            ..self
        }
    }

    pub fn of(home: &TempHome, output: Output) -> Self {
        let home = home.path().to_string_lossy().into_owned();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .expect("UTF-8")
                .replace(&home, "[HOME]")
        };
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Renders it for a snapshot.
    pub fn shown(&self) -> String {
        let mut text = format!("exit {}\n", self.code);
        for (name, content) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !content.is_empty() {
                text.push_str(&format!("--- {name}\n{content}"));
            }
        }
        text
    }

    /// Gives stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        assert_eq!(self.code, 0, "{}", self.shown());
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", self.shown()))
    }
}
