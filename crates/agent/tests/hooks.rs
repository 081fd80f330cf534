//! Hooks of a program: told, answered, held for a person, denied, and never harmful.
#![allow(unreachable_pub, reason = "parts of a test")]

#[path = "hooks/away.rs"]
mod away;
#[path = "hooks/flood.rs"]
mod flood;
#[path = "hooks/gates.rs"]
mod gates;
#[path = "hooks/host.rs"]
mod host;
mod support;
#[path = "hooks/waiting.rs"]
mod waiting;

use std::fs;
use std::os::unix::fs::MetadataExt;

use host::*;
use serde_json::{Value, json};
use stratavore_wire::hello::capability;
use stratavore_wire::payload::PAYLOAD_MAX;
use stratavore_wire::*;

#[test]
fn a_hook_is_told_as_it_is_and_answered_with_nothing() {
    let mut host = Host::new(60_000);
    let payload = r#"{"hook_event_name":"Stop", "session_id":"s", "text":"grün \u0007"}"#;
    let hook = host.hook(payload);
    let hooked = host.hooked();
    assert_eq!(hooked.payload, payload);
    assert_eq!(
        (hooked.waits, hooked.denied, hooked.missed),
        (false, false, 0)
    );
    assert_eq!(hook.end(), Done::silent());
    let other = host.hook(payload);
    let later = host.hooked();
    assert!(later.id > hooked.id && later.at >= hooked.at, "{later:?}");
    assert_eq!(other.end(), Done::silent());
}

