//! What commands, tray and notifications share.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;
use stratavore_api::{Code, Failure, v1};
use tokio::sync::{broadcast, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::autostart::Autostart;
use crate::hosting::Nudges;
use crate::lock::ScreenLock;
use crate::mailbox::{Letter, Mailbox};
use crate::notifications::Pause;
use crate::open_terminal::Emulator;
use crate::presence::Presence;
use crate::slot::Slot;
use crate::terminal::Attachments;

/// How many nudges a slow listener may lag behind; one that lags more asks for everything.
const NUDGES: usize = 1024;
/// How long the window waits to be told what the desktop offers.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the desktop's parts ask of the windowing system: the seam at which tests put theirs.
#[async_trait]
pub trait Surroundings: Send + Sync + 'static {
    /// Asks for a folder with the native picker; `None` when none was chosen.
    async fn pick_folder(&self) -> Option<PathBuf>;
    /// Opens a link in the person's browser.
    fn open_link(&self, url: &str) -> Result<(), String>;
    /// Opens the window or brings it to the front, with the token that entitles to that.
    fn raise(&self, token: Option<String>);
    /// Delivers a letter to the page.
    fn deliver(&self, letter: &Letter);
    /// Tells whether the window has the focus.
    fn is_focused(&self) -> bool;
    /// Ends the program once everything is put away.
    fn end(&self);
}

/// The desktop's state.
pub struct Desktop {
    /// The host in force.
    pub slot: Slot,
    /// What changed, from whichever host is in force, and from here: entity `desktop`.
    pub nudges: Nudges,
    /// Viewers of terminals.
    pub attachments: Attachments,
    /// Every task of the desktop; it ends when they have.
    pub tasks: TaskTracker,
    /// Starting at login.
    pub autostart: Autostart,
    /// The user's terminal emulator.
    pub emulator: Emulator,
    /// What the desktop around offers; `None` until it is known.
    pub presence: watch::Sender<Option<Presence>>,
    /// The screen's lock.
    pub lock: ScreenLock,
    /// Until when nothing is notified.
    pub pause: Pause,
    mailbox: Mailbox,
    shown: Mutex<Vec<String>>,
    surroundings: Arc<dyn Surroundings>,
}

/// What the window is told of the desktop around it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DesktopState {
    /// There is a tray to live on in.
    pub tray: bool,
    /// There is somebody to show notifications.
    pub notifications: bool,
    /// The supervisor is in this process.
    pub embedded: bool,
    /// The runner whose terminal is to be shown first.
    pub attach: Option<String>,
}

impl Desktop {
    /// Makes the state of a desktop that has no host yet.
    #[must_use]
    pub fn new(
        autostart: Autostart,
        emulator: Emulator,
        pause: Pause,
        surroundings: Arc<dyn Surroundings>,
    ) -> Self {
        Self {
            slot: Slot::default(),
            nudges: broadcast::Sender::new(NUDGES),
            attachments: Attachments::default(),
            tasks: TaskTracker::new(),
            autostart,
            emulator,
            presence: watch::Sender::new(None),
            lock: ScreenLock::default(),
            pause,
            mailbox: Mailbox::default(),
            shown: Mutex::default(),
            surroundings,
        }
    }

    /// Returns the windowing system.
    #[must_use]
    pub fn surroundings(&self) -> &dyn Surroundings {
        &*self.surroundings
    }

    /// Tells the page what the desktop is, once that is known; from then on letters are delivered at once.
    pub async fn greet(&self) -> DesktopState {
        let mut presence = self.presence.subscribe();
        let known = timeout(PATIENCE, presence.wait_for(Option::is_some)).await;
        // A bus that says nothing is no reason to say that something is missing.
        let presence = known
            .ok()
            .and_then(Result::ok)
            .and_then(|known| *known)
            .unwrap_or(Presence::ALL);
        let mut attach = None;
        for letter in self.mailbox.collect() {
            match letter {
                Letter::Attach(runner) => attach = Some(runner),
                other => self.surroundings.deliver(&other),
            }
        }
        let embedded = self.slot.seat().is_some_and(|seat| seat.embedded);
        DesktopState {
            tray: presence.tray,
            notifications: presence.notifications,
            embedded,
            attach,
        }
    }

