//! Sessions: listed, shown, searched, exported, archived, read anew, resumed.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use stratavore_rpc::v1;
use stratavore_testkit::TempHome;
use stratavore_testkit::terminal::Terminal;
use support::host::{FakeHost, World, ago, ended, project, runner};
use support::{SOON, places, program, run};

fn session(id: &str, title: &str) -> v1::Session {
    v1::Session {
        id: id.into(),
        program: "claude".into(),
        project: Some("api".into()),
        cwd: "/srv/api".into(),
        title: Some(title.into()),
        model: Some("claude-opus-4-5".into()),
        began_at: ago(7230),
        updated_at: ago(190),
        requests: 12,
        resumable: true,
        usage: Some(v1::Usage {
            input_tokens: 1200,
            output_tokens: 34_000,
            cache_creation_input_tokens: 250_000,
            cache_read_input_tokens: 5_000_000,
            cost_usd: Some(2.345),
            program_cost_usd: Some(2.5),
            label: "estimated".into(),
            ..v1::Usage::default()
        }),
        transcript: Some("/home/ada/.claude/projects/-srv-api/5e551040.jsonl".into()),
        node: "desk".into(),
        ..v1::Session::default()
    }
}

fn held_last(session: v1::Session, runner: &str) -> v1::Session {
    v1::Session {
        runner: Some(runner.into()),
        runner_id: Some(format!("0190a5d0-{runner}")),
        ..session
    }
}

fn with_session(runner: v1::Runner, session: &str) -> v1::Runner {
    v1::Runner {
        session_id: Some(session.into()),
        ..runner
    }
}

fn scene() -> (FakeHost, TempHome) {
    let home = TempHome::new();
    let held = v1::Session {
        held: true,
        resumable: false,
        obstacle: Some("auth holds it".into()),
        ..held_last(session("5e551040-1111-a", "Mend the \x1b[2Jlogin"), "auth")
    };
    let gone = v1::Session {
        resumable: false,
        obstacle: Some("its transcript was deleted".into()),
        transcript: None,
        archive: Some("/data/archive/77aa.zst".into()),
        usage: None,
        ..held_last(session("77aa0000-3333-c", "Old"), "old")
    };
    let outside = v1::Session {
        project: None,
        title: None,
        model: None,
        parent: Some("5e551040-1111-a".into()),
        ..session("9f000000-4444-d", "")
    };
    let sessions = vec![
        held.clone(),
        held_last(session("5e551040-2222-b", "Add invoices"), "cut"),
        // It was cleared away: the runner went on with another.
        held_last(session("5e551040-5555-e", "Before /clear"), "auth"),
        gone,
        outside,
    ];
    let part = |text: &str, found| v1::SnippetPart {
        text: text.into(),
        found,
    };
    let hit = |role: &str, session: &v1::Session| v1::SearchHit {
        session: Some(session.clone()),
        role: role.into(),
        at: ago(190),
        snippet: vec![
            part("…mend the\n\t\t\x1b[2J", false),
            part("login", true),
            part(" form…", false),
        ],
        offset: 4096,
    };
    let world = World {
        projects: vec![project("api")],
        runners: vec![
            with_session(runner("auth"), "5e551040-1111-a"),
            with_session(
                ended("cut", "failed", None, Some("KILL")),
                "5e551040-2222-b",
            ),
            with_session(ended("old", "terminated", Some(0), None), "77aa0000-3333-c"),
            ended("plain", "terminated", Some(0), None),
        ],
        hits: vec![hit("user", &held), hit("assistant", &sessions[1])],
        sessions,
        transcript: b"# Mend the login\n\n\x1b[31mred\x1b[m\n".to_vec(),
        launched: Some(runner("fresh")),
        ..World::default()
    };
    (FakeHost::start(&places(&home), world), home)
}

