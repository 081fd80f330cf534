//! One run, and what was seen of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_core::session::Mode;
use stratavore_programs::{Hooks, adapter, lookup};
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::model_api::ModelApi;
use stratavore_testkit::terminal::Terminal;
use stratavore_testkit::{Process, TempHome, wait_until};

/// For how long a state is held before the next: longer than the sources may differ.
const HELD: Duration = Duration::from_secs(4);

/// Until when something must have happened.
const SOON: Duration = Duration::from_secs(60);

/// The columns and rows of the terminals.
const SIZE: (u16, u16) = (100, 40);

/// What is kept of a pid file.
const PID_FILE: [&str; 10] = [
    "pid",
    "procStart",
    "sessionId",
    "cwd",
    "startedAt",
    "version",
    "kind",
    "status",
    "waitingFor",
    "statusUpdatedAt",
];

/// Keeps what a hook is given, and answers a permission request when told to.
const HOOK: &str = r#"#!/bin/sh
name=$(date +%s%N)-$$
cat > "$1/.$name"
mv "$1/.$name" "$1/$name.json"
if [ -e "$1/answering" ] && grep -q '"hook_event_name":"PermissionRequest"' "$1/$name.json"; then
    while [ ! -e "$1/answer" ]; do sleep 0.05; done
    cat "$1/answer"
fi
"#;

/// A program that is recorded.
pub(crate) trait Program {
    /// Its name, as its adapter has it.
    fn name(&self) -> &'static str;

    /// Which version it is.
    fn version(&self) -> String;

    /// Makes its home ready, and returns its environment.
    fn prepare(
        &self,
        home: &TempHome,
        api: &ModelApi,
        proxy: &ClosedProxy,
        project: &Path,
    ) -> BTreeMap<String, String>;

    /// Returns its command line.
    fn argv(&self) -> Vec<String>;

    /// Returns what its screen shows when a request can be typed.
    fn prompt(&self) -> &'static str;

    /// Returns what is kept of a row of its transcript; nothing of one that holds much and says nothing that is read.
    fn keep(&self, row: Value) -> Option<Value>;
}

pub(crate) struct Recording {
    pub(crate) api: ModelApi,
    terminal: Terminal,
    process: Process,
    named: Option<String>,
    project: PathBuf,
    hooks: PathBuf,
    signals: Vec<(Timestamp, Value)>,
    moments: Vec<Value>,
    /// What the terminals that have ended were written, and when.
    written: Vec<Written>,
    pid_file: String,
    payloads: BTreeSet<PathBuf>,
    /// How much of each transcript was read, and what was kept of it.
    transcripts: BTreeMap<PathBuf, (usize, String)>,
    environment: BTreeMap<String, String>,
    program: &'static dyn Program,
    _proxy: ClosedProxy,
    home: TempHome,
}

impl Recording {
    /// Starts a program and waits for its prompt.
    pub(crate) fn new(program: &'static dyn Program) -> Self {
        let home = TempHome::new();
        let api = ModelApi::start().expect("the API starts");
        let proxy = ClosedProxy::start().expect("the proxy starts");
        let project = home.project("demo");
        let environment = program.prepare(&home, &api, &proxy, &project);
        let hooks = home.path().join("hooks");
        fs::create_dir(&hooks).expect("made");
        fs::write(hooks.join("hook.sh"), HOOK).expect("written");
        let began = SystemClock.now();
        let (terminal, process, named) = start(program, &environment, &project, &hooks, &Mode::New);
        let mut recording = Self {
            api,
            terminal,
            process,
            named,
            project,
            hooks,
            signals: Vec::new(),
            moments: Vec::new(),
            written: Vec::new(),
            pid_file: String::new(),
            payloads: BTreeSet::new(),
            transcripts: BTreeMap::new(),
            environment,
            program,
            _proxy: proxy,
            home,
        };
        recording.began(began);
        recording.shows(program.prompt());
        recording
    }

    /// Waits for a fact, and takes down meanwhile what every source says.
    pub(crate) fn until(&mut self, what: &str, mut fact: impl FnMut(&Self) -> bool) {
        wait_until(SOON, what, || {
            self.listen();
            if fact(self) {
                Ok(())
            } else {
                Err(format!("\n{}", self.terminal.screen()))
            }
        });
    }

