//! The connections: a few, each lent to one piece of work at a time, with a time limit on everything.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::address::Address;
use super::sql::line;
use super::trouble::{Outcome, Trouble};
use crate::StoreError;

/// How long a connection may take to be made.
pub(super) const CONNECT: Duration = Duration::from_secs(5);
/// How long work may wait for a connection.
const LEND: Duration = Duration::from_secs(5);
/// How long work may take on the whole. The server gives up sooner; this is for when it says nothing at all.
pub(super) const WORK: Duration = Duration::from_secs(15);
/// How long work over the whole log may take.
pub(super) const WHOLE_LOG: Duration = Duration::from_secs(900);
/// A connection that was not used for so long is asked whether it still is one.
const DOUBTFUL: Duration = Duration::from_secs(1);
/// How long that may take.
const ANSWER: Duration = Duration::from_secs(2);

/// Lends connections.
pub(super) struct Lines {
    address: Address,
    idle: Mutex<Vec<(PgConnection, Instant)>>,
    room: Arc<Semaphore>,
    size: u32,
}

/// A connection that is lent, and its place among so many. Dropped in the middle of work, it is closed.
pub(super) struct Line {
    pub(super) connection: PgConnection,
    place: OwnedSemaphorePermit,
}

impl Lines {
    pub(super) fn new(address: Address, size: u32) -> Self {
        Self {
            address,
            idle: Mutex::default(),
            room: Arc::new(Semaphore::new(size as usize)),
            size,
        }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Makes a connection.
    async fn connect(&self) -> Outcome<PgConnection> {
        let connect = async {
            let mut connection = self.address.options().connect().await?;
            connection.execute(line::LIMITS).await?;
            Ok(connection)
        };
        timeout(CONNECT, connect)
            .await
            .map_err(|_| Trouble::Silent)?
    }

    /// Lends a connection that answered a moment ago.
    pub(super) async fn lend(&self) -> Outcome<Line> {
        let place = timeout(LEND, Arc::clone(&self.room).acquire_owned())
            .await
            .map_err(|_| Trouble::Silent)?
            .map_err(|_| StoreError::Closed)?;
        loop {
            let idle = self.idle().pop();
            let connection = match idle {
                None => self.connect().await?,
                Some((connection, since)) if since.elapsed() < DOUBTFUL => connection,
                Some((mut connection, _)) => {
                    let answer = timeout(ANSWER, connection.execute(line::PING)).await;
                    if !matches!(answer, Ok(Ok(_))) {
                        // The others are no better.
                        self.idle().clear();
                        continue;
                    }
                    connection
                }
            };
            return Ok(Line { connection, place });
        }
    }

    /// Waits for work on a lent connection, but not for ever.
    pub(super) async fn limit<T>(
        limit: Duration,
        work: impl Future<Output = Outcome<T>>,
    ) -> Outcome<T> {
        timeout(limit, work).await.unwrap_or(Err(Trouble::Silent))
    }

    /// Takes a connection back after work, unless that broke it. What a failure left of a transaction is rolled back.
    pub(super) async fn take_back<T>(&self, line: Line, outcome: &Outcome<T>) {
        let Line {
            mut connection,
            place,
        } = line;
        let whole = match outcome {
            Ok(_) => true,
            Err(trouble) if trouble.breaks_the_line() => {
                self.idle().clear();
                false
            }
            Err(_) => matches!(timeout(ANSWER, connection.ping()).await, Ok(Ok(()))),
        };
        if whole {
            self.idle().push((connection, Instant::now()));
        }
        drop(place);
    }

    /// Lends nothing more, waits for what is lent, and closes all.
    pub(super) async fn close(&self) {
        // Work under way ends within its time; the connections of what ends later are closed by being dropped.
        let all = timeout(WORK, self.room.acquire_many(self.size)).await;
        self.room.close();
        drop(all);
        let idle = std::mem::take(&mut *self.idle());
        for (connection, _) in idle {
            // The server notices a connection that is dropped too.
            let _ = timeout(ANSWER, connection.close()).await;
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
