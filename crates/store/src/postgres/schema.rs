//! The schema of the database: which version it has, and bringing it to ours.

use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{ConnectOptions, Connection, PgConnection};
use stratavore_core::ids::InstanceId;
use tokio::time::timeout;

use super::address::Address;
use super::follower::number;
use super::lines::CONNECT;
use super::sql::{audit, schema as sql};
use super::trouble::{Trouble, unopened};
use crate::audit::Keyring;
use crate::{Cursor, Result, StoreError};

/// How long bringing the schema up to date may take, waiting for another node that does so included.
const MIGRATE: Duration = Duration::from_secs(300);

/// Which version the schema has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The database's; 0: there is none of ours.
    pub found: i64,
    /// The newest that this program knows.
    pub known: i64,
}

/// Tells which version the schema of a database has, and changes nothing.
///
/// # Errors
/// [`StoreError::Unreachable`], naming what is wrong and the mend.
pub async fn schema(url: &str) -> Result<Schema> {
    let address = Address::parse(url)?;
    let mut connection = connect(&address).await?;
    let found = version(&mut connection, &address).await?;
    let _ = connection.close().await;
    let known = newest(&super::MIGRATIONS);
    Ok(Schema { found, known })
}

/// Brings a database to the newest version and tells which it had.
///
/// # Errors
/// [`StoreError::Unreachable`] or [`StoreError::Newer`], naming what is wrong and the mend.
pub async fn migrate(url: &str) -> Result<Schema> {
    let address = Address::parse(url)?;
    let mut connection = connect(&address).await?;
    let schema = bring_up(&mut connection, &address, &super::MIGRATIONS).await?;
    let _ = connection.close().await;
    Ok(schema)
}

/// Brings the database up to date, and makes this node's key known; returns where the log ends.
pub(super) async fn prepare(
    address: &Address,
    migrator: &Migrator,
    keys: &Keyring,
    instance: &InstanceId,
) -> Result<Cursor> {
    let mut connection = connect(address).await?;
    bring_up(&mut connection, address, migrator).await?;
    let last = timeout(CONNECT, async {
        sqlx::query(audit::KNOW_KEY)
            .bind(&keys.current().id)
            .bind(instance.as_str())
            .execute(&mut connection)
            .await?;
        number(&mut connection).await
    })
    .await
    .unwrap_or(Err(Trouble::Silent))
    .map_err(|trouble| match trouble {
        Trouble::Sql(error) => unopened(error, address),
        other => other.during("open the database", address),
    })?;
    // The server notices a connection that is dropped too.
    let _ = connection.close().await;
    Ok(last)
}

pub(super) async fn connect(address: &Address) -> Result<PgConnection> {
    match timeout(CONNECT, address.options().connect()).await {
        Ok(connected) => connected.map_err(|error| unopened(error, address)),
        Err(_) => Err(StoreError::Unreachable {
            database: address.to_string(),
            reason: format!(
                "{} did not answer within {} s; check the host and the port in store.url, and what lies between",
                address.server(),
                CONNECT.as_secs()
            ),
        }),
    }
}

async fn bring_up(
    connection: &mut PgConnection,
    address: &Address,
    migrator: &Migrator,
) -> Result<Schema> {
    let found = version(connection, address).await?;
    let known = newest(migrator);
    if found > known {
        return Err(StoreError::Newer {
            database: address.to_string(),
            found,
            known,
        });
    }
    if found < known {
        // `run` makes a future that the compiler does not see to be Send.
        let migrated = timeout(MIGRATE, migrator.run_direct(None, &mut *connection, false)).await;
        migrated
            .map_err(|_| StoreError::Unreachable {
                database: address.to_string(),
                reason: format!("it could not be migrated within {} s", MIGRATE.as_secs()),
            })?
            .map_err(|error| match error {
                MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                    unopened(error, address)
                }
                other => StoreError::Unreachable {
                    database: address.to_string(),
                    reason: format!("it cannot be migrated: {other}"),
                },
            })?;
    }
    Ok(Schema { found, known })
}

async fn version(connection: &mut PgConnection, address: &Address) -> Result<i64> {
    let read = async {
        let migrated: bool = sqlx::query_scalar(sql::MIGRATED)
            .fetch_one(&mut *connection)
            .await?;
        if !migrated {
            return Ok(0);
        }
        sqlx::query_scalar(sql::VERSION)
            .fetch_one(&mut *connection)
            .await
    };
    timeout(CONNECT, read)
        .await
        .map_err(|_| Trouble::Silent.during("open the database", address))?
        .map_err(|error| unopened(error, address))
}

fn newest(migrator: &Migrator) -> i64 {
    migrator
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}
