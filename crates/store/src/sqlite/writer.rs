//! The one task that writes.
//!
//! | task | owner | input | output | ends when |
//! |---|---|---|---|---|
//! | writer | `SqliteStore` | requests, from a bounded queue | answers, the cursor of the last commit | every sender is dropped; it first writes what is queued |
//!
//! Requests that wait together are written together: one transaction, one fsync, each request in a savepoint of its own.
//! Answers go out only after the commit. What fails or panics in one request undoes that request alone; when the
//! transaction itself is lost (disk full, I/O error), those that were in it fail with the reason and the rest begin anew.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use futures::future::BoxFuture;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteQueryResult;
use tokio::sync::{mpsc, oneshot, watch};

use super::ledger::Ledger;
use super::sql::batch;
use super::trouble::Trouble;
use crate::{Cursor, Result, StoreError};

/// How many requests share a transaction at most: more adds latency and hardly any throughput.
const BATCH: usize = 256;

/// What a power cut may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// The last moments may be lost, since they are observed or claimed again.
    Lazy,
    /// Nothing that was answered may be lost.
    Durable,
}

/// Work to be done in a savepoint.
pub(super) type Work<T> =
    Box<dyn for<'l> FnOnce(&'l mut Ledger) -> BoxFuture<'l, Result<T, Trouble>> + Send>;

/// A request in the queue.
pub(super) trait Request: Send {
    fn class(&self) -> Class;
    /// Does the work and keeps its outcome; says whether what it wrote stays.
    fn perform<'a>(&'a mut self, ledger: &'a mut Ledger) -> BoxFuture<'a, Performed>;
    /// Answers, once the fate of the transaction is known.
    fn answer(self: Box<Self>, committed: std::result::Result<(), &Trouble>);
}

/// Whether what a request wrote stays.
pub(super) enum Performed {
    Keep,
    /// It does not, for this reason, which also tells the others why the transaction was lost, if it was.
    Undo(Trouble),
}

/// A piece of work, its outcome so far, and who waits for it.
struct Errand<T> {
    class: Class,
    operation: &'static str,
    work: Option<Work<T>>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

/// Wraps work as a request and returns where its answer will come.
pub(super) fn request<T: Send + 'static>(
    class: Class,
    operation: &'static str,
    work: Work<T>,
) -> (Box<dyn Request>, oneshot::Receiver<Result<T>>) {
    let (reply, answer) = oneshot::channel();
    (
        Box::new(Errand {
            class,
            operation,
            work: Some(work),
            outcome: None,
            reply,
        }),
        answer,
    )
}

impl<T: Send> Request for Errand<T> {
    fn class(&self) -> Class {
        self.class
    }

    fn perform<'a>(&'a mut self, ledger: &'a mut Ledger) -> BoxFuture<'a, Performed> {
        async move {
            let Some(work) = self.work.take() else {
                return Performed::Keep;
            };
            let done = AssertUnwindSafe(async { work(ledger).await })
                .catch_unwind()
                .await;
            let trouble = match done {
                Ok(Ok(value)) => {
                    self.outcome = Some(Ok(value));
                    return Performed::Keep;
                }
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Store(StoreError::Panicked(self.operation)),
            };
            let reason = trouble.repeated();
            self.outcome = Some(Err(trouble.during(self.operation)));
            Performed::Undo(reason)
        }
        .boxed()
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), &Trouble>) {
        let outcome = match (committed, self.outcome) {
            // Its own error says more than the transaction's.
            (_, Some(Err(error))) => Err(error),
            (Ok(()), Some(Ok(value))) => Ok(value),
            (Err(trouble), _) => Err(trouble.repeated().during(self.operation)),
            (Ok(()), None) => Err(StoreError::Closed),
        };
        // Nobody waits any more: the work stays done all the same.
        let _ = self.reply.send(outcome);
    }
}

