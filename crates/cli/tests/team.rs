//! Several machines that share a store: nodes, whose runners they are, events that could not be delivered.

mod support;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use stratavore_rpc::v1;
use stratavore_testkit::binary::built;
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::{TempHome, wait_until};
use support::host::{FakeHost, World, ago, project, runner};
use support::scene::holds;
use support::{Run, places, run};

/// Long enough for a loaded machine; reached only when something is wrong.
const SOON: Duration = Duration::from_secs(60);

fn node(name: &str, silent: bool) -> v1::Node {
    v1::Node {
        id: format!("0a0b{}", name.len()),
        name: name.into(),
        version: "0.1.0".into(),
        max_runners: (!silent).then_some(8),
        active_runners: 2,
        registered_at: ago(7200),
        heard_at: ago(190),
        silent,
        here: name == "desk",
    }
}

fn scene() -> (FakeHost, TempHome) {
    scene_on(None)
}

fn scene_on(store: Option<v1::Server>) -> (FakeHost, TempHome) {
    let home = TempHome::new();
    let mut mine = runner("auth");
    mine.node = "desk".into();
    mine.person = "ada".into();
    let mut theirs = runner("billing");
    theirs.node = "attic".into();
    theirs.here = false;
    theirs.unreachable = true;
    theirs.unreachable_since = Some(ago(190));
    let letter = v1::DeadLetter {
        aggregate_id: "0190a5d0-auth".into(),
        seq: 4,
        event: "runner.failed".into(),
        attempts: 8,
        error: "the broker returned it: NO_ROUTE".into(),
        number: 17,
        of: "auth".into(),
    };
    let session = v1::Session {
        id: "5e551040".into(),
        program: "claude".into(),
        began_at: ago(7230),
        updated_at: ago(190),
        ..v1::Session::default()
    };
    let budget = v1::Budget {
        id: "b0d6e7".into(),
        scope: "global".into(),
        period: "day".into(),
        at_limit: "refuse".into(),
        tokens: Some(1000),
        began_at: ago(3630),
        ends_at: ago(-3630),
        ..v1::Budget::default()
    };
    let preset = v1::Preset {
        name: "review".into(),
        of: "person".into(),
        ..v1::Preset::default()
    };
    let world = World {
        projects: vec![project("api")],
        runners: vec![mine, theirs],
        nodes: vec![node("attic", true), node("desk", false)],
        dead_letters: vec![letter],
        sessions: vec![session],
        budgets: vec![budget],
        presets: vec![preset],
        store,
        ..World::default()
    };
    (FakeHost::start(&places(&home), world), home)
}

#[test]
fn nodes_runners_and_what_could_not_be_delivered_are_told() {
    let (_host, home) = scene();
    let steps = [
        &["node", "list"][..],
        &["runners"],
        &["outbox", "list"],
        &["node", "forget", "cellar"],
        &["node", "forget", "attic"],
        &["outbox", "drop", "3"],
        &["outbox", "drop", "17"],
        &["outbox", "retry"],
        &["outbox", "list"],
        &["db", "prune", "--before", "2026-01-31"],
    ];
    for (step, args) in steps.into_iter().enumerate() {
        let name = format!("{step}_{}", args.join("_"));
        insta::assert_snapshot!(name, run(&home, args).shown());
    }
}

#[test]
fn what_is_listed_while_the_shared_database_is_away_is_marked_with_its_age() {
    let store = v1::Server {
        address: "postgres://db/stratavore".into(),
        away_since: Some(ago(190)),
        reason: Some("cannot reach the database".into()),
    };
    let (_host, home) = scene_on(Some(store.clone()));
    let lists = [
        &["runners"][..],
        &["runners", "--json"],
        &["show", "auth"],
        &["show", "auth", "--json"],
        &["project", "list"],
        &["node", "list"],
        &["events"],
        &["sessions", "list"],
        &["sessions", "list", "--json"],
        &["sessions", "show", "5e55"],
        &["usage"],
        &["usage", "--by", "day", "--json"],
        &["budget", "list"],
        &["budget", "show", "b0d6e7", "--json"],
        &["preset", "list"],
        &["preset", "show", "review", "--json"],
    ];
    for args in lists {
        let said = run(&home, args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.stderr);
        assert!(
            said.stderr.contains("the shared database is away since")
                && said.stderr.contains("3m ago"),
            "{args:?}: {}",
            said.stderr
        );
    }
    let here = v1::Server {
        away_since: None,
        ..store
    };
    let (_host, home) = scene_on(Some(here));
    for args in lists {
        let said = run(&home, args);
        assert!(!said.stderr.contains("away"), "{args:?}: {}", said.stderr);
    }
}

