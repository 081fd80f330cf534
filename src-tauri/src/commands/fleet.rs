//! Projects, runners, events, and how the host fares.

use futures::TryStreamExt;
use stratavore_api::v1;

use super::{Reply, Shared};

#[tauri::command]
pub(super) async fn status(desktop: Shared<'_>) -> Reply<v1::Status> {
    desktop.slot.api().await?.status().await
}

#[tauri::command]
pub(super) async fn doctor(desktop: Shared<'_>) -> Reply<v1::DoctorReport> {
    desktop.slot.api().await?.doctor().await
}

#[tauri::command]
pub(super) async fn config(desktop: Shared<'_>, project: Option<String>) -> Reply<v1::Config> {
    desktop
        .slot
        .api()
        .await?
        .config(v1::ConfigRequest { project })
        .await
}

#[tauri::command]
pub(super) async fn events(
    desktop: Shared<'_>,
    since: Option<String>,
    limit: Option<u32>,
) -> Reply<Vec<v1::Event>> {
    let events = desktop
        .slot
        .api()
        .await?
        .events(v1::EventsRequest {
            since,
            follow: false,
            limit,
        })
        .await?;
    events.try_collect().await
}

#[tauri::command]
pub(super) async fn list_projects(desktop: Shared<'_>, archived: bool) -> Reply<v1::Projects> {
    desktop
        .slot
        .api()
        .await?
        .projects(v1::ListProjectsRequest { archived })
        .await
}

#[tauri::command]
pub(super) async fn add_project(
    desktop: Shared<'_>,
    request: v1::AddProjectRequest,
) -> Reply<v1::Project> {
    desktop.slot.api().await?.add_project(request).await
}

#[tauri::command]
pub(super) async fn archive_project(desktop: Shared<'_>, project: String) -> Reply<v1::Project> {
    desktop
        .slot
        .api()
        .await?
        .archive_project(v1::ProjectRef { project })
        .await
}

#[tauri::command]
pub(super) async fn list_programs(desktop: Shared<'_>) -> Reply<v1::Programs> {
    desktop.slot.api().await?.programs().await
}

#[tauri::command]
pub(super) async fn launch(desktop: Shared<'_>, request: v1::LaunchRequest) -> Reply<v1::Runner> {
    desktop.slot.api().await?.launch(request).await
}

#[tauri::command]
pub(super) async fn list_runners(
    desktop: Shared<'_>,
    project: Option<String>,
    all: bool,
) -> Reply<v1::Runners> {
    desktop
        .slot
        .api()
        .await?
        .runners(v1::ListRunnersRequest { project, all })
        .await
}

#[tauri::command]
pub(super) async fn get_runner(desktop: Shared<'_>, runner: String) -> Reply<v1::Runner> {
    desktop
        .slot
        .api()
        .await?
        .runner(v1::RunnerRef { runner })
        .await
}

#[tauri::command]
pub(super) async fn stop(desktop: Shared<'_>, request: v1::StopRequest) -> Reply<v1::Runners> {
    desktop.slot.api().await?.stop(request).await
}

#[tauri::command]
pub(super) async fn pause(desktop: Shared<'_>, runner: String) -> Reply<v1::Runner> {
    desktop
        .slot
        .api()
        .await?
        .pause(v1::RunnerRef { runner })
        .await
}

#[tauri::command]
pub(super) async fn continue_runner(desktop: Shared<'_>, runner: String) -> Reply<v1::Runner> {
    desktop
        .slot
        .api()
        .await?
        .go_on(v1::RunnerRef { runner })
        .await
}

#[tauri::command]
pub(super) async fn restart(desktop: Shared<'_>, runner: String) -> Reply<v1::Runner> {
    desktop
        .slot
        .api()
        .await?
        .restart(v1::RunnerRef { runner })
        .await
}

#[tauri::command]
pub(super) async fn answer_interrupted(desktop: Shared<'_>, start: bool) -> Reply<v1::Runners> {
    desktop
        .slot
        .api()
        .await?
        .answer_interrupted(v1::InterruptedAnswer { start })
        .await
}

/// Gives or refuses the permission that a runner waits for.
#[tauri::command]
pub(super) async fn decide(desktop: Shared<'_>, request: v1::DecideRequest) -> Reply<()> {
    desktop.decide(request).await
}
