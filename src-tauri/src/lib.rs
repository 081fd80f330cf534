//! Stratavore's desktop app: a tray icon, a window, native notifications, around one host.
//!
//! It is thin. [`hosting`] keeps a host in force: the supervisor in this process, or whoever holds the data directory's
//! lock. Everything else asks that host through [`slot::Slot`] and is told of changes by nudges. What needs a display
//! stands behind [`desktop::Surroundings`], so that commands, terminals, tray model and take-over are tested without
//! one.
//!
//! # Tasks
//! Every task is spawned in `start.rs` on [`desktop::Desktop::tasks`] and ends when the one `stop` token is cancelled: by a
//! quit, a signal, a client's shutdown, or the last window's end where there is no tray. The farewell task then waits
//! for the others, ten seconds at most, and ends the program; runners go on.
//!
//! | task | in | out | when it fails |
//! |---|---|---|---|
//! | `keep_host` | host lock, the host's end | slot, nudges | first start refused: a dialog, then the end; later: tries again, up to every 2 s |
//! | `listen_at_door` | `desktop.sock` | the window, raised | logged; a second start then says that this one is silent |
//! | `pass_nudges` | nudges | window events | logged; the window asks again by itself |
//! | `show_tray` | nudges, clicks, panel theme | icon and menu; requests | logged; shown in the window |
//! | a click's act | one action | a request | shown in the window |
//! | `on_bus` | session bus names, theme, notification signals; nudges | presence; notifications, answers to permissions | without a bus: no tray, no notifications, said in the window |
//! | `heed_signals` | TERM, INT | `stop` | logged |
//! | `first_window` | arguments | the window | logged |
//! | an attachment, one per open terminal | agent's socket | the page's channel | told to the page as `lost`; ends with the page too |
//! | farewell (untracked) | `stop` | the program's end | ends all the same |

pub mod activation;
pub mod arguments;
pub mod autostart;
pub mod commands;
pub mod desktop;
pub mod doorbell;
pub mod geometry;
pub mod hosting;
pub mod lock;
pub mod mailbox;
mod memory;
pub mod notifications;
pub mod open_terminal;
pub mod presence;
mod shell;
pub mod slot;
mod start;
pub mod subject;
pub mod terminal;
pub mod tray;
pub mod window;

pub use start::run;
