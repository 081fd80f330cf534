//! Whether there is a place for a runner, and what comes of it. The same for every database.

use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::name::{MAX_NAME, Name};
use stratavore_core::project::Project;
use stratavore_core::quota::{self, Full, Limits};
use stratavore_core::runner::{Input, Origin, Outcome, Runner, StateName};

use crate::row::corrupt;
use crate::{NewRunner, Result};

/// How many characters of a project's name begin the names made of it: room is left for '-' and six digits.
pub(crate) const STEM: usize = MAX_NAME - 7;

/// Returns the limits in force for a runner of a project, `node` being those of its node.
pub(crate) fn limits(project: &Project, defaults: Limits, node: Option<u32>) -> Limits {
    Limits {
        project: project.max_runners.or(defaults.project),
        node,
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
/// The quota that leaves no room, where it is not to wait.
pub(crate) fn launch(
    new: NewRunner,
    name: Name,
    project: &Project,
    admitted: Result<(), Full>,
    now: Timestamp,
) -> Result<Outcome, Full> {
    let launched = match admitted {
        Ok(()) => Runner::launched,
        Err(_) if new.queue => Runner::queued,
        Err(full) => return Err(full),
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
pub(crate) fn refusal(full: Full, program: &str) -> Fact {
    Fact::QuotaRefused {
        scope: full.scope,
        limit: full.limit,
        program: program.to_owned(),
    }
}

/// Returns the project's name with a number.
pub(crate) fn numbered(project: &Project, number: i64) -> Result<Name> {
    let stem: String = project.name.as_str().chars().take(STEM).collect();
    Name::new(format!("{stem}-{number}")).map_err(|error| corrupt("a new name", error))
}
