//! Tells who is at the other end of a connection.

use std::fs;

use stratavore_core::launch::RUNNER_VARIABLE;

/// The process at the other end, where that is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peer {
    pub(crate) pid: Option<i32>,
}

/// How many ancestors are looked at: no tree of processes is deeper by accident.
const ANCESTORS: usize = 64;

impl Peer {
    /// Returns the runner that the process runs in, if it does: what runs in a runner may not decide for a person. A program
    /// that clears its environment and leaves its parents can still hide that.
    pub(crate) fn runner(self) -> Option<String> {
        let mut pid = self.pid?;
        for _ in 0..ANCESTORS {
            if pid <= 1 {
                return None;
            }
            if let Some(runner) = variable(pid) {
                return Some(runner);
            }
            pid = parent(pid)?;
        }
        None
    }
}

fn variable(pid: i32) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    environment
        .split(|byte| *byte == 0)
        .filter_map(|entry| entry.strip_prefix(RUNNER_VARIABLE.as_bytes()))
        .find_map(|rest| rest.strip_prefix(b"="))
        .map(|id| String::from_utf8_lossy(id).into_owned())
}

fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))?
        .trim()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// A shell that waits for its input to end, and what it started.
    fn shell(script: &str) -> std::process::Child {
        Command::new("sh")
            .args(["-c", script])
            .env(RUNNER_VARIABLE, "r-1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    #[test]
    fn what_runs_in_a_runner_is_known_also_with_a_cleared_environment() {
        use std::io::{BufRead, BufReader};
        let mut child = shell("env -i sh -c 'echo $$; read x' && true");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let pid = Some(line.trim().parse().unwrap());
        let runner = Peer { pid }.runner();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(runner.as_deref(), Some("r-1"));
        let here = i32::try_from(std::process::id()).ok();
        if std::env::var_os(RUNNER_VARIABLE).is_none() {
            assert_eq!(Peer { pid: here }.runner(), None);
        }
    }
}
