//! What can be launched from the menu.

use stratavore_api::v1;

use super::Action;
use super::entry::{Entry, LONGEST, shortened};
use super::model::Snapshot;
use super::words::WIDEST;
use crate::subject::{cut, visible};

/// Presets of a project before the window has to show the rest.
const PRESETS: usize = 12;

/// Makes the items that launch: in the project that was used last, and in any.
pub(super) fn section(known: &Snapshot) -> Vec<Entry> {
    if known.projects.is_empty() {
        return Vec::new();
    }
    let mut entries = Vec::new();
    let last = known
        .last_project
        .as_ref()
        .and_then(|last| known.projects.iter().find(|project| project.id == *last));
    if let Some(last) = last {
        entries.push(Entry::item(
            Action::Launch(last.id.clone()).id_at("last"),
            format!(
                "Launch in {} ({})",
                cut(&last.name, WIDEST),
                program(last, known)
            ),
            true,
        ));
    }
    let projects: Vec<&v1::Project> = known.projects.iter().collect();
    entries.push(Entry::submenu(
        "launch-in",
        "Launch in…",
        shortened(&projects, LONGEST, "projects", |project| {
            project_entry(project, known)
        }),
    ));
    entries
}

fn program<'a>(project: &v1::Project, known: &'a Snapshot) -> &'a str {
    known
        .programs
        .get(&project.id)
        .map_or("the default program", String::as_str)
}

fn project_entry(project: &v1::Project, known: &Snapshot) -> Entry {
    let id = || project.id.clone();
    let mut entries = vec![Entry::click(
        &Action::Launch(id()),
        format!("Launch {}", program(project, known)),
    )];
    if let Some(presets) = known.presets.get(&project.id) {
        entries.extend(shortened(
            presets,
            PRESETS,
            &format!("presets {}", project.id),
            |preset| preset_entry(project, preset),
        ));
    }
    entries.extend([
        Entry::Separator,
        Entry::click(&Action::ContinueLast(id()), "Continue the last session"),
        Entry::click(&Action::LaunchInWorktree(id()), "Launch in a new worktree"),
        Entry::click(&Action::LaunchInWindow(id()), "Launch in window…"),
    ]);
    Entry::submenu(
        format!("project {}", project.id),
        cut(&project.name, WIDEST),
        entries,
    )
}

fn preset_entry(project: &v1::Project, preset: &v1::Preset) -> Entry {
    let action = Action::LaunchPreset {
        project: project.id.clone(),
        preset: preset.name.clone(),
    };
    let mut text = visible(&cut(&preset.name, WIDEST));
    match (&preset.problem, &preset.description) {
        (Some(_), _) => text.push_str("   cannot be used; see the window"),
        (None, Some(description)) if !description.trim().is_empty() => {
            text.push_str("   ");
            text.push_str(&visible(&cut(description.trim(), WIDEST)));
        }
        (None, _) => {}
    }
    Entry::item(action.id(), text, preset.problem.is_none())
}
