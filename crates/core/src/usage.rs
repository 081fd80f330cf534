//! Usage: tokens by kind, what they cost, and where that is known from.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Tokens by kind. Sums saturate: no file can make a total wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Read by the model, not from a cache.
    pub input: u64,
    /// Written by the model.
    pub output: u64,
    /// Written to the cache that holds for five minutes.
    pub cache_write_5m: u64,
    /// Written to the cache that holds for an hour.
    pub cache_write_1h: u64,
    /// Read from a cache.
    pub cache_read: u64,
}

impl Tokens {
    /// Returns the sum of all kinds.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input
            .saturating_add(self.output)
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.cache_read)
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.cache_write_5m = self.cache_write_5m.saturating_add(other.cache_write_5m);
        self.cache_write_1h = self.cache_write_1h.saturating_add(other.cache_write_1h);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
    }
}

/// An amount of money, in billionths of a US dollar: the cheapest token is a whole number of them.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct NanoUsd(pub u64);

impl NanoUsd {
    /// Reads dollars, such as `2.50`. Nothing for what is negative, has more than nine decimals, or is too much to count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(part) || part.len() > 9 {
            return None;
        }
        let nanos: u64 = format!("{part:0<9}").parse().ok()?;
        let whole: u64 = whole.parse().ok()?;
        whole
            .checked_mul(1_000_000_000)?
            .checked_add(nanos)
            .map(Self)
    }

    /// Returns the amount in dollars, to be shown.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "shown with a few digits")]
    pub fn dollars(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

/// What one message used. Each is counted once, however many files repeat it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The message's own identity, for the provider: its id and that of its request.
    pub message: String,
    /// The session in whose files it was found first.
    pub session: String,
    /// The model, as the provider names it.
    pub model: String,
    /// When.
    pub at: Timestamp,
    /// How much.
    pub tokens: Tokens,
}

/// What a token of each kind costs, in billionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Input.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Written to the cache for five minutes.
    pub cache_write_5m: u64,
    /// Written to the cache for an hour.
    pub cache_write_1h: u64,
    /// Read from a cache.
    pub cache_read: u64,
}

impl Rates {
    const fn cost(&self, tokens: &Tokens) -> u64 {
        tokens
            .input
            .saturating_mul(self.input)
            .saturating_add(tokens.output.saturating_mul(self.output))
            .saturating_add(tokens.cache_write_5m.saturating_mul(self.cache_write_5m))
            .saturating_add(tokens.cache_write_1h.saturating_mul(self.cache_write_1h))
            .saturating_add(tokens.cache_read.saturating_mul(self.cache_read))
    }
}

/// Of so many tokens of a kind in one message the rest may have a rate of its own, as LiteLLM's tables have it and ccusage counts it.
pub const STEP: u64 = 200_000;

/// What a model costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// For the first [`STEP`] tokens of a kind in a message.
    pub base: Rates,
    /// For the rest.
    pub above: Rates,
}

impl Price {
    /// Returns a price that is the same for every token.
    #[must_use]
    pub const fn flat(rates: Rates) -> Self {
        Self {
            base: rates,
            above: rates,
        }
    }

    /// Returns what the tokens of one message cost.
    #[must_use]
    pub fn cost(&self, tokens: &Tokens) -> NanoUsd {
        let part = |of: fn(u64) -> u64| Tokens {
            input: of(tokens.input),
            output: of(tokens.output),
            cache_write_5m: of(tokens.cache_write_5m),
            cache_write_1h: of(tokens.cache_write_1h),
            cache_read: of(tokens.cache_read),
        };
        let first = self.base.cost(&part(|count| count.min(STEP)));
        let rest = self.above.cost(&part(|count| count.saturating_sub(STEP)));
        NanoUsd(first.saturating_add(rest))
    }
}

/// What models cost, as of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prices {
    /// The day that the table is of.
    pub date: chrono::NaiveDate,
    /// Where it is from: `built in`, or a file.
    pub source: String,
    /// By model.
    pub models: BTreeMap<String, Price>,
}

