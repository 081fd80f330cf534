//! What goes wrong inside, before it is known which operation it was.

use sqlx::error::DatabaseError;

use crate::StoreError;

/// An error that still lacks the name of the operation.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error("the disk is full")]
    DiskFull,
}

/// SQLite's result codes that are told apart.
mod code {
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const NOT_A_DATABASE: i32 = 26;
    /// No room for the shared memory file beside the log.
    pub(super) const IOERR_SHMSIZE: i32 = 10 | (19 << 8);
}

impl Trouble {
    /// Names the operation that met it.
    pub(super) fn during(self, operation: &'static str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::DiskFull => StoreError::DiskFull(operation),
            Self::Sql(sqlx::Error::PoolClosed) => StoreError::Closed,
            Self::Sql(error) => match result_code(&error) {
                Some(code) if is_full(code) => StoreError::DiskFull(operation),
                Some(code) if is_corrupt(code) => StoreError::Corrupt {
                    what: "the database".to_owned(),
                    reason: format!(
                        "{error}; restore a backup of it, or move it away to begin anew"
                    ),
                },
                _ => StoreError::Database {
                    operation,
                    source: error,
                },
            },
        }
    }

    /// Returns the same for another request that met it.
    pub(super) fn repeated(&self) -> Self {
        match self {
            Self::DiskFull => Self::DiskFull,
            Self::Sql(error) if result_code(error).is_some_and(is_full) => Self::DiskFull,
            Self::Store(_) | Self::Sql(_) => {
                Self::Sql(sqlx::Error::Io(std::io::Error::other(self.to_string())))
            }
        }
    }
}

/// Tells whether the file is damaged or no database.
pub(super) fn is_corrupt(code: i32) -> bool {
    matches!(code & 0xff, code::CORRUPT | code::NOT_A_DATABASE)
}

fn is_full(code: i32) -> bool {
    code & 0xff == code::FULL || code == code::IOERR_SHMSIZE
}

/// Returns SQLite's extended result code.
pub(super) fn result_code(error: &sqlx::Error) -> Option<i32> {
    error
        .as_database_error()
        .and_then(DatabaseError::code)?
        .parse()
        .ok()
}
