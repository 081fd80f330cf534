//! Captures the user's login environment, which an app started by the desktop lacks.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use stratavore_core::config::holds_password;
use stratavore_core::launch::Launch;
use stratavore_core::program::is_parent_agent_variable;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tracing::warn;

/// The environment that runners get, before what their launch adds.
#[derive(Clone, Debug)]
pub struct Environment {
    /// The variables.
    pub variables: BTreeMap<String, String>,
    /// Where they came from, in words.
    pub source: String,
    /// Why the login shell's could not be had, if so.
    pub problem: Option<String>,
}

/// Surrounds what the shell prints, so that greetings in start-up files are told apart from it.
const MARKER: &str = "__STRATAVORE_ENVIRONMENT__";

/// Variables that belong to the terminal or the session that the host was started from, not to a runner's.
const OTHER_TERMINALS: &[&str] = &[
    "COLUMNS",
    "LINES",
    "TERMCAP",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "WINDOW",
    "WINDOWID",
    "VTE_VERSION",
    "KITTY_WINDOW_ID",
    "KITTY_PID",
    "WEZTERM_PANE",
    "ALACRITTY_WINDOW_ID",
    "SHLVL",
    "_",
    "OLDPWD",
    "PWD",
    "DESKTOP_STARTUP_ID",
    "XDG_ACTIVATION_TOKEN",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAINPID",
];

impl Environment {
    /// Takes the host's own environment as it is.
    #[must_use]
    pub fn of_host(host: &BTreeMap<String, String>) -> Self {
        Self {
            variables: clean(host.clone()),
            source: "the host's own environment".to_owned(),
            problem: None,
        }
    }

    /// Asks the login shell for the environment; falls back to the host's own, and says why.
    pub async fn capture(host: &BTreeMap<String, String>, timeout: Duration) -> Self {
        let shell = host
            .get("SHELL")
            .filter(|shell| shell.starts_with('/'))
            .map_or("/bin/sh", String::as_str);
        match ask(shell, host, timeout).await {
            Ok(variables) => Self {
                variables: clean(variables),
                source: format!("the login shell {shell}"),
                problem: None,
            },
            Err(problem) => {
                warn!(
                    shell,
                    problem,
                    "cannot have the login shell's environment; runners get the host's own"
                );
                Self {
                    problem: Some(format!("{shell}: {problem}")),
                    ..Self::of_host(host)
                }
            }
        }
    }

    /// Returns the whole environment of an attempt, in order of names.
    #[must_use]
    pub fn compose(&self, launch: &Launch, own: &[(&str, String)]) -> Vec<(String, String)> {
        let mut variables = self.variables.clone();
        variables.insert("TERM".to_owned(), "xterm-256color".to_owned());
        variables.insert("COLORTERM".to_owned(), "truecolor".to_owned());
        variables.insert("PWD".to_owned(), launch.cwd.clone());
        variables.extend(launch.env.iter().cloned());
        variables.extend(
            own.iter()
                .map(|(key, value)| ((*key).to_owned(), value.clone())),
        );
        variables.into_iter().collect()
    }

    /// Returns the environment of a launch, without what Stratavore adds of its own.
    #[must_use]
    pub fn variables_of(&self, launch: &Launch) -> BTreeMap<String, String> {
        let mut variables = self.variables.clone();
        variables.extend(launch.env.iter().cloned());
        variables
    }

    /// Returns the directories in which programs are looked up.
    #[must_use]
    pub fn path(&self) -> &str {
        self.variables
            .get("PATH")
            .map_or("/usr/local/bin:/usr/bin:/bin", String::as_str)
    }
}

fn clean(mut variables: BTreeMap<String, String>) -> BTreeMap<String, String> {
    variables.retain(|key, _| {
        !key.is_empty()
            && !is_parent_agent_variable(key)
            && !OTHER_TERMINALS.contains(&key.as_str())
            && !holds_password(key)
    });
    variables
}

