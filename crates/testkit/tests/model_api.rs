//! The stand-in for the Messages API, asked over plain TCP.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use stratavore_testkit::model_api::{Answer, ModelApi};
use stratavore_testkit::wait_until;

fn ask(api: &ModelApi, request: &str, body: &str) -> String {
    let mut stream = open(api, request, body);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

fn open(api: &ModelApi, request: &str, body: &str) -> TcpStream {
    let url = api.url();
    let address = url.strip_prefix("http://").expect("a plain URL");
    let mut stream = TcpStream::connect(address).expect("connected");
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nX-Test: yes\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    stream
}

fn typed(text: &str) -> String {
    format!(
        r#"{{"model":"m","stream":true,"messages":[{{"role":"user","content":[
            {{"type":"text","text":"<system-reminder>do not good morning</system-reminder>"}},
            {{"type":"text","text":"{text}"}}]}},
            {{"role":"system","content":"not typed: list"}}]}}"#
    )
}

#[test]
fn it_streams_the_answer_that_fits_and_records_the_request() {
    let api = ModelApi::start().expect("started");
    api.answer_when("good morning", Answer::text("Good morning."));
    api.answer_when("list", Answer::bash("ls -l"));

    let answer = ask(&api, "POST /v1/messages?beta=true", &typed("good morning"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("request-id: req_"), "{answer}");
    let kinds: Vec<_> = answer
        .lines()
        .filter_map(|line| line.trim().strip_prefix("event: "))
        .collect();
    assert_eq!(
        kinds,
        [
            "message_start",
            "ping",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert!(answer.contains(r#""text":"Good ""#), "{answer}");
    assert!(answer.contains(r#""ephemeral_1h_input_tokens":190"#));

    let answer = ask(&api, "POST /v1/messages?beta=true", &typed("list it"));
    assert!(answer.contains(r#""stop_reason":"tool_use""#));
    assert!(answer.contains(r#"\"command\":\"ls -l\""#), "{answer}");
    let answer = ask(&api, "POST /v1/messages", &typed("else"));
    assert!(answer.contains("heard: "), "{answer}");

    let requests = api.conversations();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0].query, "beta=true");
    assert_eq!(requests[0].last_message(), "good morning");
    assert_eq!(requests[0].headers["x-test"], "yes");
}

#[test]
fn errors_are_answered_and_the_rest_is_not_refused() {
    let api = ModelApi::start().expect("started");
    let overloaded = Answer::Error {
        status: 529,
        kind: "overloaded_error".to_owned(),
    };
    api.answer_when("too much", overloaded);
    let answer = ask(&api, "POST /v1/messages", &typed("too much"));
    assert!(answer.starts_with("HTTP/1.1 529"), "{answer}");
    assert!(answer.contains("overloaded_error"));
    let answer = ask(&api, "POST /v1/messages/count_tokens", "{}");
    assert!(answer.contains("input_tokens"));
    assert!(ask(&api, "HEAD /", "").starts_with("HTTP/1.1 200"));
    assert!(ask(&api, "GET /anything", "").ends_with("{}"));
    assert_eq!(api.requests().len(), 4);
}

#[test]
fn a_held_answer_waits_to_be_released() {
    let api = ModelApi::start().expect("started");
    api.answer_when("slowly", Answer::Held("At last.".to_owned()));
    let mut stream = open(&api, "POST /v1/messages", &typed("slowly"));
    let mut begun = String::new();
    let mut buffer = [0; 4096];
    wait_until(Duration::from_secs(5), "the opening", || {
        let count = stream.read(&mut buffer).unwrap_or(0);
        begun.push_str(&String::from_utf8_lossy(&buffer[..count]));
        begun.contains("event: ping")
    });
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("set");
    assert!(stream.read(&mut buffer).is_err(), "it did not wait");
    api.release();
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("set");
    let mut rest = String::new();
    stream.read_to_string(&mut rest).expect("answered");
    assert!(rest.contains("At "), "{rest}");
    assert!(rest.contains("message_stop"));
}

#[test]
fn it_speaks_as_openai_does() {
    let api = ModelApi::start().expect("started");
    api.answer_when("good morning", Answer::text("Good morning."));
    api.answer_when("it ran", Answer::bash("ls -l"));
    let body = |item: &str| {
        format!(
            r#"{{"model":"m","stream":true,"input":[{{"type":"message","role":"user","content":[
                {{"type":"input_text","text":"<environment_context>good morning</environment_context>"}},
                {{"type":"input_text","text":"good morning"}}]}},{item}]}}"#
        )
    };
    let said = r#"{"type":"message","role":"assistant","content":[]}"#;
    let answer = ask(&api, "POST /v1/responses", &body(said));
    for part in [
        "event: response.created",
        r#""delta":"morning.""#,
        "event: response.completed",
        r#""input_tokens":1311"#,
    ] {
        assert!(answer.contains(part), "no {part} in {answer}");
    }
    let ran = r#"{"type":"function_call_output","call_id":"c","output":"it ran"}"#;
    let answer = ask(&api, "POST /v1/responses", &body(ran));
    assert!(answer.contains(r#""type":"function_call""#), "{answer}");
    let asked: Vec<_> = api.conversations();
    assert_eq!(asked[0].last_message(), "good morning");
    assert_eq!(asked[1].last_message(), "it ran");
}

#[test]
fn it_speaks_as_google_does() {
    let api = ModelApi::start().expect("started");
    api.answer_when("good morning", Answer::text("Good morning."));
    api.answer_when("it ran", Answer::bash("ls -l"));
    let typed = r#"{"contents":[{"role":"user","parts":[{"text":"good morning"}]}]}"#;
    let path = "POST /v1beta/models/gemini-x:streamGenerateContent?alt=sse";
    let answer = ask(&api, path, typed);
    for part in [
        r#""text":"Good morning.""#,
        r#""promptTokenCount":1311"#,
        r#""modelVersion":"gemini-x""#,
    ] {
        assert!(answer.contains(part), "no {part} in {answer}");
    }
    let ran = r#"{"contents":[{"role":"user","parts":[{"functionResponse":{"name":"Bash","response":{"output":"it ran"}}}]}]}"#;
    let answer = ask(&api, "POST /v1beta/models/gemini-x:generateContent", ran);
    assert!(answer.contains(r#""functionCall""#), "{answer}");
    assert_eq!(api.conversations().len(), 2);
}
