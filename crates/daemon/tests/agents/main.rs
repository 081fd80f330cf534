//! The real programs, Claude Code before all, through the whole product: what it needs, what it said, what it used, what it is allowed.

#[path = "../support/mod.rs"]
mod support;

mod attention;
mod budgets;
mod codex;
mod gemini;
mod opencode;
mod sessions;
mod settings;
mod world;
