//! `stratavore logs`: what scrolled off, and what scrolls off.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc;

use rustix::process::{Pid, Signal, kill_process};
use stratavore_testkit::{TempHome, wait_until};
use stratavore_wire::{GetHistory, Message};
use support::agent::FakeAgent;
use support::host::{FakeHost, World, ended, runner};
use support::{Run, SOON, places, run};

/// `stratavore logs --follow` at work.
struct Following {
    child: Child,
    lines: mpsc::Receiver<String>,
    agent: FakeAgent,
    host: FakeHost,
    home: TempHome,
}

impl Following {
    fn start(args: &[&str]) -> Self {
        let home = TempHome::new();
        let socket = home.runtime().join("agent.sock");
        let agent = FakeAgent::start(&socket, b"");
        agent.set_history(b"old 1\nold 2\n");
        let world = World {
            runners: vec![runner("auth")],
            agent: socket,
            ..World::default()
        };
        let host = FakeHost::start(&places(&home), world);
        let mut child = home
            .command(support::program())
            .args(["logs", "auth", "--follow"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("stratavore starts");
        let stdout = child.stdout.take().expect("a pipe");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let sent = line.is_ok_and(|line| sender.send(line).is_ok());
                if !sent {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            agent,
            host,
            home,
        }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines.recv_timeout(SOON).expect("a line")
    }

    fn end(self) -> Run {
        let output = self.child.wait_with_output().expect("it ends");
        drop(self.host);
        Run::of(&self.home, output)
    }
}

#[test]
fn following_prints_lines_as_they_scroll_off_until_the_end() {
    let following = Following::start(&["--lines", "7", "--ansi"]);
    assert_eq!(following.line(), "old 1");
    assert_eq!(following.line(), "old 2");
    let wanted = GetHistory {
        ansi: true,
        lines: Some(7),
        follow: true,
    };
    following.agent.wait_heard("what is wanted", |message| {
        *message == Message::GetHistory(wanted.clone())
    });
    following.agent.history(b"\x1b[31mnew\x1b[m\n", false);
    assert_eq!(following.line(), "\x1b[31mnew\x1b[m");
    following.agent.history(b"", false);
    following.agent.history(b"on the screen\n", true);
    assert_eq!(following.line(), "on the screen");
    let run = following.end();
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn what_is_followed_is_safe_to_print_and_json_where_asked() {
    let following = Following::start(&[]);
    following.line();
    following.line();
    following.agent.history(b"a\x1b[2Jb\n", true);
    assert_eq!(following.line(), "a\\u{1b}[2Jb");
    assert_eq!(following.end().code, 0);
    let following = Following::start(&["--json"]);
    let piece: serde_json::Value = serde_json::from_str(&following.line()).expect("JSON");
    assert_eq!(piece["content"], "old 1\nold 2\n");
    following.agent.history(b"end\n", true);
    assert!(following.line().contains(r#""end\n""#));
    assert_eq!(following.end().code, 0);
}

#[test]
fn ctrl_c_ends_following_quietly() {
    let following = Following::start(&[]);
    following.line();
    let pid = i32::try_from(following.child.id()).expect("a pid");
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::INT).expect("it is ours");
    let run = following.end();
    assert_eq!((run.code, run.stderr.as_str()), (130, ""));
}

#[test]
fn an_agent_that_goes_away_is_told() {
    let mut following = Following::start(&[]);
    following.line();
    following.agent.die();
    let run = following.end();
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (
            1,
            "error: the agent of auth went away in the midst of it\nhint: see what became of it with `stratavore show auth`\n"
        )
    );
}

#[test]
fn a_runner_on_its_way_is_waited_for() {
    let home = TempHome::new();
    let socket = home.runtime().join("agent.sock");
    let agent = FakeAgent::start(&socket, b"");
    let mut starting = runner("auth");
    starting.state = "starting".into();
    let world = World {
        runners: vec![starting],
        agent: socket,
        ..World::default()
    };
    let host = FakeHost::start(&places(&home), world);
    let child = home
        .command(support::program())
        .args(["logs", "auth", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("stratavore starts");
    wait_until(SOON, "the watch", || host.watchers() == 1);
    host.change("auth", |runner| runner.state = "running".into());
    agent.wait_heard("the question", |message| {
        matches!(message, Message::GetHistory(_))
    });
    agent.history(b"at last\n", true);
    let run = Run::of(&home, child.wait_with_output().expect("it ends"));
    assert_eq!((run.code, run.stdout.as_str()), (0, "at last\n"));
}

#[test]
fn a_runner_that_has_ended_is_not_followed_and_lines_are_counted_from_the_end() {
    let home = TempHome::new();
    let world = World {
        runners: vec![ended("old", "terminated", Some(0), None)],
        screen: b"one\ntwo\nthree\n".to_vec(),
        ..World::default()
    };
    let _host = FakeHost::start(&places(&home), world);
    for (args, printed) in [
        (&["logs", "old", "--follow"][..], "one\ntwo\nthree\n"),
        (&["logs", "old", "--lines", "2"], "two\nthree\n"),
        (&["logs", "old", "--lines", "0"], ""),
        (
            &["logs", "old", "--follow", "--lines", "1", "--ansi"],
            "three\n",
        ),
    ] {
        let run = run(&home, args);
        assert_eq!((run.code, run.stdout.as_str()), (0, printed), "{args:?}");
    }
}
