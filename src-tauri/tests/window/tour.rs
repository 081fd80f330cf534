//! Every view and dialog, in a small window and with large text: nothing is out of reach.

use fantoccini::key::Key;
use stratavore_api::{Api, v1};

use crate::desk::{Desk, launch, says};
use crate::page::{Window, row};
use crate::talks;

/// What a person cannot reach: what lies beyond the window's sides, and buttons whose words are cut.
const OUT_OF_REACH: &str = "
    const out = [];
    const dialog = document.querySelector('dialog[open]');
    const all = 'button, input, select, textarea, h1, h2, h3, p, dd, li, code';
    for (const one of (dialog ?? document).querySelectorAll(all)) {
        const { left, right, width, height } = one.getBoundingClientRect();
        const style = getComputedStyle(one);
        // What is part of a line is cut with that, which says so.
        if (style.display === 'inline' || width < 2 || height < 2 || style.visibility === 'hidden' || one.closest('.xterm, .hidden-visually')) continue;
        const named = `${one.tagName} ${one.dataset.testid ?? one.className} ${one.textContent.slice(0, 40)}`;
        if (left < -1 || right > innerWidth + 1) out.push(`${named}: ${left} to ${right} of ${innerWidth}`);
        const field = ['INPUT', 'SELECT', 'TEXTAREA'].includes(one.tagName);
        const spills = style.overflowX === 'visible' && !field;
        if (spills && one.scrollWidth > one.clientWidth + 2) out.push(`${named}: ${one.scrollWidth} in ${one.clientWidth}`);
    }
    for (const { offsetParent, clientWidth, scrollWidth, textContent } of document.querySelectorAll('.named .name'))
        if (offsetParent !== null && clientWidth < Math.min(scrollWidth, 40)) out.push(`${textContent}: ${clientWidth}`);
    return out;";

const LONG_PROJECT: &str = "payments-reconciliation-service-europe";
const LONG_RUNNER: &str = "rewrite-the-settlement-importer-and-its-tests";

/// Clicks through the page: the driver's mouse misses what is drawn larger.
async fn press(window: &Window, css: &str) {
    window.see(css).await;
    window
        .run(&format!("document.querySelector('{css}').click()"))
        .await;
}

async fn look(window: &Window, name: &str) {
    let out = window.run(OUT_OF_REACH).await;
    assert_eq!(out, serde_json::json!([]), "{name}");
}

async fn tour(window: &Window, size: &str) {
    let name = |view: &str| format!("{size}: {view}");
    let escape = char::from(Key::Escape).to_string();
    press(window, "[data-testid=view-fleet]").await;
    press(window, &row(LONG_RUNNER, "running")).await;
    window.sees_in_terminal("Keep the old URLs").await;
    look(window, &name("fleet")).await;
    for (view, settled) in [
        ("projects", "[data-testid=project-row]"),
        ("history", "[data-testid=session-row]"),
        ("usage", "[data-testid=budget-row]"),
        ("presets", "[data-testid=preset-row]"),
        ("events", "[data-testid=event-row]"),
        ("settings", "[data-testid=doctor-check]"),
    ] {
        press(window, &format!("[data-testid=view-{view}]")).await;
        window.see(settled).await;
        look(window, &name(view)).await;
        let more = match view {
            "history" => Some((
                "[data-testid=session-open]",
                "[data-testid=session-details]",
            )),
            "usage" => Some(("[data-testid=budget-edit]", "[data-testid=budget-dialog]")),
            "presets" => Some(("[data-testid=preset-row]", "[data-testid=preset-toml]")),
            "projects" => Some((
                "[data-testid=project-add]",
                "[data-testid=add-project-dialog]",
            )),
            _ => None,
        };
        if let Some((opens, settled)) = more {
            press(window, opens).await;
            window.see(settled).await;
            look(window, &name(&format!("{view}, opened"))).await;
            window.keys(&escape).await;
            if view == "history" {
                // In a small window they are in the place of the list.
                press(window, "[data-testid=details-close]").await;
            }
        }
        window.see_gone("dialog[open]").await;
    }
    press(window, "[data-testid=launch]").await;
    window.see("[data-testid=launch-program]").await;
    press(window, "[data-testid=launch-more]").await;
    look(window, &name("launch")).await;
    window.keys(&escape).await;
    window.see_gone("dialog[open]").await;
    window.chord(&[Key::Control.into(), 'k']).await;
    window.see("[data-testid=palette-option]").await;
    look(window, &name("palette")).await;
    window.keys(&escape).await;
    window.see_gone("dialog[open]").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_out_of_reach_in_a_small_window_or_with_large_text() {
    let mut desk = Desk::set().await;
    desk.install("claude", "2.1.330 (Claude Code)");
    talks::keep_all(&desk);
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    for name in ["api-gateway", LONG_PROJECT] {
        desk.project(&host, name, Some(3)).await;
    }
    let asks = says(
        "blocked:app=claude-code:kind=question:msg=YW5zd2VyOiBLZWVwIHRoZSBvbGQgVVJMcywgb3IgcmVkaXJlY3QgdGhlbT8=",
        r"Keep the old URLs, or redirect them?\n",
    );
    launch(&host, LONG_PROJECT, "claude", LONG_RUNNER, &asks).await;
    launch(
        &host,
        "api-gateway",
        "claude",
        "limits",
        &says("working:app=claude-code", ""),
    )
    .await;
    host.reindex().await.unwrap();
    for of in [LONG_PROJECT, "api-gateway"] {
        host.set_budget(v1::SetBudgetRequest {
            scope: "project".into(),
            of: Some(of.into()),
            period: "month".into(),
            usd: Some(20.0),
            at_limit: Some("deny".into()),
            ..v1::SetBudgetRequest::default()
        })
        .await
        .unwrap();
    }
    host.save_preset(v1::SavePresetRequest {
        name: "review-what-changed-since-the-last-release".into(),
        toml: "description = \"Reads the branch and says what is wrong\"\nprogram = \"claude\"\nargs = [\"--permission-mode\", \"plan\"]\n".into(),
    })
    .await
    .unwrap();
    tour(&window, "usual").await;
    window.client.set_window_size(900, 600).await.unwrap();
    window
        .holds_true(
            "a small window",
            "return innerWidth === 900 && innerHeight <= 600",
        )
        .await;
    tour(&window, "small").await;
    window.end().await;
    desk.place
        .environment
        .insert("GDK_DPI_SCALE".into(), "2".into());
    let window = desk.open("Adwaita").await;
    tour(&window, "large").await;
    window.end().await;
    desk.end();
}
