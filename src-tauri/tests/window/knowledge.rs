//! Who needs a person, what was said with agents, what it cost, and presets; with the pictures of the documentation.

use stratavore_api::{Api, v1};

use crate::desk::{Desk, launch, says};
use crate::page::{Window, attends, row};
use crate::talks;

#[tokio::test(flavor = "multi_thread")]
async fn who_needs_a_person_comes_first_and_what_was_said_and_spent_is_found() {
    let desk = Desk::set().await;
    desk.install("claude", "2.1.330 (Claude Code)");
    talks::keep_all(&desk);
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    for name in ["api-gateway", "docs-site", "web-shop"] {
        desk.project(&host, name, None).await;
    }
    for (project, name, scene) in [
        (
            "web-shop",
            "checkout",
            says(
                "idle:app=claude-code",
                r"\e[2m> \e[22mDone: 14 files changed.\n",
            ),
        ),
        (
            "api-gateway",
            "limits",
            says(
                "working:app=claude-code",
                r"\e]0\sEditing src/limits.rs\a\e[2m> \e[22mAnswer 429 beyond the limit\n",
            ),
        ),
        (
            "docs-site",
            "rewrite-intro",
            says(
                "blocked:app=claude-code:kind=question:msg=YW5zd2VyOiBLZWVwIHRoZSBvbGQgVVJMcywgb3IgcmVkaXJlY3QgdGhlbT8=",
                r"\e[2m> \e[22mRewrite the introduction\n\n\e[38\s5\s75m●\e[0m Keep the old URLs, or redirect them?\n",
            ),
        ),
        (
            "api-gateway",
            "auth-refactor",
            says(
                "blocked:app=claude-code:kind=permission:msg=YXBwcm92ZSBCYXNo",
                r"\e[2m> \e[22mSplit the token check out of the middleware\n\n\e[38\s5\s215m●\e[0m \e[1mBash\e[22m(cargo test -p auth --all-features)\n\n Do you want to proceed?\n \e[36m❯ 1. Yes\e[0m\n   2. No\n",
            ),
        ),
    ] {
        launch(&host, project, "claude", name, &scene).await;
        window.see(&row(name, "running")).await;
    }
    for (name, state) in [
        ("auth-refactor", "needs-permission"),
        ("rewrite-intro", "needs-answer"),
        ("limits", "working"),
        ("checkout", "idle"),
    ] {
        window.see(&attends(name, state)).await;
    }
    window
        .holds_true(
            "those who need a person come first, the longest waiting before the others",
            "const names = [...document.querySelectorAll('[data-group=needs] [data-testid=runner-row]')];
             return names.map(({ dataset }) => dataset.name).join() === 'rewrite-intro,auth-refactor'",
        )
        .await;
    window.click(&row("auth-refactor", "running")).await;
    window.sees_in_terminal("Do you want to proceed?").await;
    window.reads("fact-source", "its terminal").await;
    window.picture("attention.png").await;

    host.reindex().await.unwrap();
    host.set_budget(v1::SetBudgetRequest {
        scope: "project".into(),
        of: Some("api-gateway".into()),
        period: "month".into(),
        usd: Some(20.0),
        at_limit: Some("deny".into()),
        ..v1::SetBudgetRequest::default()
    })
    .await
    .unwrap();
    for (name, toml) in [
        (
            "review",
            "description = \"Reads the branch and says what is wrong\"\nprogram = \"claude\"\nargs = [\"--permission-mode\", \"plan\"]\n",
        ),
        (
            "feature",
            "inherits = \"review\"\ndescription = \"A fresh worktree, so that nothing else is touched\"\nworktree = true\n",
        ),
    ] {
        host.save_preset(v1::SavePresetRequest {
            name: name.into(),
            toml: toml.into(),
        })
        .await
        .unwrap();
    }
    knowledge(&window, "").await;
    window.end().await;

    let window = desk.open("Adwaita").await;
    window.click(&row("auth-refactor", "running")).await;
    window.sees_in_terminal("Do you want to proceed?").await;
    window.see(&attends("rewrite-intro", "needs-answer")).await;
    window.picture("attention-light.png").await;
    knowledge(&window, "-light").await;
    window.end().await;
    desk.end();
}

/// Goes through the views of what is known, each to its end.
async fn knowledge(window: &Window, theme: &str) {
    window.click("[data-testid=view-history]").await;
    window
        .see("[data-testid=session-row][data-resumable=true]")
        .await;
    window.fill("[data-testid=history-search]", "token").await;
    window.see("[data-testid=session-row] mark").await;
    window.click("[data-testid=session-open]").await;
    window.see("[data-testid=conversation] mark").await;
    window.picture(&format!("history{theme}.png")).await;

    window.click("[data-testid=view-usage]").await;
    window.reads("usage-prices", "a-model-of-tomorrow").await;
    window.reads("usage-total", "estimated").await;
    window.see("[data-testid=usage-chart] canvas").await;
    window.see("[data-testid=budget-row]").await;
    window.picture(&format!("usage{theme}.png")).await;

    window.click("[data-testid=view-presets]").await;
    window
        .click("[data-testid=preset-row][data-preset=feature]")
        .await;
    window.see("[data-testid=preset-toml]").await;
    window.picture(&format!("presets{theme}.png")).await;
}
