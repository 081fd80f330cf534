//! What goes wrong, in words: whether the database is away, and what to do about it.

use super::address::Address;
use crate::StoreError;

/// An error that still lacks the name of the operation.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error("it did not answer in time")]
    Silent,
}

/// The outcome of work on a connection.
pub(super) type Outcome<T> = Result<T, Trouble>;

impl Trouble {
    /// Tells whether the connection is of no more use.
    pub(super) fn breaks_the_line(&self) -> bool {
        match self {
            Self::Store(_) => false,
            Self::Silent => true,
            Self::Sql(error) => match error {
                sqlx::Error::Database(error) => error.code().is_some_and(|code| is_the_end(&code)),
                sqlx::Error::RowNotFound
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::Encode(_)
                | sqlx::Error::TypeNotFound { .. } => false,
                _ => true,
            },
        }
    }

    /// Tells whether the same may succeed when it is done again: another transaction was in the way.
    pub(super) fn is_a_collision(&self) -> bool {
        // serialization_failure, deadlock_detected
        self.code()
            .is_some_and(|code| matches!(code.as_str(), "40001" | "40P01"))
    }

    /// Returns the constraint that was violated.
    pub(super) fn constraint(&self) -> Option<&str> {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }

    fn code(&self) -> Option<String> {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error.code().map(|code| code.into_owned()),
            _ => None,
        }
    }

    /// Says why the database is away, if that is what it is.
    pub(super) fn absence(&self) -> Option<String> {
        if let Some(code) = self.code() {
            return match code.as_str() {
                "57014" => Some("it took longer than 10 s over it".to_owned()),
                "55P03" => Some("what was wanted stayed locked for 5 s".to_owned()),
                "53300" => Some("it has no connection to spare".to_owned()),
                "25006" => Some("it may only be read, as a standby".to_owned()),
                "53100" => Some("its disk is full".to_owned()),
                code if is_the_end(code) => Some("it is ending or starting".to_owned()),
                _ => None,
            };
        }
        match self {
            Self::Silent => Some("it did not answer in time".to_owned()),
            Self::Sql(sqlx::Error::Io(error)) => Some(error.to_string()),
            Self::Sql(sqlx::Error::Tls(error)) => Some(format!("TLS failed: {error}")),
            Self::Sql(sqlx::Error::Protocol(_)) => {
                Some("what came was not what PostgreSQL says".to_owned())
            }
            Self::Store(_) | Self::Sql(_) => None,
        }
    }

    /// Names the operation that met it.
    pub(super) fn during(self, operation: &'static str, address: &Address) -> StoreError {
        if let Some(reason) = self.absence() {
            return StoreError::Away {
                reason: away(address, &reason),
            };
        }
        match self {
            Self::Store(error) => error,
            Self::Sql(source) => StoreError::Database { operation, source },
            Self::Silent => StoreError::Away {
                reason: away(address, "it did not answer in time"),
            },
        }
    }
}

/// Says that the database is away.
pub(super) fn away(address: &Address, reason: &str) -> String {
    format!(
        "cannot reach the database {address}: {reason}; what runs goes on, and what happens is written when it is back"
    )
}

/// Says why the store cannot be opened, and what to do.
pub(super) fn unopened(error: sqlx::Error, address: &Address) -> StoreError {
    let (server, user, name) = (address.server(), address.user(), address.database());
    let code = match &error {
        sqlx::Error::Database(error) => error.code().unwrap_or_default().into_owned(),
        _ => String::new(),
    };
    let reason = match code.as_str() {
        "28P01" | "28000" => format!(
            "the server refuses the user {user:?} (wrong password, or not let in by its pg_hba.conf); correct the user \
             and the password in store.url"
        ),
        "3D000" => format!(
            "there is no database {name:?}; correct store.url, or have it made with: CREATE DATABASE {name}"
        ),
        "42501" => format!(
            "the user {user:?} may not do that ({error}); have it allowed with: GRANT CREATE, USAGE ON SCHEMA public TO \
             {user}"
        ),
        _ => match &error {
            // A certificate that is refused comes as data that is no good.
            sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => format!(
                "TLS with {server} failed ({error}); check sslmode and sslrootcert in store.url"
            ),
            sqlx::Error::Io(error) => format!(
                "nothing answers at {server} ({error}); check the host and the port in store.url, and that the server runs"
            ),
            sqlx::Error::Tls(error) => format!(
                "TLS with {server} failed ({error}); check sslmode and sslrootcert in store.url"
            ),
            error => {
                let trouble = error.to_string();
                return StoreError::Unreachable {
                    database: address.to_string(),
                    reason: trouble,
                };
            }
        },
    };
    StoreError::Unreachable {
        database: address.to_string(),
        reason,
    }
}

/// Tells whether a code says that the server, or this connection to it, ends or is not there yet.
fn is_the_end(code: &str) -> bool {
    // connection_exception; admin_shutdown, crash_shutdown, cannot_connect_now; idle sessions that were ended
    code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03" | "57P05" | "25P03")
}
