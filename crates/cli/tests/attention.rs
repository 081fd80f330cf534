//! Who needs a person: listed, followed, waited for, answered.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use stratavore_rpc::v1;
use stratavore_testkit::{TempHome, wait_until};
use support::host::{FakeHost, World, ago, ended, project, runner};
use support::{Run, SOON, places, program, run};

fn with(name: &str, state: &str, since: i64, detail: Option<&str>) -> v1::Runner {
    v1::Runner {
        attention: Some(attention(state, since, detail)),
        session_id: Some(format!("5e551040-{name}")),
        ..runner(name)
    }
}

fn attention(state: &str, since: i64, detail: Option<&str>) -> v1::Attention {
    v1::Attention {
        state: state.into(),
        source: "hook".into(),
        since: ago(since),
        detail: detail.map(str::to_owned),
        ..v1::Attention::default()
    }
}

fn ask(id: &str, subject: &str) -> v1::Ask {
    v1::Ask {
        id: id.into(),
        tool: "Bash".into(),
        subject: subject.into(),
        reason: Some("it deletes files".into()),
        at: ago(190),
        until: ago(-3630),
    }
}

fn asking(name: &str, since: i64, subject: &str) -> v1::Runner {
    let mut runner = with(name, "needs-permission", since, None);
    runner.attention.as_mut().unwrap().ask = Some(ask("ask-1", subject));
    runner
}

fn scene_of(runners: Vec<v1::Runner>) -> (FakeHost, TempHome) {
    let home = TempHome::new();
    let world = World {
        projects: vec![project("api")],
        runners,
        ..World::default()
    };
    (FakeHost::start(&places(&home), world), home)
}

fn scene() -> (FakeHost, TempHome) {
    let mut limited = with("limited", "rate-limited", 70, Some("5-hour limit"));
    limited.attention.as_mut().unwrap().until = Some(ago(-7230));
    let mut far = with("far", "working", 70, None);
    far.unreachable = true;
    let mut asks = asking("auth", 190, "rm -rf build\x1b[2J && make");
    asks.mode = "resume".into();
    asks.worktree = Some("/srv/api-auth".into());
    asks.usage = Some(v1::Usage {
        input_tokens: 1200,
        output_tokens: 34_000,
        cache_read_input_tokens: 5_000_000,
        cost_usd: Some(2.345),
        label: "estimated".into(),
        ..v1::Usage::default()
    });
    scene_of(vec![
        with("worker", "working", 70, None),
        with("shop", "idle", 7230, None),
        with("docs", "needs-answer", 70, Some("Which database?")),
        asks,
        with("early", "needs-permission", 7230, Some("Write: /etc/hosts")),
        with("broken", "errored", 70, Some("overloaded")),
        limited,
        far,
        v1::Runner {
            state: "queued".into(),
            ..runner("later")
        },
    ])
}

