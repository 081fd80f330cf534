//! Recorded runs, played again: what is judged is compared with what was true.
//!
//! What a program wrote to its terminal is read by the screen of the agent, byte for byte.

mod player;
mod run;

use std::collections::BTreeSet;
use std::time::Duration;

use stratavore_core::attention::{Attention, Need, SETTLE, Source};
use stratavore_core::clock::Timestamp;

use player::Player;
use run::{Moment, Run, all, named, of};

/// How soon after the screen showed it the best source has said it, on the busy machine of the recordings. From when it has, and at the
/// latest then, the judgement must hold; until then it may be what was true before. The pid file is written last.
const REPORTED: Duration = Duration::from_secs(2);
const WRITTEN: Duration = Duration::from_secs(3);

/// How often the judgement is looked at besides at each signal.
const OFTEN: Duration = Duration::from_millis(100);

/// By which sources a state of a program may be known, the best that speaks first.
fn known_by(program: &str, need: &str) -> &'static [Source] {
    match (program, need) {
        // The terminal says only that the turn is done, or failed.
        ("claude" | "codex", "rate-limited") => &[Source::Hook, Source::Transcript],
        ("claude" | "codex", "errored") => &[Source::Terminal, Source::Hook, Source::Transcript],
        ("claude", _) => &[Source::Terminal, Source::PidFile, Source::Hook],
        ("codex", _) => &[Source::Terminal, Source::Hook],
        ("gemini", _) => &[Source::Terminal],
        ("opencode", _) => &[Source::Hook],
        other => panic!("by what is {other:?} known?"),
    }
}

/// Judges a whole run by some sources, and takes down where that is not what was true.
struct Judge<'a> {
    run: &'a Run,
    only: &'a [Source],
    late: Duration,
    player: Player<'a>,
    next: usize,
    compared: usize,
    wrong: &'a mut Vec<String>,
}

impl<'a> Judge<'a> {
    fn new(run: &'a Run, only: &'a [Source], late: Duration, wrong: &'a mut Vec<String>) -> Self {
        Self {
            run,
            only,
            late,
            player: Player::new(run, only),
            next: 0,
            compared: 0,
            wrong,
        }
    }

    /// Judges at each signal up to a time, at that time, and often between: `false` from `holds` ends it.
    fn each(&mut self, until: Timestamp, holds: impl Fn(&mut Self, Timestamp, &Attention) -> bool) {
        let mut sampled: Option<Timestamp> = None;
        loop {
            let signal = self.run.signals.get(self.next).map(|(at, _)| *at);
            let signal = signal.filter(|at| *at <= until);
            let now = match (signal, sampled) {
                (Some(signal), Some(sampled)) => signal.min(sampled + OFTEN),
                (Some(signal), None) => signal,
                (None, Some(sampled)) if sampled >= until => return,
                (None, Some(sampled)) => (sampled + OFTEN).min(until),
                (None, None) => until,
            };
            while let Some((at, signal)) = self.run.signals.get(self.next)
                && *at <= now
            {
                self.player.hear(*at, signal);
                self.next += 1;
            }
            sampled = Some(now);
            self.compared += 1;
            let judged = self.player.judge(now);
            if !holds(self, now, &judged) {
                // The rest is heard all the same.
                while let Some((at, signal)) = self.run.signals.get(self.next)
                    && *at <= until
                {
                    self.player.hear(*at, signal);
                    self.next += 1;
                }
                return;
            }
        }
    }

    fn wrong(&mut self, now: Timestamp, judged: &Attention, what: &str) {
        let only: Vec<_> = self.only.iter().map(|source| source.as_str()).collect();
        self.wrong.push(format!(
            "{}/{} at {now} by {}: {what}: {judged:?}",
            self.run.program,
            self.run.name,
            only.join(", "),
        ));
    }

    fn whole(mut self) -> usize {
        let run = self.run;
        let began = run.signals.first().expect("signals").0;
        let mut before: Option<&Moment> = None;
        // Since when it may be so: since the last moment ended, or that of the same state before it.
        let mut earliest = began;
        for moment in &run.moments {
            let between = before.map(|before| before.need.as_str());
            self.each(moment.from, |judge, now, judged| {
                judge.is_between(between, &moment.need, now, judged)
            });
            match before {
                Some(before) if before.need == moment.need => {}
                Some(before) => earliest = before.until,
                None => {}
            }
            self.moment(moment, between, earliest);
            before = Some(moment);
        }
        let last = run.signals.last().expect("signals").0;
        let between = before.map(|before| before.need.as_str());
        self.each(last, |judge, now, judged| {
            judge.is_between(between, "idle", now, judged)
        });
        self.compared
    }

    /// From one moment to the next it may be either, or work; never anything that a person is called for in vain.
    fn is_between(
        &mut self,
        before: Option<&str>,
        after: &str,
        now: Timestamp,
        judged: &Attention,
    ) -> bool {
        let need = judged.need.as_str();
        let may_be = matches!(
            judged.need,
            Need::Working | Need::Starting | Need::Unknown | Need::Idle
        );
        // The terminal says that the turn failed before a hook says at which limit.
        let failed = after == "rate-limited" && judged.need == Need::Errored;
        if may_be || failed || before == Some(need) || after == need {
            return true;
        }
        self.wrong(
            now,
            judged,
            &format!("between {before:?} and {after}, and neither"),
        );
        false
    }

