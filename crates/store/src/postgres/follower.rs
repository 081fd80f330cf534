//! The one task that follows the log.
//!
//! | task | owner | input | output | ends when |
//! |---|---|---|---|---|
//! | follower | `PostgresStore` | notifications, own commits, a tick each second | cursors for new events; `commits`, `availability` | the store is closed |
//!
//! It gives cursors to the events that have none, tells who waits for commits, and finds out whether the database is away and
//! when it is back. One connection listens and does the rest; should it be lost, or say nothing, another takes its place.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgListener, PgPoolOptions};
use stratavore_core::clock::{Clock, SystemClock};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::address::Address;
use super::lines::CONNECT;
use super::sql::{event, line};
use super::trouble::{Outcome, Trouble, away};
use crate::{Availability, Cursor};

/// How often the log is looked at although nobody said that it grew.
const TICK: Duration = Duration::from_secs(1);
/// How long a look may take.
const LOOK: Duration = Duration::from_secs(5);
/// The name under which nodes wake each other.
const CHANNEL: &str = "stratavore";

/// Follows the log of one database.
pub(super) struct Follower {
    pub(super) address: Address,
    /// Told of own commits.
    pub(super) nudge: Arc<Notify>,
    pub(super) commits: watch::Sender<Cursor>,
    pub(super) availability: watch::Sender<Availability>,
}

impl Follower {
    pub(super) async fn run(self) {
        loop {
            let Err(trouble) = self.follow().await;
            let reason = trouble.absence().unwrap_or_else(|| trouble.to_string());
            let reason = away(&self.address, &reason);
            self.availability.send_if_modified(|known| match known {
                Availability::Away { .. } => false,
                Availability::Here => {
                    tracing::warn!(reason, "the database is away");
                    let since = SystemClock.now();
                    *known = Availability::Away { since, reason };
                    true
                }
            });
            // A nudge says that somebody wants it now, which brings nothing back.
            tokio::time::sleep(TICK).await;
        }
    }

    /// Follows until the connection fails.
    async fn follow(&self) -> Outcome<std::convert::Infallible> {
        let mut listener = timeout(CONNECT, self.listen())
            .await
            .map_err(|_| Trouble::Silent)??;
        loop {
            let last = timeout(LOOK, number(&mut listener))
                .await
                .map_err(|_| Trouble::Silent)??;
            self.availability.send_if_modified(|known| {
                let back = *known != Availability::Here;
                if back {
                    tracing::info!("the database is back");
                    *known = Availability::Here;
                }
                back
            });
            self.commits.send_if_modified(|known| {
                let grew = last > *known;
                *known = (*known).max(last);
                grew
            });
            self.wait(&mut listener).await?;
        }
    }

    /// Waits until there may be something new.
    async fn wait(&self, listener: &mut PgListener) -> Outcome<()> {
        let tick = Instant::now() + TICK;
        let mut released = false;
        tokio::select! {
            () = self.nudge.notified() => {}
            said = timeout_at(tick, listener.try_recv()) => match said {
                Err(_) => {}
                Ok(Ok(Some(notification))) => released = !notification.payload().is_empty(),
                Ok(Ok(None)) => return Err(Trouble::Silent),
                Ok(Err(error)) => return Err(error.into()),
            },
        }
        while let Some(notification) = listener.next_buffered() {
            released |= !notification.payload().is_empty();
        }
        if released {
            // The outbox gives what it held back, although the log did not grow.
            self.commits.send_modify(|_| {});
        }
        Ok(())
    }

    async fn listen(&self) -> Outcome<PgListener> {
        // The listener wants a pool; this one is its connection and nothing else.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT)
            .max_lifetime(None)
            .idle_timeout(None)
            .after_connect(|connection, _| {
                Box::pin(async move { connection.execute(line::LIMITS).await.map(drop) })
            });
        let pool = pool.connect_with(self.address.options().clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(listener)
    }
}

/// Gives cursors to events that have none, and returns the last one given.
pub(super) async fn number<'c, E>(connection: &'c mut E) -> Outcome<Cursor>
where
    for<'e> &'e mut E: Executor<'e, Database = sqlx::Postgres>,
{
    let unnumbered: bool = sqlx::query_scalar(event::UNNUMBERED)
        .fetch_one(&mut *connection)
        .await?;
    if unnumbered {
        sqlx::raw_sql(event::NUMBER)
            .execute(&mut *connection)
            .await?;
    }
    let last: i64 = sqlx::query_scalar(event::LAST)
        .fetch_one(&mut *connection)
        .await?;
    Ok(Cursor(last))
}
