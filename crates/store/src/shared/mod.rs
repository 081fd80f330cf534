//! A database that several machines share, with what this one last knew of it at hand.
//!
//! While the database answers, this passes everything on to it and learns what comes back. When it does not:
//!
//! | what | then |
//! |---|---|
//! | reading projects, runners, nodes, the last events | is answered by what was last known; [`Store::availability`] tells since when |
//! | reading sessions, usage, budgets, presets | likewise; what others changed in the last minute may be missing |
//! | what happens to this node's runners, and steering them | changes what is known, takes effect, and is spooled |
//! | heartbeats | the latest of each runner is kept in memory |
//! | launches, restarts, projects, whatever else commits | is refused with the reason |
//! | the outbox, the audit log, events of long ago | fail with the reason |
//! | what is read of transcripts | is refused with the reason: how far one was read is kept with what was read of it |
//! | searching what was said | fails with the reason: its index is the database's alone, and hosts look in the transcripts that they have |
//!
//! Once the database answers again it is told what was spooled, in order. An entry is forgotten after the database has
//! committed it; one that is told twice, because this process died in between, changes nothing the second time, for the
//! state of the runner guards that, and a fact of the same moment is the same.

/// Asks the database.
macro_rules! ask {
    ($self:ident, $remote:ident => $question:expr) => {
        $self.inner.ask(|$remote| Box::pin($question)).await
    };
}

/// Asks the database; while it is away, answers from what is known.
macro_rules! known {
    ($self:ident, $remote:ident => $question:expr, $cache:ident => $known:expr) => {
        match $self.inner.ask(|$remote| Box::pin($question)).await {
            Err(StoreError::Away { .. }) => {
                let $cache = &$self.inner.cache;
                $known
            }
            answer => answer,
        }
    };
}

mod books;
mod cache;
mod knowledge;
mod learning;
mod log;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use stratavore_core::clock::{Clock, Timestamp};
use stratavore_core::fact::Fact;
use stratavore_core::ids::{InstanceId, NoticeId, ProjectId, RunnerId};
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, StateName};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::{
    Applied, AuditReport, Availability, Cursor, DeadLetter, Event, EventFilter, Heartbeat, NewNode,
    NewProject, NewRunner, NodeView, Notice, OutboxRow, Position, Pruned, Result, RunnerFilter,
    RunnerView, Shard, Store, StoreError,
};
use cache::{Cache, Entry, Said};
use learning::Ignorance;

/// How often a database that is away is tried.
const AGAIN: Duration = Duration::from_secs(1);
/// How often at most what is known is brought up to date: clients ask the database itself meanwhile.
const GATHER: Duration = Duration::from_millis(500);
/// How many events are read at once to learn what has changed; with more, everything is learned anew.
const CHANGES: u32 = 500;
/// How many runners that have ended are known.
const ENDED: u32 = 500;

/// Connects to the database.
pub type Connect = Box<dyn Fn() -> BoxFuture<'static, Result<Arc<dyn Store>>> + Send + Sync>;

