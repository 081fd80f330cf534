//! Everything fails around the outbox, and one oracle says what came of it: nothing lost, every runner's events in order when
//! first seen, and no more of them twice than the batch that a publisher has in hand, for each fault.
//!
//! The short version runs with the other tests; `STRATAVORE_CHAOS=long` (`make chaos`) lets more fail for longer.

mod faults;
mod leasing;
mod oracle;
mod process;
#[path = "../support/mod.rs"]
mod support;
mod world;
