//! What was used.

use async_trait::async_trait;
use stratavore_core::usage::Prices;

use super::PostgresStore;
use super::ledger::Ledger;
use super::sql::{session, usage as sql};
use super::trouble::Outcome;
use crate::knowledge::row::{GroupRow, QuarterRow, beginning, rates, sorted};
use crate::knowledge::words::cleaned;
use crate::moment::Moment;
use crate::{By, Quarter, Result, Usage, UsageFilter, UsageRow};

#[async_trait]
impl Usage for PostgresStore {
    async fn usage(&self, filter: UsageFilter) -> Result<Vec<UsageRow>> {
        let statement = match filter.by {
            By::Nothing => sql::TOGETHER,
            By::Day(_) => sql::BY_DAY,
            By::Model => sql::BY_MODEL,
            By::Project => sql::BY_PROJECT,
            By::Session => sql::BY_SESSION,
            By::Runner => sql::BY_RUNNER,
        };
        let query = || {
            let query = sqlx::query(statement)
                .bind(filter.since.map(Moment::from))
                .bind(filter.until.map(Moment::from))
                .bind(filter.project.map(|id| id.as_uuid()))
                .bind(filter.runner.map(|id| id.as_uuid()))
                .bind(filter.session.clone().map(cleaned));
            match filter.by {
                By::Day(east) => query.bind(i64::from(east)),
                _ => query,
            }
        };
        let rows = self.read_all("sum usage", query, GroupRow::row).await?;
        Ok(sorted(filter.by, rows))
    }

    async fn quarters(&self, from: i64, earlier: bool) -> Result<Vec<Quarter>> {
        let since = (!earlier).then(|| Moment::from(beginning(from)));
        // Of a long history it is more than what people wait for.
        let rows = self.run_long("sum usage", work!(quarters(from, since)));
        rows.await?.into_iter().map(QuarterRow::quarter).collect()
    }

    async fn reprice(&self, prices: Prices) -> Result<u64> {
        self.run_long("price what was used anew", work!(reprice(prices)))
            .await
    }
}

impl Ledger<'_> {
    async fn quarters(&mut self, from: i64, since: Option<Moment>) -> Outcome<Vec<QuarterRow>> {
        let mut transaction = self.begin(&[]).await?;
        sqlx::query(session::AT_LEISURE)
            .execute(&mut *transaction)
            .await?;
        let rows = sqlx::query_as(sql::QUARTERS)
            .bind(from)
            .bind(since)
            .fetch_all(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(rows)
    }

    async fn reprice(&mut self, prices: Prices) -> Outcome<u64> {
        let mut transaction = self.begin(&[]).await?;
        sqlx::query(session::AT_LEISURE)
            .execute(&mut *transaction)
            .await?;
        let models: Vec<String> = sqlx::query_scalar(sql::MODELS)
            .fetch_all(&mut *transaction)
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
            priced += query.execute(&mut *transaction).await?.rows_affected();
        }
        transaction.commit().await?;
        Ok(priced)
    }
}
