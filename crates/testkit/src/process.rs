//! Processes as `/proc` shows them, identified so that a reused pid is never mistaken for its predecessor.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Names one process by its pid and its start time in clock ticks since boot.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// The process id.
    pub pid: u32,
    /// Field 22 of `/proc/<pid>/stat`.
    pub start_time: u64,
}

/// Field values of `/proc/<pid>/stat` that matter here.
struct Stat {
    state: char,
    parent: u32,
    start_time: u64,
}

impl Process {
    /// Finds the process that has this pid now; a zombie counts as gone.
    pub fn find(pid: u32) -> Option<Process> {
        let stat = Stat::read(pid)?;
        stat.is_alive().then_some(Process {
            pid,
            start_time: stat.start_time,
        })
    }

    /// Names the calling process.
    pub fn current() -> Process {
        Process::find(std::process::id()).expect("the calling process is alive")
    }

    /// Lists every live process that `/proc` shows.
    pub fn all() -> Vec<Process> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(Process::find)
            .collect()
    }

    /// Lists every live process that was started with `key=value` in its environment.
    pub fn all_with_environment(key: &str, value: &str) -> Vec<Process> {
        Process::all()
            .into_iter()
            .filter(|process| process.environment_has(key, value))
            .collect()
    }

    /// Reads a file in which processes recorded themselves, a line `PID START-TIME` each; lines half written are left out.
    pub fn recorded(path: &Path) -> Vec<Process> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.split_inclusive('\n')
            .filter_map(|line| {
                let (pid, start_time) = line.strip_suffix('\n')?.split_once(' ')?;
                Some(Process {
                    pid: pid.parse().ok()?,
                    start_time: start_time.parse().ok()?,
                })
            })
            .collect()
    }

    /// Tells whether this very process still runs (a zombie does not).
    pub fn is_alive(&self) -> bool {
        Process::find(self.pid) == Some(*self)
    }

    /// Gives the state letter of `/proc/<pid>/stat` (`R`, `S`, `T`, `Z` …), if the process is still there.
    pub fn state(&self) -> Option<char> {
        Stat::read(self.pid)
            .filter(|stat| stat.start_time == self.start_time)
            .map(|stat| stat.state)
    }

    /// Lists the live children.
    pub fn children(&self) -> Vec<Process> {
        Process::all()
            .into_iter()
            .filter(|process| Stat::read(process.pid).is_some_and(|stat| stat.parent == self.pid))
            .collect()
    }

    /// Lists the live descendants, nearest first.
    pub fn descendants(&self) -> Vec<Process> {
        let mut children_of: HashMap<u32, Vec<Process>> = HashMap::new();
        for process in Process::all() {
            if let Some(stat) = Stat::read(process.pid) {
                children_of.entry(stat.parent).or_default().push(process);
            }
        }
        let mut found = children_of.remove(&self.pid).unwrap_or_default();
        let mut next = 0;
        while let Some(process) = found.get(next).copied() {
            found.extend(children_of.remove(&process.pid).unwrap_or_default());
            next += 1;
        }
        found
    }

    /// Gives the arguments, the program first; empty when the process is gone.
    pub fn command_line(&self) -> Vec<String> {
        self.strings_of("cmdline")
            .into_iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    }

    /// Gives the environment the process was started with, as `KEY=value` strings.
    pub fn environment(&self) -> Vec<OsString> {
        self.strings_of("environ")
    }

    /// Tells whether the process was started with `key=value` in its environment.
    pub fn environment_has(&self, key: &str, value: &str) -> bool {
        let wanted = OsString::from(format!("{key}={value}"));
        self.environment().contains(&wanted)
    }

    /// Gives the working directory.
    pub fn working_directory(&self) -> Option<PathBuf> {
        fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }

    /// Sends a signal to this very process; a process that is gone is not an error.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no such pid"));
        };
        // The descriptor pins the pid: checked after it was opened, it cannot have passed to another process.
        let gone = |error: rustix::io::Errno| {
            if error == rustix::io::Errno::SRCH {
                Ok(())
            } else {
                Err(error.into())
            }
        };
        let descriptor = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(descriptor) => descriptor,
            Err(error) => return gone(error),
        };
        if !self.is_alive() {
            return Ok(());
        }
        pidfd_send_signal(&descriptor, signal).or_else(gone)
    }

    /// Ends this very process with SIGKILL.
    pub fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Lists the peers of the TCP connections that the process has open now.
    pub fn tcp_peers(&self) -> Vec<SocketAddr> {
        let inodes = self.socket_inodes();
        ["tcp", "tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(format!("/proc/{}/net/{table}", self.pid)).ok())
            .flat_map(|table| {
                table
                    .lines()
                    .skip(1)
                    .filter_map(|line| {
                        let columns: Vec<&str> = line.split_whitespace().collect();
                        let inode = columns.get(9)?;
                        if !inodes.iter().any(|own| own == inode) {
                            return None;
                        }
                        socket_address(columns.get(2)?)
                    })
                    .collect::<Vec<_>>()
            })
            .filter(|peer| peer.port() != 0)
            .collect()
    }

    fn socket_inodes(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(format!("/proc/{}/fd", self.pid)) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| {
                let target = fs::read_link(entry.ok()?.path()).ok()?;
                let inode = target.to_str()?.strip_prefix("socket:[")?;
                Some(inode.strip_suffix(']')?.to_owned())
            })
            .collect()
    }

    fn strings_of(&self, file: &str) -> Vec<OsString> {
        let Ok(bytes) = fs::read(format!("/proc/{}/{file}", self.pid)) else {
            return Vec::new();
        };
        // Read first, checked after: what was read then belongs to this process.
        if !self.is_alive() {
            return Vec::new();
        }
        bytes
            .split(|byte| *byte == 0)
            .filter(|word| !word.is_empty())
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect()
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.pid, self.command_line())
    }
}

