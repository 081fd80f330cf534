//! OpenCode: what it needs, answered from outside too, beside a person's own plugins.

use std::fs;
use std::path::PathBuf;

use stratavore_rpc::v1;
use stratavore_testkit::model_api::{Answer, USAGE};
use stratavore_testkit::{wait_until, wait_until_async};

use crate::support::{SOON, reference};
use crate::world::{World, attention, decide};

/// What it shows when Esc must be pressed once more to end a turn.
const AGAIN: &str = "esc again";

/// Wants a shell command run.
fn bash(command: &str) -> Answer {
    Answer::Tool {
        name: "bash".into(),
        input: serde_json::json!({ "command": command, "description": "As the test says" }),
    }
}

/// Gives a person a plugin of their own in OpenCode's terminal, which leaves a mark; returns the mark, and all of their settings.
fn own_plugin(world: &World) -> (PathBuf, Vec<(PathBuf, Vec<u8>)>) {
    let config = world.host.home.home().join(".config/opencode");
    let mark = config.join("own-plugin-ran");
    let plugin = format!(
        r#"import {{ writeFileSync }} from "node:fs"
export default {{ id: "own", tui: async () => writeFileSync({mark:?}, "") }}
"#
    );
    fs::write(config.join("own.js"), plugin).expect("written");
    let settings = r#"{ "plugin": ["./own.js"], "theme": "gruvbox" } "#;
    fs::write(config.join("tui.json"), settings).expect("written");
    let files = ["opencode.json", "tui.json", "own.js"].map(|name| config.join(name));
    let files = files.map(|file| (file.clone(), fs::read(&file).expect("read")));
    (mark, files.into())
}

