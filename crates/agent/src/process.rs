//! What `/proc` tells of a process.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use stratavore_wire::ProgramState;

/// Names one process for ever on this boot: pids come back, pairs do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// Its pid.
    pub pid: i32,
    /// Its start, in clock ticks since boot.
    pub start_time: u64,
}

/// Holds the fields of `/proc/<pid>/stat` that matter here.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    /// Who it is.
    pub process: Process,
    /// Its parent.
    pub parent: i32,
    /// `R`, `S`, `T`, `Z`, …
    pub state: u8,
    /// Clock ticks that it and the children it waited for spent.
    pub ticks: u64,
}

impl Stat {
    /// Reads a process.
    pub fn read(pid: i32) -> Option<Self> {
        Self::parse(pid, &fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    fn parse(pid: i32, stat: &[u8]) -> Option<Self> {
        // The name may hold anything, parentheses and blanks too: what follows the last one counts.
        let after = stat.iter().rposition(|byte| *byte == b')')? + 2;
        let fields: Vec<&str> = std::str::from_utf8(stat.get(after..)?)
            .ok()?
            .split_ascii_whitespace()
            .collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            process: Process {
                pid,
                start_time: number(22)?,
            },
            parent: fields.get(1)?.parse().ok()?,
            state: *fields.first()?.as_bytes().first()?,
            ticks: number(14)? + number(15)? + number(16)? + number(17)?,
        })
    }
}

impl Process {
    /// Sends a signal to this very process, never to one that has its pid now.
    pub fn signal(self, signal: Signal) -> bool {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return false;
        };
        let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else {
            return false;
        };
        // The descriptor pins whoever has the pid; only then it is asked who that is.
        Stat::read(self.pid).is_some_and(|stat| stat.process == self)
            && pidfd_send_signal(fd, signal).is_ok()
    }

    /// Adds which boot it belongs to.
    pub fn identity(self) -> ProgramState {
        ProgramState {
            pid: self.pid,
            start_time: self.start_time,
            boot_id: boot_id(),
        }
    }
}

/// Reads the boot's id.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|id| id.trim().to_owned())
        .unwrap_or_default()
}

/// Reads the children of a process, of all its threads; `None` where the kernel does not tell.
pub fn children(pid: i32) -> Option<Vec<i32>> {
    let mut children = Vec::new();
    let mut read = false;
    for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread may end meanwhile.
        let Ok(listed) = fs::read_to_string(thread.path().join("children")) else {
            continue;
        };
        read = true;
        children.extend(
            listed
                .split_ascii_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
    }
    read.then_some(children)
}

/// Reads every process.
pub fn all() -> Vec<Stat> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Stat::read)
        .collect()
}

/// Reads the proportional set size of a process, in bytes.
pub fn proportional_memory(pid: i32) -> u64 {
    let Ok(rollup) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
        return 0;
    };
    rollup
        .lines()
        .find_map(|line| {
            line.strip_prefix("Pss:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<u64>()
                .ok()
        })
        .map_or(0, |kilobytes| kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_fields() {
        let line = b"7 (a) R 1 (b)) S 42 7 7 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 12345 1 2 3";
        let stat = Stat::parse(7, line).unwrap();
        assert_eq!(
            stat.process,
            Process {
                pid: 7,
                start_time: 12345
            }
        );
        assert_eq!((stat.parent, stat.state, stat.ticks), (42, b'S', 100));
        assert!(Stat::parse(7, b"7 (x").is_none());
    }

    #[test]
    fn this_process_is_found() {
        let pid = std::process::id() as i32;
        let stat = Stat::read(pid).unwrap();
        assert!(all().iter().any(|other| other.process == stat.process));
        assert!(proportional_memory(pid) > 100_000);
        assert!(!boot_id().is_empty());
        let other = Process {
            pid,
            start_time: stat.process.start_time + 1,
        };
        assert!(
            !other.signal(Signal::KILL),
            "another process of the same pid was signalled"
        );
    }
}
