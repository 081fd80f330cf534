//! What the tray shows, as a function of what is known.

use std::collections::BTreeMap;

use chrono::TimeZone;
use stratavore_api::v1;
use stratavore_core::clock::Timestamp;

use super::entry::Entry;
use super::words::{Times, WIDEST, waiting, word};
use super::{Action, Mark, launch, needs, running};
use crate::notifications::Length;
use crate::subject::cut;

/// What is known.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The host's status; `None` when none answers.
    pub status: Option<v1::Status>,
    /// Runners that have not ended.
    pub runners: Vec<v1::Runner>,
    /// Projects that are not archived.
    pub projects: Vec<v1::Project>,
    /// What a launch runs when it names no program, as people call it, by project id.
    pub programs: BTreeMap<String, String>,
    /// Presets by project id.
    pub presets: BTreeMap<String, Vec<v1::Preset>>,
    /// The id of the project that was launched in last.
    pub last_project: Option<String>,
    /// Permissions may be given from here.
    pub decide: bool,
    /// Runners that failed since a person last had the window in front.
    pub unseen_failures: u32,
    /// Until when nothing is notified.
    pub paused_until: Option<Timestamp>,
    /// Stratavore starts at login.
    pub autostart: bool,
    /// The present moment.
    pub now: Timestamp,
}

/// What the tray shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// The icon's mark.
    pub mark: Mark,
    /// The menu, from the top.
    pub entries: Vec<Entry>,
}

/// Decides what the tray shows; times are told in `zone`.
#[must_use]
pub fn model<Z: TimeZone>(known: &Snapshot, zone: &Z) -> Menu
where
    Z::Offset: std::fmt::Display,
{
    let times = Times {
        now: known.now,
        zone,
    };
    let mut entries = needs::section(&known.runners, known.decide, &times);
    entries.extend([Entry::read("status", headline(known)), Entry::Separator]);
    let launches = launch::section(known);
    let running = running::section(known, &times);
    let any = !launches.is_empty() || running.is_some();
    entries.extend(launches);
    entries.extend(running);
    if any {
        entries.push(Entry::Separator);
    }
    let count = known.runners.len();
    entries.extend([
        Entry::click(&Action::Open, "Open Stratavore"),
        pause_entry(known, &times),
        Entry::Check {
            id: Action::Autostart.id(),
            text: "Start at login".into(),
            checked: known.autostart,
        },
        Entry::Separator,
        Entry::click(&Action::Quit, "Quit, runners keep running"),
        Entry::item(
            Action::StopAndQuit.id(),
            match count {
                0 => "Stop all and quit".to_owned(),
                1 => "Stop 1 runner and quit".to_owned(),
                count => format!("Stop all {count} runners and quit"),
            },
            count > 0,
        ),
    ]);
    Menu {
        mark: mark(known),
        entries,
    }
}

fn pause_entry<Z: TimeZone>(known: &Snapshot, times: &Times<'_, Z>) -> Entry
where
    Z::Offset: std::fmt::Display,
{
    let mut entries: Vec<Entry> = Length::ALL
        .into_iter()
        .map(|length| {
            let text = match length {
                Length::Hour => "1 h",
                Length::Tomorrow => "Until tomorrow",
            };
            Entry::click(&Action::PauseNotifications(length), text)
        })
        .collect();
    let text = match known.paused_until {
        None => "Pause notifications".to_owned(),
        Some(until) => {
            entries.insert(0, Entry::click(&Action::ResumeNotifications, "Resume now"));
            format!("Notifications paused until {}", times.tell(until))
        }
    };
    Entry::submenu("notifications", text, entries)
}

/// Decides what the icon shows: that somebody waits for a person goes before what is only wrong.
fn mark(known: &Snapshot) -> Mark {
    let Some(status) = &known.status else {
        return Mark::Problem;
    };
    let troubled = known
        .runners
        .iter()
        .any(|runner| runner.unreachable || runner.state == "backoff");
    let host_troubled = !(status.problems.is_empty()
        && status.dead_letters.is_empty()
        && status.interrupted.is_empty());
    if known.runners.iter().any(|runner| waiting(runner).is_some()) {
        Mark::NeedsYou
    } else if troubled || host_troubled || known.unseen_failures > 0 {
        Mark::Problem
    } else if known.runners.is_empty() {
        Mark::Quiet
    } else {
        Mark::Running
    }
}

/// Sums up in one line, the worst first.
fn headline(known: &Snapshot) -> String {
    /// Words for runners, the worst first. Those that wait for a person have a section of their own.
    const WORDS: [&str; 9] = [
        "not answering",
        "starting again",
        "at a limit",
        "working",
        "running",
        "idle",
        "starting",
        "paused",
        "waiting in line",
    ];
    let Some(status) = &known.status else {
        return "No host answers; trying again".into();
    };
    let mut counts = vec![
        (status.interrupted.len(), "interrupted"),
        (known.unseen_failures as usize, "failed"),
    ];
    counts.extend(WORDS.map(|counted| {
        let are = known
            .runners
            .iter()
            .filter(|runner| word(runner) == counted);
        (are.count(), counted)
    }));
    let parts: Vec<String> = counts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    match (parts.is_empty(), status.problems.first()) {
        (true, Some(problem)) => cut(problem, WIDEST),
        (true, None) if known.runners.is_empty() => "Nothing is running".into(),
        (true, None) => "Nothing else is running".into(),
        (false, _) => parts.join(", "),
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
