//! Knows what each runner of this host needs of a person.
//!
//! Reports, hooks and heartbeats come through a runner's link; pid files are looked at here, when their directory says that they
//! changed, and once a second while there is one to look at. `core::attention::judge` decides; what changes is shown at once, and what a person is to be told becomes
//! the event `runner.attention`, once for each time that a state comes about, whatever becomes of the host meanwhile.

mod decide;
mod kept;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use stratavore_core::attention::{Attention, Need};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{BudgetId, RunnerId};
use stratavore_core::runner::Runner;
use stratavore_wire::{HookAnswer, Hooked, Message};
use tokio::time::Instant;
use tracing::{debug, warn};

pub use decide::DecideError;
use kept::Kept;
pub use watch::Asking;
pub(crate) use watch::{Step, Terms, Watch};

use crate::directories::{Changed, Directories};
use crate::file;
use crate::link::Link;
use crate::supervisor::{Change, Inner, Supervisor};

/// How often pid files are looked at though nobody says that they changed.
const LOOK: Duration = Duration::from_secs(1);
/// A program runs its hook this soon after it says that it needs a permission; where it does not, it is told of without.
const HOOK_AFTER: Duration = Duration::from_secs(1);
/// No pid file is longer.
const PID_FILE_MAX: u64 = 64 * 1024;

/// Begins to watch an attempt. `resumed`: the session that it goes on with.
pub(crate) fn begin(
    inner: &Inner,
    runner: &Runner,
    attempt: u32,
    resumed: Option<String>,
) -> Watch {
    let mut kept = kept::read(&inner.places.attempt_dir(runner.id, attempt));
    let known = resumed.or(kept.session.take());
    kept.session = known.or_else(|| runner.launch.session.clone());
    let terms = Terms::of(&inner.config);
    Watch::new(&runner.launch.program, attempt, kept, terms)
}

/// Returns the session that an attempt of a runner held last.
pub(crate) fn last_session(inner: &Inner, runner: &Runner, attempt: u32) -> Option<String> {
    let kept = kept::read(&inner.places.attempt_dir(runner.id, attempt));
    kept.session.or_else(|| runner.launch.session.clone())
}

/// Learns what its project sets, and where its program keeps its things, which may have to wait for the login shell.
pub(crate) async fn learn(inner: Arc<Inner>, runner: Runner, link: Arc<Link>) {
    let supervisor = Supervisor {
        inner: Arc::clone(&inner),
    };
    let config = supervisor.config_for(&runner).await;
    link.watch().judges_by(Terms::of(&config));
    let environment = tokio::select! {
        environment = inner.environment() => environment.variables_of(&runner.launch),
        () = inner.cancel.cancelled() => return,
    };
    let adapter = link.watch().adapter;
    let Some(home) = adapter.home(&stratavore_programs::lookup(&environment)) else {
        return;
    };
    link.watch().lives_in(home.clone());
    inner.linked.notify_one();
    inner.sessions.lives_in(&runner.launch.program, home);
    let session = link.watch().session().map(str::to_owned);
    if let Some(session) = session {
        inner.sessions.held(runner.id, session);
    }
}

impl Inner {
    /// Takes what one of a runner's sources says, and does what follows. `heard` returns whether the session changed.
    pub(crate) fn attend(
        self: &Arc<Self>,
        id: RunnerId,
        link: &Arc<Link>,
        heard: impl FnOnce(&mut Watch) -> bool,
    ) {
        let now = self.clock.now();
        let looked_at = link.is_looked_at();
        let (news, step, session) = {
            let mut watch = link.watch();
            let asking = watch.asking.clone();
            let news = heard(&mut watch);
            let mut step = watch.judge(now, looked_at);
            step.changed |= watch.asking != asking || news;
            step.keep |= news;
            (news, step, watch.session().map(str::to_owned))
        };
        if step.changed {
            self.changed(Change::Runner(id));
        }
        for hook in &step.release {
            let answer = HookAnswer {
                id: *hook,
                output: String::new(),
            };
            link.tell(Message::HookAnswer(answer));
        }
        if let (true, Some(session)) = (news, session) {
            self.sessions.held(id, session);
        }
        if step.edge.is_some() || step.keep {
            self.tracker
                .spawn(tell(Arc::clone(self), id, Arc::clone(link), step));
        }
    }

    /// Takes a hook that a runner's program ran.
    pub(crate) fn hooked(
        self: &Arc<Self>,
        id: RunnerId,
        link: &Arc<Link>,
        hooked: &Hooked,
        at: Timestamp,
    ) {
        let adapter = link.watch().adapter;
        let hook = serde_json::from_str::<Value>(&hooked.payload)
            .map_err(|error| error.to_string())
            .and_then(|payload| adapter.hook(&payload, at));
        match hook {
            Ok(mut hook) => {
                if !hooked.waits {
                    // The program does not listen, or no longer: it can be answered in its terminal alone.
                    hook.ask = None;
                }
                let rows = hook.transcript.clone();
                let wait = self.config.permission_wait();
                self.attend(id, link, |watch| watch.hooked(hooked.id, hook, at, wait));
                link.asked.notify_one();
                if let Some(path) = rows {
                    self.sessions.touched(path);
                }
            }
            // It was a process of this runner's, but no hook of its program: it says nothing.
            Err(reason) => debug!(runner = %id, reason, "a hook makes no sense"),
        }
    }

