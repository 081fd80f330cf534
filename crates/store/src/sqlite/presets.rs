//! A person's presets.

use async_trait::async_trait;
use stratavore_core::clock::Timestamp;
use stratavore_core::preset::Preset;

use super::SqliteStore;
use super::ledger::{Ledger, Outcome};
use super::sql::preset as sql;
use super::writer::{Class, Work};
use crate::knowledge::row;
use crate::row::json;
use crate::{Presets, Result, StoreError};

#[async_trait]
impl Presets for SqliteStore {
    async fn presets(&self, person: &str) -> Result<Vec<(String, Preset)>> {
        let query = sqlx::query(sql::LIST).bind(person);
        self.read_all("list presets", query, row::preset).await
    }

    async fn everybodys_presets(&self) -> Result<Vec<(String, String, Preset)>> {
        let query = sqlx::query(sql::LIST_ALL);
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
        let (person, name) = (person.to_owned(), name.to_owned());
        let preset = json("the preset", &preset)?;
        let work: Work<()> = Box::new(move |ledger| {
            Box::pin(async move { ledger.put_preset(&person, &name, &preset, now).await })
        });
        self.write(Class::Durable, "keep the preset", work).await
    }

    async fn remove_preset(&self, person: &str, name: &str) -> Result<()> {
        let (person, name) = (person.to_owned(), name.to_owned());
        let work: Work<()> = Box::new(move |ledger| {
            Box::pin(async move { ledger.remove_preset(&person, name).await })
        });
        self.write(Class::Durable, "remove the preset", work).await
    }
}

impl Ledger {
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
            .bind(now.timestamp_micros())
            .execute(self.connection())
            .await?;
        Ok(())
    }

    async fn remove_preset(&mut self, person: &str, name: String) -> Outcome<()> {
        let removed = sqlx::query(sql::REMOVE)
            .bind(person)
            .bind(&name)
            .execute(self.connection())
            .await?;
        if removed.rows_affected() == 0 {
            return Err(StoreError::NoPreset(name).into());
        }
        Ok(())
    }
}
