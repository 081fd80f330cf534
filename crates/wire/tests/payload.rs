//! Payloads of hooks: what is understood of them, and what is left of long ones.

use std::time::Duration;

use serde_json::{Value, json};
use stratavore_wire::payload::{Head, cut};

const SHORTLY: Duration = Duration::from_secs(2);

fn cut_to(payload: &str, most: usize) -> Value {
    let text = cut(payload.as_bytes(), most);
    assert!(text.len() <= most, "{} bytes of {most}", text.len());
    serde_json::from_str(&text).unwrap()
}

#[test]
fn the_event_is_read_and_nothing_is_guessed() {
    let named = |payload: &str| Head::of(payload).event;
    let tool = r#" {"session_id":"s","hook_event_name":"PreToolUse","tool_input":{"x":[1]}}"#;
    assert_eq!(named(tool).as_deref(), Some("PreToolUse"));
    for malformed in [
        "",
        "PreToolUse",
        "null",
        "[]",
        r#"["PreToolUse"]"#,
        r#"{"hook_event_name":7}"#,
        r#"{"hook_event_name":"PreToolUse""#,
        r#"{"hook_event_name":"PreToolUse"} and more"#,
        r#"{"hook_event_name":"PreToolUse","hook_event_name":"Stop"}"#,
    ] {
        assert_eq!(Head::of(malformed), Head::default(), "{malformed}");
    }
}

#[test]
fn a_long_payload_keeps_its_names_and_what_is_short() {
    let payload = json!({
        "prompt": "p".repeat(100_000),
        "transcript_path": "/t.jsonl",
        "tool_input": {"content": "c".repeat(100_000), "file_path": "/f", "deep": {"a": 1}, "list": [1]},
        "list": [1, 2],
        "turn": 3,
        "hook_event_name": "PreToolUse",
        "session_id": "s",
    });
    assert_eq!(
        cut_to(&payload.to_string(), 4096),
        json!({
            "stratavore_cut": true,
            "transcript_path": "/t.jsonl",
            "tool_input": {"file_path": "/f"},
            "turn": 3,
            "hook_event_name": "PreToolUse",
            "session_id": "s",
        })
    );
    let head = Head::of(&cut(payload.to_string().as_bytes(), 4096));
    assert_eq!(
        (head.event.as_deref(), head.cut),
        (Some("PreToolUse"), true)
    );
}

#[test]
fn the_names_are_kept_behind_any_number_of_others() {
    let mut many: String = (0..1000).map(|n| format!(r#""k{n}":{n},"#)).collect();
    many = format!(r#"{{{many}"hook_event_name":"Stop","session_id":"s"}}"#);
    let kept = cut_to(&many, 4096);
    assert_eq!(
        (&kept["hook_event_name"], &kept["session_id"]),
        (&json!("Stop"), &json!("s"))
    );
    assert_eq!(kept["k0"], 0);
    assert_eq!(kept.get("k999"), None);
}

#[test]
fn what_comes_before_a_break_counts() {
    let whole = r#"{"hook_event_name":"PreToolUse","tool_input":{"file_path":"/f","content":"cc"#;
    assert_eq!(
        cut_to(whole, 4096),
        json!({"stratavore_cut": true, "hook_event_name": "PreToolUse", "tool_input": {"file_path": "/f"}})
    );
    for nothing in ["", "no json", "[1]", "{"] {
        assert_eq!(cut_to(nothing, 4096), json!({"stratavore_cut": true}));
    }
    // A program cannot pass a whole one off as cut, nor a cut one as whole.
    assert_eq!(
        cut_to(r#"{"stratavore_cut":false}"#, 4096),
        json!({"stratavore_cut": true})
    );
}

#[test]
fn any_bytes_are_cut_to_an_object_that_fits() {
    bolero::check!()
        .with_test_time(SHORTLY)
        .with_type::<(u16, Vec<u8>)>()
        .for_each(|(most, bytes)| {
            let most = usize::from(*most).max(1024);
            fits(bytes, most);
            // Something of the shape of a payload, with these bytes in it.
            let text = String::from_utf8_lossy(bytes);
            let payload =
                json!({&*text: &*text, "tool_input": {&*text: &*text}, "hook_event_name": "Stop"});
            fits(payload.to_string().as_bytes(), most);
            let head = Head::of(&cut(payload.to_string().as_bytes(), most));
            assert!(head.cut);
        });
}

fn fits(payload: &[u8], most: usize) {
    let text = cut(payload, most);
    assert!(text.len() <= most, "{} bytes of {most}", text.len());
    assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
}
