//! What Claude Code does to its surroundings.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stratavore_testkit::Process;

/// The session of a program that is not told which it holds.
const UNTOLD: &str = "00000000-0000-4000-8000-000000000000";

/// Holds one conversation.
pub(crate) struct Claude {
    session: String,
    cwd: String,
    /// The command of its hooks; absent: it was given none.
    hook: Option<String>,
    pid_file: PathBuf,
    transcript: PathBuf,
    begun: Instant,
    messages: u32,
}

impl Claude {
    /// Takes what it was started with.
    pub(crate) fn begin() -> io::Result<Self> {
        let arguments: Vec<String> = std::env::args().collect();
        let given = |name: &str| {
            let mut words = arguments.iter().skip_while(|word| *word != name);
            words.nth(1).cloned()
        };
        let session = given("--session-id").or_else(|| given("--resume"));
        let session = session.unwrap_or_else(|| UNTOLD.to_owned());
        let cwd = std::env::current_dir()?.to_string_lossy().into_owned();
        let home = std::env::var_os("HOME").ok_or_else(|| io::Error::other("no HOME"))?;
        let config = PathBuf::from(home).join(".claude");
        let project: String = cwd
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let (sessions, projects) = (
            config.join("sessions"),
            config.join("projects").join(project),
        );
        fs::create_dir_all(&sessions)?;
        fs::create_dir_all(&projects)?;
        Ok(Self {
            hook: given("--settings")
                .or_else(|| given("-c"))
                .as_deref()
                .and_then(command),
            pid_file: sessions.join(format!("{}.json", std::process::id())),
            transcript: projects.join(format!("{session}.jsonl")),
            session,
            cwd,
            begun: Instant::now(),
            messages: 0,
        })
    }

    /// Reports its state on its terminal.
    pub(crate) fn report(&self, text: &str) -> io::Result<()> {
        draw(&format!("\x1b]7501;{text}\x07"))
    }

    /// Writes the file of its process.
    pub(crate) fn status(&self, status: &str) -> io::Result<()> {
        let Process { pid, start_time } = Process::current();
        let (session, cwd) = (&self.session, &self.cwd);
        let text = format!(
            r#"{{"pid":{pid},"procStart":"{start_time}","sessionId":"{session}","cwd":"{cwd}","version":"2.1.330","kind":"interactive","status":"{status}"}}"#
        );
        if let Some(sessions) = self.pid_file.parent() {
            fs::create_dir_all(sessions)?;
        }
        fs::write(&self.pid_file, text)
    }

    /// Runs its hook as Claude Code does, waits for it, draws what it answers, and tells how long it took.
    pub(crate) fn hook(&self, event: &str) -> io::Result<Duration> {
        self.hook_with(event, "")
    }

    /// Does so with more fields in its payload, as they stand in JSON.
    pub(crate) fn hook_with(&self, event: &str, fields: &str) -> io::Result<Duration> {
        let command = self
            .hook
            .as_ref()
            .ok_or_else(|| io::Error::other("it was given no hooks"))?;
        let (session, cwd, transcript) = (&self.session, &self.cwd, self.transcript.display());
        let of_tool = if event.ends_with("ToolUse") || event == "PermissionRequest" {
            r#","tool_name":"Bash","tool_input":{"command":"cargo test --workspace","description":"Runs the tests"}"#
        } else {
            ""
        };
        let more = if fields.is_empty() { "" } else { "," };
        let payload = format!(
            r#"{{"session_id":"{session}","transcript_path":"{transcript}","cwd":"{cwd}","permission_mode":"default","hook_event_name":"{event}"{of_tool}{more}{fields}}}"#
        );
        let begun = Instant::now();
        let mut child = Command::new("/bin/sh")
            .args(["-c", command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            input.write_all(payload.as_bytes())?;
        }
        let ended = child.wait_with_output()?;
        let took = begun.elapsed();
        if !ended.status.success() {
            return Err(io::Error::other(format!(
                "the hook ended with {}",
                ended.status
            )));
        }
        if !ended.stdout.is_empty() {
            draw(&format!(
                "{}\r\n",
                String::from_utf8_lossy(&ended.stdout).trim()
            ))?;
        }
        Ok(took)
    }

    /// Appends a message of the model to its transcript.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.messages += 1;
        let (session, cwd, number) = (&self.session, &self.cwd, self.messages);
        // Not the machine's time, which is nobody's to read: the day does not matter, that it goes on does.
        let passed = self.begun.elapsed();
        let (minutes, seconds) = (passed.as_secs() / 60, passed.as_secs() % 60);
        let at = format!(
            "2026-01-01T00:{minutes:02}:{seconds:02}.{:03}Z",
            passed.subsec_millis()
        );
        let rows = format!(
            r#"{{"isSidechain":false,"message":{{"content":[{{"text":"{text}","type":"text"}}],"id":"msg_{session}_{number}","model":"claude-opus-5","role":"assistant","type":"message","usage":{{"input_tokens":11,"cache_creation_input_tokens":360,"cache_read_input_tokens":1300,"output_tokens":23,"cache_creation":{{"ephemeral_1h_input_tokens":190,"ephemeral_5m_input_tokens":170}}}}}},"requestId":"req_{number}","type":"assistant","uuid":"{session}-{number}","timestamp":"{at}","cwd":"{cwd}","sessionId":"{session}","version":"2.1.330","gitBranch":"HEAD"}}
{{"type":"mode","mode":"normal","sessionId":"{session}"}}
"#
        );
        File::options()
            .append(true)
            .create(true)
            .open(&self.transcript)?
            .write_all(rows.as_bytes())
    }
}

/// Writes to the terminal at once.
pub(crate) fn draw(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Finds the command of the hooks in settings, in JSON or in TOML: all are given the same.
fn command(settings: &str) -> Option<String> {
    let (_, rest) = settings
        .split_once(r#""command":""#)
        .or_else(|| settings.split_once(r#"command=""#))?;
    Some(rest.split_once('"')?.0.to_owned())
}
