//! The windowing system, as the desktop's parts see it.

use std::path::PathBuf;

use async_trait::async_trait;
use tauri::{AppHandle, Emitter, Manager};
use tauri_plugin_dialog::DialogExt;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::desktop::Surroundings;
use crate::mailbox::Letter;
use crate::window;

/// The real one.
pub(crate) struct Shell {
    pub(crate) app: AppHandle,
    /// Where the window's size is remembered.
    pub(crate) memory: PathBuf,
    /// Cancelled, the program ends.
    pub(crate) stop: CancellationToken,
}

#[async_trait]
impl Surroundings for Shell {
    async fn pick_folder(&self) -> Option<PathBuf> {
        let (picked, answer) = oneshot::channel();
        let mut dialog = self.app.dialog().file().set_title("Add a project");
        if let Some(window) = self.app.get_webview_window(window::LABEL) {
            dialog = dialog.set_parent(&window);
        }
        dialog.pick_folder(move |folder| {
            let _ = picked.send(folder);
        });
        answer
            .await
            .ok()
            .flatten()
            .and_then(|folder| folder.into_path().ok())
    }

    fn open_link(&self, url: &str) -> Result<(), String> {
        tauri_plugin_opener::open_url(url, None::<&str>).map_err(|error| error.to_string())
    }

    fn raise(&self, token: Option<String>) {
        let (app, memory) = (self.app.clone(), self.memory.clone());
        let raised = self.app.run_on_main_thread(move || {
            if let Err(error) = window::raise(&app, &memory, token.as_deref()) {
                tracing::error!(%error, "cannot open the window");
            }
        });
        if let Err(error) = raised {
            tracing::error!(%error, "cannot ask for the window");
        }
    }

    fn deliver(&self, letter: &Letter) {
        if let Err(error) = self.app.emit_to(window::LABEL, letter.event(), letter) {
            tracing::warn!(%error, "cannot tell the window");
        }
    }

    fn is_focused(&self) -> bool {
        self.app
            .get_webview_window(window::LABEL)
            .is_some_and(|window| window.is_focused().unwrap_or(false))
    }

    fn end(&self) {
        self.stop.cancel();
    }
}
