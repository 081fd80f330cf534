//! Budgets of a runner and of a session, what is set aside, and what holds while no host runs.

mod support;

use std::fs;

use stratavore_rpc::{Code, Failure, v1};
use stratavore_testkit::wait_until;
use support::stand_in::{StandIn, host, pid_file};
use support::{Host, SOON, expect_code};

const PLENTY: u64 = 1_000_000_000;
/// The most that a store keeps.
const MOST: u64 = u64::MAX >> 1;

async fn set(host: &Host, scope: &str, of: Option<&str>, tokens: u64, at_limit: &str) {
    let request = v1::SetBudgetRequest {
        scope: scope.into(),
        of: of.map(str::to_owned),
        period: "month".into(),
        tokens: Some(tokens),
        at_limit: Some(at_limit.into()),
        ..v1::SetBudgetRequest::default()
    };
    host.client().set_budget(request).await.unwrap();
}

/// A launch with lines long enough for what hooks answer.
fn wide() -> v1::LaunchRequest {
    v1::LaunchRequest {
        columns: Some(500),
        ..v1::LaunchRequest::default()
    }
}

/// Has a program run a hook, and waits until it has.
async fn hook(host: &Host, program: &mut StandIn, event: &str, status: &str) {
    let file = pid_file(host, &program.name).await;
    program.order(&format!("hook {event}"));
    program.order(&format!("status {status}"));
    wait_until(SOON, "the hook has run", || {
        fs::read_to_string(&file).is_ok_and(|file| file.contains(status))
    });
}

/// Has a program run a hook until it is denied.
async fn is_denied(host: &Host, program: &mut StandIn, reason: &str) {
    for nth in 0.. {
        hook(host, program, "UserPromptSubmit", &format!("try-{nth}-")).await;
        if host.screen(&program.name).await.contains(reason) {
            return;
        }
        // The agent is told a moment after the budget is set.
        assert!(nth < 1000, "{}", host.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_of_a_runner_or_a_session_holds_that_one_and_no_other() {
    let host = host("").await;
    for scope in ["runner", "session"] {
        let name = format!("of-{scope}");
        let mut held = StandIn::launch_as(&host, &name, wide()).await;
        let mut other = StandIn::launch_as(&host, &format!("beside-{scope}"), wide()).await;
        let of = match scope {
            "runner" => name.clone(),
            _ => host.runner(&name).await.session_id.unwrap(),
        };
        let of = Some(of.as_str());
        set(&host, scope, of, 0, "deny").await;
        is_denied(&host, &mut held, &format!("the budget of this {scope}")).await;
        hook(&host, &mut other, "UserPromptSubmit", "asked-").await;
        let screen = host.screen(&other.name).await;
        assert!(!screen.contains("budget"), "{screen}");

        set(&host, scope, of, 0, "pause").await;
        host.state(&name, "paused").await;
        set(&host, scope, of, PLENTY, "pause").await;
        host.state(&name, "running").await;
        set(&host, scope, of, 0, "stop").await;
        let stopped = host.state(&name, "terminated").await;
        assert_eq!(stopped.exit.unwrap().reason, "stopped");
        assert_eq!(host.runner(&other.name).await.state, "running");
        hook(&host, &mut other, "PreToolUse", "still-").await;
        let screen = host.screen(&other.name).await;
        assert!(!screen.contains("budget"), "{screen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_set_aside_for_each_runner_is_not_there_for_the_next() {
    let host = host("[budget]\nreserve_tokens = 100\n").await;
    set(&host, "global", None, 150, "refuse").await;
    let request = |name: &str| v1::LaunchRequest {
        name: Some(name.into()),
        ..host.script("hold")
    };
    host.try_launch(request("one")).await.unwrap();
    let refused = host.try_launch(request("two")).await;
    expect_code(refused, Code::BudgetSpent, "budget");
    host.stop("one", 0).await;
    host.try_launch(request("two")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_denial_does_while_no_host_runs_is_as_set() {
    for when_away in ["open", "closed"] {
        let mut host = host(&format!("[budget]\nwhen_away = {when_away:?}\n")).await;
        let mut program = StandIn::launch_as(&host, "r", wide()).await;
        set(&host, "global", None, 0, "deny").await;
        is_denied(&host, &mut program, "the budget of all runners").await;
        let file = pid_file(&host, "r").await;
        host.kill();
        program.order("hook PreToolUse");
        program.order("status away");
        wait_until(SOON, "the hook has run", || {
            fs::read_to_string(&file).is_ok_and(|file| file.contains("\"away\""))
        });
        host.begin().await;
        host.state("r", "running").await;
        let screen = host.screen("r").await;
        let denied = screen.contains(r#""hookEventName":"PreToolUse""#);
        assert_eq!(denied, when_away == "closed", "{screen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_nothing_allows_nothing_and_what_is_no_amount_is_refused_in_clear_words() {
    let host = host("").await;
    let budget = |tokens, usd| v1::SetBudgetRequest {
        scope: "project".into(),
        of: Some("p".into()),
        period: "day".into(),
        tokens,
        usd,
        at_limit: Some("refuse".into()),
    };
    let set = async |request| {
        let set = host.client().set_budget(request).await;
        set.map(|set| set.into_inner()).map_err(Failure::from)
    };
    for (request, words) in [
        (budget(None, Some(-0.01)), "-0.01 US dollars"),
        (budget(None, Some(f64::NAN)), "NaN US dollars"),
        (budget(None, Some(f64::INFINITY)), "inf US dollars"),
        // Beyond what 64 bits of billionths hold.
        (budget(None, Some(1.9e10)), "from 0 to 1000000000"),
        (
            budget(Some(u64::MAX), None),
            "from 0 to 9223372036854775807",
        ),
        (budget(Some(1 << 63), None), "9223372036854775808 tokens"),
        (budget(None, None), "has no amount"),
        (budget(Some(1), Some(1.0)), "not both"),
    ] {
        let refused = set(request).await.unwrap_err();
        assert_eq!(refused.code, Code::Invalid, "{refused:?}");
        assert!(refused.message.contains(words), "{refused:?}");
        assert!(refused.hint.is_some(), "{refused:?}");
    }
    let listed = host.client().list_budgets(v1::ListBudgetsRequest {}).await;
    assert_eq!(listed.unwrap().into_inner().budgets, [], "none was kept");

    // The most that there is bounds nothing, and is told as it was set.
    let most = set(budget(Some(MOST), None)).await.unwrap();
    assert_eq!((most.tokens, most.percent), (Some(MOST), 0));
    assert_eq!(host.launch("hold").await.state, "running");
    for nothing in [budget(Some(0), None), budget(None, Some(0.0))] {
        let none = set(nothing).await.unwrap();
        assert_eq!((none.spent_tokens, none.percent), (0, 100), "{none:?}");
        let refused = host.try_launch(host.script("hold")).await;
        expect_code(refused, Code::BudgetSpent, "p");
        let id = v1::BudgetRef { id: none.id };
        host.client().remove_budget(id).await.unwrap();
    }
    assert_eq!(host.launch("hold").await.state, "running");
}
