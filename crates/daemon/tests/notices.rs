//! Of what a person is notified, and of what not.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use chrono::{Local, TimeZone, Timelike};
use futures::StreamExt;
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_rpc::v1;
use stratavore_testkit::{TempHome, binary, wait_until, wait_until_async};
use stratavore_wire::client::Connection;
use stratavore_wire::{Attach, Hello, Message, Role};
use support::stand_in::{StandIn, host, host_in, told};
use support::{Host, SOON, reference};

const QUESTION: &str = "report state=blocked:app=claude-code:kind=question";

/// What a person was to be told of a runner, in order, by the word of the state.
async fn edges(host: &Host, runner: &str) -> Vec<String> {
    let id = host.runner(runner).await.id;
    let events = host.events().await.into_iter();
    let edges =
        events.filter(|event| event.aggregate_id == id && event.r#type == "runner.attention");
    let need = |event: v1::Event| {
        let data: serde_json::Value = serde_json::from_str(&event.data).unwrap();
        data["need"].as_str().unwrap_or_default().to_owned()
    };
    edges.map(need).collect()
}

/// Waits until a person was to be told of these, in this order, and of nothing else.
async fn edges_are(host: &Host, runner: &str, wanted: &[&str]) {
    wait_until_async(SOON, "the edges", async || {
        let edges = edges(host, runner).await;
        if edges.len() < wanted.len() {
            Err(format!("{edges:?}"))
        } else {
            Ok(())
        }
    })
    .await;
    assert_eq!(edges(host, runner).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_hold_all_back_until_they_are_over_and_drop_what_was_answered_meanwhile() {
    // They end with a minute, and there is time until then to do what happens in them.
    let now = SystemClock.now().with_timezone(&Local);
    let minutes = if now.second() > 40 { 2 } else { 1 };
    let time = |minutes| (now + chrono::TimeDelta::minutes(minutes)).format("%H:%M");
    let quiet = format!("{}-{}", time(-1), time(minutes));
    let host = host(&format!("[notifications]\nquiet_hours = {quiet:?}\n")).await;
    let mut nudges = host
        .client()
        .watch(v1::WatchRequest {})
        .await
        .unwrap()
        .into_inner();
    let (mut asks, mut answered) = (
        StandIn::launch(&host, "asks").await,
        StandIn::launch(&host, "answered").await,
    );
    for program in [&mut asks, &mut answered] {
        program.order(QUESTION);
        program.needs(&host, "needs-answer").await;
        edges_are(&host, &program.name, &["needs-answer"]).await;
    }
    answered.reports(&host, "working").await;
    let failed = host.launch("exit 3").await;
    host.state(&failed.id, "failed").await;
    assert_eq!(host.notifications().await, [], "{quiet}");

    // Who shows notifications is told that there are some, and need not ask again and again.
    let over = async {
        loop {
            let nudge = nudges.next().await.unwrap().unwrap();
            if nudge.entity == "notifications" {
                let told = host.notifications().await;
                if !told.is_empty() {
                    return told;
                }
            }
        }
    };
    let told = tokio::time::timeout(SOON * 4, over)
        .await
        .expect("they end");
    let told: BTreeSet<_> = told
        .iter()
        .map(|it| (it.edge.as_str(), it.runner_id.clone()))
        .collect();
    let asks = host.runner("asks").await.id;
    let wanted = [("failed", Some(failed.id)), ("needs-answer", Some(asks))];
    assert_eq!(told, BTreeSet::from(wanted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_chooses_for_itself_what_is_notified_and_which_turns_are_long() {
    let home = TempHome::new();
    let own = "[notifications]\nanswers = false\nturn_done_seconds = 0\n";
    fs::write(home.project("p").join(".stratavore.toml"), own).unwrap();
    let host = host_in(home, "").await;
    host.add_project("q", None).await;
    let mut mine = StandIn::launch(&host, "mine").await;
    let request = v1::LaunchRequest {
        project: "q".into(),
        ..v1::LaunchRequest::default()
    };
    let mut other = StandIn::launch_as(&host, "other", request).await;
    for program in [&mut mine, &mut other] {
        program.reports(&host, "working").await;
        program.reports(&host, "idle").await;
    }
    let done = told(&host, "turn-done").await;
    assert_eq!(done.len(), 1, "{done:?}");
    assert_eq!(done[0].runner_id, Some(host.runner("mine").await.id));
    for program in [&mut mine, &mut other] {
        program.order(QUESTION);
        program.needs(&host, "needs-answer").await;
    }
    edges_are(&host, "mine", &["idle", "needs-answer"]).await;
    edges_are(&host, "other", &["needs-answer"]).await;
    let asked = told(&host, "needs-answer").await;
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].runner_id, Some(host.runner("other").await.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_is_told_to_be_done_when_it_took_long() {
    let host = host("[notifications]\nturn_done_seconds = 2\n").await;
    let mut program = StandIn::launch(&host, "r").await;
    program.reports(&host, "working").await;
    program.reports(&host, "idle").await;
    program.reports(&host, "working").await;
    let begun = Instant::now();
    wait_until(SOON, "time passes", || {
        begun.elapsed() > Duration::from_millis(2100)
    });
    program.reports(&host, "idle").await;
    edges_are(&host, "r", &["idle"]).await;
    assert_eq!(told(&host, "turn-done").await.len(), 1);
}

async fn look_on(host: &Host, runner: &str, place: &str) -> Connection {
    let terminal = host.client().get_terminal(reference(runner)).await.unwrap();
    let socket = terminal.into_inner().socket;
    let mut connection = Connection::connect(socket).await.unwrap();
    let hello = Hello::new(Role::Viewer, "test");
    connection.greet(hello).await.unwrap();
    let attach = Attach {
        columns: 80,
        rows: 24,
        place: place.into(),
        ..Attach::default()
    };
    connection.send(&Message::Attach(attach)).await.unwrap();
    host.until(runner, |runner| {
        runner.attachments.iter().any(|it| it.place == place)
    })
    .await;
    connection
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_on_in_a_terminal_is_not_told_that_a_turn_is_done_but_what_is_asked() {
    let host = host("[notifications]\nturn_done_seconds = 0\n").await;
    let mut program = StandIn::launch(&host, "r").await;
    let viewer = look_on(&host, "r", "pts/7").await;
    program.reports(&host, "working").await;
    program.reports(&host, "idle").await;
    program.order(QUESTION);
    program.needs(&host, "needs-answer").await;
    edges_are(&host, "r", &["needs-answer"]).await;

    drop(viewer);
    host.until("r", |runner| runner.attachments.is_empty())
        .await;
    program.reports(&host, "working").await;
    program.reports(&host, "idle").await;
    edges_are(&host, "r", &["needs-answer", "idle"]).await;
    // Whether its window is on screen and has the focus, the desktop knows.
    let _window = look_on(&host, "r", "window").await;
    program.reports(&host, "working").await;
    program.reports(&host, "idle").await;
    edges_are(&host, "r", &["needs-answer", "idle", "idle"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_decided_from_a_notification_where_that_is_turned_off() {
    for decide in [true, false] {
        let host = host(&format!("[notifications]\ndecide = {decide}\n")).await;
        let mut program = StandIn::launch(&host, "r").await;
        program.order("hook PermissionRequest");
        let asks = |runner: &v1::Runner| {
            let attention = runner.attention.as_ref();
            attention.is_some_and(|attention| attention.ask.is_some())
        };
        host.until("r", asks).await;
        let told = told(&host, "needs-permission").await;
        assert_eq!(
            told[0].body, "cargo test --workspace",
            "it is shown all the same"
        );
        assert_eq!(told[0].ask.is_some(), decide, "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_that_it_works_and_does_not_move_is_told_to_stand_still() {
    let home = TempHome::new();
    // The project's own choice; the user's is ten minutes.
    let own = "[attention]\nstalled_minutes = 1\n";
    fs::write(home.project("p").join(".stratavore.toml"), own).unwrap();
    let host = host_in(home, "").await;
    let mut program = StandIn::launch(&host, "r").await;
    program.reports(&host, "working").await;
    let stalled = wait_until_async(SOON * 3, "it stands still", async || {
        let attention = host.runner("r").await.attention.unwrap();
        if attention.state == "stalled" {
            Ok(attention)
        } else {
            Err(format!("{attention:?}"))
        }
    })
    .await;
    assert_eq!(stalled.source, "process");
    let told = told(&host, "stalled").await;
    assert_eq!((told.len(), told[0].title.as_str()), (1, "r stands still"));
    program.reports(&host, "idle").await;
}

/// What one notification says, beside the edge that it was waited for by.
fn says(told: &[v1::Notification]) -> (&str, &str, Option<&str>) {
    let [one] = told else {
        panic!("not one: {told:#?}")
    };
    (&one.title, &one.body, one.project.as_deref())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_a_limit_and_an_error_are_told_each_time_that_they_come_about_and_once() {
    let host = host("").await;
    let mut program = StandIn::launch(&host, "r").await;
    program.reports(&host, "working").await;
    // Said by its terminal, by the file of its process, and again: it is one question.
    program.order(&format!("{QUESTION}:msg=YW5zd2VyOiBXaGljaCBkYXRhYmFzZT8="));
    program.needs(&host, "needs-answer").await;
    program.order("status waiting");
    program.order(&format!("{QUESTION}:msg=YW5zd2VyOiBXaGljaCBkYXRhYmFzZT8="));
    let asked = told(&host, "needs-answer").await;
    assert_eq!(says(&asked), ("r asks", "Which database?", Some("p")));

    // An error first, so that the next turn begins with a prompt of its own; then at a limit, by number and without one.
    let mut wanted = vec!["needs-answer"];
    let until = (SystemClock.now() + chrono::TimeDelta::hours(3)).timestamp();
    let words = format!("Claude AI usage limit reached|{until}");
    for (fields, state) in [
        (
            r#""error":"server_error","last_assistant_message":"API Error: 500""#.to_owned(),
            "errored",
        ),
        (
            format!(r#""error":"rate_limit","last_assistant_message":"{words}""#),
            "rate-limited",
        ),
        (
            r#""error":"authentication_failed","last_assistant_message":"Invalid API key""#
                .to_owned(),
            "errored",
        ),
    ] {
        program.order("status busy");
        program.order("hook UserPromptSubmit");
        program.reports(&host, "working").await;
        // Its terminal knows of an error, and its hook a moment later whether that is a limit.
        program.order("report state=error:app=claude-code");
        program.order(&format!("hook StopFailure {fields}"));
        // The same again, by each that tells.
        program.order(&format!("hook StopFailure {fields}"));
        program.order("status idle");
        program.order("report state=done:app=claude-code");
        program.needs(&host, state).await;
        let told = told(&host, state).await;
        wanted.push(state);
        edges_are(&host, "r", &wanted).await;
        let at = Local.timestamp_opt(until, 0).unwrap().format("%H:%M");
        let (title, body) = match wanted.len() {
            2 => ("r met an error", "API Error: 500".to_owned()),
            3 => ("r must wait", format!("{words} Until {at}.")),
            _ => ("r met an error", "Invalid API key".to_owned()),
        };
        assert_eq!(says(&told), (title, body.as_str(), Some("p")));
    }
    program.order("hook UserPromptSubmit");
    program.order("status busy");
    program.reports(&host, "working").await;
    program.order(QUESTION);
    program.needs(&host, "needs-answer").await;
    wanted.push("needs-answer");
    edges_are(&host, "r", &wanted).await;
    // What is over is told no more.
    let owed = host.notifications().await;
    assert_eq!(owed.len(), 1, "{owed:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_codex_and_gemini_need_is_told_as_what_claude_code_needs_is() {
    let stand_in = binary::stand_in();
    let settings = format!(
        "codex = {stand_in:?}\ngemini = {stand_in:?}\n[notifications]\nturn_done_seconds = 0\n"
    );
    let host = host(&settings).await;
    let as_program = |program: &str| v1::LaunchRequest {
        program: Some(program.into()),
        ..v1::LaunchRequest::default()
    };
    let mut codex = StandIn::launch_as(&host, "codex", as_program("codex")).await;
    // At its prompt it reports; its hooks come with the first request.
    for (orders, state, told_as, title, body) in [
        (
            &[
                "report state=blocked:app=codex:kind=permission",
                "hook PermissionRequest",
            ][..],
            "needs-permission",
            "needs-permission",
            "codex needs a permission",
            "Bash: cargo test --workspace",
        ),
        (
            &["report state=blocked:app=codex:kind=question"],
            "needs-answer",
            "needs-answer",
            "codex asks",
            "It waits for an answer.",
        ),
        (
            &["hook Stop", "report state=idle:app=codex"],
            "idle",
            "turn-done",
            "codex is done",
            "The turn is done.",
        ),
    ] {
        codex.order("hook UserPromptSubmit");
        codex.order("report state=working:app=codex");
        codex.needs(&host, "working").await;
        for order in orders.iter().chain(orders) {
            codex.order(order);
        }
        codex.needs(&host, state).await;
        let told = told(&host, told_as).await;
        let detail = |runner: &v1::Runner| {
            let attention = runner.attention.clone().unwrap_or_default();
            told_as != "needs-permission" || attention.detail.as_deref() == Some(body)
        };
        host.until("codex", detail).await;
        assert_eq!((told.len(), told[0].title.as_str()), (1, title));
        assert!(told[0].ask.is_none(), "it is given in its terminal alone");
        if told_as != "needs-permission" {
            assert_eq!(says(&told), (title, body, Some("p")));
        }
    }
    edges_are(
        &host,
        "codex",
        &["needs-permission", "needs-answer", "idle"],
    )
    .await;

    let mut gemini = StandIn::launch_as(&host, "gemini", as_program("gemini")).await;
    for (title, state) in [
        ("◇  Ready (p)", "idle"),
        ("✦  Working… (p)", "working"),
        ("✋  Action Required (p)", "needs-permission"),
        ("✋  Action Required (p)", "needs-permission"),
        ("✦  Working… (p)", "working"),
        ("✋  Action Required (p)", "needs-permission"),
        ("✦  Working… (p)", "working"),
        ("◇  Ready (p)", "idle"),
    ] {
        gemini.order(&format!("title {title}"));
        gemini.needs(&host, state).await;
    }
    edges_are(
        &host,
        "gemini",
        &["needs-permission", "needs-permission", "idle"],
    )
    .await;
    let mut done = told(&host, "turn-done").await;
    done.retain(|told| told.title == "gemini is done");
    assert_eq!(
        says(&done),
        ("gemini is done", "The turn is done.", Some("p"))
    );
}
