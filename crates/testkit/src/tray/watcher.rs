//! The interface with which tray items register.

use std::sync::PoisonError;

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::OwnedObjectPath;

use super::Registered;

/// Notes the items that register.
pub(super) struct Watcher {
    pub(super) registered: Registered,
}

#[zbus::interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> zbus::fdo::Result<()> {
        let sender = header.sender().map(ToString::to_string).unwrap_or_default();
        // libayatana sends the path of its object; others send the bus name and have the usual path.
        let (service, path) = if service.starts_with('/') {
            (sender, service)
        } else {
            (service.to_owned(), "/StatusNotifierItem")
        };
        let path = OwnedObjectPath::try_from(path)
            .map_err(|error| zbus::fdo::Error::InvalidArgs(error.to_string()))?;
        let name = format!("{service}{path}");
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((service, path));
        Watcher::status_notifier_item_registered(&emitter, &name).await?;
        Ok(())
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .map(|(service, path)| format!("{service}{path}"))
            .collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    /// Tells panels of a new item.
    #[zbus(signal)]
    async fn status_notifier_item_registered(
        emitter: &SignalEmitter<'_>,
        service: &str,
    ) -> zbus::Result<()>;

    /// Tells items that a panel is there.
    #[zbus(signal)]
    pub(super) async fn status_notifier_host_registered(
        emitter: &SignalEmitter<'_>,
    ) -> zbus::Result<()>;
}
