//! The supervisor: what its tasks share, and what hosts ask of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stratavore_core::clock::{Clock, Timestamp};
use stratavore_core::config::Config;
use stratavore_core::ids::{InstanceId, NoticeId, ProjectId, RunnerId};
use stratavore_core::places::Places;
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Effect, Input, Runner, State};
use stratavore_core::usage::Prices;
use stratavore_store::{
    Applied, Availability, Heartbeat, NewNode, NewProject, NodeView, Notice, Position,
    RunnerFilter, RunnerView, Store, StoreError,
};
use stratavore_wire::record::RECORDING_FILE;
use stratavore_wire::{Message, Stop};
use tokio::sync::{Notify, OnceCell, broadcast, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};
use uuid::Uuid;

use crate::broker::{self, Broker, Names, Patience};
use crate::budgets::{self, Budgets};
use crate::bus::{Bus, Sink};
use crate::environment::Environment;
use crate::link::{Link, Live};
use crate::publisher::{Publisher, Terms};
use crate::sessions::{self, Sessions};
use crate::version::Versions;
use crate::{
    attention, descriptors, follow, heartbeat, nodes, prices, publisher, quiet, reconcile, spawn,
};

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
    /// Which nodes there are, or which of them are silent.
    Nodes,
    /// Whether the store can be reached.
    Availability,
    /// Sessions, or what was said in them.
    Sessions,
    /// What was used, or what bounds that.
    Usage,
    /// A person's presets.
    Presets,
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
    /// What models cost.
    pub prices: Prices,
    /// Where events are published to; nothing where they stay within Stratavore.
    pub broker: Option<broker::Address>,
    /// How this host is registered among several that share the store; nothing where the store is its own.
    pub membership: Option<Membership>,
}

/// A host among several that share a store.
#[derive(Clone, Debug)]
pub struct Membership {
    /// As it was registered.
    pub node: NewNode,
    /// Distinguishes this host from those that had the same data directory before it.
    pub incarnation: Uuid,
}

