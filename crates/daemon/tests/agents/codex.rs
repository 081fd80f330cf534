//! Codex: what it needs, which session it holds, what it used, and that it is picked up after it died.

use stratavore_rpc::v1;
use stratavore_testkit::model_api::{Answer, USAGE};
use stratavore_testkit::{Process, wait_until};

use crate::support::SOON;
use crate::world::{World, attention};

/// What its dialog shows that asks for a permission.
const ASKED: &str = "Would you like to run";

/// Asks to run a command outside of its sandbox.
fn escalated(command: &str) -> Answer {
    Answer::Tool {
        name: "exec_command".into(),
        input: serde_json::json!({
            "cmd": command, "sandbox_permissions": "require_escalated", "justification": "May it be made?",
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_is_seen_to_work_to_ask_and_to_be_done() {
    let world = World::codex().await;
    let made = world.project.join("made");
    let command = format!("touch {}", made.display());
    world.api.answer_when("make it", escalated(&command));
    world
        .api
        .answer_when("take your time", Answer::Held("Done at last.".into()));
    let runner = world.launch("r").await;
    assert_eq!(runner.program, "codex");
    world.needs("r", "idle").await;

    world.host.send("r", "make it").await;
    let needs = world.needs("r", "needs-permission").await;
    assert_eq!(needs.source, "terminal", "{needs:?}");
    // The hook has the command that the terminal's report leaves out.
    let told = |runner: &v1::Runner| {
        let detail = attention(runner).detail.unwrap_or_default();
        detail.contains(&command)
    };
    world.host.until("r", told).await;
    world.host.shows("r", ASKED).await;
    // Its hook does not wait: the dialog stands in the terminal, and is answered there alone.
    let asking = attention(&world.host.runner("r").await);
    assert_eq!(asking.ask, None, "{asking:?}");
    assert!(!made.exists());
    world.host.type_keys("r", "y").await;
    wait_until(SOON, "the command ran", || made.exists());
    world.needs("r", "idle").await;

    world.host.send("r", "take your time").await;
    world.needs("r", "working").await;
    // What is typed before is no interruption.
    world.host.shows("r", "esc to interrupt").await;
    wait_until(SOON, "the provider is asked", || {
        let asked = world.api.conversations();
        asked
            .iter()
            .any(|asked| format!("{asked:?}").contains("take your time"))
    });
    world.host.type_keys("r", "\x1b").await;
    world.needs("r", "idle").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_codex_is_resumed_with_its_conversation_and_counted_once() {
    let world = World::codex().await;
    world
        .api
        .answer_when("remember", Answer::text("I remember heliotrope."));
    world
        .api
        .answer_when("and now", Answer::text("The same conversation."));
    let runner = world.launch("first").await;
    world.host.send("first", "remember").await;
    world.host.shows("first", "I remember heliotrope.").await;
    let named = |runner: &v1::Runner| runner.session_id.is_some();
    let id = world.host.until("first", named).await.session_id.unwrap();
    let said = |sessions: &[v1::Session]| {
        let mut known = sessions.iter().filter(|session| session.id == id);
        known.any(|session| session.title.is_some() && session.model.is_some())
    };
    let sessions = world.sessions_until(said).await;
    assert_eq!(sessions.len(), 1, "{sessions:#?}");
    let session = &sessions[0];
    assert_eq!(
        (session.program.as_str(), session.project.as_deref()),
        ("codex", Some("p"))
    );
    assert_eq!(session.runner.as_deref(), Some("first"));
    assert_eq!(session.title.as_deref(), Some("remember"));

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
    world.host.send("second", "and now").await;
    world.host.shows("second", "The same conversation.").await;
    let resumed = world.host.runner("second").await;
    assert_eq!(
        (resumed.mode.as_str(), resumed.session_id.as_deref()),
        ("resume", Some(id.as_str()))
    );

    // Two answers of the one conversation, each as the stand-in told it.
    let request = v1::UsageRequest {
        by: Some("session".into()),
        ..v1::UsageRequest::default()
    };
    let report = stratavore_testkit::wait_until_async(SOON, "both answers count", async || {
        let report = world.host.client().get_usage(request.clone()).await;
        let report = report.map_err(|error| error.to_string())?.into_inner();
        let total = report.total.clone().unwrap_or_default();
        if total.messages == 2 {
            Ok(report)
        } else {
            Err(format!("{report:?}"))
        }
    })
    .await;
    let total = report.total.unwrap();
    assert_eq!(
        (
            total.input_tokens,
            total.output_tokens,
            total.cache_read_input_tokens
        ),
        (2 * USAGE.input, 2 * USAGE.output, 2 * USAGE.cache_read)
    );
    assert_eq!(report.rows.len(), 1, "{:?}", report.rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_codex_is_a_process_of_its_own_and_ends_alone() {
    let world = World::codex().await;
    let one = world.launch("one").await;
    let other = world.launch("other").await;
    let of_other: Vec<Process> = world.host.processes_of(&other.id);
    world.host.stop("one", 5).await;
    wait_until(SOON, "nothing of it is left", || {
        world.host.processes_of(&one.id).is_empty()
    });
    assert!(
        of_other.iter().any(Process::is_alive),
        "it has none of its own"
    );
    world
        .api
        .answer_when("still there", Answer::text("Still here."));
    world.host.send("other", "still there").await;
    world.host.shows("other", "Still here.").await;
}
