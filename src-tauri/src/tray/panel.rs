//! Whether the panel that shows the icon is dark or light.

use futures::StreamExt;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zbus::Connection;
use zbus::zvariant::OwnedValue;

/// The panel's ground.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Panel {
    /// Light marks show on it.
    #[default]
    Dark,
    /// Dark marks show on it.
    Light,
}

/// The person's preference, as the settings portal numbers it.
const PREFERS_LIGHT: u32 = 2;
/// Desktops whose panel is dark whatever the person prefers for windows.
const ALWAYS_DARK: [&str; 4] = ["GNOME", "Unity", "Pantheon", "X-Cinnamon"];

const APPEARANCE: &str = "org.freedesktop.appearance";
const SCHEME: &str = "color-scheme";

#[zbus::proxy(
    interface = "org.freedesktop.portal.Settings",
    default_service = "org.freedesktop.portal.Desktop",
    default_path = "/org/freedesktop/portal/desktop",
    gen_blocking = false
)]
trait Settings {
    fn read_one(&self, namespace: &str, key: &str) -> zbus::Result<OwnedValue>;
    #[zbus(signal)]
    fn setting_changed(&self, namespace: &str, key: &str, value: OwnedValue);
}

impl Panel {
    /// Tells the panel from the desktop's names and the person's preference; nothing known is taken for dark.
    #[must_use]
    pub fn of(desktops: &str, scheme: Option<u32>) -> Self {
        let always_dark = desktops.split(':').any(|name| {
            ALWAYS_DARK
                .iter()
                .any(|dark| name.eq_ignore_ascii_case(dark))
        });
        if !always_dark && scheme == Some(PREFERS_LIGHT) {
            Self::Light
        } else {
            Self::Dark
        }
    }
}

/// Keeps `panel` true until `stop`. Without a settings portal it stays as it is.
pub async fn follow(
    bus: &Connection,
    desktops: &str,
    panel: &watch::Sender<Panel>,
    stop: &CancellationToken,
) {
    let followed = stop
        .run_until_cancelled(follow_portal(bus, desktops, panel))
        .await;
    if let Some(Err(error)) = followed {
        tracing::debug!(%error, "no settings portal: the panel is taken for {:?}", *panel.borrow());
    }
}

async fn follow_portal(
    bus: &Connection,
    desktops: &str,
    panel: &watch::Sender<Panel>,
) -> zbus::Result<()> {
    let set = |value: OwnedValue| {
        let now = Panel::of(desktops, u32::try_from(value).ok());
        panel.send_if_modified(|known| std::mem::replace(known, now) != now);
    };
    let settings = SettingsProxy::new(bus).await?;
    let mut changes = settings
        .receive_setting_changed_with_args(&[(0, APPEARANCE), (1, SCHEME)])
        .await?;
    set(settings.read_one(APPEARANCE, SCHEME).await?);
    while let Some(change) = changes.next().await {
        set(change.args()?.value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_is_dark_unless_the_desktop_follows_a_preference_for_light() {
        assert_eq!(Panel::of("KDE", Some(2)), Panel::Light);
        assert_eq!(Panel::of("KDE", Some(1)), Panel::Dark);
        assert_eq!(Panel::of("KDE", Some(0)), Panel::Dark);
        assert_eq!(Panel::of("ubuntu:GNOME", Some(2)), Panel::Dark);
        assert_eq!(Panel::of("", None), Panel::Dark);
    }
}
