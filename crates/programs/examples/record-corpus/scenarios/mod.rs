//! What is recorded of each program.

mod claude;
mod codex;
mod gemini;
mod opencode;

use stratavore_testkit::model_api::Answer;

use crate::recording::{Program, Recording};

/// Plays a scenario.
pub(crate) type Play = fn(&mut Recording);

/// Scenarios by their names.
pub(crate) type Plays = &'static [(&'static str, Play)];

/// Every program, with its scenarios.
pub(crate) const ALL: &[(&dyn Program, Plays)] = &[
    (&claude::Claude, claude::ALL),
    (&codex::OpenAi, codex::ALL),
    (&gemini::Google, gemini::ALL),
    (&opencode::Anomaly, opencode::ALL),
];

fn held(text: &str) -> Answer {
    Answer::Held(text.to_owned())
}
