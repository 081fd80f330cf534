//! A stand-in for the desktop's notification service: it keeps what is shown and presses its buttons
//! (apt: `dbus-daemon`, for [`crate::bus`]).

mod service;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zbus::names::BusName;
use zbus::object_server::SignalEmitter;

use crate::bus::Bus;
use crate::wait::wait_until_async;
use service::{Closed, Service};

const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";

/// What the service says it can do, unless told otherwise.
pub const CAPABILITIES: [&str; 4] = ["actions", "body", "body-markup", "persistence"];

/// The action that a click on the notification itself is.
pub const DEFAULT_ACTION: &str = "default";

/// Shows notifications until it is dropped.
pub struct NotificationService {
    connection: zbus::Connection,
    board: Arc<Mutex<Board>>,
}

/// Is one notification as it was asked for.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The id that the service gave it.
    pub id: u32,
    /// The connection that asked for it.
    pub sender: String,
    /// The program's name for itself.
    pub app_name: String,
    /// The icon's name or path.
    pub icon: String,
    /// The title.
    pub summary: String,
    /// The text.
    pub body: String,
    /// Keys and labels of the buttons.
    pub actions: Vec<(String, String)>,
    /// The hints, as text.
    pub hints: HashMap<String, String>,
    /// After how many milliseconds it goes: -1 as the service likes, 0 never.
    pub expires: i32,
    /// How often it was replaced in place.
    pub replaced: u32,
    /// Whether it is still shown.
    pub open: bool,
}

#[derive(Default)]
struct Board {
    notifications: Vec<Notification>,
}

impl NotificationService {
    /// Becomes the notification service of the bus, one that has buttons.
    pub async fn start(bus: &Bus) -> zbus::Result<NotificationService> {
        NotificationService::start_with(bus, &CAPABILITIES).await
    }

    /// Becomes the notification service of the bus, with these capabilities only.
    pub async fn start_with(bus: &Bus, capabilities: &[&str]) -> zbus::Result<NotificationService> {
        let board = Arc::new(Mutex::default());
        let service = Service {
            board: Arc::clone(&board),
            capabilities: capabilities.iter().map(ToString::to_string).collect(),
        };
        let connection = zbus::connection::Builder::address(bus.address())?
            .serve_at(PATH, service)?
            .name(NAME)?
            .build()
            .await?;
        Ok(NotificationService { connection, board })
    }

    /// Gives every notification so far, closed ones too, in the order they came.
    pub fn all(&self) -> Vec<Notification> {
        lock(&self.board).notifications.clone()
    }

    /// Waits until a notification fits `look`, and gives it; panics with those there are.
    pub async fn wait_for(
        &self,
        deadline: Duration,
        what: &str,
        look: impl Fn(&Notification) -> bool,
    ) -> Notification {
        wait_until_async(deadline, what, async || {
            let all = self.all();
            match all.iter().find(|notification| look(notification)) {
                Some(found) => Ok(found.clone()),
                None => Err(format!("{all:#?}")),
            }
        })
        .await
    }

    /// Presses the button with this key, or the notification itself ([`DEFAULT_ACTION`]): a token for the focus goes
    /// out before the action, and the notification is closed after it, as GNOME and KDE do. All of it goes to the connection
    /// that asked for the notification and to nobody else, as GNOME does.
    ///
    /// A notification that is closed, or has no such button, is an error.
    pub async fn press(&self, id: u32, key: &str) -> zbus::Result<()> {
        let notification = self.open_notification(id)?;
        if !notification.actions.iter().any(|(own, _)| own == key) {
            return Err(zbus::Error::Failure(format!(
                "notification {id} has no action {key:?}, only {:?}",
                notification.actions
            )));
        }
        let emitter = self.emitter(&notification)?;
        Service::activation_token(&emitter, id, &activation_token_of(id)).await?;
        Service::action_invoked(&emitter, id, key).await?;
        self.close(&notification).await
    }

    /// Closes the notification as a person does who does not care.
    pub async fn dismiss(&self, id: u32) -> zbus::Result<()> {
        let notification = self.open_notification(id)?;
        self.close(&notification).await
    }

    fn open_notification(&self, id: u32) -> zbus::Result<Notification> {
        self.all()
            .into_iter()
            .find(|notification| notification.id == id && notification.open)
            .ok_or_else(|| zbus::Error::Failure(format!("notification {id} is not shown")))
    }

    async fn close(&self, notification: &Notification) -> zbus::Result<()> {
        lock(&self.board).close(notification.id);
        let emitter = self.emitter(notification)?;
        Service::notification_closed(&emitter, notification.id, Closed::ByThePerson as u32).await
    }

    /// Speaks to whoever asked for a notification.
    fn emitter(&self, notification: &Notification) -> zbus::Result<SignalEmitter<'static>> {
        let sender = BusName::try_from(notification.sender.clone())?;
        Ok(SignalEmitter::new(&self.connection, PATH)?
            .into_owned()
            .set_destination(sender))
    }
}

impl Board {
    fn show(&mut self, mut notification: Notification, replaces: u32) -> u32 {
        let open = self
            .notifications
            .iter_mut()
            .find(|old| old.id == replaces && old.open);
        if let Some(old) = open {
            notification.id = old.id;
            notification.replaced = old.replaced + 1;
            *old = notification;
            return replaces;
        }
        let id = u32::try_from(self.notifications.len() + 1).unwrap_or(u32::MAX);
        notification.id = id;
        self.notifications.push(notification);
        id
    }

    fn close(&mut self, id: u32) -> bool {
        let open = self
            .notifications
            .iter_mut()
            .find(|notification| notification.id == id && notification.open);
        open.is_some_and(|notification| {
            notification.open = false;
            true
        })
    }
}

/// Gives the activation token that [`NotificationService::press`] sends for a notification.
pub fn activation_token_of(id: u32) -> String {
    format!("stratavore-testkit-token-{id}")
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}
