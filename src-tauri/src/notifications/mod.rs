//! Native notifications: claims what a person has not been told, shows it, and does what they click.
//!
//! The notification service is spoken to directly, over the one connection that lives as long as the desktop does: GNOME
//! closes a notification when its sender's connection goes, and the activation token comes to the sender alone.

mod bundle;
mod card;
mod pause;
mod service;

pub use card::{Card, Circumstances};
pub use pause::{Length, Pause};

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use stratavore_api::{Code, Failure, v1};
use stratavore_core::clock::{Clock, Timestamp};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use zbus::Connection;

use self::bundle::Bundle;
use self::card::{ALLOW, DENY};
use self::service::{ServiceProxy, Signal, show};
use crate::desktop::Desktop;
use crate::mailbox::Letter;
use crate::presence::Presence;

/// Under which the host keeps what was shown.
const CONSUMER: &str = "desktop";
/// How long a pause is waited for at once: a machine that sleeps stops the clock that is waited by.
const GLANCE: Duration = Duration::from_secs(60);

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
    /// What is on screen, by the service's number.
    shown: HashMap<u32, Shown>,
    /// Activation tokens; each comes just before the action that it is for.
    tokens: HashMap<u32, String>,
    /// Answers to permissions that are on their way.
    answers: FuturesUnordered<BoxFuture<'static, Answered>>,
}

/// A notification on screen.
struct Shown {
    /// The runner to attach, where there is one.
    runner: Option<String>,
    /// The ask that it is about.
    ask: Option<String>,
    card: Card,
}

