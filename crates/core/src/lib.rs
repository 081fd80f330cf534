//! Stratavore's domain: what a runner is, what may happen to it, and what to do about it.
//!
//! Nothing here does I/O, waits, or reads a clock: facts and times come in as arguments, decisions go out as
//! values. The store keeps what [`runner::Runner::apply`] returns; the supervisor executes what [`plan::plan`]
//! decides.

pub mod attention;
pub mod budget;
pub mod calendar;
pub mod clock;
pub mod command;
pub mod config;
pub mod fact;
pub mod hex;
pub mod ids;
pub mod launch;
pub mod name;
pub mod notice;
pub mod places;
pub mod plan;
pub mod preset;
pub mod program;
pub mod project;
pub mod quota;
pub mod runner;
pub mod server_url;
pub mod session;
pub mod usage;
