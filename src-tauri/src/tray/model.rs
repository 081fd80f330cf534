//! What the tray shows, as a function of what is known.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use stratavore_api::v1;

use super::{Action, Mark};

/// Runners that the menu's first level shows, a click away.
const NEAR: usize = 8;
/// Entries of a list before the window has to show the rest: a menu must not be longer than a screen.
const LONGEST: usize = 25;
/// Characters of a name before it is cut.
const WIDEST: usize = 40;

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
    /// Runners that failed since a person last had the window in front.
    pub unseen_failures: u32,
    /// Stratavore starts at login.
    pub autostart: bool,
}

/// What the tray shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// The icon's mark.
    pub mark: Mark,
    /// The menu, from the top.
    pub entries: Vec<Entry>,
}

/// One line of a menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A line that is clicked, or only read.
    Item {
        /// What it is, for ever; see [`Action::id`].
        id: String,
        /// What it says.
        text: String,
        /// It can be clicked.
        enabled: bool,
    },
    /// A line that is on or off.
    Check {
        /// What it is.
        id: String,
        /// What it says.
        text: String,
        /// It is on.
        checked: bool,
    },
    /// A line that opens more.
    Submenu {
        /// What it is.
        id: String,
        /// What it says.
        text: String,
        /// What it opens.
        entries: Vec<Entry>,
    },
    /// A rule between groups.
    Separator,
}

impl Entry {
    fn click(action: &Action, text: impl Into<String>) -> Self {
        Self::Item {
            id: action.id(),
            text: text.into(),
            enabled: true,
        }
    }

    /// Returns its id; a rule has none.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Item { id, .. } | Self::Check { id, .. } | Self::Submenu { id, .. } => Some(id),
            Self::Separator => None,
        }
    }

    /// Tells whether one can be made the other by changing the texts of items alone. A submenu's own text cannot be changed
    /// in place: muda puts it in a box, and then sets a label that GTK does not show.
    #[must_use]
    pub fn is_built_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Item { id, .. }, Self::Item { id: other, .. })
            | (Self::Check { id, .. }, Self::Check { id: other, .. }) => id == other,
            (
                Self::Submenu { id, text, entries },
                Self::Submenu {
                    id: other_id,
                    text: other_text,
                    entries: others,
                },
            ) => id == other_id && text == other_text && are_built_alike(entries, others),
            (Self::Separator, Self::Separator) => true,
            _ => false,
        }
    }
}

/// Tells whether one menu can be made the other by changing texts alone.
#[must_use]
pub(super) fn are_built_alike(entries: &[Entry], others: &[Entry]) -> bool {
    entries.len() == others.len()
        && entries
            .iter()
            .zip(others)
            .all(|(entry, other)| entry.is_built_like(other))
}

/// Decides what the tray shows.
#[must_use]
pub fn model(known: &Snapshot) -> Menu {
    // The newest first, and no order by state: nothing jumps while one reads.
    let mut runners: Vec<&v1::Runner> = known.runners.iter().collect();
    runners.sort_by_key(|runner| (Reverse(&runner.created_at), &runner.id));

    let mut entries = vec![
        Entry::Item {
            id: "status".into(),
            text: headline(known),
            enabled: false,
        },
        Entry::Separator,
    ];
    if !runners.is_empty() {
        entries.extend(
            runners
                .iter()
                .take(NEAR)
                .map(|runner| Entry::click(&Action::Attach(runner.id.clone()), line(runner))),
        );
        entries.push(Entry::Separator);
        entries.push(Entry::Submenu {
            id: "runners".into(),
            text: format!("Runners ({})", runners.len()),
            entries: shortened(&runners, "runners", |runner| runner_entry(runner)),
        });
    }
    if !known.projects.is_empty() {
        let projects: Vec<&v1::Project> = known.projects.iter().collect();
        entries.push(Entry::Submenu {
            id: "projects".into(),
            text: "Projects".into(),
            entries: shortened(&projects, "projects", |project| {
                project_entry(project, known)
            }),
        });
    }
    if entries.last() != Some(&Entry::Separator) {
        entries.push(Entry::Separator);
    }
    entries.extend([
        Entry::click(&Action::Open, "Open Stratavore"),
        Entry::Check {
            id: Action::Autostart.id(),
            text: "Start at login".into(),
            checked: known.autostart,
        },
        Entry::Separator,
        Entry::click(&Action::Quit, "Quit, runners keep running"),
        Entry::Item {
            id: Action::StopAndQuit.id(),
            text: match runners.len() {
                0 => "Stop all and quit".into(),
                1 => "Stop 1 runner and quit".into(),
                count => format!("Stop all {count} runners and quit"),
            },
            enabled: !runners.is_empty(),
        },
    ]);
    Menu {
        mark: mark(known),
        entries,
    }
}

