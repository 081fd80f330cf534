//! Failures, as they cross the socket.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tonic::Status;
use tonic::metadata::MetadataValue;

/// What kind of failure it is. A code exists because a client branches on it: exit codes, what the window offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// No such runner or project.
    NotFound,
    /// A prefix names several.
    Ambiguous,
    /// A quota leaves no room.
    QuotaFull,
    /// A budget leaves no room.
    BudgetSpent,
    /// The thing is not in a state for it, or a name is taken.
    Conflict,
    /// The request makes no sense.
    Invalid,
    /// A program could not be executed; its runner is kept as failed.
    CouldNotStart,
    /// Something needed is not there now.
    Unavailable,
    /// A limit of time was reached.
    Timeout,
    /// A setting is wrong.
    BadConfig,
    /// A fault of ours.
    Internal,
}

impl Code {
    const ALL: [Self; 11] = [
        Self::NotFound,
        Self::Ambiguous,
        Self::QuotaFull,
        Self::BudgetSpent,
        Self::Conflict,
        Self::Invalid,
        Self::CouldNotStart,
        Self::Unavailable,
        Self::Timeout,
        Self::BadConfig,
        Self::Internal,
    ];

    /// Returns its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Ambiguous => "ambiguous",
            Self::QuotaFull => "quota-full",
            Self::BudgetSpent => "budget-spent",
            Self::Conflict => "conflict",
            Self::Invalid => "invalid",
            Self::CouldNotStart => "could-not-start",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::BadConfig => "bad-config",
            Self::Internal => "internal",
        }
    }

    const fn grpc(self) -> tonic::Code {
        match self {
            Self::NotFound => tonic::Code::NotFound,
            Self::Ambiguous | Self::Invalid => tonic::Code::InvalidArgument,
            Self::QuotaFull | Self::BudgetSpent => tonic::Code::ResourceExhausted,
            Self::Conflict | Self::CouldNotStart | Self::BadConfig => {
                tonic::Code::FailedPrecondition
            }
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Timeout => tonic::Code::DeadlineExceeded,
            Self::Internal => tonic::Code::Internal,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL
            .into_iter()
            .find(|code| code.as_str() == text)
            .ok_or(())
    }
}

/// What failed, on which thing, why; and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What kind.
    pub code: Code,
    /// What failed, on which thing and why.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    /// Makes a failure without a hint.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

// The texts may hold any characters; gRPC metadata takes binary values under keys that end in -bin.
const CODE: &str = "stratavore-code";
const HINT: &str = "stratavore-hint-bin";

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let mut status = Self::new(failure.code.grpc(), failure.message);
        status
            .metadata_mut()
            .insert(CODE, MetadataValue::from_static(failure.code.as_str()));
        if let Some(hint) = failure.hint {
            status
                .metadata_mut()
                .insert_bin(HINT, MetadataValue::from_bytes(hint.as_bytes()));
        }
        status
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let metadata = status.metadata();
        let code = metadata
            .get(CODE)
            .and_then(|code| code.to_str().ok())
            .and_then(|code| code.parse().ok());
        let hint = metadata
            .get_bin(HINT)
            .and_then(|hint| hint.to_bytes().ok())
            .map(|hint| String::from_utf8_lossy(&hint).into_owned());
        match code {
            Some(code) => Self {
                code,
                message: status.message().to_owned(),
                hint,
            },
            // Not the host's own word: the connection or the protocol failed.
            None => Self {
                code: match status.code() {
                    tonic::Code::Unavailable | tonic::Code::Cancelled | tonic::Code::Unknown => {
                        Code::Unavailable
                    }
                    tonic::Code::DeadlineExceeded => Code::Timeout,
                    tonic::Code::Unimplemented | tonic::Code::InvalidArgument => Code::Invalid,
                    _ => Code::Internal,
                },
                message: format!("the host did not answer: {}", status.message()),
                hint: Some(
                    "see whether it runs with `stratavore status`, and try again".to_owned(),
                ),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_survives_the_socket() {
        for code in Code::ALL {
            let failure = Failure::new(code, "cannot stop \u{1f980}").hint("run\nthis");
            assert_eq!(Failure::from(Status::from(failure.clone())), failure);
        }
    }
}
