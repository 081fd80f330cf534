//! What `usage` and `budget` take.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate};
use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// A row for each of these, beside the total
    #[arg(long)]
    pub(crate) by: Option<By>,
    /// From this moment on: a date (2026-01-31, where you are) or a time (2026-01-31T12:00:00Z)
    #[arg(long, value_name = "D")]
    pub(crate) since: Option<Moment>,
    /// Up to this moment; of a date, up to its beginning
    #[arg(long, value_name = "D")]
    pub(crate) until: Option<Moment>,
    /// Only this project's
    #[arg(long, value_name = "P")]
    pub(crate) project: Option<String>,
    /// Only this runner's
    #[arg(long, value_name = "R")]
    pub(crate) runner: Option<String>,
    /// Only this session's
    #[arg(long, value_name = "S")]
    pub(crate) session: Option<String>,
}

/// What usage is broken down by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    Day,
    Model,
    Project,
    Session,
    Runner,
}

impl By {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Model => "model",
            Self::Project => "project",
            Self::Session => "session",
            Self::Runner => "runner",
        }
    }

    pub(crate) const fn heading(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Model => "MODEL",
            Self::Project => "PROJECT",
            Self::Session => "SESSION",
            Self::Runner => "RUNNER",
        }
    }
}

/// A date, or a time with its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) String);

impl FromStr for Moment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
        if date || DateTime::parse_from_rfc3339(text).is_ok() {
            Ok(Self(text.to_owned()))
        } else {
            Err(
                "write a date, such as 2026-01-31, or a time, such as 2026-01-31T12:00:00Z"
                    .to_owned(),
            )
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum BudgetCommand {
    /// Set how much may be used in a time; one of the same scope, unit and period is replaced
    Set(BudgetSetArgs),
    /// List the budgets, and what is spent of each
    List,
    /// Show one budget
    Show {
        /// Its id, or the beginning of it
        id: String,
    },
    /// Remove a budget; what it held back goes on
    Remove {
        /// Its id, or the beginning of it
        id: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct BudgetSetArgs {
    /// Whose usage it bounds
    pub(crate) scope: BudgetScope,
    /// The project, runner or session; nothing with global
    #[arg(value_name = "OF", required_if_eq_any = [("scope", "project"), ("scope", "runner"), ("scope", "session")])]
    pub(crate) of: Option<String>,
    /// In which time, by your calendar
    #[arg(long, value_name = "PERIOD")]
    pub(crate) per: Per,
    #[command(flatten)]
    pub(crate) limit: Limit,
    /// What happens at the limit
    #[arg(long, value_name = "ACTION", default_value = "warn")]
    pub(crate) at_limit: AtLimit,
}

/// How much may be used.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Limit {
    /// At most this many tokens of all kinds, such as 500k or 2M
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) tokens: Option<TokenCount>,
    /// At most this many US dollars, by the table of prices
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(crate) usd: Option<Dollars>,
}

/// Whose usage a budget bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BudgetScope {
    Global,
    Project,
    Runner,
    Session,
}

impl BudgetScope {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Project => "project",
            Self::Runner => "runner",
            Self::Session => "session",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Per {
    Hour,
    Day,
    Week,
    Month,
}

impl Per {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// What happens at a budget's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AtLimit {
    /// You are told, as you are at 75 and 90 percent
    Warn,
    /// Nothing more is launched
    Refuse,
    /// Nothing more is launched, and what runs is refused further tools and prompts
    Deny,
    /// Nothing more is launched, and what runs is paused
    Pause,
    /// Nothing more is launched, and what runs is stopped
    Stop,
}

impl AtLimit {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
            Self::Deny => "deny",
            Self::Pause => "pause",
            Self::Stop => "stop",
        }
    }
}

/// A number of tokens: `1500`, `500k`, `1.5M`, `2G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenCount(pub(crate) u64);

