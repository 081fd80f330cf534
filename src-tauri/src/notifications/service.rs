//! The desktop's notification service, as the specification has it.

use std::collections::HashMap;

use zbus::Message;
use zbus::zvariant::Value;

use super::Card;

/// How the desktop's file is called, so that the service finds name and settings.
const DESKTOP_ENTRY: &str = "Stratavore";
/// Let the service decide how long it stays.
const BY_THE_SERVICE: i32 = -1;

#[zbus::proxy(
    interface = "org.freedesktop.Notifications",
    default_service = "org.freedesktop.Notifications",
    default_path = "/org/freedesktop/Notifications",
    gen_blocking = false
)]
pub(super) trait Service {
    #[expect(clippy::too_many_arguments, reason = "the specification's")]
    fn notify(
        &self,
        app_name: &str,
        replaces: u32,
        icon: &str,
        summary: &str,
        body: &str,
        actions: &[&str],
        hints: HashMap<&str, Value<'_>>,
        expires: i32,
    ) -> zbus::Result<u32>;
    fn close_notification(&self, id: u32) -> zbus::Result<()>;
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;
}

/// What the service tells.
pub(super) enum Signal {
    /// By which right the window may come to the front after the action that follows.
    Token(u32, String),
    /// A button was pressed.
    Action(u32, String),
    /// A notification is no longer shown.
    Closed(u32),
    /// Nothing of these.
    Other,
}

impl Signal {
    pub(super) fn read(message: &Message) -> zbus::Result<Self> {
        let header = message.header();
        let body = message.body();
        Ok(match header.member().map(|member| member.as_str()) {
            Some("ActivationToken") => {
                let (id, token) = body.deserialize()?;
                Self::Token(id, token)
            }
            Some("ActionInvoked") => {
                let (id, key) = body.deserialize()?;
                Self::Action(id, key)
            }
            Some("NotificationClosed") => {
                let (id, _reason): (u32, u32) = body.deserialize()?;
                Self::Closed(id)
            }
            _ => Self::Other,
        })
    }
}

/// Tells whether bodies are taken for markup.
pub(super) async fn takes_markup(service: &ServiceProxy<'_>) -> zbus::Result<bool> {
    let capabilities = service.get_capabilities().await?;
    Ok(capabilities
        .iter()
        .any(|capability| capability == "body-markup"))
}

/// Shows a card; gives the service's number of it.
pub(super) async fn show(service: &ServiceProxy<'_>, card: &Card) -> zbus::Result<u32> {
    let hints = HashMap::from([
        ("desktop-entry", Value::from(DESKTOP_ENTRY)),
        ("urgency", Value::from(card.urgency)),
    ]);
    service
        .notify(
            "Stratavore",
            0,
            card.icon,
            &card.summary,
            &card.body,
            &card.actions,
            hints,
            BY_THE_SERVICE,
        )
        .await
}