#[test]
fn the_program_finds_its_own_agent_whatever_it_inherits() {
    let mut host = Host::with(|launch| {
        let outer = "/nowhere/outer.sock".to_owned();
        launch.env.push((hook::SOCKET_VARIABLE.to_owned(), outer));
    });
    let told = host.run("printenv STRATAVORE_AGENT_SOCKET").end();
    assert_eq!(told.out.trim(), host.rig.launch.socket.to_str().unwrap());
    host.hook(r#"{"hook_event_name":"Stop"}"#);
    assert!(host.hooked().payload.contains("Stop"));
}

#[test]
fn what_is_malformed_is_told_as_it_is() {
    let mut host = Host::new(60_000);
    for malformed in [
        "",
        "no json",
        "[]",
        r#"{"hook_event_name":"PermissionRequest""#,
    ] {
        let hook = host.hook(malformed);
        let hooked = host.hooked();
        assert_eq!((hooked.payload.as_str(), hooked.waits), (malformed, false));
        assert_eq!(hook.end(), Done::silent());
    }
    let hook = host.hook_of_bytes(b"\xff\0{");
    assert_eq!(host.hooked().payload, "\u{fffd}\0{");
    assert_eq!(hook.end(), Done::silent());
}

#[test]
fn what_is_huge_is_told_by_its_names_and_never_waits() {
    let mut host = Host::new(60_000);
    // As long as is passed on whole; longer; longer than is read; and of one that names itself only behind all that.
    let padded = |event: &str, length: usize| {
        format!(
            r#"{{"hook_event_name":"{event}","session_id":"s","tool_input":{{"file_path":"/f","content":"{}"}}}}"#,
            "x".repeat(length)
        )
    };
    let frame = padded("Stop", 0).len();
    let whole = padded("Stop", PAYLOAD_MAX - frame);
    let hook = host.hook(&whole);
    assert!(host.hooked().payload == whole);
    assert_eq!(hook.end(), Done::silent());
    for length in [PAYLOAD_MAX, 3 << 20, 20 << 20] {
        let hook = host.hook(&padded("PermissionRequest", length));
        let hooked = host.hooked();
        assert_eq!(
            serde_json::from_str::<Value>(&hooked.payload).unwrap(),
            json!({"hook_event_name": "PermissionRequest", "session_id": "s", "stratavore_cut": true,
                "tool_input": {"file_path": "/f"}})
        );
        assert!(!hooked.waits, "a person cannot see what is asked");
        assert_eq!(hook.end(), Done::silent());
    }
    let hook = host.hook(&format!(
        r#"{{"content":"{}","hook_event_name":"Stop"}}"#,
        "x".repeat(9 << 20)
    ));
    assert_eq!(host.hooked().payload, r#"{"stratavore_cut":true}"#);
    assert_eq!(hook.end(), Done::silent());
}

#[test]
fn a_program_that_does_not_end_its_words_is_heard() {
    let mut host = Host::new(60_000);
    let hook = host.run(
        r#"mkfifo held; exec 3<>held; printf '{"hook_event_name":"Stop"}' >&3; "$AGENT" hook <&3"#,
    );
    assert_eq!(host.hooked().payload, r#"{"hook_event_name":"Stop"}"#);
    assert_eq!(hook.end(), Done::silent());
}

#[test]
fn a_process_that_is_not_the_runners_is_refused() {
    let mut host = Host::new(60_000);
    let mut stranger = host.rig.connect(Role::Client);
    let payload = r#"{"hook_event_name":"PermissionRequest"}"#;
    stranger.say(&Message::Hook(Hook {
        payload: payload.to_owned(),
    }));
    match stranger.hear() {
        Message::Refused(refused) => {
            assert_eq!(refused.code, Refusal::NotOfThisRunner);
            assert!(refused.message.contains("not a process of this runner"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(stranger.hear_or_end(), None);
    // Nor is it believed with the command that the program runs, which says nothing of it.
    let outside = away::outside(Some(&host.rig.launch.socket), payload.as_bytes());
    assert_eq!(outside.done, Done::silent());
    // The supervisor never heard of any: the first that it is told is this.
    host.hook(r#"{"hook_event_name":"Stop"}"#);
    assert_eq!(host.hooked().id, 1);
}

#[test]
fn only_a_supervisor_answers_and_gates() {
    let mut host = Host::new(60_000);
    let hook = host.hook(ASKS);
    let id = host.hooked().id;
    for role in [Role::Client, Role::Viewer] {
        let mut line = host.rig.connect(role);
        for message in [
            Message::Gate(Gate::default()),
            Message::HookAnswer(HookAnswer {
                id,
                output: "allow".to_owned(),
            }),
        ] {
            line.say(&message);
            match line.hear_past_viewers() {
                Message::Refused(refused) => assert_eq!(refused.code, Refusal::OutOfTurn),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(host.answer(id, "deny"));
    assert_eq!(hook.end(), Done::says("deny"));
}

#[test]
fn a_supervisor_that_adopts_is_told_the_session_again() {
    let mut host = Host::new(60_000);
    host.hook(r#"{"hook_event_name":"SessionStart","session_id":"first"}"#);
    host.hooked();
    let long = json!({"hook_event_name": "UserPromptSubmit", "prompt": "p".repeat(10_000), "session_id": "second"});
    host.hook(&long.to_string());
    let told = host.hooked();
    host.hook(r#"{"hook_event_name":"Stop","session_id":"second"}"#);
    host.hooked();
    let mut adopter = host.rig.connect(Role::Supervisor);
    let again = hooked(&mut adopter);
    assert_eq!((again.id, again.at), (told.id, told.at));
    assert!(again.payload.len() <= 4096);
    let payload: Value = serde_json::from_str(&again.payload).unwrap();
    assert_eq!(payload["hook_event_name"], "UserPromptSubmit");
    assert_eq!(payload["session_id"], "second");
    // And of nothing else but what comes.
    host.hook(r#"{"hook_event_name":"Notification"}"#);
    assert!(hooked(&mut adopter).payload.contains("Notification"));
}

#[test]
fn an_agent_says_that_it_takes_hooks_and_tells_only_supervisors_that_want_them() {
    let mut host = Host::new(60_000);
    let mut hello = Hello::new(Role::Supervisor, "old");
    assert_eq!(hello.capabilities, [capability::HOOKS]);
    hello.capabilities.clear();
    let mut old = host.rig.greet(hello);
    let hook = host.hook(r#"{"hook_event_name":"Stop"}"#);
    host.hooked();
    assert_eq!(hook.end(), Done::silent());
    old.say(&Message::GetScreen(GetScreen { ansi: false }));
    let told = old.hear_of(|message| match message {
        Message::Screen { .. } => Some(false),
        Message::Hooked(_) => Some(true),
        _ => None,
    });
    assert!(!told, "one that does not know hooks was told of them");
}

#[test]
fn the_words_of_a_program_are_nowhere_on_disk() {
    let mut host = Host::new(60_000);
    host.hook(r#"{"hook_event_name":"Stop","secret":"xyzzy"}"#);
    host.hooked();
    for file in fs::read_dir(host.rig.attempt("")).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert!(
            !String::from_utf8_lossy(&bytes).contains("xyzzy"),
            "{}",
            path.display()
        );
    }
    // Others may not even knock.
    assert_eq!(
        fs::metadata(&host.rig.launch.socket).unwrap().mode() & 0o777,
        0o600
    );
}
