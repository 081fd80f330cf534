//! Supervises runners: launches them, keeps in touch with their agents, finds again what it lost sight of, and delivers
//! what happened.
//!
//! A host embeds one [`Supervisor`]. Ending it leaves every runner running; the next one adopts them.
//!
//! | task | takes | gives | ends, and on error |
//! |---|---|---|---|
//! | reconcile (`reconcile`) | nudges, a 30 s tick, due times | actions from `core::plan` | on cancel; an action that fails is logged and planned again |
//! | link, one per agent (`link`) | an agent's messages, commands | inputs to the store, heartbeats | on cancel, or when the agent closes; then it nudges reconcile |
//! | spawn, one per launch (`spawn`) | an attempt | a link | when the agent answered; a failure is told to the runner |
//! | heartbeats (`heartbeat`) | observations | one statement per batch | on cancel, after writing what it has; a failed write is logged, the next observation replaces it |
//! | publisher (`publisher`) | commits | events on the [`bus`] | on cancel; a failed delivery is retried with backoff, then parks its aggregate |
//! | checkpoints (`publisher`) | commits | signed audit checkpoints | on cancel, after a last one |
//! | environment (`environment`) | the login shell | the environment of runners | once; a failure falls back to the host's own |

pub mod bus;
mod descriptors;
mod doctor;
mod environment;
mod heartbeat;
mod launch;
mod link;
mod observe;
mod process;
mod publisher;
mod reconcile;
mod spawn;
mod supervisor;
mod sweep;
mod terminal;

pub use doctor::{Check, Found, Outcome};
pub use environment::Environment;
pub use launch::{LaunchError, LaunchRequest, Words};
pub use link::{Live, Reported};
pub use spawn::SpawnError;
pub use supervisor::{Change, Parts, Supervisor};
pub use terminal::TerminalError;
