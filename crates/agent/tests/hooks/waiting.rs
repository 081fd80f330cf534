//! Requests for permission, which wait for a person.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use stratavore_wire::{End, Exit, HookGone, Message, Role, Stop};

use crate::host::{ASKS, Done, Host, gone, hooked};
use crate::support::alive;

#[test]
fn a_request_for_permission_waits_and_is_answered_once() {
    let mut host = Host::new(60_000);
    let mut second = host.rig.connect(Role::Supervisor);
    let hook = host.hook(ASKS);
    let told = host.hooked();
    assert_eq!((told.payload.as_str(), told.waits), (ASKS, true));
    assert_eq!(hooked(&mut second), told);
    // Others are not held up by it.
    let other = host.hook(r#"{"hook_event_name":"PreToolUse"}"#);
    assert!(!host.hooked().waits);
    assert_eq!(other.end(), Done::silent());
    assert!(!hook.has_ended());

    let output = r#"{"hookSpecificOutput":{"decision":{"behavior":"allow"}}}"#;
    assert!(host.answer(told.id, output));
    assert_eq!(hook.end(), Done::says(output));
    hooked(&mut second);
    // It was another's answer.
    let answered = false;
    assert_eq!(
        gone(&mut second),
        HookGone {
            id: told.id,
            answered
        }
    );
    // It is too late for one more, and there never was that one.
    assert!(!host.answer(told.id, "deny"));
    assert!(!host.answer(4711, "deny"));
    // What is answered with nothing prints nothing.
    let hook = host.hook(ASKS);
    let id = host.hooked().id;
    assert!(host.answer(id, ""));
    assert_eq!(hook.end(), Done::silent());
}

#[test]
fn each_answer_reaches_the_request_that_it_is_for() {
    let mut host = Host::new(60_000);
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let hook = host.hook(ASKS);
        waiting.push((host.hooked().id, hook));
    }
    waiting.rotate_left(1);
    for (id, hook) in &waiting {
        assert!(host.answer(*id, &format!("answer to {id}")));
        assert_eq!(hook.end().out, format!("answer to {id}"));
    }
}

#[test]
fn a_request_that_is_killed_is_gone() {
    let mut host = Host::new(60_000);
    for signal in [Signal::KILL, Signal::TERM, Signal::HUP] {
        let hook = host.hook(ASKS);
        let told = host.hooked();
        assert!(told.waits);
        assert!(hook.process().process.signal(signal));
        let answered = false;
        assert_eq!(
            host.gone(),
            HookGone {
                id: told.id,
                answered
            }
        );
        assert!(!host.answer(told.id, "allow"), "a dead hook took an answer");
        assert_eq!(hook.end().out, "");
    }
}

#[test]
fn a_request_whose_shell_is_killed_is_gone() {
    let mut host = Host::new(60_000);
    let file = host.payload(ASKS.as_bytes());
    // The shell stays between program and hook.
    let shell = host.run(&format!(
        r#""$AGENT" hook <{file} & echo $! >hook; wait; echo never"#
    ));
    let told = host.hooked();
    assert!(shell.process().process.signal(Signal::KILL));
    assert_eq!(host.gone().id, told.id);
    let pid = std::fs::read_to_string(host.rig.work().join("hook")).unwrap();
    let pid: i32 = pid.trim().parse().unwrap();
    crate::support::until("the hook ends", || (!alive(pid)).then_some(()));
}

#[test]
fn a_request_whose_answer_nobody_reads_any_more_is_gone() {
    let mut host = Host::new(60_000);
    let file = host.payload(ASKS.as_bytes());
    let hook = host.run(&format!(
        r#"mkfifo told; "$AGENT" hook <{file} | {{ read -r go <told; exec <&-; wait; }}"#
    ));
    let told = host.hooked();
    assert!(told.waits);
    let release = host.run("echo go >told");
    assert_eq!(host.gone().id, told.id);
    assert_eq!(release.end(), Done::silent());
    assert_eq!(hook.end(), Done::silent());
}

