//! The fleet at work, with the pictures of the documentation.

use fantoccini::key::Key;
use stratavore_api::{Api, v1};

use crate::desk::{Desk, launch};
use crate::page::row;

/// What an agent shows while it works: text in colours, a change, a box to type into.
const AGENT: &str = concat!(
    r"allocate 60; write \e]0\sSplitting the session store\a",
    r"\e[2m> \e[22mMove session expiry into the store, and test it\n\n",
    r"\e[38\s5\s75m●\e[0m I'll look at how sessions expire today.\n\n",
    r"\e[38\s5\s78m●\e[0m \e[1mRead\e[22m(src/session.rs)\n",
    r"  \e[2m└ 214 lines\e[22m\n\n",
    r"\e[38\s5\s78m●\e[0m \e[1mUpdate\e[22m(src/session.rs)\n",
    r"  \e[2m└ 2 additions, 3 removals\e[22m\n",
    r"     \e[2m41\e[22m      pub fn get(&self, id: &Id) -> Option<Session> {\n",
    r"     \e[2m42\e[22m \e[31m-        let session = self.map.get(id)?\s\e[0m\n",
    r"     \e[2m43\e[22m \e[31m-        if session.expires < now() { return None\s }\e[0m\n",
    r"     \e[2m44\e[22m \e[31m-        Some(session.clone())\e[0m\n",
    r"     \e[2m42\e[22m \e[32m+        let now = self.clock.now()\s\e[0m\n",
    r"     \e[2m43\e[22m \e[32m+        self.store.live_at(id, now)\e[0m\n",
    r"     \e[2m44\e[22m      }\n\n",
    r"\e[38\s5\s78m●\e[0m \e[1mRun\e[22m(cargo test session)\n",
    r"  \e[2m└\e[22m \e[32m17 passed\e[0m, 0 failed\n\n",
    r"\e[38\s5\s75m✻\e[0m \e[38\s5\s75mWriting the test for clock skew…\e[0m \e[2m(48s, 3.1k tokens)\e[22m\n\n",
    r"\e[2m────────────────────────────────────────────────────────────\e[22m\n",
    r"> \n",
    r"\e[2m────────────────────────────────────────────────────────────\e[22m\e[A\e[58D\e[0m; hold",
);

/// What another shows beside it: a test run that goes on.
const TESTS: &str = concat!(
    r"allocate 60; write \e]0\sRunning cargo nextest for the fourth time\a",
    r"\e[2m> \e[22mFind out why the upload test fails once in a while\n\n",
    r"\e[38\s5\s78m●\e[0m \e[1mRun\e[22m(cargo nextest run uploads)\n",
    r"  \e[32m    PASS\e[0m uploads::small_file\n",
    r"  \e[32m    PASS\e[0m uploads::empty_file\n",
    r"  \e[31m    FAIL\e[0m uploads::resumes_after_a_break\n",
    r"  \e[2m└\e[22m 41 passed, \e[31m1 failed\e[0m\n\n",
    r"\e[38\s5\s78m●\e[0m The retry starts before the socket is closed.\n\n",
    r"\e[38\s5\s75m✻\e[0m \e[38\s5\s75mRunning it a hundred times…\e[0m \e[2m(2m 11s)\e[22m\n; hold",
);

#[tokio::test(flavor = "multi_thread")]
async fn the_fleet_shows_each_state_and_the_window_follows_the_desktops_theme() {
    let desk = Desk::set().await;
    desk.install("claude", "2.1.34 (Claude Code)");
    desk.install("codex", "codex-cli 0.46.0");
    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    for (name, limit) in [
        ("api-gateway", Some(4)),
        ("docs-site", None),
        ("web-shop", Some(2)),
    ] {
        desk.project(&host, name, limit).await;
    }
    let title = |title: &str| format!(r"allocate 60; write \e]0\s{title}\a; hold");
    launch(&host, "api-gateway", "claude", "sessions", AGENT).await;
    launch(&host, "api-gateway", "claude", "flaky-tests", TESTS).await;
    for (project, program, name, doing) in [
        (
            "docs-site",
            "codex",
            "rewrite-intro",
            "Rewriting the first page",
        ),
        (
            "web-shop",
            "claude",
            "checkout",
            "Reading the payment module",
        ),
    ] {
        launch(&host, project, program, name, &title(doing)).await;
    }
    launch(
        &host,
        "web-shop",
        "codex",
        "upgrade",
        "print cannot reach the registry; exit 3",
    )
    .await;
    launch(
        &host,
        "docs-site",
        "claude",
        "spelling",
        "print done; exit 0",
    )
    .await;
    window.see(&row("rewrite-intro", "running")).await;
    let paused = v1::RunnerRef {
        runner: "rewrite-intro".into(),
    };
    host.pause(paused).await.unwrap();

    for (name, state) in [
        ("sessions", "running"),
        ("flaky-tests", "running"),
        ("checkout", "running"),
        ("rewrite-intro", "paused"),
        ("upgrade", "failed"),
        ("spelling", "terminated"),
    ] {
        window.see(&row(name, state)).await;
    }
    window.click(&row("checkout", "running")).await;
    window.click(&row("sessions", "running")).await;
    window.sees_in_terminal("17 passed").await;
    window.reads("fact-viewers", "1").await;
    window.reads("fact-memory", "MB").await;
    assert_eq!(window.run(IS_DARK).await, true);
    window.picture("fleet-dark.png").await;
    window.chord(&[Key::Control.into(), 'n']).await;
    window
        .see("[data-testid=launch-program][data-found=true]")
        .await;
    window.picture("launch.png").await;
    window.click("[data-testid=launch-cancel]").await;
    window
        .chord(&[Key::Control.into(), Key::Shift.into(), 'o'])
        .await;
    window.see("[data-testid=palette-text]:focus").await;
    window.keys("flaky").await;
    window.keys(&char::from(Key::Enter).to_string()).await;
    window.sees_in_terminal("41 passed").await;
    window
        .holds_true(
            "two terminals of half the height",
            "const all = [...document.querySelectorAll('[data-testid=terminal][data-ready=true]')];
             return all.length === 2 && all.every(({ dataset }) => dataset.size.split('x')[1] < 20)",
        )
        .await;
    window.picture("split.png").await;
    for (view, settled) in [
        ("projects", "[data-testid=project-row]"),
        ("events", "[data-testid=event-row]"),
        ("settings", "[data-testid=doctor-check]"),
    ] {
        window.click(&format!("[data-testid=view-{view}]")).await;
        window.see(settled).await;
        window.picture(&format!("{view}.png")).await;
    }
    window.end().await;

    // Another desktop session, in light colours: the same runners.
    let window = desk.open("Adwaita").await;
    window.click(&row("sessions", "running")).await;
    window.sees_in_terminal("17 passed").await;
    window.see(&row("rewrite-intro", "paused")).await;
    window.reads("fact-viewers", "1").await;
    assert_eq!(window.run(IS_DARK).await, false);
    window.picture("fleet-light.png").await;
    window.end().await;
    desk.end();
}

const IS_DARK: &str = "return matchMedia('(prefers-color-scheme: dark)').matches";
