//! What is known of one attempt's attention, and what of that a person is to be told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use stratavore_core::attention::{self, Attention, Evidence, Need, Said, Source};
use stratavore_core::clock::Timestamp;
use stratavore_core::config::Config;
use stratavore_core::fact::Fact;
use stratavore_programs::{Adapter, Ask, Hook, PidFile, ProcessId};

use super::kept::{Kept, Told};

/// What the judgement depends on besides what was said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// For how long nothing may move while a program works.
    pub(crate) stalled_after: Duration,
    /// How long a turn must take to be told when it is done.
    pub(crate) turn_done_after: Duration,
}

impl Terms {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            stalled_after: config.stalled_after(),
            turn_done_after: config.turn_done_after(),
        }
    }
}

/// A permission that a program waits for, and that can be given from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    /// By which the agent knows the hook that waits.
    pub id: u64,
    /// What is asked.
    pub ask: Ask,
    /// The hook's event, by the program's name for it.
    pub(crate) event: String,
    /// When it was asked.
    pub at: Timestamp,
    /// When the program stops listening.
    pub until: Timestamp,
}

/// CPU in percent of one core from which on a program counts as doing something: the prompt of an idle one blinks.
const MOVES: f64 = 5.0;

/// Gathers what the sources say of one attempt.
pub(crate) struct Watch {
    attempt: u32,
    terms: Terms,
    pub(crate) program: String,
    pub(crate) adapter: &'static dyn Adapter,
    evidence: Evidence,
    process: Option<ProcessId>,
    /// Where the program keeps its things.
    home: Option<PathBuf>,
    /// What its pid file was when it was read last.
    pid_file: Option<Vec<u8>>,
    /// The permissions that are waited for, the oldest first: it is the one that the dialog shows.
    pub(crate) asking: Vec<Asking>,
    pub(crate) judged: Option<Attention>,
    judged_at: Option<Timestamp>,
    kept: Kept,
}

/// What followed from something that was heard.
#[derive(Debug, Default)]
pub(crate) struct Step {
    /// Whether what is shown of the runner changed.
    pub(crate) changed: bool,
    /// What a person is to be told.
    pub(crate) edge: Option<Fact>,
    /// Whether what is kept beside the attempt changed.
    pub(crate) keep: bool,
    /// Hooks that wait for what was answered in the terminal.
    pub(crate) release: Vec<u64>,
}

impl Watch {
    pub(crate) fn new(program: &str, attempt: u32, kept: Kept, terms: Terms) -> Self {
        Self {
            attempt,
            terms,
            program: program.to_owned(),
            adapter: stratavore_programs::adapter(program),
            evidence: Evidence::default(),
            process: None,
            home: None,
            pid_file: None,
            asking: Vec::new(),
            judged: None,
            judged_at: None,
            kept,
        }
    }

    pub(crate) fn started(&mut self, process: ProcessId, at: Timestamp) {
        self.process = Some(process);
        self.evidence.started_at = Some(at);
    }

    pub(crate) fn reported(&mut self, text: &str, at: Timestamp) {
        if !self.adapter.speaks(text) {
            // Of something that runs beside the conversation.
            return;
        }
        match self.adapter.report(text, at) {
            Some(said) => self.evidence.say(Source::Terminal, said),
            None => self.evidence.unsay(Source::Terminal),
        }
    }

    pub(crate) fn titled(&mut self, title: &str, at: Timestamp) {
        // A program that reports has said better already.
        if let Some(said) = self.adapter.title(title, at) {
            self.evidence.say(Source::Terminal, said);
        }
    }

    pub(crate) fn used(&mut self, cpu_percent: f64, at: Timestamp) {
        if cpu_percent >= MOVES {
            self.moved(at);
        }
    }

    pub(crate) fn moved(&mut self, at: Timestamp) {
        self.evidence.moved_at = self.evidence.moved_at.max(Some(at));
    }

    /// Takes what a hook told, and returns whether its session is news.
    pub(crate) fn hooked(&mut self, id: u64, hook: Hook, at: Timestamp, wait: Duration) -> bool {
        self.moved(at);
        // What subagents do is not what the conversation does; but the permission that one asks for waits for a person.
        let heard = |said: &Said| !hook.subagent || said.need == Need::NeedsPermission;
        if let Some(said) = hook.said.clone().filter(heard) {
            self.evidence.say(Source::Hook, said);
        }
        if let Some(ask) = hook.ask {
            self.asking.retain(|asking| asking.id != id);
            self.asking.push(Asking {
                id,
                ask,
                event: hook.event,
                at,
                until: at + chrono::TimeDelta::from_std(wait).unwrap_or_default(),
            });
        }
        self.holds(hook.session)
    }

    /// Forgets a permission that was answered or withdrawn.
    pub(crate) fn hook_gone(&mut self, id: u64) {
        self.asking.retain(|asking| asking.id != id);
    }

    /// Returns the tool that a permission is asked for, and none where no hook says so or none is needed any more; nothing while
    /// a hook may say so.
    #[expect(clippy::option_option, reason = "whether that is known, and which")]
    pub(crate) fn asks(&self) -> Option<Option<String>> {
        let needed = self.judged.as_ref().map(|judged| judged.need) == Some(Need::NeedsPermission);
        if !(needed && self.adapter.asks_beside_its_hook()) {
            return Some(None);
        }
        let asking = self.asking.first()?;
        Some(Some(asking.ask.tool.clone()))
    }

