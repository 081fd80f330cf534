//! Tells the world through RabbitMQ what happened, and hears there what other hosts did.
//!
//! [`Broker`] is the publisher's sink, [`Following`] what a host hears. What goes over the wire, and what whoever reads it
//! may count on, is written in `docs/events.md`.

mod address;
mod attempt;
mod error;
mod following;
mod line;
mod message;
mod order;
mod sink;
mod topology;

pub use address::Address;
pub use error::BrokerError;
pub use following::{Following, Nudge};
pub use line::Patience;
pub use message::{Heard, TYPE};
pub use order::{Order, Place};
pub use sink::Broker;
pub use topology::Names;
