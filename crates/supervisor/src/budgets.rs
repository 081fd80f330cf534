//! Enforces budgets: warns at their shares, and at the limit denies, pauses or stops what runs. Launches are refused in the
//! store, in the launch's own transaction.
//!
//! What one turn in flight for each runner uses comes after it is checked: by so much a budget may be overshot.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Local;
use stratavore_core::budget::{Amount, AtLimit, Budget, Scope, Spent, Terms, WARN_AT};
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{BudgetId, ProjectId};
use stratavore_core::runner::{Input, Runner, StateName};
use stratavore_core::usage::NanoUsd;
use stratavore_programs::{Verdict, adapter};
use stratavore_store::{Availability, StoreError};
use stratavore_wire::{Denial, Gate, Message, WhenAway};
use tokio::sync::Notify;
use tracing::debug;

use crate::link::Link;
use crate::supervisor::{Change, Inner, Supervisor};

/// How long usage gathers before it is checked.
const GATHER: Duration = Duration::from_millis(200);
/// How often budgets are checked without anything used: periods end, other nodes use what is shared.
const CHECK: Duration = Duration::from_secs(60);
/// What a spent budget denies, by the programs' names for it.
const GATED: [&str; 2] = ["PreToolUse", "UserPromptSubmit"];

/// Knows which budgets are spent.
#[derive(Default)]
pub(crate) struct Budgets {
    used: Notify,
    spent: Mutex<Vec<(Budget, String)>>,
}

impl Budgets {
    /// Learns that something was used, or that a budget was set.
    pub(crate) fn used(&self) {
        self.used.notify_one();
    }

    fn spent(&self) -> MutexGuard<'_, Vec<(Budget, String)>> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells an agent what its program is denied by now.
    pub(crate) fn gate(&self, inner: &Inner, runner: &Runner, link: &Link) {
        let session = link.watch().session().map(str::to_owned);
        let reason = self
            .spent()
            .iter()
            .find(|(budget, _)| {
                budget.at_limit == AtLimit::Deny && covers(budget, runner, session.as_deref())
            })
            .map(|(_, reason)| reason.clone());
        if !link.gates(reason.clone()) {
            return;
        }
        let adapter = adapter(&runner.launch.program);
        let deny = reason.map(|reason| Denial {
            outputs: GATED
                .into_iter()
                .filter_map(|event| {
                    let output = adapter.answer(event, &Verdict::Deny(reason.clone()))?;
                    Some((event.to_owned(), output))
                })
                .collect::<BTreeMap<_, _>>(),
            reason,
        });
        let when_away = match inner.config.budget_when_away() {
            "closed" => WhenAway::Closed,
            _ => WhenAway::Open,
        };
        link.tell(Message::Gate(Gate { deny, when_away }));
    }
}

fn covers(budget: &Budget, runner: &Runner, session: Option<&str>) -> bool {
    match &budget.scope {
        Scope::Global => true,
        Scope::Project(project) => *project == runner.project_id,
        Scope::Runner(id) => *id == runner.id,
        Scope::Session(id) => session == Some(id.as_str()),
    }
}

/// Checks budgets whenever something was used, until cancelled.
pub(crate) async fn enforce(inner: Arc<Inner>) {
    loop {
        match check(&inner).await {
            Ok(()) => {}
            Err(error) => {
                debug!(
                    error = &error as &dyn std::error::Error,
                    "cannot check budgets now"
                );
            }
        }
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            () = inner.budgets.used.notified() => {}
            () = inner.linked_any() => {}
        }
        tokio::select! {
            () = inner.cancel.cancelled() => return,
            () = tokio::time::sleep(GATHER) => {}
        }
    }
}

impl Inner {
    /// Waits until budgets are to be checked without anything used here; for ever where nothing runs.
    async fn linked_any(&self) {
        if self.links().is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(CHECK).await;
    }

    pub(crate) fn budget_terms(&self) -> Terms {
        Terms::at(self.clock.now(), &Local, self.config.budget_reserve())
    }
}

