//! Terminals.

use stratavore_api::{Code, Failure};
use tauri::ipc::{Channel, InvokeBody, InvokeResponseBody, Request as Ipc};
use tauri::{AppHandle, Runtime};

use super::{Reply, Shared};
use crate::terminal::{self, Message, Request, open};

/// The header that says which terminal raw input is for.
const ATTACHMENT: &str = "attachment";

#[tauri::command]
pub(super) async fn terminal_open(
    desktop: Shared<'_>,
    runner: String,
    columns: u16,
    rows: u16,
    read_only: bool,
    channel: Channel<InvokeResponseBody>,
) -> Reply<u32> {
    let page = move |message: Message| {
        channel
            .send(InvokeResponseBody::Raw(message.into_bytes()))
            .is_ok()
    };
    let (attachment, carried) = open(
        &desktop,
        Request {
            runner,
            columns,
            rows,
            read_only,
        },
        page,
    )
    .await?;
    desktop.tasks.spawn(carried);
    Ok(attachment)
}

/// Not async: commands that are not run one after the other, so that keystrokes keep their order.
#[tauri::command]
pub(super) fn terminal_input(desktop: Shared<'_>, request: Ipc<'_>) -> Reply<()> {
    let attachment = request
        .headers()
        .get(ATTACHMENT)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse().ok())
        .ok_or_else(|| {
            Failure::new(
                Code::Invalid,
                "terminal input lacks the number of its terminal",
            )
        })?;
    match request.body() {
        InvokeBody::Raw(bytes) => desktop.attachments.input(attachment, bytes),
        InvokeBody::Json(_) => Err(Failure::new(Code::Invalid, "terminal input is not bytes")),
    }
}

#[tauri::command]
pub(super) async fn terminal_resize(
    desktop: Shared<'_>,
    attachment: u32,
    columns: u16,
    rows: u16,
) -> Reply<()> {
    desktop.attachments.resize(attachment, columns, rows).await
}

#[tauri::command]
pub(super) async fn terminal_ack(desktop: Shared<'_>, attachment: u32, bytes: u64) -> Reply<()> {
    desktop.attachments.acknowledge(attachment, bytes).await
}

#[tauri::command]
pub(super) async fn terminal_take_over(desktop: Shared<'_>, attachment: u32) -> Reply<()> {
    desktop.attachments.take_over(attachment).await
}

#[tauri::command]
pub(super) async fn terminal_redraw(
    desktop: Shared<'_>,
    attachment: u32,
    history_lines: u32,
) -> Reply<()> {
    desktop.attachments.redraw(attachment, history_lines).await
}

#[tauri::command]
pub(super) async fn copy_text<R: Runtime>(
    app: AppHandle<R>,
    text: String,
    primary: bool,
) -> Reply<()> {
    terminal::copy(&app, text, primary)
}

/// Keeps the clipboard's image beside what else an attempt leaves, and gives its path; nothing when it holds none.
#[tauri::command]
pub(super) async fn keep_image<R: Runtime>(
    app: AppHandle<R>,
    desktop: Shared<'_>,
    runner: String,
) -> Reply<Option<String>> {
    match terminal::image(&app).await? {
        Some(png) => terminal::keep_image(&desktop, &runner, &png)
            .await
            .map(Some),
        None => Ok(None),
    }
}

#[tauri::command]
pub(super) async fn open_file(desktop: Shared<'_>, runner: String, url: String) -> Reply<()> {
    terminal::open_file(&desktop, &runner, &url).await
}

#[tauri::command]
pub(super) fn terminal_close(desktop: Shared<'_>, attachment: u32) {
    desktop.attachments.close(attachment);
}
