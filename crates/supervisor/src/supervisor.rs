//! The supervisor: what its tasks share, and what hosts ask of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stratavore_core::clock::{Clock, Timestamp};
use stratavore_core::config::Config;
use stratavore_core::ids::{NoticeId, ProjectId, RunnerId};
use stratavore_core::places::Places;
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Effect, Input, Runner, State, StateName};
use stratavore_store::{
    Applied, Heartbeat, NewProject, Notice, RunnerFilter, RunnerView, Store, StoreError,
};
use stratavore_wire::record::RECORDING_FILE;
use stratavore_wire::{Message, Stop};
use tokio::sync::{Notify, OnceCell, broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use crate::bus::Bus;
use crate::environment::Environment;
use crate::link::{Link, Live};
use crate::{descriptors, heartbeat, publisher, reconcile, spawn};

/// How many changes a listener may be behind before it has to look at everything again.
const CHANGES_BEHIND: usize = 4096;
/// How many heartbeats may wait to be written before agents are read more slowly.
const HEARTBEATS_WAITING: usize = 4096;
/// How many missed heartbeats make a runner unreachable.
const MISSED: u32 = 3;

/// Says what changed, not how: whoever cares asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// A runner.
    Runner(RunnerId),
    /// A project.
    Project(ProjectId),
    /// CPU, memory and the like of any runner.
    Observations,
    /// A person is owed a notice.
    Notices,
}

/// What a supervisor is made of.
pub struct Parts {
    /// Where things are.
    pub places: Places,
    /// What keeps them.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// The user's settings; a project's are read at each launch.
    pub config: Config,
    /// The host's own environment.
    pub environment: BTreeMap<String, String>,
}

/// What the tasks share.
pub(crate) struct Inner {
    pub(crate) places: Places,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    host_environment: BTreeMap<String, String>,
    environment: OnceCell<Environment>,
    /// Whether agents get a scope of the user's systemd.
    pub(crate) scopes: bool,
    links: Mutex<HashMap<RunnerId, Arc<Link>>>,
    spawning: Mutex<HashSet<RunnerId>>,
    /// Since when attempts are being stopped, as far as this host has seen.
    stopping: Mutex<HashMap<(RunnerId, u32), Instant>>,
    pub(crate) heartbeats: mpsc::Sender<Heartbeat>,
    changes: broadcast::Sender<Change>,
    pub(crate) nudge: Notify,
    pub(crate) bus: Bus,
    pub(crate) tracker: TaskTracker,
    pub(crate) cancel: CancellationToken,
}

/// Supervises the runners of one data directory. The host holds its lock.
#[derive(Clone)]
pub struct Supervisor {
    pub(crate) inner: Arc<Inner>,
}