async fn check(inner: &Arc<Inner>) -> Result<(), StoreError> {
    if *inner.store.availability().borrow() != Availability::Here {
        // What others use meanwhile is not known: what was held back stays so, and nothing more is.
        return Ok(());
    }
    let now = inner.clock.now();
    let terms = inner.budget_terms();
    let budgets = inner.store.budgets(terms).await?;
    if budgets.is_empty() && inner.budgets.spent().is_empty() {
        return Ok(());
    }
    let mut spent = Vec::new();
    for (budget, used) in budgets {
        warn_of(inner, &budget, &used, terms.since(budget.period), now).await?;
        if budget.is_spent(&used) && budget.at_limit >= AtLimit::Deny {
            let reason = reason(inner, &budget, &used).await;
            spent.push((budget, reason));
        }
    }
    let before = std::mem::replace(&mut *inner.budgets.spent(), spent.clone());
    for runner in inner.active_here().await? {
        let link = inner.link_of(&runner);
        let session = match &link {
            Some(link) => link.watch().session().map(str::to_owned),
            None => runner.launch.session.clone(),
        };
        if let Some(link) = &link {
            inner.budgets.gate(inner, &runner, link);
        }
        let holds = |budget: &Budget| covers(budget, &runner, session.as_deref());
        let now_spent = spent
            .iter()
            .find(|(budget, _)| holds(budget) && budget.at_limit != AtLimit::Deny);
        let paused_for = inner.is_paused_for(&runner);
        match now_spent {
            Some((budget, _)) => restrain(inner, &runner, budget, paused_for).await,
            None => let_go(inner, &runner, paused_for).await,
        }
    }
    if ids(&before) != ids(&spent) {
        inner.changed(Change::Usage);
        // A queued runner may fit by now.
        inner.nudge.notify_one();
    }
    Ok(())
}

/// Pauses or stops a runner for a spent budget.
async fn restrain(
    inner: &Arc<Inner>,
    runner: &Runner,
    budget: &Budget,
    paused_for: Option<BudgetId>,
) {
    let state = runner.state.name();
    if budget.at_limit == AtLimit::Stop {
        if state != StateName::Stopping && state != StateName::Queued {
            let grace = inner.config.stop_grace();
            inner.tell(runner.id, Input::Stop { grace }).await;
        }
    } else if state == StateName::Running && paused_for != Some(budget.id) {
        // A person who lets it go on all the same is not overruled again in this period.
        inner.tell(runner.id, Input::Pause).await;
        inner.paused_for(runner, Some(budget.id)).await;
    }
}

/// Lets a runner go on that a budget paused which holds it no longer.
async fn let_go(inner: &Arc<Inner>, runner: &Runner, paused_for: Option<BudgetId>) {
    if paused_for.is_none() {
        return;
    }
    inner.paused_for(runner, None).await;
    if runner.state.name() == StateName::Paused {
        inner.tell(runner.id, Input::Continue).await;
    }
}

fn ids(spent: &[(Budget, String)]) -> Vec<BudgetId> {
    spent.iter().map(|(budget, _)| budget.id).collect()
}

/// Warns of the greatest share that was reached, once; those below it are then no news.
async fn warn_of(
    inner: &Inner,
    budget: &Budget,
    used: &Spent,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(reached) = budget.reached(used) else {
        return Ok(());
    };
    // What is told is told of a project: until there is one, it stays to be told.
    let Some(project) = project_of(inner, budget).await? else {
        debug!(budget = %budget.id, reached, "a share of a budget was used, and there is no project yet to tell it of");
        return Ok(());
    };
    for percent in WARN_AT.into_iter().filter(|percent| *percent <= reached) {
        let project = (percent == reached).then_some(project);
        let fresh = inner
            .store
            .budget_reached(budget.id, since, percent, project, now)
            .await?;
        if fresh && percent == reached {
            inner.changed(Change::Notices);
            inner.changed(Change::Usage);
        }
    }
    Ok(())
}

