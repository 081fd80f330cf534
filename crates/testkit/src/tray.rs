//! A stand-in for the panel: it owns `org.kde.StatusNotifierWatcher`, sees tray items register, reads their icon and
//! menu and clicks in it (apt: `dbus-daemon`, for [`crate::bus`]).

mod watcher;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use zbus::object_server::SignalEmitter;
use zbus::zvariant::{OwnedObjectPath, OwnedValue};

use crate::bus::Bus;
use crate::dbusmenu::Menu;
pub use crate::dbusmenu::MenuItem;
use crate::wait::wait_until_async;
use watcher::Watcher;

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
const ITEM: &str = "org.kde.StatusNotifierItem";

/// Hosts tray items until it is dropped.
pub struct TrayHost {
    connection: zbus::Connection,
    registered: Registered,
}

/// Is one tray item that has registered.
#[derive(Clone, Debug)]
pub struct TrayItem {
    connection: zbus::Connection,
    service: String,
    path: OwnedObjectPath,
}

/// Is an icon in pixels, as the item sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pixmap {
    /// The width in pixels.
    pub width: i32,
    /// The height in pixels.
    pub height: i32,
    /// Alpha, red, green, blue of every pixel, row by row.
    pub argb: Vec<u8>,
}

/// Service and object path of every item so far, in the order they came.
type Registered = Arc<Mutex<Vec<(String, OwnedObjectPath)>>>;

impl TrayHost {
    /// Becomes the panel of the bus.
    pub async fn start(bus: &Bus) -> zbus::Result<TrayHost> {
        let registered = Registered::default();
        let watcher = Watcher {
            registered: Arc::clone(&registered),
        };
        let connection = zbus::connection::Builder::address(bus.address())?
            .serve_at("/StatusNotifierWatcher", watcher)?
            .name(WATCHER)?
            .build()
            .await?;
        // Items that were started before the panel wait for this.
        let emitter = SignalEmitter::new(&connection, "/StatusNotifierWatcher")?;
        Watcher::status_notifier_host_registered(&emitter).await?;
        Ok(TrayHost {
            connection,
            registered,
        })
    }

    /// Lists the items that are registered and whose program is still on the bus.
    pub async fn items(&self) -> zbus::Result<Vec<TrayItem>> {
        let bus = zbus::fdo::DBusProxy::new(&self.connection).await?;
        let registered = self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut items = Vec::new();
        for (service, path) in registered {
            let name = service.as_str().try_into().map_err(zbus::Error::from)?;
            if bus.name_has_owner(name).await? {
                items.push(TrayItem {
                    connection: self.connection.clone(),
                    service,
                    path,
                });
            }
        }
        Ok(items)
    }

    /// Waits for an item and gives the first; panics when none comes.
    pub async fn wait_for_item(&self, deadline: Duration) -> TrayItem {
        wait_until_async(deadline, "a tray item", async || match self.items().await {
            Ok(items) => items.into_iter().next().ok_or("no item".to_owned()),
            Err(error) => Err(error.to_string()),
        })
        .await
    }
}

impl TrayItem {
    /// Gives the name by which the item is known to the bus.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Reads its title.
    pub async fn title(&self) -> zbus::Result<String> {
        self.text("Title").await
    }

    /// Reads its status: `Active`, `Passive` or `NeedsAttention`.
    pub async fn status(&self) -> zbus::Result<String> {
        self.text("Status").await
    }

    /// Reads the name of its icon: a name of the theme, or the path of a file.
    pub async fn icon_name(&self) -> zbus::Result<String> {
        self.text("IconName").await
    }

    /// Reads the directory in which its icons are sought first.
    pub async fn icon_theme_path(&self) -> zbus::Result<String> {
        self.text("IconThemePath").await
    }

    /// Finds the file of its icon, when the icon is one and not a name of the desktop's theme.
    pub async fn icon_file(&self) -> zbus::Result<Option<PathBuf>> {
        let name = self.icon_name().await?;
        let directory = PathBuf::from(self.icon_theme_path().await?);
        // An absolute name takes the place of the directory.
        Ok([name.clone(), format!("{name}.png")]
            .iter()
            .map(|name| directory.join(name))
            .find(|file| file.is_file()))
    }

