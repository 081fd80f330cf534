//! A private home for everything one test starts, and the end of all of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::Process;
use crate::wait::wait_until;

/// The environment variable by which everything a test started is found again.
pub const TEST_ID: &str = "STRATAVORE_TEST_ID";

/// The variable that, when set, keeps the directories of a failed test to look at.
pub const KEEP: &str = "STRATAVORE_KEEP_HOMES";

/// Gives one test private directories, and ends at drop every process that was started with [`TempHome::environment`].
///
/// The path is short (`/tmp/sv-…`): a socket below [`TempHome::runtime`] stays under the 107 bytes that Unix allows.
pub struct TempHome {
    root: Option<TempDir>,
    path: PathBuf,
    id: String,
}

impl TempHome {
    /// Makes the directories, all 0700.
    pub fn new() -> TempHome {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let root = tempfile::Builder::new()
            .prefix("sv-")
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in("/tmp")
            .expect("/tmp takes a directory");
        let path = root.path().to_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let id = format!("{name}-{}-{count}", std::process::id());
        let home = TempHome {
            root: Some(root),
            path: path.clone(),
            id,
        };
        let others = path.join("xdg");
        for directory in [
            home.data(),
            home.runtime(),
            home.home(),
            home.config(),
            others,
        ] {
            home.make(&directory);
        }
        home
    }

    /// Gives the directory that holds all the others.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the data directory (`STRATAVORE_DATA_DIR`).
    pub fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    /// Gives the runtime directory (`STRATAVORE_RUNTIME_DIR`).
    pub fn runtime(&self) -> PathBuf {
        self.path.join("run")
    }

    /// Gives the directory of the configuration file.
    pub fn config(&self) -> PathBuf {
        self.path.join("config")
    }

    /// Gives the configuration file (`STRATAVORE_CONFIG`), which does not exist until a test writes it.
    pub fn config_file(&self) -> PathBuf {
        self.config().join("stratavore.toml")
    }

    /// Gives the home directory (`HOME`).
    pub fn home(&self) -> PathBuf {
        self.path.join("home")
    }

    /// Makes and gives a project directory.
    pub fn project(&self, name: &str) -> PathBuf {
        let directory = self.path.join("projects").join(name);
        self.make(&directory);
        directory
    }

    /// Gives the value of [`TEST_ID`] in the environment.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Gives the whole environment for a child: nothing of the caller's but `PATH` and, for coverage and cargo, their own.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let home = self.home();
        let mut environment: BTreeMap<String, String> = [
            (TEST_ID, self.id.clone()),
            ("STRATAVORE_DATA_DIR", text(self.data())),
            ("STRATAVORE_RUNTIME_DIR", text(self.runtime())),
            ("STRATAVORE_CONFIG", text(self.config_file())),
            ("XDG_CACHE_HOME", text(home.join(".cache"))),
            ("XDG_CONFIG_HOME", text(home.join(".config"))),
            ("XDG_DATA_HOME", text(home.join(".local/share"))),
            ("XDG_STATE_HOME", text(home.join(".local/state"))),
            ("XDG_RUNTIME_DIR", text(self.path.join("xdg"))),
            ("HOME", text(home)),
            ("SHELL", "/bin/sh".to_owned()),
            ("LANG", "C.UTF-8".to_owned()),
            ("TERM", "xterm-256color".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        for kept in ["PATH", "LLVM_PROFILE_FILE", "RUST_BACKTRACE"] {
            if let Ok(value) = std::env::var(kept) {
                environment.insert(kept.to_owned(), value);
            }
        }
        environment
    }

    /// Prepares a command that runs with this home's environment and nothing else.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment());
        command
    }

    /// Lists what still runs of all that was started with this home's environment, descendants with a changed one included.
    pub fn left_running(&self) -> Vec<Process> {
        let current = Process::current();
        let mut left = Process::all_with_environment(TEST_ID, &self.id);
        for process in left.clone() {
            left.extend(process.descendants());
        }
        left.retain(|process| *process != current);
        left.sort();
        left.dedup();
        left
    }

    /// Waits until nothing is left running, and panics with what is.
    #[track_caller]
    pub fn assert_nothing_left(&self, deadline: Duration) {
        wait_until(deadline, "an empty process tree", || {
            let left = self.left_running();
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        });
    }

    /// Ends with SIGKILL everything that was started with this home's environment, and waits until it is gone.
    #[track_caller]
    pub fn end_all(&self) {
        wait_until(
            Duration::from_secs(20),
            "the end of this home's processes",
            || {
                let left = self.left_running();
                for process in &left {
                    process
                        .kill()
                        .map_err(|error| format!("{process:?}: {error}"))?;
                }
                if left.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{left:?}"))
                }
            },
        );
    }

    fn make(&self, directory: &Path) {
        fs::create_dir_all(directory).expect("a directory in the test's own home");
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))
            .expect("permissions in the test's own home");
    }
}

impl Default for TempHome {
    fn default() -> TempHome {
        TempHome::new()
    }
}

impl Drop for TempHome {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // A second panic would abort the test and hide the first.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.end_all()));
        } else {
            self.end_all();
        }
        let kept = std::env::var_os(KEEP).is_some() && std::thread::panicking();
        if kept && let Some(root) = self.root.take() {
            eprintln!("kept {}", root.keep().display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;

    #[test]
    fn homes_are_private_short_and_gone_at_drop() {
        let home = TempHome::new();
        let other = TempHome::new();
        assert_ne!(home.id(), other.id());
        let mode = fs::metadata(home.runtime()).expect("made").permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
        let socket = home
            .runtime()
            .join("01890a5d-ac96-774b-bcce-b302099a8057")
            .join("01890a5dac96774bbcceb302099a8057.sock");
        assert!(socket.as_os_str().len() <= 107, "{}", socket.display());
        let path = home.path().to_owned();
        home.project("demo");
        drop(home);
        assert!(!path.exists());
    }

    #[test]
    fn what_was_started_is_listed_and_ended_at_drop() {
        let home = TempHome::new();
        // The sleeper leaves its environment and its session behind; its parent still has the mark.
        let mut shell = home
            .command("sh")
            .args(["-c", "env -i setsid sleep 600 & wait"])
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let left = wait_until(Duration::from_secs(10), "the shell and its sleeper", || {
            let left = home.left_running();
            left.iter()
                .any(|it| it.command_line() == ["sleep", "600"])
                .then_some(left)
        });
        assert!(left.iter().any(|it| it.pid == shell.id()));
        let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            home.assert_nothing_left(Duration::from_millis(20));
        }));
        assert!(refused.is_err(), "processes left were not noticed");
        drop(home);
        shell.wait().expect("reaped");
        assert!(left.iter().all(|process| !process.is_alive()));
    }
}