impl Supervisor {
    /// Starts supervising: adopts the agents that live, records what ended meanwhile, delivers what waits.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        descriptors::raise();
        let (heartbeats, heartbeat_queue) = mpsc::channel(HEARTBEATS_WAITING);
        let inner = Arc::new(Inner {
            places: parts.places,
            store: parts.store,
            clock: parts.clock,
            config: parts.config,
            host_environment: parts.environment,
            environment: OnceCell::new(),
            scopes: spawn::has_scopes(),
            links: Mutex::default(),
            spawning: Mutex::default(),
            stopping: Mutex::default(),
            heartbeats,
            changes: broadcast::Sender::new(CHANGES_BEHIND),
            nudge: Notify::new(),
            bus: Bus::default(),
            tracker: TaskTracker::new(),
            cancel: CancellationToken::new(),
        });
        let tasks = &inner.tracker;
        tasks.spawn(heartbeat::write(
            Arc::clone(&inner.store),
            heartbeat_queue,
            inner.changes.clone(),
            inner.cancel.clone(),
        ));
        tasks.spawn(publisher::publish(
            Arc::clone(&inner.store),
            Arc::new(inner.bus.clone()),
            Arc::clone(&inner.clock),
            inner.cancel.clone(),
        ));
        tasks.spawn(publisher::checkpoint(
            Arc::clone(&inner.store),
            Arc::clone(&inner.clock),
            inner.cancel.clone(),
        ));
        tasks.spawn(reconcile::run(Arc::clone(&inner)));
        let early = Arc::clone(&inner);
        tasks.spawn(async move {
            // Asked for now, so that the first launch need not wait for the login shell.
            tokio::select! {
                _ = early.environment() => {}
                () = early.cancel.cancelled() => {}
            }
        });
        tasks.close();
        Self { inner }
    }

    /// Ends supervising and waits until what was in hand is done. Runners go on. The store stays open.
    pub async fn stop_supervising(&self) {
        self.inner.cancel.cancel();
        self.inner.tracker.wait().await;
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }

    /// Returns where things are.
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.inner.places
    }

    /// Returns the settings in force.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Listens to changes from now on.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// Returns the bus on which events are delivered.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.inner.bus
    }

    /// Returns the environment that runners get, waiting for the login shell if it has not answered yet.
    pub async fn environment(&self) -> &Environment {
        self.inner.environment().await
    }

    /// Adds a project.
    ///
    /// # Errors
    /// As [`Store::add_project`].
    pub async fn add_project(&self, new: NewProject) -> Result<Project, StoreError> {
        let project = self.inner.store.add_project(new, self.now()).await?;
        self.inner.changed(Change::Project(project.id));
        Ok(project)
    }

    /// Archives a project.
    ///
    /// # Errors
    /// As [`Store::archive_project`].
    pub async fn archive_project(&self, id: ProjectId) -> Result<Project, StoreError> {
        let project = self.inner.store.archive_project(id, self.now()).await?;
        self.inner.changed(Change::Project(id));
        Ok(project)
    }

    /// Applies what a person wants to a runner: pause, continue, stop, restart.
    ///
    /// # Errors
    /// As [`Store::apply`].
    pub async fn apply(&self, id: RunnerId, input: Input) -> Result<Runner, StoreError> {
        self.inner
            .apply(id, input)
            .await
            .map(|applied| applied.runner)
    }

    /// Lists the runners that hold a place or wait for one.
    ///
    /// # Errors
    /// As [`Store::runners`].
    pub async fn active(&self, project: Option<ProjectId>) -> Result<Vec<RunnerView>, StoreError> {
        let states = StateName::ALL
            .into_iter()
            .filter(|state| !state.is_final())
            .collect();
        self.inner
            .store
            .runners(RunnerFilter {
                project,
                states,
                limit: None,
            })
            .await
    }

    /// Starts again every runner that was interrupted, or forgets them; either way they are offered no more.
    ///
    /// # Errors
    /// As [`Store::answer_interrupted`]. A runner that cannot be started again is left failed, and the others go on.
    pub async fn answer_interrupted(&self, start: bool) -> Result<Vec<RunnerId>, StoreError> {
        let ids = self.inner.store.answer_interrupted(self.now()).await?;
        for id in &ids {
            if start {
                let grace = self.inner.config.stop_grace();
                if let Err(error) = self.inner.apply(*id, Input::Restart { grace }).await {
                    warn!(runner = %id, error = &error as &dyn std::error::Error, "cannot start an interrupted runner");
                }
            }
            self.inner.changed(Change::Runner(*id));
        }
        Ok(ids)
    }

    /// Claims the notices that this consumer is to show.
    ///
    /// # Errors
    /// As [`Store::claim_notices`].
    pub async fn claim_notices(&self, consumer: &str) -> Result<Vec<Notice>, StoreError> {
        self.inner.store.claim_notices(consumer, self.now()).await
    }

    /// Records that a notice was shown.
    ///
    /// # Errors
    /// As [`Store::notice_shown`].
    pub async fn notice_shown(&self, id: NoticeId) -> Result<(), StoreError> {
        self.inner.store.notice_shown(id, self.now()).await
    }

    /// Waits until a runner is as `done` says, or the deadline has come, and returns it as it then is.
    ///
    /// # Errors
    /// As [`Store::runner`].
    pub async fn wait(
        &self,
        id: RunnerId,
        deadline: Instant,
        done: impl Fn(&Self, &Runner) -> bool + Send + Sync,
    ) -> Result<RunnerView, StoreError> {
        loop {
            // Listening begins before looking, so that no change falls between the two.
            let mut changes = self.changes();
            let view = self.inner.store.runner(id).await?;
            if done(self, &view.runner) || Instant::now() >= deadline {
                return Ok(view);
            }
            loop {
                match tokio::time::timeout_at(deadline, changes.recv()).await {
                    Ok(Ok(Change::Runner(changed))) if changed == id => break,
                    Ok(Ok(_)) => {}
                    Ok(Err(_)) | Err(_) => break,
                }
            }
        }
    }

    /// Tells whether a runner ended and its agent with it: nothing of it is left.
    #[must_use]
    pub fn is_gone(&self, runner: &Runner) -> bool {
        runner.state.name().is_final() && !self.inner.links().contains_key(&runner.id)
    }

    /// Returns what a runner's agent said last of what is true now, while there is a connection to it.
    #[must_use]
    pub fn live(&self, runner: &Runner) -> Option<Live> {
        self.inner
            .links()
            .get(&runner.id)
            .filter(|link| link.attempt == runner.state.attempt())
            .map(|link| link.live())
    }

    /// Returns where the recording of a runner's newest attempt is, if its launch asked for one.
    #[must_use]
    pub fn recording(&self, runner: &Runner) -> Option<PathBuf> {
        let attempt = runner.state.attempt();
        (runner.launch.record && attempt > 0).then(|| {
            self.places()
                .attempt_dir(runner.id, attempt)
                .join(RECORDING_FILE)
        })
    }

    /// Tells whether a runner's agent has not been heard of for too long.
    #[must_use]
    pub fn is_unreachable(&self, runner: &Runner) -> bool {
        let expected = matches!(
            runner.state,
            State::Running { .. }
                | State::Paused { .. }
                | State::Stopping {
                    started: Some(_),
                    ..
                }
        );
        if !expected {
            return false;
        }
        let silence = self.inner.config.heartbeat_interval() * MISSED;
        self.inner
            .links()
            .get(&runner.id)
            .is_some_and(|link| link.heard().elapsed() > silence)
    }
}

