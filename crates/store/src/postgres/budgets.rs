//! Budgets.

use async_trait::async_trait;
use stratavore_core::budget::{Budget, Spent, Terms};
use stratavore_core::clock::{Timestamp, to_micros};
use stratavore_core::ids::{BudgetId, ProjectId};

use super::PostgresStore;
use super::sql::budget as sql;
use crate::knowledge::row::SpentRow;
use crate::moment::Moment;
use crate::{Budgets, Result};

#[async_trait]
impl Budgets for PostgresStore {
    async fn set_budget(&self, budget: Budget) -> Result<Budget> {
        self.run("set the budget", work!(set_budget(budget))).await
    }

    async fn remove_budget(&self, id: BudgetId) -> Result<()> {
        self.run("remove the budget", work!(remove_budget(id)))
            .await
    }

    async fn budgets(&self, terms: Terms) -> Result<Vec<(Budget, Spent)>> {
        let query = || {
            let [hour, day, week, month] = terms.began.map(Moment::from);
            sqlx::query(sql::LIST)
                .bind(hour)
                .bind(day)
                .bind(week)
                .bind(month)
        };
        self.read_all("list budgets", query, SpentRow::spent).await
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
        self.append(
            "record that a share of the budget is reached",
            work!(budget_reached(id, since, percent, project, now)),
        )
        .await
    }
}