    fn moment(&mut self, moment: &Moment, before: Option<&str>, earliest: Timestamp) {
        let latest = moment.from + self.late;
        let sources = known_by(&self.run.program, &moment.need);
        let held = std::cell::Cell::new(false);
        self.each(moment.until, |judge, now, judged| {
            let need = judged.need.as_str();
            if need != moment.need {
                let excused = !held.get() && now <= latest && !judge.player.is_told(&moment.need);
                return if excused {
                    judge.is_between(before, &moment.need, now, judged)
                } else {
                    judge.wrong(now, judged, &format!("true was {moment:?}"));
                    false
                };
            }
            held.set(true);
            let detail = judged.detail.as_deref().unwrap_or_default();
            let subject = moment.subject.as_deref().unwrap_or_default();
            let what = if now > latest && !detail.contains(subject) {
                format!("nothing is said of {subject:?}")
            } else if !(sources.contains(&judged.source) && judge.only.contains(&judged.source)) {
                format!("known by none of {sources:?}")
            } else if judged.since < earliest || judged.since > latest {
                format!("since is not between {earliest} and {latest}")
            } else if now > latest && judged.until != moment.ends {
                format!("it ends at {:?}", moment.ends)
            } else {
                return true;
            };
            judge.wrong(now, judged, &what);
            false
        });
    }
}

/// Plays a run with these sources, and compares what is judged with what was true.
fn replay(run: &Run, only: &[Source], late: Duration, wrong: &mut Vec<String>) -> usize {
    Judge::new(run, only, late, wrong).whole()
}

#[test]
fn what_is_judged_was_true() {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for run in all() {
        compared += replay(&run, &Source::ALL, REPORTED, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 3000, "{compared} judgements are too few");
}

#[test]
fn without_its_terminals_reports_the_pid_file_and_hooks_tell_the_same() {
    let mut wrong = Vec::new();
    for run in of("claude") {
        replay(
            &run,
            &[Source::PidFile, Source::Hook, Source::Transcript],
            WRITTEN,
            &mut wrong,
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Claude Code and Codex ask whether somebody listens before they report; Gemini CLI tells by its title. OpenCode tells nothing by its terminal.
#[test]
fn the_agents_screen_hears_each_program_in_what_it_wrote() {
    for run in all() {
        let mut player = Player::new(&run, &Source::ALL);
        for (at, signal) in &run.signals {
            player.hear(*at, signal);
        }
        let what = format!("{}/{}", run.program, run.name);
        let listens = b"\x1b]7501;?\x1b\\";
        let answered = player
            .answers
            .windows(listens.len())
            .any(|it| it == listens);
        assert_eq!(answered, run.program == "claude", "{what}");
        // At its prompt, at work, and done.
        let told = player.told_by_terminal;
        assert_eq!(told >= 3, run.program != "opencode", "{what}: {told}");
    }
}

/// OpenCode has no other source than the plugin that it is given.
#[test]
fn opencodes_plugin_tells_every_state_by_itself() {
    let mut wrong = Vec::new();
    let mut needs = BTreeSet::new();
    for run in of("opencode") {
        replay(&run, &[Source::Hook], REPORTED, &mut wrong);
        needs.extend(run.moments.into_iter().map(|moment| moment.need));
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
    for run in of("claude") {
        replay(&run, &[Source::Hook], REPORTED, &mut wrong);
    }
    let of = |wrong: &str, name: &str| wrong.starts_with(&format!("claude/{name} "));
    let known = ["escape", "plan"];
    let unknown: Vec<_> = wrong
        .iter()
        .filter(|wrong| !known.iter().any(|known| of(wrong, known)))
        .collect();
    assert!(unknown.is_empty(), "{unknown:#?}");
    assert!(
        wrong.iter().any(|wrong| of(wrong, "escape")),
        "an escape is told by a hook now: say so in what is supported"
    );
}

/// The end of a limit is known where the provider tells it, and nowhere else.
#[test]
fn a_limits_end_was_recorded_and_others_have_none() {
    let ends: Vec<_> = all()
        .into_iter()
        .flat_map(|run| run.moments)
        .filter(|moment| moment.need == "rate-limited")
        .map(|moment| moment.ends.is_some())
        .collect();
    assert_eq!(
        (ends.contains(&true), ends.contains(&false)),
        (true, true),
        "{ends:?}"
    );
}

/// A hook that was killed or never delivered must not make a wrong state: the better sources are believed.
#[test]
fn a_lost_hook_changes_nothing_beyond_its_words() {
    for run in of("claude") {
        let hooks = run
            .signals
            .iter()
            .filter(|(_, signal)| signal.is_of("hook"))
            .count();
        for lost in 0..hooks {
            let mut player = Player::new(&run, &Source::ALL);
            let mut whole = Player::new(&run, &Source::ALL);
            let mut seen = 0;
            for (at, signal) in &run.signals {
                whole.hear(*at, signal);
                let hook = signal.is_of("hook");
                if !(hook && seen == lost) {
                    player.hear(*at, signal);
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
                    run.name, judged.need, truly.need
                );
            }
        }
    }
}

#[test]
fn a_silence_makes_no_state_and_a_conflict_is_unknown_after_a_while() {
    let run = named("claude", "working");
    let mut player = Player::new(&run, &Source::ALL);
    let mut working = None;
    for (at, signal) in &run.signals {
        // The terminal is lost after it said that it works: the pid file goes on to tell.
        if working.is_none() || !signal.is_of("terminal") {
            player.hear(*at, signal);
        }
        if player.judge(*at).need == Need::Working {
            working.get_or_insert(*at);
        }
    }
    let last = run.signals.last().expect("signals").0;
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
        let run = named("claude", name);
        let mut player = Player::new(&run, &Source::ALL);
        for (at, signal) in &run.signals {
            player.hear(*at, signal);
        }
        player.sessions.dedup();
        assert_eq!(player.sessions.len(), sessions, "{name}");
    }
}