    pub(crate) fn shows(&mut self, text: &str) {
        self.until(text, |it| it.terminal.screen().contains(text));
    }

    pub(crate) fn hides(&mut self, text: &str) {
        self.until(text, |it| !it.terminal.screen().contains(text));
    }

    /// Takes down that this is true now, and stays true for a while.
    pub(crate) fn true_now(&mut self, need: &str, subject: Option<&str>) {
        self.true_until(need, subject, None);
    }

    /// Takes down the same of a state that the provider says the end of.
    pub(crate) fn true_until(
        &mut self,
        need: &str,
        subject: Option<&str>,
        ends: Option<Timestamp>,
    ) {
        let from = SystemClock.now();
        let mut until = from;
        self.until("the time that a state is held", |_| {
            until = SystemClock.now();
            (until - from).to_std().is_ok_and(|held| held >= HELD)
        });
        let from = from.to_rfc3339();
        let until = until.to_rfc3339();
        let mut moment = json!({ "from": from, "until": until, "need": need, "subject": subject });
        if let Some(ends) = ends {
            moment["ends"] = json!(ends.to_rfc3339());
        }
        self.moments.push(moment);
    }

    pub(crate) fn ask(&mut self, request: &str) {
        self.types(request);
        self.shows(request);
        self.types("\r");
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.terminal.type_text(keys);
    }

    /// Presses Enter until a dialog takes it: it ignores what comes in its first moments.
    pub(crate) fn enters(&mut self, dialog: &str) {
        self.terminal.type_until_gone("\r", dialog, SOON);
        self.listen();
    }

    /// Makes permission requests wait for [`Recording::answers`].
    pub(crate) fn hook_waits(&mut self) {
        fs::write(self.hooks.join("answering"), "").expect("written");
    }

    pub(crate) fn answers(&mut self, text: &str) {
        fs::write(self.hooks.join("partial"), text).expect("written");
        fs::rename(self.hooks.join("partial"), self.hooks.join("answer")).expect("moved");
    }

    pub(crate) fn project(&self) -> &Path {
        &self.project
    }

    /// Returns the session that the pid file names.
    pub(crate) fn session(&self) -> String {
        let file: Value = serde_json::from_str(&self.pid_file).expect("a pid file");
        file["sessionId"].as_str().expect("a session").to_owned()
    }

    /// Returns the session that the last hook named.
    pub(crate) fn hooked_session(&self) -> Option<String> {
        let hooks = self
            .signals
            .iter()
            .rev()
            .filter(|(_, it)| it["source"] == "hook");
        hooks
            .map(|(_, it)| it["payload"]["session_id"].as_str())
            .next()?
            .map(str::to_owned)
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("killed");
        self.terminal.wait_exit(SOON);
        self.listen();
    }

    pub(crate) fn exit(&mut self) {
        self.ask("/exit");
        self.terminal.wait_exit(SOON);
        self.listen();
    }

    /// Starts it again after it has ended.
    pub(crate) fn begin(&mut self, mode: &Mode) {
        self.begin_showing(mode, self.program.prompt());
    }

    /// Starts it again after it has ended, and waits until it shows this.
    pub(crate) fn begin_showing(&mut self, mode: &Mode, shown: &str) {
        self.terminal_ended();
        let began = SystemClock.now();
        let (terminal, process, session) = start(
            self.program,
            &self.environment,
            &self.project,
            &self.hooks,
            mode,
        );
        self.terminal = terminal;
        self.process = process;
        self.pid_file = String::new();
        self.named = session;
        self.began(began);
        self.shows(shown);
    }

    /// Returns the session that it was told to hold.
    pub(crate) fn named_session(&self) -> Option<String> {
        self.named.clone()
    }

    fn began(&mut self, at: Timestamp) {
        let process = json!({ "source": "process", "pid": self.process.pid, "started_ticks": self.process.start_time });
        self.signals.push((at, process));
    }

