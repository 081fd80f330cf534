//! Several real hosts on one PostgreSQL, and a broker where it takes one: which host does what, who is told, and what is told
//! when something stays away.

#[path = "../support/mod.rs"]
mod support;

mod away;
mod clocks;
mod command;
mod database;
mod following;
mod letters;
mod nodes;
