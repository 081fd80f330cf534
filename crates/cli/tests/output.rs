//! What each command prints and asks for: tables for people, JSON for scripts, help.

mod support;

use std::fs;

use serde_json::json;
use stratavore_rpc::v1;
use stratavore_testkit::TempHome;
use support::host::{FakeHost, World, ago, ended, project, runner};
use support::{places, run, run_with};

/// A home with a host that knows two projects and three runners.
fn scene() -> (FakeHost, TempHome) {
    let home = TempHome::new();
    let mut hostile = runner("evil");
    hostile.title = Some("\x1b]0;x\x07\u{202e}title".into());
    hostile.command = vec!["sh".into(), "-c".into(), "printf '\x1b[2J'\nls".into()];
    hostile.unreachable = true;
    hostile.attachments = vec![
        v1::Attachment {
            place: "window".into(),
            columns: 120,
            rows: 40,
            decides: true,
            read_only: false,
        },
        v1::Attachment {
            place: "pts/\x1b[31m".into(),
            columns: 80,
            rows: 24,
            decides: false,
            read_only: true,
        },
    ];
    hostile.report = Some(v1::Report {
        text: "waits for\x1b]0;x\x07 you".into(),
        at: ago(190),
    });
    hostile.recording = Some("/data/runners/evil/1/recording.cast".into());
    let settings = vec![
        v1::Setting {
            key: "log.level".into(),
            value: "info".into(),
            source: "default".into(),
        },
        v1::Setting {
            key: "ceiling.action".into(),
            value: "pause".into(),
            source: "/etc/s.toml:3".into(),
        },
        v1::Setting {
            key: "ceiling.memory_mb".into(),
            value: String::new(),
            source: "default".into(),
        },
    ];
    let event = v1::Event {
        cursor: "1".into(),
        id: "e1".into(),
        aggregate: "runner".into(),
        aggregate_id: "0190a5d0-auth".into(),
        seq: 1,
        r#type: "runner.started".into(),
        at: "2026-03-01T12:00:00.000Z".into(),
        data: r#"{"pid":4242}"#.into(),
        project: Some("api".into()),
    };
    let world = World {
        projects: vec![
            project("api"),
            v1::Project {
                max_runners: None,
                ..project("工具")
            },
        ],
        runners: vec![
            runner("auth"),
            hostile,
            ended("old", "failed", None, Some("KILL")),
        ],
        interrupted: vec![ended("cut", "failed", None, None)],
        events: vec![
            event.clone(),
            v1::Event {
                cursor: "2".into(),
                seq: 2,
                ..event
            },
        ],
        screen: b"$ ls\na  b\x1b[31m".to_vec(),
        launched: Some(runner("fresh")),
        settings,
        ..World::default()
    };
    let host = FakeHost::start(&places(&home), world);
    (host, home)
}