    fn listen(&mut self) {
        let now = SystemClock.now();
        let adapter = adapter(self.program.name());
        let (config, kept) = (self.config(), self.kept());
        if let Some(file) = adapter.pid_file(&config, self.process.pid)
            && let Ok(text) = fs::read_to_string(file)
            && text != self.pid_file
            // A file that is being written is read again.
            && text.ends_with('}')
        {
            let whole: Value = serde_json::from_str(&self.clean(&text)).expect("JSON");
            // The others name the machine, or are long.
            let mut file = json!({});
            for key in PID_FILE {
                if !whole[key].is_null() {
                    file[key] = whole[key].clone();
                }
            }
            let file = json!({ "source": "pid-file", "file": file.to_string() });
            self.signals.push((now, file));
            self.pid_file = text;
        }
        for entry in fs::read_dir(&self.hooks).expect("listed").flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|it| it == "json") && self.payloads.insert(path.clone())
            {
                let name = entry.file_name().to_string_lossy().into_owned();
                let nanos = name.split('-').next().and_then(|it| it.parse().ok());
                let text = fs::read_to_string(&path).expect("read");
                let payload: Value = serde_json::from_str(&self.clean(&text)).expect("JSON");
                self.signals.push((
                    Timestamp::from_timestamp_nanos(nanos.expect("a time")),
                    json!({ "source": "hook", "payload": payload }),
                ));
            }
        }
        for transcript in adapter.transcripts(&kept).expect("listed") {
            self.read(now, &transcript.path);
        }
    }

    fn read(&mut self, now: Timestamp, path: &Path) {
        let Ok(text) = fs::read_to_string(path) else {
            return;
        };
        let (read, mut kept) = self.transcripts.remove(path).unwrap_or_default();
        let end = text.rfind('\n').map_or(0, |end| end + 1).max(read);
        for row in text[read..end].lines() {
            let row = serde_json::from_str(&self.clean(row)).expect("JSON");
            if let Some(row) = self.program.keep(row) {
                kept.push_str(&row.to_string());
                kept.push('\n');
            }
        }
        if end > read {
            let name = self.name(path);
            let rows = json!({ "source": "transcript", "path": name, "to": kept.len() });
            self.signals.push((now, rows));
        }
        self.transcripts.insert(path.to_owned(), (end, kept));
    }

    fn name(&self, path: &Path) -> String {
        let path = path.strip_prefix(self.kept()).expect("in the home");
        self.clean(&path.to_string_lossy())
    }

    /// Returns where the program keeps its conversations, which are copied where that is a database.
    fn kept(&self) -> PathBuf {
        let (home, place) = (self.config(), self.home.path().join("copies"));
        let copied = adapter(self.program.name()).copy(&home, &place, None);
        match copied {
            Ok(None) => home,
            // One that is being made is copied the next time.
            Ok(Some(_)) | Err(_) => place,
        }
    }

    /// Returns where the program keeps its things.
    fn config(&self) -> PathBuf {
        let home = adapter(self.program.name()).home(&lookup(&self.environment));
        home.unwrap_or_else(|| self.home.home())
    }

    /// Names what is of this machine, and what stands in its place.
    fn own(&self) -> [(String, &'static str); 3] {
        let root = self.home.path().to_string_lossy().into_owned();
        let flat = root
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        [
            (root, "/corpus"),
            (flat, "-corpus"),
            (self.api.url(), "http://127.0.0.1:1"),
        ]
    }

    /// Takes this machine out of a text.
    fn clean(&self, text: &str) -> String {
        let own = self.own();
        own.iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    }

    /// Keeps all that was written to the terminal.
    fn terminal_ended(&mut self) {
        let mut written = Written::of(&self.terminal);
        for (from, to) in self.own() {
            written.replace(from.as_bytes(), to.as_bytes());
        }
        self.written.push(written);
    }

    /// Writes all that was taken down.
    pub(crate) fn write(mut self, place: &Path) {
        self.listen();
        self.terminal_ended();
        if place.exists() {
            fs::remove_dir_all(place).expect("removed");
        }
        fs::create_dir_all(place).expect("made");
        self.signals.sort_by_key(|(at, _)| *at);
        let mut lines = String::new();
        for (at, signal) in &self.signals {
            let mut signal = signal.clone();
            signal["at"] = json!(at.to_rfc3339());
            lines.push_str(&signal.to_string());
            lines.push('\n');
        }
        fs::write(place.join("signals.jsonl"), lines).expect("written");
        let truth = json!({ "moments": self.moments });
        let truth = serde_json::to_string_pretty(&truth).expect("written") + "\n";
        fs::write(place.join("truth.json"), truth).expect("written");
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        for written in &self.written {
            written.write(&mut packed);
        }
        let packed = packed.finish().expect("packed");
        fs::write(place.join("terminal.gz"), packed).expect("written");
        for (path, (_, kept)) in &self.transcripts {
            let file = place.join(self.name(path));
            fs::create_dir_all(file.parent().expect("a directory")).expect("made");
            fs::write(file, kept).expect("written");
        }
    }
}

