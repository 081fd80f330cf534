//! A screen that can be locked, as desktops tell of it on the bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use stratavore_testkit::bus::Bus;
use zbus::Connection;

/// Tells whether it is locked, for as long as it is held.
pub(crate) struct Screen {
    locked: Arc<AtomicBool>,
    _connection: Connection,
}

struct Freedesktop(Arc<AtomicBool>);

#[zbus::interface(name = "org.freedesktop.ScreenSaver")]
impl Freedesktop {
    fn get_active(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

struct Gnome(Arc<AtomicBool>);

#[zbus::interface(name = "org.gnome.ScreenSaver")]
impl Gnome {
    fn get_active(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// One that hangs.
struct Silent;

#[zbus::interface(name = "org.freedesktop.ScreenSaver")]
impl Silent {
    async fn get_active(&self) -> bool {
        std::future::pending().await
    }
}

impl Screen {
    /// Puts one on the bus as most desktops have it; it is open.
    pub(crate) async fn freedesktop(bus: &Bus) -> Self {
        let locked = Arc::<AtomicBool>::default();
        let served = Freedesktop(locked.clone());
        Self::serve(bus, locked, "org.freedesktop.ScreenSaver", served).await
    }

    /// Puts one on the bus as GNOME has it; it is open.
    pub(crate) async fn gnome(bus: &Bus) -> Self {
        let locked = Arc::<AtomicBool>::default();
        let served = Gnome(locked.clone());
        Self::serve(bus, locked, "org.gnome.ScreenSaver", served).await
    }

    /// Puts one on the bus that never answers.
    pub(crate) async fn silent(bus: &Bus) -> Self {
        Self::serve(bus, Arc::default(), "org.freedesktop.ScreenSaver", Silent).await
    }

    async fn serve(
        bus: &Bus,
        locked: Arc<AtomicBool>,
        name: &'static str,
        served: impl zbus::object_server::Interface,
    ) -> Self {
        let connection = bus.connect().await.unwrap();
        let path = format!("/{}", name.replace('.', "/"));
        connection.object_server().at(path, served).await.unwrap();
        connection.request_name(name).await.unwrap();
        Self {
            locked,
            _connection: connection,
        }
    }

    /// Locks or opens it.
    pub(crate) fn lock(&self, locked: bool) {
        self.locked.store(locked, Ordering::SeqCst);
    }
}
