//! What the desktop around offers: a tray to live in, somebody to show notifications.

use std::collections::HashMap;

use futures::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zbus::Connection;
use zbus::fdo::DBusProxy;

/// Owned by whatever shows tray icons.
const TRAY: &str = "org.kde.StatusNotifierWatcher";
/// Owned by whatever shows notifications.
pub(crate) const NOTIFICATIONS: &str = "org.freedesktop.Notifications";

/// Tells what there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// There is a tray.
    pub tray: bool,
    /// There is a notification service, or one that starts when it is called.
    pub notifications: bool,
}

impl Presence {
    /// Nothing is missing.
    pub const ALL: Self = Self {
        tray: true,
        notifications: true,
    };
}

/// Keeps `presence` true until `stop`. Without a session bus there is neither, and nothing to wait for.
pub async fn follow(
    bus: Option<&Connection>,
    has_tray_library: bool,
    presence: &watch::Sender<Option<Presence>>,
    stop: &CancellationToken,
) {
    let followed = match bus {
        None => Ok(()),
        Some(bus) => follow_bus(bus, has_tray_library, presence, stop).await,
    };
    if let Err(error) = followed {
        tracing::warn!(%error, "cannot tell from the session bus what this desktop offers");
    }
    if !stop.is_cancelled() {
        presence.send_replace(Some(Presence::default()));
    }
}

async fn follow_bus(
    bus: &Connection,
    has_tray_library: bool,
    presence: &watch::Sender<Option<Presence>>,
    stop: &CancellationToken,
) -> zbus::Result<()> {
    let dbus = DBusProxy::new(bus).await?;
    // Listening comes before asking: what changes between the two would otherwise be missed.
    let trays = dbus
        .receive_name_owner_changed_with_args(&[(0, TRAY)])
        .await?;
    let services = dbus
        .receive_name_owner_changed_with_args(&[(0, NOTIFICATIONS)])
        .await?;
    let mut changes = futures::stream::select(trays, services);
    let startable = dbus
        .list_activatable_names()
        .await?
        .iter()
        .any(|name| name.as_str() == NOTIFICATIONS);
    let mut owned = HashMap::new();
    for name in [TRAY, NOTIFICATIONS] {
        owned.insert(
            name.to_owned(),
            dbus.name_has_owner(name.try_into()?).await?,
        );
    }
    loop {
        let now = Presence {
            tray: has_tray_library && owned[TRAY],
            notifications: startable || owned[NOTIFICATIONS],
        };
        presence.send_if_modified(|known| known.replace(now) != Some(now));
        let Some(Some(change)) = stop.run_until_cancelled(changes.next()).await else {
            return Ok(());
        };
        let change = change.args()?;
        owned.insert(change.name.to_string(), change.new_owner.is_some());
    }
}
