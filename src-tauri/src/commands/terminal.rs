//! Terminals.

use stratavore_api::{Code, Failure};
use tauri::ipc::{Channel, InvokeBody, InvokeResponseBody, Request as Ipc};

use super::{Reply, Shared};
use crate::terminal::{Message, Request, open};

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
pub(super) fn terminal_close(desktop: Shared<'_>, attachment: u32) {
    desktop.attachments.close(attachment);
}
