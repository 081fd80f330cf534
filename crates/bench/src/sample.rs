//! What was measured several times.

use std::time::Duration;

/// Holds measurements of one thing, in order of size.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample(Vec<f64>);

/// Says in what a sample is printed.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Seconds.
    Seconds,
    /// Seconds, as milliseconds.
    Milliseconds,
    /// Seconds, as microseconds.
    Microseconds,
    /// Bytes, as 1,000 of them.
    Kilobytes,
    /// Bytes, as 1,000,000 of them.
    Megabytes,
    /// Shares of one core, as hundredths.
    Percent,
}

impl Unit {
    fn factor(self) -> f64 {
        match self {
            Self::Seconds => 1.0,
            Self::Milliseconds => 1e3,
            Self::Microseconds => 1e6,
            Self::Kilobytes => 1e-3,
            Self::Megabytes => 1e-6,
            Self::Percent => 1e2,
        }
    }

    fn symbol(self) -> &'static str {
        match self {
            Self::Seconds => "s",
            Self::Milliseconds => "ms",
            Self::Microseconds => "µs",
            Self::Kilobytes => "KB",
            Self::Megabytes => "MB",
            Self::Percent => "%",
        }
    }

    /// Prints one value, in as many digits as can mean something.
    pub(crate) fn print(self, value: f64) -> String {
        format!("{} {}", self.digits(value), self.symbol())
    }

    fn digits(self, value: f64) -> String {
        let scaled = value * self.factor();
        let decimals = match scaled.abs() {
            size if size >= 100.0 => 0,
            size if size >= 10.0 => 1,
            _ => 2,
        };
        format!("{scaled:.decimals$}")
    }
}

impl Sample {
    /// Takes measurements; there must be one at least.
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> anyhow::Result<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        anyhow::ensure!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        Ok(Self(values))
    }

    /// Takes durations, as seconds.
    pub(crate) fn of_durations(values: impl IntoIterator<Item = Duration>) -> anyhow::Result<Self> {
        Self::new(values.into_iter().map(|value| value.as_secs_f64()))
    }

    /// Gives the smallest value that so many hundredths of all do not exceed.
    pub(crate) fn percentile(&self, hundredths: usize) -> f64 {
        let rank = (self.0.len() * hundredths).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    /// Gives the sum.
    pub(crate) fn sum(&self) -> f64 {
        self.0.iter().sum()
    }

    /// Prints how long most and the worst took: for many measurements of something that people wait for.
    pub(crate) fn waits(&self, unit: Unit) -> String {
        format!(
            "p50 {}, p99 {}, max {}",
            unit.digits(self.percentile(50)),
            unit.digits(self.percentile(99)),
            unit.print(self.percentile(100)),
        )
    }

    /// Prints the median and the extremes: for few measurements.
    pub(crate) fn spread(&self, unit: Unit) -> String {
        format!(
            "{} ({}–{})",
            unit.print(self.percentile(50)),
            unit.digits(self.percentile(0)),
            unit.digits(self.percentile(100)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let sample = Sample::new((1..=200).rev().map(f64::from)).unwrap();
        assert_eq!(
            [0, 50, 99, 100].map(|it| sample.percentile(it)),
            [1.0, 100.0, 198.0, 200.0]
        );
        let one = Sample::new([7.0]).unwrap();
        assert_eq!([0, 50, 99, 100].map(|it| one.percentile(it)), [7.0; 4]);
        assert!(Sample::new([]).is_err());
    }

    #[test]
    fn printed_digits_are_few_and_units_are_named() {
        let sample = Sample::of_durations([3, 40, 512].map(Duration::from_millis)).unwrap();
        assert_eq!(
            sample.waits(Unit::Milliseconds),
            "p50 40.0, p99 512, max 512 ms"
        );
        assert_eq!(sample.spread(Unit::Microseconds), "40000 µs (3000–512000)");
        assert_eq!(Unit::Megabytes.print(614_400.0), "0.61 MB");
        assert_eq!(Unit::Percent.print(0.0034), "0.34 %");
    }
}
