//! A conversation is found again and gone on with.

use std::fs;

use stratavore_api::{Api, v1};

use crate::desk::Desk;
use crate::page::{THEMES, row};
use crate::talks;

/// Words of one of the conversations, and the beginning of its id.
const WORDS: &str = "umlaut";
const SESSION: &str = "57180cc2";

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_was_found_goes_on_by_one_click() {
    let desk = Desk::set().await;
    desk.install("claude", "2.1.330 (Claude Code)");
    talks::keep_all(&desk);
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    for name in ["api-gateway", "docs-site", "web-shop"] {
        desk.project(&host, name, None).await;
    }
    host.reindex().await.unwrap();

    window.click("[data-testid=view-history]").await;
    window.fill("[data-testid=history-search]", WORDS).await;
    window.reads("session-row", WORDS).await;
    window.click("[data-testid=session-open]").await;
    window.reads("conversation", "folds both now").await;
    window
        .click("[data-testid=session-row][data-resumable=true] [data-testid=session-resume]")
        .await;

    // Its terminal is in front, with that conversation and no other.
    window
        .sees_in_terminal(&format!("I go on with {SESSION}-"))
        .await;
    window.reads("fact-session", SESSION).await;
    window.reads("fact-mode", "by resuming a session").await;
    let all = host
        .runners(v1::ListRunnersRequest::default())
        .await
        .unwrap();
    let [runner] = all.runners.as_slice() else {
        panic!("one runner: {all:?}")
    };
    assert!(runner.session_id.as_ref().unwrap().starts_with(SESSION));
    assert_eq!(
        (runner.project.as_str(), runner.mode.as_str()),
        ("docs-site", "resume")
    );
    window.see(&row(&runner.name, "running")).await;
    window.keys("thank you\u{e007}").await;
    window.sees_in_terminal("you said: thank you").await;

    for (theme, suffix) in THEMES {
        window.wear(theme).await;
        window.click("[data-testid=view-history]").await;
        // A second click cannot let two runners speak in one conversation: it shows the one that does.
        window
            .see("[data-testid=session-row][data-resumable=false] [data-testid=session-show]")
            .await;
        window.picture(&format!("resumed{suffix}.png")).await;
    }
    window.click("[data-testid=details-show]").await;
    window.sees_in_terminal("you said: thank you").await;
    let kept = desk.place.home.home().join(".claude/projects");
    assert_eq!(
        fs::read_dir(kept).unwrap().count(),
        3,
        "nothing was added to what the program keeps"
    );
    window.end().await;
    desk.end();
}
