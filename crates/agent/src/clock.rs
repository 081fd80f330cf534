//! The one place where the agent reads the calendar.

use std::time::SystemTime;

use stratavore_wire::Timestamp;

/// Gives the present moment, for records and messages; the agent decides nothing by it.
#[allow(
    clippy::disallowed_methods,
    reason = "the agent records when things happened and decides by monotonic time"
)]
pub fn now() -> Timestamp {
    Timestamp::from(SystemTime::now())
}
