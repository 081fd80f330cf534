//! Waiting for facts that another program brings about.

use std::time::{Duration, Instant};

use anyhow::bail;

/// How long anything may take; reached only when something is wrong.
pub(crate) const LONGEST: Duration = Duration::from_secs(120);

/// Looks again every few milliseconds until there is something to see, and gives it.
pub(crate) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(fact) = look().await {
            return Ok(fact);
        }
        if begun.elapsed() >= LONGEST {
            bail!("waited {LONGEST:?} in vain until {what}");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