#[test]
fn a_launch_names_its_node_and_a_retry_its_runner() {
    let (host, home) = scene();
    assert_eq!(run(&home, &["launch", "api", "--node", "attic"]).code, 0);
    assert!(host.was_asked("node: Some(\"attic\")"));
    assert_eq!(run(&home, &["outbox", "retry", "auth"]).code, 0);
    assert!(host.was_asked("aggregate_id: Some(\"0190a5d0-auth\")"));
    assert_eq!(run(&home, &["outbox", "retry", "nobody"]).code, 3);
}

/// A member of a team, whose host is started by the first command.
struct Member {
    home: TempHome,
    /// When all was said that it says.
    said_at: String,
}

impl Member {
    /// Makes one that said and used something in a project `p` an hour ago.
    fn of(url: &str, session: &str) -> Self {
        // The host and the agent are found beside the command line's program.
        built("stratavore-agent", "stratavore-agent");
        built("stratavore-daemon", "stratavored");
        let home = TempHome::new();
        let settings = format!("person = 'ada'\n[store]\nurl = '{url}'\n");
        std::fs::write(home.config_file(), settings).unwrap();
        let member = Self {
            home,
            said_at: ago(3600),
        };
        std::fs::create_dir_all(member.transcripts()).unwrap();
        member.says(session, "A word was said.");
        member
    }

    fn transcripts(&self) -> PathBuf {
        self.home.home().join(".claude/projects/p")
    }

    /// Has a session say something, which uses nothing more the second time.
    fn says(&self, session: &str, text: &str) {
        let row = serde_json::json!({
            "type": "assistant", "uuid": "u", "timestamp": self.said_at, "sessionId": session, "cwd": self.home.project("p"),
            "requestId": "request", "message": {
                "id": "message", "model": "claude-opus-5", "role": "assistant",
                "content": [{"type": "text", "text": text}],
                "usage": {"input_tokens": 3, "output_tokens": 40},
            },
        });
        let file = self.transcripts().join(format!("{session}.jsonl"));
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(file)
            .unwrap();
        writeln!(file, "{row}").unwrap();
    }

    fn run(&self, args: &[&str]) -> Run {
        let mut command = self.home.command(built("stratavore-cli", "stratavore"));
        command.args(args).stdin(std::process::Stdio::null());
        Run::of(&self.home, command.output().expect("stratavore starts"))
    }

    #[track_caller]
    fn told(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert_eq!(run.code, 0, "{args:?}: {}", run.shown());
        run.stdout
    }

    /// Waits until the database is known to be away, or back.
    fn until(&self, away: bool) {
        wait_until(SOON, "what is known of the database", || {
            let status = self.run(&["status", "--json"]).json();
            match status["store"]["away_since"].is_null() {
                is_here if is_here != away => Ok(()),
                _ => Err(status.to_string()),
            }
        });
    }

    /// Waits until the host has a text at hand for when the database is away.
    fn keeps(&self, text: &str) {
        let cache = self.home.data().join("shared.db");
        let log = cache.with_extension("db-wal");
        wait_until(SOON, "it is at hand", || {
            let files = [&cache, &log].map(|file| std::fs::read(file).unwrap_or_default());
            files.iter().any(|file| holds(file, text.as_bytes()))
        });
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.run(&["--no-start", "host", "stop", "--stop-runners"]);
        self.home.end_all();
    }
}