impl FromStr for TokenCount {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "write a whole number of tokens, such as 250000, 500k or 1.5M".to_owned();
        refuse_negative(text)?;
        let (number, zeros) = match text.char_indices().next_back() {
            Some((at, 'k' | 'K')) => (&text[..at], 3),
            Some((at, 'm' | 'M')) => (&text[..at], 6),
            Some((at, 'g' | 'G')) => (&text[..at], 9),
            _ => (text, 0),
        };
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let bare = number.len() == whole.len();
        if whole.is_empty() || !digits(whole) || !digits(part) || (!bare && part.is_empty()) {
            return Err(form());
        }
        // Counted in digits, so that no number is rounded on its way.
        if part.len() > zeros {
            return Err(form());
        }
        format!("{whole}{part}{}", "0".repeat(zeros - part.len()))
            .parse()
            .map(Self)
            .map_err(|_| {
                format!(
                    "it is too large: at most {} tokens can be counted",
                    u64::MAX
                )
            })
    }
}

/// The largest amount that can be counted: billionths of a dollar in 64 bits.
const MOST_DOLLARS: f64 = 18_446_744_073.0;
/// The least amount that is one.
const LEAST_DOLLARS: f64 = 1e-9;

/// An amount of US dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dollars(pub(crate) f64);

impl FromStr for Dollars {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        refuse_negative(text)?;
        let text = text.strip_prefix('$').unwrap_or(text);
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
        let dollars = text
            .parse::<f64>()
            .ok()
            .filter(|_| plain)
            .ok_or("write a number of US dollars, such as 5 or 12.50")?;
        if dollars > MOST_DOLLARS {
            return Err(format!(
                "it is too large: at most {MOST_DOLLARS} dollars can be counted"
            ));
        }
        if dollars > 0.0 && dollars < LEAST_DOLLARS {
            return Err("it is too small: the least that can be counted is a billionth".to_owned());
        }
        Ok(Self(dollars))
    }
}

fn refuse_negative(text: &str) -> Result<(), String> {
    if text.starts_with(['-', '\u{2212}']) {
        return Err("it is negative: a budget is 0 or more".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_counted_to_the_last_one() {
        for (text, tokens) in [
            ("0", 0),
            ("250000", 250_000),
            ("500k", 500_000),
            ("2M", 2_000_000),
            ("1.5m", 1_500_000),
            ("0.001K", 1),
            ("3G", 3_000_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(text.parse(), Ok(TokenCount(tokens)), "{text}");
        }
        for (text, word) in [
            ("-1", "negative"),
            ("\u{2212}1", "negative"),
            ("18446744073709551616", "too large"),
            ("99999999999999999G", "too large"),
            ("", "whole number"),
            ("k", "whole number"),
            (".5k", "whole number"),
            ("1.k", "whole number"),
            ("1.5", "whole number"),
            ("0.0001k", "whole number"),
            ("1e6", "whole number"),
            ("1,000", "whole number"),
            ("+5", "whole number"),
            ("five", "whole number"),
            ("5ö", "whole number"),
        ] {
            let error = text.parse::<TokenCount>().unwrap_err();
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn dollars_are_finite_and_can_be_counted() {
        for (text, dollars) in [("0", 0.0), ("5", 5.0), ("$12.50", 12.5), (".5", 0.5)] {
            assert_eq!(text.parse(), Ok(Dollars(dollars)), "{text}");
        }
        for (text, word) in [
            ("-0.01", "negative"),
            ("18446744074", "too large"),
            ("99999999999999999999999999", "too large"),
            ("0.0000000001", "too small"),
            ("", "such as"),
            ("NaN", "such as"),
            ("inf", "such as"),
            ("1e3", "such as"),
            ("5 dollars", "such as"),
            ("1.2.3", "such as"),
        ] {
            let error = text.parse::<Dollars>().unwrap_err();
            assert!(error.contains(word), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_moment_is_a_date_or_a_time_with_its_zone() {
        for text in [
            "2026-01-31",
            "2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00.5+02:00",
        ] {
            assert_eq!(text.parse(), Ok(Moment(text.to_owned())));
        }
        for bad in [
            "",
            "today",
            "2026-02-30",
            "2026-01-31T12:00:00",
            "31.1.2026",
        ] {
            assert!(bad.parse::<Moment>().is_err(), "{bad:?}");
        }
    }
}
