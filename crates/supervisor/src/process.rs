//! Reads processes from `/proc`, and ends them without ever hitting another that reused a number.

use std::collections::{HashMap, HashSet};
use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Returns the identity of this boot.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// A process as one look at `/proc` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Its number.
    pub(crate) pid: u32,
    /// Its parent's.
    pub(crate) parent: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) start_time: u64,
    /// Whether it has ended and only waits to be reaped.
    pub(crate) zombie: bool,
}

/// Looks at one process.
pub(crate) fn look(pid: u32) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name may hold spaces and parentheses; what follows its last parenthesis does not.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let zombie = matches!(fields.next()?, "Z" | "X");
    let parent = fields.next()?.parse().ok()?;
    let start_time = fields.nth(17)?.parse().ok()?;
    Some(Seen {
        pid,
        parent,
        start_time,
        zombie,
    })
}

/// Looks at all processes of this machine that can be seen.
pub(crate) fn look_at_all() -> Vec<Seen> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| look(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

/// Returns those whose environment carries `KEY=value`, and all that descend from them or from `roots`.
pub(crate) fn family(all: &[Seen], marker: &str, roots: &[u32]) -> Vec<Seen> {
    let mut children: HashMap<u32, Vec<&Seen>> = HashMap::new();
    for seen in all {
        children.entry(seen.parent).or_default().push(seen);
    }
    let mut found: HashSet<u32> = roots.iter().copied().collect();
    found.extend(
        all.iter()
            .filter(|seen| carries(seen.pid, marker))
            .map(|seen| seen.pid),
    );
    let mut open: Vec<u32> = found.iter().copied().collect();
    while let Some(pid) = open.pop() {
        for child in children.get(&pid).into_iter().flatten() {
            if found.insert(child.pid) {
                open.push(child.pid);
            }
        }
    }
    let own = std::process::id();
    all.iter()
        .filter(|seen| found.contains(&seen.pid) && seen.pid != own && !seen.zombie)
        .copied()
        .collect()
}

fn carries(pid: u32, marker: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| {
        environ
            .split(|byte| *byte == 0)
            .any(|entry| entry == marker.as_bytes())
    })
}

/// Kills a process if it still is the one that was seen.
pub(crate) fn kill(seen: Seen) {
    let Some(pid) = i32::try_from(seen.pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    // The descriptor is of whoever has the number now; only after opening it can the start time be trusted.
    if look(seen.pid).is_some_and(|now| now.start_time == seen.start_time) {
        let _ = pidfd_send_signal(&fd, Signal::KILL);
    }
}

/// Waits until a process has ended; returns at once when there is none.
pub(crate) async fn ended(pid: u32) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    let Ok(fd) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    // A process descriptor becomes readable when its process ends.
    // SAFETY: the descriptor is owned, lives in the AsyncFd as long as that does, and is never exchanged for another.
    if let Ok(fd) = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) } {
        let _ = fd.readable().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_itself() {
        let own = look(std::process::id()).unwrap();
        assert!(own.start_time > 0 && !own.zombie);
        assert!(look_at_all().contains(&own));
        assert!(!boot_id().is_empty());
    }
}
