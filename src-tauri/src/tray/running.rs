//! Every runner, and what can be done with it.

use std::cmp::Reverse;

use chrono::TimeZone;
use stratavore_api::v1;

use super::Action;
use super::entry::{Entry, LONGEST, shortened};
use super::model::Snapshot;
use super::words::{Times, WIDEST, name, state};
use crate::subject::cut;

/// Makes the list of runners; nothing when there is none.
pub(super) fn section<Z: TimeZone>(known: &Snapshot, times: &Times<'_, Z>) -> Option<Entry>
where
    Z::Offset: std::fmt::Display,
{
    if known.runners.is_empty() {
        return None;
    }
    // The newest first, and no order by state: nothing jumps while one reads.
    let mut runners: Vec<&v1::Runner> = known.runners.iter().collect();
    runners.sort_by_key(|runner| (Reverse(&runner.created_at), &runner.id));
    let mut entries = shortened(&runners, LONGEST, "runners", |runner| entry(runner, times));
    let stops: Vec<Entry> = known
        .projects
        .iter()
        .filter_map(|project| stop_entry(project, known))
        .take(LONGEST)
        .collect();
    if !stops.is_empty() {
        entries.push(Entry::Separator);
        entries.extend(stops);
    }
    Some(Entry::submenu(
        "runners",
        format!("Running ({})", runners.len()),
        entries,
    ))
}

fn entry<Z: TimeZone>(runner: &v1::Runner, times: &Times<'_, Z>) -> Entry
where
    Z::Offset: std::fmt::Display,
{
    let id = || runner.id.clone();
    let is = |state: &str| runner.state == state;
    // The state is a line of its own, and Pause and Continue have one each: all of that changes without a rebuild.
    Entry::submenu(
        format!("runner {}", runner.id),
        name(runner),
        vec![
            Entry::read(format!("state {}", runner.id), state(runner, times)),
            Entry::click(&Action::Attach(id()), "Attach"),
            Entry::click(&Action::OpenInTerminal(id()), "Open in terminal"),
            Entry::item(Action::Pause(id()).id(), "Pause", is("running")),
            Entry::item(Action::Continue(id()).id(), "Continue", is("paused")),
            Entry::item(
                Action::Restart(id()).id(),
                "Restart",
                is("running") || is("paused"),
            ),
            Entry::item(Action::Stop(id()).id(), "Stop", !is("stopping")),
        ],
    )
}

/// Stops what runs in a project, where that is more than one.
fn stop_entry(project: &v1::Project, known: &Snapshot) -> Option<Entry> {
    let running = known
        .runners
        .iter()
        .filter(|runner| runner.project_id == project.id)
        .count();
    (running > 1).then(|| {
        Entry::click(
            &Action::StopProject(project.id.clone()),
            format!("Stop all {running} of {}", cut(&project.name, WIDEST)),
        )
    })
}
