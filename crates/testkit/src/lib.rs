//! Equipment shared by Stratavore's tests: private homes, facts read from `/proc`, programs that do as told,
//! and stand-ins for the things around a runner (the model API, the tray, the notification service, the display).
//!
//! Everything here is private to one test (own directories, own sockets, own processes), is safe to run in parallel,
//! and is gone when its value is dropped. Nothing listens beyond loopback and Unix sockets.
//!
//! | module | feature | apt packages |
//! |---|---|---|
//! | [`home`], [`process`], [`wait`], [`binary`], [`cache`], [`clock`], [`faults`], [`scopes`], [`kept`], [`tcp_proxy`] | none | none |
//! | [`npm`] | none | none (`npm`) |
//! | [`postgres`] | none | `postgresql` (and `npm` for the oldest version) |
//! | [`rabbitmq`] | none | `rabbitmq-server` |
//! | `terminal` | `terminal` | none |
//! | `model_api`, `closed_proxy`, `claude`, `codex`, `gemini`, `opencode` | `model` | none (`npm` for the programs) |
//! | `bus`, `tray`, `notifications` | `desktop` | `dbus-daemon` |
//! | `desk`, `display`, `windows` | `desktop` | `xvfb imagemagick` |
//! | `webdriver` | `desktop` | `webkit2gtk-driver` |

pub mod binary;
pub mod cache;
pub mod clock;
pub mod faults;
pub mod home;
pub mod kept;
pub mod npm;
pub mod postgres;
pub mod process;
pub mod rabbitmq;
pub mod scopes;
pub mod tcp_proxy;
pub mod wait;

#[cfg(feature = "terminal")]
pub mod terminal;

#[cfg(feature = "model")]
pub mod claude;
#[cfg(feature = "model")]
pub mod closed_proxy;
#[cfg(feature = "model")]
pub mod codex;
#[cfg(feature = "model")]
pub mod gemini;
#[cfg(feature = "model")]
pub mod model_api;
#[cfg(feature = "model")]
pub mod opencode;

#[cfg(feature = "desktop")]
pub mod bus;
#[cfg(feature = "desktop")]
mod dbusmenu;
#[cfg(feature = "desktop")]
pub mod desk;
#[cfg(feature = "desktop")]
pub mod display;
#[cfg(feature = "desktop")]
pub mod notifications;
#[cfg(feature = "desktop")]
pub mod tray;
#[cfg(feature = "desktop")]
pub mod webdriver;
#[cfg(feature = "desktop")]
pub mod windows;

pub use home::TempHome;
pub use process::Process;
pub use wait::{wait_until, wait_until_async};
