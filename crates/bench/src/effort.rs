//! How often things are measured.

use std::time::Duration;

/// Says how often each thing is measured, and for how long.
pub(crate) struct Effort {
    /// Launches one after another.
    pub(crate) launches: usize,
    /// Launches at once.
    pub(crate) burst: usize,
    /// How often a burst is launched.
    pub(crate) bursts: usize,
    /// Attachments, of each kind.
    pub(crate) attachments: usize,
    /// Keys typed, in each place.
    pub(crate) keys: usize,
    /// Bytes of a flood.
    pub(crate) flood: usize,
    /// How often each flood is let loose.
    pub(crate) floods: usize,
    /// Agents whose memory is read.
    pub(crate) agents: usize,
    /// Fleets of live runners, by size.
    pub(crate) fleets: &'static [usize],
    /// How often a fleet's processor time is read.
    pub(crate) windows: usize,
    /// For how long each time.
    pub(crate) window: Duration,
    /// Changes and heartbeats through the store.
    pub(crate) changes: usize,
    /// Events through the outbox to a broker, all at once.
    pub(crate) events: usize,
    /// Events one by one, from their commit to their confirm.
    pub(crate) confirms: usize,
    /// How often a broker is killed.
    pub(crate) kills: usize,
    /// Starts of the desktop app, of each kind.
    pub(crate) starts: usize,
}

impl Effort {
    /// Measures often enough for a 99th percentile, and long enough for an idle processor.
    pub(crate) fn full() -> Self {
        Self {
            launches: 100,
            burst: 100,
            bursts: 5,
            attachments: 50,
            keys: 2000,
            flood: 200_000_000,
            floods: 3,
            agents: 20,
            fleets: &[100, 200, 1000],
            windows: 3,
            window: Duration::from_secs(10),
            changes: 2000,
            events: 20_000,
            confirms: 300,
            kills: 3,
            starts: 5,
        }
    }

    /// Measures at all.
    pub(crate) fn quick() -> Self {
        Self {
            launches: 2,
            burst: 3,
            bursts: 1,
            attachments: 2,
            keys: 10,
            flood: 1_000_000,
            floods: 1,
            agents: 2,
            fleets: &[2],
            windows: 2,
            window: Duration::from_millis(200),
            changes: 50,
            events: 200,
            confirms: 5,
            kills: 1,
            starts: 1,
        }
    }
}
