//! Keeps the books of what was last known of sessions, usage, budgets and presets.
//!
//! None of these appends events. So what this node changes is learned a moment after it was, what others change within a minute as
//! far as it is of the last days, and everything anew each hour and whenever the database was away.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stratavore_core::budget::{Reserve, Terms};
use stratavore_core::clock::Timestamp;
use stratavore_core::session::SessionKey;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::warn;

use super::books::{Learned, OF_A_DAY, SESSIONS, Span, quarter};
use super::{GATHER, Inner};
use crate::{Result, SessionFilter, Store, StoreError};

/// How often it is learned what others changed.
const LOOK: Duration = Duration::from_secs(60);
/// How often all is learned anew.
const ANEW: Duration = Duration::from_secs(3600);
/// Of how many days what others used is learned each time.
const LATELY: i64 = 2;
/// How many sessions are learned each time.
const LATEST: u32 = 200;
/// How many sessions are asked for one by one.
const ONE_BY_ONE: usize = 20;

/// What is to be learned.
#[derive(Debug, Default)]
pub(super) struct Stale {
    all_sessions: bool,
    /// Those, and the latest.
    sessions: HashSet<SessionKey>,
    /// What was used from this quarter of an hour on.
    used_from: Option<i64>,
}

impl Stale {
    fn all() -> Self {
        Self {
            all_sessions: true,
            used_from: Some(i64::MIN),
            ..Self::default()
        }
    }

    fn lately(now: Timestamp) -> Self {
        Self {
            used_from: Some(quarter(now) - LATELY * OF_A_DAY),
            ..Self::default()
        }
    }

    /// What a session has become, and what was used in it since a moment.
    pub(super) fn session(key: SessionKey, used_since: Option<Timestamp>) -> Self {
        Self {
            sessions: HashSet::from([key]),
            used_from: used_since.map(quarter),
            ..Self::default()
        }
    }

    /// What all sessions have become.
    pub(super) fn sessions() -> Self {
        Self {
            all_sessions: true,
            ..Self::default()
        }
    }

    /// What all usage has become.
    pub(super) fn usage() -> Self {
        Self {
            used_from: Some(i64::MIN),
            ..Self::default()
        }
    }

    fn join(&mut self, other: Self) {
        self.all_sessions |= other.all_sessions;
        self.sessions.extend(other.sessions);
        self.used_from = [self.used_from, other.used_from]
            .into_iter()
            .flatten()
            .min();
    }
}

/// Remembers what is to be learned.
#[derive(Debug)]
pub(super) struct Ignorance {
    stale: Mutex<Stale>,
    /// Until when it is of no use to try.
    pause: Mutex<Option<Instant>>,
    grew: Notify,
}

impl Default for Ignorance {
    fn default() -> Self {
        Self {
            stale: Mutex::new(Stale::all()),
            pause: Mutex::default(),
            grew: Notify::new(),
        }
    }
}

impl Ignorance {
    /// Learns that something changed.
    pub(super) fn changed(&self, stale: Stale) {
        self.stale().join(stale);
        self.grew.notify_one();
    }

    /// Learns that anything may have changed.
    pub(super) fn everything(&self) {
        self.stale().join(Stale::all());
        *self.pause() = None;
    }

    fn take(&self) -> Taken<'_> {
        Taken {
            from: self,
            stale: std::mem::take(&mut *self.stale()),
        }
    }

    fn stale(&self) -> MutexGuard<'_, Stale> {
        self.stale.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self) -> MutexGuard<'_, Option<Instant>> {
        self.pause.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is being learned: what of it is left when this is dropped is to be learned still.
struct Taken<'i> {
    from: &'i Ignorance,
    stale: Stale,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.from.stale().join(std::mem::take(&mut self.stale));
    }
}

