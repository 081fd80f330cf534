//! A spent budget: what it denies a running Claude Code, what it refuses, and that raising it lets everything go on.

use stratavore_rpc::{Code, v1};
use stratavore_testkit::claude::PROMPT;
use stratavore_testkit::model_api::{Answer, Request};

use crate::support::expect_code;
use crate::world::World;

async fn set(world: &World, tokens: u64) -> v1::Budget {
    set_to(world, tokens, "deny").await
}

async fn set_to(world: &World, tokens: u64, at_limit: &str) -> v1::Budget {
    let request = v1::SetBudgetRequest {
        scope: "global".into(),
        period: "month".into(),
        tokens: Some(tokens),
        at_limit: Some(at_limit.into()),
        ..v1::SetBudgetRequest::default()
    };
    world
        .host
        .client()
        .set_budget(request)
        .await
        .unwrap()
        .into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_denies_prompts_and_launches_until_it_is_raised() {
    let world = World::begin().await;
    world
        .api
        .answer_when("first", Answer::text("That was the first."));
    world
        .api
        .answer_when("second", Answer::text("That was the second."));
    set(&world, 1).await;
    world.launch("r").await;
    world.host.send("r", "first").await;
    world.host.shows("r", "That was the first.").await;
    let spent = |told: &[v1::Notification]| told.iter().any(|told| told.edge == "budget-reached");
    stratavore_testkit::wait_until_async(crate::support::SOON, "a person is told", async || {
        let told = world.host.notifications().await;
        if spent(&told) {
            Ok(())
        } else {
            Err(format!("{told:?}\n{}", world.host.log()))
        }
    })
    .await;
    world.host.send("r", "second").await;
    world.host.shows("r", "budget of all runners").await;
    assert!(
        !world
            .host
            .screen("r")
            .await
            .contains("That was the second.")
    );
    expect_code(
        world.host.try_launch(world.request("other")).await,
        Code::BudgetSpent,
        "budget",
    );

    let raised = set(&world, 1_000_000_000).await;
    assert_eq!(raised.tokens, Some(1_000_000_000));
    // The agent is told a moment later; until then each try is refused once more.
    while !world
        .host
        .screen("r")
        .await
        .contains("That was the second.")
    {
        let refusals = async || {
            let screen = world.host.screen("r").await;
            screen.matches("budget of all runners").count()
        };
        let before = refusals().await;
        world.host.send("r", "second").await;
        stratavore_testkit::wait_until_async(crate::support::SOON, "it answers", async || {
            let screen = world.host.screen("r").await;
            let answered = screen.contains("That was the second.");
            if answered || refusals().await > before {
                Ok(())
            } else {
                Err(screen)
            }
        })
        .await;
    }
    world.host.try_launch(world.request("other")).await.unwrap();
    let listed = world
        .host
        .client()
        .list_budgets(v1::ListBudgetsRequest {})
        .await
        .unwrap();
    assert_eq!(
        listed.into_inner().budgets.len(),
        1,
        "it was raised, not set twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_pauses_what_runs_until_it_is_raised_and_overrules_nobody() {
    let world = World::begin().await;
    world
        .api
        .answer_when("first", Answer::text("That was the first."));
    set_to(&world, 1, "pause").await;
    world.launch("r").await;
    world.host.send("r", "first").await;
    world.host.state("r", "paused").await;
    let request = crate::support::reference("r");
    world.host.client().r#continue(request).await.unwrap();
    world.host.state("r", "running").await;
    // A second budget that is spent pauses it for itself.
    let request = v1::SetBudgetRequest {
        scope: "project".into(),
        of: Some("p".into()),
        period: "day".into(),
        usd: Some(0.0),
        at_limit: Some("pause".into()),
        ..v1::SetBudgetRequest::default()
    };
    world
        .host
        .client()
        .set_budget(request.clone())
        .await
        .unwrap();
    let listed = world
        .host
        .client()
        .list_budgets(v1::ListBudgetsRequest {})
        .await
        .unwrap();
    assert_eq!(listed.into_inner().budgets.len(), 2);
    set_to(&world, 1_000_000_000, "pause").await;
    world.host.state("r", "paused").await;
    let raised = v1::SetBudgetRequest {
        usd: Some(1000.0),
        ..request
    };
    world.host.client().set_budget(raised).await.unwrap();
    world.host.state("r", "running").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_stops_what_runs() {
    let world = World::begin().await;
    world
        .api
        .answer_when("first", Answer::text("That was the first."));
    set_to(&world, 1, "stop").await;
    world.launch("r").await;
    world.host.send("r", "first").await;
    let stopped = world.host.state("r", "terminated").await;
    assert_eq!(stopped.exit.unwrap().reason, "stopped");
}

/// Sets a budget that the first answer spends, has the program use one tool after the other until it is denied, and returns what the model
/// was told then. `answered`: what the model is told of a tool that ran.
async fn tools_end(world: &World, answered: &str, again: Answer) -> String {
    // Each answer of a tool asks for the next.
    world.api.answer_when(answered, again.clone());
    world.api.answer_when("go on", again);
    world
        .api
        .answer_when("budget of all runners", Answer::text("No more tools."));
    set(world, 1).await;
    world.host.send("r", "go on").await;
    world.host.shows("r", "No more tools.").await;
    world.needs("r", "idle").await;
    let asked = world.api.conversations();
    let mut told = asked.iter().rev().map(Request::last_message);
    told.find(|told| told.contains("budget of all runners"))
        .expect("the model is told")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_of_a_running_turn_is_denied_with_the_plain_reason() {
    let world = World::begin().await;
    let mut request = world.request("r");
    request
        .args
        .extend(["--allowedTools".into(), "Bash(echo:*)".into()]);
    world.host.try_launch(request).await.unwrap();
    world.host.shows("r", PROMPT).await;
    let reason = tools_end(&world, "one more", Answer::bash("echo one more")).await;
    assert!(
        reason.contains("the budget of all runners for this month is spent"),
        "{reason}"
    );
    assert!(!reason.contains("one more"), "it did not run: {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn codex_is_denied_prompts_and_tools_by_a_spent_budget() {
    let world = World::codex().await;
    world.launch("r").await;
    world.needs("r", "idle").await;
    // Whether its sandbox lets it run here does not matter.
    let again = Answer::Tool {
        name: "exec_command".into(),
        input: serde_json::json!({ "cmd": "echo one more" }),
    };
    let reason = tools_end(&world, "Wall time", again).await;
    assert!(
        reason.contains("the budget of all runners for this month is spent"),
        "{reason}"
    );
    let before = world.api.conversations().len();
    world.host.send("r", "something else").await;
    world.host.shows("r", "budget of all runners").await;
    assert_eq!(world.api.conversations().len(), before, "nothing was asked");
}
