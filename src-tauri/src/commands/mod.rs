//! What the window may ask. Each command parses, asks the host and passes the answer or the failure on.

mod desktop;
mod fleet;
mod presets;
mod sessions;
mod terminal;
mod usage;

use std::sync::Arc;

use stratavore_api::Failure;
use tauri::ipc::Invoke;
use tauri::{Runtime, State};

use crate::desktop::Desktop;

type Shared<'a> = State<'a, Arc<Desktop>>;
type Reply<T> = Result<T, Failure>;

/// Returns what answers the window's commands.
pub fn handler<R: Runtime>() -> impl Fn(Invoke<R>) -> bool + Send + Sync + 'static {
    tauri::generate_handler![
        fleet::status,
        fleet::doctor,
        fleet::config,
        fleet::events,
        fleet::list_projects,
        fleet::add_project,
        fleet::archive_project,
        fleet::list_programs,
        fleet::launch,
        fleet::list_runners,
        fleet::get_runner,
        fleet::stop,
        fleet::pause,
        fleet::continue_runner,
        fleet::restart,
        fleet::answer_interrupted,
        fleet::decide,
        sessions::list_sessions,
        sessions::get_session,
        sessions::search_sessions,
        sessions::read_session,
        sessions::export_session,
        sessions::archive_session,
        sessions::resume_session,
        sessions::reindex,
        usage::usage,
        usage::list_budgets,
        usage::set_budget,
        usage::remove_budget,
        presets::list_presets,
        presets::save_preset,
        presets::remove_preset,
        terminal::terminal_open,
        terminal::terminal_input,
        terminal::terminal_resize,
        terminal::terminal_ack,
        terminal::terminal_take_over,
        terminal::terminal_redraw,
        terminal::terminal_close,
        terminal::copy_text,
        terminal::keep_image,
        terminal::open_file,
        desktop::desktop_state,
        desktop::set_shown_runners,
        desktop::pick_folder,
        desktop::open_link,
        desktop::open_in_terminal,
        desktop::autostart_get,
        desktop::autostart_set,
        desktop::quit,
    ]
}
