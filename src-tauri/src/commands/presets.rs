//! Named launches.

use stratavore_api::v1;

use super::{Reply, Shared};

#[tauri::command]
pub(super) async fn list_presets(
    desktop: Shared<'_>,
    project: Option<String>,
) -> Reply<v1::Presets> {
    desktop
        .slot
        .api()
        .await?
        .presets(v1::ListPresetsRequest { project })
        .await
}

#[tauri::command]
pub(super) async fn save_preset(
    desktop: Shared<'_>,
    request: v1::SavePresetRequest,
) -> Reply<v1::Preset> {
    desktop.slot.api().await?.save_preset(request).await
}

#[tauri::command]
pub(super) async fn remove_preset(desktop: Shared<'_>, name: String) -> Reply<()> {
    desktop
        .slot
        .api()
        .await?
        .remove_preset(v1::PresetRef { name })
        .await
}
