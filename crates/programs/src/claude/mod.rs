//! Claude Code.

mod arguments;
pub(crate) mod hook;
mod launch;
mod pid_file;
pub(crate) mod report;
mod row;
mod settings;
mod title;
mod transcript;
mod transcripts;

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stratavore_core::attention::Said;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Mode;

use crate::version::at_least;
use crate::{
    Adapter, Beginning, Hook, Hooks, PidFile, ProcessId, Reader, Support, Transcript, Unsupported,
    Verdict,
};

/// Knows Claude Code, as recorded in `corpus/claude-*`.
pub(crate) struct Claude;

impl Adapter for Claude {
    fn begin(
        &self,
        mode: &Mode,
        fresh: uuid::Uuid,
        args: &[String],
    ) -> Result<Beginning, Unsupported> {
        launch::begin(mode, fresh, args)
    }

    fn with_hooks(&self, argv: Vec<String>, hooks: &Hooks) -> Vec<String> {
        settings::with_hooks(argv, hooks)
    }

    fn asks_beside_its_hook(&self) -> bool {
        true
    }

    fn home(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        crate::home(environment, "CLAUDE_CONFIG_DIR", ".claude")
    }

    fn report(&self, text: &str, at: Timestamp) -> Option<Said> {
        report::read(text, at)
    }

    fn speaks(&self, report: &str) -> bool {
        !report::is_of_a_task(report)
    }

    fn pid_file(&self, home: &Path, pid: u32) -> Option<PathBuf> {
        Some(home.join("sessions").join(format!("{pid}.json")))
    }

    fn read_pid_file(
        &self,
        bytes: &[u8],
        process: ProcessId,
        now: Timestamp,
    ) -> Result<PidFile, String> {
        pid_file::read(bytes, process, now)
    }

    fn hook(&self, payload: &Value, at: Timestamp) -> Result<Hook, String> {
        hook::read(payload, at)
    }

    fn answer(&self, event: &str, verdict: &Verdict) -> Option<String> {
        hook::answer(event, verdict)
    }

    fn transcripts(&self, home: &Path) -> io::Result<Vec<Transcript>> {
        transcripts::list(home)
    }

    fn reader(&self, transcript: &Transcript, memory: Option<&str>) -> Option<Box<dyn Reader>> {
        Some(Box::new(transcript::Conversation::new(transcript, memory)))
    }

    fn supports(&self, version: &str) -> Vec<Support> {
        let recorded = at_least(version, (2, 1, 330));
        vec![
            Support::new("resume", true, "continue, resume ID, fork ID"),
            Support::new("hooks", true, "given by --settings; your own stay in force"),
            Support::new(
                "terminal reports",
                recorded,
                if recorded {
                    "it tells its state by OSC 7501"
                } else {
                    "seen from 2.1.330 on; without them its hooks tell its state, and not when Esc ends a turn"
                },
            ),
            Support::new(
                "pid file",
                recorded,
                if recorded {
                    "sessions/PID.json tells its state and session"
                } else {
                    "recorded from 2.1.330 on; read where it is there"
                },
            ),
            Support::new("transcripts", true, "projects/*/*.jsonl, subagents too"),
            Support::new(
                "usage",
                true,
                "tokens by kind and model, once for each message; its own cost where it states it",
            ),
        ]
    }
}
