//! Budgets: how many tokens or how much money may be used in a time, and what happens at the limit.

use chrono::{Datelike, Days, TimeZone, Timelike};
use serde::{Deserialize, Serialize};

use crate::calendar::midnight;
use crate::clock::Timestamp;
use crate::ids::{BudgetId, ProjectId, RunnerId};
use crate::usage::{NanoUsd, Tokens};

/// Whose usage a budget bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "scope", content = "of", rename_all = "lowercase")]
pub enum Scope {
    /// All.
    Global,
    /// One project.
    Project(ProjectId),
    /// One runner.
    Runner(RunnerId),
    /// One session, by its program's id.
    Session(String),
}

impl Scope {
    /// Returns its word.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Project(_) => "project",
            Self::Runner(_) => "runner",
            Self::Session(_) => "session",
        }
    }
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "unit", content = "amount", rename_all = "kebab-case")]
pub enum Amount {
    /// Tokens of all kinds.
    Tokens(u64),
    /// Money, by the table of prices.
    Money(NanoUsd),
}

impl Amount {
    /// Returns the unit's word.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Tokens(_) => "tokens",
            Self::Money(_) => "usd",
        }
    }

    /// Returns the bare number, of tokens or billionths of a dollar.
    #[must_use]
    pub const fn number(self) -> u64 {
        match self {
            Self::Tokens(tokens) => tokens,
            Self::Money(NanoUsd(nanos)) => nanos,
        }
    }
}

/// `1200 tokens`, `$2.50`; cents, and further digits only where there are any.
impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tokens(tokens) => write!(f, "{tokens} tokens"),
            Self::Money(NanoUsd(nanos)) => {
                let part = format!("{:09}", nanos % 1_000_000_000);
                let (cents, rest) = part.split_at(2);
                let rest = rest.trim_end_matches('0');
                write!(f, "${}.{cents}{rest}", nanos / 1_000_000_000)
            }
        }
    }
}

/// In which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From Monday to Monday.
    Week,
    /// From the first to the first.
    Month,
}

impl Period {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Returns when the period that holds a moment began and when the next begins, by the calendar of a time zone. Nothing
    /// has to be run at its turn.
    #[must_use]
    pub fn around<Z: TimeZone>(self, moment: Timestamp, zone: &Z) -> (Timestamp, Timestamp) {
        let local = moment.with_timezone(zone).naive_local();
        let today = local.date();
        let date = match self {
            Self::Hour => {
                // An hour is the same length in every zone; only where it begins is the zone's matter.
                let into = chrono::TimeDelta::minutes(local.minute().into())
                    + chrono::TimeDelta::seconds(local.second().into())
                    + chrono::TimeDelta::nanoseconds(i64::from(local.nanosecond() % 1_000_000_000));
                let begun = moment - into;
                return (begun, begun + chrono::TimeDelta::hours(1));
            }
            Self::Day => today,
            Self::Week => {
                let past = today.weekday().num_days_from_monday();
                today
                    .checked_sub_days(Days::new(past.into()))
                    .unwrap_or(today)
            }
            Self::Month => today.with_day(1).unwrap_or(today),
        };
        let next = match self {
            Self::Hour | Self::Day => date.succ_opt(),
            Self::Week => date.checked_add_days(Days::new(7)),
            Self::Month => date.checked_add_months(chrono::Months::new(1)),
        };
        (midnight(date, zone), midnight(next.unwrap_or(date), zone))
    }
}

/// What happens at the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AtLimit {
    /// A person is told.
    #[default]
    Warn,
    /// Nothing more is launched.
    Refuse,
    /// Nothing more is launched, and running programs are refused further tools and prompts.
    Deny,
    /// Nothing more is launched, and what runs is paused.
    Pause,
    /// Nothing more is launched, and what runs is stopped.
    Stop,
}

impl AtLimit {
    /// Every one, the mildest first.
    pub const ALL: [Self; 5] = [
        Self::Warn,
        Self::Refuse,
        Self::Deny,
        Self::Pause,
        Self::Stop,
    ];

    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
            Self::Deny => "deny",
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }
}

