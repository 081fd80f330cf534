//! Does what was clicked.

use std::sync::Arc;

use stratavore_api::v1::stop_request::Target;
use stratavore_api::{Api, Code, Failure, v1};
use stratavore_core::clock::Clock;

use super::Action;
use crate::desktop::Desktop;
use crate::mailbox::Letter;

/// Does it, and says in the window when it failed: a menu has no place for that.
pub async fn act(desktop: &Desktop, action: Action, clock: &dyn Clock) {
    match attempt(desktop, action, clock).await {
        Ok(()) => {}
        // A notification tells of it already, unless none is shown for now.
        Err(failure)
            if failure.code == Code::QuotaFull && desktop.pause.until(clock.now()).is_none() =>
        {
            tracing::info!(%failure, "refused");
        }
        Err(failure) => desktop.tell(&failure),
    }
}

/// Answers what a runner asks for, without a reason: a menu has no place to write one.
fn answer(runner: String, ask: String, allow: bool) -> v1::DecideRequest {
    v1::DecideRequest {
        runner,
        ask,
        allow,
        reason: None,
    }
}

async fn attempt(desktop: &Desktop, action: Action, clock: &dyn Clock) -> Result<(), Failure> {
    let in_project = |project: String| v1::LaunchRequest {
        project,
        ..v1::LaunchRequest::default()
    };
    match action {
        Action::Attach(runner) => desktop.show(Some(Letter::Attach(runner)), None),
        Action::OpenInTerminal(runner) => desktop.emulator.open(&runner).await?,
        Action::Allow { runner, ask } => desktop.decide(answer(runner, ask, true)).await?,
        Action::Deny { runner, ask } => desktop.decide(answer(runner, ask, false)).await?,
        Action::Open => desktop.show(None, None),
        Action::LaunchInWindow(project) => desktop.show(Some(Letter::Launch(project)), None),
        Action::PauseNotifications(length) => {
            let end = length.end(clock.now(), &chrono::Local);
            desktop.pause.set(Some(end));
            desktop.nudge_self();
        }
        Action::ResumeNotifications => {
            desktop.pause.set(None);
            desktop.nudge_self();
        }
        Action::Autostart => {
            let set = desktop.autostart.set(!desktop.autostart.is_enabled());
            desktop.nudge_self();
            set?;
        }
        Action::Quit => desktop.quit(false).await?,
        Action::StopAndQuit => desktop.quit(true).await?,
        Action::Stop(runner) => stop(&desktop.slot.api().await?, Target::Runner(runner)).await?,
        Action::StopProject(project) => {
            stop(&desktop.slot.api().await?, Target::Project(project)).await?;
        }
        Action::Restart(runner) => {
            drop(
                desktop
                    .slot
                    .api()
                    .await?
                    .restart(v1::RunnerRef { runner })
                    .await?,
            );
        }
        Action::Pause(runner) => {
            drop(
                desktop
                    .slot
                    .api()
                    .await?
                    .pause(v1::RunnerRef { runner })
                    .await?,
            );
        }
        Action::Continue(runner) => {
            drop(
                desktop
                    .slot
                    .api()
                    .await?
                    .go_on(v1::RunnerRef { runner })
                    .await?,
            );
        }
        Action::Launch(project) => launch(desktop, in_project(project)).await?,
        Action::LaunchPreset { project, preset } => {
            let request = v1::LaunchRequest {
                preset: Some(preset),
                ..in_project(project)
            };
            launch(desktop, request).await?;
        }
        Action::ContinueLast(project) => {
            let request = v1::LaunchRequest {
                continue_last: true,
                ..in_project(project)
            };
            launch(desktop, request).await?;
        }
        Action::LaunchInWorktree(project) => {
            let request = v1::LaunchRequest {
                worktree: Some(String::new()),
                ..in_project(project)
            };
            launch(desktop, request).await?;
        }
    }
    Ok(())
}

async fn stop(api: &Arc<dyn Api>, target: Target) -> Result<(), Failure> {
    let request = v1::StopRequest {
        target: Some(target),
        grace_seconds: None,
        wait: false,
    };
    api.stop(request).await.map(drop)
}

/// Launches, and shows it: who launches from the menu wants to work with it.
async fn launch(desktop: &Desktop, request: v1::LaunchRequest) -> Result<(), Failure> {
    let runner = desktop.slot.api().await?.launch(request).await?;
    desktop.show(Some(Letter::Attach(runner.id)), None);
    Ok(())
}