/// Ends the turn of `r` by Esc, which has to be pressed twice.
async fn ends_turn(world: &World) {
    world.host.type_keys("r", "\x1b").await;
    world.host.shows("r", AGAIN).await;
    world.host.type_keys("r", "\x1b").await;
    world.needs("r", "idle").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opencode_is_seen_to_work_to_ask_to_fail_and_to_be_done_beside_a_persons_own_plugin() {
    let mut world = World::opencode().await;
    let (mark, settings) = own_plugin(&world);
    let made = world.project.join("made");
    let command = format!("touch {}", made.display());
    world.api.answer_when("make it", bash(&command));
    let questions = serde_json::json!({ "questions": [{
        "question": "Which database?", "header": "Database",
        "options": [{ "label": "SQLite", "description": "a file" }, { "label": "PostgreSQL", "description": "a server" }],
    }] });
    let question = Answer::Tool {
        name: "question".into(),
        input: questions,
    };
    world.api.answer_when("ask me", question);
    let error = Answer::Error {
        status: 400,
        kind: "invalid_request_error".into(),
    };
    world.api.answer_when("break it", error);
    let limit = Answer::Error {
        status: 429,
        kind: "rate_limit_error".into(),
    };
    world.api.answer_when("too much", limit);
    world
        .api
        .answer_when("for ever", Answer::Held("never".into()));
    world.launch("r").await;
    let idle = world.needs("r", "idle").await;
    assert_eq!(idle.source, "hook", "{idle:?}");
    wait_until(SOON, "their own plugin runs too", || mark.exists());

    // By a key in its terminal.
    world.host.send("r", "make it").await;
    let needs = world.needs("r", "needs-permission").await;
    assert_eq!(needs.detail, Some(format!("bash: {command}")), "{needs:?}");
    let named = world.host.runner("r").await.session_id;
    assert!(named.is_some_and(|id| id.starts_with("ses_")));
    let asked = |runner: &v1::Runner| attention(runner).ask.is_some();
    let ask = attention(&world.host.until("r", asked).await).ask.unwrap();
    world.host.shows("r", "Permission required").await;
    world.host.type_keys("r", "\r").await;
    wait_until(SOON, "the command ran", || made.exists());
    world.needs("r", "idle").await;
    let late = decide(&world.host, "r", &ask.id, false).await.unwrap_err();
    assert!(late.contains("no longer waits for that"), "{late}");

    world.host.send("r", "ask me").await;
    let needs = world.needs("r", "needs-answer").await;
    assert_eq!(needs.detail.as_deref(), Some("Which database?"));
    world.host.type_keys("r", "\x1b").await;
    world.needs("r", "idle").await;

    world.host.send("r", "break it").await;
    let failed = world.needs("r", "errored").await;
    let words = failed.detail.unwrap_or_default();
    assert!(words.starts_with("as the test says"), "{words}");

    world.host.send("r", "too much").await;
    let limited = world.needs("r", "rate-limited").await;
    let words = limited.detail.unwrap_or_default();
    assert!(words.ends_with("it tries again by itself"), "{words}");
    ends_turn(&world).await;

    world.host.send("r", "for ever").await;
    world.needs("r", "working").await;
    // What its terminal does not say, its agent remembers.
    world.host.kill();
    world.host.begin().await;
    world.needs("r", "working").await;
    ends_turn(&world).await;
    for (file, before) in settings {
        assert_eq!(fs::read(&file).expect("read"), before, "{}", file.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_of_opencode_is_given_from_outside_and_bound_to_its_request() {
    let world = World::opencode().await;
    let made = world.project.join("made");
    let command = format!("touch {}", made.display());
    world.api.answer_when("make it", bash(&command));
    world.launch("r").await;
    let asked = |runner: &v1::Runner| attention(runner).ask.is_some();

    world.host.send("r", "make it").await;
    let ask = attention(&world.host.until("r", asked).await).ask.unwrap();
    assert_eq!(
        (ask.tool.as_str(), ask.subject.as_str()),
        ("bash", command.as_str())
    );
    let told = world.told("needs-permission").await;
    assert_eq!(told[0].body, command, "the exact command");
    let request = v1::DecideRequest {
        runner: "r".into(),
        ask: ask.id.clone(),
        allow: false,
        reason: Some("not on a Monday".into()),
    };
    world.host.client().decide(request).await.unwrap();
    world.needs("r", "idle").await;
    assert!(!made.exists());
    let heard = world.api.conversations().iter().any(|asked| {
        let body = serde_json::to_string(&asked.body).unwrap_or_default();
        body.contains("not on a Monday")
    });
    assert!(heard, "the reason reaches the model");

    world.host.send("r", "make it").await;
    let next = attention(&world.host.until("r", asked).await).ask.unwrap();
    assert_ne!(next.id, ask.id);
    let refused = decide(&world.host, "r", &ask.id, true).await.unwrap_err();
    assert!(refused.contains("no longer waits for that"), "{refused}");
    assert!(!made.exists());
    decide(&world.host, "r", &next.id, true).await.unwrap();
    wait_until(SOON, "the command ran", || made.exists());
    world.needs("r", "idle").await;
    let again = decide(&world.host, "r", &next.id, true).await.unwrap_err();
    assert!(again.contains("no longer waits for that"), "{again}");
}

/// Waits until so many answers count, each as the stand-in told it.
async fn counted(world: &World, messages: u64) -> v1::UsageReport {
    let request = v1::UsageRequest {
        by: Some("session".into()),
        ..v1::UsageRequest::default()
    };
    let report = wait_until_async(SOON, "every answer counts", async || {
        let report = world.host.client().get_usage(request.clone()).await;
        let report = report.map_err(|error| error.to_string())?.into_inner();
        let total = report.total.clone().unwrap_or_default();
        if total.messages == messages {
            Ok(report)
        } else {
            Err(format!("{report:?}"))
        }
    })
    .await;
    let total = report.total.clone().unwrap();
    let written = USAGE.cache_write_5m + USAGE.cache_write_1h;
    assert_eq!(
        (
            total.input_tokens,
            total.output_tokens,
            total.cache_read_input_tokens,
            total.cache_creation_input_tokens
        ),
        (
            messages * USAGE.input,
            messages * USAGE.output,
            messages * USAGE.cache_read,
            messages * written
        )
    );
    report
}

/// Begins a conversation in `first`, and returns that with its session.
async fn remembers(world: &World) -> (v1::Runner, String) {
    world
        .api
        .answer_when("remember", Answer::text("I remember heliotrope."));
    let runner = world.launch("first").await;
    world.host.send("first", "remember").await;
    world.host.shows("first", "I remember heliotrope.").await;
    world.needs("first", "idle").await;
    let named = |runner: &v1::Runner| runner.session_id.is_some();
    let id = world.host.until("first", named).await.session_id.unwrap();
    (runner, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_opencode_is_resumed_and_started_again_with_its_conversation_which_counts_once() {
    let world = World::opencode().await;
    world
        .api
        .answer_when("and now", Answer::text("The same conversation."));
    let (runner, id) = remembers(&world).await;
    let said = |sessions: &[v1::Session]| {
        let mut known = sessions.iter().filter(|session| session.id == id);
        known.any(|session| session.title.is_some() && session.model.is_some())
    };
    let sessions = world.sessions_until(said).await;
    assert_eq!(sessions.len(), 1, "{sessions:#?}");
    let session = &sessions[0];
    assert_eq!(
        (session.program.as_str(), session.project.as_deref()),
        ("opencode", Some("p"))
    );
    assert_eq!(session.runner.as_deref(), Some("first"));
    assert_eq!(session.requests, 1);
    counted(&world, 1).await;
    let mut client = world.host.client();
    let query = v1::SearchSessionsRequest {
        query: "heliotr".into(),
        ..v1::SearchSessionsRequest::default()
    };
    let found = client.search_sessions(query).await.unwrap().into_inner();
    assert_eq!(found.hits.len(), 1, "{:#?}", found.hits);
    let request = v1::ArchiveSessionsRequest {
        session: Some(id.clone()),
    };
    let archived = client.archive_sessions(request).await.unwrap().into_inner();
    assert!(archived.bytes > 0);
    for (format, part) in [
        ("markdown", "## Assistant"),
        ("jsonl", r#""modelID":"model""#),
    ] {
        let request = v1::ExportSessionRequest {
            session: id.clone(),
            format: format.into(),
        };
        let export = client.export_session(request).await.unwrap().into_inner();
        let text = String::from_utf8(export.content).unwrap();
        assert!(
            text.contains("I remember heliotrope.") && text.contains(part),
            "{text}"
        );
    }

    for process in world.host.processes_of(&runner.id) {
        // One that its parent took along is gone already.
        let _ = process.kill();
    }
    world.host.state("first", "failed").await;
    let request = v1::LaunchRequest {
        resume: Some(id.clone()),
        ..world.request("second")
    };
    world.host.try_launch(request).await.unwrap();
    world.host.shows("second", "I remember heliotrope.").await;
    world.needs("second", "idle").await;
    let taken = v1::LaunchRequest {
        resume: Some(id.clone()),
        ..world.request("third")
    };
    let refused = world.host.try_launch(taken).await.unwrap_err();
    assert!(refused.to_string().contains("second"), "{refused}");
    world.host.send("second", "and now").await;
    world.host.shows("second", "The same conversation.").await;
    let resumed = world.host.runner("second").await;
    assert_eq!(
        (resumed.mode.as_str(), resumed.session_id.as_deref()),
        ("resume", Some(id.as_str()))
    );
    let report = counted(&world, 2).await;
    assert_eq!(report.rows.len(), 1, "{:?}", report.rows);

    // A restart goes on with it, for what was said is there.
    world.host.stop("second", 5).await;
    let restarted = world.host.client().restart(reference(&resumed.id)).await;
    restarted.unwrap();
    world.host.shows("second", "The same conversation.").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_of_opencode_goes_another_way_and_the_latest_of_a_directory_is_continued() {
    let world = World::opencode().await;
    world
        .api
        .answer_when("elsewhere", Answer::text("Another way."));
    let (_, id) = remembers(&world).await;
    counted(&world, 1).await;
    let request = v1::LaunchRequest {
        fork: Some(id.clone()),
        ..world.request("fork")
    };
    world.host.try_launch(request).await.unwrap();
    world.host.shows("fork", "I remember heliotrope.").await;
    world.host.send("fork", "elsewhere").await;
    world.host.shows("fork", "Another way.").await;
    let forked = |runner: &v1::Runner| runner.session_id.as_ref().is_some_and(|it| *it != id);
    world.host.until("fork", forked).await;
    // What it repeats of the conversation is not counted again.
    let report = counted(&world, 2).await;
    assert_eq!(report.rows.len(), 2, "{:?}", report.rows);
    let fork = world.host.runner("fork").await.session_id;

    // The latest of the directory, once nobody is at work in it.
    let request = v1::LaunchRequest {
        continue_last: true,
        ..world.request("last")
    };
    let refused = world.host.try_launch(request.clone()).await.unwrap_err();
    assert!(refused.to_string().contains("last here"), "{refused}");
    for name in ["first", "fork"] {
        world.host.stop(name, 5).await;
    }
    world.host.try_launch(request).await.unwrap();
    world.host.shows("last", "Another way.").await;
    let continued = |runner: &v1::Runner| runner.session_id == fork;
    world.host.until("last", continued).await;
}
