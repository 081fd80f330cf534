//! A shell in a real pseudo terminal, with a host and an agent that say what the test wants.

use std::process::Command;

use alacritty_terminal::term::TermMode;
use rustix::process::{Pid, Signal, kill_process};
use stratavore_rpc::v1;
use stratavore_testkit::process::Process;
use stratavore_testkit::terminal::Terminal;
use stratavore_testkit::{TempHome, wait_until};
use stratavore_wire::{Exit, Exited, Message, Timestamp};

use super::agent::FakeAgent;
use super::host::{FakeHost, World, project, runner};
use super::{SOON, places};

/// A shell with a runner to attach to.
pub struct Scene {
    pub terminal: Terminal,
    pub host: Option<FakeHost>,
    pub agent: FakeAgent,
    // Dropped last: the others' sockets are in it.
    pub home: TempHome,
}

impl Scene {
    /// Runs `stratavore` with these arguments in a shell that notes the terminal's settings before and after it.
    pub fn start(args: &str, snapshot: &[u8]) -> Self {
        Self::with(args, snapshot, vec![runner("auth")])
    }

    pub fn with(args: &str, snapshot: &[u8], runners: Vec<v1::Runner>) -> Self {
        Self::set(args, snapshot, |_, _, world| world.runners = runners)
    }

    /// Has `prepare` arrange what must be there before the program starts.
    pub fn set(
        args: &str,
        snapshot: &[u8],
        prepare: impl FnOnce(&TempHome, &FakeAgent, &mut World),
    ) -> Self {
        let home = TempHome::new();
        let socket = home.runtime().join("agent.sock");
        let agent = FakeAgent::start(&socket, snapshot);
        let mut world = World {
            projects: vec![project("api")],
            launched: Some(runner("fresh")),
            agent: socket,
            ..World::default()
        };
        prepare(&home, &agent, &mut world);
        let host = FakeHost::start(&places(&home), world);
        let program = super::program();
        let script = format!(
            "printf '\\033]0;mine\\007my own screen\\n'; stty -a > before; {} {args} 2> stderr; code=$?; \
             stty -a > after; cat stderr; printf 'left with %s.\\n' $code; read -r next; printf 'read %s.\\n' \"$next\"",
            program.display()
        );
        let terminal = Terminal::start(
            ["sh", "-c", &script],
            home.environment(),
            home.path(),
            (80, 24),
        );
        Self {
            home,
            host: Some(host),
            agent,
            terminal,
        }
    }

    pub fn host(&self) -> &FakeHost {
        self.host.as_ref().expect("the host still runs")
    }

    pub fn stratavore(&self) -> Process {
        wait_until(SOON, "stratavore in the terminal", || {
            let shell = self.terminal.process()?;
            shell.descendants().into_iter().find(|process| {
                let words = process.command_line();
                words
                    .first()
                    .is_some_and(|word| word.ends_with("stratavore"))
            })
        })
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.stratavore().pid).expect("a pid");
        kill_process(Pid::from_raw(pid).expect("a pid"), signal).expect("it is ours");
    }

    /// Waits until the program has left, with this code, and checks that nothing of it stays in the terminal.
    #[track_caller]
    pub fn left(&self, code: &str) -> String {
        let screen = self.terminal.wait_for(&format!("left with {code}."), SOON);
        assert!(
            screen.starts_with("my own screen\n"),
            "the shell's screen is back:\n{screen}"
        );
        assert!(
            !screen.contains("hello"),
            "nothing of the runner stays:\n{screen}"
        );
        self.restored();
        screen
    }

    #[track_caller]
    pub fn restored(&self) {
        let text =
            |name| std::fs::read_to_string(self.home.path().join(name)).expect("stty wrote it");
        assert_eq!(
            text("after"),
            text("before"),
            "the terminal's settings are what they were"
        );
        assert_eq!(
            self.terminal.modes(),
            self.fresh_modes(),
            "every mode is off again"
        );
        assert_eq!(self.terminal.title(), "mine");
        let raw = self.terminal.raw();
        for undone in [
            "\x1b[?2031l",
            "\x1b[<99u",
            "\x1b[>4m",
            "\x1b[0 q",
            "\x1b[r",
            "\x1b(B",
            "\x1b[?2026l",
        ] {
            assert!(holds(&raw, undone.as_bytes()), "{undone:?} was not written");
        }
        // The shell's own line editing works: what is typed is echoed and read.
        self.terminal.type_text("typed\r");
        self.terminal.wait_for("read typed.", SOON);
    }

    /// Gives the modes of a terminal in which nothing happened.
    pub fn fresh_modes(&self) -> TermMode {
        let environment = self.home.environment();
        Terminal::start(["true"], environment, self.home.path(), (80, 24)).modes()
    }

    /// Tells the terminal's settings now, as `stty` does.
    pub fn settings(&self) -> String {
        let shell = self.terminal.process().expect("the shell still runs");
        let terminal = format!("/proc/{}/fd/0", shell.pid);
        let output = Command::new("stty").args(["-F", &terminal, "-a"]).output();
        String::from_utf8(output.expect("stty runs").stdout).expect("UTF-8")
    }

    pub fn end_runner(&self, exit: Exit) {
        let exited = Exited {
            exit,
            at: Timestamp(0),
            stopped: false,
            interrupted: false,
            leftovers: 0,
        };
        self.agent.send(&Message::Exited(exited));
        self.agent.send(&Message::Ended);
    }
}

pub fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
