//! What the real Claude Code asks for, answered in the window and in its notification.

use stratavore_api::{Api, v1};
use stratavore_testkit::claude::{ClaudeCode, PROMPT};
use stratavore_testkit::closed_proxy::ClosedProxy;
use stratavore_testkit::model_api::{Answer, ModelApi};
use stratavore_testkit::wait_until;

use crate::desk::Desk;
use crate::page::{SOON, row};

#[tokio::test(flavor = "multi_thread")]
async fn a_permission_is_given_in_the_window_and_in_its_notification() {
    let desk = Desk::set().await;
    let api = ModelApi::start().expect("started");
    let proxy = ClosedProxy::start().expect("started");
    let claude = ClaudeCode::install().expect("installed");
    let environment = claude
        .prepare(&desk.place.home, &api, &proxy)
        .expect("prepared");
    desk.configure(&format!("[programs]\nclaude = {:?}\n", claude.program()));
    let directory = desk.directory("atlas");
    let (seen, unseen) = (directory.join("seen"), directory.join("unseen"));
    let (command, other) = ("touch seen", "touch unseen");
    api.answer_when("make the first", Answer::bash(command));
    api.answer_when("make the second", Answer::bash(other));

    let window = desk.open("Adwaita:dark").await;
    let host = desk.host().await;
    desk.project(&host, "atlas", None).await;
    host.launch(v1::LaunchRequest {
        project: "atlas".into(),
        program: Some("claude".into()),
        name: Some("maker".into()),
        args: claude.argv()[1..].to_vec(),
        env: environment
            .into_iter()
            .map(|(key, value)| v1::EnvVar { key, value })
            .collect(),
        ..v1::LaunchRequest::default()
    })
    .await
    .unwrap();
    window.click(&row("maker", "running")).await;
    window.sees_in_terminal(PROMPT).await;
    let ask = async |text: &str| {
        host.send(v1::SendRequest {
            runner: "maker".into(),
            text: text.into(),
            enter: true,
        })
        .await
        .unwrap();
    };

    ask("make the first").await;
    window.reads("decision-subject", command).await;
    assert!(!seen.exists(), "it waits");
    window.picture("decision.png").await;
    // A click that comes at once was meant for what was there before.
    window
        .click("[data-testid=decision-allow][aria-disabled=false]")
        .await;
    wait_until(SOON, "the command ran", || seen.exists());
    window.see_gone("[data-testid=decision]").await;

    // Nobody looks at its terminal now.
    window.click("[data-testid=view-usage]").await;
    ask("make the second").await;
    let notification = desk
        .notifications
        .wait_for(SOON, "what it asks for", |shown| {
            shown.open && shown.body.contains(other)
        })
        .await;
    assert!(!unseen.exists(), "it waits");
    desk.notifications
        .press(notification.id, "allow")
        .await
        .unwrap();
    wait_until(SOON, "the other command ran", || unseen.exists());
    window.end().await;
    desk.end();
}