/// Keeps everything in a database that several machines share.
pub struct SharedStore {
    inner: Arc<Inner>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Inner {
    instance: InstanceId,
    /// Nothing before it answered for the first time.
    remote: OnceLock<Arc<dyn Store>>,
    connect: Connect,
    cache: Cache,
    clock: Arc<dyn Clock>,
    availability: watch::Sender<Availability>,
    commits: watch::Sender<Cursor>,
    /// Something could not be kept of what there was to learn: all of it is to be learned anew.
    behind: AtomicBool,
    /// What is to be learned of sessions, usage, budgets and presets.
    ignorance: Ignorance,
    /// The latest of each runner, not yet written.
    heartbeats: Mutex<HashMap<RunnerId, Heartbeat>>,
    /// Held while something is spooled or told, so that nothing is spooled behind the back of whoever finds the spool empty.
    spooling: tokio::sync::Mutex<()>,
}

impl SharedStore {
    /// Opens the database, or what was last known of it where it cannot be reached now.
    ///
    /// `cache` is a file of this data directory, made where there is none.
    ///
    /// # Errors
    /// What is wrong with the cache, or with the database; that it cannot be reached, only where nothing was known of it
    /// before.
    pub async fn open(
        cache: &Path,
        instance: InstanceId,
        clock: Arc<dyn Clock>,
        connect: Connect,
    ) -> Result<Self> {
        let cache = Cache::open(cache).await?;
        let inner = Arc::new(Inner {
            instance,
            remote: OnceLock::new(),
            connect,
            cache,
            clock,
            availability: watch::Sender::new(Availability::Here),
            commits: watch::Sender::new(Cursor::default()),
            behind: AtomicBool::new(false),
            ignorance: Ignorance::default(),
            heartbeats: Mutex::default(),
            spooling: tokio::sync::Mutex::default(),
        });
        match inner.reach().await {
            Ok(()) => {}
            Err(error @ (StoreError::Away { .. } | StoreError::Unreachable { .. }))
                if !inner.cache.is_empty().await? =>
            {
                inner.went_away(&error.to_string());
                // Whoever follows the log goes on where it is known.
                let end = inner.cache.end_of_log().await?;
                inner.commits.send_replace(end.unwrap_or_default());
            }
            Err(error) => return Err(error),
        }
        let task = tokio::spawn(Arc::clone(&inner).keep_up());
        Ok(Self {
            inner,
            task: Mutex::new(Some(task)),
        })
    }
}

impl Inner {
    // Whether it is here.

    fn away(&self) -> Option<StoreError> {
        match &*self.availability.borrow() {
            Availability::Here => None,
            Availability::Away { reason, .. } => Some(StoreError::Away {
                reason: reason.clone(),
            }),
        }
    }

    /// Why what is asked for is not known here.
    fn unknown(&self) -> StoreError {
        self.away().unwrap_or(StoreError::Away {
            reason: "the shared database was away a moment ago".to_owned(),
        })
    }

    fn went_away(&self, reason: &str) {
        let went = self.availability.send_if_modified(|availability| {
            let was_here = *availability == Availability::Here;
            if was_here {
                *availability = Availability::Away {
                    since: self.clock.now(),
                    reason: reason.to_owned(),
                };
            }
            was_here
        });
        if went {
            self.ignorance.everything();
            warn!(
                reason,
                "the shared database cannot be reached; what was last known of it is shown"
            );
        }
    }

    /// Says anew why it is away.
    fn still_away(&self, why: &str) {
        self.availability
            .send_if_modified(|availability| match availability {
                Availability::Away { reason, .. } if reason != why => {
                    why.clone_into(reason);
                    true
                }
                _ => false,
            });
    }

    /// Asks the database, unless it is known to be away.
    async fn ask<'a, T>(
        &'a self,
        question: impl FnOnce(&'a dyn Store) -> BoxFuture<'a, Result<T>>,
    ) -> Result<T> {
        if let Some(away) = self.away() {
            return Err(away);
        }
        let Some(remote) = self.remote.get() else {
            return Err(StoreError::Away {
                reason: "the shared database was not reached yet".to_owned(),
            });
        };
        let answer = question(&**remote).await;
        if let Err(StoreError::Away { reason }) = &answer {
            self.went_away(reason);
        }
        answer
    }