    /// Tells whether an error is a limit: the terminal says that there is one, and a hook a moment later which; nothing while that
    /// is open.
    pub(crate) fn is_limit(&self) -> Option<bool> {
        match self.judged.as_ref().map(|judged| judged.need) {
            Some(Need::RateLimited) => Some(true),
            Some(Need::Errored) => {
                let hook = self.evidence.of(Source::Hook);
                hook.is_some_and(|hook| hook.need == Need::Errored)
                    .then_some(false)
            }
            _ => Some(false),
        }
    }

    /// Takes what the transcript tells of the last turn.
    pub(crate) fn recorded(&mut self, said: Option<Said>, at: Timestamp) {
        self.moved(at);
        if let Some(said) = said {
            self.evidence.say(Source::Transcript, said);
        }
    }

    /// Returns the pid file to look at.
    pub(crate) fn pid_file(&self) -> Option<PathBuf> {
        let home = self.home.as_deref()?;
        self.adapter.pid_file(home, self.process?.pid)
    }

    /// Takes what the pid file holds now, and returns whether the session is news. Half of one, and one of another process,
    /// say nothing.
    pub(crate) fn pid_file_is(&mut self, bytes: Option<Vec<u8>>, now: Timestamp) -> bool {
        if bytes == self.pid_file {
            return false;
        }
        let read = match (&bytes, self.process) {
            (Some(bytes), Some(process)) => self.adapter.read_pid_file(bytes, process, now).ok(),
            _ => None,
        };
        self.pid_file = bytes;
        let Some(PidFile { said, session, .. }) = read else {
            self.evidence.unsay(Source::PidFile);
            return false;
        };
        match said {
            Some(said) => self.evidence.say(Source::PidFile, said),
            None => self.evidence.unsay(Source::PidFile),
        }
        self.holds(session)
    }

    fn holds(&mut self, session: Option<String>) -> bool {
        if session.is_none() || session == self.kept.session {
            return false;
        }
        self.kept.session = session;
        true
    }

    pub(crate) fn lives_in(&mut self, home: PathBuf) {
        self.home = Some(home);
    }

    /// Returns where the program keeps its things.
    pub(crate) fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }

    /// Judges by these from now on.
    pub(crate) fn judges_by(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Tells whether to judge again though nobody said anything since.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.judged_at.is_some_and(|judged_at| {
            attention::reconsider_at(&self.evidence, judged_at, self.terms.stalled_after)
                .is_some_and(|due| due <= now)
        })
    }

    /// Returns the session that it holds.
    pub(crate) fn session(&self) -> Option<&str> {
        self.kept.session.as_deref()
    }

    /// Returns what is kept of the attempt.
    pub(crate) fn kept(&mut self) -> &mut Kept {
        &mut self.kept
    }

    /// Judges anew. `looked_at`: somebody looks at its terminal.
    pub(crate) fn judge(&mut self, now: Timestamp, looked_at: bool) -> Step {
        let judged = attention::judge(&self.evidence, now, self.terms.stalled_after);
        let before = self.judged.replace(judged.clone());
        self.judged_at = Some(now);
        let changed = before.as_ref() != Some(&judged);
        let mut step = Step {
            changed,
            ..Step::default()
        };
        if !changed {
            return step;
        }
        let waited = before.is_some_and(|before| before.need == Need::NeedsPermission);
        if waited && judged.need != Need::NeedsPermission {
            // It was answered in the terminal, and the program may not have told its hooks so.
            step.release = self.asking.drain(..).map(|asking| asking.id).collect();
        }
        let kept = self.kept.clone();
        if judged.need == Need::Working && self.kept.turn_since.is_none() {
            self.kept.turn_since = Some(judged.since);
        }
        if self.is_told(&judged, looked_at) {
            self.kept.told = Some(Told {
                need: judged.need,
                since: judged.since,
            });
            step.edge = Some(Fact::Attention {
                attempt: self.attempt,
                need: judged.need,
                tool: self
                    .asking
                    .first()
                    .filter(|_| judged.need == Need::NeedsPermission)
                    .map(|asking| asking.ask.tool.clone()),
            });
        }
        if matches!(judged.need, Need::Idle | Need::Errored | Need::RateLimited) {
            self.kept.turn_since = None;
        }
        step.keep = self.kept != kept;
        step
    }

    /// Tells whether a person is to be told of a state: once each time that it comes about. That a turn is done is seen by who looks
    /// at it.
    fn is_told(&self, judged: &Attention, looked_at: bool) -> bool {
        let told = self.kept.told.as_ref();
        let known = told.is_some_and(|told| told.need == judged.need && told.since >= judged.since);
        if known {
            return false;
        }
        match judged.need {
            Need::NeedsPermission
            | Need::NeedsAnswer
            | Need::Errored
            | Need::Stalled
            | Need::RateLimited => true,
            Need::Idle => self.kept.turn_since.is_some_and(|since| {
                let took = (judged.since - since).to_std().unwrap_or_default();
                !looked_at && took >= self.terms.turn_done_after
            }),
            Need::Working | Need::Starting | Need::Unknown => false,
        }
    }
}
