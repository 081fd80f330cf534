//! Whether there is a place for a runner, and what comes of it. The same for every database.

use stratavore_core::budget::{Amount, Budget, Reserve, Scope, Spent};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::RunnerId;
use stratavore_core::launch::Launch;
use stratavore_core::name::{MAX_NAME, Name};
use stratavore_core::project::Project;
use stratavore_core::quota::{self, Full, Limits};
use stratavore_core::runner::{Input, Origin, Outcome, Runner, StateName};
use stratavore_core::usage::NanoUsd;

use crate::row::corrupt;
use crate::{NewRunner, Result, StoreError};

/// How many characters of a project's name begin the names made of it: room is left for '-' and six digits.
pub(crate) const STEM: usize = MAX_NAME - 7;

/// Why there is no place.
#[derive(Clone, Debug)]
pub(crate) enum Obstacle {
    Quota(Full),
    Budget(Overdrawn),
}

/// A budget that leaves no room, and for how many runners something is set aside of it.
#[derive(Clone, Debug)]
pub(crate) struct Overdrawn {
    pub(crate) budget: Box<Budget>,
    spent: u64,
    set_aside: u32,
}

/// How many runners are active.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Active {
    pub(crate) everywhere: u32,
    pub(crate) in_project: u32,
}

impl Active {
    /// Those whose usage a budget bounds. A runner that is to start is not active itself.
    fn within(self, scope: &Scope) -> u32 {
        match scope {
            Scope::Global => self.everywhere,
            Scope::Project(_) => self.in_project,
            Scope::Runner(_) | Scope::Session(_) => 0,
        }
    }
}

/// Who asks whether there is room.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asker<'a> {
    /// The runner, where it was launched before.
    pub(crate) runner: Option<RunnerId>,
    /// The session that it is to hold, where that is known.
    pub(crate) session: Option<&'a str>,
}

impl<'a> Asker<'a> {
    /// Speaks for a launch that is new.
    pub(crate) fn first(launch: &'a Launch) -> Self {
        Self {
            runner: None,
            session: launch.session.as_deref(),
        }
    }

    /// Speaks for a runner that was launched before.
    pub(crate) fn again(runner: &'a Runner) -> Self {
        Self {
            runner: Some(runner.id),
            ..Self::first(&runner.launch)
        }
    }
}

/// Tells whether budgets leave room for one more runner.
pub(crate) fn afford(
    drawn: &[(Budget, Spent)],
    active: Active,
    reserve: Reserve,
) -> Result<(), Overdrawn> {
    for (budget, spent) in drawn {
        let running = active.within(&budget.scope);
        if !budget.admits(spent, running, reserve) {
            let set_aside = if budget.is_spent(spent) {
                0
            } else {
                running + 1
            };
            return Err(Overdrawn {
                budget: Box::new(budget.clone()),
                spent: spent.of(budget.limit),
                set_aside,
            });
        }
    }
    Ok(())
}

impl Overdrawn {
    fn spent(&self) -> Amount {
        in_unit_of(self.budget.limit, self.spent)
    }

    /// Says so, of a project and a runner that has its name already.
    pub(crate) fn error(&self, project: &str, runner: &str) -> StoreError {
        let budget = &self.budget;
        StoreError::BudgetSpent {
            id: budget.id,
            scope: match budget.scope {
                Scope::Global => "person".to_owned(),
                Scope::Project(_) => format!("project {project:?}"),
                Scope::Runner(_) => format!("runner {runner:?}"),
                Scope::Session(_) => "session".to_owned(),
            },
            period: budget.period.as_str(),
            spent: self.spent().to_string(),
            limit: budget.limit.to_string(),
            set_aside: self.set_aside,
        }
    }
}

/// Returns the fact that a share of a budget was reached.
pub(crate) fn reached(budget: &Budget, spent: &Spent, percent: u8) -> Fact {
    Fact::BudgetReached {
        budget: budget.id,
        scope: budget.scope.as_str().to_owned(),
        period: budget.period,
        percent,
        spent: in_unit_of(budget.limit, spent.of(budget.limit)),
        limit: budget.limit,
    }
}

fn in_unit_of(limit: Amount, number: u64) -> Amount {
    match limit {
        Amount::Tokens(_) => Amount::Tokens(number),
        Amount::Money(_) => Amount::Money(NanoUsd(number)),
    }
}

/// Returns the limits in force for a runner of a project, `node` being those of its node.
pub(crate) fn limits(project: &Project, defaults: Limits, node: Option<u32>) -> Limits {
    Limits {
        project: project.max_runners.or(defaults.project),
        node,
        budgets: defaults.budgets,
    }
}

/// Tells whether a change of state wants a place that the runner did not hold.
pub(crate) fn wants_place(before: StateName, after: StateName) -> bool {
    !quota::counts(before) && quota::counts(after)
}

/// Tells whether an input may want a place, so that it is weighed with the scopes locked.
pub(crate) fn may_want_place(input: &Input) -> bool {
    match input {
        Input::Admit | Input::Restart { .. } => true,
        Input::Started { .. }
        | Input::CouldNotStart { .. }
        | Input::Exited { .. }
        | Input::Lost { .. }
        | Input::Pause
        | Input::Continue
        | Input::Stop { .. }
        | Input::RetryDue => false,
    }
}

/// Makes the runner of a launch, with a place or waiting for one.
///
/// # Errors
/// What leaves no room, where it is not to wait.
pub(crate) fn launch(
    new: NewRunner,
    name: Name,
    project: &Project,
    admitted: Result<(), Obstacle>,
    now: Timestamp,
) -> Result<Outcome, Obstacle> {
    let launched = match admitted {
        Ok(()) => Runner::launched,
        Err(_) if new.queue => Runner::queued,
        Err(obstacle) => return Err(obstacle),
    };
    let origin = Origin {
        id: new.id,
        name,
        project_id: project.id,
        project: project.name.clone(),
        node: new.node,
        person: new.person,
        launch: new.launch,
    };
    Ok(launched(origin, now))
}

/// Returns the fact that a launch was refused.
pub(crate) fn refusal(obstacle: &Obstacle, program: &str) -> Fact {
    let program = program.to_owned();
    match obstacle {
        Obstacle::Quota(full) => Fact::QuotaRefused {
            scope: full.scope,
            limit: full.limit,
            program,
        },
        Obstacle::Budget(overdrawn) => Fact::BudgetRefused {
            budget: overdrawn.budget.id,
            scope: overdrawn.budget.scope.as_str().to_owned(),
            period: overdrawn.budget.period,
            spent: overdrawn.spent(),
            limit: overdrawn.budget.limit,
            program,
        },
    }
}

/// Returns the project's name with a number.
pub(crate) fn numbered(project: &Project, number: i64) -> Result<Name> {
    let stem: String = project.name.as_str().chars().take(STEM).collect();
    Name::new(format!("{stem}-{number}")).map_err(|error| corrupt("a new name", error))
}
