//! More hooks than a supervisor takes.

use std::fs;
use std::time::{Duration, Instant};

use stratavore_wire::{Hooked, Message};

use crate::host::{Done, Host};

/// So many come, from so many processes at once.
const COUNT: u64 = 300;
const AT_ONCE: u64 = 8;
/// What each tells.
const LENGTH: usize = 256 * 1024;
/// What the agent may hold then: what waits for the supervisor, and what is coming in.
const HELD_MAX: u64 = 24 << 20;

fn pss(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes: u64 = line
        .unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kilobytes << 10
}

#[test]
fn a_flood_is_bounded_and_what_is_not_told_is_counted() {
    let mut host = Host::new(60_000);
    let agent = host.rig.record().agent_pid;
    let payload = format!(
        r#"{{"hook_event_name":"PostToolUse","text":"{}"}}"#,
        "x".repeat(LENGTH)
    );
    let file = host.payload(payload.as_bytes());
    let flood = host.run(&format!(
        r#"seq {COUNT} | xargs -P {AT_ONCE} -I{{}} sh -c '"$AGENT" hook <{file} || echo failed'"#
    ));
    // Nothing of it is read here until all are done.
    let mut most = 0;
    while !flood.has_ended() {
        most = most.max(pss(agent));
        std::thread::park_timeout(Duration::from_millis(5));
    }
    assert_eq!(flood.end(), Done::silent());
    assert!(most < HELD_MAX, "the agent held {most} bytes");
    let log = fs::read_to_string(host.rig.attempt("agent.log")).unwrap();
    assert!(log.contains("cannot tell a supervisor of"), "{log}");

    // The supervisor takes what waited, and is told with the next how many it missed.
    let last = r#"{"hook_event_name":"Stop"}"#;
    let mut told: Vec<Hooked> = Vec::new();
    while told.len() < 4 {
        told.push(host.hooked());
    }
    let stop = host.hook(last);
    loop {
        let hooked = host.hooked();
        let is_last = hooked.payload == last;
        told.push(hooked);
        if is_last {
            break;
        }
    }
    assert_eq!(stop.end(), Done::silent());
    let missed: u64 = told.iter().map(|hooked| hooked.missed).sum();
    assert!(missed > 0);
    assert_eq!(told.len() as u64 + missed, COUNT + 1);
    assert!(told.windows(2).all(|pair| pair[0].id < pair[1].id));
}

#[test]
fn a_thousand_small_hooks_are_all_told_and_the_terminal_goes_on() {
    const MANY: usize = 1000;
    let mut host = Host::new(60_000);
    let file = host.payload(br#"{"hook_event_name":"PreToolUse","tool_name":"Bash"}"#);
    let flood = host.run(&format!(
        r#"seq {MANY} | xargs -P 8 -I{{}} sh -c '"$AGENT" hook <{file} || echo failed'"#
    ));
    let mut line = host.rig.connect(stratavore_wire::Role::Client);
    let mut slowest = Duration::ZERO;
    for told in 0..MANY {
        let hooked = host.hooked();
        assert_eq!(hooked.missed, 0);
        if told % 50 == 0 {
            let asked = Instant::now();
            line.say(&Message::GetScreen(stratavore_wire::GetScreen {
                ansi: false,
            }));
            line.hear_of(|message| matches!(message, Message::Screen { .. }).then_some(()));
            slowest = slowest.max(asked.elapsed());
        }
    }
    assert_eq!(flood.end(), Done::silent());
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[test]
fn a_round_trip_takes_milliseconds_with_its_process() {
    const MANY: usize = 200;
    let mut host = Host::new(60_000);
    let file = host.payload(br#"{"hook_event_name":"PreToolUse","tool_name":"Bash"}"#);
    let run = host.run(&format!(
        r#"for n in $(seq {MANY}); do "$AGENT" hook <{file}; done"#
    ));
    // Each begins when the one before has returned.
    let told: Vec<i64> = (0..MANY).map(|_| host.hooked().at.as_micros()).collect();
    assert_eq!(run.end(), Done::silent());
    let mut took: Vec<i64> = told.windows(2).map(|pair| pair[1] - pair[0]).collect();
    took.sort_unstable();
    let (half, most) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    println!("hook round trip: p50 {half} µs, p99 {most} µs");
    // An optimized build on an idle machine takes a tenth of it.
    assert!(half < 50_000, "p50 {half} µs, p99 {most} µs");
}
