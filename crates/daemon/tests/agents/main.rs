//! The real Claude Code through the whole product: what it needs, what it said, what it used, what it is allowed.

#[path = "../support/mod.rs"]
mod support;

mod attention;
mod budgets;
mod sessions;
mod world;