    /// Reads its icon in pixels, one for each size; empty when it has a name only, as with libayatana.
    pub async fn icon_pixmaps(&self) -> zbus::Result<Vec<Pixmap>> {
        let value = match self.property("IconPixmap").await {
            Ok(value) => value,
            // GLib says the first, the specification the second.
            Err(zbus::Error::MethodError(name, _, _))
                if [
                    "org.freedesktop.DBus.Error.InvalidArgs",
                    "org.freedesktop.DBus.Error.UnknownProperty",
                ]
                .contains(&name.as_str()) =>
            {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let pixmaps: Vec<(i32, i32, Vec<u8>)> = value.try_into()?;
        Ok(pixmaps
            .into_iter()
            .map(|(width, height, argb)| Pixmap {
                width,
                height,
                argb,
            })
            .collect())
    }

    /// Clicks the icon itself, where the item knows that.
    pub async fn activate(&self) -> zbus::Result<()> {
        self.connection
            .call_method(
                Some(self.service.as_str()),
                &self.path,
                Some(ITEM),
                "Activate",
                &(0_i32, 0_i32),
            )
            .await?;
        Ok(())
    }

    /// Reads the whole menu.
    pub async fn menu(&self) -> zbus::Result<MenuItem> {
        Ok(self.menu_client().await?.layout().await?.1)
    }

    /// Reads the revision of the menu's structure: it grows when the menu is rebuilt, not when a text changes.
    pub async fn menu_revision(&self) -> zbus::Result<u32> {
        Ok(self.menu_client().await?.layout().await?.0)
    }

    /// Opens the menu as a person does, without clicking in it.
    pub async fn open_menu(&self) -> zbus::Result<()> {
        let menu = self.menu_client().await?;
        menu.about_to_show(0).await?;
        menu.event(0, "opened").await
    }

    /// Closes the menu without a click.
    pub async fn close_menu(&self) -> zbus::Result<()> {
        self.menu_client().await?.event(0, "closed").await
    }

    /// Clicks the entry at the end of a path of labels.
    pub async fn click(&self, path: &[&str]) -> zbus::Result<()> {
        let menu = self.menu_client().await?;
        let (_, root) = menu.layout().await?;
        let Some(item) = root.find(path).filter(|_| !path.is_empty()) else {
            return Err(zbus::Error::Failure(format!(
                "the menu has no {path:?}; it has\n{}",
                root.outline()
            )));
        };
        if !item.enabled || !item.visible {
            return Err(zbus::Error::Failure(format!("{path:?} cannot be clicked")));
        }
        menu.event(item.id, "clicked").await
    }

    /// Clicks the entry with this id, as a menu that was opened before a change does.
    pub async fn click_id(&self, id: i32) -> zbus::Result<()> {
        self.menu_client().await?.event(id, "clicked").await
    }

    /// Waits until the menu holds what `look` seeks, and gives it; panics with the menu there is.
    pub async fn wait_for_menu<T>(
        &self,
        deadline: Duration,
        what: &str,
        look: impl Fn(&MenuItem) -> Option<T>,
    ) -> T {
        wait_until_async(deadline, what, async || match self.menu().await {
            Ok(menu) => look(&menu).ok_or_else(|| format!("\n{}", menu.outline())),
            Err(error) => Err(error.to_string()),
        })
        .await
    }

    async fn menu_client(&self) -> zbus::Result<Menu> {
        Ok(Menu {
            connection: self.connection.clone(),
            service: self.service.clone(),
            path: self.property("Menu").await?.try_into()?,
        })
    }

    async fn text(&self, property: &str) -> zbus::Result<String> {
        Ok(self.property(property).await?.try_into()?)
    }

    async fn property(&self, name: &str) -> zbus::Result<OwnedValue> {
        let reply = self
            .connection
            .call_method(
                Some(self.service.as_str()),
                &self.path,
                Some("org.freedesktop.DBus.Properties"),
                "Get",
                &(ITEM, name),
            )
            .await?;
        reply.body().deserialize()
    }
}
