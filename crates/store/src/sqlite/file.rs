//! The database file: that it is ours, that it can be written, and that its version is known.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};

use super::trouble::{Trouble, is_corrupt, result_code};
use crate::{Result, StoreError};

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// 'STRV', as the first migration sets it.
const APPLICATION: i64 = 0x5354_5256;

/// A database file that may be opened.
pub(super) struct File<'a> {
    path: &'a Path,
}

impl<'a> File<'a> {
    /// Makes sure that the file is there (empty, where there was none), ours, private and writable.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] naming the file and the mend.
    pub(super) fn prepare(path: &'a Path) -> Result<Self> {
        let file = Self { path };
        if let Some(directory) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .map_err(|error| {
                    file.unusable(
                        "open",
                        format!("its directory cannot be made: {}", explain(&error)),
                    )
                })?;
        }
        let mut opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|error| file.unusable("open", explain(&error)))?;
        let about = opened
            .metadata()
            .map_err(|error| file.unusable("open", explain(&error)))?;
        if !about.is_file() {
            return Err(file.unusable("open", "it is no regular file; move it away".to_owned()));
        }
        let user = rustix::process::geteuid().as_raw();
        if about.uid() != user {
            return Err(file.unusable(
                "open",
                format!(
                    "it belongs to user {}, and this is user {user}; start Stratavore as its owner, give it back with \
                     chown, or set STRATAVORE_DATA_DIR to a directory of your own",
                    about.uid()
                ),
            ));
        }
        if about.mode() & 0o077 != 0 {
            // It holds what --env was given.
            opened
                .set_permissions(Permissions::from_mode(0o600))
                .map_err(|error| file.unusable("open", explain(&error)))?;
        }
        let mut magic = Vec::with_capacity(MAGIC.len());
        io::Read::by_ref(&mut opened)
            .take(MAGIC.len() as u64)
            .read_to_end(&mut magic)
            .map_err(|error| file.unusable("open", explain(&error)))?;
        if !magic.is_empty() && magic != MAGIC {
            return Err(file.corrupt("open", "it is no SQLite database"));
        }
        Ok(file)
    }

    /// Opens a connection that may write.
    pub(super) async fn connect(&self, options: &SqliteConnectOptions) -> Result<SqliteConnection> {
        options
            .connect()
            .await
            .map_err(|error| self.failed("open", error))
    }

    /// Brings the database to the newest version; an older one that holds something is backed up first.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when its version is not known, [`StoreError::Unusable`] when it belongs to another program, is
    /// damaged, or cannot be migrated.
    pub(super) async fn migrate(
        &self,
        connection: &mut SqliteConnection,
        migrator: &Migrator,
    ) -> Result<()> {
        let found = self.version(connection).await?;
        let known = migrator
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or(0);
        if found > known {
            return Err(StoreError::Newer {
                database: self.path.display().to_string(),
                found,
                known,
            });
        }
        // Not before it is known to be ours: it changes the file.
        sqlx::query("PRAGMA journal_mode = WAL")
            .execute(&mut *connection)
            .await
            .map_err(|error| self.failed("open", error))?;
        if found == known {
            return Ok(());
        }
        if found > 0 {
            self.back_up(connection, known).await?;
        }
        migrator.run(connection).await.map_err(|error| {
            self.unusable(
                "migrate",
                format!("{error}; the version before is kept beside it where it held anything"),
            )
        })
    }

    /// Wraps a failure of the database while it is being opened.
    pub(super) fn failed(&self, operation: &'static str, error: sqlx::Error) -> StoreError {
        if result_code(&error).is_some_and(is_corrupt) {
            return self.corrupt(operation, &error.to_string());
        }
        match Trouble::Sql(error).during(operation) {
            StoreError::DiskFull(_) => self.unusable(
                operation,
                "the disk is full; free some space on it".to_owned(),
            ),
            StoreError::Database { source, .. } => self.unusable(operation, source.to_string()),
            other => other,
        }
    }

    /// Returns the version of the schema; 0 for an empty database.
    async fn version(&self, connection: &mut SqliteConnection) -> Result<i64> {
        let failed = |error| self.failed("open", error);
        let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        if tables == 0 {
            return Ok(0);
        }
        let application: i64 = sqlx::query_scalar("PRAGMA application_id")
            .fetch_one(&mut *connection)
            .await
            .map_err(failed)?;
        let migrated: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')",
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
        let version: i64 = if migrated {
            sqlx::query_scalar(
                "SELECT coalesce(max(version), 0) FROM _sqlx_migrations WHERE success",
            )
            .fetch_one(connection)
            .await
            .map_err(failed)?
        } else {
            0
        };
        // The list of migrations alone is what a crash leaves of a creation that it cut short.
        let begun = migrated && version == 0;
        if application != APPLICATION && !begun {
            return Err(self.unusable(
                "open",
                "it is the database of another program; move it away, or set STRATAVORE_DATA_DIR to another directory"
                    .to_owned(),
            ));
        }
        Ok(version)
    }

    /// Copies the database beside itself before it is migrated to a version.
    async fn back_up(&self, connection: &mut SqliteConnection, version: i64) -> Result<()> {
        let copy = self.backup_path(version);
        let aside = PathBuf::from(format!("{}.partial", copy.display()));
        let io = |error: io::Error| self.unusable("back up", explain(&error));
        // Made here, so that it is private from its first byte; SQLite fills an empty file.
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&aside)
            .map_err(io)?;
        let name = aside.to_str().ok_or_else(|| {
            self.unusable(
                "back up",
                "its path is not valid UTF-8; set STRATAVORE_DATA_DIR to one that is".to_owned(),
            )
        })?;
        sqlx::query("VACUUM INTO ?1")
            .bind(name)
            .execute(connection)
            .await
            .map_err(|error| self.failed("back up", error))?;
        fs::File::open(&aside)
            .and_then(|file| file.sync_all())
            .map_err(io)?;
        fs::rename(&aside, &copy).map_err(io)
    }

    fn backup_path(&self, version: i64) -> PathBuf {
        PathBuf::from(format!("{}.before-{version}", self.path.display()))
    }

    fn corrupt(&self, operation: &'static str, why: &str) -> StoreError {
        self.unusable(
            operation,
            format!("it is damaged ({why}); restore a backup of it, or move it away to begin anew"),
        )
    }

    fn unusable(&self, operation: &'static str, reason: String) -> StoreError {
        StoreError::Unusable {
            operation,
            path: self.path.to_owned(),
            reason,
        }
    }
}

fn explain(error: &io::Error) -> String {
    let mend = match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            "its file system is read-only; mount it for writing, or set STRATAVORE_DATA_DIR to a directory elsewhere"
        }
        io::ErrorKind::PermissionDenied => {
            "permission denied; give yourself read and write access, or set STRATAVORE_DATA_DIR to a directory of your own"
        }
        io::ErrorKind::StorageFull => "the disk is full; free some space on it",
        io::ErrorKind::IsADirectory => "it is a directory; move it away",
        _ => return error.to_string(),
    };
    mend.to_owned()
}
