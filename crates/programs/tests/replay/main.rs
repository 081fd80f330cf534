//! Recorded runs, played again: what is judged is compared with what was true.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use stratavore_core::attention::{Attention, Evidence, Need, SETTLE, Source, judge};
use stratavore_core::clock::Timestamp;
use stratavore_programs::{Adapter, ProcessId, Reader, Transcript, adapter};

/// How soon after the screen showed it a source has said it, on the busy machine of the recordings; beyond it, the judgement must
/// hold. The pid file is written last.
const REPORTED: Duration = Duration::from_secs(2);
const WRITTEN: Duration = Duration::from_secs(3);

const STALLED: Duration = Duration::from_secs(600);

struct Moment {
    from: Timestamp,
    until: Timestamp,
    need: String,
    subject: Option<String>,
}

/// Plays the signals of one run.
struct Player {
    adapter: &'static dyn Adapter,
    place: PathBuf,
    evidence: Evidence,
    process: ProcessId,
    readers: BTreeMap<String, (usize, Box<dyn Reader>)>,
    sessions: Vec<String>,
}

impl Player {
    /// Begins a run of the program by whose name its recordings lie together: `claude-2.1.330/working`.
    fn new(place: &Path) -> Self {
        let together = place.parent().and_then(Path::file_name).expect("a corpus");
        let together = together.to_string_lossy();
        let (program, _) = together.split_once('-').expect("a program and its version");
        Self {
            adapter: adapter(program),
            place: place.to_owned(),
            evidence: Evidence::default(),
            process: ProcessId {
                pid: 0,
                started_ticks: 0,
            },
            readers: BTreeMap::new(),
            sessions: Vec::new(),
        }
    }

    fn hear(&mut self, at: Timestamp, signal: &Value, only: &[Source]) {
        let mut say = |source, said: Option<stratavore_core::attention::Said>| {
            if only.contains(&source) {
                match said {
                    Some(said) => self.evidence.say(source, said),
                    None if source == Source::Terminal => self.evidence.unsay(source),
                    None => {}
                }
            }
        };
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
            "terminal" => {
                let report = text(signal, "report");
                if self.adapter.speaks(report) {
                    say(Source::Terminal, self.adapter.report(report, at));
                }
            }
            "title" => {
                if let Some(said) = self.adapter.title(text(signal, "title"), at) {
                    say(Source::Terminal, Some(said));
                }
            }
            "pid-file" => {
                let bytes = text(signal, "file").as_bytes();
                let file = self
                    .adapter
                    .read_pid_file(bytes, self.process, at)
                    .expect("its own");
                say(Source::PidFile, file.said);
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
                if hook.said.is_some() {
                    say(Source::Hook, hook.said);
                }
            }
            "transcript" => {
                let path = text(signal, "path");
                let (read, reader) = self.readers.entry(path.to_owned()).or_insert_with(|| {
                    let transcript = Transcript {
                        path: Path::new("/corpus").join(path),
                        session: None,
                        subagent: path.contains("/subagents/"),
                    };
                    (0, self.adapter.reader(&transcript, None).expect("a reader"))
                });
                let file = fs::read(self.place.join(path)).expect("the transcript");
                let to = usize::try_from(signal["to"].as_u64().expect("a number")).expect("small");
                let found = reader.take(*read as u64, &file[*read..to]);
                *read = to;
                assert_eq!(found.malformed, 0, "{path}");
                if found.said.is_some() {
                    say(Source::Transcript, found.said);
                }
            }
            other => panic!("a signal from {other:?}"),
        }
    }

    fn judge(&self, now: Timestamp) -> Attention {
        judge(&self.evidence, now, STALLED)
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().expect("a text")
}

fn time(value: &Value, key: &str) -> Timestamp {
    let at = chrono::DateTime::parse_from_rfc3339(text(value, key)).expect("a time");
    at.to_utc()
}

/// Lists the recorded runs of every program.
fn scenarios() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    directories(&corpus)
        .iter()
        .flat_map(|it| directories(it))
        .collect()
}

/// Lists those of Claude Code, which has every source.
fn claude() -> Vec<PathBuf> {
    let mut all = scenarios();
    all.retain(|place| {
        place
            .parent()
            .is_some_and(|it| it.ends_with("claude-2.1.330"))
    });
    assert!(all.len() >= 16, "{all:?}");
    all
}

fn directories(place: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(place)
        .expect("a directory")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    found
}

fn signals(place: &Path) -> Vec<(Timestamp, Value)> {
    let text = fs::read_to_string(place.join("signals.jsonl")).expect("signals");
    text.lines()
        .map(|line| {
            let signal: Value = serde_json::from_str(line).expect("JSON");
            (time(&signal, "at"), signal)
        })
        .collect()
}

fn moments(place: &Path) -> Vec<Moment> {
    let text = fs::read_to_string(place.join("truth.json")).expect("the truth");
    let truth: Value = serde_json::from_str(&text).expect("JSON");
    truth["moments"]
        .as_array()
        .expect("moments")
        .iter()
        .map(|moment| Moment {
            from: time(moment, "from"),
            until: time(moment, "until"),
            need: text_of(moment),
            subject: moment["subject"].as_str().map(str::to_owned),
        })
        .collect()
}

fn text_of(moment: &Value) -> String {
    text(moment, "need").to_owned()
}

