//! Tokens, what they cost, and budgets.

use stratavore_api::v1;

use super::{Reply, Shared};

#[tauri::command]
pub(super) async fn usage(
    desktop: Shared<'_>,
    request: v1::UsageRequest,
) -> Reply<v1::UsageReport> {
    desktop.slot.api().await?.usage(request).await
}

#[tauri::command]
pub(super) async fn list_budgets(desktop: Shared<'_>) -> Reply<v1::Budgets> {
    desktop.slot.api().await?.budgets().await
}

#[tauri::command]
pub(super) async fn set_budget(
    desktop: Shared<'_>,
    request: v1::SetBudgetRequest,
) -> Reply<v1::Budget> {
    desktop.slot.api().await?.set_budget(request).await
}

#[tauri::command]
pub(super) async fn remove_budget(desktop: Shared<'_>, id: String) -> Reply<()> {
    desktop
        .slot
        .api()
        .await?
        .remove_budget(v1::BudgetRef { id })
        .await
}
