//! What is known of runners' sessions and usage, at hand: every listing of runners shows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stratavore_core::ids::RunnerId;
use stratavore_store::{By, SessionFilter, UsageFilter, UsageRow};
use tokio::time::Instant;

use crate::supervisor::Supervisor;

/// Sessions that are looked through for those of runners that ended.
const SESSIONS: u32 = 2000;

/// For how long it is at hand where other nodes use something too, of which this host is not told.
const FRESH: Duration = Duration::from_secs(60);

/// What runners held and used.
#[derive(Debug, Default)]
pub struct Known {
    /// The session that each held last.
    pub sessions: HashMap<RunnerId, String>,
    /// What each used.
    pub usage: HashMap<RunnerId, UsageRow>,
}

/// Keeps it until it changes.
#[derive(Debug, Default)]
pub(crate) struct Cache(Mutex<Option<(Instant, Arc<Known>)>>);

impl Cache {
    pub(crate) fn forget(&self) {
        *self.known() = None;
    }

    fn get(&self, others: bool, now: Instant) -> Option<Arc<Known>> {
        let known = self.known();
        let (since, known) = known.as_ref()?;
        let is_fresh = !others || now < *since + FRESH;
        is_fresh.then(|| Arc::clone(known))
    }

    fn keep(&self, known: &Arc<Known>, now: Instant) {
        *self.known() = Some((now, Arc::clone(known)));
    }

    fn known(&self) -> MutexGuard<'_, Option<(Instant, Arc<Known>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Supervisor {
    /// Returns what runners held and used; nothing while the store is away and knew nothing before.
    pub async fn known(&self) -> Arc<Known> {
        let cache = &self.inner.sessions.known;
        if let Some(known) = cache.get(self.nodes().len() > 1, Instant::now()) {
            return known;
        }
        let filter = SessionFilter {
            limit: Some(SESSIONS),
            ..SessionFilter::default()
        };
        let sessions = self.inner.store.sessions(filter).await;
        let usage = UsageFilter {
            by: By::Runner,
            ..UsageFilter::default()
        };
        let usage = self.inner.store.usage(usage).await;
        let (Ok(sessions), Ok(usage)) = (sessions, usage) else {
            return Arc::default();
        };
        let mut known = Known::default();
        for session in sessions {
            if let Some(runner) = session.runner {
                // The latest come first.
                known.sessions.entry(runner).or_insert(session.key.id);
            }
        }
        for row in usage {
            if let Ok(runner) = row.key.parse() {
                known.usage.insert(runner, row);
            }
        }
        let known = Arc::new(known);
        cache.keep(&known, Instant::now());
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_at_hand_until_it_changes_and_beside_other_nodes_for_a_minute() {
        let (cache, now) = (Cache::default(), Instant::now());
        assert!(cache.get(false, now).is_none());
        cache.keep(&Arc::default(), now);
        assert!(cache.get(true, now + FRESH / 2).is_some());
        assert!(cache.get(true, now + FRESH).is_none());
        assert!(cache.get(false, now + FRESH).is_some());
        cache.forget();
        assert!(cache.get(false, now).is_none());
    }
}