/// Bounds what is used in a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Its identity.
    pub id: BudgetId,
    /// Whose usage.
    pub scope: Scope,
    /// In which time.
    pub period: Period,
    /// How much at most.
    pub limit: Amount,
    /// What happens then.
    pub at_limit: AtLimit,
    /// When it was set.
    pub set_at: Timestamp,
}

/// What was used of a budget in the present period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens of every kind.
    pub tokens: Tokens,
    /// What they cost by the table of prices.
    pub cost: NanoUsd,
}

impl Spent {
    /// Returns it in a budget's unit.
    #[must_use]
    pub const fn of(&self, limit: Amount) -> u64 {
        match limit {
            Amount::Tokens(_) => self.tokens.total(),
            Amount::Money(_) => self.cost.0,
        }
    }
}

/// The shares of a budget at which a person is warned, once each in a period.
pub const WARN_AT: [u8; 3] = [75, 90, 100];

impl Budget {
    /// Returns the greatest of [`WARN_AT`] that is reached.
    #[must_use]
    pub fn reached(&self, spent: &Spent) -> Option<u8> {
        let (used, limit) = (
            u128::from(spent.of(self.limit)),
            u128::from(self.limit.number()),
        );
        WARN_AT
            .into_iter()
            .rev()
            .find(|percent| used * 100 >= limit * u128::from(*percent))
    }

    /// Tells whether nothing is left of it.
    #[must_use]
    pub fn is_spent(&self, spent: &Spent) -> bool {
        spent.of(self.limit) >= self.limit.number()
    }

    /// Tells whether one more runner fits: what was used, and what is set aside for each that runs and for it, must not go
    /// beyond the limit.
    #[must_use]
    pub fn admits(&self, spent: &Spent, running: u32, reserve: Reserve) -> bool {
        if self.at_limit == AtLimit::Warn {
            return true;
        }
        let each = match self.limit {
            Amount::Tokens(_) => reserve.tokens,
            Amount::Money(_) => reserve.cost.0,
        };
        let aside = u128::from(each) * (u128::from(running) + 1);
        !self.is_spent(spent)
            && u128::from(spent.of(self.limit)) + aside <= u128::from(self.limit.number())
    }
}

/// What is set aside of every budget for each runner that runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reserve {
    /// Of budgets in tokens.
    pub tokens: u64,
    /// Of budgets in money.
    pub cost: NanoUsd,
}

/// By which launches are held to budgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// When the present hour, day, week and month began.
    pub began: [Timestamp; 4],
    /// What is set aside for each runner.
    pub reserve: Reserve,
}

impl Terms {
    /// Makes them for a moment in a time zone.
    #[must_use]
    pub fn at<Z: TimeZone>(moment: Timestamp, zone: &Z, reserve: Reserve) -> Self {
        Self {
            began: Period::ALL.map(|period| period.around(moment, zone).0),
            reserve,
        }
    }

    /// Returns when a budget's present period began.
    #[must_use]
    pub const fn since(&self, period: Period) -> Timestamp {
        self.began[period as usize]
    }
}

#[cfg(test)]
mod tests {
    use chrono::{FixedOffset, Utc};

    use super::*;
    use crate::calendar::tests::{at, turning};

    fn around<Z: TimeZone>(period: Period, moment: &str, zone: &Z) -> (String, String) {
        let (began, ends) = period.around(at(moment), zone);
        let text = |moment: Timestamp| moment.format("%FT%H:%MZ").to_string();
        (text(began), text(ends))
    }

