//! What a launch asks for: everything that an attempt needs to be started again just so.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::session::Mode;

/// The variable by which all that runs in a runner is known, and knows it.
pub const RUNNER_VARIABLE: &str = "STRATAVORE_RUNNER_ID";

/// What to run, where and how. It is stored whole, so that every spawn of a runner can be repeated.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// A known program's name, or `command`.
    pub program: String,
    /// The words to execute; the first is looked up in the runner's own PATH. What begins or resumes its session is put after
    /// that at each attempt.
    pub argv: Vec<String>,
    /// The absolute working directory.
    pub cwd: String,
    /// What `--env` added. May hold secrets: kept in the store alone, never in events, logs or `runner.json`.
    pub env: Vec<(String, String)>,
    /// What to do when it fails.
    pub restart: RestartPolicy,
    /// What it may use.
    pub ceiling: Option<Ceiling>,
    /// Leave alive what the program leaves behind when it exits normally.
    pub keep_descendants: bool,
    /// Lines kept of what scrolls off its terminal.
    pub history_lines: u32,
    /// Whether all that it writes to its terminal is recorded, with its times.
    #[serde(default)]
    pub record: bool,
    /// With which conversation it begins.
    #[serde(default)]
    pub mode: Mode,
    /// The session that it is to hold, by the program's id, where that was known at launch.
    #[serde(default)]
    pub session: Option<String>,
    /// The git worktree that was made for it.
    #[serde(default)]
    pub worktree: Option<String>,
    /// The terminal's first width.
    pub columns: u16,
    /// The terminal's first height.
    pub rows: u16,
}

/// Lines kept of what scrolls off, unless a launch says otherwise.
pub const HISTORY_LINES: u32 = 10_000;

impl Launch {
    /// Makes the plainest launch of a program: nothing is added to its environment, kept, bounded or repeated.
    #[must_use]
    pub fn new(program: &str, argv: &[&str], cwd: &str) -> Self {
        Self {
            program: program.to_owned(),
            argv: argv.iter().map(|word| (*word).to_owned()).collect(),
            cwd: cwd.to_owned(),
            env: Vec::new(),
            restart: RestartPolicy::Never,
            ceiling: None,
            keep_descendants: false,
            history_lines: HISTORY_LINES,
            record: false,
            mode: Mode::New,
            session: None,
            worktree: None,
            columns: 80,
            rows: 24,
        }
    }
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&str> = self.env.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("Launch")
            .field("program", &self.program)
            .field("argv", &self.argv)
            .field("cwd", &self.cwd)
            .field("env_keys", &keys)
            .field("restart", &self.restart)
            .field("ceiling", &self.ceiling)
            .finish_non_exhaustive()
    }
}

/// Whether a runner that failed is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "policy", rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// It stays failed.
    #[default]
    Never,
    /// It is started again, after a pause that doubles, until its attempts are used up.
    OnFailure {
        /// All attempts, the first included.
        max_attempts: u32,
        /// The pause after the first failure, in milliseconds.
        backoff_ms: u64,
    },
}

/// The longest pause between two attempts.
pub const MAX_BACKOFF: Duration = Duration::from_secs(300);

impl RestartPolicy {
    /// Returns the pause before the attempt after `failed`, or nothing when it shall stay failed.
    #[must_use]
    pub fn pause_after(&self, failed: u32) -> Option<Duration> {
        match *self {
            Self::Never => None,
            Self::OnFailure { max_attempts, .. } if failed >= max_attempts => None,
            Self::OnFailure { backoff_ms, .. } => {
                let doubled = backoff_ms.saturating_mul(1 << failed.saturating_sub(1).min(20));
                Some(Duration::from_millis(doubled).min(MAX_BACKOFF))
            }
        }
    }
}

/// What a runner's whole tree may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ceiling {
    /// Memory in bytes.
    pub memory_bytes: Option<u64>,
    /// CPU in percent of one core.
    pub cpu_percent: Option<u32>,
    /// What happens above it.
    pub action: CeilingAction,
}

/// What happens when a runner uses more than its ceiling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CeilingAction {
    /// A person is told.
    #[default]
    Notify,
    /// The tree is paused, and a person told.
    Pause,
    /// The tree is stopped, and a person told.
    Stop,
}

/// Something that went over its ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub enum Excess {
    /// More memory than allowed, in bytes.
    Memory {
        /// Measured.
        used: u64,
        /// Allowed.
        limit: u64,
    },
    /// More CPU than allowed, in percent of one core.
    Cpu {
        /// Measured.
        used: u32,
        /// Allowed.
        limit: u32,
    },
}

impl Ceiling {
    /// Returns what a measurement exceeds, memory first.
    #[must_use]
    pub fn exceeded(&self, memory_bytes: u64, cpu_percent: f64) -> Option<Excess> {
        if let Some(limit) = self.memory_bytes
            && memory_bytes > limit
        {
            return Some(Excess::Memory {
                used: memory_bytes,
                limit,
            });
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a percentage of cores"
        )]
        let used = cpu_percent.max(0.0).round() as u32;
        match self.cpu_percent {
            Some(limit) if used > limit => Some(Excess::Cpu { used, limit }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_its_bound_and_attempts_end() {
        let policy = RestartPolicy::OnFailure {
            max_attempts: 12,
            backoff_ms: 1000,
        };
        let pauses: Vec<u64> = (1..12)
            .map(|n| policy.pause_after(n).unwrap().as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(policy.pause_after(12), None);
        assert_eq!(RestartPolicy::Never.pause_after(1), None);
    }

    #[test]
    fn a_ceiling_is_exceeded_only_above_it() {
        let ceiling = Ceiling {
            memory_bytes: Some(100),
            cpu_percent: Some(50),
            action: CeilingAction::Stop,
        };
        assert_eq!(ceiling.exceeded(100, 50.0), None);
        assert_eq!(
            ceiling.exceeded(101, 0.0),
            Some(Excess::Memory {
                used: 101,
                limit: 100
            })
        );
        assert_eq!(
            ceiling.exceeded(0, 51.0),
            Some(Excess::Cpu {
                used: 51,
                limit: 50
            })
        );
    }

    #[test]
    fn debug_never_shows_a_secret() {
        let launch = Launch {
            env: vec![("TOKEN".into(), "hunter2".into())],
            ..Launch::new("command", &["x"], "/")
        };
        let shown = format!("{launch:?}");
        assert!(
            shown.contains("TOKEN") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}
