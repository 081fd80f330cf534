//! A person's first day.

use fantoccini::Locator;
use fantoccini::key::Key;
use stratavore_api::{Api, v1};
use stratavore_testkit::binary;

use crate::desk::Desk;
use crate::page::row;

#[tokio::test(flavor = "multi_thread")]
async fn a_person_adds_a_project_launches_types_and_stops_by_mouse_and_then_by_keyboard_alone() {
    let desk = Desk::set().await;
    let directory = desk.directory("api");
    let window = desk.open("Adwaita").await;

    window.click("[data-testid=first-project]").await;
    window
        .fill("[data-testid=project-path]", directory.to_str().unwrap())
        .await;
    let name = window
        .client
        .find(Locator::Css("[data-testid=project-name]"))
        .await
        .unwrap();
    assert_eq!(name.prop("value").await.unwrap().as_deref(), Some("api"));
    window.click("[data-testid=project-submit]").await;
    window.see("[data-testid=no-runners]").await;

    window.chord(&[Key::Control.into(), 'n']).await;
    window.see("[data-testid=launch-dialog]").await;
    window
        .click("[data-testid=launch-program][data-program=command] input")
        .await;
    let fake = binary::fake_program();
    window
        .fill(
            "[data-testid=launch-command]",
            &format!("{} 'print hello from the runner; echo'", fake.display()),
        )
        .await;
    window.fill("[data-testid=launch-name]", "greeter").await;
    window.click("[data-testid=launch-submit]").await;
    window.see(&row("greeter", "running")).await;
    window.sees_in_terminal("hello from the runner").await;
    window.click("[data-testid=terminal]").await;
    window.keys("good morning\u{e007}").await;
    window.sees_in_terminal("you said: good morning").await;

    window.click("[data-testid=stop]").await;
    window.see("[data-testid=question-cancel]:focus").await;
    window.click("[data-testid=question-confirm]").await;
    window.see(&row("greeter", "terminated")).await;
    window.see("[data-testid=ended-strip]").await;
    for view in [
        "projects", "history", "usage", "presets", "events", "settings",
    ] {
        window.click(&format!("[data-testid=view-{view}]")).await;
        window.see(&format!("[data-testid={view}-view]")).await;
    }
    window.see("[data-testid=config-table] tr").await;

    // The same again without the mouse.
    window.palette("go to events").await;
    window.see("[data-testid=event-row]").await;
    window.palette("go to projects").await;
    window
        .see("[data-testid=project-row][data-project=api]")
        .await;
    window.chord(&[Key::Control.into(), '1']).await;
    window.see("[data-testid=facts]").await;
    window.palette("restart greeter").await;
    window.see(&row("greeter", "running")).await;
    window.see("[data-testid=terminal][data-ready=true]").await;
    window.sees_in_terminal("hello from the runner").await;
    window.holds("[data-testid=terminal] textarea:focus").await;
    window.keys("good evening\u{e007}").await;
    window.sees_in_terminal("you said: good evening").await;
    window.palette("stop greeter").await;
    window.see("[data-testid=question-cancel]:focus").await;
    window.keys("\u{e004}").await;
    window.see("[data-testid=question-confirm]:focus").await;
    window.keys("\u{e007}").await;
    window.see(&row("greeter", "terminated")).await;

    let runner = v1::RunnerRef {
        runner: "greeter".into(),
    };
    let told = desk.host().await.runner(runner).await.unwrap();
    assert_eq!((told.state.as_str(), told.attempt), ("terminated", 2));
    window.end().await;
    desk.end();
}
