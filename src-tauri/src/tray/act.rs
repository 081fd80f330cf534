//! Does what was clicked.

use stratavore_api::v1::stop_request::Target;
use stratavore_api::{Code, Failure, v1};

use super::Action;
use crate::desktop::Desktop;
use crate::mailbox::Letter;

/// Does it, and says in the window when it failed: a menu has no place for that.
pub async fn act(desktop: &Desktop, action: Action) {
    match attempt(desktop, action).await {
        Ok(()) => {}
        // A notification tells of it already.
        Err(failure) if failure.code == Code::QuotaFull => tracing::info!(%failure, "refused"),
        Err(failure) => desktop.tell(&failure),
    }
}

async fn attempt(desktop: &Desktop, action: Action) -> Result<(), Failure> {
    let named = |runner: String| v1::RunnerRef { runner };
    let stop = |target| v1::StopRequest {
        target: Some(target),
        grace_seconds: None,
        wait: false,
    };
    match action {
        Action::Attach(runner) => desktop.show(Some(Letter::Attach(runner)), None),
        Action::OpenInTerminal(runner) => desktop.emulator.open(&runner).await?,
        Action::Open => desktop.show(None, None),
        Action::LaunchInWindow(project) => desktop.show(Some(Letter::Launch(project)), None),
        Action::Autostart => {
            let set = desktop.autostart.set(!desktop.autostart.is_enabled());
            desktop.nudge_self();
            set?;
        }
        Action::Quit => desktop.quit(false).await?,
        Action::StopAndQuit => desktop.quit(true).await?,
        Action::Stop(runner) => drop(
            desktop
                .slot
                .api()
                .await?
                .stop(stop(Target::Runner(runner)))
                .await?,
        ),
        Action::StopProject(project) => drop(
            desktop
                .slot
                .api()
                .await?
                .stop(stop(Target::Project(project)))
                .await?,
        ),
        Action::Restart(runner) => drop(desktop.slot.api().await?.restart(named(runner)).await?),
        Action::Pause(runner) => drop(desktop.slot.api().await?.pause(named(runner)).await?),
        Action::Continue(runner) => drop(desktop.slot.api().await?.go_on(named(runner)).await?),
        Action::Launch(project) => {
            let request = v1::LaunchRequest {
                project,
                ..v1::LaunchRequest::default()
            };
            let runner = desktop.slot.api().await?.launch(request).await?;
            // Who launches from the menu wants to work with it.
            desktop.show(Some(Letter::Attach(runner.id)), None);
        }
    }
    Ok(())
}
