//! Named launches: a person's own are in the store, a project's in its `.stratavore.toml`.

use std::collections::BTreeMap;

use stratavore_core::preset::{self, Preset};
use stratavore_core::project::Project;
use stratavore_store::StoreError;

use crate::launch::project_file;
use crate::supervisor::{Change, Supervisor};

impl Supervisor {
    /// Lists this person's presets by name.
    ///
    /// # Errors
    /// As [`stratavore_store::Presets::presets`].
    pub async fn presets(&self) -> Result<Vec<(String, Preset)>, StoreError> {
        self.inner.store.presets(&self.inner.person).await
    }

    /// Reads a project's own presets.
    ///
    /// # Errors
    /// What is wrong with its file.
    pub async fn presets_of(&self, project: &Project) -> Result<BTreeMap<String, Preset>, String> {
        match project_file(&project.path).await {
            Some((path, text)) => {
                preset::of_project(&text).map_err(|error| format!("{}: {error}", path.display()))
            }
            None => Ok(BTreeMap::new()),
        }
    }

    /// Keeps a preset of this person's.
    ///
    /// # Errors
    /// As [`stratavore_store::Presets::put_preset`].
    pub async fn put_preset(&self, name: &str, preset: Preset) -> Result<(), StoreError> {
        let (store, now) = (&self.inner.store, self.now());
        store
            .put_preset(&self.inner.person, name, preset, now)
            .await?;
        self.inner.changed(Change::Presets);
        Ok(())
    }

    /// Removes a preset of this person's.
    ///
    /// # Errors
    /// As [`stratavore_store::Presets::remove_preset`].
    pub async fn remove_preset(&self, name: &str) -> Result<(), StoreError> {
        self.inner
            .store
            .remove_preset(&self.inner.person, name)
            .await?;
        self.inner.changed(Change::Presets);
        Ok(())
    }
}
