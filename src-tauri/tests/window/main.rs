//! The window of the real program, used as a person uses it: seen, clicked, typed into.
//!
//! With `STRATAVORE_SCREENSHOTS` naming a directory, the pictures of the documentation are taken in passing.

mod budget;
mod decision;
mod desk;
mod drag;
mod figures;
mod first_use;
mod fleet;
mod history;
mod knowledge;
mod links;
mod lost;
mod page;
mod presets;
mod question;
mod rest;
mod talks;
mod team;
mod terminals;
mod tour;
