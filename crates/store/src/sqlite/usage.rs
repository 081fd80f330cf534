//! What was used.

use async_trait::async_trait;
use stratavore_core::usage::Prices;

use super::SqliteStore;
use super::ledger::{Ledger, Outcome};
use super::sql::usage as sql;
use super::writer::Class;
use crate::knowledge::row::{GroupRow, QuarterRow, beginning, rates, sorted};
use crate::{By, Quarter, Result, Usage, UsageFilter, UsageRow};

#[async_trait]
impl Usage for SqliteStore {
    async fn usage(&self, filter: UsageFilter) -> Result<Vec<UsageRow>> {
        let by = match filter.by {
            By::Nothing => sql::TOGETHER,
            By::Day(_) => sql::BY_DAY,
            By::Model => sql::BY_MODEL,
            By::Project => sql::BY_PROJECT,
            By::Session => sql::BY_SESSION,
            By::Runner => sql::BY_RUNNER,
        };
        // By the index that leaves the least.
        let index = if filter.session.is_some() {
            3
        } else if filter.runner.is_some() {
            2
        } else {
            usize::from(filter.project.is_some())
        };
        let mut query = sqlx::query(by[index])
            .bind(filter.since.map(|at| at.timestamp_micros()))
            .bind(filter.until.map(|at| at.timestamp_micros()))
            .bind(filter.project.map(|id| id.as_uuid()))
            .bind(filter.runner.map(|id| id.as_uuid()))
            .bind(filter.session);
        if let By::Day(east) = filter.by {
            query = query.bind(east);
        }
        let rows = self.read_all("sum usage", query, GroupRow::row).await?;
        Ok(sorted(filter.by, rows))
    }

    async fn quarters(&self, from: i64, earlier: bool) -> Result<Vec<Quarter>> {
        let since = (!earlier).then(|| beginning(from).timestamp_micros());
        let query = sqlx::query(sql::QUARTERS).bind(from).bind(since);
        self.read_all("sum usage", query, QuarterRow::quarter).await
    }

    async fn reprice(&self, prices: Prices) -> Result<u64> {
        self.write(
            Class::Durable,
            "price what was used anew",
            work!(reprice(prices)),
        )
        .await
    }
}

impl Ledger {
    async fn reprice(&mut self, prices: Prices) -> Outcome<u64> {
        let models: Vec<String> = sqlx::query_scalar(sql::MODELS)
            .fetch_all(self.connection())
            .await?;
        let mut priced = 0;
        for model in models {
            let query = match prices.price(&model) {
                Some(price) => {
                    let query = sqlx::query(sql::PRICE).bind(model);
                    rates(price)
                        .into_iter()
                        .fold(query, |query, rate| query.bind(rate))
                }
                None => sqlx::query(sql::UNPRICE).bind(model),
            };
            priced += query.execute(self.connection()).await?.rows_affected();
        }
        Ok(priced)
    }
}