/// What is wrong with a table of prices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct BadPrices {
    /// The file.
    pub file: String,
    /// What is wrong, with the model or line.
    pub message: String,
}

/// The table of this release.
const BUILT_IN: &str = include_str!("prices.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    date: String,
    models: BTreeMap<String, Dollars>,
}

/// Dollars for a million tokens.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dollars {
    input: f64,
    output: f64,
    cache_write_5m: Option<f64>,
    cache_write_1h: Option<f64>,
    cache_read: Option<f64>,
    above_200k: Option<Box<Dollars>>,
}

impl Dollars {
    /// Returns the rates, or the kind whose rate is none.
    fn rates(&self) -> Result<Rates, (&'static str, f64)> {
        let rate = |kind, given: Option<f64>, usual: f64| {
            let dollars = given.unwrap_or(self.input * usual);
            nanos(dollars).ok_or((kind, dollars))
        };
        Ok(Rates {
            input: rate("input", Some(self.input), 1.0)?,
            output: rate("output", Some(self.output), 1.0)?,
            cache_write_5m: rate("cache_write_5m", self.cache_write_5m, 1.25)?,
            cache_write_1h: rate("cache_write_1h", self.cache_write_1h, 2.0)?,
            cache_read: rate("cache_read", self.cache_read, 0.1)?,
        })
    }
}

impl Prices {
    /// Returns the table of this release.
    #[must_use]
    pub fn built_in() -> Self {
        Self::parse("built in", BUILT_IN).unwrap_or_else(|_| Self {
            date: chrono::NaiveDate::MIN,
            source: "built in".to_owned(),
            models: BTreeMap::new(),
        })
    }

    /// Reads a table, in TOML: `date = "2026-11-01"`, and for each model `[models."NAME"]` with dollars for a million tokens:
    /// `input`, `output`, `cache_write_5m`, `cache_write_1h`, `cache_read`. What is not given of the cache costs what the
    /// provider's usual multiples of `input` make it: 1.25, 2, and 0.1. `[models."NAME".above_200k]`, of the same form, is for what
    /// a message has of a kind above 200,000 tokens.
    ///
    /// # Errors
    /// [`BadPrices`] for what is no such table, or has a price that is negative or no number.
    pub fn parse(source: &str, text: &str) -> Result<Self, BadPrices> {
        let bad = |message: String| BadPrices {
            file: source.to_owned(),
            message,
        };
        let table: Table = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            bad(format!("line {line}: {}", error.message()))
        })?;
        let date = table.date.parse().map_err(|_| {
            bad(format!(
                "date is {:?}, but must be like 2026-01-31",
                table.date
            ))
        })?;
        let mut models = BTreeMap::new();
        for (model, dollars) in table.models {
            let rates = |dollars: &Dollars| {
                dollars.rates().map_err(|(kind, dollars)| {
                    bad(format!(
                        "{model}: {kind} is {dollars}, but must be dollars for a million tokens, from 0 to 1000000"
                    ))
                })
            };
            let base = rates(&dollars)?;
            let above = dollars.above_200k.as_deref().map_or(Ok(base), rates)?;
            models.insert(model, Price { base, above });
        }
        Ok(Self {
            date,
            source: source.to_owned(),
            models,
        })
    }

    /// Returns what a model costs: by its name, else by its name without the date that ends it. Nothing for a model that the
    /// table lacks: what it costs is unknown, not zero.
    #[must_use]
    pub fn price(&self, model: &str) -> Option<&Price> {
        self.models.get(model).or_else(|| {
            let (family, date) = model.rsplit_once('-')?;
            let dated = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
            self.models.get(family).filter(|_| dated)
        })
    }
}

/// Dollars for a million tokens, as billionths for one.
fn nanos(dollars: f64) -> Option<u64> {
    let nanos = (dollars * 1000.0).round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be in range"
    )]
    (nanos.is_finite() && (0.0..=1e9).contains(&nanos)).then_some(nanos as u64)
}
