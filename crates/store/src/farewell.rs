//! The end of a runner whose node is forgotten.

use std::time::Duration;

use stratavore_core::clock::Timestamp;
use stratavore_core::runner::{Input, Outcome, Refusal, Runner, StateName};

/// Ends a runner of which nothing will be heard any more: cancelled where it still waited, else lost, and never to be started
/// again by itself. Nobody is there to execute effects, so there are none.
///
/// # Errors
/// [`Refusal`] when the runner has ended already.
pub(crate) fn farewell(runner: Runner, now: Timestamp) -> Result<Outcome, Refusal> {
    let stop = Input::Stop {
        grace: Duration::ZERO,
    };
    let mut facts = Vec::new();
    let mut last = runner;
    loop {
        let attempt = last.state.attempt();
        let input = match last.state.name() {
            StateName::Stopping => Input::Lost {
                attempt,
                interrupted: false,
            },
            // A stop first: what is merely lost may be due for another attempt.
            _ => stop.clone(),
        };
        let outcome = last.apply(input, now)?;
        let stuck = outcome.facts.is_empty();
        facts.extend(outcome.facts);
        last = outcome.runner;
        if stuck || last.state.name().is_final() {
            return Ok(Outcome {
                runner: last,
                facts,
                effects: Vec::new(),
            });
        }
    }
}