impl Inner {
    /// Learns what changes for as long as the database is followed. What fails is tried again later, and takes nothing else
    /// with it.
    pub(super) async fn keep_books(&self, remote: &dyn Store) -> Infallible {
        let mut anew = Instant::now() + ANEW;
        loop {
            let pause = *self.ignorance.pause();
            if let Some(end) = pause {
                sleep_until(end).await;
            }
            let mut taken = self.ignorance.take();
            let learned = self.learn_books(remote, &taken.stale).await;
            if learned.is_ok() {
                taken.stale = Stale::default();
            }
            drop(taken);
            let look = Instant::now() + LOOK;
            if let Err(error) = learned {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "cannot keep what is known of sessions and usage"
                );
                *self.ignorance.pause() = Some(look);
                continue;
            }
            tokio::select! {
                // What comes meanwhile is learned in one go.
                () = self.ignorance.grew.notified() => sleep(GATHER).await,
                () = sleep_until(look) => self.ignorance.stale().join(Stale::lately(self.clock.now())),
            }
            if Instant::now() >= anew {
                anew = Instant::now() + ANEW;
                self.ignorance.everything();
            }
        }
    }

    async fn learn_books(&self, remote: &dyn Store, stale: &Stale) -> Result<()> {
        let now = self.clock.now();
        let first = self.cache.first_quarter().await?;
        let all = Span::all(now);
        let span = stale.used_from.map(|from| match first {
            Some(first) if from >= first => Span::From(from),
            _ => all,
        });
        let used = match span {
            None => None,
            Some(span @ Span::All(first)) => Some((span, remote.quarters(first, true).await?)),
            Some(span @ Span::From(from)) => Some((span, remote.quarters(from, false).await?)),
        };
        let all_sessions = stale.all_sessions || stale.sessions.len() > ONE_BY_ONE;
        let filter = SessionFilter {
            limit: Some(if all_sessions { SESSIONS } else { LATEST }),
            ..SessionFilter::default()
        };
        let mut sessions = remote.sessions(filter).await?;
        if !all_sessions {
            for key in &stale.sessions {
                if sessions.iter().all(|session| session.key != *key) {
                    match remote.session(key).await {
                        Ok(session) => sessions.push(session),
                        Err(StoreError::NoSession(_)) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        // What was spent is summed here when it is asked for.
        let terms = Terms {
            began: [now; 4],
            reserve: Reserve::default(),
        };
        let budgets = remote.budgets(terms).await?;
        let learned = Learned {
            sessions,
            all_sessions,
            used,
            budgets: budgets.into_iter().map(|(budget, _)| budget).collect(),
            presets: remote.everybodys_presets().await?,
        };
        self.cache.keep(&learned).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::FutureExt;
    use stratavore_core::clock::{Clock, SystemClock};
    use stratavore_core::preset::Preset;
    use stratavore_core::usage::{Entry, Tokens};

    use super::*;
    use crate::shared::SharedStore;
    use crate::shared::books::tests::session;
    use crate::sqlite::{Options, SqliteStore};
    use crate::{Digest, Presets, Reading, Sessions, Usage, UsageFilter};

    fn digest(store: &SqliteStore, id: &str, days: i64) -> Digest {
        let at = SystemClock.now() - chrono::TimeDelta::days(days);
        let session = session(store.instance().clone(), id.into(), at);
        let entry = Entry {
            message: id.into(),
            session: id.into(),
            model: "opus".into(),
            at,
            tokens: Tokens::default(),
        };
        Digest {
            from: None,
            reading: Reading {
                path: format!("/{id}"),
                file: "1:2".into(),
                offset: 9,
                memory: String::new(),
            },
            session,
            passages: Vec::new(),
            entries: vec![(entry, None)],
            runner: None,
        }
    }

    #[tokio::test]
    async fn a_look_learns_what_others_did_lately_and_learning_anew_the_rest() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let now = SystemClock.now();
        let others = SqliteStore::open(place("db"), place("key"), Options::default(), now);
        let others = Arc::new(others.await.unwrap());
        let remote = Arc::clone(&others) as Arc<dyn Store>;
        let connect = Box::new(move || {
            let remote = Arc::clone(&remote);
            async move { Ok(remote) }.boxed()
        });
        let instance = others.instance().clone();
        let cache = place("cache");
        let store = SharedStore::open(&cache, instance, Arc::new(SystemClock), connect);
        let store = store.await.unwrap();
        // It learns here when it is told to.
        let task = store.task.lock().unwrap().take().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        let inner = &store.inner;
        inner.learn_books(&*others, &Stale::all()).await.unwrap();

        others.digest(digest(&others, "lately", 1)).await.unwrap();
        others.digest(digest(&others, "before", 9)).await.unwrap();
        let put = others.put_preset("ada", "review", Preset::default(), now);
        put.await.unwrap();
        let messages = async || {
            let used = inner.cache.usage(&UsageFilter::default()).await.unwrap();
            used.unwrap()[0].messages
        };
        inner
            .learn_books(&*others, &Stale::lately(now))
            .await
            .unwrap();
        assert_eq!(messages().await, 1);
        let sessions = inner.cache.sessions(&SessionFilter::default()).await;
        assert_eq!(sessions.unwrap().unwrap().len(), 2);
        let presets = inner.cache.presets("ada").await.unwrap().unwrap();
        assert_eq!(presets, others.presets("ada").await.unwrap());
        inner.learn_books(&*others, &Stale::usage()).await.unwrap();
        assert_eq!(messages().await, 2);
        assert_eq!(
            others.usage(UsageFilter::default()).await.unwrap()[0].messages,
            2
        );
    }

    #[test]
    fn what_was_not_learned_is_to_be_learned_still() {
        let ignorance = Ignorance::default();
        drop(ignorance.take());
        assert!(ignorance.stale().all_sessions, "it was cut short");
        let mut taken = ignorance.take();
        ignorance.changed(Stale::usage());
        taken.stale = Stale::default();
        drop(taken);
        let left = ignorance.take();
        assert_eq!(
            (left.stale.all_sessions, left.stale.used_from),
            (false, Some(i64::MIN))
        );
    }
}
