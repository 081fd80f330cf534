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
    /// Changes of what a runner needs, from each source.
    pub(crate) edges: usize,
    /// Hooks, one after another.
    pub(crate) hooks: usize,
    /// Bytes of transcripts that are there before the host is.
    pub(crate) transcripts: u64,
    /// Bytes that are appended to them.
    pub(crate) appended: u64,
    /// Searches for the same words.
    pub(crate) searches: usize,
    /// Runners that work.
    pub(crate) working: usize,
    /// Launches through PostgreSQL, over so many connections each.
    pub(crate) transactions: usize,
    /// Runners of other nodes.
    pub(crate) others: usize,
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
            events: 100_000,
            confirms: 300,
            kills: 3,
            starts: 5,
            edges: 200,
            hooks: 300,
            transcripts: 1_000_000_000,
            appended: 100_000_000,
            searches: 10,
            working: 100,
            transactions: 2000,
            others: 5000,
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
            edges: 2,
            hooks: 3,
            transcripts: 2_000_000,
            appended: 200_000,
            searches: 2,
            working: 2,
            transactions: 64,
            others: 20,
        }
    }
}
