//! Budgets.

use async_trait::async_trait;
use stratavore_core::budget::{Budget, Spent, Terms};
use stratavore_core::clock::{Timestamp, to_micros};
use stratavore_core::ids::{BudgetId, ProjectId};

use super::SqliteStore;
use super::ledger::Ledger;
use super::sql::budget as sql;
use super::trouble::Trouble;
use super::writer::Class;
use crate::knowledge::row::SpentRow;
use crate::{Budgets, Result};

#[async_trait]
impl Budgets for SqliteStore {
    async fn set_budget(&self, budget: Budget) -> Result<Budget> {
        self.write(Class::Durable, "set the budget", work!(set_budget(budget)))
            .await
    }

    async fn remove_budget(&self, id: BudgetId) -> Result<()> {
        self.write(
            Class::Durable,
            "remove the budget",
            work!(remove_budget(id)),
        )
        .await
    }

    async fn budgets(&self, terms: Terms) -> Result<Vec<(Budget, Spent)>> {
        const OPERATION: &str = "list budgets";
        let mut rows: Vec<SpentRow> = Vec::new();
        let of_all = spent(sql::SPENT_OF_ALL, &terms, false);
        let read = async {
            rows.extend(of_all.fetch_all(&self.readers).await?);
            for statement in [
                sql::SPENT_OF_PROJECTS,
                sql::SPENT_OF_RUNNERS,
                sql::SPENT_OF_SESSIONS,
            ] {
                let every = spent(statement, &terms, false).bind(None::<String>);
                rows.extend(every.fetch_all(&self.readers).await?);
            }
            Ok(())
        };
        read.await
            .map_err(|error: sqlx::Error| Trouble::Sql(error).during(OPERATION))?;
        rows.into_iter().map(SpentRow::spent).collect()
    }

    async fn budget_reached(
        &self,
        id: BudgetId,
        since: Timestamp,
        percent: u8,
        project: Option<ProjectId>,
        now: Timestamp,
    ) -> Result<bool> {
        let (since, now) = (to_micros(since), to_micros(now));
        self.write(
            Class::Durable,
            "record that a share of the budget is reached",
            work!(budget_reached(id, since, percent, project, now)),
        )
        .await
    }
}

/// Asks for budgets with what was spent of them, of those that hold launches back only where that is asked for.
pub(super) fn spent(statement: &'static str, terms: &Terms, holding: bool) -> Asked {
    let mut query = sqlx::query_as(statement);
    for began in terms.began {
        query = query.bind(began.timestamp_micros());
    }
    query.bind(holding)
}

/// A question for budgets.
pub(super) type Asked =
    sqlx::query::QueryAs<'static, sqlx::Sqlite, SpentRow, sqlx::sqlite::SqliteArguments>;
