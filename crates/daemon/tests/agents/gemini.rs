//! Gemini CLI: what its title says it needs, and that it is picked up after it died.

use stratavore_rpc::{Code, v1};
use stratavore_testkit::model_api::{Answer, USAGE};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn gemini_is_seen_to_work_to_ask_and_to_be_done_and_is_resumed_after_it_died() {
    let world = World::gemini().await;
    world
        .api
        .answer_when("remember", Answer::text("I remember heliotrope."));
    world.api.answer_when(
        "make it",
        Answer::Tool {
            name: "run_shell_command".into(),
            input: serde_json::json!({ "command": "touch made", "description": "As the test says" }),
        },
    );
    let runner = world.launch("first").await;
    world.needs("first", "idle").await;
    world.ask("first", "remember").await;
    world.host.shows("first", "I remember heliotrope.").await;
    let id = world.host.runner("first").await.session_id;
    let id = id.expect("it was named at its launch");
    let said = |sessions: &[v1::Session]| {
        let mut known = sessions.iter().filter(|session| session.id == id);
        known.any(|session| session.title.as_deref() == Some("remember") && session.model.is_some())
    };
    let sessions = world.sessions_until(said).await;
    assert_eq!(sessions.len(), 1, "{sessions:#?}");
    assert_eq!(sessions[0].runner.as_deref(), Some("first"));

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
    world.ask("second", "make it").await;
    world.needs("second", "needs-permission").await;
    world.host.type_keys("second", "\x1b").await;
    world.needs("second", "idle").await;
    assert!(!world.project.join("made").exists());

    // One answer before it died and one after, each as the stand-in told it.
    let counted = |runner: &v1::Runner| {
        let usage = runner.usage.clone().unwrap_or_default();
        usage.messages > 0 && usage.output_tokens == USAGE.output * usage.messages
    };
    let resumed = world.host.until("second", counted).await;
    assert_eq!(resumed.session_id, Some(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_continued_conversation_is_known_from_its_launch_and_held_by_one() {
    let world = World::gemini().await;
    let colours = [("first", "heliotrope"), ("second", "vermilion")];
    for (_, colour) in colours {
        let answer = Answer::text(&format!("I remember {colour}."));
        world.api.answer_when(colour, answer);
    }
    let mut ids = Vec::new();
    for (name, colour) in colours {
        world.launch(name).await;
        world.needs(name, "idle").await;
        world.ask(name, colour).await;
        let answered = format!("I remember {colour}.");
        world.host.shows(name, &answered).await;
        ids.push(world.host.runner(name).await.session_id.unwrap());
        world.host.stop(name, 5).await;
    }
    // Gemini CLI itself takes that of the two that was begun last.
    let mut own = world.request("own");
    own.args.extend(["--resume".into(), "latest".into()]);
    world.host.try_launch(own).await.unwrap();
    world.host.shows("own", "I remember vermilion.").await;
    world.host.stop("own", 5).await;

    let continued = |name: &str| v1::LaunchRequest {
        continue_last: true,
        ..world.request(name)
    };
    let launched = world.host.try_launch(continued("third")).await.unwrap();
    assert_eq!(
        (launched.mode.as_str(), launched.session_id.as_ref()),
        ("continue", Some(&ids[1]))
    );
    world.host.shows("third", "I remember vermilion.").await;
    let refused = world.host.try_launch(continued("fourth")).await;
    let refused = refused.expect_err("it is held");
    assert_eq!(refused.code, Code::Conflict, "{refused:?}");
    assert!(refused.message.contains("third"), "{refused:?}");
}