fn runner_entry(runner: &v1::Runner) -> Entry {
    let id = &runner.id;
    let item = |action: Action, text: &str, enabled| Entry::Item {
        id: action.id(),
        text: text.into(),
        enabled,
    };
    let steady = matches!(runner.state.as_str(), "running" | "paused");
    // The state is a line of its own, and Pause and Continue have one each: all of that changes without a rebuild.
    Entry::Submenu {
        id: format!("runner {id}"),
        text: format!("{} · {}", cut(&runner.name), cut(&runner.project)),
        entries: vec![
            Entry::Item {
                id: format!("state {id}"),
                text: state(runner).into(),
                enabled: false,
            },
            // The first level may show the same runner: two items cannot have one id.
            Entry::Item {
                id: format!("{} within", Action::Attach(id.clone()).id()),
                text: "Attach".into(),
                enabled: true,
            },
            item(Action::OpenInTerminal(id.clone()), "Open in terminal", true),
            item(
                Action::Pause(id.clone()),
                "Pause",
                runner.state == "running",
            ),
            item(
                Action::Continue(id.clone()),
                "Continue",
                runner.state == "paused",
            ),
            item(Action::Restart(id.clone()), "Restart", steady),
            item(Action::Stop(id.clone()), "Stop", runner.state != "stopping"),
        ],
    }
}

fn project_entry(project: &v1::Project, known: &Snapshot) -> Entry {
    let running = known
        .runners
        .iter()
        .filter(|runner| runner.project_id == project.id)
        .count();
    let program = known
        .programs
        .get(&project.id)
        .map_or("the default program", String::as_str);
    Entry::Submenu {
        id: format!("project {}", project.id),
        text: if running == 0 {
            cut(&project.name)
        } else {
            format!("{} ({running})", cut(&project.name))
        },
        entries: vec![
            Entry::click(
                &Action::Launch(project.id.clone()),
                format!("Launch {program}"),
            ),
            Entry::click(
                &Action::LaunchInWindow(project.id.clone()),
                "Launch in window…",
            ),
            Entry::Separator,
            Entry::Item {
                id: Action::StopProject(project.id.clone()).id(),
                text: match running {
                    0 => "Stop all".into(),
                    1 => "Stop 1 runner".into(),
                    count => format!("Stop all {count} runners"),
                },
                enabled: running > 0,
            },
        ],
    }
}

/// Makes entries of the first things of a list, and says how many more there are.
fn shortened<T>(things: &[T], list: &str, entry: impl Fn(&T) -> Entry) -> Vec<Entry> {
    let mut entries: Vec<Entry> = things.iter().take(LONGEST).map(entry).collect();
    if let Some(more) = things.len().checked_sub(LONGEST).filter(|more| *more > 0) {
        entries.push(Entry::Item {
            id: format!("{} {list}", Action::Open.id()),
            text: format!("{more} more in the window…"),
            enabled: true,
        });
    }
    entries
}

fn line(runner: &v1::Runner) -> String {
    format!(
        "{} · {}   {}",
        cut(&runner.name),
        cut(&runner.project),
        state(runner)
    )
}

/// Tells a runner's state in the words of the window.
fn state(runner: &v1::Runner) -> &str {
    if runner.unreachable {
        return "not answering";
    }
    match runner.state.as_str() {
        "queued" => "waiting in line",
        "backoff" => "starting again soon",
        state => state,
    }
}

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
    if troubled || host_troubled || known.unseen_failures > 0 {
        Mark::Problem
    } else if known.runners.is_empty() {
        Mark::Quiet
    } else {
        Mark::Running
    }
}

/// Sums up in one line, the worst first.
fn headline(known: &Snapshot) -> String {
    let Some(status) = &known.status else {
        return "No host answers; trying again".into();
    };
    let count =
        |of: fn(&v1::Runner) -> bool| known.runners.iter().filter(|runner| of(runner)).count();
    let parts: Vec<String> = [
        (status.interrupted.len(), "interrupted"),
        (known.unseen_failures as usize, "failed"),
        (count(|runner| runner.unreachable), "not answering"),
        (
            count(|runner| !runner.unreachable && runner.state == "backoff"),
            "starting again",
        ),
        (
            count(|runner| {
                !runner.unreachable && matches!(runner.state.as_str(), "running" | "stopping")
            }),
            "running",
        ),
        (
            count(|runner| !runner.unreachable && runner.state == "starting"),
            "starting",
        ),
        (
            count(|runner| !runner.unreachable && runner.state == "paused"),
            "paused",
        ),
        (
            count(|runner| !runner.unreachable && runner.state == "queued"),
            "waiting in line",
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    match (parts.is_empty(), status.problems.first()) {
        (true, None) => "Nothing is running".into(),
        (true, Some(problem)) => cut(problem),
        (false, _) => parts.join(", "),
    }
}

/// Cuts a long name at its end.
fn cut(name: &str) -> String {
    if name.chars().count() <= WIDEST {
        return name.to_owned();
    }
    let mut short: String = name.chars().take(WIDEST - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
