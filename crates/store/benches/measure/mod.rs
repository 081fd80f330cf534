//! Measuring and printing.

use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs something `times`, so many at once, and prints how often per second and how long each took.
pub(crate) async fn measure<F: Future<Output = ()> + Send + 'static>(
    what: &str,
    at_once: usize,
    times: usize,
    mut make: impl FnMut() -> F,
) {
    let room = Arc::new(tokio::sync::Semaphore::new(at_once));
    let mut tasks = tokio::task::JoinSet::new();
    let begin = Instant::now();
    for _ in 0..times {
        let place = Arc::clone(&room)
            .acquire_owned()
            .await
            .expect("the semaphore is open");
        let run = make();
        tasks.spawn(async move {
            let begin = Instant::now();
            run.await;
            drop(place);
            begin.elapsed()
        });
    }
    let mut took = tasks.join_all().await;
    let elapsed = begin.elapsed();
    took.sort();
    let at = |percent: usize| took[(took.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{what:<34} {:>10.0} {:>9.2} {:>9.2}",
        times as f64 / elapsed.as_secs_f64(),
        at(50),
        at(99)
    );
}

/// Prints how many a second that were.
pub(crate) fn rate(what: &str, count: u64, elapsed: Duration) {
    println!("{what:<34} {:>10.0}", count as f64 / elapsed.as_secs_f64());
}