/// What the tasks share.
pub(crate) struct Inner {
    pub(crate) places: Places,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    /// Who launches from here and is told.
    pub(crate) person: String,
    pub(crate) nodes: nodes::Known,
    /// Since when and why events wait to be delivered, while they do.
    undelivered: Mutex<Option<(Timestamp, String)>>,
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
    /// Told when there is another link, or when it is known where a program keeps the file of its process.
    pub(crate) linked: Notify,
    pub(crate) versions: Versions,
    pub(crate) sessions: Sessions,
    pub(crate) budgets: Budgets,
    pub(crate) prices: Prices,
    /// Held from the look at who holds a session until the launch that resumes it is kept.
    pub(crate) resuming: tokio::sync::Mutex<()>,
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
        let (sessions, words) = Sessions::new();
        let inner = Arc::new(Inner {
            places: parts.places,
            store: parts.store,
            clock: parts.clock,
            person: parts.config.person(&parts.environment),
            nodes: nodes::Known::default(),
            undelivered: Mutex::default(),
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
            linked: Notify::new(),
            versions: Versions::default(),
            sessions,
            budgets: Budgets::default(),
            prices: parts.prices,
            resuming: tokio::sync::Mutex::default(),
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
        let sink: Arc<dyn Sink> = match &parts.broker {
            Some(address) => Arc::new(Broker::new(
                address.clone(),
                Names::default(),
                Patience::default(),
            )),
            None => Arc::new(inner.bus.clone()),
        };
        let publisher = Publisher::new(
            Arc::clone(&inner.store),
            sink,
            Arc::clone(&inner.clock),
            Terms {
                // An idle store of one machine costs nothing.
                backstop: parts.membership.as_ref().and(Terms::default().backstop),
                ..Terms::default()
            },
        );
        tasks.spawn(delivery(Arc::clone(&inner), publisher.trouble()));
        tasks.spawn(publisher.run(inner.cancel.clone()));
        if let Some(address) = parts.broker {
            tasks.spawn(follow::hear(Arc::clone(&inner), address));
        }
        tasks.spawn(publisher::checkpoint(
            Arc::clone(&inner.store),
            Arc::clone(&inner.clock),
            inner.cancel.clone(),
        ));
        tasks.spawn(reconcile::run(Arc::clone(&inner)));
        tasks.spawn(attention::watch(Arc::clone(&inner)));
        tasks.spawn(sessions::run(Arc::clone(&inner), words));
        tasks.spawn(budgets::enforce(Arc::clone(&inner)));
        tasks.spawn(prices::apply(Arc::clone(&inner)));
        tasks.spawn(quiet::watch(Arc::clone(&inner)));
        tasks.spawn(availability(Arc::clone(&inner)));
        if let Some(Membership { node, incarnation }) = parts.membership {
            tasks.spawn(nodes::keep(Arc::clone(&inner), node, incarnation));
            tasks.spawn(follow::follow(Arc::clone(&inner)));
        }
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
        self.inner.sessions.projects_changed();
        // What budgets have to warn of may have waited for a project to tell it of.
        self.inner.budgets.used();
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

    /// Lists the nodes that share the store, by name, as they were seen a moment ago; none where the store is this host's
    /// own.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        self.inner.nodes.all()
    }

    /// Learns of a node that was not heard of before, so that [`Supervisor::node_name`] tells its name from the first on.
    pub async fn meet_node(&self, id: &InstanceId) {
        self.inner.meet_node(id).await;
    }

    /// Returns what people call a node.
    #[must_use]
    pub fn node_name(&self, id: &InstanceId) -> String {
        match self.inner.nodes.get(id) {
            Some(node) => node.name,
            None if id == self.store().instance() => machine_name(&self.inner.config),
            None => id.to_string(),
        }
    }

    /// Tells since when and why events wait to be delivered, while they do.
    #[must_use]
    pub fn undelivered(&self) -> Option<(Timestamp, String)> {
        self.inner
            .undelivered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Returns the table of prices in force.
    #[must_use]
    pub fn prices(&self) -> &Prices {
        &self.inner.prices
    }

    /// Returns who launches from here, and is told.
    #[must_use]
    pub fn person(&self) -> &str {
        &self.inner.person
    }

    /// Lets dead letters be tried anew, those of one aggregate or all.
    ///
    /// # Errors
    /// As [`Store::outbox_retry`].
    pub async fn retry_outbox(&self, aggregate: Option<Uuid>) -> Result<u64, StoreError> {
        self.inner.store.outbox_retry(aggregate).await
    }

    /// Gives a dead letter up.
    ///
    /// # Errors
    /// As [`Store::outbox_drop`].
    pub async fn drop_outbox(&self, position: Position) -> Result<(), StoreError> {
        self.inner.store.outbox_drop(position).await
    }

    /// Forgets a silent node: its runners are ended as lost.
    ///
    /// # Errors
    /// As [`Store::forget_node`].
    pub async fn forget_node(&self, id: &InstanceId) -> Result<Vec<Runner>, StoreError> {
        let ended = self.inner.store.forget_node(id, self.now()).await?;
        for applied in &ended {
            self.inner.changed(Change::Runner(applied.runner.id));
        }
        self.inner.changed(Change::Notices);
        self.inner.changed(Change::Nodes);
        Ok(ended.into_iter().map(|applied| applied.runner).collect())
    }

    /// Tells whether a runner is on this host's node.
    #[must_use]
    pub fn is_ours(&self, runner: &Runner) -> bool {
        self.inner.is_ours(runner)
    }

    /// Says why this host supervises no longer, if it does not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.inner.nodes.trouble()
    }

    /// Lists the runners that hold a place or wait for one.
    ///
    /// # Errors
    /// As [`Store::runners`].
    pub async fn active(&self, project: Option<ProjectId>) -> Result<Vec<RunnerView>, StoreError> {
        let filter = RunnerFilter {
            project,
            ..RunnerFilter::unended()
        };
        self.inner.store.runners(filter).await
    }

    /// Lists this node's runners that hold a place or wait for one: `all` of a person at one machine are never those of a whole
    /// team.
    ///
    /// # Errors
    /// As [`Store::runners`].
    pub async fn active_here(&self) -> Result<Vec<Runner>, StoreError> {
        self.inner.active_here().await
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

    /// Claims the notices of this host's person that this consumer is to show.
    ///
    /// # Errors
    /// As [`Store::claim_notices`].
    pub async fn claim_notices(&self, consumer: &str) -> Result<Vec<Notice>, StoreError> {
        self.inner
            .store
            .claim_notices(&self.inner.person, consumer, self.now())
            .await
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
        self.inner.link_of(runner).map(|link| link.live())
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

    /// Tells since when a runner's agent has not been heard of, or its node, where that is for too long.
    #[must_use]
    pub fn unreachable_since(&self, runner: &Runner) -> Option<Timestamp> {
        let expected = matches!(
            runner.state,
            State::Running { .. }
                | State::Paused { .. }
                | State::Stopping {
                    started: Some(_),
                    ..
                }
        );
        if !self.is_ours(runner) {
            let node = self.inner.nodes.get(&runner.node);
            return node
                .filter(|node| node.silent.is_some() && !runner.state.name().is_final())
                .map(|node| node.heard_at);
        }
        let silence = self.inner.config.heartbeat_interval() * MISSED;
        let silent = self.inner.links().get(&runner.id)?.heard().elapsed();
        (expected && silent > silence).then(|| self.now() - silent)
    }
}

impl Inner {
    pub(crate) fn is_ours(&self, runner: &Runner) -> bool {
        runner.node == *self.store.instance()
    }

    /// Makes an agent agree with what its runner is to be by now.
    pub(crate) fn steer(&self, runner: &Runner) {
        if let Some(link) = self.link_of(runner) {
            link.agree(&runner.state, None);
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn links(&self) -> MutexGuard<'_, HashMap<RunnerId, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the connection to the agent of an attempt, if there is one.
    fn link(&self, id: RunnerId, attempt: u32) -> Option<Arc<Link>> {
        let links = self.links();
        links
            .get(&id)
            .filter(|link| link.attempt == attempt)
            .cloned()
    }

    /// Returns the connection to the agent of a runner's present attempt, if there is one.
    pub(crate) fn link_of(&self, runner: &Runner) -> Option<Arc<Link>> {
        self.link(runner.id, runner.state.attempt())
    }

    /// Lists this node's runners that hold a place or wait for one.
    pub(crate) async fn active_here(&self) -> Result<Vec<Runner>, StoreError> {
        let filter = RunnerFilter {
            node: Some(self.store.instance().clone()),
            ..RunnerFilter::unended()
        };
        let views = self.store.runners(filter).await?;
        Ok(views.into_iter().map(|view| view.runner).collect())
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
        if matches!(
            change,
            Change::Sessions | Change::Usage | Change::Availability
        ) {
            self.sessions.known.forget();
        }
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
            budgets: Some(self.budget_terms()),
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
        // What concerns another node's runner its host reads in what is committed.
        let ours = self.is_ours(runner);
        for effect in applied.effects.iter().filter(|_| ours) {
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
        match self.link(id, attempt) {
            Some(link) => link.tell(message),
            // Not connected: the next pass adopts the agent and makes it agree with the runner's state.
            None => self.nudge.notify_one(),
        }
    }

    /// How long to wait for what an agent is told at once.
    pub(crate) const ANSWER: Duration = Duration::from_secs(15);
}

/// Tells of it when the store cannot be reached, or can be again, and then makes up for what was missed.
async fn availability(inner: Arc<Inner>) {
    let mut availability = inner.store.availability();
    loop {
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            changed = availability.changed() => if changed.is_err() { return },
        }
        if *availability.borrow_and_update() == Availability::Here {
            inner.nudge.notify_one();
            // Transcripts grew meanwhile, and projects may be others.
            inner.sessions.projects_changed();
        }
        inner.changed(Change::Availability);
    }
}

/// Keeps what the publisher says of its trouble.
async fn delivery(inner: Arc<Inner>, mut trouble: watch::Receiver<Option<String>>) {
    loop {
        let said = trouble.borrow_and_update().clone();
        {
            let mut known = inner
                .undelivered
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let since = known.as_ref().map(|(since, _)| *since);
            *known = said.map(|reason| (since.unwrap_or_else(|| inner.clock.now()), reason));
        }
        inner.changed(Change::Availability);
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            changed = trouble.changed() => if changed.is_err() { return },
        }
    }
}

/// What this machine is called among several: as set, or its host name.
#[must_use]
pub fn machine_name(config: &Config) -> String {
    config.node_name().map_or_else(host_name, str::to_owned)
}

/// Returns this machine's host name.
#[must_use]
pub fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}
