//! The interface with which programs show notifications.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedValue, Value};

use super::{Board, Notification, lock};

/// Takes what programs ask for.
pub(super) struct Service {
    pub(super) board: Arc<Mutex<Board>>,
    pub(super) capabilities: Vec<String>,
}

/// Why a notification was closed, in the protocol's numbers.
#[derive(Clone, Copy)]
pub(super) enum Closed {
    ByThePerson = 2,
    ByTheProgram = 3,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Service {
    fn get_capabilities(&self) -> Vec<String> {
        self.capabilities.clone()
    }

    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("stratavore-testkit", "stratavore", "1", "1.2")
    }

    #[expect(clippy::too_many_arguments, reason = "the protocol has so many")]
    fn notify(
        &self,
        app_name: String,
        replaces_id: u32,
        app_icon: String,
        summary: String,
        body: String,
        actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        expire_timeout: i32,
        #[zbus(header)] header: Header<'_>,
    ) -> u32 {
        let notification = Notification {
            id: 0,
            sender: header.sender().map(ToString::to_string).unwrap_or_default(),
            app_name,
            icon: app_icon,
            summary,
            body,
            actions: actions
                .chunks_exact(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
            hints: hints
                .into_iter()
                .map(|(name, value)| (name, text_of(value)))
                .collect(),
            expires: expire_timeout,
            replaced: 0,
            open: true,
        };
        lock(&self.board).show(notification, replaces_id)
    }

    async fn close_notification(
        &self,
        id: u32,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        #[zbus(header)] header: Header<'_>,
    ) -> zbus::fdo::Result<()> {
        if lock(&self.board).close(id) {
            let emitter = match header.sender() {
                Some(sender) => emitter.set_destination(sender.to_owned().into()),
                None => emitter,
            };
            Service::notification_closed(&emitter, id, Closed::ByTheProgram as u32).await?;
        }
        Ok(())
    }

    /// Tells that a button was pressed.
    #[zbus(signal)]
    pub(super) async fn action_invoked(
        emitter: &SignalEmitter<'_>,
        id: u32,
        key: &str,
    ) -> zbus::Result<()>;

    /// Tells, before the button, by which token the program may take the focus.
    #[zbus(signal)]
    pub(super) async fn activation_token(
        emitter: &SignalEmitter<'_>,
        id: u32,
        token: &str,
    ) -> zbus::Result<()>;

    /// Tells that a notification is no longer shown.
    #[zbus(signal)]
    pub(super) async fn notification_closed(
        emitter: &SignalEmitter<'_>,
        id: u32,
        reason: u32,
    ) -> zbus::Result<()>;
}

fn text_of(value: OwnedValue) -> String {
    match &*value {
        Value::Bool(flag) => flag.to_string(),
        Value::U8(number) => number.to_string(),
        Value::I32(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::Str(text) => text.to_string(),
        other => other.to_string(),
    }
}