/// All that a program wrote to a terminal.
struct Written {
    bytes: Vec<u8>,
    /// When each piece was read, and where it ends.
    pieces: Vec<(Timestamp, usize)>,
}

impl Written {
    fn of(terminal: &Terminal) -> Self {
        let mut bytes = Vec::new();
        let mut pieces = Vec::new();
        let output = terminal.output();
        let (now, read) = (SystemClock.now(), Instant::now());
        for (at, piece) in output {
            bytes.extend(piece);
            pieces.push((now - (read - at), bytes.len()));
        }
        Self { bytes, pieces }
    }

    /// Puts other bytes in the place of some, also where two pieces hold them.
    fn replace(&mut self, from: &[u8], to: &[u8]) {
        let mut replaced = Vec::with_capacity(self.bytes.len());
        let mut pieces = self.pieces.iter_mut().peekable();
        let mut at = 0;
        while at < self.bytes.len() {
            let (taken, put) = if self.bytes[at..].starts_with(from) {
                (from.len(), to)
            } else {
                (1, &self.bytes[at..=at])
            };
            replaced.extend_from_slice(put);
            at += taken;
            while let Some((_, end)) = pieces.next_if(|(_, end)| *end <= at) {
                *end = replaced.len();
            }
        }
        self.bytes = replaced;
    }

    /// Writes a line that begins a terminal, and each piece behind a line that tells when it was read and how long it is.
    fn write(&self, to: &mut impl Write) {
        let (columns, rows) = SIZE;
        writeln!(to, "{}", json!({ "columns": columns, "rows": rows })).expect("written");
        let mut from = 0;
        for (at, end) in &self.pieces {
            let bytes = &self.bytes[from..*end];
            let line = json!({ "at": at.to_rfc3339(), "bytes": bytes.len() });
            writeln!(to, "{line}").expect("written");
            to.write_all(bytes).expect("written");
            from = *end;
        }
    }
}

fn start(
    program: &dyn Program,
    environment: &BTreeMap<String, String>,
    project: &Path,
    hooks: &Path,
    mode: &Mode,
) -> (Terminal, Process, Option<String>) {
    let adapter = adapter(program.name());
    let mut argv = program.argv();
    let beginning = adapter
        .begin(mode, uuid::Uuid::new_v4(), &argv[1..])
        .expect("it begins so");
    argv.splice(1..1, beginning.args);
    let words = [
        "/bin/sh".to_owned(),
        hooks.join("hook.sh").to_string_lossy().into_owned(),
        hooks.to_string_lossy().into_owned(),
    ];
    let ours = Hooks {
        command: words.into(),
        permission_wait_seconds: 120,
        directory: project.to_owned(),
    };
    let argv = adapter.with_hooks(argv, &ours);
    let mut environment = environment.clone();
    let plugin = adapter.plugin(&ours, &lookup(&environment));
    if let Some(plugin) = plugin {
        let written = plugin.write(&hooks.with_file_name("plugins"));
        environment.extend([written.expect("written")]);
    }
    let terminal = Terminal::start_listening(argv, &environment, project, SIZE);
    let process = terminal.process().expect("alive");
    (terminal, process, beginning.session)
}
