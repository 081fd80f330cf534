//! Pauses between attempts.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

/// The longest pause after the first failure; it doubles with each, up to the last.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// After the first failure.
    pub first: Duration,
    /// After many.
    pub longest: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(2),
        }
    }
}

/// Spreads attempts out, with full jitter: any pause from none to the longest is as likely, so that hosts that failed
/// together do not come back together.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    pauses: Pauses,
    next: Duration,
    until: Option<Instant>,
}

impl Pause {
    pub(crate) fn new(pauses: Pauses) -> Self {
        Self {
            pauses,
            next: pauses.first,
            until: None,
        }
    }

    /// Begins a pause after a failure.
    pub(crate) fn begin(&mut self) {
        let (random, _) = Uuid::new_v4().as_u64_pair();
        // The upper half has no fixed bits.
        let share = (random >> 32) as f64 / f64::from(u32::MAX);
        self.until = Some(Instant::now() + self.next.mul_f64(share));
        self.next = (self.next * 2).min(self.pauses.longest);
    }

    /// Tells when the pause is over, if one began.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Tells whether the pause is over.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }

    /// Tells whether the pause has been over for so long that the failure before it no longer counts.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.until
            .is_none_or(|until| until + self.pauses.longest < Instant::now())
    }

    /// Waits until the pause is over. Asking again goes on with the same pause.
    pub(crate) async fn over(&self) {
        if let Some(until) = self.until {
            sleep_until(until).await;
        }
    }

    /// Forgets the failures.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.pauses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pauses_grow_to_a_limit_and_differ() {
        let mut lengths = Vec::new();
        for _ in 0..50 {
            let mut pause = Pause::new(Pauses::default());
            for _ in 0..10 {
                pause.begin();
            }
            lengths.push(pause.until.unwrap() - Instant::now());
        }
        lengths.sort();
        let longest = Pauses::default().longest;
        assert!(lengths.iter().all(|length| *length <= longest));
        assert!(
            lengths[49] > lengths[0] + Duration::from_secs(1),
            "{lengths:?}"
        );
        let mut pause = Pause::new(Pauses::default());
        assert!(pause.is_over());
        pause.begin();
        pause.reset();
        assert!(pause.is_over());
        pause.over().await;
    }
}
