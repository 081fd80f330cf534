//! A question that a program asks, and how soon the window shows that it does.

use std::time::Duration;

use chrono::{DateTime, Utc};
use fantoccini::key::Key;
use stratavore_api::{Api, Remote, v1};

use crate::desk::{Desk, at_work, says};
use crate::page::{THEMES, Window, attends, row};

/// "answer: Keep the old URLs, or redirect them?", as a program says it.
const QUESTION: &str = "YW5zd2VyOiBLZWVwIHRoZSBvbGQgVVJMcywgb3IgcmVkaXJlY3QgdGhlbT8=";

#[tokio::test(flavor = "multi_thread")]
async fn a_question_stands_in_the_list_with_how_long_it_waits_until_it_is_answered() {
    let desk = Desk::set().await;
    let asks = format!(
        r"write \e]7501\sstate=blocked:app=claude-code:kind=question:msg={QUESTION}\a; print Keep the old URLs, or redirect them?; wait-line redirect them; write \e]7501\sstate=working:app=claude-code\a; print I redirect them.; hold"
    );
    let (window, _) = at_work(
        &desk,
        &[
            ("rewrite-intro", &asks),
            ("limits", &says("working:app=claude-code", "")),
        ],
    )
    .await;
    window.see(&attends("rewrite-intro", "needs-answer")).await;
    window
        .holds_true(
            "that one is waited for",
            "return document.querySelector('[data-testid=foot-needs]')?.innerText.trim() === '1 needs you'",
        )
        .await;
    window
        .holds_true(
            "first, by itself, with what is asked",
            &needs(
                "rewrite-intro",
                "asks: Keep the old URLs, or redirect them?",
            ),
        )
        .await;
    window.reads_row("rewrite-intro", "now").await;
    // Four minutes later.
    window
        .run("const real = Date.now; Date.now = () => real.call(Date) + 4 * 60_000 + 5_000")
        .await;
    window.reads_row("rewrite-intro", "4m").await;
    for (theme, suffix) in THEMES {
        window.wear(theme).await;
        window.click(&row("rewrite-intro", "running")).await;
        window.sees_in_terminal("or redirect them?").await;
        window.reads("fact-state", "needs an answer").await;
        window.picture(&format!("question{suffix}.png")).await;
    }
    window.click("[data-testid=terminal]").await;
    window.keys("redirect them").await;
    window.keys(&char::from(Key::Enter).to_string()).await;
    window.sees_in_terminal("I redirect them.").await;
    window.see_gone("[data-group=needs]").await;
    window.see(&attends("rewrite-intro", "working")).await;
    window.see_gone("[data-testid=foot-needs]").await;
    window.end().await;
    desk.end();
}

/// Says whether only this runner is under the heading of those who need a person, with these words in its line.
fn needs(name: &str, words: &str) -> String {
    format!(
        "const all = [...document.querySelectorAll('[data-group=needs] [data-testid=runner-row]')];
         return all.length === 1 && all[0].dataset.name === '{name}' && all[0].innerText.includes('{words}')
            && document.querySelector('[data-group]').dataset.group === 'needs'"
    )
}

/// How often the state changes; an odd one of them is in the middle.
const EDGES: usize = 9;
/// Ten times what is meant to be the most, for a machine that does much else.
const MOST: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn what_the_host_knows_of_a_runner_is_on_the_windows_screen_at_once() {
    let desk = Desk::set().await;
    // Nothing else makes the window ask meanwhile.
    desk.configure("[heartbeat]\ninterval_seconds = 600\n");
    let (window, host) = at_work(&desk, &[("limits", &scene(EDGES))]).await;
    let mut waits = edges(&window, &host, "limits", EDGES).await;
    waits.sort();
    assert!(waits[EDGES / 2] < MOST, "{waits:?}");
    window.end().await;
    desk.end();
}

/// A program that works, and is done, whenever a line is typed.
pub(crate) fn scene(edges: usize) -> String {
    let edges: String = (0..edges)
        .map(|edge| {
            format!(
                r"wait-line; write \e]7501\sstate={}:app=claude-code\a; ",
                state(edge)
            )
        })
        .collect();
    format!(r"write \e]7501\sstate=idle:app=claude-code\a; {edges}hold")
}

fn state(edge: usize) -> &'static str {
    if edge.is_multiple_of(2) {
        "working"
    } else {
        "idle"
    }
}

/// From now on the page tells when each state of the runner was on the screen: after the frame that shows it.
fn watch(name: &str) -> String {
    format!(
        "let last = null;
         window.shown = [];
         const look = () => {{
             const row = document.querySelector('[data-testid=runner-row][data-name=\"{name}\"]');
             const state = row?.dataset.attention;
             if (state === undefined || state === last) return;
             last = state;
             requestAnimationFrame(() => setTimeout(() => window.shown.push({{ state, at: Date.now() }})));
         }};
         look();
         new MutationObserver(look).observe(document.body, {{
             subtree: true, childList: true, attributes: true, attributeFilter: ['data-attention', 'data-name'],
         }});"
    )
}

/// Lets the runner's state change so often, and measures from since when the host says that it holds until it is on the screen.
pub(crate) async fn edges(
    window: &Window,
    host: &Remote,
    name: &str,
    count: usize,
) -> Vec<Duration> {
    window.see(&attends(name, "idle")).await;
    window.run(&watch(name)).await;
    let mut waits = Vec::new();
    for edge in 0..count {
        let runner = || name.to_owned();
        let typed = v1::SendRequest {
            runner: runner(),
            text: String::new(),
            enter: true,
        };
        host.send(typed).await.unwrap();
        let state = state(edge);
        // The first is what was there before.
        let nth = edge + 1;
        window
            .holds_true(
                &format!("edge {nth}, {state}"),
                &format!("return window.shown[{nth}]?.state === '{state}'"),
            )
            .await;
        let shown = window.run(&format!("return window.shown[{nth}].at")).await;
        let shown = shown.as_f64().unwrap();
        let told = host
            .runner(v1::RunnerRef { runner: runner() })
            .await
            .unwrap();
        let told = told.attention.unwrap();
        assert_eq!(told.state, state);
        let since: DateTime<Utc> = told.since.parse().unwrap();
        // Both clocks are cut to the millisecond.
        let wait = (shown - since.timestamp_millis() as f64).max(0.0);
        waits.push(Duration::from_secs_f64(wait / 1e3));
    }
    waits
}
