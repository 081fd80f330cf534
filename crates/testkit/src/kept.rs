//! A server that a test started, and that cannot outlive the test's process.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::process::Process;

/// Holds a child in a session of its own, which the kernel ends with SIGKILL should this process die, however it dies.
///
/// Only credentials that change (`setpriv`) undo that: such a program has to ask again (`setpriv --pdeathsig`).
pub struct Kept {
    child: Child,
    process: Process,
    /// The kernel watches the thread that started the child, not the process: this one lives as long as the value does.
    keeper: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Kept {
    /// Starts a command.
    pub fn start(mut command: Command) -> io::Result<Kept> {
        // SAFETY: between fork and exec only two system calls are made, which allocate nothing and take no lock.
        unsafe {
            command.pre_exec(|| {
                set_parent_process_death_signal(Some(Signal::KILL))?;
                rustix::process::setsid()?;
                Ok(())
            });
        }
        let (started, starting) = channel();
        let (release, released): (Sender<()>, Receiver<()>) = channel();
        let keeper = std::thread::spawn(move || {
            if started.send(command.spawn()).is_ok() {
                // Ends when the other end is dropped: nothing is ever sent.
                let _ = released.recv();
            }
        });
        let child = starting
            .recv()
            .map_err(|_| io::Error::other("the thread that starts the server ended"))??;
        let process = Process::find(child.id())
            .ok_or_else(|| io::Error::other("the server ended as it began"))?;
        Ok(Kept {
            child,
            process,
            keeper: Some((release, keeper)),
        })
    }

    /// Gives the process.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Tells how the child ended, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        self.process.signal(signal)
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Ends the child with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // Both fail only when the child has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some((release, keeper)) = self.keeper.take() {
            drop(release);
            let _ = keeper.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait_until;
    use std::time::Duration;

    fn sleeper() -> Kept {
        let mut command = Command::new("sleep");
        command.arg("600");
        Kept::start(command).unwrap()
    }

    #[test]
    fn it_outlives_the_thread_that_asked_for_it_and_ends_when_dropped() {
        let kept = std::thread::spawn(sleeper).join().unwrap();
        let process = kept.process();
        assert!(process.is_alive());
        drop(kept);
        assert!(!process.is_alive());
    }

    /// Not a test of its own: the process that the next one kills.
    #[test]
    #[ignore = "started by another test, which kills it"]
    fn holds_one_until_killed() {
        let kept = sleeper();
        println!("\nkept {}", kept.process().pid);
        let (_never, end) = channel::<()>();
        let _ = end.recv();
        drop(kept);
    }

    #[test]
    fn it_dies_with_a_process_that_is_killed() {
        use std::io::{BufRead, BufReader};
        let mut holder = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kept::tests::holds_one_until_killed"])
            .args(["--ignored", "--nocapture"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
        let pid = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("kept ")?.parse().ok());
        let kept = Process::find(pid.unwrap()).unwrap();
        holder.kill().unwrap();
        holder.wait().unwrap();
        wait_until(Duration::from_secs(5), "the end of the sleeper", || {
            !kept.is_alive()
        });
    }
}
