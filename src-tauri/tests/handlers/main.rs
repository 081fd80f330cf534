//! The desktop without a display: commands, terminals, host and tray, against a host and an agent that the tests play.

mod commands;
mod decisions;
mod hosting;
mod notifications;
mod open_terminal;
mod support;
mod terminal;
mod tray;
mod widths;
