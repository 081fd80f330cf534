//! Time as an argument.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

/// A moment, in UTC, to the microsecond: the finest that every store keeps.
pub type Timestamp = DateTime<Utc>;

/// Tells what time it is. Production has one, [`SystemClock`]; tests set their own.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present moment, cut to microseconds so that it survives a round trip through any store.
    fn now(&self) -> Timestamp;
}

/// Reads the machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        to_micros(Utc::now())
    }
}

/// Cuts a moment to microseconds.
#[must_use]
pub fn to_micros(at: Timestamp) -> Timestamp {
    at.duration_trunc(TimeDelta::microseconds(1)).unwrap_or(at)
}

/// Renders a moment as clients see it: RFC 3339 in UTC with milliseconds.
#[must_use]
pub fn to_rfc3339(at: Timestamp) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
