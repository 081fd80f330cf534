//! Brings a window to the front by the right of an activation token.

use gtk::prelude::{GtkWindowExt, ObjectExt, ObjectType};
use gtk::{ApplicationWindow, gdk};

/// Presents a window, on the main thread. Without a token a compositor may show it as wanting attention only.
pub fn present(window: &ApplicationWindow, token: Option<&str>) {
    if let Some(token) = token {
        // X11: the id carries the time of the click, by which the window manager judges.
        window.set_startup_id(token);
        on_wayland(token);
    }
    window.present();
}

/// Wayland: GDK 3 activates a focused surface with the display's startup id, which only this function sets.
fn on_wayland(token: &str) {
    let Some(display) = gdk::Display::default() else {
        return;
    };
    let (true, Ok(token)) = (
        display.type_().name() == "GdkWaylandDisplay",
        std::ffi::CString::new(token),
    ) else {
        return;
    };
    // SAFETY: the display was found to be Wayland's and lives as long as the program; GDK copies the text.
    unsafe {
        gdk_wayland_sys::gdk_wayland_display_set_startup_notification_id(
            display.as_ptr().cast(),
            token.as_ptr(),
        );
    }
}

/// Takes from the environment the token a launcher gave this start.
#[must_use]
pub fn token_of(env: &std::collections::BTreeMap<String, String>) -> Option<String> {
    ["XDG_ACTIVATION_TOKEN", "DESKTOP_STARTUP_ID"]
        .iter()
        .find_map(|key| env.get(*key).filter(|token| !token.is_empty()).cloned())
}