impl Inner {
    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn links(&self) -> MutexGuard<'_, HashMap<RunnerId, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn spawning(&self) -> MutexGuard<'_, HashSet<RunnerId>> {
        self.spawning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stopping(&self) -> MutexGuard<'_, HashMap<(RunnerId, u32), Instant>> {
        self.stopping.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns for how long this host has seen an attempt stopping, by a clock that neither jumps nor runs on in sleep.
    pub(crate) fn stopping_for(&self, id: RunnerId, attempt: u32) -> Duration {
        self.stopping()
            .entry((id, attempt))
            .or_insert_with(Instant::now)
            .elapsed()
    }

    pub(crate) fn spawning_ended(&self, id: RunnerId) {
        self.spawning().remove(&id);
    }

    pub(crate) fn changed(&self, change: Change) {
        let _ = self.changes.send(change);
    }

    pub(crate) async fn environment(&self) -> &Environment {
        self.environment
            .get_or_init(|| async {
                if self.config.capture_environment() {
                    Environment::capture(&self.host_environment, self.config.environment_timeout())
                        .await
                } else {
                    Environment::of_host(&self.host_environment)
                }
            })
            .await
    }

    /// The limits of the node and of projects that set none of their own.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            project: self.config.project_max_runners(),
            node: self.config.max_runners(),
        }
    }

    /// Applies an input, keeps what follows, and does it.
    pub(crate) async fn apply(
        self: &Arc<Self>,
        id: RunnerId,
        input: Input,
    ) -> Result<Applied, StoreError> {
        let applied = self
            .store
            .apply(id, input, self.limits(), self.clock.now())
            .await?;
        self.follow(&applied);
        Ok(applied)
    }

    /// Applies what an agent or the disk says. Nobody waits for the answer: a refusal means that it was known already.
    pub(crate) async fn tell(self: &Arc<Self>, id: RunnerId, input: Input) {
        match self.apply(id, input).await {
            Ok(_) | Err(StoreError::Closed) => {}
            Err(StoreError::Refused(refusal)) => {
                debug!(runner = %id, %refusal, "an input came too late")
            }
            Err(error) => {
                // The fact stays on disk or with the agent; the next pass finds it there again.
                error!(runner = %id, error = &error as &dyn std::error::Error, "cannot keep what happened to a runner");
            }
        }
    }

    /// Does what follows from a change.
    pub(crate) fn follow(self: &Arc<Self>, applied: &Applied) {
        let runner = &applied.runner;
        for effect in &applied.effects {
            self.execute(runner, *effect);
        }
        if applied.changed {
            self.changed(Change::Runner(runner.id));
            if matches!(
                runner.state,
                State::Terminated { .. } | State::Failed { .. }
            ) {
                self.changed(Change::Notices);
            }
            // An end frees a place, a backoff falls due, a stop must not take for ever: all are planned for.
            let planned = matches!(runner.state, State::Backoff { .. } | State::Stopping { .. });
            if planned || runner.state.name().is_final() {
                self.nudge.notify_one();
            }
        }
    }

    /// Does one effect. Doing it again does no harm.
    pub(crate) fn execute(self: &Arc<Self>, runner: &Runner, effect: Effect) {
        match effect {
            Effect::Spawn { attempt } => self.spawn(runner, attempt),
            Effect::EndTree { attempt, grace } => {
                // From now on it is known for how long.
                self.stopping_for(runner.id, attempt);
                let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
                self.tell_agent(runner.id, attempt, Message::Stop(Stop { grace_ms }));
            }
            Effect::Freeze { attempt } => self.tell_agent(runner.id, attempt, Message::Freeze),
            Effect::Thaw { attempt } => self.tell_agent(runner.id, attempt, Message::Thaw),
        }
    }

    fn spawn(self: &Arc<Self>, runner: &Runner, attempt: u32) {
        if self.cancel.is_cancelled() || !self.spawning().insert(runner.id) {
            return;
        }
        // A plan may be older than the link, which is set before `spawning` is cleared.
        let linked = |link: &Arc<Link>| link.attempt == attempt;
        if self.links().get(&runner.id).is_some_and(linked) {
            self.spawning_ended(runner.id);
            return;
        }
        self.tracker
            .spawn(spawn::attempt(Arc::clone(self), runner.clone(), attempt));
    }

    fn tell_agent(&self, id: RunnerId, attempt: u32, message: Message) {
        let link = self
            .links()
            .get(&id)
            .filter(|link| link.attempt == attempt)
            .cloned();
        match link {
            Some(link) => link.tell(message),
            // Not connected: the next pass adopts the agent and makes it agree with the runner's state.
            None => self.nudge.notify_one(),
        }
    }

    /// How long to wait for what an agent is told at once.
    pub(crate) const ANSWER: Duration = Duration::from_secs(15);
}
