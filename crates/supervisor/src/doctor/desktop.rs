//! Asks the session bus for what the desktop app needs of the desktop.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::Check;

/// How long the bus may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// What is asked for, by its well-known name on the session bus.
const TRAY_HOST: (&str, &str, &str) = (
    "tray host",
    "org.kde.StatusNotifierWatcher",
    "no icon can be shown in the panel; on GNOME install and enable the AppIndicator extension",
);
const NOTIFICATIONS: (&str, &str, &str) = (
    "notification service",
    "org.freedesktop.Notifications",
    "no notification can be shown; run one, such as dunst or mako, or a desktop that has one",
);

/// Looks for a tray host and a notification service.
pub(super) async fn checks() -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, service, missing) in [TRAY_HOST, NOTIFICATIONS] {
        checks.push(match has_service(service).await {
            Ok(true) => Check::ok(name, format!("{service} answers")),
            Ok(false) => Check::warning(name, format!("nobody offers {service} on the session bus"), missing),
            Err(why) => Check::warning(
                name,
                format!("cannot tell: {why}"),
                "look again from within the desktop session; without one the window and the command line still work",
            ),
        });
    }
    checks
}

/// Tells whether a service runs, or would be started when it is called.
async fn has_service(name: &str) -> Result<bool, String> {
    let running = ask("NameHasOwner", Some(name)).await?;
    if running.contains("boolean true") {
        return Ok(true);
    }
    let startable = ask("ListActivatableNames", None).await?;
    Ok(startable.contains(&format!("\"{name}\"")))
}

async fn ask(method: &str, name: Option<&str>) -> Result<String, String> {
    let mut command = Command::new("dbus-send");
    command
        .args([
            "--session",
            "--print-reply",
            "--dest=org.freedesktop.DBus",
            "/org/freedesktop/DBus",
        ])
        .arg(format!("org.freedesktop.DBus.{method}"))
        .args(name.map(|name| format!("string:{name}")))
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Without an address libdbus would start a bus of its own by X11; that is no session to look at.
    if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() {
        return Err("no session bus: DBUS_SESSION_BUS_ADDRESS is not set".to_owned());
    }
    let output = tokio::time::timeout(ANSWER, command.output())
        .await
        .map_err(|_| "the session bus does not answer".to_owned())?
        .map_err(|error| format!("dbus-send: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