/// Plays a run with these sources, and compares what is judged with what was true: at every signal and every tenth of a second.
fn replay(place: &Path, only: &[Source], lag: Duration, wrong: &mut Vec<String>) -> usize {
    let name = place.file_name().expect("a name").to_string_lossy();
    let signals = signals(place);
    let mut player = Player::new(place);
    let mut next = 0;
    let mut compared = 0;
    for moment in moments(place) {
        let mut now = moment.from + lag;
        while now <= moment.until {
            while let Some((at, signal)) = signals.get(next).filter(|(at, _)| *at <= now) {
                player.hear(*at, signal, only);
                next += 1;
            }
            let judged = player.judge(now);
            compared += 1;
            let same = judged.need.as_str() == moment.need;
            let detail = judged.detail.clone().unwrap_or_default();
            let told = moment
                .subject
                .as_ref()
                .is_none_or(|subject| detail.contains(subject.as_str()));
            if !same || !told {
                wrong.push(format!(
                    "{name} at {now} by {only:?}: judged {} by {} ({detail:?}), true was {} {:?}",
                    judged.need,
                    judged.source.as_str(),
                    moment.need,
                    moment.subject
                ));
                break;
            }
            now += Duration::from_millis(100);
        }
    }
    compared
}

#[test]
fn what_is_judged_was_true() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for place in scenarios() {
        compared += replay(&place, &Source::ALL, REPORTED, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 300, "{compared} moments are too few");
}

#[test]
fn without_its_terminals_reports_the_pid_file_and_hooks_tell_the_same() {
    let mut wrong = Vec::new();
    for place in claude() {
        replay(
            &place,
            &[Source::PidFile, Source::Hook, Source::Transcript],
            WRITTEN,
            &mut wrong,
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// OpenCode has no other source than the plugin that it is given.
#[test]
fn opencodes_plugin_tells_every_state_by_itself() {
    let mut wrong = Vec::new();
    let mut needs = BTreeSet::new();
    for place in scenarios() {
        let together = place.parent().and_then(Path::file_name).expect("a corpus");
        if together.to_string_lossy().starts_with("opencode-") {
            replay(&place, &[Source::Hook], REPORTED, &mut wrong);
            needs.extend(moments(&place).into_iter().map(|moment| moment.need));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let told: Vec<_> = needs.iter().map(String::as_str).collect();
    assert_eq!(
        told,
        [
            "errored",
            "idle",
            "needs-answer",
            "needs-permission",
            "rate-limited",
            "working"
        ]
    );
}

/// No hook is run when Esc ends a turn, and tools side by side hide one another: hooks alone may be late, and are said to be
/// so only where they are the only source.
#[test]
fn hooks_alone_tell_all_but_an_escape() {
    let mut wrong = Vec::new();
    for place in claude() {
        replay(&place, &[Source::Hook], REPORTED, &mut wrong);
    }
    let known = ["escape", "plan"];
    let unknown: Vec<_> = wrong
        .iter()
        .filter(|wrong| !known.iter().any(|known| wrong.starts_with(known)))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(
        wrong.iter().any(|wrong| wrong.starts_with("escape")),
        "an escape is told by a hook now: say so in what is supported"
    );
}

/// A hook that was killed or never delivered must not make a wrong state: the better sources are believed.
#[test]
fn a_lost_hook_changes_nothing_beyond_its_words() {
    for place in claude() {
        let signals = signals(&place);
        let hooks = signals
            .iter()
            .filter(|(_, signal)| signal["source"] == "hook")
            .count();
        for lost in 0..hooks {
            let mut player = Player::new(&place);
            let mut whole = Player::new(&place);
            let mut seen = 0;
            for (at, signal) in &signals {
                whole.hear(*at, signal, &Source::ALL);
                let hook = signal["source"] == "hook";
                if !(hook && seen == lost) {
                    player.hear(*at, signal, &Source::ALL);
                }
                seen += usize::from(hook);
                let (judged, truly) = (player.judge(*at), whole.judge(*at));
                let alike = judged.need == truly.need
                    || judged.need == Need::Unknown
                    || truly.need == Need::Unknown
                    // What was lost is the only word of a limit, or came before any other.
                    || matches!(
                        (judged.need, truly.need),
                        (Need::Errored | Need::Idle, Need::RateLimited | Need::Errored)
                    )
                    || player.evidence.of(Source::Terminal).is_none();
                assert!(
                    alike,
                    "{}: without hook {lost} at {at}: {} instead of {}",
                    place.display(),
                    judged.need,
                    truly.need
                );
            }
        }
    }
}

#[test]
fn a_silence_makes_no_state_and_a_conflict_is_unknown_after_a_while() {
    let place = claude()
        .into_iter()
        .find(|place| place.ends_with("working"))
        .expect("the scenario");
    let mut player = Player::new(&place);
    let mut working = None;
    for (at, signal) in signals(&place) {
        // The terminal is lost after it said that it works: the pid file goes on to tell.
        if working.is_none() || signal["source"] != "terminal" {
            player.hear(at, &signal, &Source::ALL);
        }
        if player.judge(at).need == Need::Working {
            working.get_or_insert(at);
        }
    }
    let last = signals(&place).last().expect("signals").0;
    let later = last + SETTLE;
    assert_eq!(player.judge(later).need, Need::Unknown);
}

#[test]
fn the_pid_file_follows_the_session() {
    for (name, sessions) in [
        ("working", 1),
        ("clear", 2),
        ("forked", 2),
        ("killed-and-resumed", 1),
    ] {
        let place = claude()
            .into_iter()
            .find(|place| place.ends_with(name))
            .expect("the scenario");
        let mut player = Player::new(&place);
        for (at, signal) in signals(&place) {
            player.hear(at, &signal, &Source::ALL);
        }
        player.sessions.dedup();
        assert_eq!(player.sessions.len(), sessions, "{name}");
    }
}
