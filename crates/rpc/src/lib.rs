//! Speaks between a host and its clients: messages and service from `proto/stratavore.proto`, and the client's side of
//! the Unix socket.
//!
//! The generated messages are also what `--json` prints and what the window is typed by, so that each is defined
//! once.

mod connect;
mod failure;
mod host;

/// The generated messages, client and server.
#[allow(
    missing_docs,
    clippy::all,
    clippy::pedantic,
    reason = "generated from the .proto, which documents them"
)]
pub mod v1 {
    tonic::include_proto!("stratavore.v1");
}

pub use connect::{Client, MAX_MESSAGE, connect};
pub use failure::{Code, Failure};
pub use host::{ConnectError, HostRecord, find};
pub use tonic::{Response, Status};
