use chrono::{DateTime, FixedOffset};

use super::super::entry::{LONGEST, are_built_alike};
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
        decide: true,
        now: at("2026-03-01T14:30:00Z"),
        ..Snapshot::default()
    }
}

fn at(text: &str) -> Timestamp {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// What is shown an hour east of Greenwich.
fn menu(known: &Snapshot) -> Menu {
    model(known, &FixedOffset::east_opt(3600).unwrap())
}

fn attentive(id: &str, state: &str, since: &str) -> v1::Runner {
    v1::Runner {
        attention: Some(v1::Attention {
            state: state.into(),
            since: since.into(),
            ..v1::Attention::default()
        }),
        ..runner(id, "running")
    }
}

fn asking(id: &str, ask: &str, subject: &str, since: &str) -> v1::Runner {
    let mut runner = attentive(id, "needs-permission", since);
    if let Some(attention) = &mut runner.attention {
        attention.ask = Some(v1::Ask {
            id: ask.into(),
            tool: "Bash".into(),
            subject: subject.into(),
            reason: Some("Run the tests".into()),
            ..v1::Ask::default()
        });
    }
    runner
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
fn the_menu_lists_launches_then_runners_newest_first_then_the_program() {
    let menu = menu(&Snapshot {
        last_project: Some("p1".into()),
        presets: BTreeMap::from([(
            "p1".into(),
            vec![
                v1::Preset {
                    name: "review".into(),
                    description: Some("Review the diff".into()),
                    ..v1::Preset::default()
                },
                v1::Preset {
                    name: "broken".into(),
                    problem: Some("inherits in a circle".into()),
                    ..v1::Preset::default()
                },
            ],
        )]),
        ..known(vec![runner("a", "paused"), runner("bb", "running")])
    });
    assert_eq!(menu.mark, Mark::Running);
    assert_eq!(
        draw(&menu.entries, 0),
        "1 running, 1 paused (off)\n\
         ─\n\
         Launch in api-gateway (Claude Code)\n\
         Launch in… ›\n  \
           api-gateway ›\n    \
             Launch Claude Code\n    review   Review the diff\n    broken   cannot be used; see the window (off)\n    ─\n    \
             Continue the last session\n    Launch in a new worktree\n    Launch in window…\n\
         Running (2) ›\n  \
           api-gateway · name-bb ›\n    \
             running (off)\n    Attach\n    Open in terminal\n    Pause\n    Continue (off)\n    Restart\n    Stop\n  \
           api-gateway · name-a ›\n    \
             paused (off)\n    Attach\n    Open in terminal\n    Pause (off)\n    Continue\n    Restart\n    Stop\n  \
           ─\n  Stop all 2 of api-gateway\n\
         ─\n\
         Open Stratavore\n\
         Pause notifications ›\n  1 h\n  Until tomorrow\n\
         [ ] Start at login\n\
         ─\n\
         Quit, runners keep running\n\
         Stop all 2 runners and quit\n"
    );
}

#[test]
fn who_needs_a_person_comes_first_the_longest_waiting_before_the_rest() {
    let mut question = attentive("q", "needs-answer", "2026-02-28T13:00:00.000Z");
    question.attention.as_mut().unwrap().detail = Some("Which\ndatabase?".into());
    let menu = menu(&known(vec![
        asking("a", "7", "cargo test", "2026-03-01T13:05:00.000Z"),
        attentive("w", "working", "2026-03-01T13:00:00.000Z"),
        question,
        attentive("s", "stalled", "2026-03-01T13:04:00.000Z"),
        attentive("i", "idle", "2026-03-01T13:00:00.000Z"),
        attentive("l", "rate-limited", "2026-03-01T13:00:00.000Z"),
    ]));
    assert_eq!(menu.mark, Mark::NeedsYou);
    let drawn = draw(&menu.entries, 0);
    assert!(
        drawn.starts_with(
            "● 3 need you (off)\n\
             api-gateway · name-q   asks: Which␊database? ›\n  \
               Waiting since 28 Feb, 14:00 (off)\n  ─\n  Attach\n  Stop\n\
             api-gateway · name-s   stands still ›\n  \
               Waiting since 14:04 (off)\n  ─\n  Attach\n  Stop\n\
             api-gateway · name-a   wants to run cargo test ›\n  \
               Waiting since 14:05 (off)\n  cargo test (off)\n  Run the tests (off)\n  ─\n  \
               Attach\n  Allow once\n  Deny\n  Stop\n\
             ─\n\
             1 at a limit, 1 working, 1 idle (off)\n\
             ─\n"
        ),
        "{drawn}"
    );
    // What each does is said again where all runners are.
    for state in [
        "asks: Which␊database? since 28 Feb, 14:00",
        "wants to run cargo test since 14:05",
        "idle since 14:00",
        "at a limit since 14:00",
    ] {
        assert!(drawn.contains(&format!("    {state} (off)\n")), "{drawn}");
    }
}

#[test]
fn an_answer_is_bound_to_its_ask_and_given_only_to_what_can_be_read() {
    let since = "2026-03-01T13:05:00.000Z";
    let one = menu(&known(vec![asking("a", "7", "cargo test", since)]));
    let other = menu(&known(vec![asking("a", "8", "cargo test", since)]));
    assert!(ids(&one.entries).contains(&"allow a 7".to_owned()));
    assert!(ids(&one.entries).contains(&"deny a 7".to_owned()));
    assert!(
        !are_built_alike(&one.entries, &other.entries),
        "an item of one ask became that of another"
    );

    let long = menu(&known(vec![asking("a", "7", &"x".repeat(1000), since)]));
    assert!(!ids(&long.entries).contains(&"allow a 7".to_owned()));
    assert!(ids(&long.entries).contains(&"deny a 7".to_owned()));
    let drawn = draw(&long.entries, 0);
    assert!(drawn.contains("(700 more characters; attach to"), "{drawn}");
    assert!(drawn.lines().all(|line| line.chars().count() < 120));

    let off = menu(&Snapshot {
        decide: false,
        ..known(vec![asking("a", "7", "cargo test", since)])
    });
    let found = ids(&off.entries);
    assert!(
        !found
            .iter()
            .any(|id| id.starts_with("allow ") || id.starts_with("deny ")),
        "{found:?}"
    );
    assert!(found.contains(&"attach a needs-you".to_owned()));
}

#[test]
fn what_is_wanted_is_said_by_the_tool() {
    let wanted = |tool: &str, subject: &str| {
        let mut runner = asking("a", "7", subject, "2026-03-01T13:05:00.000Z");
        let attention = runner.attention.as_mut().unwrap();
        attention.ask.as_mut().unwrap().tool = tool.into();
        super::super::words::wants(attention, stratavore_core::attention::Need::NeedsPermission)
    };
    for (tool, words) in [
        ("Bash", "wants to run x"),
        ("Edit", "wants to change x"),
        ("Write", "wants to write x"),
        ("Read", "wants to read x"),
        ("WebFetch", "wants to open x"),
        ("mcp__db__query", "wants to use mcp__db__query: x"),
    ] {
        assert_eq!(wanted(tool, "x"), words);
    }
    assert_eq!(wanted("mcp__db__query", ""), "wants to use mcp__db__query");
    assert_eq!(wanted("Bash", &"é".repeat(100)).chars().count(), 60);
}

#[test]
fn one_that_is_paused_stopping_or_silent_waits_for_nobody() {
    let needy = || attentive("a", "needs-answer", "2026-03-01T13:05:00.000Z");
    assert_eq!(menu(&known(vec![needy()])).mark, Mark::NeedsYou);
    for state in ["paused", "stopping"] {
        let runner = v1::Runner {
            state: state.into(),
            ..needy()
        };
        assert_eq!(menu(&known(vec![runner])).mark, Mark::Running, "{state}");
    }
    let silent = v1::Runner {
        unreachable: true,
        ..needy()
    };
    assert_eq!(menu(&known(vec![silent])).mark, Mark::Problem);
}

#[test]
fn a_pause_of_notifications_says_until_when_and_can_be_ended() {
    let drawn = draw(
        &menu(&Snapshot {
            paused_until: Some(at("2026-03-01T15:10:00Z")),
            ..known(vec![])
        })
        .entries,
        0,
    );
    assert!(
        drawn.contains(
            "Notifications paused until 16:10 ›\n  Resume now\n  1 h\n  Until tomorrow\n"
        ),
        "{drawn}"
    );
}

#[test]
fn with_nothing_at_all_the_menu_still_opens_and_quits() {
    let drawn = menu(&Snapshot {
        status: Some(v1::Status::default()),
        autostart: true,
        ..Snapshot::default()
    });
    assert_eq!(drawn.mark, Mark::Quiet);
    assert_eq!(
        draw(&drawn.entries, 0),
        "Nothing is running (off)\n─\nOpen Stratavore\nPause notifications ›\n  1 h\n  Until tomorrow\n[x] Start at login\n─\nQuit, runners keep running\n\
         Stop all and quit (off)\n"
    );
}

#[test]
fn a_change_of_state_changes_texts_alone_and_a_new_runner_the_structure() {
    let before = menu(&known(vec![runner("a", "running")]));
    for state in ["starting", "paused", "stopping", "backoff", "queued"] {
        let after = menu(&known(vec![runner("a", state)]));
        assert!(
            are_built_alike(&before.entries, &after.entries),
            "running to {state}"
        );
        assert_ne!(before, after);
    }
    let working = menu(&known(vec![attentive(
        "a",
        "working",
        "2026-03-01T13:00:00.000Z",
    )]));
    assert!(
        are_built_alike(&before.entries, &working.entries),
        "to and fro between working and idle"
    );
    let more = menu(&known(vec![
        runner("a", "running"),
        runner("bb", "running"),
    ]));
    assert!(!are_built_alike(&before.entries, &more.entries));
    let mut renamed = runner("a", "running");
    renamed.name = "other".into();
    let renamed = menu(&known(vec![renamed]));
    assert!(
        !are_built_alike(&before.entries, &renamed.entries),
        "a submenu's own text needs a rebuild"
    );
    let other = menu(&known(vec![runner("b", "running")]));
    assert!(
        !are_built_alike(&before.entries, &other.entries),
        "another runner is not a change of text"
    );
}

#[test]
fn no_two_items_share_an_id() {
    let mut runners: Vec<_> = (0..60)
        .map(|n| runner(&format!("r{n}"), "running"))
        .collect();
    runners.extend((0..20).map(|n| {
        asking(
            &format!("a{n}"),
            &n.to_string(),
            &"x".repeat(200),
            "2026-03-01T13:00:00.000Z",
        )
    }));
    let many = Snapshot {
        last_project: Some("p1".into()),
        presets: BTreeMap::from([(
            "p1".into(),
            (0..40)
                .map(|n| v1::Preset {
                    name: format!("preset {n}"),
                    ..v1::Preset::default()
                })
                .collect(),
        )]),
        ..known(runners)
    };
    let mut all = ids(&menu(&many).entries);
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn a_long_list_ends_in_the_window_and_a_long_name_is_cut() {
    let mut runners: Vec<_> = (0..50)
        .map(|n| runner(&format!("r{n:02}"), "running"))
        .collect();
    runners.extend(
        (0..10).map(|n| attentive(&format!("n{n}"), "stalled", "2026-03-01T13:00:00.000Z")),
    );
    let long = menu(&known(runners));
    let drawn = draw(&long.entries, 0);
    assert!(drawn.starts_with("● 10 need you (off)\n"), "{drawn}");
    assert_eq!(drawn.matches("   stands still ›\n").count(), 8);
    assert!(drawn.contains("\n2 more in the window…\n"), "{drawn}");
    assert_eq!(drawn.matches("    Open in terminal\n").count(), LONGEST);
    assert!(drawn.contains("  35 more in the window…\n"), "{drawn}");
    assert!(long.entries.len() <= LONGEST, "longer than a screen");

    let mut long = runner("a", "running");
    long.name = "é".repeat(100);
    let drawn = draw(&menu(&known(vec![long])).entries, 0);
    assert!(
        drawn.contains(&format!("api-gateway · {}… ›\n", "é".repeat(WIDEST - 1))),
        "{drawn}"
    );
}

#[test]
fn the_icon_shows_a_problem_for_whatever_a_person_should_look_at() {
    assert_eq!(menu(&Snapshot::default()).mark, Mark::Problem, "no host");
    let mut silent = runner("a", "running");
    silent.unreachable = true;
    assert_eq!(menu(&known(vec![silent])).mark, Mark::Problem);
    assert_eq!(
        menu(&known(vec![runner("a", "backoff")])).mark,
        Mark::Problem
    );
    assert_eq!(
        menu(&Snapshot {
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
        let drawn = menu(&status(troubled));
        assert_eq!(drawn.mark, Mark::Problem);
        assert!(draw(&drawn.entries, 0).starts_with(headline));
    }
    assert_eq!(menu(&known(vec![])).mark, Mark::Quiet);
}
