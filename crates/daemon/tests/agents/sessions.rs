//! What was said to Claude Code: found, resumed after it died, copied, searched, counted.

use stratavore_rpc::{Code, Failure, v1};
use stratavore_testkit::claude::PROMPT;
use stratavore_testkit::model_api::{Answer, USAGE};
use stratavore_testkit::process::Process;
use stratavore_testkit::{TempHome, wait_until_async};

use crate::support::{Host, SOON, reference};
use crate::world::World;

fn session_of<'a>(sessions: &'a [v1::Session], id: &str) -> &'a v1::Session {
    sessions
        .iter()
        .find(|session| session.id == id)
        .expect("the session is known")
}

/// Tells whether the session of this id has a request and its answer in it.
fn said(sessions: &[v1::Session], id: &str) -> bool {
    sessions
        .iter()
        .any(|session| session.id == id && session.transcript.is_some() && session.model.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_conversation_is_resumed_whole_and_by_nobody_else() {
    let world = World::begin().await;
    world
        .api
        .answer_when("remember", Answer::text("I remember heliotrope."));
    let mut request = world.request("first");
    request.args.push("--verbose".into());
    let runner = world.host.try_launch(request).await.unwrap();
    world.host.shows("first", PROMPT).await;
    world.host.send("first", "remember").await;
    world.host.shows("first", "I remember heliotrope.").await;
    let id = world
        .host
        .runner("first")
        .await
        .session_id
        .expect("known from its launch");
    let sessions = world.sessions_until(|sessions| said(sessions, &id)).await;
    let session = session_of(&sessions, &id);
    assert_eq!(session.project.as_deref(), Some("p"));
    assert_eq!(session.runner.as_deref(), Some("first"));
    assert!(session.held && !session.resumable, "{session:?}");

    let resume = |target: &str, name: &str| {
        let request = v1::ResumeRequest {
            target: target.into(),
            name: Some(name.into()),
            ..v1::ResumeRequest::default()
        };
        let client = world.host.client();
        async move {
            let mut client = client;
            client
                .resume(request)
                .await
                .map(|reply| reply.into_inner())
                .map_err(Failure::from)
        }
    };
    let refused = resume(&id, "second").await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{refused:?}");
    assert!(refused.message.contains("first"), "{refused:?}");

    // The agent goes with everything in it, as in a crash.
    for process in world.host.processes_of(&runner.id) {
        // One that its parent took along is gone already.
        let _ = process.kill();
    }
    world.host.state("first", "failed").await;
    // The environment that points it at the stand-in came with the launch alone, as did an argument: it is resumed the same way.
    let resumed = resume("first", "second").await.unwrap();
    let words = |process: &Process| std::fs::read(format!("/proc/{}/cmdline", process.pid));
    let has_argument = |words: Vec<u8>| {
        words
            .split(|byte| *byte == 0)
            .any(|word| word == b"--verbose")
    };
    let processes = world.host.processes_of(&resumed.id);
    assert!(
        processes
            .iter()
            .filter_map(|process| words(process).ok())
            .any(has_argument)
    );
    world.host.shows("second", PROMPT).await;
    world.host.shows("second", "I remember heliotrope.").await;
    let resumed = world.host.runner("second").await;
    assert_eq!(
        (resumed.mode.as_str(), resumed.session_id.as_deref()),
        ("resume", Some(id.as_str()))
    );

    // The first would go on where it was, and may not: another does that now.
    let refused = world.host.client().restart(reference(&runner.id)).await;
    let refused = Failure::from(refused.unwrap_err());
    assert!(
        refused.message.contains("second") && refused.message.contains(&id),
        "{refused:?}"
    );
    world.host.state("first", "failed").await;
    let still = world.host.runner("second").await;
    assert_eq!(still.state, "running");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_its_program_deleted_is_put_back_from_its_copy_and_resumed_whole() {
    let world = World::begin().await;
    world
        .api
        .answer_when("remember", Answer::text("I remember heliotrope."));
    let runner = world.launch("first").await;
    world.host.send("first", "remember").await;
    world.host.shows("first", "I remember heliotrope.").await;
    let id = world.host.runner("first").await.session_id.unwrap();
    let sessions = world.sessions_until(|sessions| said(sessions, &id)).await;
    let transcript = session_of(&sessions, &id).transcript.clone().unwrap();
    for process in world.host.processes_of(&runner.id) {
        // One that its parent took along is gone already.
        let _ = process.kill();
    }
    world.host.state("first", "failed").await;
    let mut client = world.host.client();
    let one = v1::ArchiveSessionsRequest {
        session: Some(id.clone()),
    };
    client.archive_sessions(one).await.unwrap();

    // As Claude Code does after 30 days.
    std::fs::remove_dir_all(std::path::Path::new(&transcript).parent().unwrap()).unwrap();
    client.reindex(v1::ReindexRequest {}).await.unwrap();
    let resume = |name: &str| v1::ResumeRequest {
        target: id.clone(),
        name: Some(name.into()),
        ..v1::ResumeRequest::default()
    };
    let refused = Failure::from(client.resume(resume("second")).await.unwrap_err());
    assert_eq!(refused.code, Code::Conflict, "{refused:?}");
    let command = format!("stratavore sessions restore {id}");
    assert!(
        refused.message.contains("a copy was kept")
            && refused
                .hint
                .as_ref()
                .is_some_and(|hint| hint.contains(&command)),
        "{refused:?}"
    );

    let reference = v1::SessionRef {
        session: id.clone(),
    };
    let restored = client.restore_session(reference).await.unwrap();
    assert_eq!(restored.into_inner().transcript, transcript);
    client.resume(resume("second")).await.unwrap();
    world.host.shows("second", "I remember heliotrope.").await;
    let resumed = world.host.runner("second").await;
    assert_eq!(resumed.session_id, Some(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_conversation_is_another_and_a_copy_is_a_third() {
    let world = World::begin().await;
    world.api.answer_when("one", Answer::text("First answer."));
    world.api.answer_when("two", Answer::text("Second answer."));
    world.launch("r").await;
    world.host.send("r", "one").await;
    world.host.shows("r", "First answer.").await;
    let before = world.host.runner("r").await.session_id.unwrap();
    world.host.send("r", "/clear").await;
    let moved = |runner: &v1::Runner| runner.session_id.as_ref().is_some_and(|id| *id != before);
    let after = world.host.until("r", moved).await.session_id.unwrap();
    world.host.send("r", "two").await;
    world.host.shows("r", "Second answer.").await;
    world
        .sessions_until(|sessions| said(sessions, &before) && said(sessions, &after))
        .await;

    // That which was left is free, and a copy of it begins with what was said.
    let request = v1::LaunchRequest {
        fork: Some(before.clone()),
        ..world.request("copy")
    };
    world.host.try_launch(request).await.unwrap();
    world.host.shows("copy", "First answer.").await;
    let another = |runner: &v1::Runner| {
        runner
            .session_id
            .as_ref()
            .is_some_and(|id| *id != before && *id != after)
    };
    let copy = world.host.until("copy", another).await;
    assert_eq!(copy.mode, "fork");
}

/// Waits until a runner has used what the stand-in handed out in all, of each kind of token.
async fn all_is_counted(world: &World, runner: &str) -> v1::Usage {
    let counted = |runner: &v1::Runner| {
        let usage = runner.usage.clone().unwrap_or_default();
        let idle = runner
            .attention
            .as_ref()
            .is_some_and(|needs| needs.state == "idle");
        idle && usage.messages >= world.api.conversations().len() as u64
    };
    let usage = world.host.until(runner, counted).await.usage.unwrap();
    let answers = world.api.conversations().len() as u64;
    assert_eq!(
        (
            usage.messages,
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_creation_input_tokens,
            usage.cache_creation_1h_input_tokens,
        ),
        (
            answers,
            answers * USAGE.input,
            answers * USAGE.output,
            answers * USAGE.cache_read,
            answers * (USAGE.cache_write_5m + USAGE.cache_write_1h),
            answers * USAGE.cache_write_1h,
        )
    );
    usage
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_found_and_what_was_used_is_counted_once() {
    let world = World::begin().await;
    world
        .api
        .answer_when("colour", Answer::text("The colour is heliotrope."));
    world.launch("r").await;
    world.host.send("r", "which colour").await;
    world.host.shows("r", "The colour is heliotrope.").await;
    let id = world.host.runner("r").await.session_id.unwrap();
    world.sessions_until(|sessions| said(sessions, &id)).await;

    let search = |query: &str| v1::SearchSessionsRequest {
        query: query.into(),
        ..v1::SearchSessionsRequest::default()
    };
    let hits = stratavore_testkit::wait_until_async(SOON, "it is found", async || {
        let found = world.host.client().search_sessions(search("heliotr")).await;
        let hits = found.map_err(|error| error.to_string())?.into_inner().hits;
        if hits.is_empty() {
            Err(world.host.log())
        } else {
            Ok(hits)
        }
    })
    .await;
    assert_eq!(hits.len(), 1, "{hits:#?}");
    assert_eq!(hits[0].session.as_ref().unwrap().id, id);
    assert!(
        hits[0]
            .snippet
            .iter()
            .any(|part| part.found && part.text == "heliotrope")
    );
    let none = world
        .host
        .client()
        .search_sessions(search("vermilion"))
        .await
        .unwrap();
    assert!(none.into_inner().hits.is_empty());

    let request = v1::ExportSessionRequest {
        session: id.clone(),
        format: "markdown".into(),
    };
    let export = world
        .host
        .client()
        .export_session(request)
        .await
        .unwrap()
        .into_inner();
    let text = String::from_utf8(export.content).unwrap();
    assert!(
        text.contains("which colour") && text.contains("The colour is heliotrope."),
        "{text}"
    );

    // Every answer of the stand-in says that it used the same; however often a file repeats it, each counts once.
    let usage = all_is_counted(&world, "r").await;
    let request = v1::ReindexRequest {};
    world.host.client().reindex(request).await.unwrap();
    let report = world
        .host
        .client()
        .get_usage(v1::UsageRequest::default())
        .await
        .unwrap();
    let total = report.into_inner().total.unwrap();
    assert_eq!(
        (total.messages, total.output_tokens),
        (usage.messages, usage.output_tokens)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_subagent_uses_counts_for_the_conversation_that_it_is_of() {
    let world = World::begin().await;
    let input = serde_json::json!({
        "description": "Count sheep", "prompt": "count sheep", "subagent_type": "general-purpose",
    });
    world.api.answer_when(
        "delegate",
        Answer::Tool {
            name: "Agent".into(),
            input,
        },
    );
    world
        .api
        .answer_when("count sheep", Answer::text("There are seven."));
    world.launch("r").await;
    world.host.send("r", "delegate").await;
    wait_until_async(SOON, "the subagent is heard of", async || {
        // The call, what the subagent said, and what the conversation said of it.
        world.api.conversations().len() >= 3
    })
    .await;
    let usage = all_is_counted(&world, "r").await;
    assert!(usage.messages >= 3, "{usage:?}");
    let id = world.host.runner("r").await.session_id.unwrap();
    let sessions = world.sessions_until(|sessions| said(sessions, &id)).await;
    assert_eq!(
        sessions.len(),
        1,
        "a subagent has no session of its own: {sessions:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_before_its_directory_became_a_project_counts_for_it() {
    const ID: &str = "7b0c2f34-8a51-4f0e-9d55-0a2b6c1d3e4f";
    let home = TempHome::new();
    let directory = home.project("elsewhere");
    let transcripts = home.home().join(".claude/projects/elsewhere");
    std::fs::create_dir_all(&transcripts).unwrap();
    let row = serde_json::json!({
        "type": "assistant", "uuid": "u", "timestamp": "2026-11-01T10:00:00.000Z", "sessionId": ID, "cwd": directory,
        "requestId": "request", "message": {
            "id": "message", "model": "claude-opus-5", "role": "assistant",
            "content": [{"type": "text", "text": "Said outside."}],
            "usage": {"input_tokens": 3, "output_tokens": 40},
        },
    });
    std::fs::write(transcripts.join(format!("{ID}.jsonl")), format!("{row}\n")).unwrap();
    let host = Host::in_home(home).await;
    let used = async |wanted: &str| {
        wait_until_async(SOON, "the usage to be where it belongs", async || {
            let request = v1::UsageRequest {
                by: Some("project".into()),
                ..v1::UsageRequest::default()
            };
            let report = host.client().get_usage(request).await;
            let rows = report.map_err(|error| error.to_string())?.into_inner().rows;
            let whole = |row: &v1::UsageRow| {
                row.key == wanted
                    && row
                        .usage
                        .as_ref()
                        .is_some_and(|usage| usage.output_tokens == 40)
            };
            match rows.as_slice() {
                [row] if whole(row) => Ok(()),
                _ => Err(format!("{rows:#?}")),
            }
        })
        .await;
    };
    used("").await;
    host.add_project("elsewhere", None).await;
    used("elsewhere").await;
    let sessions = host
        .client()
        .list_sessions(v1::ListSessionsRequest::default())
        .await
        .unwrap();
    let sessions = sessions.into_inner().sessions;
    assert_eq!(
        session_of(&sessions, ID).project.as_deref(),
        Some("elsewhere")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_conversation_is_continued_by_one_and_while_nobody_else_works_there() {
    let world = World::begin().await;
    world
        .api
        .answer_when("remember", Answer::text("I remember heliotrope."));
    let continued = |name: &str| {
        let request = v1::LaunchRequest {
            continue_last: true,
            ..world.request(name)
        };
        world.host.try_launch(request)
    };
    world.launch("first").await;
    world.host.send("first", "remember").await;
    world.host.shows("first", "I remember heliotrope.").await;
    let id = world.host.runner("first").await.session_id.unwrap();
    let refused = |failure: Failure, holder: &str| {
        assert_eq!(failure.code, Code::Conflict, "{failure:?}");
        assert!(failure.message.contains(holder), "{failure:?}");
    };
    refused(continued("early").await.unwrap_err(), "first");
    world.host.stop("first", 10).await;

    // At once: one of them goes on with it, and the other is told who does.
    let (one, other) = tokio::join!(continued("one"), continued("other"));
    let (runner, failure) = match (one, other) {
        (Ok(runner), Err(failure)) | (Err(failure), Ok(runner)) => (runner, failure),
        both => panic!("not one of them: {both:?}"),
    };
    refused(failure, &runner.name);
    assert_eq!(runner.mode, "continue");
    world
        .host
        .shows(&runner.name, "I remember heliotrope.")
        .await;
    // Which one it is, it says itself.
    let holds = |runner: &v1::Runner| runner.session_id.as_ref() == Some(&id);
    world.host.until(&runner.name, holds).await;
    refused(continued("late").await.unwrap_err(), &runner.name);
    let request = v1::LaunchRequest {
        resume: Some(id.clone()),
        ..world.request("by-id")
    };
    let by_id = world.host.try_launch(request).await.unwrap_err();
    refused(by_id, &runner.name);
}