/// What became of an answer to a permission.
struct Answered {
    runner: String,
    allow: bool,
    outcome: Result<(), Failure>,
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
            answers: FuturesUnordered::new(),
        })
    }

    async fn run(&mut self) -> zbus::Result<()> {
        // All signals in one stream: the token must be known when the action comes.
        let mut signals = self.service.inner().receive_all_signals().await?;
        let mut nudges = self.desktop.nudges.subscribe();
        let mut seats = self.desktop.slot.changes();
        let mut presence = self.desktop.presence.subscribe();
        let mut pauses = self.desktop.pause.changes();
        loop {
            // Where nobody can show them they are left unclaimed, and told when somebody can; so they are in a pause.
            let service_is_there = presence
                .borrow_and_update()
                .is_some_and(|presence: Presence| presence.notifications);
            seats.borrow_and_update();
            pauses.borrow_and_update();
            let paused = self.desktop.pause.until(self.clock.now());
            if (service_is_there && paused.is_none() || !self.enabled)
                && let Err(failure) = self.tell().await
            {
                tracing::warn!(%failure, "cannot tell what happened");
            }
            self.close_answered(None).await;
            loop {
                let left = self.left(paused);
                tokio::select! {
                    nudge = nudges.recv() => match nudge {
                        Ok(nudge) => match nudge.entity.as_str() {
                            "notifications" => break,
                            "runner" => self.close_answered(Some(&nudge.id)).await,
                            "status" => self.close_answered(None).await,
                            _ => {}
                        },
                        Err(RecvError::Lagged(_)) => break,
                        Err(RecvError::Closed) => return Ok(()),
                    },
                    signal = signals.next() => match signal {
                        Some(signal) => self.heed(Signal::read(&signal)?),
                        None => return Ok(()),
                    },
                    Some(answered) = self.answers.next() => self.say_when_not_taken(answered).await,
                    Ok(()) = seats.changed() => break,
                    Ok(()) = presence.changed() => break,
                    Ok(()) = pauses.changed() => break,
                    () = tokio::time::sleep(left), if paused.is_some() => break,
                }
            }
        }
    }

    fn left(&self, paused: Option<Timestamp>) -> Duration {
        let left = paused.map(|until| (until - self.clock.now()).to_std().unwrap_or_default());
        left.unwrap_or(GLANCE).min(GLANCE)
    }

    /// Claims and shows. What is claimed and not shown, because of a crash or a service that refuses, the host gives again.
    async fn tell(&mut self) -> Result<(), Failure> {
        let Some(seat) = self.desktop.slot.seat() else {
            return Ok(());
        };
        let claim = v1::ClaimNotificationsRequest {
            consumer: CONSUMER.to_owned(),
        };
        let claimed = seat.api.claim_notifications(claim).await?.notifications;
        let confirm = async |notice: &v1::Notification| {
            let id = notice.id.clone();
            seat.api
                .notification_shown(v1::NotificationShownRequest { id })
                .await
        };
        let (news, known): (Vec<_>, Vec<_>) = claimed
            .into_iter()
            .partition(|notice| self.enabled && !self.is_seen(notice));
        for notice in &known {
            confirm(notice).await?;
        }
        for bundle in Bundle::all(news) {
            if let Err(error) = self.show(&bundle).await {
                tracing::warn!(%error, "the notification service did not show what happened");
                continue;
            }
            for notice in bundle.notices() {
                confirm(notice).await?;
            }
        }
        Ok(())
    }

    /// Tells whether a person saw it happen. Who looks at the terminal sees what is asked there and that it ends; that
    /// something failed is said all the same.
    fn is_seen(&self, notice: &v1::Notification) -> bool {
        let on_screen = matches!(
            notice.edge.as_str(),
            "ended"
                | "turn-done"
                | "needs-permission"
                | "needs-answer"
                | "rate-limited"
                | "errored"
                | "stalled"
        );
        on_screen
            && notice
                .runner_id
                .as_deref()
                .is_some_and(|runner| self.desktop.is_watched(runner))
    }

    async fn show(&mut self, bundle: &Bundle) -> zbus::Result<()> {
        let asks = matches!(bundle, Bundle::One(notice) if notice.ask.is_some());
        let around = Circumstances {
            markup: service::takes_markup(&self.service).await?,
            attended: !asks || self.desktop.lock.obstacle().await.is_none(),
            started: self.started,
            now: self.clock.now(),
            zone: &chrono::Local,
        };
        let card = bundle.card(&around);
        let id = show(&self.service, &card).await?;
        let (runner, ask) = match bundle {
            Bundle::One(notice) => (
                notice.runner_id.clone(),
                notice.ask.as_ref().map(|ask| ask.id.clone()),
            ),
            Bundle::Many(..) => (None, None),
        };
        self.shown.insert(id, Shown { runner, ask, card });
        Ok(())
    }

    fn heed(&mut self, signal: Signal) {
        match signal {
            Signal::Token(id, token) => {
                // The service tells every sender of every notification.
                if self.shown.contains_key(&id) {
                    self.tokens.insert(id, token);
                }
            }
            Signal::Action(id, key) => {
                let Some(shown) = self.shown.get(&id) else {
                    return;
                };
                let token = self.tokens.remove(&id);
                match (key.as_str(), &shown.runner, &shown.ask) {
                    (ALLOW | DENY, Some(runner), Some(ask)) if shown.card.offers(&key) => {
                        let (desktop, allow) = (self.desktop.clone(), key == ALLOW);
                        let runner = runner.clone();
                        let answer = v1::DecideRequest {
                            runner: runner.clone(),
                            ask: ask.clone(),
                            allow,
                            reason: None,
                        };
                        self.answers.push(Box::pin(async move {
                            let outcome = desktop.decide(answer).await;
                            Answered {
                                runner,
                                allow,
                                outcome,
                            }
                        }));
                    }
                    (ALLOW | DENY, ..) => {}
                    (_, runner, _) => self.desktop.show(runner.clone().map(Letter::Attach), token),
                }
            }
            Signal::Closed(id) => {
                self.shown.remove(&id);
                self.tokens.remove(&id);
            }
            Signal::Other => {}
        }
    }

    /// Says it when an answer changed nothing. One that was taken shows in what the program does.
    async fn say_when_not_taken(&mut self, answered: Answered) {
        let Err(failure) = answered.outcome else {
            return;
        };
        let told = async {
            let markup = service::takes_markup(&self.service).await?;
            let card = Card::not_taken(answered.allow, &failure, markup);
            Ok::<_, zbus::Error>((show(&self.service, &card).await?, card))
        };
        match told.await {
            Ok((id, card)) => {
                let shown = Shown {
                    runner: Some(answered.runner),
                    ask: None,
                    card,
                };
                self.shown.insert(id, shown);
            }
            Err(error) => {
                tracing::warn!(%error, %failure, "cannot say that an answer was not taken");
            }
        }
    }

    /// Closes notifications whose ask is over: of a runner, or of all.
    async fn close_answered(&mut self, of: Option<&str>) {
        let asked: Vec<(u32, String, String)> = self
            .shown
            .iter()
            .filter_map(|(id, shown)| Some((*id, shown.runner.clone()?, shown.ask.clone()?)))
            .filter(|(_, runner, _)| of.is_none_or(|of| of.is_empty() || of == runner))
            .collect();
        if asked.is_empty() {
            return;
        }
        let Some(seat) = self.desktop.slot.seat() else {
            return;
        };
        for (id, runner, ask) in asked {
            match seat.api.runner(v1::RunnerRef { runner }).await {
                Ok(runner) if waits_for(&runner, &ask) => continue,
                Ok(_) => {}
                Err(failure) if failure.code == Code::NotFound => {}
                Err(failure) => {
                    tracing::debug!(%failure, "cannot tell whether a permission is still asked for");
                    continue;
                }
            }
            if let Err(error) = self.service.close_notification(id).await {
                tracing::debug!(%error, "a notification was closed already");
                self.shown.remove(&id);
            }
        }
    }
}

fn waits_for(runner: &v1::Runner, ask: &str) -> bool {
    runner
        .attention
        .as_ref()
        .and_then(|attention| attention.ask.as_ref())
        .is_some_and(|now| now.id == ask)
}