/// Takes the times out, which differ from run to run.
fn timeless(text: &str) -> String {
    let is_time = |word: &str| word.len() == 24 && word.starts_with("20") && word.ends_with('Z');
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let time = word.trim_end().trim_end_matches([',', ')']);
        if is_time(time) {
            word.replace(time, "[TIME]")
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

#[test]
fn who_needs_you_first_and_what_is_asked() {
    let (_host, home) = scene();
    for args in [
        &["attention"][..],
        &["attention", "--all"],
        &["runners"],
        &["show", "auth"],
        &["show", "far"],
        &["show", "limited"],
    ] {
        let shown = run(&home, args);
        insta::assert_snapshot!(args.join("_").replace("--", ""), timeless(&shown.shown()));
        assert!(!shown.stdout.contains('\x1b'), "nothing of it is obeyed");
    }
}

#[test]
fn nobody_needs_anybody() {
    for (name, runners) in [
        ("no_runner", vec![]),
        ("no_need", vec![with("shop", "idle", 70, None)]),
        (
            "unknown",
            vec![
                with("shop", "idle", 70, None),
                with("dim", "unknown", 70, None),
            ],
        ),
    ] {
        let (_host, home) = scene_of(runners);
        insta::assert_snapshot!(name, run(&home, &["attention"]).shown());
        assert_eq!(run(&home, &["attention", "--json"]).json(), json!([]));
    }
}

#[test]
fn json_has_the_state_its_source_and_since_when() {
    let (_host, home) = scene();
    let listed = run(&home, &["attention", "--json"]).json();
    let names: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|runner| runner["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["early", "auth", "docs", "broken"]);
    let shown = run(&home, &["show", "docs", "--json"]).json();
    assert_eq!(shown["session_id"], "5e551040-docs");
    assert_eq!(shown["usage"], Value::Null);
    for (key, value) in [
        ("state", "needs-answer"),
        ("source", "hook"),
        ("detail", "Which database?"),
    ] {
        assert_eq!(shown["attention"][key], value);
    }
    assert!(shown["attention"]["since"].as_str().unwrap().ends_with('Z'));
}

/// `stratavore attention --follow`, and its lines as they come.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(home: &TempHome, args: &[&str]) -> Self {
        let mut child = home
            .command(program())
            .args(["attention", "--follow"])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let Ok(line) = line else { break };
                if send.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(SOON).expect("a line")
    }

    /// Gives a line without its time.
    #[track_caller]
    fn told(&self) -> String {
        let line = self.line();
        let (time, rest) = line.split_once("  ").expect("a time and what happened");
        assert!(time.len() == 24 && time.ends_with('Z'), "{line}");
        rest.to_owned()
    }

    fn interrupt(mut self) -> i32 {
        let pid = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::INT).unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(self.lines.recv_timeout(SOON).ok(), None, "nothing more");
        status.code().expect("it ended by itself")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn following_tells_each_change_once_and_ends_on_ctrl_c() {
    let (host, home) = scene_of(vec![
        asking("auth", 190, "make"),
        with("shop", "working", 70, None),
    ]);
    let following = Following::start(&home, &[]);
    assert_eq!(
        following.told(),
        "api  auth  needs-permission 3m  Bash: make"
    );
    wait_until(SOON, "a watcher", || (host.watchers() == 1).then_some(()));
    // A change of something else is none of attention.
    host.change("shop", |runner| runner.cpu_percent = Some(99.0));
    host.change("shop", |runner| {
        runner.attention = Some(attention("needs-answer", 0, Some("Which\nway?")));
    });
    let told = following.told();
    assert!(told.starts_with("api  shop  needs-answer "), "{told}");
    assert!(told.ends_with("s  Which\\nway?"), "{told}");
    // Another request is a change, though the state is the same.
    host.change("auth", |runner| {
        let attention = runner.attention.as_mut().unwrap();
        attention.ask = Some(ask("ask-2", "make clean"));
    });
    assert_eq!(
        following.told(),
        "api  auth  needs-permission 3m  Bash: make clean"
    );
    host.change("auth", |runner| runner.unreachable = true);
    assert_eq!(
        following.told(),
        "api  auth  unknown  it cannot be reached; it was needs-permission"
    );
    // What is observed is not of one runner.
    {
        let mut world = host.world();
        let shop = world
            .runners
            .iter_mut()
            .find(|runner| runner.name == "shop");
        shop.unwrap().attention = Some(attention("idle", 70, None));
    }
    host.nudge("observations");
    assert_eq!(following.told(), "api  shop  idle 1m");
    host.change("shop", |runner| {
        *runner = ended("shop", "failed", Some(3), None);
    });
    assert_eq!(following.told(), "api  shop  ended  exit 3");
    assert_eq!(following.interrupt(), 130);
}

#[test]
fn following_in_json_is_a_runner_a_line_and_outlives_the_host() {
    let (host, home) = scene_of(vec![with("shop", "idle", 70, None)]);
    let following = Following::start(&home, &["--json", "--all"]);
    let state = |line: String| {
        let runner: Value = serde_json::from_str(&line).expect("an object a line");
        runner["attention"]["state"].as_str().unwrap().to_owned()
    };
    assert_eq!(state(following.line()), "idle");
    let world = host.shared();
    drop(host);
    world.lock().unwrap().runners[0].attention = Some(attention("working", 0, None));
    let _host = FakeHost::share(&places(&home), world);
    assert_eq!(state(following.line()), "working");
    assert_eq!(following.interrupt(), 130);
}

#[test]
fn a_request_is_answered_as_it_is_shown() {
    let (host, home) = scene();
    insta::assert_snapshot!("allow", run(&home, &["decide", "auth", "allow"]).shown());
    assert!(host.was_asked(
        "DecideRequest { runner: \"0190a5d0-auth\", ask: \"ask-1\", allow: true, reason: None }"
    ));
    let args = ["decide", "auth", "deny", "--reason", "not on my disk"];
    insta::assert_snapshot!("deny", run(&home, &args).shown());
    assert!(host.was_asked("allow: false, reason: Some(\"not on my disk\")"));
    assert_eq!(
        run(
            &home,
            &["decide", "auth", "deny", "--ask", "ask-1", "--json"]
        )
        .json(),
        json!({ "runner": "auth", "ask": "ask-1", "allow": false })
    );
}

#[test]
fn what_cannot_be_answered() {
    let (host, home) = scene();
    for (name, args) in [
        (
            "changed",
            &["decide", "auth", "allow", "--ask", "ask-0"][..],
        ),
        ("terminal_only", &["decide", "early", "allow"]),
        ("a_question", &["decide", "docs", "allow"]),
        ("works", &["decide", "worker", "deny"]),
        ("limited", &["decide", "limited", "deny"]),
        ("queued", &["decide", "later", "deny"]),
    ] {
        let refused = run(&home, args);
        assert_eq!(refused.code, 6, "{}", refused.shown());
        insta::assert_snapshot!(format!("refused_{name}"), refused.shown());
    }
    assert_eq!(run(&home, &["decide", "nobody", "allow"]).code, 3);
    let asked_once = |host: &FakeHost| {
        let world = host.world();
        let decisions = world.asked.iter();
        decisions
            .filter(|asked| asked.starts_with("DecideRequest"))
            .count()
    };
    assert_eq!(asked_once(&host), 1, "only the one that named its request");
    for (name, args) in [
        ("reason", &["decide", "auth", "allow", "--reason", "x"][..]),
        ("verdict", &["decide", "auth", "perhaps"]),
    ] {
        let refused = run(&home, args);
        assert_eq!(refused.code, 2, "{}", refused.shown());
        insta::assert_snapshot!(format!("usage_{name}"), refused.shown());
    }
}

fn wait(home: &TempHome, name: &str, states: &str, timeout: &str) -> Run {
    run(home, &["wait", name, "--for", states, "--timeout", timeout])
}

#[test]
fn waiting_for_what_a_runner_needs() {
    let (_host, home) = scene();
    for (name, states) in [
        ("shop", "idle"),
        ("auth", "needs-you"),
        ("docs", "needs-answer"),
        ("limited", "idle,rate-limited"),
    ] {
        let done = wait(&home, name, states, "20");
        assert_eq!(done.code, 0, "{}", done.shown());
        insta::assert_snapshot!(
            format!("wait_{name}_{}", states.replace(',', "_")),
            done.shown()
        );
    }
    for (name, states) in [
        ("far", "working"),
        ("worker", "idle,needs-you"),
        ("shop", "needs-you"),
    ] {
        let vain = wait(&home, name, states, "0.05");
        assert_eq!(vain.code, 7, "{}", vain.shown());
    }
    insta::assert_snapshot!(
        "wait_in_vain",
        wait(&home, "worker", "idle,needs-you", "0.05").shown()
    );
    insta::assert_snapshot!(
        "wait_for_nonsense",
        wait(&home, "worker", "happy", "1").shown()
    );
}

#[test]
fn what_is_unknown_is_never_idle() {
    let (host, home) = scene_of(vec![with("dim", "unknown", 70, Some("they differ"))]);
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| wait(&home, "dim", "idle", "60"));
        wait_until(SOON, "a watcher", || (host.watchers() == 1).then_some(()));
        host.change("dim", |runner| runner.attention = None);
        host.change("dim", |runner| {
            runner.attention = Some(attention("idle", 0, None));
            runner.unreachable = true;
        });
        // Looked at twice more after all of that: the first look did not end it.
        let looks = |host: &FakeHost| {
            let world = host.world();
            let looks = world.asked.iter();
            looks.filter(|asked| asked.starts_with("RunnerRef")).count()
        };
        for _ in 0..2 {
            let before = looks(&host);
            host.nudge("observations");
            wait_until(SOON, "another look", || {
                (looks(&host) > before).then_some(())
            });
        }
        host.change("dim", |runner| runner.unreachable = false);
        waiting.join().unwrap()
    });
    assert_eq!(waiting.code, 0, "{}", waiting.shown());
}
