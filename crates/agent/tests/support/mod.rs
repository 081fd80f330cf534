//! Drives a real agent as a supervisor would.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "each test uses what it needs"
)]

use std::fs;
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::process::Signal;
use stratavore_agent::process::{self, Stat};
use stratavore_agent::screen::{Screen, Size};
use stratavore_wire::*;

/// Nothing here takes seconds; a machine under load may.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// One attempt's places and, once launched, its agent.
pub struct Rig {
    pub directory: tempfile::TempDir,
    pub launch: LaunchSpec,
    pub runner_id: String,
}

/// A connection with its own sense of time.
pub struct Line {
    stream: UnixStream,
    decoder: FrameDecoder,
    /// All that was ever received, for recordings.
    pub heard: Vec<u8>,
    /// How many messages were taken of it.
    pub messages: u64,
    pub said: Vec<u8>,
}

pub fn until<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = fact() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what} did not come about");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

impl Rig {
    /// Prepares to run a shell script.
    pub fn script(script: &str) -> Self {
        Self::command(&["sh", "-c", script])
    }

    pub fn command(argv: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let directory = tempfile::Builder::new().prefix("sv").tempdir().unwrap();
        let runner_id = format!(
            "test-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let attempt_dir = directory.path().join("attempt");
        let cwd = directory.path().join("work");
        fs::create_dir(&attempt_dir).unwrap();
        fs::create_dir(&cwd).unwrap();
        let launch = LaunchSpec {
            runner_id: runner_id.clone(),
            attempt: 1,
            instance_id: "instance".to_owned(),
            project: "project".to_owned(),
            program: "custom".to_owned(),
            argv: argv.iter().map(ToString::to_string).collect(),
            cwd: cwd.to_str().unwrap().to_owned(),
            env: vec![
                ("PATH".to_owned(), std::env::var("PATH").unwrap()),
                ("STRATAVORE_RUNNER_ID".to_owned(), runner_id.clone()),
                ("SECRET".to_owned(), "hunter2".to_owned()),
            ],
            columns: 80,
            rows: 24,
            history_lines: 1000,
            record: false,
            open_files: None,
            keep_descendants: false,
            attempt_dir,
            socket: directory.path().join("a.sock"),
            heartbeat_ms: 60_000,
            hooks: HookPolicy::default(),
        };
        Self {
            directory,
            launch,
            runner_id,
        }
    }

    pub fn work(&self) -> PathBuf {
        self.directory.path().join("work")
    }

    pub fn attempt(&self, file: &str) -> PathBuf {
        self.launch.attempt_dir.join(file)
    }

    /// Starts an agent; nothing is said yet.
    pub fn agent(&self) -> (Line, Child) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_stratavore-agent"))
            .arg("run")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        (Line::new(ours), child)
    }

    /// Starts an agent and says what to run; the first answer is returned.
    pub fn launch(&self) -> (Line, Message) {
        let (mut line, mut child) = self.agent();
        line.say(&Message::Hello(Hello::new(Role::Supervisor, "test")));
        line.say(&Message::Launch(Box::new(self.launch.clone())));
        let answer = line.hear();
        // The process that was started is a stirrup: the agent is nobody's child.
        child.wait().unwrap();
        (line, answer)
    }

    /// Starts the program.
    pub fn start(&self) -> (Line, Started) {
        let (mut line, answer) = self.launch();
        assert!(matches!(answer, Message::Welcome(_)), "{answer:?}");
        match line.hear() {
            Message::Started(started) => (line, started),
            other => panic!("{other:?}"),
        }
    }

    /// Fails to start the program.
    pub fn fail(&self) -> SpawnFailed {
        let (mut line, answer) = self.launch();
        assert!(matches!(answer, Message::Welcome(_)), "{answer:?}");
        match line.hear() {
            Message::SpawnFailed(failed) => failed,
            other => panic!("{other:?}"),
        }
    }

    pub fn refused(&self) -> Refused {
        match self.launch().1 {
            Message::Refused(refused) => refused,
            other => panic!("{other:?}"),
        }
    }

    /// Connects to the agent's socket and greets.
    pub fn connect(&self, role: Role) -> Line {
        self.greet(Hello::new(role, "test"))
    }

    pub fn greet(&self, hello: Hello) -> Line {
        let mut line = Line::new(UnixStream::connect(&self.launch.socket).unwrap());
        line.say(&Message::Hello(hello));
        let answer = line.hear();
        assert!(matches!(answer, Message::Welcome(_)), "{answer:?}");
        line
    }

    /// Attaches; gives the snapshot's bytes too.
    pub fn attach(&self, columns: u16, rows: u16, read_only: bool) -> (Line, Vec<u8>) {
        let mut line = self.connect(Role::Viewer);
        line.say(&Message::Attach(Attach {
            columns,
            rows,
            read_only,
            ..Attach::default()
        }));
        let snapshot = line.snapshot();
        (line, snapshot)
    }

    pub fn record(&self) -> RunnerRecord {
        RunnerRecord::parse(&fs::read_to_string(self.attempt("runner.json")).unwrap()).unwrap()
    }

    pub fn exit(&self) -> ExitRecord {
        ExitRecord::parse(&fs::read_to_string(self.attempt("exit.json")).unwrap()).unwrap()
    }

