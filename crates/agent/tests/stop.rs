//! Ending and pausing whole trees.

mod support;

use stratavore_agent::process::Stat;
use stratavore_wire::*;
use support::{Rig, alive, until};

/// Six that do not want to end: in the background, under nohup, under setsid, double-forked, ignoring every polite signal,
/// and the program itself, which ignores them too. An ignored signal is inherited by all of them.
const NASTY: &str = r#"
trap '' HUP TERM INT
sleep 1001 &
nohup sleep 1002 > /dev/null 2>&1 &
setsid sleep 1003 &
(setsid sh -c 'sleep 1004 & sleep 1005 & exit 0' &)
sh -c 'trap "" TERM HUP INT; while :; do sleep 1006; done' &
echo ready
while :; do sleep 1007; done
"#;
/// The program, its sleeps, and the loop with its own.
const NASTY_COUNT: usize = 9;

fn nasty() -> (Rig, support::Line, Started) {
    let rig = Rig::script(NASTY);
    let (line, started) = rig.start();
    rig.shows("ready");
    until("the whole tree", || {
        (rig.running().len() >= NASTY_COUNT - 1).then_some(())
    });
    (rig, line, started)
}

#[test]
fn a_tree_that_ignores_everything_is_ended() {
    let (rig, mut line, _) = nasty();
    line.say(&Message::Stop(Stop { grace_ms: 100 }));
    let exited = line.exited();
    assert_eq!(
        (exited.exit, exited.stopped),
        (Exit::Signal(libc::SIGKILL), true)
    );
    assert!(line.stopped().killed >= 8);
    assert!(rig.running().is_empty());
    assert_eq!(
        rig.exit().end,
        End::Stopped {
            exit: Exit::Signal(libc::SIGKILL)
        }
    );
    line.ended();
}

#[test]
fn a_tree_that_listens_ends_politely_and_at_once() {
    let rig = Rig::script("trap 'echo bye; exit 7' TERM; sleep 1000 & echo ready; wait");
    let (mut line, _) = rig.start();
    rig.shows("ready");
    line.say(&Message::Stop(Stop { grace_ms: 600_000 }));
    // HUP comes first; this shell has no trap for it.
    let exited = line.exited();
    assert!(
        matches!(
            exited.exit,
            Exit::Code(7) | Exit::Signal(libc::SIGHUP | libc::SIGTERM)
        ),
        "{exited:?}"
    );
    assert_eq!(line.stopped().killed, 0);
    assert!(rig.running().is_empty());
}

#[test]
fn twenty_stops_are_one() {
    let (rig, mut line, _) = nasty();
    let mut clients: Vec<_> = (0..20).map(|_| rig.connect(Role::Client)).collect();
    for client in &mut clients {
        client.say(&Message::Stop(Stop { grace_ms: 300 }));
    }
    let mut exits = 0;
    let mut stops = 0;
    while let Some(message) = line.hear_or_end() {
        match message {
            Message::Exited(_) => exits += 1,
            Message::Stopped(_) => stops += 1,
            _ => {}
        }
    }
    assert_eq!((exits, stops), (1, 1));
    for client in &mut clients {
        client.ended();
    }
    assert!(rig.running().is_empty());
}

#[test]
fn a_later_stop_may_hasten_but_not_delay() {
    let (rig, mut line, _) = nasty();
    line.say(&Message::Stop(Stop { grace_ms: 600_000 }));
    line.say(&Message::Stop(Stop { grace_ms: 0 }));
    line.say(&Message::Stop(Stop { grace_ms: 600_000 }));
    line.ended();
    assert!(rig.running().is_empty());
}

#[test]
fn an_orphaned_tree_is_ended_after_its_program() {
    let rig = Rig::script("(trap '' TERM HUP; setsid sleep 1000 &) ; echo ready; exit 0");
    let (mut line, _) = rig.start();
    let exited = line.exited();
    assert_eq!((exited.exit, exited.stopped), (Exit::Code(0), false));
    assert_eq!(exited.leftovers, 1);
    assert_eq!(
        rig.exit().end,
        End::Exited {
            exit: Exit::Code(0)
        }
    );
    line.stopped();
    assert!(rig.running().is_empty());
}

fn states(rig: &Rig) -> Vec<u8> {
    rig.running().iter().map(|stat| stat.state).collect()
}

#[test]
fn a_pause_stops_the_whole_tree_and_a_continue_continues_it() {
    let rig = Rig::script(
        "setsid sh -c 'while :; do :; done' & sh -c 'while :; do :; done' & echo ready; cat",
    );
    let (mut line, _) = rig.start();
    rig.shows("ready");
    until("the tree", || (rig.running().len() == 4).then_some(()));
    line.say(&Message::Freeze);
    let frozen = line.hear_of(|message| match message {
        Message::Frozen(frozen) => Some(frozen),
        _ => None,
    });
    assert_eq!((frozen.frozen, frozen.processes), (true, 4));
    // A shell inside of vfork waits for its child, stopped before it executes anything, and is as still as that.
    until("all to be stopped", || {
        states(&rig)
            .iter()
            .all(|state| matches!(state, b'T' | b'D'))
            .then_some(())
    });

    line.say(&Message::Thaw);
    let thawed = line.hear_of(|message| match message {
        Message::Frozen(frozen) => Some(frozen),
        _ => None,
    });
    assert!(!thawed.frozen);
    until("all to go on", || {
        (!states(&rig).contains(&b'T')).then_some(())
    });
    let mut client = rig.connect(Role::Client);
    client.type_in("still here\n");
    rig.shows("still here\nstill here");
}

#[test]
fn a_paused_tree_can_be_stopped() {
    let (rig, mut line, started) = nasty();
    line.say(&Message::Freeze);
    line.say(&Message::Stop(Stop { grace_ms: 100 }));
    line.ended();
    assert!(rig.running().is_empty());
    assert!(!alive(started.program.pid));

    // One that listens does so though it was paused.
    let rig = Rig::script("echo ready; exec cat");
    let (mut line, _) = rig.start();
    rig.shows("ready");
    line.say(&Message::Freeze);
    line.say(&Message::Stop(Stop { grace_ms: 600_000 }));
    let exit = line.exited().exit;
    assert!(
        matches!(exit, Exit::Signal(libc::SIGHUP | libc::SIGTERM)),
        "{exit}"
    );
    line.ended();
}

#[test]
fn a_machine_that_shuts_down_interrupts_the_runner() {
    let rig = Rig::script("echo ready; exec cat");
    let (mut line, _) = rig.start();
    rig.shows("ready");
    Stat::read(rig.record().agent_pid)
        .unwrap()
        .process
        .signal(rustix::process::Signal::TERM);
    let exited = line.exited();
    assert!(exited.interrupted);
    line.ended();
    assert_eq!(rig.exit().end.reason(), "interrupted");
}

#[test]
fn a_tree_that_breeds_is_ended() {
    // Each ends when its child lives: no list of processes is ever complete.
    let rig = Rig::script(
        "trap '' HUP TERM; cat > breed <<'END'\ntrap '' HUP TERM\nsleep 0.01\nsetsid sh ./breed &\nEND\nsh ./breed & sh ./breed & sh ./breed & echo ready; while :; do sleep 1; done",
    );
    let (mut line, _) = rig.start();
    rig.shows("ready");
    line.say(&Message::Stop(Stop { grace_ms: 50 }));
    line.ended();
    assert!(rig.running().is_empty());
}
