//! The mark at the beginning of the terminal's title: programs that report nothing say by it what they do. A heartbeat tells the title;
//! when the mark changes, the last one is told again with the title as it is now, and need not be waited for.

use std::time::{Duration, Instant};

use stratavore_wire::Message;

use super::Agent;
use crate::clock;

/// Some titles turn like a wheel: no more than this is told of them in the long run.
const EVERY: Duration = Duration::from_secs(1);
/// What a person waits for changes seldom, and is told at once; this many changes in a row.
const AT_ONCE: u32 = 5;

/// Knows which mark was told, and when the next may be.
#[derive(Debug, Default)]
pub(super) struct Mark {
    told: Option<char>,
    due: Option<Instant>,
    /// Until when what was told so far would have lasted at the long run's pace.
    spent: Option<Instant>,
}

impl Mark {
    /// Takes the title as it is now.
    pub(super) fn note(&mut self, title: &str, now: Instant) {
        if title.chars().next() == self.told {
            self.due = None;
        } else if self.due.is_none() {
            let earliest = self
                .spent
                .and_then(|spent| spent.checked_sub(EVERY * AT_ONCE));
            self.due = Some(earliest.map_or(now, |earliest| earliest.max(now)));
        }
    }

    /// Gives when it is to be told, if it was not.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Remembers that this title was told.
    pub(super) fn told(&mut self, title: &str) {
        self.told = title.chars().next();
        self.due = None;
    }

    fn take_due(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.due = None;
        self.spent = Some(self.spent.map_or(now, |spent| spent.max(now)) + EVERY);
        true
    }
}

impl Agent {
    pub(super) fn note_mark(&mut self, now: Instant) {
        // One that reports says there all that its title could.
        if self.report.last().is_none() {
            self.mark.note(self.screen.title(), now);
        }
    }

    pub(super) fn tell_mark(&mut self) {
        if !self.mark.take_due(Instant::now()) {
            return;
        }
        let title = self.screen.title().to_owned();
        self.mark.told(&title);
        // What the tree takes was measured a moment ago, or is told by the first heartbeat.
        if let Some(last) = &mut self.last_beat {
            last.at = clock::now();
            last.title = title;
            let message = Message::Heartbeat(last.clone());
            self.tell_supervisors(&message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_changes_are_told_at_once_and_a_wheel_once_a_second() {
        let begun = Instant::now();
        let mut mark = Mark::default();
        let mut told = Vec::new();
        for nth in 0..200_u32 {
            let now = begun + Duration::from_millis(100) * nth;
            let title = if nth % 2 == 0 { "◐ x" } else { "◑ x" };
            mark.note(title, now);
            if mark.take_due(now) {
                mark.told(title);
                told.push(nth);
            }
        }
        assert_eq!(told[..5], [0, 1, 2, 3, 4]);
        assert!((22..=26).contains(&told.len()), "{told:?}");
    }

    #[test]
    fn words_behind_the_mark_change_nothing() {
        let now = Instant::now();
        let mut mark = Mark::default();
        mark.note("✦ Reading", now);
        assert!(mark.take_due(now));
        mark.told("✦ Reading");
        mark.note("✦ Writing", now);
        assert_eq!(mark.due(), None);
        mark.note("◇ Ready", now);
        mark.note("✦ Writing", now);
        assert_eq!(mark.due(), None, "it is as it was told");
    }
}