    /// Remembers, over restarts of the host, that a runner was paused for a budget.
    pub(crate) async fn paused_for(&self, runner: &Runner, budget: Option<BudgetId>) {
        if let Some(link) = self.link_of(runner) {
            link.watch().kept().paused_for = budget;
            self.keep(runner.id, &link).await;
            return;
        }
        let dir = self.places.attempt_dir(runner.id, runner.state.attempt());
        let kept = Kept {
            paused_for: budget,
            ..kept::read(&dir)
        };
        if let Err(error) = kept::write(&dir, &kept) {
            warn!(runner = %runner.id, %error, "cannot keep that a budget paused a runner");
        }
    }

    /// Keeps what is true of an attempt now.
    pub(crate) async fn keep(&self, id: RunnerId, link: &Link) {
        let _in_turn = link.keeping.lock().await;
        self.keep_in_turn(id, link).await;
    }

    /// Keeps what is true of an attempt now. Whoever calls this holds its `keeping`.
    async fn keep_in_turn(&self, id: RunnerId, link: &Link) {
        let dir = self.places.attempt_dir(id, link.attempt);
        let kept = link.watch().kept().clone();
        let written = tokio::task::spawn_blocking(move || kept::write(&dir, &kept)).await;
        if let Ok(Err(error)) = written {
            warn!(runner = %id, %error, "cannot keep what a person was told");
        }
    }

    /// Tells which budget paused a runner, if one did.
    pub(crate) fn is_paused_for(&self, runner: &Runner) -> Option<BudgetId> {
        match self.link_of(runner) {
            Some(link) => link.watch().kept().paused_for,
            None => {
                kept::read(&self.places.attempt_dir(runner.id, runner.state.attempt())).paused_for
            }
        }
    }
}

/// Waits for what the hook behind a terminal's report knows, and gives nothing if none comes: `look` says it, nothing while it is open.
async fn behind_report<T>(link: &Link, look: impl Fn(&Watch) -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + HOOK_AFTER;
    loop {
        // Before the look, so that none is missed that comes after it.
        let came = link.asked.notified();
        if let Some(found) = look(&link.watch()) {
            return Some(found);
        }
        tokio::time::timeout_at(deadline, came).await.ok()?;
    }
}

/// Records an edge, and keeps that it was told: in this order, so that a crash in between tells it twice rather than never.
async fn tell(inner: Arc<Inner>, id: RunnerId, link: Arc<Link>, step: Step) {
    let _in_turn = link.keeping.lock().await;
    let mut edge = step.edge;
    if let Some(Fact::Attention { need, tool, .. }) = &mut edge
        && inner.config.hooks()
    {
        match need {
            // So that whoever is told can answer it.
            Need::NeedsPermission if tool.is_none() => {
                *tool = behind_report(&link, Watch::asks).await.flatten();
            }
            // Of a limit is told with the edge that follows.
            Need::Errored if behind_report(&link, Watch::is_limit).await == Some(true) => {
                edge = None;
            }
            _ => {}
        }
    }
    if let Some(fact) = edge {
        match inner.store.note(id, fact, inner.clock.now()).await {
            Ok(()) => inner.changed(Change::Notices),
            Err(error) => {
                warn!(runner = %id, error = &error as &dyn std::error::Error, "cannot note what a runner needs");
                return;
            }
        }
    }
    if step.keep {
        inner.keep_in_turn(id, &link).await;
    }
}

/// Lists the directories in which pid files are.
fn holding_pid_files(links: &[(RunnerId, Arc<Link>)]) -> Vec<PathBuf> {
    let files = links.iter().filter_map(|(_, link)| link.watch().pid_file());
    let directories: BTreeSet<PathBuf> = files
        .filter_map(|file| Some(file.parent()?.to_owned()))
        .collect();
    directories.into_iter().collect()
}

/// Looks at pid files, and judges anew what time alone changes.
pub(crate) async fn watch(inner: Arc<Inner>) {
    let mut directories = Directories::new();
    let mut looked_at = Instant::now();
    loop {
        // Without runners there is nothing to look at, and an idle host costs nothing.
        let idle = inner.links().is_empty();
        if idle {
            directories.watch(&[]);
        }
        let changed = tokio::select! {
            () = inner.cancel.cancelled() => return,
            () = inner.linked.notified() => Changed::Anything,
            () = tokio::time::sleep_until(looked_at + LOOK), if !idle => Changed::Anything,
            changed = directories.changed(), if !idle => changed,
        };
        let links: Vec<(RunnerId, Arc<Link>)> = inner
            .links()
            .iter()
            .map(|(id, link)| (*id, Arc::clone(link)))
            .collect();
        if changed == Changed::Anything {
            looked_at = Instant::now();
            // Before the files are looked at, so that what changes afterwards is told.
            directories.watch(&holding_pid_files(&links));
        }
        for (id, link) in links {
            let now = inner.clock.now();
            let (file, due) = {
                let watch = link.watch();
                let due = watch.is_due(now);
                (watch.pid_file(), due)
            };
            if let Some(path) = file {
                if !changed.covers(&path) {
                    continue;
                }
                let bytes = file::read(&path, PID_FILE_MAX).ok();
                inner.attend(id, &link, |watch| watch.pid_file_is(bytes, now));
            } else if due {
                inner.attend(id, &link, |_| false);
            }
        }
    }
}

impl Supervisor {
    /// Returns what a runner needs of a person now; nothing for one that does not run, or runs elsewhere.
    #[must_use]
    pub fn attention(&self, runner: &Runner) -> Option<Attention> {
        self.inner.link_of(runner)?.watch().judged.clone()
    }

    /// Returns the permission that a runner's program waits for, where it can be given from here.
    #[must_use]
    pub fn asking(&self, runner: &Runner) -> Option<Asking> {
        let now = self.now();
        let asking = self
            .inner
            .link_of(runner)?
            .watch()
            .asking
            .first()
            .cloned()?;
        (asking.until > now).then_some(asking)
    }
}