    /// Connects where that was not done yet, tells what was spooled, and learns everything.
    async fn reach(&self) -> Result<()> {
        if self.remote.get().is_none() {
            let remote = (self.connect)().await?;
            let _ = self.remote.set(remote);
        }
        let Some(remote) = self.remote.get() else {
            return Ok(());
        };
        let last = remote.last_cursor().await?;
        loop {
            let _spooling = self.spooling.lock().await;
            match self.cache.next().await? {
                Some(entry) => self.tell(&**remote, entry).await?,
                None => {
                    self.availability.send_if_modified(|availability| {
                        let was_away = *availability != Availability::Here;
                        *availability = Availability::Here;
                        was_away
                    });
                    break;
                }
            }
        }
        let kept = std::mem::take(&mut *self.heartbeats());
        if !kept.is_empty() {
            let told = remote.record_heartbeats(kept.values().cloned().collect());
            if let Err(error) = told.await {
                let mut newer = self.heartbeats();
                for (runner, heartbeat) in kept {
                    newer.entry(runner).or_insert(heartbeat);
                }
                return Err(error);
            }
        }
        match self.learn_all(&**remote).await {
            Err(error @ (StoreError::Away { .. } | StoreError::Closed)) => return Err(error),
            // The database answers, which is more.
            learned => self.noted(learned),
        }
        self.commits.send_replace(last);
        Ok(())
    }

    async fn tell(&self, remote: &dyn Store, entry: Entry) -> Result<()> {
        let Entry {
            number,
            runner,
            at,
            said,
        } = entry;
        let outcome = match said {
            // None that needs a place is spooled.
            Said::Input(input) => remote
                .apply(runner, input, Limits::default(), at)
                .await
                .map(drop),
            // One that was kept though its answer was lost is there once.
            Said::Fact(fact) => remote.note(runner, fact, at).await,
        };
        match outcome {
            Ok(()) => {}
            Err(error @ (StoreError::Away { .. } | StoreError::Closed)) => return Err(error),
            // The database knew better meanwhile: the node was forgotten, or it was told before this process died.
            Err(StoreError::Refused(refusal)) => {
                info!(%runner, %refusal, "what was spooled came too late");
            }
            Err(error) => {
                error!(%runner, error = &error as &dyn std::error::Error, "what was spooled cannot be kept");
            }
        }
        self.cache.told(number).await
    }

    fn heartbeats(&self) -> std::sync::MutexGuard<'_, HashMap<RunnerId, Heartbeat>> {
        self.heartbeats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what the runner's own host has seen of it since.
    fn observed(&self, mut view: RunnerView) -> RunnerView {
        if let Some(heartbeat) = self.heartbeats().get(&view.runner.id)
            && heartbeat.attempt == view.runner.state.attempt()
        {
            view.observation = Some(heartbeat.observation.clone());
        }
        view
    }

    // What is known.

    async fn learn_all(&self, remote: &dyn Store) -> Result<()> {
        let projects = remote.projects(true).await?;
        let mut runners = remote.runners(RunnerFilter::unended()).await?;
        let ended = RunnerFilter {
            limit: Some(ENDED),
            ..RunnerFilter::ended()
        };
        runners.extend(remote.runners(ended).await?);
        let nodes = remote.nodes().await?;
        // What cannot be kept meanwhile counts again.
        self.behind.store(false, Ordering::Relaxed);
        self.cache.replace(&projects, &runners, &nodes).await?;
        self.cache.read_on(remote).await
    }

