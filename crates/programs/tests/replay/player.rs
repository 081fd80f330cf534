//! Plays the signals of one run, as a host hears them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use stratavore_agent::screen::{Effect, Screen, Size};
use stratavore_core::attention::{Attention, Evidence, Need, Said, Source, judge};
use stratavore_core::clock::Timestamp;
use stratavore_programs::{Adapter, ProcessId, Reader, Transcript, adapter};

use crate::run::{Run, Signal, text};

const STALLED: Duration = Duration::from_secs(600);

pub(crate) struct Player<'a> {
    adapter: &'static dyn Adapter,
    place: PathBuf,
    /// The sources that are listened to.
    only: &'a [Source],
    pub(crate) evidence: Evidence,
    process: ProcessId,
    /// What an agent has of the terminal.
    screen: Screen,
    title: String,
    /// What the agent answered to the program.
    pub(crate) answers: Vec<u8>,
    /// Reports and titles that said something of a state.
    pub(crate) told_by_terminal: usize,
    readers: BTreeMap<String, (usize, Box<dyn Reader>)>,
    pub(crate) sessions: Vec<String>,
}

impl<'a> Player<'a> {
    pub(crate) fn new(run: &Run, only: &'a [Source]) -> Self {
        Self {
            adapter: adapter(&run.program),
            place: run.place.clone(),
            only,
            evidence: Evidence::default(),
            process: ProcessId {
                pid: 0,
                started_ticks: 0,
            },
            screen: Screen::new(Size::bounded(80, 24)),
            title: String::new(),
            answers: Vec::new(),
            told_by_terminal: 0,
            readers: BTreeMap::new(),
            sessions: Vec::new(),
        }
    }

    pub(crate) fn judge(&self, now: Timestamp) -> Attention {
        judge(&self.evidence, now, STALLED)
    }

    /// Tells whether the best of the sources that speak says that this is so. A turn that failed is over for the best of them;
    /// a lesser one says that it failed.
    pub(crate) fn is_told(&self, need: &str) -> bool {
        let words = || {
            let said = |source| self.evidence.of(source);
            Source::ALL.into_iter().filter_map(said)
        };
        let Some(best) = words().next() else {
            return false;
        };
        let over = matches!(best.need, Need::Idle | Need::Errored | Need::RateLimited);
        let failed = [Need::Errored, Need::RateLimited].map(Need::as_str);
        if failed.contains(&need) {
            over && words().any(|said| said.need.as_str() == need)
        } else {
            best.need.as_str() == need
        }
    }

    pub(crate) fn hear(&mut self, at: Timestamp, signal: &Signal) {
        match signal {
            Signal::Opened(columns, rows) => {
                self.screen = Screen::new(Size::bounded(*columns, *rows));
                self.title = String::new();
            }
            Signal::Wrote(bytes) => self.shown(at, bytes),
            Signal::Said(said) => self.said(at, said),
        }
    }

    fn say(&mut self, source: Source, said: Option<Said>) {
        if !self.only.contains(&source) {
            return;
        }
        match said {
            Some(said) => self.evidence.say(source, said),
            None if source == Source::Terminal => self.evidence.unsay(source),
            None => {}
        }
    }

    fn shown(&mut self, at: Timestamp, bytes: &[u8]) {
        self.screen.feed(bytes);
        self.answers.extend(self.screen.take_answers());
        for effect in self.screen.take_effects() {
            if let Effect::Report(report) = effect
                && self.adapter.speaks(&report)
            {
                let said = self.adapter.report(&report, at);
                self.told_by_terminal += usize::from(said.is_some());
                self.say(Source::Terminal, said);
            }
        }
        if self.screen.title() != self.title {
            self.title = self.screen.title().to_owned();
            if let Some(said) = self.adapter.title(&self.title, at) {
                self.told_by_terminal += 1;
                self.say(Source::Terminal, Some(said));
            }
        }
    }

    fn said(&mut self, at: Timestamp, signal: &Value) {
        match text(signal, "source") {
            "process" => {
                // Another process: what the last one said is over.
                self.evidence = Evidence::default();
                self.evidence.started_at = Some(at);
                let number = |key: &str| signal[key].as_u64().expect("a number");
                self.process = ProcessId {
                    pid: u32::try_from(number("pid")).expect("a pid"),
                    started_ticks: number("started_ticks"),
                };
            }
            "pid-file" => {
                let bytes = text(signal, "file").as_bytes();
                let file = self
                    .adapter
                    .read_pid_file(bytes, self.process, at)
                    .expect("its own");
                self.say(Source::PidFile, file.said);
                self.sessions.extend(file.session);
                let other = ProcessId {
                    started_ticks: self.process.started_ticks + 1,
                    ..self.process
                };
                assert!(self.adapter.read_pid_file(bytes, other, at).is_err());
            }
            "hook" => {
                let hook = self
                    .adapter
                    .hook(&signal["payload"], at)
                    .expect("understood");
                // OpenCode names no file, and at its prompt no session.
                assert!(
                    hook.transcript.is_some()
                        || hook.event == "SessionStatus"
                        || hook.ask.is_some()
                );
                assert!(hook.session.is_some() || hook.event == "SessionStatus");
                self.say(Source::Hook, hook.said);
            }
            "transcript" => self.grew(text(signal, "path"), signal["to"].as_u64()),
            other => panic!("a signal from {other:?}"),
        }
    }

    fn grew(&mut self, path: &str, to: Option<u64>) {
        let adapter = self.adapter;
        let (read, reader) = self.readers.entry(path.to_owned()).or_insert_with(|| {
            let transcript = Transcript {
                path: Path::new("/corpus").join(path),
                session: None,
                subagent: path.contains("/subagents/"),
            };
            (0, adapter.reader(&transcript, None).expect("a reader"))
        });
        let file = fs::read(self.place.join(path)).expect("the transcript");
        let to = usize::try_from(to.expect("a number")).expect("small");
        let found = reader.take(*read as u64, &file[*read..to]);
        *read = to;
        assert_eq!(found.malformed, 0, "{path}");
        self.say(Source::Transcript, found.said);
    }
}
