//! The desktop around the window.

use stratavore_api::{Code, Failure};

use super::{Reply, Shared};
use crate::desktop::DesktopState;

/// The schemes that a terminal may have a person's browser open.
const LINKS: [&str; 3] = ["http://", "https://", "mailto:"];

#[tauri::command]
pub(super) async fn desktop_state(desktop: Shared<'_>) -> Reply<DesktopState> {
    Ok(desktop.greet().await)
}

#[tauri::command]
pub(super) fn set_shown_runners(desktop: Shared<'_>, runners: Vec<String>) {
    desktop.set_shown(runners);
}

#[tauri::command]
pub(super) async fn pick_folder(desktop: Shared<'_>) -> Reply<Option<String>> {
    match desktop
        .surroundings()
        .pick_folder()
        .await
        .map(|folder| folder.into_os_string().into_string())
    {
        None => Ok(None),
        Some(Ok(folder)) => Ok(Some(folder)),
        Some(Err(folder)) => Err(Failure::new(
            Code::Invalid,
            format!("the name of folder {folder:?} is not UTF-8"),
        )
        .hint("rename it, or choose another")),
    }
}

#[tauri::command]
pub(super) async fn open_link(desktop: Shared<'_>, url: String) -> Reply<()> {
    if !LINKS
        .iter()
        .any(|scheme| url.to_ascii_lowercase().starts_with(scheme))
    {
        return Err(Failure::new(
            Code::Invalid,
            format!("link {url:?} is not opened: only web and mail links are"),
        ));
    }
    desktop.surroundings().open_link(&url).map_err(|why| {
        Failure::new(Code::Unavailable, format!("cannot open {url}: {why}"))
            .hint("copy the link and open it yourself")
    })
}

#[tauri::command]
pub(super) async fn open_in_terminal(desktop: Shared<'_>, runner: String) -> Reply<()> {
    desktop.emulator.open(&runner).await
}

#[tauri::command]
pub(super) async fn autostart_get(desktop: Shared<'_>) -> Reply<bool> {
    Ok(desktop.autostart.is_enabled())
}

#[tauri::command]
pub(super) async fn autostart_set(desktop: Shared<'_>, enabled: bool) -> Reply<()> {
    desktop.autostart.set(enabled)?;
    desktop.nudge_self();
    Ok(())
}

#[tauri::command]
pub(super) async fn quit(desktop: Shared<'_>, stop_runners: bool) -> Reply<()> {
    desktop.quit(stop_runners).await
}
