//! Makes what is agree with what should be: observe, plan, execute, again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use stratavore_core::ids::RunnerId;
use stratavore_core::places::Places;
use stratavore_core::plan::{Action, Attempt, OVERDUE, plan};
use stratavore_core::runner::{Effect, Runner, State};
use stratavore_store::StoreError;
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use crate::process::{self, Seen};
use crate::supervisor::Inner;
use crate::{observe, spawn, sweep};

/// A pass at least this often, whatever nobody announced.
const TICK: Duration = Duration::from_secs(30);
/// The pause before an agent that could not be reached is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Reconciles until cancelled.
pub(crate) async fn run(inner: Arc<Inner>) {
    loop {
        let wake_at = match pass(&inner).await {
            Ok(wake_at) => wake_at,
            Err(StoreError::Closed) => return,
            Err(error) => {
                error!(
                    error = &error as &dyn std::error::Error,
                    "cannot read runners; trying again"
                );
                Instant::now() + AGAIN
            }
        };
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            () = inner.nudge.notified() => {}
            () = tokio::time::sleep_until(wake_at) => {}
        }
    }
}

async fn pass(inner: &Arc<Inner>) -> Result<Instant, StoreError> {
    let began = Instant::now();
    let now = inner.clock.now();
    let (runners, observed) = observe_all(inner).await?;
    let plan = plan(&runners, &observed, now);
    let by_id: BTreeMap<RunnerId, &Runner> =
        runners.iter().map(|runner| (runner.id, runner)).collect();
    let mut wake_at = began + TICK;
    if let Some(at) = plan.wake_at {
        let until = (at - now).to_std().unwrap_or_default();
        wake_at = wake_at.min(began + until);
    }
    for action in plan.actions {
        if inner.cancel.is_cancelled() {
            break;
        }
        debug!(?action, "reconciling");
        if !execute(inner, &by_id, action).await {
            wake_at = wake_at.min(Instant::now() + AGAIN);
        }
    }
    Ok(wake_at)
}

/// Executes an action and tells whether that is the end of it; otherwise it is to be planned again soon.
async fn execute(
    inner: &Arc<Inner>,
    runners: &BTreeMap<RunnerId, &Runner>,
    action: Action,
) -> bool {
    match action {
        Action::Spawn(id, attempt) => {
            if let Some(runner) = runners.get(&id) {
                inner.execute(runner, Effect::Spawn { attempt });
            }
            true
        }
        Action::Adopt(id, attempt) => match runners.get(&id) {
            Some(runner) => adopt(inner, runner, attempt).await,
            None => true,
        },
        Action::Apply(id, input) => {
            inner.tell(id, input).await;
            true
        }
        Action::SweepThen(id, attempt, input) => {
            sweep(inner, id, attempt).await;
            inner.tell(id, input).await;
            true
        }
        Action::EndTree(id, attempt, grace) => {
            if let Some(runner) = runners.get(&id) {
                let connected = inner.links().contains_key(&id);
                if connected {
                    inner.execute(runner, Effect::EndTree { attempt, grace });
                }
                return connected;
            }
            true
        }
        Action::KillAgent(id, attempt) => kill_agent(inner, id, attempt).await,
        Action::AdmitQueued => match inner
            .store
            .admit_queued(inner.limits(), inner.clock.now())
            .await
        {
            Ok(admitted) => {
                for applied in &admitted {
                    inner.follow(applied);
                }
                true
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot admit queued runners"
                );
                false
            }
        },
    }
}

async fn adopt(inner: &Arc<Inner>, runner: &Runner, attempt: u32) -> bool {
    let reached = tokio::time::timeout(Inner::ANSWER, spawn::adopt(inner, runner, attempt)).await;
    match reached {
        Ok(Ok(())) => {
            info!(runner = %runner.id, attempt, "adopted");
            true
        }
        Ok(Err(reason)) => {
            debug!(runner = %runner.id, attempt, reason, "cannot reach an agent that lives");
            false
        }
        Err(_) => {
            warn!(runner = %runner.id, attempt, "an agent that lives does not answer");
            false
        }
    }
}

async fn sweep(inner: &Arc<Inner>, id: RunnerId, attempt: u32) {
    let record = observe::read_runner(&inner.places.attempt_dir(id, attempt))
        .ok()
        .flatten();
    let swept = tokio::task::spawn_blocking(move || sweep::sweep(id, record.as_ref())).await;
    if let Err(error) = swept {
        error!(runner = %id, %error, "sweeping failed");
    }
}

