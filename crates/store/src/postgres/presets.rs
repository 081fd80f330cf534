//! A person's presets.

use async_trait::async_trait;
use stratavore_core::clock::Timestamp;
use stratavore_core::preset::Preset;

use super::PostgresStore;
use super::ledger::Ledger;
use super::sql::preset as sql;
use super::trouble::Outcome;
use crate::knowledge::row;
use crate::knowledge::words::cleaned;
use crate::moment::Moment;
use crate::row::json;
use crate::{Presets, Result, StoreError};

#[async_trait]
impl Presets for PostgresStore {
    async fn presets(&self, person: &str) -> Result<Vec<(String, Preset)>> {
        let person = cleaned(person.to_owned());
        let query = || sqlx::query(sql::LIST).bind(person.clone());
        self.read_all("list presets", query, row::preset).await
    }

    async fn everybodys_presets(&self) -> Result<Vec<(String, String, Preset)>> {
        let query = || sqlx::query(sql::LIST_ALL);
        self.read_all("list presets", query, row::persons_preset)
            .await
    }

    async fn put_preset(
        &self,
        person: &str,
        name: &str,
        preset: Preset,
        now: Timestamp,
    ) -> Result<()> {
        let (person, name) = (cleaned(person.to_owned()), cleaned(name.to_owned()));
        let preset = json("the preset", &preset)?;
        self.run(
            "keep the preset",
            work!(put_preset(&person, &name, &preset, now)),
        )
        .await
    }

    async fn remove_preset(&self, person: &str, name: &str) -> Result<()> {
        let (person, name) = (cleaned(person.to_owned()), cleaned(name.to_owned()));
        self.run("remove the preset", work!(remove_preset(&person, name)))
            .await
    }
}

impl Ledger<'_> {
    async fn put_preset(
        &mut self,
        person: &str,
        name: &str,
        preset: &str,
        now: Timestamp,
    ) -> Outcome<()> {
        sqlx::query(sql::PUT)
            .bind(person)
            .bind(name)
            .bind(preset)
            .bind(Moment::from(now))
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    async fn remove_preset(&mut self, person: &str, name: String) -> Outcome<()> {
        let removed = sqlx::query(sql::REMOVE)
            .bind(person)
            .bind(&name)
            .execute(&mut *self.connection)
            .await?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::NoPreset(name).into());
        }
        Ok(())
    }
}
