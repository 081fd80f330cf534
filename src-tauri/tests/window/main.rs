//! The window of the real program, used as a person uses it: seen, clicked, typed into.
//!
//! With `STRATAVORE_SCREENSHOTS` naming a directory, the pictures of the documentation are taken in passing.

mod decision;
mod desk;
mod drag;
mod figures;
mod first_use;
mod fleet;
mod knowledge;
mod links;
mod lost;
mod page;
mod rest;
mod terminals;
