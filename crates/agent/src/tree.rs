//! The program's process tree: all that descends from this process, which is the reaper of the orphans among them.

use std::collections::HashSet;

use rustix::process::{Pid, Signal, kill_process_group};
use stratavore_wire::Exit;

use crate::cgroup::Cgroup;
use crate::process::{self, Process, Stat};

/// Passes in search of processes that were born meanwhile, when pausing.
const PASSES_MAX: usize = 100;
/// Ways up to the root, when parents end on the way.
const ASCENTS_MAX: usize = 3;
/// No tree is deeper; a way up that goes in a circle, for pids come back, ends here.
const GENERATIONS_MAX: usize = 1000;

/// Knows the tree below this process.
#[derive(Debug)]
pub struct Tree {
    root: i32,
    cgroup: Option<Cgroup>,
}

/// Sums up the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Proportional set size, in bytes.
    pub memory: u64,
    /// Clock ticks that the tree ever spent, by the living and the dead.
    pub ticks: u64,
    /// Living processes.
    pub processes: u32,
}

/// Tells of a process that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// This one, so.
    Ended(i32, Exit),
    /// None now; there are children left.
    Waiting,
    /// There is nothing below this process any more.
    Nothing,
}

/// Makes this process the parent of its orphaned descendants.
pub fn become_reaper() -> std::io::Result<()> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(Into::into)
}

/// Reaps one child that ended. The only place that waits.
pub fn reap() -> Reaped {
    loop {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the answer.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        return match pid {
            0 => Reaped::Waiting,
            1.. if libc::WIFSIGNALED(status) => {
                Reaped::Ended(pid, Exit::Signal(libc::WTERMSIG(status)))
            }
            1.. => Reaped::Ended(pid, Exit::Code(libc::WEXITSTATUS(status))),
            _ if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {
                continue;
            }
            _ => Reaped::Nothing,
        };
    }
}

impl Tree {
    /// Looks below this process, and into a control group where there is one.
    pub fn new(cgroup: Option<Cgroup>) -> Self {
        Self {
            root: std::process::id() as i32,
            cgroup,
        }
    }

    /// Puts the program into the control group.
    pub fn adopt(&mut self, pid: i32) {
        if self
            .cgroup
            .as_ref()
            .is_some_and(|cgroup| cgroup.adopt(pid).is_err())
        {
            self.cgroup = None;
        }
    }

    /// Says whether a process descends from this one, by asking upwards: a tree may be large.
    pub fn holds(&self, pid: i32) -> bool {
        // A parent that ends meanwhile leaves its children to this process or to another above them: then anew.
        (0..ASCENTS_MAX)
            .find_map(|_| self.ascend(pid))
            .unwrap_or(false)
    }

    fn ascend(&self, mut pid: i32) -> Option<bool> {
        for _ in 0..GENERATIONS_MAX {
            pid = Stat::read(pid)?.parent;
            if pid == self.root || pid <= 1 {
                return Some(pid == self.root);
            }
        }
        Some(false)
    }

    /// Lists the living descendants, parents before children.
    pub fn descendants(&self) -> Vec<Stat> {
        match process::children(self.root) {
            Some(children) => Self::walk(children),
            None => self.search(),
        }
    }

    fn walk(mut queue: Vec<i32>) -> Vec<Stat> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut next = 0;
        while let Some(pid) = queue.get(next).copied() {
            next += 1;
            if !seen.insert(pid) {
                continue;
            }
            let Some(stat) = Stat::read(pid) else {
                continue;
            };
            queue.extend(process::children(pid).unwrap_or_default());
            // The dead have no memory and take no signals; they are somebody's to reap.
            if stat.state != b'Z' && stat.state != b'X' {
                found.push(stat);
            }
        }
        found
    }

    /// Finds descendants among all processes, for kernels that do not list children.
    fn search(&self) -> Vec<Stat> {
        let all = process::all();
        let mut found: Vec<Stat> = Vec::new();
        let mut parents = vec![self.root];
        let mut next = 0;
        while let Some(parent) = parents.get(next).copied() {
            next += 1;
            for stat in all.iter().filter(|stat| stat.parent == parent) {
                parents.push(stat.process.pid);
                found.push(*stat);
            }
        }
        found.retain(|stat| stat.state != b'Z' && stat.state != b'X');
        found
    }

    /// Asks everything to end: hangs up on the foreground, then `SIGTERM`; the stopped are continued to hear it.
    pub fn terminate(&self, foreground: Option<Pid>) {
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.freeze(false);
        }
        if let Some(group) = foreground {
            let _ = kill_process_group(group, Signal::HUP);
            let _ = kill_process_group(group, Signal::CONT);
        }
        let descendants = self.descendants();
        for stat in &descendants {
            stat.process.signal(Signal::TERM);
        }
        for stat in &descendants {
            stat.process.signal(Signal::CONT);
        }
    }

    /// Kills everything that is there now; tells how many were hit. To be repeated until nothing is left.
    pub fn kill(&self) -> u32 {
        let descendants = self.descendants();
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.kill();
        }
        // What moved to another control group is still ours.
        for stat in &descendants {
            stat.process.signal(Signal::KILL);
        }
        descendants.len() as u32
    }

    /// Pauses everything; tells how many processes that took.
    pub fn freeze(&self) -> u32 {
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.freeze(true);
        }
        // What moved to another control group is still ours.
        let mut stopped: HashSet<Process> = HashSet::new();
        for _ in 0..PASSES_MAX {
            // Parents first: a shell that still runs would take the terminal back from its stopped child.
            let born: Vec<Process> = self
                .descendants()
                .iter()
                .map(|stat| stat.process)
                .filter(|process| !stopped.contains(process))
                .collect();
            if born.is_empty() {
                break;
            }
            for process in born {
                process.signal(Signal::STOP);
                stopped.insert(process);
            }
        }
        stopped.len() as u32
    }

    /// Continues everything; tells how many processes that took.
    pub fn thaw(&self) -> u32 {
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.freeze(false);
        }
        // Children first: a shell must not find its child stopped.
        let descendants = self.descendants();
        for stat in descendants.iter().rev() {
            stat.process.signal(Signal::CONT);
        }
        descendants.len() as u32
    }

    /// Measures the tree.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage {
            ticks: waited_ticks(),
            ..Usage::default()
        };
        for stat in self.descendants() {
            usage.memory += process::proportional_memory(stat.process.pid);
            usage.ticks += stat.ticks;
            usage.processes += 1;
        }
        usage
    }
}

/// Gives the clock ticks of all children that this process waited for.
fn waited_ticks() -> u64 {
    // SAFETY: an all-zero `tms` is valid, and a valid place for the answer.
    let mut times: libc::tms = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    unsafe { libc::times(&raw mut times) };
    (times.tms_cutime + times.tms_cstime) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_finds_what_a_walk_finds() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 60 & wait"])
            .spawn()
            .unwrap();
        let tree = Tree::new(None);
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let of_child = |list: Vec<Stat>| {
            let mut pids = vec![child.id() as i32];
            for stat in list {
                if pids.contains(&stat.parent) {
                    pids.push(stat.process.pid);
                }
            }
            pids
        };
        let mut walked = of_child(tree.descendants());
        while walked.len() < 2 {
            assert!(
                std::time::Instant::now() < deadline,
                "the shell has no child"
            );
            std::thread::yield_now();
            walked = of_child(tree.descendants());
        }
        assert_eq!(of_child(tree.search()), walked);
        for pid in walked {
            Stat::read(pid).unwrap().process.signal(Signal::KILL);
        }
        child.wait().unwrap();
    }
}
