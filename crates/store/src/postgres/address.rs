//! Where the database is, told without the password.

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::{Result, StoreError};

/// A server, a database on it, and who connects. Shown without the password, which only the connection knows.
#[derive(Clone)]
pub(super) struct Address {
    options: PgConnectOptions,
}

impl Address {
    /// Reads a URL with the parameters that `sqlx` knows.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] which does not repeat the URL, since a part of it may be a password.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let refuse = |why: &str| StoreError::Unreachable {
            database: "of store.url".to_owned(),
            reason: format!(
                "{why}; write it as postgres://user:password@host:port/database?sslmode=verify-full"
            ),
        };
        if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
            return Err(refuse("its address is no postgres:// URL"));
        }
        let options =
            PgConnectOptions::from_str(url).map_err(|_| refuse("its address is no URL"))?;
        Ok(Self {
            // A pooler in between refuses parameters that it does not track.
            options: options
                .extra_float_digits(None)
                .application_name("stratavore"),
        })
    }

    /// Returns what a connection is made with.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// Returns the server alone.
    pub(super) fn server(&self) -> String {
        match self.options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", self.options.get_host(), self.options.get_port()),
        }
    }

    /// Returns who connects.
    pub(super) fn user(&self) -> &str {
        self.options.get_username()
    }

    /// Returns the name of the database.
    pub(super) fn database(&self) -> &str {
        // As the server does.
        self.options
            .get_database()
            .unwrap_or(self.options.get_username())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} on {} (as {:?})",
            self.database(),
            self.server(),
            self.user()
        )
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}
