//! What is set of attention, notifications, budgets and sessions.

use std::path::Path;
use std::time::Duration;

use chrono::NaiveTime;

use super::Config;
use crate::budget::Reserve;
use crate::notice::Edge;
use crate::usage::NanoUsd;

impl Config {
    /// Whether programs are launched with hooks.
    #[must_use]
    pub fn hooks(&self) -> bool {
        self.flag("hooks.enabled")
    }

    /// How long a permission that is asked for may be answered from outside of the terminal.
    #[must_use]
    pub fn permission_wait(&self) -> Duration {
        self.seconds("attention.permission_wait_seconds")
    }

    /// After how long without anything moving a runner that works counts as stalled.
    #[must_use]
    pub fn stalled_after(&self) -> Duration {
        Duration::from_secs(self.number("attention.stalled_minutes").unwrap_or(10) * 60)
    }

    /// What is set aside of every budget for each runner.
    #[must_use]
    pub fn budget_reserve(&self) -> Reserve {
        Reserve {
            tokens: self.number("budget.reserve_tokens").unwrap_or_default(),
            cost: self
                .text("budget.reserve_usd")
                .and_then(NanoUsd::parse)
                .unwrap_or_default(),
        }
    }

    /// Whether programs that a spent budget denies go on while no host runs: `open` or `closed`.
    #[must_use]
    pub fn budget_when_away(&self) -> &str {
        self.text("budget.when_away").unwrap_or("open")
    }

    /// The table of prices instead of the built-in one.
    #[must_use]
    pub fn prices_file(&self) -> Option<&Path> {
        self.text("prices.file").map(Path::new)
    }

    /// Whether transcripts are kept compressed.
    #[must_use]
    pub fn archive_sessions(&self) -> bool {
        self.flag("sessions.archive")
    }

    /// Whether a permission can be given from a notification.
    #[must_use]
    pub fn decide_from_notifications(&self) -> bool {
        self.flag("notifications.decide")
    }

    /// How long a turn must have taken to be told when it is done.
    #[must_use]
    pub fn turn_done_after(&self) -> Duration {
        self.seconds("notifications.turn_done_seconds")
    }

    /// When nothing is notified.
    #[must_use]
    pub fn quiet_hours(&self) -> Option<QuietHours> {
        self.text("notifications.quiet_hours")
            .and_then(QuietHours::parse)
    }

    /// Whether an edge is notified. That something failed, was lost or refused always is.
    #[must_use]
    pub fn notifies(&self, edge: Edge) -> bool {
        let key = match edge {
            Edge::NeedsPermission => "notifications.permissions",
            Edge::NeedsAnswer => "notifications.answers",
            Edge::TurnDone => "notifications.turns",
            Edge::RateLimited => "notifications.limits",
            Edge::Errored | Edge::Stalled => "notifications.errors",
            Edge::BudgetReached | Edge::BudgetRefused => "notifications.budgets",
            Edge::Ended => "notifications.ends",
            Edge::Failed
            | Edge::CouldNotStart
            | Edge::AgentLost
            | Edge::Interrupted
            | Edge::QuotaRefused
            | Edge::OverCeiling => return true,
        };
        self.flag(key)
    }
}

/// A time of every day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: NaiveTime,
    to: NaiveTime,
}

impl QuietHours {
    /// Reads `22:00-07:00`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
        Some(Self {
            from: time(from)?,
            to: time(to)?,
        })
    }

    /// Tells whether a time of day is within them; they may go over midnight.
    #[must_use]
    pub fn hold(&self, time: NaiveTime) -> bool {
        if self.from <= self.to {
            (self.from..self.to).contains(&time)
        } else {
            time >= self.from || time < self.to
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        let at = |h, m| NaiveTime::from_hms_opt(h, m, 0).unwrap();
        let night = QuietHours::parse("22:00-07:00").unwrap();
        assert!(night.hold(at(23, 0)) && night.hold(at(6, 59)) && night.hold(at(22, 0)));
        assert!(!night.hold(at(7, 0)) && !night.hold(at(21, 59)));
        let noon = QuietHours::parse("12:00 - 13:00").unwrap();
        assert!(noon.hold(at(12, 30)) && !noon.hold(at(13, 0)));
        for bad in ["", "22", "22:00", "25:00-07:00", "a-b"] {
            assert_eq!(QuietHours::parse(bad), None, "{bad}");
        }
    }
}