    #[test]
    fn periods_begin_by_the_calendar_of_the_zone() {
        // India is five and a half hours ahead; 2026-11-01 is a Sunday there already.
        let india = FixedOffset::east_opt(19_800).unwrap();
        let moment = "2026-10-31T20:10:42.5Z";
        for (period, began, ends) in [
            (Period::Hour, "2026-10-31T19:30Z", "2026-10-31T20:30Z"),
            (Period::Day, "2026-10-31T18:30Z", "2026-11-01T18:30Z"),
            (Period::Week, "2026-10-25T18:30Z", "2026-11-01T18:30Z"),
            (Period::Month, "2026-10-31T18:30Z", "2026-11-30T18:30Z"),
        ] {
            let expected = (began.to_owned(), ends.to_owned());
            assert_eq!(around(period, moment, &india), expected, "{period:?}");
        }
        // The end is the next beginning.
        for period in Period::ALL {
            let (_, ends) = period.around(at(moment), &india);
            assert_eq!(period.around(ends, &india).0, ends, "{period:?}");
        }
        let (began, ends) = around(Period::Month, "2028-02-29T12:00:00Z", &Utc);
        assert_eq!(
            (began.as_str(), ends.as_str()),
            ("2028-02-01T00:00Z", "2028-03-01T00:00Z")
        );
        let (began, ends) = around(Period::Week, "2026-12-31T23:59:59Z", &Utc);
        assert_eq!(
            (began.as_str(), ends.as_str()),
            ("2026-12-28T00:00Z", "2027-01-04T00:00Z")
        );
    }

    #[test]
    fn a_day_on_which_clocks_turn_has_its_own_length() {
        // Vienna, forwards and back.
        let spring = turning("2026-03-29T01:00:00Z", 1, 2);
        let (began, ends) = around(Period::Day, "2026-03-29T12:00:00Z", &spring);
        assert_eq!(
            (began.as_str(), ends.as_str()),
            ("2026-03-28T23:00Z", "2026-03-29T22:00Z")
        );
        let autumn = turning("2026-10-25T01:00:00Z", 2, 1);
        let (began, ends) = around(Period::Day, "2026-10-25T12:00:00Z", &autumn);
        assert_eq!(
            (began.as_str(), ends.as_str()),
            ("2026-10-24T22:00Z", "2026-10-25T23:00Z")
        );
        let (began, ends) = around(Period::Month, "2026-10-25T12:00:00Z", &autumn);
        assert_eq!(
            (began.as_str(), ends.as_str()),
            ("2026-09-30T22:00Z", "2026-10-31T23:00Z")
        );
        // In both of the hours that are called two, the hour is the present one.
        assert_eq!(
            around(Period::Hour, "2026-10-25T00:30:00Z", &autumn).0,
            "2026-10-25T00:00Z"
        );
        assert_eq!(
            around(Period::Hour, "2026-10-25T01:30:00Z", &autumn).0,
            "2026-10-25T01:00Z"
        );
    }

    #[test]
    fn a_day_begins_with_its_first_moment_where_there_is_no_midnight() {
        // Santiago: at midnight it is one.
        let zone = turning("2026-09-06T04:00:00Z", -4, -3);
        let (began, ends) = around(Period::Day, "2026-09-06T12:00:00Z", &zone);
        assert_eq!(
            (began.as_str(), ends.as_str()),
            ("2026-09-06T04:00Z", "2026-09-07T03:00Z")
        );
        let (_, ends) = around(Period::Day, "2026-09-05T12:00:00Z", &zone);
        assert_eq!(ends, "2026-09-06T04:00Z");
        // Havana: there are two midnights, and the day has both.
        let zone = turning("2026-11-01T05:00:00Z", -4, -5);
        let (began, _) = around(Period::Day, "2026-11-01T12:00:00Z", &zone);
        assert_eq!(began, "2026-11-01T04:00Z");
    }

    #[test]
    fn an_amount_is_shown_with_its_unit() {
        for (amount, shown) in [
            (Amount::Tokens(1200), "1200 tokens"),
            (Amount::Money(NanoUsd(2_500_000_000)), "$2.50"),
            (Amount::Money(NanoUsd(0)), "$0.00"),
            (Amount::Money(NanoUsd(1_020_300_000)), "$1.0203"),
            (Amount::Money(NanoUsd(1)), "$0.000000001"),
        ] {
            assert_eq!(amount.to_string(), shown);
        }
    }
}
