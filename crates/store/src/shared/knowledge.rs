//! What is read of the programs' own files, and what bounds it: lists and sums are answered from the books while the database is
//! away; what changes them is the database's alone, and is read again from those files when it answers.

use async_trait::async_trait;
use stratavore_core::budget::{Budget, Spent, Terms};
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{BudgetId, ProjectId};
use stratavore_core::preset::Preset;
use stratavore_core::session::{Passage, Session, SessionKey};
use stratavore_core::usage::Prices;

use super::SharedStore;
use super::learning::Stale;
use crate::{
    Budgets, Digest, Hit, Presets, Quarter, Reading, Result, SearchQuery, SessionFilter, Sessions,
    StoreError, Usage, UsageFilter, UsageRow,
};

#[async_trait]
impl Sessions for SharedStore {
    async fn transcripts(&self) -> Result<Vec<Reading>> {
        ask!(self, remote => remote.transcripts())
    }

    async fn digest(&self, digest: Digest) -> Result<u64> {
        let used_since = digest.entries.iter().map(|(entry, _)| entry.at).min();
        let stale = Stale::session(digest.session.key.clone(), used_since);
        let new = ask!(self, remote => remote.digest(digest))?;
        self.inner.ignorance.changed(stale);
        Ok(new)
    }

    async fn put_session(&self, session: Session) -> Result<()> {
        // What was used in it may belong to another now.
        let stale = Stale::session(session.key.clone(), Some(session.began_at));
        ask!(self, remote => remote.put_session(session))?;
        self.inner.ignorance.changed(stale);
        Ok(())
    }

    async fn transcripts_gone(&self, paths: Vec<String>) -> Result<()> {
        ask!(self, remote => remote.transcripts_gone(paths))?;
        self.inner.ignorance.changed(Stale::sessions());
        Ok(())
    }

    async fn sessions(&self, filter: SessionFilter) -> Result<Vec<Session>> {
        let asked = filter.clone();
        known!(self, remote => remote.sessions(asked), cache => {
            cache.sessions(&filter).await?.ok_or_else(|| self.inner.unknown())
        })
    }

    async fn session(&self, key: &SessionKey) -> Result<Session> {
        let asked = key.clone();
        known!(self, remote => async move { remote.session(&asked).await }, cache => {
            cache.session(key).await?.ok_or_else(|| self.inner.unknown())
        })
    }

    async fn search(&self, query: SearchQuery) -> Result<Vec<Hit>> {
        match ask!(self, remote => remote.search(query)) {
            Err(StoreError::Away { reason }) => Err(StoreError::Away {
                reason: format!("what was said is searched in the shared database alone: {reason}"),
            }),
            found => found,
        }
    }

    async fn passages(&self, key: &SessionKey, limit: u32) -> Result<Vec<Passage>> {
        let key = key.clone();
        ask!(self, remote => async move { remote.passages(&key, limit).await })
    }

    async fn forget_index(&self) -> Result<()> {
        ask!(self, remote => remote.forget_index())?;
        self.inner.ignorance.changed(Stale::sessions());
        Ok(())
    }
}

#[async_trait]
impl Usage for SharedStore {
    async fn usage(&self, filter: UsageFilter) -> Result<Vec<UsageRow>> {
        let asked = filter.clone();
        known!(self, remote => remote.usage(asked), cache => {
            cache.usage(&filter).await?.ok_or_else(|| self.inner.unknown())
        })
    }

    async fn quarters(&self, from: i64, earlier: bool) -> Result<Vec<Quarter>> {
        ask!(self, remote => remote.quarters(from, earlier))
    }

    async fn reprice(&self, prices: Prices) -> Result<u64> {
        let priced = ask!(self, remote => remote.reprice(prices))?;
        if priced > 0 {
            self.inner.ignorance.changed(Stale::usage());
        }
        Ok(priced)
    }
}

#[async_trait]
impl Budgets for SharedStore {
    async fn set_budget(&self, budget: Budget) -> Result<Budget> {
        let budget = ask!(self, remote => remote.set_budget(budget))?;
        self.inner.ignorance.changed(Stale::default());
        Ok(budget)
    }

    async fn remove_budget(&self, id: BudgetId) -> Result<()> {
        ask!(self, remote => remote.remove_budget(id))?;
        self.inner.ignorance.changed(Stale::default());
        Ok(())
    }

    async fn budgets(&self, terms: Terms) -> Result<Vec<(Budget, Spent)>> {
        known!(self, remote => remote.budgets(terms), cache => {
            cache.budgets(&terms).await?.ok_or_else(|| self.inner.unknown())
        })
    }

    async fn budget_reached(
        &self,
        id: BudgetId,
        since: Timestamp,
        percent: u8,
        project: Option<ProjectId>,
        now: Timestamp,
    ) -> Result<bool> {
        ask!(self, remote => remote.budget_reached(id, since, percent, project, now))
    }
}

#[async_trait]
impl Presets for SharedStore {
    async fn presets(&self, person: &str) -> Result<Vec<(String, Preset)>> {
        let asked = person.to_owned();
        known!(self, remote => async move { remote.presets(&asked).await }, cache => {
            cache.presets(person).await?.ok_or_else(|| self.inner.unknown())
        })
    }

    async fn everybodys_presets(&self) -> Result<Vec<(String, String, Preset)>> {
        ask!(self, remote => remote.everybodys_presets())
    }

    async fn put_preset(
        &self,
        person: &str,
        name: &str,
        preset: Preset,
        now: Timestamp,
    ) -> Result<()> {
        let (person, name) = (person.to_owned(), name.to_owned());
        ask!(self, remote => async move { remote.put_preset(&person, &name, preset, now).await })?;
        self.inner.ignorance.changed(Stale::default());
        Ok(())
    }

    async fn remove_preset(&self, person: &str, name: &str) -> Result<()> {
        let (person, name) = (person.to_owned(), name.to_owned());
        ask!(self, remote => async move { remote.remove_preset(&person, &name).await })?;
        self.inner.ignorance.changed(Stale::default());
        Ok(())
    }
}
