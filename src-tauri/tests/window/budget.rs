//! A budget is spent, and raised.

use chrono::TimeDelta;
use fantoccini::Locator;
use stratavore_api::{Api, v1};
use stratavore_core::clock::{Clock, SystemClock};

use crate::desk::Desk;
use crate::page::{THEMES, Window};
use crate::talks::{self, Talk};

/// Of how much is spent already.
const SPENT: &str = "[data-testid=budget-row][data-standing=spent]";

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_spent_is_raised_and_tells_how_long_it_lasts() {
    let desk = Desk::set().await;
    desk.install("claude", "2.1.330 (Claude Code)");
    let talk = Talk {
        project: "api-gateway",
        asked: "Split the token check out of the middleware and test it",
        said: "The token is checked twice today: once in the middleware, once in the handler.",
        model: "claude-opus-4-5",
        tokens: 1_840_000,
        // Answered just now, so that it is of this month on its first day, too.
        ago: TimeDelta::minutes(2),
    };
    talks::keep(&desk, 0, &talk);
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    desk.project(&host, "api-gateway", None).await;
    host.reindex().await.unwrap();
    window.click("[data-testid=view-usage]").await;

    // Set in the window.
    window.click("[data-testid=budget-add]").await;
    window.choose("[data-testid=budget-scope]", "project").await;
    window
        .choose("[data-testid=budget-of]", "api-gateway")
        .await;
    window.choose("[data-testid=budget-period]", "month").await;
    window.replace("[data-testid=budget-amount]", "2").await;
    window.choose("[data-testid=budget-limit]", "refuse").await;
    window.click("[data-testid=budget-submit]").await;
    window.see(SPENT).await;
    window.reads("budget-row", "of $2.00").await;
    window.reads("budget-outlook", "All of it is spent.").await;
    assert_eq!(bar(&window).await, "100%", "no bar is longer than all");
    let budget = only(host.budgets().await.unwrap());
    assert!(
        budget.percent >= 100 && budget.exhausted_at.is_none(),
        "{budget:?}"
    );

    // Raised to what lasts half of what is left of the month, at the pace of the month so far.
    let (began, ends) = (instant(&budget.began_at), instant(&budget.ends_at));
    let gone = (SystemClock.now() - began).as_seconds_f64();
    let half = ((ends - began).as_seconds_f64() + gone) / 2.0;
    let raised = (budget.spent_usd * half / gone * 1e4).round() / 1e4;
    window.click("[data-testid=budget-edit]").await;
    window.see("[data-testid=budget-dialog]").await;
    let amount = window
        .client
        .find(Locator::Css("[data-testid=budget-amount]"))
        .await
        .unwrap();
    assert_eq!(
        amount.prop("value").await.unwrap().as_deref(),
        Some("2"),
        "filled in"
    );
    window
        .replace("[data-testid=budget-amount]", &raised.to_string())
        .await;
    window.picture("budget-edit.png").await;
    window.click("[data-testid=budget-submit]").await;
    window.see_gone(SPENT).await;
    window.reads("budget-outlook", "At this pace spent").await;
    let budget = only(host.budgets().await.unwrap());
    assert_eq!(budget.usd, Some(raised));
    assert!(
        budget.percent < 100 && budget.exhausted_at.is_some(),
        "{budget:?}"
    );
    window
        .reads("budget-row", &format!("{} %", budget.percent))
        .await;
    assert_eq!(bar(&window).await, format!("{}%", budget.percent));
    for (theme, suffix) in THEMES {
        window.wear(theme).await;
        window.click("[data-testid=view-usage]").await;
        window.reads("budget-outlook", "At this pace spent").await;
        window.see("[data-testid=usage-chart] canvas").await;
        window.picture(&format!("budget{suffix}.png")).await;
    }
    window.end().await;
    desk.end();
}

/// Tells how long the only bar is.
async fn bar(window: &Window) -> String {
    let length =
        "return document.querySelector('[data-testid=budget-row] [role=meter] i').style.width";
    window
        .run(length)
        .await
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn only(budgets: v1::Budgets) -> v1::Budget {
    let [budget] = <[v1::Budget; 1]>::try_from(budgets.budgets).expect("one budget");
    budget
}

fn instant(at: &str) -> chrono::DateTime<chrono::Utc> {
    at.parse().expect("a time of the host")
}
