//! Budgets: setting them, recording who was told, and holding launches to them.

use sqlx::PgConnection;
use stratavore_core::budget::{Budget, Reserve, Spent, Terms};
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{BudgetId, ProjectId};
use uuid::Uuid;

use super::projects::{self, note};
use super::{Ledger, Scope};
use crate::admission::{self, Active, Asker, Overdrawn};
use crate::chain::Chain;
use crate::knowledge::row::{BudgetRow, SpentRow, subject};
use crate::moment::Moment;
use crate::postgres::sql::budget as sql;
use crate::postgres::trouble::Outcome;
use crate::row::{moment, signed, small};
use crate::{Result, StoreError};

/// Whom facts concern that anybody is told of.
const ANYBODY: &str = "";

impl Ledger<'_> {
    pub(in crate::postgres) async fn set_budget(&mut self, budget: Budget) -> Outcome<Budget> {
        let (project, runner, session) = subject(&budget.scope);
        let mut transaction = self.begin(&[]).await?;
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
            .bind(Moment::from(budget.set_at))
            .fetch_one(&mut *transaction)
            .await?;
        let budget = read(&mut transaction, BudgetId::from_uuid(id)).await?;
        let warned: Option<Moment> = sqlx::query_scalar(sql::LAST_WARNED)
            .bind(id)
            .fetch_one(&mut *transaction)
            .await?;
        if let Some(since) = warned {
            let spent = spent_of(&mut transaction, &budget, moment("a warning", since)?).await?;
            sqlx::query(sql::UNWARN)
                .bind(id)
                .bind(i16::from(budget.reached(&spent).unwrap_or(0)))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(budget)
    }

    pub(in crate::postgres) async fn remove_budget(&mut self, id: BudgetId) -> Outcome<()> {
        let removed = sqlx::query(sql::REMOVE)
            .bind(id.as_uuid())
            .execute(&mut *self.connection)
            .await?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::NoBudget(id).into());
        }
        Ok(())
    }

    pub(in crate::postgres) async fn budget_reached(
        &mut self,
        id: BudgetId,
        since: Timestamp,
        percent: u8,
        project: Option<ProjectId>,
        now: Timestamp,
    ) -> Outcome<bool> {
        let here = self.node;
        let scopes: Vec<Scope<'_>> = project.map(Scope::Project).into_iter().collect();
        let mut transaction = self.begin(&scopes).await?;
        let budget = read(&mut transaction, id).await?;
        let warned = sqlx::query(sql::WARN)
            .bind(id.as_uuid())
            .bind(Moment::from(since))
            .bind(i16::from(percent))
            .bind(Moment::from(now))
            .execute(&mut *transaction)
            .await?;
        if warned.rows_affected() == 0 {
            return Ok(false);
        }
        if let Some(project) = project {
            let row = projects::read(&mut transaction, project).await?;
            let chain = Chain::of_project(&row)?;
            let spent = spent_of(&mut transaction, &budget, since).await?;
            let fact = admission::reached(&budget, &spent, percent);
            note(&mut transaction, here, chain, fact, ANYBODY, now).await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Tells whether budgets leave room for one more runner of a project. What they count is locked.
pub(super) async fn afford(
    connection: &mut PgConnection,
    project: ProjectId,
    asker: Asker<'_>,
    terms: Terms,
) -> Outcome<Result<(), Overdrawn>> {
    let rows: Vec<SpentRow> = asked(sql::HOLDING, &terms)
        .bind(project.as_uuid())
        .bind(asker.runner.map(|id| id.as_uuid()))
        .bind(asker.session.map(str::to_owned))
        .fetch_all(&mut *connection)
        .await?;
    if rows.is_empty() {
        return Ok(Ok(()));
    }
    let (everywhere, in_project): (i64, i64) = sqlx::query_as(sql::ACTIVE)
        .bind(project.as_uuid())
        .fetch_one(connection)
        .await?;
    let what = "the number of runners";
    let active = Active {
        everywhere: small(what, everywhere)?,
        in_project: small(what, in_project)?,
    };
    let drawn: Result<Vec<(Budget, Spent)>> = rows.into_iter().map(SpentRow::spent).collect();
    Ok(admission::afford(&drawn?, active, terms.reserve))
}

/// Asks for budgets with what was spent of them.
fn asked(statement: &'static str, terms: &Terms) -> Asked {
    let began = terms.began.map(Moment::from);
    let mut query = sqlx::query_as(statement);
    for moment in began {
        query = query.bind(moment);
    }
    query
}

type Asked = sqlx::query::QueryAs<'static, sqlx::Postgres, SpentRow, sqlx::postgres::PgArguments>;

async fn read(connection: &mut PgConnection, id: BudgetId) -> Outcome<Budget> {
    let row: Option<BudgetRow> = sqlx::query_as(sql::GET)
        .bind(id.as_uuid())
        .fetch_optional(connection)
        .await?;
    Ok(row.ok_or(StoreError::NoBudget(id))?.budget()?)
}

/// Sums what was spent of a budget since a moment.
async fn spent_of(
    connection: &mut PgConnection,
    budget: &Budget,
    since: Timestamp,
) -> Outcome<Spent> {
    let terms = Terms {
        began: [since; 4],
        reserve: Reserve::default(),
    };
    for row in asked(sql::LIST, &terms).fetch_all(connection).await? {
        let (found, spent) = row.spent()?;
        if found.id == budget.id {
            return Ok(spent);
        }
    }
    Err(StoreError::NoBudget(budget.id).into())
}
