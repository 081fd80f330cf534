//! What hooks are refused with.

use std::os::unix::net::UnixStream;

use stratavore_wire::{Denial, Gate, Message, Role, WhenAway};

use crate::host::{ASKS, Done, Host};
use crate::support::{Line, until};

const TOOL: &str = r#"{"hook_event_name":"PreToolUse","session_id":"s"}"#;
const PROMPT: &str = r#"{"hook_event_name":"UserPromptSubmit","session_id":"s"}"#;
const OTHER: &str = r#"{"hook_event_name":"PostToolUse","session_id":"s"}"#;

fn shut(when_away: WhenAway) -> Gate {
    let outputs = [
        ("PreToolUse", "no \"tools\"\n"),
        ("UserPromptSubmit", "no prompts"),
    ];
    Gate {
        deny: Some(Denial {
            reason: "the budget is spent".to_owned(),
            outputs: outputs
                .map(|(event, output)| (event.to_owned(), output.to_owned()))
                .into(),
        }),
        when_away,
    }
}

fn set(host: &mut Host, gate: Gate) {
    host.line.say(&Message::Gate(gate));
    // It is heard before what comes after.
    host.line
        .say(&Message::GetScreen(stratavore_wire::GetScreen {
            ansi: false,
        }));
    host.line
        .hear_of(|message| matches!(message, Message::Screen { .. }).then_some(()));
}

fn leave(host: &mut Host) {
    let (left, _) = UnixStream::pair().unwrap();
    host.line = Line::new(left);
}

#[test]
fn what_is_denied_is_answered_word_for_word_and_told() {
    let mut host = Host::new(60_000);
    set(&mut host, shut(WhenAway::Open));
    for (payload, output) in [(TOOL, "no \"tools\"\n"), (PROMPT, "no prompts")] {
        let hook = host.hook(payload);
        let told = host.hooked();
        assert_eq!((told.payload.as_str(), told.denied), (payload, true));
        assert_eq!(hook.end(), Done::says(output));
    }
    let hook = host.hook(OTHER);
    assert!(!host.hooked().denied);
    assert_eq!(hook.end(), Done::silent());
    // What a gate does not name still waits for a person.
    let hook = host.hook(ASKS);
    let told = host.hooked();
    assert!(told.waits && !told.denied);
    assert!(host.answer(told.id, "allow"));
    assert_eq!(hook.end(), Done::says("allow"));

    set(&mut host, Gate::default());
    let hook = host.hook(TOOL);
    assert!(!host.hooked().denied);
    assert_eq!(hook.end(), Done::silent());
}

#[test]
fn a_request_that_is_denied_does_not_wait() {
    let mut host = Host::new(60_000);
    let mut gate = shut(WhenAway::Open);
    let outputs = &mut gate.deny.as_mut().unwrap().outputs;
    outputs.insert("PermissionRequest".to_owned(), "no".to_owned());
    set(&mut host, gate);
    let hook = host.hook(ASKS);
    let told = host.hooked();
    assert!(told.denied && !told.waits);
    assert_eq!(hook.end(), Done::says("no"));
}

#[test]
fn a_denial_that_is_open_when_away_holds_only_while_there_is_a_supervisor() {
    let mut host = Host::new(60_000);
    set(&mut host, shut(WhenAway::Open));
    leave(&mut host);
    until("the gate opens", || {
        (host.hook(TOOL).end() == Done::silent()).then_some(())
    });
    // The next supervisor finds it as it was left.
    host.line = host.rig.connect(Role::Supervisor);
    let hook = host.hook(TOOL);
    assert!(host.hooked().denied);
    assert_eq!(hook.end(), Done::says("no \"tools\"\n"));
}

#[test]
fn a_denial_that_is_closed_when_away_holds_on() {
    let mut host = Host::new(60_000);
    set(&mut host, shut(WhenAway::Closed));
    let held = host.hook(ASKS);
    assert!(host.hooked().waits);
    leave(&mut host);
    // By then the agent knows that it is alone.
    assert_eq!(held.end(), Done::silent());
    assert_eq!(host.hook(TOOL).end(), Done::says("no \"tools\"\n"));
    assert_eq!(host.hook(OTHER).end(), Done::silent());
}

#[test]
fn without_a_gate_nothing_is_denied_when_away() {
    let mut host = Host::new(60_000);
    set(
        &mut host,
        Gate {
            deny: None,
            when_away: WhenAway::Closed,
        },
    );
    leave(&mut host);
    assert_eq!(host.hook(TOOL).end(), Done::silent());
}
