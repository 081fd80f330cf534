//! Budgets: setting them, recording who was told, and holding launches to them.

use stratavore_core::budget::{Budget, Reserve, Scope, Spent, Terms};
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{BudgetId, ProjectId};
use stratavore_core::project::Project;
use uuid::Uuid;

use super::{Ledger, Outcome};
use crate::admission::{self, Active, Asker, Overdrawn};
use crate::knowledge::row::{BudgetRow, SpentRow, subject};
use crate::row::{signed, small};
use crate::sqlite::budgets::spent;
use crate::sqlite::sql::budget as sql;
use crate::{Result, StoreError};

/// Whom facts concern that anybody is told of.
const ANYBODY: &str = "";

impl Ledger {
    pub(in crate::sqlite) async fn set_budget(&mut self, budget: Budget) -> Outcome<Budget> {
        let (project, runner, session) = subject(&budget.scope);
        let id: Uuid = sqlx::query_scalar(sql::SET)
            .bind(budget.id.as_uuid())
            .bind(budget.scope.as_str())
            .bind(project)
            .bind(runner)
            .bind(session)
            .bind(budget.period.as_str())
            .bind(budget.limit.unit())
            .bind(signed(budget.limit.number()))
            .bind(budget.at_limit.as_str())
            .bind(budget.set_at.timestamp_micros())
            .fetch_one(&mut self.connection)
            .await?;
        let budget = self.budget(BudgetId::from_uuid(id)).await?;
        let warned: Option<i64> = sqlx::query_scalar(sql::LAST_WARNED)
            .bind(id)
            .fetch_one(&mut self.connection)
            .await?;
        if let Some(since) = warned.and_then(Timestamp::from_timestamp_micros) {
            let spent = self.spent_of(&budget, since).await?;
            sqlx::query(sql::UNWARN)
                .bind(id)
                .bind(budget.reached(&spent).unwrap_or(0))
                .execute(&mut self.connection)
                .await?;
        }
        Ok(budget)
    }

    pub(in crate::sqlite) async fn remove_budget(&mut self, id: BudgetId) -> Outcome<()> {
        let removed = sqlx::query(sql::REMOVE)
            .bind(id.as_uuid())
            .execute(&mut self.connection)
            .await?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::NoBudget(id).into());
        }
        Ok(())
    }

    pub(in crate::sqlite) async fn budget_reached(
        &mut self,
        id: BudgetId,
        since: Timestamp,
        percent: u8,
        project: Option<ProjectId>,
        now: Timestamp,
    ) -> Outcome<bool> {
        let budget = self.budget(id).await?;
        let warned = sqlx::query(sql::WARN)
            .bind(id.as_uuid())
            .bind(since.timestamp_micros())
            .bind(percent)
            .bind(now.timestamp_micros())
            .execute(&mut self.connection)
            .await?;
        if warned.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some(project) = project {
            let (_, chain) = self.project(project).await?;
            let spent = self.spent_of(&budget, since).await?;
            let fact = admission::reached(&budget, &spent, percent);
            self.note_of_project(chain, &[fact], ANYBODY, now).await?;
        }
        Ok(true)
    }

    /// Tells whether budgets leave room for one more runner of a project.
    pub(super) async fn afford(
        &mut self,
        project: &Project,
        asker: Asker<'_>,
        terms: Option<Terms>,
    ) -> Outcome<Result<(), Overdrawn>> {
        let Some(terms) = terms else {
            return Ok(Ok(()));
        };
        let mut rows: Vec<SpentRow> = spent(sql::SPENT_OF_ALL, &terms, true)
            .fetch_all(&mut self.connection)
            .await?;
        let of_project = spent(sql::SPENT_OF_PROJECTS, &terms, true).bind(project.id.as_uuid());
        rows.extend(of_project.fetch_all(&mut self.connection).await?);
        if let Some(runner) = asker.runner {
            let of_runner = spent(sql::SPENT_OF_RUNNERS, &terms, true).bind(runner.as_uuid());
            rows.extend(of_runner.fetch_all(&mut self.connection).await?);
        }
        if let Some(session) = asker.session {
            let of_session = spent(sql::SPENT_OF_SESSIONS, &terms, true).bind(session.to_owned());
            rows.extend(of_session.fetch_all(&mut self.connection).await?);
        }
        if rows.is_empty() {
            return Ok(Ok(()));
        }
        let everywhere: i64 = sqlx::query_scalar(sql::ACTIVE)
            .fetch_one(&mut self.connection)
            .await?;
        let in_project: i64 = sqlx::query_scalar(sql::ACTIVE_IN)
            .bind(project.id.as_uuid())
            .fetch_one(&mut self.connection)
            .await?;
        let what = "the number of runners";
        let active = Active {
            everywhere: small(what, everywhere)?,
            in_project: small(what, in_project)?,
        };
        let drawn: Result<Vec<(Budget, Spent)>> = rows.into_iter().map(SpentRow::spent).collect();
        Ok(admission::afford(&drawn?, active, terms.reserve))
    }

    async fn budget(&mut self, id: BudgetId) -> Outcome<Budget> {
        let row: Option<BudgetRow> = sqlx::query_as(sql::GET)
            .bind(id.as_uuid())
            .fetch_optional(&mut self.connection)
            .await?;
        Ok(row.ok_or(StoreError::NoBudget(id))?.budget()?)
    }

    /// Sums what was spent of a budget since a moment.
    async fn spent_of(&mut self, budget: &Budget, since: Timestamp) -> Outcome<Spent> {
        let terms = Terms {
            began: [since; 4],
            reserve: Reserve::default(),
        };
        let query = match &budget.scope {
            Scope::Global => spent(sql::SPENT_OF_ALL, &terms, false),
            Scope::Project(id) => spent(sql::SPENT_OF_PROJECTS, &terms, false).bind(id.as_uuid()),
            Scope::Runner(id) => spent(sql::SPENT_OF_RUNNERS, &terms, false).bind(id.as_uuid()),
            Scope::Session(id) => spent(sql::SPENT_OF_SESSIONS, &terms, false).bind(id.clone()),
        };
        for row in query.fetch_all(&mut self.connection).await? {
            let (found, spent) = row.spent()?;
            if found.id == budget.id {
                return Ok(spent);
            }
        }
        Err(StoreError::NoBudget(budget.id).into())
    }
}
