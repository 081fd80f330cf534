//! What is known of runners' sessions and usage, at hand: every listing of runners shows it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use stratavore_core::ids::RunnerId;
use stratavore_store::{By, SessionFilter, UsageFilter, UsageRow};

use crate::supervisor::Supervisor;

/// Sessions that are looked through for those of runners that ended.
const SESSIONS: u32 = 2000;

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
pub(crate) struct Cache(Mutex<Option<Arc<Known>>>);

impl Cache {
    pub(crate) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn get(&self) -> Option<Arc<Known>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Supervisor {
    /// Returns what runners held and used; nothing while the store is away and knew nothing before.
    pub async fn known(&self) -> Arc<Known> {
        let cache = &self.inner.sessions.known;
        if let Some(known) = cache.get() {
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
        *cache.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        known
    }
}