/// Writes until every sender of requests is dropped.
pub(super) struct Writer {
    pub(super) ledger: Ledger,
    pub(super) requests: mpsc::Receiver<Box<dyn Request>>,
    pub(super) commits: watch::Sender<Cursor>,
    /// What `PRAGMA synchronous` is set to.
    pub(super) class: Class,
}

impl Writer {
    pub(super) async fn run(mut self) {
        let mut batch = Vec::new();
        while self.requests.recv_many(&mut batch, BATCH).await > 0 {
            let mut waiting = std::mem::take(&mut batch);
            while !waiting.is_empty() {
                waiting = self.write(waiting).await;
            }
        }
        if let Err(error) = self.ledger.close().await {
            tracing::warn!(%error, "the database was not closed cleanly; the next start will recover it");
        }
    }

    /// Writes requests in one transaction and answers them. Returns those whose turn did not come because the
    /// transaction was lost under another: at least one fewer than were given.
    async fn write(&mut self, requests: Vec<Box<dyn Request>>) -> Vec<Box<dyn Request>> {
        let class = requests
            .iter()
            .map(|request| request.class())
            .max()
            .unwrap_or(Class::Durable);
        if let Err(trouble) = self.begin(class).await {
            tracing::error!(error = %trouble, requests = requests.len(), "no transaction could be begun");
            answer(requests, Err(&trouble));
            return Vec::new();
        }
        let start = self.ledger.last();
        let mut done = Vec::with_capacity(requests.len());
        let mut left = requests.into_iter();
        let mut lost = None;
        for mut request in left.by_ref() {
            let outcome = self.perform(&mut *request).await;
            done.push(request);
            if let Err(trouble) = outcome {
                lost = Some(trouble);
                break;
            }
        }
        let committed = match lost {
            None => self.execute(batch::COMMIT).await.map(drop),
            Some(trouble) => Err(trouble),
        };
        match committed {
            Ok(()) => {
                let last = self.ledger.last();
                if self.ledger.take_released() || last > start {
                    self.commits.send_replace(last);
                }
                answer(done, Ok(()));
            }
            Err(trouble) => {
                tracing::error!(error = %trouble, requests = done.len(), "a transaction was lost");
                // SQLite may have rolled back by itself; then there is nothing left to roll back.
                let _ = self.execute(batch::ROLLBACK).await;
                self.ledger.rewind(start);
                answer(done, Err(&trouble));
            }
        }
        left.collect()
    }

    async fn begin(&mut self, class: Class) -> std::result::Result<(), Trouble> {
        if class != self.class {
            // Takes effect between transactions only.
            let pragma = if class == Class::Durable {
                batch::SYNC_FULL
            } else {
                batch::SYNC_NORMAL
            };
            self.execute(pragma).await?;
            self.class = class;
        }
        self.execute(batch::BEGIN).await.map(drop)
    }

    /// Performs one request in its savepoint.
    ///
    /// # Errors
    /// The transaction is lost.
    async fn perform(&mut self, request: &mut dyn Request) -> std::result::Result<(), Trouble> {
        self.execute(batch::SAVEPOINT).await?;
        let before = self.ledger.last();
        if let Performed::Undo(reason) = request.perform(&mut self.ledger).await {
            // Without the savepoint there is no transaction either: SQLite rolls back by itself when a disk is full.
            self.execute(batch::UNDO).await.map_err(|_| reason)?;
            self.ledger.rewind(before);
        }
        self.execute(batch::RELEASE).await.map(drop)
    }

    async fn execute(
        &mut self,
        sql: &'static str,
    ) -> std::result::Result<SqliteQueryResult, Trouble> {
        let connection: &mut SqliteConnection = self.ledger.connection();
        Ok(sqlx::query(sql).execute(connection).await?)
    }
}

fn answer(requests: Vec<Box<dyn Request>>, committed: std::result::Result<(), &Trouble>) {
    for request in requests {
        request.answer(committed);
    }
}