    /// Tells whether somebody is there to answer when the window asks a question.
    #[must_use]
    pub fn page_listens(&self) -> bool {
        self.mailbox.is_listening()
    }

    /// Puts away what belonged to the window's page: it closed or loads anew.
    pub fn page_gone(&self) {
        self.mailbox.close();
        self.attachments.close_all();
        self.set_shown(Vec::new());
    }

    /// Hands the page a letter, now or when it listens.
    pub fn post(&self, letter: Letter) {
        if let Some(letter) = self.mailbox.post(letter) {
            self.surroundings.deliver(&letter);
        }
    }

    /// Brings the window up on what a person asked for.
    pub fn show(&self, letter: Option<Letter>, token: Option<String>) {
        if let Some(letter) = letter {
            self.post(letter);
        }
        self.surroundings.raise(token);
    }

    /// Brings the window up on a runner that a person named, by name, id or prefix.
    pub async fn attach(&self, runner: &str, token: Option<String>) {
        // The window comes at once: entitlement by the token does not last.
        self.surroundings.raise(token);
        let found = match self.slot.api().await {
            Ok(api) => {
                api.runner(v1::RunnerRef {
                    runner: runner.to_owned(),
                })
                .await
            }
            Err(failure) => Err(failure),
        };
        self.post(match found {
            Ok(found) => Letter::Attach(found.id),
            Err(failure) => Letter::Problem(told(&failure)),
        });
    }

    /// Says that something a person asked for outside the window failed: in the window.
    pub fn tell(&self, failure: &Failure) {
        self.show(Some(Letter::Problem(told(failure))), None);
    }

    /// Notes whose terminals are on screen.
    pub fn set_shown(&self, runners: Vec<String>) {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = runners;
    }

    /// Tells whether a person looks at this runner's terminal now.
    #[must_use]
    pub fn is_watched(&self, runner: &str) -> bool {
        self.shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|shown| shown == runner)
            && self.surroundings.is_focused()
    }

    /// Answers a permission that a runner asks for: that one, and no other. Behind a locked screen nobody answers.
    ///
    /// # Errors
    /// The screen is locked; or what the host said: it was answered, or something else is asked by now.
    pub async fn decide(&self, answer: v1::DecideRequest) -> Result<(), Failure> {
        if let Some(obstacle) = self.lock.obstacle().await {
            return Err(Failure::new(Code::Conflict, obstacle)
                .hint("unlock it, and answer in the tray or in the runner's terminal"));
        }
        self.slot.api().await?.decide(answer).await
    }

    /// Quits, after ending every runner when asked to. Where a runner cannot be ended, nothing quits.
    ///
    /// # Errors
    /// What the host said against stopping.
    pub async fn quit(&self, stop_runners: bool) -> Result<(), Failure> {
        if stop_runners {
            let everything = v1::StopRequest {
                target: Some(v1::stop_request::Target::All(true)),
                grace_seconds: None,
                wait: true,
            };
            self.slot.api().await?.stop(everything).await?;
        }
        self.surroundings.end();
        Ok(())
    }

    /// Says that something of the desktop itself changed, such as starting at login.
    pub fn nudge_self(&self) {
        let _ = self.nudges.send(v1::Nudge {
            entity: SELF.to_owned(),
            id: String::new(),
        });
    }
}

/// The entity of nudges that concern the desktop alone.
pub const SELF: &str = "desktop";

fn told(failure: &Failure) -> String {
    match &failure.hint {
        Some(hint) => format!("{}: {hint}", failure.message),
        None => failure.message.clone(),
    }
}