    /// Lists all that runs for this runner, by what they inherited.
    pub fn running(&self) -> Vec<Stat> {
        let mark = format!("STRATAVORE_RUNNER_ID={}", self.runner_id);
        process::all()
            .into_iter()
            .filter(|stat| stat.state != b'Z')
            .filter(|stat| {
                fs::read(format!("/proc/{}/environ", stat.process.pid)).is_ok_and(|environment| {
                    environment
                        .split(|byte| *byte == 0)
                        .any(|entry| entry == mark.as_bytes())
                })
            })
            .collect()
    }

    /// Waits for the program to have written this.
    pub fn shows(&self, text: &str) -> String {
        let mut line = self.connect(Role::Client);
        until(&format!("{text:?} on the screen"), || {
            line.say(&Message::GetScreen(GetScreen { ansi: false }));
            match line.hear_past_viewers() {
                Message::Screen { bytes, .. } => {
                    let screen = String::from_utf8(bytes).unwrap();
                    screen.contains(text).then_some(screen)
                }
                other => panic!("{other:?}"),
            }
        })
    }

    pub fn history(&self, ansi: bool) -> String {
        let mut line = self.connect(Role::Client);
        line.say(&Message::GetHistory(GetHistory {
            ansi,
            ..GetHistory::default()
        }));
        let mut history = Vec::new();
        loop {
            match line.hear() {
                Message::History { last, bytes, .. } => {
                    history.extend(bytes);
                    if last {
                        return String::from_utf8(history).unwrap();
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let agent = RunnerRecord::parse(
            &fs::read_to_string(self.attempt("runner.json")).unwrap_or_default(),
        );
        if let Ok(record) = agent
            && let Some(stat) = Stat::read(record.agent_pid)
            && stat.process.start_time == record.agent_start_time
        {
            stat.process.signal(Signal::KILL);
        }
        for stat in self.running() {
            stat.process.signal(Signal::KILL);
        }
    }
}

impl Line {
    pub fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::new(),
            heard: Vec::new(),
            messages: 0,
            said: Vec::new(),
        }
    }

    pub fn say(&mut self, message: &Message) {
        let bytes = message.to_bytes().unwrap();
        self.said.extend_from_slice(&bytes);
        self.raw(&bytes).unwrap();
    }

    /// Says something that comes with descriptors.
    pub fn say_with(&mut self, message: &Message, descriptors: &[BorrowedFd<'_>]) {
        let bytes = message.to_bytes().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut with = SendAncillaryBuffer::new(&mut space);
        assert!(with.push(SendAncillaryMessage::ScmRights(descriptors)));
        let parts = [std::io::IoSlice::new(&bytes)];
        let sent = sendmsg(&self.stream, &parts, &mut with, SendFlags::empty()).unwrap();
        assert_eq!(sent, bytes.len());
    }

    pub fn raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Gives the next message; `None` when the agent has closed.
    pub fn hear_or_end(&mut self) -> Option<Message> {
        let deadline = Instant::now() + PATIENCE;
        let mut buffer = [0; 64 * 1024];
        loop {
            if let Some(message) = self.decoder.next_message().unwrap() {
                self.messages += 1;
                return Some(message);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the agent says nothing");
            self.stream.set_read_timeout(Some(left)).unwrap();
            match self.stream.read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => {
                    self.heard.extend_from_slice(&buffer[..read]);
                    self.decoder.push(&buffer[..read]);
                }
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => assert!(
                    matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted
                    ),
                    "{error}"
                ),
            }
        }
    }

    pub fn hear(&mut self) -> Message {
        self.hear_or_end().expect("the agent closed")
    }

    pub fn hear_past_viewers(&mut self) -> Message {
        loop {
            let message = self.hear();
            if !matches!(message, Message::Viewers(_)) {
                return message;
            }
        }
    }

    /// Waits for a message, passing over others.
    pub fn hear_of<T>(&mut self, mut wanted: impl FnMut(Message) -> Option<T>) -> T {
        loop {
            if let Some(value) = wanted(self.hear()) {
                return value;
            }
        }
    }

    pub fn snapshot(&mut self) -> Vec<u8> {
        self.hear_of(|message| match message {
            Message::Snapshot { bytes, .. } => Some(bytes),
            _ => None,
        })
    }

    pub fn exited(&mut self) -> Exited {
        self.hear_of(|message| match message {
            Message::Exited(exited) => Some(exited),
            _ => None,
        })
    }

    pub fn stopped(&mut self) -> Stopped {
        self.hear_of(|message| match message {
            Message::Stopped(stopped) => Some(stopped),
            _ => None,
        })
    }

    pub fn type_in(&mut self, text: &str) {
        self.say(&Message::Input {
            bytes: text.as_bytes().to_vec(),
        });
    }

    /// Waits for the end; nothing comes after `Ended`.
    pub fn ended(&mut self) {
        self.hear_of(|message| (message == Message::Ended).then_some(()));
        assert_eq!(self.hear_or_end(), None);
    }

    pub fn output_holds(&mut self, text: &str) {
        let mut seen = Vec::new();
        self.hear_of(|message| {
            if let Message::Output { bytes, .. } | Message::Snapshot { bytes, .. } = message {
                seen.extend(bytes);
            }
            String::from_utf8_lossy(&seen).contains(text).then_some(())
        });
    }
}

/// Shows a terminal of this size that was fed these bytes.
pub fn shown(size: (u16, u16), bytes: &[u8]) -> Screen {
    let mut screen = Screen::new(Size::bounded(size.0, size.1));
    screen.feed(bytes);
    screen
}

pub fn alive(pid: i32) -> bool {
    Stat::read(pid).is_some_and(|stat| stat.state != b'Z')
}

pub fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}
