//! The tray: an icon that tells how things stand, and a menu of what can be done about it.
//!
//! [`model()`] decides what the menu is, as a function of what is known; [`Applied`] makes the real one so, changing
//! texts in place where it can; [`follow()`] does both whenever something changed; [`act()`] does what was clicked.

mod act;
mod action;
mod applied;
mod entry;
mod follow;
mod icon;
mod known;
mod launch;
mod model;
mod needs;
mod panel;
mod running;
mod words;

pub use act::act;
pub use action::Action;
pub use applied::Applied;
pub use entry::Entry;
pub use follow::{Follow, follow};
pub use icon::Mark;
pub use model::{Menu, Snapshot, model};
pub use panel::{Panel, follow as follow_panel};

use std::path::Path;

use tauri::tray::{TrayIcon, TrayIconBuilder};
use tauri::{AppHandle, Wry};

/// The tray's one icon.
const ID: &str = "main";
/// The libraries that tray icons are made with, as the tray crate looks for them.
const LIBRARIES: [&str; 2] = ["libayatana-appindicator3.so.1", "libappindicator3.so.1"];

/// Tells whether the library that tray icons are made with can be loaded; without it the tray crate would panic.
#[must_use]
pub fn has_library() -> bool {
    LIBRARIES.iter().any(|name| {
        // SAFETY: these are the libraries the tray crate loads itself; their initialisers do nothing beyond GObject's.
        unsafe { libloading::Library::new(name) }
            .map(std::mem::forget)
            .is_ok()
    })
}

/// Makes the icon, on the main thread. `directory` holds the pictures that the panel reads, one at a time.
///
/// # Errors
/// The picture could not be written there.
pub fn build(
    app: &AppHandle,
    directory: &Path,
    clicked: impl Fn(Action) + Send + Sync + 'static,
) -> tauri::Result<TrayIcon<Wry>> {
    TrayIconBuilder::with_id(ID)
        .temp_dir_path(directory)
        .icon(icon::picture(Mark::Quiet, Panel::Dark, icon::scale())?)
        .on_menu_event(move |_, event| {
            if let Some(action) = Action::from_id(event.id().as_ref()) {
                clicked(action);
            }
        })
        .build(app)
}
