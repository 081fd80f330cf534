use super::*;

fn at() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn hook(payload: &Value) -> Hook {
    read(payload, at()).expect("understood")
}

fn need(payload: &Value) -> Option<Need> {
    hook(payload).said.map(|said| said.need)
}

fn event(name: &str) -> Value {
    json!({ "hook_event_name": name, "session_id": "s", "transcript_path": "/t.jsonl", "cwd": "/p" })
}

fn request(tool: &str, input: &Value) -> Value {
    let mut payload = event("PermissionRequest");
    payload["tool_name"] = json!(tool);
    payload["tool_input"] = input.clone();
    payload
}

fn with(name: &str, key: &str, value: &str) -> Value {
    let mut payload = event(name);
    payload[key] = json!(value);
    payload
}

#[test]
fn a_permission_request_tells_exactly_what_is_asked() {
    for (tool, input, subject) in [
        (
            "Bash",
            json!({ "command": "rm -rf 'a b'\nls" }),
            "rm -rf 'a b'\nls",
        ),
        (
            "Write",
            json!({ "file_path": "/p/a.rs", "content": "x" }),
            "/p/a.rs",
        ),
        ("Edit", json!({ "file_path": "/p/b.rs" }), "/p/b.rs"),
        (
            "WebFetch",
            json!({ "url": "https://example.org/", "prompt": "x" }),
            "https://example.org/",
        ),
        ("mcp__mail__send", json!({ "to": "a" }), r#"{"to":"a"}"#),
        ("Bash", json!({ "command": 3 }), r#"{"command":3}"#),
    ] {
        let hook = hook(&request(tool, &input));
        let ask = hook.ask.expect("asked");
        assert_eq!((ask.tool.as_str(), ask.subject.as_str()), (tool, subject));
        let said = hook.said.expect("said");
        assert_eq!(said.need, Need::NeedsPermission);
        assert_eq!(said.detail, Some(format!("{tool}: {subject}")));
        assert!(!hook.subagent);
    }
}

#[test]
fn a_question_needs_an_answer_and_cannot_be_allowed() {
    let question = request(
        "AskUserQuestion",
        &json!({ "questions": [{ "question": "Tea?" }, { "question": "Milk?" }, 3] }),
    );
    let asked = hook(&question);
    assert_eq!(asked.ask, None);
    let said = asked.said.expect("said");
    assert_eq!(said.need, Need::NeedsAnswer);
    assert_eq!(said.detail.as_deref(), Some("Tea?\nMilk?"));
    let plan = request("ExitPlanMode", &json!({ "plan": "x" }));
    let plan = hook(&plan);
    assert_eq!(plan.ask, None);
    let said = plan.said.expect("said");
    assert_eq!(
        (said.need, said.detail.as_deref()),
        (Need::NeedsPermission, Some("plan"))
    );
}

#[test]
fn what_is_too_long_to_show_is_not_offered() {
    let long = "x".repeat(SUBJECT_MAX + 1);
    let hook = hook(&request("Bash", &json!({ "command": long })));
    assert_eq!(hook.ask, None);
    let said = hook.said.expect("said");
    assert_eq!(said.need, Need::NeedsPermission);
    assert!(
        said.detail
            .is_some_and(|detail| detail.ends_with("bytes in all)"))
    );
}

#[test]
fn events_say_their_states() {
    assert_eq!(need(&event("UserPromptSubmit")), Some(Need::Working));
    assert_eq!(need(&event("PostToolUse")), Some(Need::Working));
    assert_eq!(need(&event("Stop")), Some(Need::Idle));
    let behind = |kind: &str, status: &str| {
        let mut stop = event("Stop");
        stop["background_tasks"] = json!([{ "id": "b1", "type": kind, "status": status }]);
        need(&stop)
    };
    assert_eq!(behind("shell", "running"), Some(Need::Idle));
    assert_eq!(behind("subagent", "running"), None);
    assert_eq!(behind("subagent", "completed"), Some(Need::Idle));
    assert_eq!(
        need(&with("SessionStart", "source", "clear")),
        Some(Need::Idle)
    );
    assert_eq!(
        need(&with("SessionStart", "source", "startup")),
        Some(Need::Idle)
    );
    assert_eq!(need(&with("SessionStart", "source", "compact")), None);
    assert_eq!(
        need(&with("PreCompact", "trigger", "manual")),
        Some(Need::Working)
    );
    assert_eq!(
        need(&with("PostCompact", "trigger", "manual")),
        Some(Need::Idle)
    );
    assert_eq!(need(&with("PostCompact", "trigger", "auto")), None);
    for name in [
        "PreToolUse",
        "Notification",
        "SubagentStop",
        "SessionEnd",
        "OfTomorrow",
    ] {
        assert_eq!(need(&event(name)), None, "{name}");
    }
}

#[test]
fn a_failure_tells_a_limit_from_an_error() {
    let error = hook(&with("StopFailure", "error", "server_error"))
        .said
        .expect("said");
    assert_eq!(error.need, Need::Errored);
    assert_eq!(error.detail.as_deref(), Some("server_error"));
    let limit = hook(&with("StopFailure", "error", "rate_limit"))
        .said
        .expect("said");
    assert_eq!((limit.need, limit.until), (Need::RateLimited, None));
    let mut told = with("StopFailure", "error", "rate_limit");
    told["last_assistant_message"] = json!("Claude AI usage limit reached|1735689600");
    let told = hook(&told).said.expect("said");
    assert_eq!(told.until, Timestamp::from_timestamp(1_735_689_600, 0));
}

#[test]
fn a_subagent_says_nothing_of_the_conversation_but_that_a_person_is_asked() {
    for name in [
        "UserPromptSubmit",
        "PostToolUse",
        "Stop",
        "StopFailure",
        "SessionStart",
        "PreCompact",
    ] {
        let mut payload = event(name);
        payload["agent_id"] = json!("a1");
        payload["source"] = json!("clear");
        let hook = hook(&payload);
        assert_eq!((hook.said, hook.subagent), (None, true), "{name}");
    }
    let mut asked = request("Bash", &json!({ "command": "ls" }));
    asked["agent_id"] = json!("a1");
    assert_eq!(need(&asked), Some(Need::NeedsPermission));
}

#[test]
fn what_is_malformed_or_huge_is_refused_in_words() {
    for (payload, words) in [
        (json!(null), "invalid type"),
        (json!([]), "invalid length"),
        (json!({}), "hook_event_name"),
        (json!({ "hook_event_name": 3 }), "invalid type"),
        (json!({ "hook_event_name": "" }), "empty"),
        (
            json!({ "hook_event_name": "Stop", "session_id": {} }),
            "invalid type",
        ),
        (
            json!({ "hook_event_name": "PermissionRequest" }),
            "tool_name",
        ),
        (
            json!({ "hook_event_name": "Stop", "x": "y".repeat(PAYLOAD_MAX) }),
            "bytes",
        ),
    ] {
        let refused = read(&payload, at()).expect_err("refused");
        assert!(refused.contains(words), "{refused}");
    }
    let relative = hook(&with("Stop", "transcript_path", "../x"));
    assert_eq!(relative.transcript, None);
}

#[test]
fn answers_are_as_the_program_reads_them() {
    let answered = |event: &str, verdict: &Verdict| {
        answer(event, verdict).map(|text| serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let deny = Verdict::Deny("no \"more\" today".to_owned());
    assert_eq!(
        answered("PermissionRequest", &Verdict::Allow),
        Some(json!({ "hookSpecificOutput": {
            "hookEventName": "PermissionRequest", "decision": { "behavior": "allow" } } }))
    );
    assert_eq!(
        answered("PermissionRequest", &deny),
        Some(json!({ "hookSpecificOutput": {
            "hookEventName": "PermissionRequest",
            "decision": { "behavior": "deny", "message": "no \"more\" today" } } }))
    );
    assert_eq!(
        answered("PreToolUse", &deny),
        Some(json!({ "hookSpecificOutput": {
            "hookEventName": "PreToolUse", "permissionDecision": "deny",
            "permissionDecisionReason": "no \"more\" today" } }))
    );
    assert_eq!(
        answered("UserPromptSubmit", &deny),
        Some(json!({ "decision": "block", "reason": "no \"more\" today" }))
    );
    assert_eq!(answered("PreToolUse", &Verdict::Allow), None);
    assert_eq!(answered("Stop", &deny), None);
}