/// Takes the times out, which differ from run to run.
fn timeless(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let time = word.trim_end();
        if time.len() == 24
            && time.starts_with("20")
            && time.ends_with('Z')
            && !time.starts_with("2026-03-01")
        {
            word.replace(time, "[TIME]")
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

#[test]
fn tables_for_people() {
    let (_host, home) = scene();
    for args in [
        &["runners"][..],
        &["runners", "--all", "--project", "api"],
        &["show", "evil"],
        &["show", "old"],
        &["project", "list"],
        &["project", "show", "api"],
        &["status"],
        &["config", "show"],
        &["events"],
        &["interrupted"],
        &["screen", "auth"],
        &["logs", "auth"],
        &["audit", "verify"],
    ] {
        let shown = run(&home, args);
        insta::assert_snapshot!(args.join("_").replace("--", ""), timeless(&shown.shown()));
        assert!(
            !shown.stdout.contains('\x1b') && !shown.stderr.contains('\x1b'),
            "no terminal, no colours"
        );
    }
}

#[test]
fn words_about_what_was_done() {
    let (_host, home) = scene();
    for args in [
        &["launch", "api"][..],
        &["pause", "auth"],
        &["continue", "auth"],
        &["restart", "old"],
        &["stop", "auth"],
        &["stop", "--all", "--no-wait"],
        &["wait", "auth", "--for", "running"],
        &["send", "auth", "hello", "--enter"],
        &["interrupted", "--start"],
        &["project", "add", "new", "--path", "sub/../dir"],
        &["project", "archive", "api"],
        &["host", "start"],
        &[],
    ] {
        let shown = timeless(&run(&home, args).shown());
        let shown = shown.replace(&format!("(pid {})", std::process::id()), "(pid [PID])");
        insta::assert_snapshot!(
            format!("did_{}", args.join("_").replace("--", "").replace('/', "")),
            shown
        );
    }
}

#[test]
fn json_for_scripts() {
    let (_host, home) = scene();
    let launched = run(&home, &["launch", "api", "--json"]).json();
    let shown = run(&home, &["show", "auth", "--json"]).json();
    for runner in [&launched, &shown] {
        for key in [
            "id",
            "name",
            "project",
            "program",
            "state",
            "pid",
            "exit",
            "created_at",
            "started_at",
            "ended_at",
            "cpu_percent",
            "memory_bytes",
            "last_heartbeat",
        ] {
            assert!(runner.get(key).is_some(), "{key} is missing: {runner}");
        }
    }
    let runners = run(&home, &["--json", "runners", "--all"]).json();
    assert_eq!(
        runners[2]["exit"],
        json!({ "code": null, "signal": "KILL", "reason": "exited" })
    );
    assert_eq!(
        run(&home, &["project", "list", "--json"]).json()[1]["name"],
        "工具"
    );
    assert_eq!(
        run(&home, &["project", "show", "api", "--json"]).json()["path"],
        "/srv/api"
    );
    assert_eq!(
        run(&home, &["status", "--json"]).json()["runners"],
        json!({ "failed": 1, "running": 3 })
    );
    assert_eq!(
        run(&home, &["config", "show", "--json"]).json()["settings"][1]["value"],
        "pause"
    );
    assert_eq!(
        run(&home, &["audit", "verify", "--json"]).json()["events"],
        7
    );
    assert_eq!(
        run(&home, &["doctor", "--json"]).json(),
        json!({ "checks": [] })
    );
    assert_eq!(
        run(&home, &["stop", "auth", "--json"]).json()[0]["state"],
        "terminated"
    );
    assert_eq!(
        run(&home, &["pause", "auth", "--json"]).json()["state"],
        "paused"
    );
    assert_eq!(
        run(&home, &["interrupted", "--json"]).json()[0]["name"],
        "cut"
    );
    assert_eq!(
        run(&home, &["screen", "auth", "--json"]).json()["content"],
        "$ ls\na  b\u{1b}[31m"
    );
    assert_eq!(
        run(&home, &["wait", "auth", "--for", "running", "--json"]).json()["name"],
        "auth"
    );
    let events = run(&home, &["events", "--json"]);
    let lines: Vec<serde_json::Value> = events
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("an object a line"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["data"], json!({ "pid": 4242 }));
    assert_eq!(lines[1]["seq"], 2);
}

#[test]
fn a_launch_asks_for_what_the_command_line_says() {
    let (host, home) = scene();
    let args = [
        "launch",
        "api",
        "--command",
        "sh -c 'echo  \"$1\"'",
        "--name",
        "n",
        "--env",
        "A=b=c",
        "--env",
        "B=",
        "--restart",
        "on-failure",
        "--max-attempts",
        "3",
        "--memory-mb",
        "512",
        "--cpu-percent",
        "150",
        "--queue",
        "--keep-descendants",
        "--record",
        "--size",
        "120x40",
        "--",
        "-x",
        "--json",
        "a b",
    ];
    let launched = run(&home, &args);
    assert_eq!(
        (launched.code, launched.stdout.as_str()),
        (0, "fresh\n"),
        "{}",
        launched.shown()
    );
    let asked = host
        .world()
        .asked
        .iter()
        .find(|asked| asked.starts_with("LaunchRequest"))
        .cloned()
        .unwrap();
    let (request, rest) = asked.split_once("request_id: Some(\"").unwrap();
    let (id, rest) = rest.split_once('"').unwrap();
    assert_eq!(id.len(), "12345678-1234-1234-1234-123456789012".len());
    insta::assert_snapshot!(
        "launch_request",
        format!("{request}request_id: Some(\"[ID]\"{rest}")
    );
    assert!(
        host.was_asked("ConfigRequest { project: Some(\"api\") }"),
        "what a ceiling does is configured"
    );
}

#[test]
fn other_requests_say_what_the_command_line_says() {
    let (host, home) = scene();
    for (args, request) in [
        (
            &["stop", "auth", "--grace", "9"][..],
            "grace_seconds: Some(9), wait: true, target: Some(Runner(\"auth\"))",
        ),
        (
            &["stop", "--project", "api", "--no-wait"],
            "grace_seconds: None, wait: false, target: Some(Project(\"api\"))",
        ),
        (&["stop", "--all"], "All(true))"),
        (
            &["send", "auth", "--enter", "-- x"],
            "text: \"-- x\", enter: true",
        ),
        (&["send", "auth", ""], "text: \"\", enter: false"),
        (
            &["screen", "auth", "--ansi"],
            "ScreenRequest { runner: \"auth\", ansi: true }",
        ),
        (
            &["logs", "auth"],
            "HistoryRequest { runner: \"auth\", ansi: false }",
        ),
        (
            &["events", "--since", "1", "--limit", "1"],
            "since: Some(\"1\"), follow: false, limit: Some(1)",
        ),
        (
            &["project", "add", "a", "--path", "x", "--max-runners", "2"],
            "max_runners: Some(2)",
        ),
        (
            &["project", "list", "--archived"],
            "ListProjectsRequest { archived: true }",
        ),
        (
            &["interrupted", "--dismiss"],
            "InterruptedAnswer { start: false }",
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
    let relative = format!("path: \"{}/x\"", home.path().display());
    assert!(
        host.was_asked(&relative),
        "a relative path is taken from the current directory"
    );
}

#[test]
fn a_screen_with_ansi_is_printed_as_it_is() {
    let (_host, home) = scene();
    assert_eq!(
        run(&home, &["screen", "auth", "--ansi"]).stdout,
        "$ ls\na  b\x1b[31m"
    );
    assert_eq!(
        run(&home, &["logs", "auth", "--ansi"]).stdout,
        "$ ls\na  b\x1b[31m"
    );
}

#[test]
fn without_a_host_the_settings_are_read_here() {
    let home = TempHome::new();
    fs::write(home.config_file(), "[stop]\ngrace_seconds = 3\n").unwrap();
    let shown = run_with(
        &home,
        &["--no-start", "--json", "config", "show"],
        |command| {
            command.env("STRATAVORE_LOG_LEVEL", "debug");
        },
    );
    let settings = shown.json()["settings"].clone();
    let source = |key: &str| {
        let settings = settings.as_array().unwrap();
        settings
            .iter()
            .find(|setting| setting["key"] == key)
            .unwrap()["source"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        source("stop.grace_seconds"),
        "[HOME]/config/stratavore.toml:2"
    );
    assert_eq!(source("log.level"), "STRATAVORE_LOG_LEVEL");
    assert_eq!(source("history.lines"), "default");
}

#[test]
fn help() {
    let home = TempHome::new();
    for command in [
        "",
        "project",
        "project add",
        "launch",
        "runners",
        "show",
        "attention",
        "decide",
        "attach",
        "send",
        "screen",
        "logs",
        "play",
        "wait",
        "stop",
        "pause",
        "continue",
        "restart",
        "interrupted",
        "sessions",
        "sessions list",
        "sessions search",
        "sessions export",
        "resume",
        "usage",
        "budget",
        "budget set",
        "preset",
        "preset set",
        "preset import",
        "events",
        "status",
        "audit verify",
        "config show",
        "doctor",
        "host",
        "host stop",
        "completions",
    ] {
        let args: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = run(&home, &args);
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{command}");
        insta::assert_snapshot!(format!("help_{}", command.replace(' ', "_")), help.stdout);
    }
}

#[test]
fn completions_are_complete() {
    let home = TempHome::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&home, &["completions", shell]);
        assert_eq!(script.code, 0);
        for command in [
            "interrupted",
            "keep-descendants",
            "read-only",
            "idle-limit",
            "at-limit",
            "reindex",
        ] {
            assert!(script.stdout.contains(command), "{shell} lacks {command}");
        }
    }
}

#[test]
fn the_documentation_names_every_command_and_exit_code() {
    let docs =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md")).unwrap();
    let home = TempHome::new();
    let help = run(&home, &["--help"]).stdout;
    let section = |start: &str, end: &str| {
        let from = help.find(start).unwrap() + start.len();
        help[from..].split(end).next().unwrap().to_owned()
    };
    let commands = section("Commands:\n", "\n\n");
    let names: Vec<&str> = commands
        .lines()
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 15, "{names:?}");
    for name in names {
        assert!(
            docs.contains(&format!("`{name}")),
            "{name} is not documented"
        );
    }
    for line in section("Exit codes:\n", "\n\n").lines() {
        let (code, meaning) = line.trim().split_once("  ").unwrap();
        let row = docs
            .lines()
            .find(|row| row.starts_with(&format!("| {code} |")));
        assert!(
            row.is_some_and(|row| row.ends_with(&format!("| {meaning} |"))),
            "{line}: {row:?}"
        );
    }
}
