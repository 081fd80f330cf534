//! What is kept of the programs' own files is the database's alone: it is read again from those, and passed on when the database
//! answers.

use async_trait::async_trait;
use stratavore_core::budget::{Budget, Spent, Terms};
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{BudgetId, ProjectId};
use stratavore_core::preset::Preset;
use stratavore_core::session::{Passage, Session, SessionKey};
use stratavore_core::usage::Prices;

use super::SharedStore;
use crate::{
    Budgets, Digest, Hit, Presets, Reading, Result, SearchQuery, SessionFilter, Sessions, Usage,
    UsageFilter, UsageRow,
};

#[async_trait]
impl Sessions for SharedStore {
    async fn transcripts(&self) -> Result<Vec<Reading>> {
        ask!(self, remote => remote.transcripts())
    }

    async fn digest(&self, digest: Digest) -> Result<u64> {
        ask!(self, remote => remote.digest(digest))
    }

    async fn put_session(&self, session: Session) -> Result<()> {
        ask!(self, remote => remote.put_session(session))
    }

    async fn transcripts_gone(&self, paths: Vec<String>) -> Result<()> {
        ask!(self, remote => remote.transcripts_gone(paths))
    }

    async fn sessions(&self, filter: SessionFilter) -> Result<Vec<Session>> {
        ask!(self, remote => remote.sessions(filter))
    }

    async fn session(&self, key: &SessionKey) -> Result<Session> {
        let key = key.clone();
        ask!(self, remote => async move { remote.session(&key).await })
    }

    async fn search(&self, query: SearchQuery) -> Result<Vec<Hit>> {
        ask!(self, remote => remote.search(query))
    }

    async fn passages(&self, key: &SessionKey, limit: u32) -> Result<Vec<Passage>> {
        let key = key.clone();
        ask!(self, remote => async move { remote.passages(&key, limit).await })
    }

    async fn forget_index(&self) -> Result<()> {
        ask!(self, remote => remote.forget_index())
    }
}

#[async_trait]
impl Usage for SharedStore {
    async fn usage(&self, filter: UsageFilter) -> Result<Vec<UsageRow>> {
        ask!(self, remote => remote.usage(filter))
    }

    async fn reprice(&self, prices: Prices) -> Result<u64> {
        ask!(self, remote => remote.reprice(prices))
    }
}

#[async_trait]
impl Budgets for SharedStore {
    async fn set_budget(&self, budget: Budget) -> Result<Budget> {
        ask!(self, remote => remote.set_budget(budget))
    }

    async fn remove_budget(&self, id: BudgetId) -> Result<()> {
        ask!(self, remote => remote.remove_budget(id))
    }

    async fn budgets(&self, terms: Terms) -> Result<Vec<(Budget, Spent)>> {
        ask!(self, remote => remote.budgets(terms))
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
        let person = person.to_owned();
        ask!(self, remote => async move { remote.presets(&person).await })
    }

    async fn put_preset(
        &self,
        person: &str,
        name: &str,
        preset: Preset,
        now: Timestamp,
    ) -> Result<()> {
        let (person, name) = (person.to_owned(), name.to_owned());
        ask!(self, remote => async move { remote.put_preset(&person, &name, preset, now).await })
    }

    async fn remove_preset(&self, person: &str, name: &str) -> Result<()> {
        let (person, name) = (person.to_owned(), name.to_owned());
        ask!(self, remote => async move { remote.remove_preset(&person, &name).await })
    }
}