#[test]
fn with_the_real_database_gone_sessions_usage_budgets_and_presets_are_told_with_their_age() {
    const ID: &str = "7b0c2f34-8a51-4f0e-9d55-0a2b6c1d3e4f";
    let mut server = Postgres::start().unwrap();
    let member = Member::of(&server.database().unwrap(), ID);
    let path = member.home.project("p").to_string_lossy().into_owned();
    member.told(&["project", "add", "p", "--path", &path]);
    member.told(&[
        "budget", "set", "global", "--per", "month", "--tokens", "1M",
    ]);
    wait_until(SOON, "what was said is indexed", || {
        let sessions = member
            .run(&["sessions", "list", "--json", "--project", "p"])
            .json();
        match sessions[0]["usage"]["output_tokens"].as_u64() {
            Some(40) => Ok(()),
            _ => Err(sessions.to_string()),
        }
    });
    // What is learned with this is all that was before it.
    member.told(&[
        "preset",
        "set",
        "review",
        "--program",
        "claude",
        "--description",
        "a-mark-of-its-own",
    ]);
    member.keeps("a-mark-of-its-own");
    let lists = [
        &["sessions", "list"][..],
        &["sessions", "list", "--project", "p", "--program", "claude"],
        &["sessions", "show", "7b0c"],
        &["sessions", "search", "wor", "said"],
        &["sessions", "search", "--project", "p", "word was"],
        &["sessions", "search", "unsaid"],
        &["usage"],
        &["usage", "--by", "day"],
        &["usage", "--by", "model"],
        &["usage", "--by", "project"],
        &["usage", "--by", "session", "--project", "p"],
        &["usage", "--session", "7b0c"],
        &["budget", "list"],
        &["preset", "list"],
        &["preset", "show", "review"],
    ];
    let json = |args: &[&str]| member.run(&[args, &["--json"]].concat());
    let before = lists.map(|args| {
        let said = json(args);
        assert!(!said.stderr.contains("away"), "{args:?}: {}", said.shown());
        said.json()
    });
    assert_eq!(before[3].as_array().unwrap().len(), 1, "{}", before[3]);
    assert_eq!(before[5], serde_json::json!([]));
    assert_eq!(before[6]["total"]["output_tokens"], 40);

    server.stop_immediately().unwrap();
    member.until(true);
    let are_told = || {
        for (args, before) in lists.iter().zip(&before) {
            for said in [json(args), member.run(args)] {
                assert_eq!(said.code, 0, "{args:?}: {}", said.shown());
                assert!(
                    said.stderr.contains("the shared database is away since"),
                    "{args:?}: {}",
                    said.shown()
                );
            }
            assert_eq!(&json(args).json(), before, "{args:?}");
        }
    };
    are_told();
    for (args, part) in [
        (
            &["budget", "set", "global", "--per", "day", "--tokens", "5"][..],
            "cannot reach",
        ),
        (
            &["preset", "set", "other", "--program", "claude"],
            "cannot reach",
        ),
    ] {
        let refused = member.run(args);
        assert_eq!(refused.code, 8, "{args:?}: {}", refused.shown());
        assert!(
            refused.stderr.contains(part),
            "{args:?}: {}",
            refused.shown()
        );
    }
    let found = member.run(&["sessions", "search", "word"]);
    assert!(
        found.stderr.contains("only transcripts of this machine"),
        "{}",
        found.shown()
    );
    // A host that starts meanwhile knows it too.
    member.told(&["host", "stop"]);
    are_told();
    // What is said meanwhile is found too.
    member.says(ID, "Nobody was listening.");
    let found = member.told(&["sessions", "search", "listen"]);
    assert!(found.contains("Nobody was listening."), "{found}");

    server.restart().unwrap();
    member.until(false);
    for (args, before) in lists.iter().zip(&before) {
        let said = json(args);
        assert!(!said.stderr.contains("away"), "{args:?}: {}", said.shown());
        assert_eq!(&said.json(), before, "{args:?}");
    }
}
