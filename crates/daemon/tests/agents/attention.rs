//! What Claude Code needs of a person: known in each of its states, and answered from outside of its terminal.

use stratavore_rpc::v1;
use stratavore_testkit::model_api::{Answer, Request};
use stratavore_testkit::{wait_until, wait_until_async};

use crate::support::SOON;
use crate::world::{World, attention, decide};

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_seen_from_its_request_to_its_end() {
    let world = World::begin().await;
    world
        .api
        .answer_when("take your time", Answer::Held("Done at last.".into()));
    world.launch("r").await;
    world.needs("r", "idle").await;
    world.host.send("r", "take your time").await;
    let working = world.needs("r", "working").await;
    world.api.release();
    let idle = world.needs("r", "idle").await;
    assert!(idle.since >= working.since, "{idle:?} {working:?}");
    world.host.shows("r", "Done at last.").await;
    world.host.stop("r", 5).await;
    let ended = world.host.runner("r").await;
    assert_eq!(ended.attention, None, "what has ended needs nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_is_given_from_outside_and_bound_to_its_request() {
    let world = World::begin().await;
    let made = world.project.join("made");
    let command = format!("touch {}", made.display());
    world.api.answer_when("make it", Answer::bash(&command));
    world.launch("r").await;
    world.host.send("r", "make it").await;
    let needs = world.needs("r", "needs-permission").await;
    let asked = |runner: &v1::Runner| attention(runner).ask.is_some();
    let ask = attention(&world.host.until("r", asked).await).ask.unwrap();
    assert_eq!(
        (ask.tool.as_str(), ask.subject.as_str()),
        ("Bash", command.as_str())
    );
    assert!(needs.detail.is_some(), "{needs:?}");

    let told = world.told("needs-permission").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].body, command, "the exact command");
    assert_eq!(
        told[0].ask.as_ref().map(|ask| ask.id.as_str()),
        Some(ask.id.as_str())
    );

    let other = (ask.id.parse::<u64>().unwrap() + 1).to_string();
    let refused = decide(&world.host, "r", &other, true).await.unwrap_err();
    assert!(refused.contains("no longer waits for that"), "{refused}");
    assert!(!made.exists());
    decide(&world.host, "r", &ask.id, true).await.unwrap();
    stratavore_testkit::wait_until(crate::support::SOON, "the command ran", || made.exists());
    let again = decide(&world.host, "r", &ask.id, true).await.unwrap_err();
    assert!(again.contains("no longer waits for that"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_refused_outside_says_why_and_the_turn_goes_on() {
    let world = World::begin().await;
    let made = world.project.join("made");
    world.api.answer_when(
        "make it",
        Answer::bash(&format!("touch {}", made.display())),
    );
    world.launch("r").await;
    world.host.send("r", "make it").await;
    let asked = |runner: &v1::Runner| attention(runner).ask.is_some();
    let ask = attention(&world.host.until("r", asked).await).ask.unwrap();
    let request = v1::DecideRequest {
        runner: "r".into(),
        ask: ask.id,
        allow: false,
        reason: Some("not on a Monday".into()),
    };
    world.host.client().decide(request).await.unwrap();
    world.needs("r", "idle").await;
    assert!(!made.exists());
    let heard = world.api.conversations().iter().any(|asked| {
        serde_json::to_string(&asked.body)
            .unwrap_or_default()
            .contains("not on a Monday")
    });
    assert!(heard, "the reason reaches the model");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_that_is_given_by_a_key_cannot_be_given_again_outside() {
    let world = World::begin().await;
    let made = world.project.join("made");
    world.api.answer_when(
        "make it",
        Answer::bash(&format!("touch {}", made.display())),
    );
    world.launch("r").await;
    world.host.send("r", "make it").await;
    let asked = |runner: &v1::Runner| attention(runner).ask.is_some();
    let ask = attention(&world.host.until("r", asked).await).ask.unwrap();
    world.needs("r", "needs-permission").await;
    // The first choice of the dialog is yes. It takes no key in its first moments, so that nobody answers it unread.
    stratavore_testkit::wait_until_async(crate::support::SOON, "the command ran", async || {
        let screen = world.host.screen("r").await;
        if screen.contains("1. Yes") {
            world.host.type_keys("r", "\r").await;
        }
        if made.exists() { Ok(()) } else { Err(screen) }
    })
    .await;
    world.needs("r", "idle").await;
    let late = decide(&world.host, "r", &ask.id, false).await.unwrap_err();
    assert!(late.contains("no longer waits for that"), "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_waits_for_an_answer_and_esc_ends_a_turn() {
    let world = World::begin().await;
    let question = serde_json::json!({ "questions": [{
        "question": "Which database?", "header": "Database", "multiSelect": false,
        "options": [{ "label": "SQLite", "description": "a file" }, { "label": "PostgreSQL", "description": "a server" }],
    }] });
    world.api.answer_when(
        "ask me",
        Answer::Tool {
            name: "AskUserQuestion".into(),
            input: question,
        },
    );
    world
        .api
        .answer_when("for ever", Answer::Held("never".into()));
    world.launch("r").await;
    world.host.send("r", "ask me").await;
    world.needs("r", "needs-answer").await;
    world.host.type_keys("r", "\x1b").await;
    world.needs("r", "idle").await;

    world.host.send("r", "for ever").await;
    world.needs("r", "working").await;
    world.host.type_keys("r", "\x1b").await;
    world.needs("r", "idle").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_comes_back_knows_what_waits_and_tells_it_once() {
    let mut world = World::begin().await;
    world.api.answer_when("make it", Answer::bash("touch made"));
    world.launch("r").await;
    world.host.send("r", "make it").await;
    world.needs("r", "needs-permission").await;
    assert_eq!(world.told("needs-permission").await.len(), 1);
    let kept = world.host.attempt_dir(&world.host.runner("r").await);
    wait_until(SOON, "it is kept that a person was told", || {
        let kept = std::fs::read_to_string(kept.join("attention.json"));
        kept.is_ok_and(|kept| kept.contains("needs-permission"))
    });
    world.host.kill();
    world.host.begin().await;
    world.needs("r", "needs-permission").await;
    let events = world
        .host
        .history_of(&world.host.runner("r").await.id)
        .await;
    let told = events
        .iter()
        .filter(|kind| *kind == "runner.attention")
        .count();
    assert_eq!(told, 1, "{events:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_is_answered_goes_on_and_is_done() {
    let world = World::begin().await;
    let question = serde_json::json!({ "questions": [{
        "question": "Which database?", "header": "Database", "multiSelect": false,
        "options": [{ "label": "SQLite", "description": "a file" }, { "label": "PostgreSQL", "description": "a server" }],
    }] });
    world.api.answer_when(
        "ask me",
        Answer::Tool {
            name: "AskUserQuestion".into(),
            input: question,
        },
    );
    world
        .api
        .answer_when("SQLite", Answer::Held("A file it is.".into()));
    world.launch("r").await;
    world.host.send("r", "ask me").await;
    let asks = world.needs("r", "needs-answer").await;
    assert!(
        asks.detail
            .as_deref()
            .unwrap_or_default()
            .contains("Which database?"),
        "{asks:?}"
    );
    let told = world.told("needs-answer").await;
    assert_eq!(told.len(), 1, "{told:?}");
    // It takes no key in its first moments, so that nobody answers it unread; the first choice is marked.
    wait_until_async(SOON, "it is answered", async || {
        let screen = world.host.screen("r").await;
        if screen.contains("1. SQLite") {
            world.host.type_keys("r", "\r").await;
        }
        let asked = world.api.conversations();
        let answered = |asked: &Request| asked.last_message().contains("SQLite");
        if asked.iter().any(answered) {
            Ok(())
        } else {
            Err(screen)
        }
    })
    .await;
    world.needs("r", "working").await;
    // What was asked is answered: nobody is told of it any more.
    let owed = world.host.notifications().await;
    assert!(
        owed.iter().all(|told| told.edge != "needs-answer"),
        "{owed:?}"
    );
    world.api.release();
    world.host.shows("r", "A file it is.").await;
    world.needs("r", "idle").await;
}