/// Kills an agent that did not end its tree in time; the next pass finds it lost, and sweeps.
async fn kill_agent(inner: &Arc<Inner>, id: RunnerId, attempt: u32) -> bool {
    let record = observe::read_runner(&inner.places.attempt_dir(id, attempt))
        .ok()
        .flatten();
    let Some(record) = record.filter(|record| record.boot_id == process::boot_id()) else {
        return false;
    };
    let Some(seen) = u32::try_from(record.agent_pid).ok().and_then(process::look) else {
        return false;
    };
    if seen.start_time != record.agent_start_time {
        return false;
    }
    // The plan goes by the wall clock, which jumps, and runs on while the machine sleeps.
    let grace_ms = match inner.store.runner(id).await.map(|view| view.runner.state) {
        Ok(State::Stopping { grace_ms, .. }) => grace_ms,
        _ => return false,
    };
    let patience = Duration::from_millis(grace_ms) + OVERDUE;
    // The plan was due by the other clock, which may have been a moment ahead.
    if inner.stopping_for(id, attempt) + Duration::from_secs(1) < patience {
        return false;
    }
    warn!(runner = %id, attempt, "an agent did not end its tree in time; killing it");
    process::kill(seen);
    let Seen { pid, .. } = seen;
    let _ = tokio::time::timeout(Inner::ANSWER, process::ended(pid)).await;
    false
}

async fn observe_all(
    inner: &Arc<Inner>,
) -> Result<(Vec<Runner>, BTreeMap<RunnerId, Attempt>), StoreError> {
    let mut runners = inner.active_here().await?;
    let boot_id = process::boot_id();
    let mut observed = BTreeMap::new();
    for runner in &runners {
        if let Some(attempt) = look(inner, runner, &boot_id) {
            observed.insert(runner.id, attempt);
        }
    }
    // Damaged or unreadable records are no evidence: such a runner is left alone, and said so.
    runners.retain(|runner| observed.contains_key(&runner.id));
    for runner in ended_with_agent(inner, &observed).await? {
        if let Some(attempt @ Attempt::Alive { .. }) = look(inner, &runner, &boot_id) {
            observed.insert(runner.id, attempt);
            runners.push(runner);
        }
    }
    Ok((runners, observed))
}

fn look(inner: &Inner, runner: &Runner, boot_id: &str) -> Option<Attempt> {
    let attempt = runner.state.attempt();
    if inner.spawning().contains(&runner.id) {
        return Some(Attempt::Spawning);
    }
    if inner
        .links()
        .get(&runner.id)
        .is_some_and(|link| link.attempt == attempt)
    {
        return Some(Attempt::Alive { connected: true });
    }
    let dir = inner.places.attempt_dir(runner.id, attempt);
    match observe::observe(&dir, boot_id) {
        Ok(attempt) => Some(attempt),
        Err(error) => {
            error!(runner = %runner.id, attempt, %error, "cannot tell what became of an attempt");
            None
        }
    }
}

/// Finds runners that ended although an agent of theirs still has a socket.
async fn ended_with_agent(
    inner: &Inner,
    known: &BTreeMap<RunnerId, Attempt>,
) -> Result<Vec<Runner>, StoreError> {
    let sockets = inner.places.sockets(inner.store.instance());
    let Ok(entries) = std::fs::read_dir(sockets) else {
        return Ok(Vec::new());
    };
    let mut ended = Vec::new();
    for entry in entries.flatten() {
        let owner = entry.file_name().to_str().and_then(Places::socket_owner);
        let Some((id, attempt)) = owner.filter(|(id, _)| !known.contains_key(id)) else {
            continue;
        };
        let linked = inner.links().contains_key(&id);
        match inner.store.runner(id).await {
            // A linked one is on its way out by itself.
            Ok(view) if !linked && view.runner.state.attempt() == attempt => {
                ended.push(view.runner)
            }
            Ok(_) => {}
            Err(StoreError::NoRunner(_)) => {
                warn!(runner = %id, "an agent serves a runner that is not in the store")
            }
            Err(error) => return Err(error),
        }
    }
    Ok(ended)
}
