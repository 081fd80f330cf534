//! Native notifications: claims what a person has not been told, shows it, and does what they click.
//!
//! The notification service is spoken to directly, over the one connection that lives as long as the desktop does: GNOME
//! closes a notification when its sender's connection goes, and the activation token comes to the sender alone.

mod card;

pub use card::Card;

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use stratavore_api::{Failure, v1};
use stratavore_core::clock::{Clock, Timestamp};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use zbus::zvariant::Value;
use zbus::{Connection, Message};

use crate::desktop::Desktop;
use crate::mailbox::Letter;
use crate::presence::Presence;

/// Under which the host keeps what was shown.
const CONSUMER: &str = "desktop";
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
trait Service {
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
    fn get_capabilities(&self) -> zbus::Result<Vec<String>>;
}

/// Shows what the host has to tell, until `stop`.
pub async fn follow(
    desktop: &Arc<Desktop>,
    bus: &Connection,
    clock: &dyn Clock,
    enabled: bool,
    stop: &CancellationToken,
) {
    let mut teller = match Teller::new(desktop.clone(), bus, clock, enabled).await {
        Ok(teller) => teller,
        Err(error) => {
            return tracing::warn!(%error, "cannot reach the session bus for notifications");
        }
    };
    let ran = stop.run_until_cancelled(teller.run()).await;
    if let Some(Err(error)) = ran {
        tracing::warn!(%error, "notifications end with the session bus");
    }
}

struct Teller<'a> {
    desktop: Arc<Desktop>,
    service: ServiceProxy<'static>,
    clock: &'a dyn Clock,
    started: Timestamp,
    enabled: bool,
    /// What is on screen, by the service's number: the runner to attach, where there is one.
    shown: HashMap<u32, Option<String>>,
    /// Activation tokens; each comes just before the action that it is for.
    tokens: HashMap<u32, String>,
}

impl<'a> Teller<'a> {
    async fn new(
        desktop: Arc<Desktop>,
        bus: &Connection,
        clock: &'a dyn Clock,
        enabled: bool,
    ) -> zbus::Result<Self> {
        let service = ServiceProxy::new(bus).await?;
        let started = clock.now();
        Ok(Self {
            desktop,
            service,
            clock,
            started,
            enabled,
            shown: HashMap::new(),
            tokens: HashMap::new(),
        })
    }

    async fn run(&mut self) -> zbus::Result<()> {
        // All signals in one stream: the token must be known when the action comes.
        let mut signals = self.service.inner().receive_all_signals().await?;
        let mut nudges = self.desktop.nudges.subscribe();
        let mut seats = self.desktop.slot.changes();
        let mut presence = self.desktop.presence.subscribe();
        loop {
            // Where nobody can show them they are left unclaimed, and told when somebody can.
            let service_is_there = presence
                .borrow_and_update()
                .is_some_and(|presence: Presence| presence.notifications);
            seats.borrow_and_update();
            if (service_is_there || !self.enabled)
                && let Err(failure) = self.tell().await
            {
                tracing::warn!(%failure, "cannot tell what happened");
            }
            loop {
                tokio::select! {
                    nudge = nudges.recv() => match nudge {
                        Ok(nudge) if nudge.entity != "notifications" => {}
                        Ok(_) | Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return Ok(()),
                    },
                    signal = signals.next() => match signal {
                        Some(signal) => self.heed(&signal)?,
                        None => return Ok(()),
                    },
                    Ok(()) = seats.changed() => break,
                    Ok(()) = presence.changed() => break,
                }
            }
        }
    }

    /// Claims and shows. What is claimed and not shown, because of a crash or a service that refuses, the host gives again.
    async fn tell(&mut self) -> Result<(), Failure> {
        let Some(seat) = self.desktop.slot.seat() else {
            return Ok(());
        };
        let claim = v1::ClaimNotificationsRequest {
            consumer: CONSUMER.to_owned(),
        };
        for notice in seat.api.claim_notifications(claim).await?.notifications {
            let watched = notice
                .runner_id
                .as_deref()
                .is_some_and(|runner| self.desktop.is_watched(runner));
            // Who looks at the terminal saw it end; that something went wrong is said all the same.
            if self.enabled
                && !(watched && notice.edge == "ended")
                && let Err(error) = self.show(&notice).await
            {
                tracing::warn!(%error, title = notice.title, "the notification service did not show it");
                continue;
            }
            seat.api
                .notification_shown(v1::NotificationShownRequest { id: notice.id })
                .await?;
        }
        Ok(())
    }

    async fn show(&mut self, notice: &v1::Notification) -> zbus::Result<()> {
        let markup = self
            .service
            .get_capabilities()
            .await?
            .iter()
            .any(|capability| capability == "body-markup");
        let card = Card::of(
            notice,
            markup,
            self.started,
            self.clock.now(),
            &chrono::Local,
        );
        let hints = HashMap::from([
            ("desktop-entry", Value::from(DESKTOP_ENTRY)),
            ("urgency", Value::from(card.urgency)),
        ]);
        let id = self
            .service
            .notify(
                "Stratavore",
                0,
                card.icon,
                &card.summary,
                &card.body,
                card.actions,
                hints,
                BY_THE_SERVICE,
            )
            .await?;
        self.shown.insert(id, notice.runner_id.clone());
        Ok(())
    }

    fn heed(&mut self, signal: &Message) -> zbus::Result<()> {
        let header = signal.header();
        let body = signal.body();
        match header.member().map(|member| member.as_str()) {
            Some("ActivationToken") => {
                let (id, token): (u32, String) = body.deserialize()?;
                // The service tells every sender of every notification.
                if self.shown.contains_key(&id) {
                    self.tokens.insert(id, token);
                }
            }
            Some("ActionInvoked") => {
                let (id, _action): (u32, String) = body.deserialize()?;
                if let Some(runner) = self.shown.get(&id) {
                    self.desktop
                        .show(runner.clone().map(Letter::Attach), self.tokens.remove(&id));
                }
            }
            Some("NotificationClosed") => {
                let (id, _reason): (u32, u32) = body.deserialize()?;
                self.shown.remove(&id);
                self.tokens.remove(&id);
            }
            _ => {}
        }
        Ok(())
    }
}
