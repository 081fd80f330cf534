//! What the program says of itself, told to supervisors as often as somebody can make use of it.

use std::time::{Duration, Instant};

use stratavore_wire::{Message, Report};

use super::Agent;

/// Reports that come faster are told as the last of them.
const EVERY: Duration = Duration::from_millis(50);

/// Holds the latest report.
#[derive(Debug, Default)]
pub(super) struct Latest {
    report: Option<Report>,
    /// Since when it is to be told.
    untold_since: Option<Instant>,
    told_at: Option<Instant>,
}

impl Latest {
    /// Takes a report in place of the one before.
    pub(super) fn note(&mut self, report: Report, now: Instant) {
        self.report = Some(report);
        self.untold_since.get_or_insert(now);
    }

    /// Gives the latest.
    pub(super) fn last(&self) -> Option<&Report> {
        self.report.as_ref()
    }

    /// Gives when it is to be told, if it was not.
    pub(super) fn due(&self) -> Option<Instant> {
        let since = self.untold_since?;
        Some(
            self.told_at
                .map_or(since, |told_at| since.max(told_at + EVERY)),
        )
    }

    /// Gives it when it is time to tell it.
    fn take_due(&mut self, now: Instant) -> Option<&Report> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.untold_since = None;
        self.told_at = Some(now);
        self.report.as_ref()
    }
}

impl Agent {
    pub(super) fn tell_report(&mut self) {
        let Some(report) = self.report.take_due(Instant::now()) else {
            return;
        };
        let message = Message::Report(report.clone());
        self.tell_supervisors(&message);
    }
}
