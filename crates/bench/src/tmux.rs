//! A tmux server of our own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use stratavore_testkit::{Process, TempHome};

use crate::SIZE;
use crate::patience::until;

/// Runs a tmux server until it is dropped, and with it every session.
pub(crate) struct Tmux {
    home: TempHome,
    socket: PathBuf,
}

/// Tells which tmux there is; `tmux` when there is none.
pub(crate) fn version() -> String {
    let said = Command::new("tmux").arg("-V").output();
    said.map_or_else(
        |_| "tmux".to_owned(),
        |said| String::from_utf8_lossy(&said.stdout).trim().to_owned(),
    )
}

impl Tmux {
    /// Starts a server with one session that does nothing, without a status line, and with as much history as we keep.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let home = TempHome::new();
        let socket = home.path().join("tmux");
        let tmux = Self { home, socket };
        let settings = tmux.home.path().join("tmux.conf");
        std::fs::write(
            &settings,
            "set -g status off\nset -g history-limit 10000\nset -g default-terminal screen-256color\n",
        )?;
        let mut first = tmux.home.command("tmux");
        first
            .arg("-S")
            .arg(&tmux.socket)
            .arg("-f")
            .arg(&settings)
            .args(["new-session", "-d", "-s", "first", "sleep", "3600"]);
        run(first)?;
        Ok(tmux)
    }

    /// Gives the directories in which all of it happens.
    pub(crate) fn home(&self) -> &TempHome {
        &self.home
    }

    /// Gives the words of a command of tmux.
    pub(crate) fn words(&self, arguments: &[&str]) -> Vec<String> {
        let socket = self.socket.to_string_lossy();
        ["tmux", "-u", "-S", &socket]
            .iter()
            .chain(arguments)
            .map(|word| (*word).to_owned())
            .collect()
    }

    /// Prepares the launch of a command in a session of its own.
    pub(crate) fn launching(&self, command: &[String]) -> Command {
        let (columns, rows) = (SIZE.0.to_string(), SIZE.1.to_string());
        let mut words = self.words(&["new-session", "-d", "-x", &columns, "-y", &rows, "--"]);
        words.extend(command.iter().cloned());
        let mut launching = self.home.command(&words[0]);
        launching
            .args(&words[1..])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        launching
    }

    /// Launches a command in a session of its own.
    pub(crate) fn launch(&self, command: &[String]) -> anyhow::Result<()> {
        run(self.launching(command))
    }

    /// Launches a command in a session of this name.
    pub(crate) fn launch_named(&self, name: &str, command: &[String]) -> anyhow::Result<()> {
        let mut launching = self.home.command("tmux");
        let (columns, rows) = (SIZE.0.to_string(), SIZE.1.to_string());
        let words = self.words(&[
            "new-session",
            "-d",
            "-s",
            name,
            "-x",
            &columns,
            "-y",
            &rows,
            "--",
        ]);
        launching.args(&words[1..]).args(command);
        run(launching)
    }

    /// Waits until the terminal of a session shows a text.
    pub(crate) async fn shows(&self, session: &str, text: &str) -> anyhow::Result<()> {
        until(
            &format!("the session {session} shows {text:?}"),
            async || {
                let words = self.words(&["capture-pane", "-p", "-t", session]);
                let said = self
                    .home
                    .command(&words[0])
                    .args(&words[1..])
                    .output()
                    .ok()?;
                String::from_utf8_lossy(&said.stdout)
                    .contains(text)
                    .then_some(())
            },
        )
        .await
    }

    /// Finds the server.
    pub(crate) fn server(&self) -> anyhow::Result<Process> {
        let words = self.words(&["display-message", "-p", "#{pid}"]);
        let said = self
            .home
            .command(&words[0])
            .args(&words[1..])
            .output()
            .context("cannot run tmux")?;
        let pid = String::from_utf8_lossy(&said.stdout)
            .trim()
            .parse()
            .context("tmux did not tell its pid")?;
        Process::find(pid).context("the tmux server has ended")
    }

    /// Ends every session but the first.
    pub(crate) fn end_sessions(&self) -> anyhow::Result<()> {
        let words = self.words(&["kill-session", "-a", "-t", "first"]);
        let mut ending = self.home.command(&words[0]);
        ending.args(&words[1..]);
        run(ending)
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let words = self.words(&["kill-server"]);
        // Without tmux there is no server; what it leaves ends with the home.
        let _ = self
            .home
            .command(&words[0])
            .args(&words[1..])
            .stderr(Stdio::null())
            .status();
        for process in
            Process::all_with_environment(stratavore_testkit::home::TEST_ID, self.home.id())
        {
            let _ = process.kill();
        }
    }
}

fn run(mut command: Command) -> anyhow::Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{:?} ended with {}: {}",
        command.get_program(),
        output.status,
        said.trim()
    );
    Ok(())
}
