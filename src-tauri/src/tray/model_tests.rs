use super::*;

fn runner(id: &str, state: &str) -> v1::Runner {
    v1::Runner {
        id: id.into(),
        name: format!("name-{id}"),
        project: "api-gateway".into(),
        project_id: "p1".into(),
        state: state.into(),
        created_at: format!("2026-01-01T00:00:0{}.000Z", id.len()),
        ..v1::Runner::default()
    }
}

fn known(runners: Vec<v1::Runner>) -> Snapshot {
    let project = v1::Project {
        id: "p1".into(),
        name: "api-gateway".into(),
        ..v1::Project::default()
    };
    Snapshot {
        status: Some(v1::Status::default()),
        runners,
        projects: vec![project],
        programs: BTreeMap::from([("p1".into(), "Claude Code".into())]),
        ..Snapshot::default()
    }
}

/// Draws a menu as text, so that a test reads as the menu does.
fn draw(entries: &[Entry], depth: usize) -> String {
    let mut drawn = String::new();
    for entry in entries {
        drawn.push_str(&"  ".repeat(depth));
        match entry {
            Entry::Item { text, enabled, .. } => {
                drawn.push_str(text);
                drawn.push_str(if *enabled { "\n" } else { " (off)\n" });
            }
            Entry::Check { text, checked, .. } => {
                drawn.push_str(&format!("[{}] {text}\n", if *checked { "x" } else { " " }));
            }
            Entry::Submenu { text, entries, .. } => {
                drawn.push_str(&format!("{text} ›\n{}", draw(entries, depth + 1)));
            }
            Entry::Separator => drawn.push_str("─\n"),
        }
    }
    drawn
}

fn ids(entries: &[Entry]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in entries {
        found.extend(entry.id().map(str::to_owned));
        if let Entry::Submenu { entries, .. } = entry {
            found.extend(ids(entries));
        }
    }
    found
}

#[test]
fn the_menu_lists_runners_newest_first_then_projects_then_the_program() {
    let menu = model(&known(vec![runner("a", "paused"), runner("bb", "running")]));
    assert_eq!(menu.mark, Mark::Running);
    assert_eq!(
        draw(&menu.entries, 0),
        "1 running, 1 paused (off)\n\
         ─\n\
         name-bb · api-gateway   running\n\
         name-a · api-gateway   paused\n\
         ─\n\
         Runners (2) ›\n  \
           name-bb · api-gateway ›\n    \
             running (off)\n    Attach\n    Open in terminal\n    Pause\n    Continue (off)\n    Restart\n    Stop\n  \
           name-a · api-gateway ›\n    \
             paused (off)\n    Attach\n    Open in terminal\n    Pause (off)\n    Continue\n    Restart\n    Stop\n\
         Projects ›\n  \
           api-gateway (2) ›\n    \
             Launch Claude Code\n    Launch in window…\n    ─\n    Stop all 2 runners\n\
         ─\n\
         Open Stratavore\n\
         [ ] Start at login\n\
         ─\n\
         Quit, runners keep running\n\
         Stop all 2 runners and quit\n"
    );
}

#[test]
fn with_nothing_at_all_the_menu_still_opens_and_quits() {
    let menu = model(&Snapshot {
        status: Some(v1::Status::default()),
        autostart: true,
        ..Snapshot::default()
    });
    assert_eq!(menu.mark, Mark::Quiet);
    assert_eq!(
        draw(&menu.entries, 0),
        "Nothing is running (off)\n─\nOpen Stratavore\n[x] Start at login\n─\nQuit, runners keep running\n\
         Stop all and quit (off)\n"
    );
}

#[test]
fn a_change_of_state_changes_texts_alone_and_a_new_runner_the_structure() {
    let before = model(&known(vec![runner("a", "running")]));
    for state in ["starting", "paused", "stopping", "backoff", "queued"] {
        let after = model(&known(vec![runner("a", state)]));
        assert!(
            are_built_alike(&before.entries, &after.entries),
            "running to {state}"
        );
        assert_ne!(before, after);
    }
    let more = model(&known(vec![
        runner("a", "running"),
        runner("bb", "running"),
    ]));
    assert!(!are_built_alike(&before.entries, &more.entries));
    let mut renamed = runner("a", "running");
    renamed.name = "other".into();
    let renamed = model(&known(vec![renamed]));
    assert!(
        !are_built_alike(&before.entries, &renamed.entries),
        "a submenu's own text needs a rebuild"
    );
    let other = model(&known(vec![runner("b", "running")]));
    assert!(
        !are_built_alike(&before.entries, &other.entries),
        "another runner is not a change of text"
    );
}

#[test]
fn no_two_items_share_an_id() {
    let runners = (0..60)
        .map(|n| runner(&format!("r{n}"), "running"))
        .collect();
    let mut all = ids(&model(&known(runners)).entries);
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn a_long_list_ends_in_the_window_and_a_long_name_is_cut() {
    let runners: Vec<_> = (0..60)
        .map(|n| runner(&format!("r{n:02}"), "running"))
        .collect();
    let drawn = draw(&model(&known(runners)).entries, 0);
    assert_eq!(drawn.matches("   running\n").count(), NEAR);
    assert_eq!(drawn.matches(" · api-gateway ›\n").count(), LONGEST);
    assert!(drawn.contains("  35 more in the window…\n"), "{drawn}");

    let mut long = runner("a", "running");
    long.name = "é".repeat(100);
    let drawn = draw(&model(&known(vec![long])).entries, 0);
    assert!(
        drawn.contains(&format!(
            "{}… · api-gateway   running",
            "é".repeat(WIDEST - 1)
        )),
        "{drawn}"
    );
}

#[test]
fn the_icon_shows_a_problem_for_whatever_a_person_should_look_at() {
    assert_eq!(model(&Snapshot::default()).mark, Mark::Problem, "no host");
    let mut silent = runner("a", "running");
    silent.unreachable = true;
    assert_eq!(model(&known(vec![silent])).mark, Mark::Problem);
    assert_eq!(
        model(&known(vec![runner("a", "backoff")])).mark,
        Mark::Problem
    );
    assert_eq!(
        model(&Snapshot {
            unseen_failures: 1,
            ..known(vec![])
        })
        .mark,
        Mark::Problem
    );
    let status = |status| Snapshot {
        status: Some(status),
        ..known(vec![])
    };
    for (troubled, headline) in [
        (
            v1::Status {
                problems: vec!["the disk is full".into()],
                ..v1::Status::default()
            },
            "the disk is full",
        ),
        (
            v1::Status {
                interrupted: vec![runner("a", "failed")],
                ..v1::Status::default()
            },
            "1 interrupted",
        ),
    ] {
        let menu = model(&status(troubled));
        assert_eq!(menu.mark, Mark::Problem);
        assert!(draw(&menu.entries, 0).starts_with(headline));
    }
    assert_eq!(model(&known(vec![])).mark, Mark::Quiet);
}