async fn ask(
    shell: &str,
    host: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<BTreeMap<String, String>, String> {
    // fish and csh take the same words. /usr/bin/env is not a shell's own, so aliases and functions cannot stand for it.
    let script = format!("/usr/bin/printf {MARKER}; /usr/bin/env -0; /usr/bin/printf {MARKER}");
    let mut command = Command::new(shell);
    command
        .args(["-l", "-i", "-c", &script])
        .env_clear()
        .envs(host)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    // A session of its own: an interactive shell that shares our terminal would be stopped for reaching for it.
    // SAFETY: the call is async-signal-safe and touches nothing of the parent.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    let mut child = command
        .spawn()
        .map_err(|error| format!("it could not be started: {error}"))?;
    let group = child.id();
    let mut output = Vec::new();
    let read = async {
        if let Some(mut stdout) = child.stdout.take() {
            // Not to the end: what a start-up file left in the background may hold that open for ever.
            while parse(&output).is_none() {
                let read = stdout
                    .read_buf(&mut output)
                    .await
                    .map_err(|error| format!("its output could not be read: {error}"))?;
                if read == 0 {
                    break;
                }
            }
        }
        child
            .wait()
            .await
            .map_err(|error| format!("it could not be waited for: {error}"))
    };
    match tokio::time::timeout(timeout, read).await {
        Ok(status) => {
            status?;
        }
        Err(_) => {
            end_group(group);
            return Err(format!("it said nothing for {} s", timeout.as_secs()));
        }
    }
    parse(&output).ok_or_else(|| "it ended without printing its environment".to_owned())
}

fn end_group(group: Option<u32>) {
    let group = group
        .and_then(|pid| i32::try_from(pid).ok())
        .and_then(rustix::process::Pid::from_raw);
    if let Some(group) = group {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

fn parse(output: &[u8]) -> Option<BTreeMap<String, String>> {
    let text = String::from_utf8_lossy(output);
    let (_, rest) = text.split_once(MARKER)?;
    let (entries, _) = rest.rsplit_once(MARKER)?;
    let variables: BTreeMap<String, String> = entries
        .split('\0')
        .filter_map(|entry| entry.split_once('='))
        // What is no UTF-8 cannot cross the wire as text; a mangled value would be worse than none.
        .filter(|(_, value)| !value.contains('\u{fffd}'))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    (!variables.is_empty()).then_some(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[tokio::test]
    async fn what_a_start_up_file_leaves_in_the_background_is_not_waited_for() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(
            home.path().join(".profile"),
            "sleep 600 & echo $! > \"$HOME/left\"; export FOUND=yes\n",
        )
        .unwrap();
        let path = std::env::var("PATH").unwrap();
        let host = host(&[("HOME", home.path().to_str().unwrap()), ("PATH", &path)]);
        let found = ask("/bin/sh", &host, Duration::from_secs(60))
            .await
            .unwrap();
        assert_eq!(found.get("FOUND").map(String::as_str), Some("yes"));
        let left = std::fs::read_to_string(home.path().join("left")).unwrap();
        let left = rustix::process::Pid::from_raw(left.trim().parse().unwrap()).unwrap();
        rustix::process::kill_process(left, rustix::process::Signal::KILL).unwrap();
    }

    #[tokio::test]
    async fn a_login_shell_adds_what_its_files_set_and_a_parent_agent_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(
            home.path().join(".profile"),
            "echo Welcome; export FROM_PROFILE='a\nb'\n",
        )
        .unwrap();
        let env = host(&[
            ("HOME", home.path().to_str().unwrap()),
            ("SHELL", "/bin/sh"),
            ("PATH", "/usr/bin:/bin"),
            ("CLAUDECODE", "1"),
            ("TMUX", "x"),
            ("STRATAVORE_STORE_URL", "postgres://ann:s3cret@db/team"),
        ]);
        let captured = Environment::capture(&env, Duration::from_secs(20)).await;
        assert_eq!(captured.problem, None);
        assert_eq!(
            captured.variables.get("FROM_PROFILE").map(String::as_str),
            Some("a\nb")
        );
        assert!(
            !captured.variables.contains_key("CLAUDECODE")
                && !captured.variables.contains_key("TMUX")
                && !captured.variables.contains_key("STRATAVORE_STORE_URL")
        );
    }

    #[tokio::test]
    async fn a_shell_that_hangs_is_given_up_and_said_so() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".profile"), "while :; do :; done\n").unwrap();
        let env = host(&[
            ("HOME", home.path().to_str().unwrap()),
            ("SHELL", "/bin/sh"),
            ("KEEP", "1"),
        ]);
        let captured = Environment::capture(&env, Duration::from_secs(1)).await;
        assert!(captured.problem.unwrap().contains("said nothing for 1 s"));
        assert_eq!(
            captured.variables.get("KEEP").map(String::as_str),
            Some("1")
        );
    }

    #[tokio::test]
    async fn a_missing_shell_is_named() {
        let captured =
            Environment::capture(&host(&[("SHELL", "/no/shell")]), Duration::from_secs(1)).await;
        assert!(captured.problem.unwrap().contains("/no/shell"));
    }
}