#[test]
fn a_request_waits_no_longer_than_the_launch_allows() {
    const WAIT: u64 = 300;
    let mut host = Host::new(WAIT);
    let hook = host.hook(ASKS);
    let told = host.hooked();
    let since = Instant::now();
    assert!(told.waits);
    let answered = false;
    assert_eq!(
        host.gone(),
        HookGone {
            id: told.id,
            answered
        }
    );
    // What was told took its time, too.
    assert!(
        since.elapsed() > Duration::from_millis(WAIT / 2),
        "{:?}",
        since.elapsed()
    );
    assert_eq!(hook.end(), Done::silent());
    assert!(!host.answer(told.id, "allow"));
}

#[test]
fn nothing_waits_where_the_launch_does_not_let_it() {
    let mut host = Host::new(0);
    let hook = host.hook(ASKS);
    assert!(!host.hooked().waits);
    assert_eq!(hook.end(), Done::silent());
}

#[test]
fn nothing_waits_for_a_supervisor_that_is_not_there() {
    let mut host = Host::new(60_000);
    let held = host.hook(ASKS);
    assert!(host.hooked().waits);
    // The last one that could have answered leaves; one that knows no hooks stays.
    let mut hello = stratavore_wire::Hello::new(Role::Supervisor, "old");
    hello.capabilities.clear();
    let _old = host.rig.greet(hello);
    assert!(!held.has_ended());
    let (left, _) = std::os::unix::net::UnixStream::pair().unwrap();
    host.line = crate::support::Line::new(left);
    assert_eq!(held.end(), Done::silent());
    assert_eq!(host.hook(ASKS).end(), Done::silent());
    // One that adopts is told of none of them, and of the next.
    host.line = host.rig.connect(Role::Supervisor);
    let hook = host.hook(ASKS);
    let told = host.hooked();
    assert_eq!((told.id, told.waits), (3, true));
    assert!(host.answer(told.id, "allow"));
    assert_eq!(hook.end(), Done::says("allow"));
}

#[test]
fn a_supervisor_that_leaves_another_behind_leaves_requests_waiting() {
    let mut host = Host::new(60_000);
    let adopter = host.rig.connect(Role::Supervisor);
    let hook = host.hook(ASKS);
    let told = host.hooked();
    host.line = adopter;
    assert_eq!(host.hooked(), told);
    assert!(host.answer(told.id, "allow"));
    assert_eq!(hook.end(), Done::says("allow"));
}

#[test]
fn no_more_wait_than_leave_room_for_others() {
    const HELD: usize = 16;
    let mut host = Host::new(60_000);
    let mut held = Vec::new();
    for _ in 0..HELD {
        let hook = host.hook(ASKS);
        let told = host.hooked();
        assert!(told.waits);
        held.push((told.id, hook));
    }
    let hook = host.hook(ASKS);
    assert!(!host.hooked().waits);
    assert_eq!(hook.end(), Done::silent());
    let (id, first) = held.remove(0);
    assert!(host.answer(id, "allow"));
    assert_eq!(first.end(), Done::says("allow"));
    host.hook(ASKS);
    assert!(host.hooked().waits, "there is room again");
}

#[test]
fn a_stop_does_not_wait_for_those_that_wait() {
    let mut host = Host::new(u64::MAX);
    let hook = host.hook(ASKS);
    let told = host.hooked();
    assert!(told.waits);
    let process = hook.process().process;
    host.line.say(&Message::Stop(Stop { grace_ms: 20_000 }));
    assert_eq!(host.gone().id, told.id);
    host.line.ended();
    assert!(!alive(process.pid));
    let stopped = End::Stopped {
        exit: Exit::Signal(1),
    };
    assert_eq!(host.rig.exit().end, stopped);
}
