//! A supervisor of a program that runs what it is told.

use std::fs;
use std::path::{Path, PathBuf};

use stratavore_agent::process::Stat;
use stratavore_wire::{HookAnswer, HookGone, HookPolicy, Hooked, LaunchSpec, Message};

use crate::support::{Line, Rig, until};

/// What a program says that asks for permission.
pub const ASKS: &str = r#"{"hook_event_name":"PermissionRequest","session_id":"s","tool_name":"Bash","tool_input":{"command":"touch zz"}}"#;

pub struct Host {
    pub rig: Rig,
    pub line: Line,
    /// What types at the program.
    hands: Line,
    count: usize,
}

/// Something that the program runs.
pub struct Task {
    directory: PathBuf,
    name: String,
}

/// How it ended, and what it wrote.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    pub fn silent() -> Self {
        Self::says("")
    }

    pub fn says(out: &str) -> Self {
        Self {
            code: 0,
            out: out.to_owned(),
            err: String::new(),
        }
    }
}

impl Host {
    /// Launches a program whose requests for permission wait this long.
    pub fn new(permission_wait_ms: u64) -> Self {
        Self::with(|launch| launch.hooks = HookPolicy { permission_wait_ms })
    }

    pub fn with(change: impl FnOnce(&mut LaunchSpec)) -> Self {
        // It runs each script that is named to it, all at once.
        let mut rig =
            Rig::script(r#"stty -echo; echo ready; while read -r name; do sh "$name" & done"#);
        let agent = env!("CARGO_BIN_EXE_stratavore-agent").to_owned();
        rig.launch.env.push(("AGENT".to_owned(), agent));
        change(&mut rig.launch);
        let (line, _) = rig.start();
        rig.shows("ready");
        let hands = rig.connect(stratavore_wire::Role::Client);
        Self {
            rig,
            line,
            hands,
            count: 0,
        }
    }

    /// Lets the program run a script.
    pub fn run(&mut self, script: &str) -> Task {
        self.count += 1;
        let task = Task {
            directory: self.rig.work(),
            name: format!("task{}", self.count),
        };
        let name = &task.name;
        // The pid is that of whoever runs the script, which may become the script's last command.
        let body = format!("echo $$ >{name}.pid; {script}");
        fs::write(task.file("body"), body).unwrap();
        let around = format!(
            "sh {name}.body >{name}.out 2>{name}.err; echo $? >{name}.ending; mv {name}.ending {name}.code"
        );
        fs::write(task.file("sh"), around).unwrap();
        self.hands.type_in(&format!("{name}.sh\n"));
        task
    }

    /// Lets the program tell a hook this.
    pub fn hook(&mut self, payload: &str) -> Task {
        self.hook_of_bytes(payload.as_bytes())
    }

    pub fn hook_of_bytes(&mut self, payload: &[u8]) -> Task {
        let file = self.payload(payload);
        self.run(&format!(r#"exec "$AGENT" hook <{file}"#))
    }

    /// Writes a payload where the program finds it.
    pub fn payload(&mut self, payload: &[u8]) -> String {
        let file = format!("payload{}", self.count);
        fs::write(self.rig.work().join(&file), payload).unwrap();
        file
    }

    pub fn hooked(&mut self) -> Hooked {
        hooked(&mut self.line)
    }

    pub fn gone(&mut self) -> HookGone {
        gone(&mut self.line)
    }

    /// Answers a hook, and says whether it was in time.
    pub fn answer(&mut self, id: u64, output: &str) -> bool {
        let output = output.to_owned();
        self.line
            .say(&Message::HookAnswer(HookAnswer { id, output }));
        let gone = self.gone();
        assert_eq!(gone.id, id);
        gone.answered
    }
}

impl Task {
    pub fn file(&self, what: &str) -> PathBuf {
        self.directory.join(format!("{}.{what}", self.name))
    }

    /// Waits for its process.
    pub fn process(&self) -> Stat {
        let pid: i32 = read_number(&self.file("pid"));
        Stat::read(pid).expect("the task runs")
    }

    pub fn has_ended(&self) -> bool {
        self.file("code").exists()
    }

    /// Waits for its end.
    pub fn end(&self) -> Done {
        Done {
            code: read_number(&self.file("code")),
            out: fs::read_to_string(self.file("out")).unwrap(),
            err: fs::read_to_string(self.file("err")).unwrap(),
        }
    }
}

fn read_number(file: &Path) -> i32 {
    until(&file.display().to_string(), || {
        fs::read_to_string(file).ok()?.trim().parse().ok()
    })
}

pub fn hooked(line: &mut Line) -> Hooked {
    line.hear_of(|message| match message {
        Message::Hooked(hooked) => Some(hooked),
        Message::HookGone(gone) => panic!("{gone:?}"),
        _ => None,
    })
}

pub fn gone(line: &mut Line) -> HookGone {
    line.hear_of(|message| match message {
        Message::HookGone(gone) => Some(gone),
        Message::Hooked(hooked) => panic!("{hooked:?}"),
        _ => None,
    })
}
