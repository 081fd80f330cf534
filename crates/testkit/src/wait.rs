//! Waiting for a fact, with a deadline and a panic that says what was awaited and what was seen last.

use std::fmt::Display;
use std::future::Future;
use std::panic::Location;
use std::time::{Duration, Instant};

/// How often a fact is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Is one look at the world: either the awaited fact, or what was seen instead.
pub trait Look {
    /// What the fact carries.
    type Fact;

    /// Splits the look into the fact, or a description of what was seen instead (empty when there is nothing to say).
    fn split(self) -> Result<Self::Fact, String>;
}

impl Look for bool {
    type Fact = ();

    fn split(self) -> Result<(), String> {
        if self { Ok(()) } else { Err(String::new()) }
    }
}

impl<T> Look for Option<T> {
    type Fact = T;

    fn split(self) -> Result<T, String> {
        self.ok_or_else(String::new)
    }
}

impl<T, E: Display> Look for Result<T, E> {
    type Fact = T;

    fn split(self) -> Result<T, String> {
        self.map_err(|seen| seen.to_string())
    }
}

/// Polls until `look` gives the fact and returns it; panics, naming `what`, when `deadline` has passed.
///
/// `look` returns a `bool`, an `Option`, or a `Result` whose error tells what was seen instead.
#[track_caller]
pub fn wait_until<L: Look>(deadline: Duration, what: &str, mut look: impl FnMut() -> L) -> L::Fact {
    let begun = Instant::now();
    loop {
        match look().split() {
            Ok(fact) => return fact,
            Err(seen) if begun.elapsed() >= deadline => {
                panic!("{}", overdue(deadline, what, &seen))
            }
            Err(_) => pause(),
        }
    }
}

/// Polls until `look` is true and tells whether it came true before the deadline.
pub fn comes_true_within(deadline: Duration, mut look: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if look() {
            return true;
        }
        if begun.elapsed() >= deadline {
            return false;
        }
        pause();
    }
}

/// Polls as [`wait_until`] does, from an asynchronous test and with an asynchronous `look`.
#[track_caller]
pub fn wait_until_async<L: Look, F: Future<Output = L>>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> impl Future<Output = L::Fact> {
    let caller = Location::caller();
    async move {
        let begun = Instant::now();
        loop {
            match look().await.split() {
                Ok(fact) => return fact,
                Err(seen) if begun.elapsed() >= deadline => {
                    panic!("{} (from {caller})", overdue(deadline, what, &seen))
                }
                Err(_) => tokio::time::sleep(INTERVAL).await,
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a fact"
)]
fn pause() {
    std::thread::sleep(INTERVAL);
}

fn overdue(deadline: Duration, what: &str, seen: &str) -> String {
    let mut message = format!("waited {deadline:?} in vain for {what}");
    if !seen.is_empty() {
        message.push_str("; last seen: ");
        message.push_str(seen);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fact_is_returned_when_it_comes_true() {
        let mut looks = 0;
        let fact = wait_until(Duration::from_secs(5), "three looks", || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(fact, 3);
    }

    #[test]
    fn what_never_comes_true_is_told() {
        assert!(!comes_true_within(Duration::from_millis(20), || false));
        let mut looks = 0;
        assert!(comes_true_within(Duration::from_secs(5), || {
            looks += 1;
            looks == 3
        }));
    }

    #[test]
    #[should_panic(expected = "waited 20ms in vain for the moon; last seen: clouds")]
    fn an_overdue_fact_panics_with_what_was_seen() {
        wait_until(Duration::from_millis(20), "the moon", || {
            Err::<(), _>("clouds")
        });
    }

    #[tokio::test]
    #[should_panic(expected = "in vain for the sun")]
    async fn an_overdue_fact_panics_in_async_too() {
        wait_until_async(Duration::from_millis(20), "the sun", async || false).await;
    }
}