/// Takes the times out, which differ from run to run.
fn timeless(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let time = word.trim_end();
        if time.len() == 24 && time.starts_with("20") && time.ends_with('Z') {
            word.replace(time, "[TIME]")
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

#[test]
fn sessions_are_listed_shown_and_found() {
    let (_host, home) = scene();
    for (name, args) in [
        ("list", &["sessions", "list"][..]),
        ("show_held", &["sessions", "show", "5e551040-1"]),
        ("show_gone", &["sessions", "show", "77aa"]),
        ("show_outside", &["sessions", "show", "9f"]),
        ("search", &["sessions", "search", "login"]),
        ("archive_all", &["sessions", "archive"]),
        ("archive_one", &["sessions", "archive", "9f"]),
        ("restore", &["sessions", "restore", "77aa"]),
        ("restore_nothing", &["sessions", "restore"]),
        ("restore_unknown", &["sessions", "restore", "0000"]),
        ("reindex", &["sessions", "reindex"]),
        ("resumable", &["resume"]),
        ("resumed", &["resume", "cut"]),
        ("no_such_session", &["sessions", "show", "0000"]),
        ("held_already", &["resume", "5e551040-1111-a"]),
        ("nothing_to_search", &["sessions", "search", " "]),
        ("resume_nothing_as_a_copy", &["resume", "--fork"]),
        (
            "resume_attached_without_terminal",
            &["resume", "cut", "--attach"],
        ),
    ] {
        let shown = run(&home, args);
        insta::assert_snapshot!(name, timeless(&shown.shown()));
        assert!(!shown.stdout.contains('\x1b'), "nothing of it is obeyed");
    }
}

#[test]
fn requests_say_what_the_command_line_says() {
    let (host, home) = scene();
    for (args, request) in [
        (
            &[
                "sessions",
                "list",
                "--project",
                "api",
                "--program",
                "codex",
                "--limit",
                "7",
            ][..],
            "project: Some(\"api\"), program: Some(\"codex\"), runner: None, limit: Some(7)",
        ),
        (
            &["sessions", "list", "--runner", "auth"],
            "runner: Some(\"auth\"), limit: None",
        ),
        (
            &[
                "sessions",
                "search",
                "login",
                "the form",
                "--project",
                "api",
            ],
            "query: \"login \\\"the form\\\"\", project: Some(\"api\"), limit: None",
        ),
        (
            &["sessions", "export", "9f", "--format", "jsonl"],
            "session: \"9f\", format: \"jsonl\"",
        ),
        (
            &["sessions", "archive", "9f"],
            "ArchiveSessionsRequest { session: Some(\"9f\") }",
        ),
        (
            &["sessions", "restore", "77aa"],
            "SessionRef { session: \"77aa\" }",
        ),
        (
            &["resume", "cut", "--fork", "--name", "again"],
            "target: \"cut\", fork: true, name: Some(\"again\")",
        ),
        (
            &["launch", "api", "--continue", "--preset", "review"],
            "continue_last: true, resume: None, fork: None, preset: Some(\"review\"), worktree: None",
        ),
        (
            &["launch", "api", "--resume", "9f"],
            "continue_last: false, resume: Some(\"9f\"), fork: None, preset: None",
        ),
        (
            &["launch", "api", "--fork", "9f", "--worktree=try"],
            "fork: Some(\"9f\"), preset: None, worktree: Some(\"try\")",
        ),
        (
            &["launch", "api", "--worktree", "fix-1"],
            "worktree: Some(\"fix-1\")",
        ),
        (
            &["launch", "api", "--worktree", "--record"],
            "worktree: Some(\"\")",
        ),
    ] {
        let done = run(&home, args);
        assert_eq!(done.code, 0, "{}", done.shown());
        assert!(
            host.was_asked(request),
            "{args:?} did not ask {request}: {:?}",
            host.world().asked.last()
        );
    }
}

#[test]
fn beginnings_that_exclude_each_other() {
    let (host, home) = scene();
    for (name, args) in [
        ("continue_and_resume", &["--continue", "--resume", "9f"][..]),
        ("resume_and_fork", &["--resume", "9f", "--fork", "9f"]),
        ("continue_a_command", &["--continue", "--command", "sh"]),
        (
            "continue_in_a_fresh_worktree",
            &["--continue", "--worktree"],
        ),
    ] {
        let args = [&["launch", "api"][..], args].concat();
        let refused = run(&home, &args);
        assert_eq!(refused.code, 2, "{}", refused.shown());
        insta::assert_snapshot!(name, refused.shown());
    }
    assert!(!host.was_asked("LaunchRequest"));
}

#[test]
fn json_for_scripts() {
    let (_host, home) = scene();
    let listed = run(&home, &["sessions", "list", "--json"]).json();
    assert_eq!(listed[0]["id"], "5e551040-1111-a");
    assert_eq!(listed[0]["held"], true);
    let hits = run(&home, &["sessions", "search", "login", "--json"]).json();
    assert_eq!(
        hits[0]["snippet"][1],
        json!({ "text": "login", "found": true })
    );
    assert_eq!(hits[0]["offset"], 4096);
    assert_eq!(
        run(&home, &["sessions", "archive", "--json"]).json(),
        json!({ "sessions": 5, "bytes": 20480 })
    );
    assert_eq!(
        run(&home, &["sessions", "reindex", "--json"]).json()["sessions"],
        5
    );
    assert_eq!(
        run(&home, &["sessions", "restore", "77aa", "--json"]).json(),
        json!({
            "session": "77aa0000-3333-c", "bytes": 4096,
            "transcript": "/home/ada/.claude/projects/-srv-api/t.jsonl",
        })
    );
    let resumable = run(&home, &["resume", "--json"]).json();
    assert_eq!(resumable.as_array().unwrap().len(), 1);
    assert_eq!(resumable[0]["name"], "cut");
    assert_eq!(
        run(&home, &["resume", "cut", "--json"]).json()["name"],
        "fresh"
    );
}

#[test]
fn a_transcript_is_exported_byte_for_byte_and_no_file_is_overwritten() {
    let (host, home) = scene();
    let content = host.world().transcript.clone();
    let printed = run(&home, &["sessions", "export", "9f"]);
    assert_eq!(printed.stdout.as_bytes(), content);
    let file = home.path().join("out.md");
    let args = ["sessions", "export", "9f", "--output", "out.md"];
    insta::assert_snapshot!("exported", run(&home, &args).shown());
    assert_eq!(fs::read(&file).unwrap(), content);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "what was said is the person's own");
    host.world().transcript = b"other".to_vec();
    insta::assert_snapshot!("export_in_the_place_of_another", run(&home, &args).shown());
    assert_eq!(fs::read(&file).unwrap(), content);
    let nowhere = ["sessions", "export", "9f", "--output", "no/where.md"];
    insta::assert_snapshot!("export_to_nowhere", run(&home, &nowhere).shown());
    assert_eq!(
        run(&home, &["sessions", "export", "9f", "--json"]).json(),
        json!({ "content": "other" })
    );
}

#[test]
fn on_a_terminal_found_words_are_bold_and_transcripts_are_not_obeyed() {
    let (_host, home) = scene();
    let show = |args: &str| {
        let script = format!("{} {args}; printf 'done.\\n'", program().display());
        let terminal = Terminal::start(
            ["sh", "-c", &script],
            home.environment(),
            home.path(),
            (120, 40),
        );
        let screen = terminal.wait_for("done.", SOON);
        (screen, terminal.raw())
    };
    let (screen, raw) = show("sessions search login");
    assert!(
        screen.contains("you, 3m ago: …mend the \\u{1b}[2Jlogin form…"),
        "{screen}"
    );
    let bold = b"\x1b[1mlogin\x1b[0m form";
    assert!(support::scene::holds(&raw, bold), "{}", raw.escape_ascii());
    let (screen, raw) = show("sessions export 9f");
    assert!(screen.contains("\\u{1b}[31mred"), "{screen}");
    assert!(!support::scene::holds(&raw, b"\x1b[31m"));
}
