//! The database that hosts stand on, looked at, brought up to date and moved without a host.

use serde::Serialize;
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::config::Config;
use stratavore_core::places::Places;
use stratavore_core::server_url::ServerUrl;
use stratavore_store::postgres;
pub use stratavore_store::postgres::Copied;

use crate::HostError;
use crate::host::{held_directory, running};

/// What is known of a database.
#[derive(Clone, Debug, Serialize)]
pub struct Database {
    /// `sqlite` or `postgres`.
    pub kind: &'static str,
    /// Where it is, without any password.
    pub address: String,
    /// The version of its schema; 0: nothing is there yet. Absent for a file, which its host brings up to date.
    pub version: Option<i64>,
    /// The newest version that this program knows.
    pub newest: Option<i64>,
}

/// Tells which database the settings name, and how new its schema is.
///
/// # Errors
/// [`HostError::Store`] when it cannot be reached.
pub async fn status(places: &Places, config: &Config) -> Result<Database, HostError> {
    match config.store_url() {
        None => Ok(Database {
            kind: "sqlite",
            address: places.database().display().to_string(),
            version: None,
            newest: None,
        }),
        Some(url) => Ok(shared(&url, postgres::schema(url.expose()).await?)),
    }
}

/// Brings the shared database to the newest version, and tells which it had.
///
/// # Errors
/// [`HostError::NotShared`] when the settings name none, [`HostError::Store`] when it cannot be reached or is newer.
pub async fn migrate(config: &Config) -> Result<Database, HostError> {
    let url = config.store_url().ok_or(HostError::NotShared)?;
    let schema = postgres::migrate(url.expose()).await?;
    Ok(shared(&url, schema))
}

/// Copies this machine's own history to the shared database that the settings name: whole, verified, once.
///
/// # Errors
/// [`HostError::HostRuns`] while one does, [`HostError::NotShared`] when the settings name no shared database,
/// [`HostError::Store`] for what is wrong with either of them. Then nothing was written.
pub async fn copy(places: &Places, config: &Config) -> Result<Copied, HostError> {
    let url = config.store_url().ok_or(HostError::NotShared)?;
    let _lock = match held_directory(places).await {
        Err(HostError::Held(_)) => return Err(running(places)),
        held => held?,
    };
    let (file, key) = (places.database(), places.audit_key());
    Ok(postgres::copy_from_sqlite(&file, &key, url.expose(), SystemClock.now()).await?)
}

fn shared(url: &ServerUrl, schema: postgres::Schema) -> Database {
    Database {
        kind: "postgres",
        address: url.to_string(),
        version: Some(schema.found),
        newest: Some(schema.known),
    }
}
