//! A time in which nothing is notified, because a person wants quiet.

use std::path::PathBuf;

use chrono::{Days, TimeZone};
use stratavore_core::clock::Timestamp;
use tokio::sync::watch;
use tracing::warn;

use crate::memory;

/// When "tomorrow" begins: not at midnight, when a person may still be up.
const MORNING: u32 = 8;

/// For how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// An hour from now.
    Hour,
    /// Until eight in the morning of the next day.
    Tomorrow,
}

impl Length {
    /// Every one, the shortest first.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Tomorrow];

    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Tomorrow => "tomorrow",
        }
    }

    /// Reads its word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|length| length.as_str() == word)
    }

    /// Tells when it ends.
    #[must_use]
    pub fn end<Z: TimeZone>(self, now: Timestamp, zone: &Z) -> Timestamp {
        match self {
            Self::Hour => now + chrono::TimeDelta::hours(1),
            Self::Tomorrow => {
                let tomorrow = now.with_timezone(zone).date_naive() + Days::new(1);
                tomorrow
                    .and_hms_opt(MORNING, 0, 0)
                    // No zone sets its clocks at that hour; where one did, a day is as good.
                    .and_then(|morning| zone.from_local_datetime(&morning).earliest())
                    .map_or(now + Days::new(1), |morning| morning.to_utc())
            }
        }
    }
}

/// Until when nothing is notified, remembered when the desktop ends. What is owed meanwhile is left with the host, and told
/// afterwards.
#[derive(Debug)]
pub struct Pause {
    until: watch::Sender<Option<Timestamp>>,
    memory: PathBuf,
}

impl Pause {
    /// Goes on with the pause that is remembered in this file, if one is.
    #[must_use]
    pub fn remembered(memory: PathBuf) -> Self {
        let until = memory::load::<Option<Timestamp>>(&memory).flatten();
        Self {
            until: watch::Sender::new(until),
            memory,
        }
    }

    /// Pauses until a moment, or no longer.
    pub fn set(&self, until: Option<Timestamp>) {
        self.until.send_replace(until);
        if let Err(error) = memory::store(&self.memory, &until) {
            warn!(path = %self.memory.display(), %error, "cannot remember that notifications are paused");
        }
    }

    /// Tells when it ends, if it has not.
    #[must_use]
    pub fn until(&self, now: Timestamp) -> Option<Timestamp> {
        self.until.borrow().filter(|until| *until > now)
    }

    /// Follows what is set.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Option<Timestamp>> {
        self.until.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, FixedOffset};

    use super::*;

    fn at(text: &str) -> Timestamp {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn it_ends_after_an_hour_or_in_the_next_morning_of_the_persons_zone() {
        let zone = FixedOffset::east_opt(7200).unwrap();
        assert_eq!(
            Length::Hour.end(at("2026-03-01T22:30:00Z"), &zone),
            at("2026-03-01T23:30:00Z")
        );
        // There it is the second of March by then.
        for (now, end) in [
            ("2026-03-01T21:59:00Z", "2026-03-02T06:00:00Z"),
            ("2026-03-01T22:30:00Z", "2026-03-03T06:00:00Z"),
            ("2026-03-02T05:00:00Z", "2026-03-03T06:00:00Z"),
        ] {
            assert_eq!(Length::Tomorrow.end(at(now), &zone), at(end), "{now}");
        }
    }

    #[test]
    fn a_pause_is_over_at_its_end_and_not_before_though_the_desktop_ended() {
        let directory = tempfile::tempdir().unwrap();
        let memory = directory.path().join("pause.json");
        let pause = Pause::remembered(memory.clone());
        let end = at("2026-03-01T22:30:00Z");
        assert_eq!(pause.until(end), None);
        pause.set(Some(end));
        assert_eq!(pause.until(at("2026-03-01T22:29:59Z")), Some(end));
        assert_eq!(pause.until(end), None);
        let next = Pause::remembered(memory.clone());
        assert_eq!(next.until(at("2026-03-01T22:29:59Z")), Some(end));
        std::fs::write(&memory, "soon").unwrap();
        let lost = Pause::remembered(memory.clone());
        assert_eq!(lost.until(at("2026-03-01T22:29:59Z")), None);
        pause.set(None);
        let none = Pause::remembered(memory);
        assert_eq!(none.until(at("2026-03-01T22:29:59Z")), None);
        assert_eq!(pause.until(at("2026-03-01T22:29:59Z")), None);
    }
}
