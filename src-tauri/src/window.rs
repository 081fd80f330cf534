//! The window: made when it is asked for, destroyed when it is closed (hidden, it would keep 200 MB).

use std::path::Path;

use tauri::{
    AppHandle, LogicalPosition, LogicalSize, Manager, WebviewUrl, WebviewWindow,
    WebviewWindowBuilder, Window,
};

use crate::activation;
use crate::geometry::{Geometry, SMALLEST, Screen};

/// The window's label; capabilities are given to it.
pub const LABEL: &str = "main";
/// Where the page comes from: built in, or in development from Vite.
const ORIGINS: [&str; 2] = ["tauri://localhost", "http://localhost:1420"];

/// Opens the window or brings it to the front, on the main thread.
///
/// # Errors
/// The webview could not be made.
pub fn raise(app: &AppHandle, memory: &Path, token: Option<&str>) -> tauri::Result<()> {
    let window = match app.get_webview_window(LABEL) {
        Some(window) => window,
        None => open(app, memory)?,
    };
    window.unminimize()?;
    window.show()?;
    activation::present(&window.gtk_window()?, token);
    Ok(())
}

fn open(app: &AppHandle, memory: &Path) -> tauri::Result<WebviewWindow> {
    let geometry = Geometry::load(memory).fitted(&screens(app)?);
    let mut builder = WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
        .title("Stratavore")
        .inner_size(geometry.width, geometry.height)
        .min_inner_size(SMALLEST.0, SMALLEST.1)
        .maximized(geometry.maximized)
        // Links are opened in the browser; the window itself never leaves its page.
        .on_navigation(|url| {
            ORIGINS
                .iter()
                .any(|origin| url.as_str().starts_with(origin))
        });
    builder = match geometry.at {
        Some((x, y)) => builder.position(x, y),
        None => builder.center(),
    };
    builder.build()
}

fn screens(app: &AppHandle) -> tauri::Result<Vec<Screen>> {
    let screens = app.available_monitors()?.into_iter().map(|monitor| {
        let at: LogicalPosition<f64> = monitor.position().to_logical(monitor.scale_factor());
        let size: LogicalSize<f64> = monitor.size().to_logical(monitor.scale_factor());
        Screen {
            x: at.x,
            y: at.y,
            width: size.width,
            height: size.height,
        }
    });
    Ok(screens.collect())
}

/// Remembers size and place. While maximized, those of before are kept.
pub fn remember(window: &Window, memory: &Path) {
    let measured = || -> tauri::Result<Geometry> {
        let maximized = window.is_maximized()?;
        if maximized {
            return Ok(Geometry {
                maximized,
                ..Geometry::load(memory)
            });
        }
        let scale = window.scale_factor()?;
        let size: LogicalSize<f64> = window.inner_size()?.to_logical(scale);
        let at = window
            .outer_position()
            .ok()
            .map(|at| at.to_logical::<f64>(scale))
            .map(|at| (at.x, at.y));
        Ok(Geometry {
            width: size.width,
            height: size.height,
            at,
            maximized,
        })
    };
    match measured() {
        Ok(geometry) => {
            if let Err(error) = geometry.store(memory) {
                tracing::warn!(%error, "cannot remember the window's size in {}", memory.display());
            }
        }
        Err(error) => tracing::warn!(%error, "cannot measure the window"),
    }
}
