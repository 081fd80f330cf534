//! Whether the screen is locked, where that can be known.

use std::sync::OnceLock;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::timeout;
use zbus::Connection;
use zbus::proxy::CacheProperties;

/// Who may know, and where each is asked. The interface has the name's own name.
const KEEPERS: [(&str, &str); 2] = [
    (
        "org.freedesktop.ScreenSaver",
        "/org/freedesktop/ScreenSaver",
    ),
    ("org.gnome.ScreenSaver", "/org/gnome/ScreenSaver"),
];
/// How long one may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// The screen's lock.
#[derive(Default)]
pub struct ScreenLock {
    bus: OnceLock<Connection>,
}

#[zbus::proxy(
    interface = "org.freedesktop.ScreenSaver",
    gen_blocking = false,
    assume_defaults = false
)]
trait Keeper {
    // Asking is no reason to start one.
    #[zbus(no_autostart)]
    fn get_active(&self) -> zbus::Result<bool>;
}

impl ScreenLock {
    /// Names the bus that it is asked on. Until then nothing is known.
    pub fn ask_on(&self, bus: Connection) {
        // There is one session bus.
        let _ = self.bus.set(bus);
    }

    /// Tells, in words, why nobody may be taken to be in front of the screen; `None` when it is open or nobody knows.
    /// A keeper that is there and does not answer counts as one that keeps the screen locked.
    pub async fn obstacle(&self) -> Option<&'static str> {
        let bus = self.bus.get()?;
        let answers =
            join_all(KEEPERS.map(|(name, path)| timeout(PATIENCE, is_active(bus, name, path))))
                .await;
        if answers.iter().any(|answer| matches!(answer, Ok(Ok(true)))) {
            Some("the screen is locked")
        } else if answers.iter().any(Result::is_err) {
            Some("the screen's lock does not say whether it is locked")
        } else {
            None
        }
    }
}

async fn is_active(bus: &Connection, name: &str, path: &str) -> zbus::Result<bool> {
    let keeper = KeeperProxy::builder(bus)
        .destination(name)?
        .path(path)?
        .interface(name)?
        .cache_properties(CacheProperties::No)
        .build()
        .await?;
    keeper.get_active().await
}