    /// Learns what events say has changed; returns the cursor after the last.
    async fn learn(&self, remote: &dyn Store, after: Cursor) -> Result<Cursor> {
        let filter = EventFilter {
            after,
            limit: CHANGES,
        };
        let events = remote.events(filter).await?;
        let Some(last) = events.last() else {
            return Ok(after);
        };
        let last = last.cursor;
        if events.len() == CHANGES as usize {
            let last = remote.last_cursor().await?;
            self.learn_all(remote).await?;
            return Ok(last);
        }
        let changed: HashSet<Uuid> = events.iter().map(|event| event.aggregate_id).collect();
        let (mut projects, mut runners) = (Vec::new(), Vec::new());
        for event in &events {
            if event.aggregate == "project" {
                projects = remote.projects(true).await?;
                break;
            }
        }
        projects.retain(|project| changed.contains(&project.id.as_uuid()));
        let known: HashSet<Uuid> = projects
            .iter()
            .map(|project| project.id.as_uuid())
            .collect();
        for id in changed.difference(&known) {
            match remote.runner(RunnerId::from_uuid(*id)).await {
                Ok(view) => runners.push(view),
                Err(StoreError::NoRunner(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.cache.learn(&projects, &runners).await?;
        self.cache.keep_events(after, &events).await?;
        Ok(last)
    }

    /// Follows the database, and tries it again when it is away, until the store is closed.
    async fn keep_up(self: Arc<Self>) {
        let mut availability = self.availability.subscribe();
        loop {
            let here = *availability.borrow_and_update() == Availability::Here;
            let remote = self.remote.get().filter(|_| here).map(Arc::clone);
            let outcome = match remote {
                Some(remote) => tokio::select! {
                    outcome = self.follow(&*remote) => outcome,
                    changed = availability.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                },
                None => {
                    tokio::time::sleep(AGAIN).await;
                    self.reach().await
                }
            };
            match outcome {
                Ok(()) => {
                    if !here {
                        info!("the shared database answers again");
                    }
                }
                Err(StoreError::Closed) => return,
                Err(error @ (StoreError::Away { .. } | StoreError::Unreachable { .. })) => {
                    self.went_away(&error.to_string());
                }
                Err(error) if here => {
                    // The database itself still answers whoever asks.
                    self.noted(Err(error));
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => {
                    self.still_away(&error.to_string());
                    warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot tell the shared database what happened meanwhile; trying again"
                    );
                }
            }
        }
    }

    async fn follow(&self, remote: &dyn Store) -> Result<()> {
        let after = *self.commits.borrow();
        tokio::select! {
            outcome = self.pass_on(remote) => outcome,
            outcome = self.keep_learning(remote, after) => outcome,
            never = self.keep_books(remote) => match never {},
            gone = gone(remote) => Err(gone),
        }
    }

    /// Passes on that something was committed.
    async fn pass_on(&self, remote: &dyn Store) -> Result<()> {
        let mut commits = remote.commits();
        loop {
            // Also where the cursor is the same: something else asks to be looked at again.
            let last = *commits.borrow_and_update();
            self.commits.send_modify(|known| *known = last.max(*known));
            commits.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }

    /// Learns what was committed after a cursor, some time after it was.
    async fn keep_learning(&self, remote: &dyn Store, mut after: Cursor) -> Result<()> {
        let mut commits = remote.commits();
        loop {
            commits.borrow_and_update();
            after = if self.behind.load(Ordering::Relaxed) {
                let last = remote.last_cursor().await?;
                self.learn_all(remote).await?;
                last
            } else {
                self.learn(remote, after).await?
            };
            // What comes meanwhile is learned in one go.
            tokio::time::sleep(GATHER).await;
            commits.changed().await.map_err(|_| StoreError::Closed)?;
        }
    }

    /// Learns at once what this node's runners have become: what happens to them next may have to be applied to that.
    async fn learn_ours<'a>(&self, changes: impl IntoIterator<Item = &'a Applied>) {
        let mut views = Vec::new();
        for change in changes {
            let runner = &change.runner;
            if change.changed && runner.node == self.instance {
                let known = self.cache.runner(runner.id).await.ok();
                views.push(RunnerView {
                    runner: runner.clone(),
                    observation: known.and_then(|view| view.observation),
                });
            }
        }
        if views.is_empty() {
            return;
        }
        self.noted(self.cache.learn(&[], &views).await);
    }

    async fn learn_project(&self, project: &Project) {
        let learned = self.cache.learn(std::slice::from_ref(project), &[]).await;
        self.noted(learned);
    }

    /// What cannot be kept for later is no reason to fail now.
    fn noted(&self, learned: Result<()>) {
        if let Err(error) = learned {
            self.behind.store(true, Ordering::Relaxed);
            warn!(
                error = &error as &dyn std::error::Error,
                "cannot keep what is known of the shared database"
            );
        }
    }

    // What is done while it is away.

    async fn apply_known(&self, id: RunnerId, input: Input, now: Timestamp) -> Result<Applied> {
        let view = self.cache.runner(id).await?;
        let needs_place = matches!(input, Input::Restart { .. } | Input::Admit);
        if view.runner.node != self.instance || needs_place {
            return Err(self.away().unwrap_or(StoreError::NoRunner(id)));
        }
        let outcome = view.runner.apply(input.clone(), now)?;
        let changed = !outcome.facts.is_empty();
        if changed {
            let view = RunnerView {
                runner: outcome.runner.clone(),
                ..view
            };
            self.cache
                .spool(Some(&view), id, &Said::Input(input), now)
                .await?;
        }
        Ok(Applied {
            runner: outcome.runner,
            effects: outcome.effects,
            changed,
        })
    }
}

/// Returns why the database went away, as soon as its own connection finds out: though nobody asks it for anything.
async fn gone(remote: &dyn Store) -> StoreError {
    let mut availability = remote.availability();
    // It may be the last to find out that the database is back.
    let back = availability.wait_for(|known| *known == Availability::Here);
    if back.await.is_err() {
        return StoreError::Closed;
    }
    match availability
        .wait_for(|known| *known != Availability::Here)
        .await
        .as_deref()
    {
        Ok(Availability::Away { reason, .. }) => StoreError::Away {
            reason: reason.clone(),
        },
        _ => StoreError::Closed,
    }
}

#[async_trait]
impl Store for SharedStore {
    fn instance(&self) -> &InstanceId {
        &self.inner.instance
    }

    fn availability(&self) -> watch::Receiver<Availability> {
        self.inner.availability.subscribe()
    }

    fn commits(&self) -> watch::Receiver<Cursor> {
        self.inner.commits.subscribe()
    }

    async fn add_project(&self, new: NewProject, now: Timestamp) -> Result<Project> {
        let project = ask!(self, remote => remote.add_project(new, now))?;
        self.inner.learn_project(&project).await;
        Ok(project)
    }

    async fn projects(&self, archived: bool) -> Result<Vec<Project>> {
        known!(self, remote => remote.projects(archived), cache => {
            let mut projects = cache.projects().await?;
            projects.retain(|project| archived || project.archived_at.is_none());
            Ok(projects)
        })
    }

    async fn project(&self, id: ProjectId) -> Result<Project> {
        known!(self, remote => remote.project(id), cache => cache.project(id).await)
    }

    async fn archive_project(&self, id: ProjectId, now: Timestamp) -> Result<Project> {
        let project = ask!(self, remote => remote.archive_project(id, now))?;
        self.inner.learn_project(&project).await;
        Ok(project)
    }

    async fn launch(&self, new: NewRunner, limits: Limits, now: Timestamp) -> Result<Applied> {
        let launched = ask!(self, remote => remote.launch(new, limits, now))?;
        self.inner.learn_ours([&launched]).await;
        Ok(launched)
    }

    async fn apply(
        &self,
        id: RunnerId,
        input: Input,
        limits: Limits,
        now: Timestamp,
    ) -> Result<Applied> {
        let asked = input.clone();
        match ask!(self, remote => remote.apply(id, asked, limits, now)) {
            Err(StoreError::Away { .. }) => {
                let spooling = self.inner.spooling.lock().await;
                if self.inner.away().is_some() {
                    return self.inner.apply_known(id, input, now).await;
                }
                drop(spooling);
                ask!(self, remote => remote.apply(id, input, limits, now))
            }
            Ok(applied) => {
                self.inner.learn_ours([&applied]).await;
                Ok(applied)
            }
            answer => answer,
        }
    }

    async fn admit_queued(&self, limits: Limits, now: Timestamp) -> Result<Vec<Applied>> {
        let admitted = ask!(self, remote => remote.admit_queued(limits, now))?;
        self.inner.learn_ours(&admitted).await;
        Ok(admitted)
    }

    async fn note(&self, id: RunnerId, fact: Fact, now: Timestamp) -> Result<()> {
        let noted = fact.clone();
        match ask!(self, remote => remote.note(id, noted, now)) {
            Err(StoreError::Away { .. }) => {
                let spooling = self.inner.spooling.lock().await;
                if self.inner.away().is_some() {
                    return self
                        .inner
                        .cache
                        .spool(None, id, &Said::Fact(fact), now)
                        .await;
                }
                drop(spooling);
                ask!(self, remote => remote.note(id, fact, now))
            }
            answer => answer,
        }
    }

    async fn runners(&self, filter: RunnerFilter) -> Result<Vec<RunnerView>> {
        let asked = filter.clone();
        known!(self, remote => remote.runners(asked), cache => {
            let views = cache.runners(&filter, |_| true).await?;
            Ok(views.into_iter().map(|view| self.inner.observed(view)).collect())
        })
    }

    async fn runners_called(&self, beginning: &str) -> Result<Vec<RunnerView>> {
        let text = beginning.to_owned();
        known!(self, remote => async move { remote.runners_called(&text).await }, cache => {
            let called = |runner: &stratavore_core::runner::Runner| {
                runner.name.as_str().starts_with(beginning)
                    || runner.id.to_string().starts_with(beginning)
                    || runner.id.as_uuid().simple().to_string().starts_with(beginning)
            };
            let views = cache.runners(&RunnerFilter::default(), called).await?;
            Ok(views.into_iter().map(|view| self.inner.observed(view)).collect())
        })
    }

    async fn runner_counts(&self) -> Result<BTreeMap<StateName, u64>> {
        known!(self, remote => remote.runner_counts(), cache => {
            let mut counts = BTreeMap::new();
            for view in cache.runners(&RunnerFilter::default(), |_| true).await? {
                *counts.entry(view.runner.state.name()).or_default() += 1;
            }
            Ok(counts)
        })
    }

    async fn runner(&self, id: RunnerId) -> Result<RunnerView> {
        known!(self, remote => remote.runner(id), cache => {
            cache.runner(id).await.map(|view| self.inner.observed(view))
        })
    }

    async fn record_heartbeats(&self, heartbeats: Vec<Heartbeat>) -> Result<()> {
        let written = heartbeats.clone();
        match ask!(self, remote => remote.record_heartbeats(written)) {
            Err(StoreError::Away { .. }) => {
                let mut kept = self.inner.heartbeats();
                for heartbeat in heartbeats {
                    kept.insert(heartbeat.runner, heartbeat);
                }
                Ok(())
            }
            answer => answer,
        }
    }

    async fn events(&self, filter: EventFilter) -> Result<Vec<Event>> {
        let asked = filter.clone();
        known!(self, remote => remote.events(asked), cache => match cache.events(&filter).await? {
            Some(events) => Ok(events),
            None => Err(self.inner.unknown()),
        })
    }

    async fn last_cursor(&self) -> Result<Cursor> {
        known!(self, remote => remote.last_cursor(), cache => {
            cache.end_of_log().await?.ok_or_else(|| self.inner.unknown())
        })
    }

    async fn verify_audit(&self) -> Result<AuditReport> {
        ask!(self, remote => remote.verify_audit())
    }

    async fn checkpoint_audit(&self, now: Timestamp) -> Result<()> {
        ask!(self, remote => remote.checkpoint_audit(now))
    }

    async fn prune(&self, before: Timestamp, now: Timestamp) -> Result<Pruned> {
        ask!(self, remote => remote.prune(before, now))
    }

    async fn outbox_hold(&self, owner: Uuid, ttl: Duration) -> Result<Vec<Shard>> {
        ask!(self, remote => remote.outbox_hold(owner, ttl))
    }

    async fn outbox_release(&self, owner: Uuid) -> Result<()> {
        ask!(self, remote => remote.outbox_release(owner))
    }

    async fn outbox_waiting(&self, shards: &[Shard], limit: u32) -> Result<Vec<OutboxRow>> {
        let shards = shards.to_vec();
        ask!(self, remote => async move { remote.outbox_waiting(&shards, limit).await })
    }

    async fn outbox_delivered(&self, shards: &[Shard], positions: Vec<Position>) -> Result<()> {
        let shards = shards.to_vec();
        ask!(self, remote => async move { remote.outbox_delivered(&shards, positions).await })
    }

    async fn outbox_failed(
        &self,
        shards: &[Shard],
        position: Position,
        error: String,
        max_attempts: u32,
        now: Timestamp,
    ) -> Result<bool> {
        let shards = shards.to_vec();
        ask!(self, remote => async move {
            remote.outbox_failed(&shards, position, error, max_attempts, now).await
        })
    }

    async fn outbox_depth(&self) -> Result<u64> {
        known!(self, remote => remote.outbox_depth(), _cache => Ok(0))
    }

    async fn dead_letters(&self) -> Result<Vec<DeadLetter>> {
        known!(self, remote => remote.dead_letters(), _cache => Ok(Vec::new()))
    }

    async fn outbox_retry(&self, aggregate: Option<Uuid>) -> Result<u64> {
        ask!(self, remote => remote.outbox_retry(aggregate))
    }

    async fn outbox_drop(&self, position: Position) -> Result<()> {
        ask!(self, remote => remote.outbox_drop(position))
    }

    async fn claim_notices(
        &self,
        person: &str,
        consumer: &str,
        now: Timestamp,
    ) -> Result<Vec<Notice>> {
        let (person, consumer) = (person.to_owned(), consumer.to_owned());
        // Who is owed one is told once the database can say that nobody else told it.
        known!(self, remote => async move { remote.claim_notices(&person, &consumer, now).await }, _cache => Ok(Vec::new()))
    }

    async fn notice_shown(&self, id: NoticeId, now: Timestamp) -> Result<()> {
        ask!(self, remote => remote.notice_shown(id, now))
    }

    async fn answer_interrupted(&self, now: Timestamp) -> Result<Vec<RunnerId>> {
        ask!(self, remote => remote.answer_interrupted(now))
    }

    async fn interrupted(&self) -> Result<Vec<RunnerView>> {
        known!(self, remote => remote.interrupted(), _cache => Ok(Vec::new()))
    }

    async fn register_node(&self, new: NewNode, incarnation: Uuid, ttl: Duration) -> Result<()> {
        ask!(self, remote => remote.register_node(new, incarnation, ttl))
    }

    async fn heard_from_node(&self, id: &InstanceId, incarnation: Uuid) -> Result<()> {
        let id = id.clone();
        ask!(self, remote => async move { remote.heard_from_node(&id, incarnation).await })
    }

    async fn node_left(&self, id: &InstanceId, incarnation: Uuid) -> Result<()> {
        let id = id.clone();
        ask!(self, remote => async move { remote.node_left(&id, incarnation).await })
    }

    async fn nodes(&self) -> Result<Vec<NodeView>> {
        known!(self, remote => remote.nodes(), cache => cache.nodes().await)
    }

    async fn forget_node(&self, id: &InstanceId, now: Timestamp) -> Result<Vec<Applied>> {
        let id = id.clone();
        ask!(self, remote => async move { remote.forget_node(&id, now).await })
    }

    async fn close(&self) {
        let task = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = task {
            task.abort();
            let _ = task.await;
        }
        if let Some(remote) = self.inner.remote.get() {
            remote.close().await;
        }
        self.inner.cache.close().await;
    }
}