/// Returns the project whose log a warning stands in: the budget's own, else that which was used last.
async fn project_of(inner: &Inner, budget: &Budget) -> Result<Option<ProjectId>, StoreError> {
    match &budget.scope {
        Scope::Project(project) => Ok(Some(*project)),
        Scope::Runner(runner) => match inner.store.runner(*runner).await {
            Ok(view) => Ok(Some(view.runner.project_id)),
            Err(StoreError::NoRunner(_)) => Ok(None),
            Err(error) => Err(error),
        },
        Scope::Global | Scope::Session(_) => {
            let filter = stratavore_store::SessionFilter {
                id: match &budget.scope {
                    Scope::Session(id) => Some(id.clone()),
                    _ => None,
                },
                limit: Some(50),
                ..stratavore_store::SessionFilter::default()
            };
            let sessions = inner.store.sessions(filter).await?;
            let latest = sessions.into_iter().find_map(|session| session.project);
            if latest.is_some() || matches!(budget.scope, Scope::Session(_)) {
                return Ok(latest);
            }
            // What is of all is of any project.
            let projects = inner.store.projects(false).await?;
            Ok(projects.first().map(|project| project.id))
        }
    }
}

async fn reason(inner: &Inner, budget: &Budget, used: &Spent) -> String {
    let whose = match &budget.scope {
        Scope::Global => "of all runners".to_owned(),
        Scope::Project(id) => match inner.store.project(*id).await {
            Ok(project) => format!("of the project {}", project.name),
            Err(_) => "of this project".to_owned(),
        },
        Scope::Runner(_) => "of this runner".to_owned(),
        Scope::Session(_) => "of this session".to_owned(),
    };
    format!(
        "Stratavore: the budget {whose} for this {} is spent, {} of {}. Raise it with `stratavore budget set`, or wait for the next {}.",
        budget.period.as_str(),
        amount(match budget.limit {
            Amount::Tokens(_) => Amount::Tokens(used.tokens.total()),
            Amount::Money(_) => Amount::Money(used.cost),
        }),
        amount(budget.limit),
        budget.period.as_str(),
    )
}

/// Writes an amount with its unit.
fn amount(amount: Amount) -> String {
    match amount {
        Amount::Tokens(tokens) => format!("{tokens} tokens"),
        Amount::Money(NanoUsd(nanos)) => format!("${:.2}", NanoUsd(nanos).dollars()),
    }
}

impl Supervisor {
    /// Lists budgets with what was spent of each in its present period, which began and ends then.
    ///
    /// # Errors
    /// As [`stratavore_store::Budgets::budgets`].
    pub async fn budgets(&self) -> Result<Vec<(Budget, Spent, Timestamp, Timestamp)>, StoreError> {
        let terms = self.inner.budget_terms();
        let now = self.now();
        let budgets = self.inner.store.budgets(terms).await?;
        Ok(budgets
            .into_iter()
            .map(|(budget, spent)| {
                let (began, ends) = budget.period.around(now, &Local);
                (budget, spent, began, ends)
            })
            .collect())
    }

    /// Sets a budget, which holds from now on.
    ///
    /// # Errors
    /// As [`stratavore_store::Budgets::set_budget`].
    pub async fn set_budget(&self, budget: Budget) -> Result<Budget, StoreError> {
        let budget = self.inner.store.set_budget(budget).await?;
        self.inner.changed(Change::Usage);
        self.inner.budgets.used();
        Ok(budget)
    }

    /// Removes a budget; what it held back goes on.
    ///
    /// # Errors
    /// As [`stratavore_store::Budgets::remove_budget`].
    pub async fn remove_budget(&self, id: BudgetId) -> Result<(), StoreError> {
        self.inner.store.remove_budget(id).await?;
        self.inner.changed(Change::Usage);
        self.inner.budgets.used();
        Ok(())
    }
}