impl Stat {
    fn read(pid: u32) -> Option<Stat> {
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let text = String::from_utf8_lossy(&text);
        // The command stands in brackets and may hold anything, brackets included.
        let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let start_time = fields.nth(17)?.parse().ok()?;
        Some(Stat {
            state,
            parent,
            start_time,
        })
    }

    fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Reads an address as `/proc/net/tcp` writes it: 32-bit words in host order, hexadecimal.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let mut bytes = Vec::with_capacity(16);
    for start in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(start..start + 8)?, 16).ok()?;
        bytes.extend(word.to_ne_bytes());
    }
    let address: IpAddr = match bytes.len() {
        4 => Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into(),
        _ => Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical(),
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Command};
    use std::time::Duration;

    fn sleeper() -> (Child, Process) {
        let child = Command::new("sleep")
            .arg("600")
            .env("SLEEPER", "of this test")
            .spawn()
            .expect("sleep starts");
        // Until the exec, /proc shows the child with the environment of its parent.
        let process = wait_until(Duration::from_secs(5), "sleep to be executed", || {
            Process::find(child.id()).filter(|it| it.command_line() == ["sleep", "600"])
        });
        (child, process)
    }

    #[test]
    fn a_process_is_found_with_what_it_was_started_with() {
        let (mut child, process) = sleeper();
        assert!(process.is_alive());
        assert!(process.environment_has("SLEEPER", "of this test"));
        assert!(!process.environment_has("SLEEPER", "of this"));
        assert!(Process::current().children().contains(&process));
        assert!(Process::current().descendants().contains(&process));
        assert!(!process.descendants().contains(&process));
        assert_eq!(process.working_directory(), std::env::current_dir().ok());
        process.kill().expect("killed");
        child.wait().expect("reaped");
    }

    #[test]
    fn a_zombie_and_another_start_time_are_not_alive() {
        let (mut child, process) = sleeper();
        let namesake = Process {
            start_time: process.start_time + 1,
            ..process
        };
        assert!(!namesake.is_alive());
        namesake.kill().expect("a process that is gone is no error");
        assert!(process.is_alive(), "the namesake's signal hit the process");

        process.kill().expect("killed");
        wait_until(Duration::from_secs(5), "the zombie", || {
            process.state() == Some('Z')
        });
        assert!(!process.is_alive());
        child.wait().expect("reaped");
        assert_eq!(process.state(), None);
    }

    #[test]
    fn tcp_peers_are_those_of_the_process() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let stream = TcpStream::connect(address).expect("connected");
        assert!(Process::current().tcp_peers().contains(&address));
        drop(stream);
        let (mut child, other) = sleeper();
        assert!(!other.tcp_peers().contains(&address));
        other.kill().expect("killed");
        child.wait().expect("reaped");
    }
}
