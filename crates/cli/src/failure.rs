//! What went wrong, as a person and a script are told it.

use std::error::Error;
use std::io;

use stratavore_core::config::BadConfig;
use stratavore_core::places::NoPlace;
use stratavore_rpc::{Code, ConnectError};

/// What kind of failure it is; each has its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It did not work, or came out otherwise than asked for.
    Failed,
    /// The command line makes no sense.
    Usage,
    /// No such runner or project.
    NotFound,
    /// A name or prefix means several.
    Ambiguous,
    /// A quota leaves no room.
    QuotaFull,
    /// A budget leaves no room.
    BudgetSpent,
    /// Not possible in the present state, or a name is taken.
    Conflict,
    /// A time limit was reached.
    Timeout,
    /// No host runs, or what is needed is not there now.
    Unavailable,
    /// A setting is wrong.
    BadConfig,
    /// A fault of ours.
    Internal,
    /// Whoever read our output has gone: nothing to tell, and nobody to tell it to.
    BrokenPipe,
}

impl Kind {
    /// Returns its exit code; `args::EXIT_CODES` and docs/cli.md explain them.
    pub(crate) const fn exit_code(self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Failed | Self::Internal => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Ambiguous => 4,
            Self::QuotaFull => 5,
            Self::Conflict => 6,
            Self::Timeout => 7,
            Self::Unavailable => 8,
            Self::BadConfig => 9,
            Self::BudgetSpent => 10,
        }
    }

    /// Returns its word in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NotFound => "not-found",
            Self::Ambiguous => "ambiguous",
            Self::QuotaFull => "quota-full",
            Self::BudgetSpent => "budget-spent",
            Self::Conflict => "conflict",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::BadConfig => "bad-config",
            Self::Internal => "internal",
            Self::BrokenPipe => "broken-pipe",
        }
    }
}

/// What failed, on which thing and why; and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

/// The outcome of a command.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
        }
    }

    /// Makes a failure whose message ends with the whole chain of causes.
    pub(crate) fn caused(kind: Kind, message: impl Into<String>, cause: &dyn Error) -> Self {
        let mut text = message.into();
        let mut cause = Some(cause);
        while let Some(error) = cause {
            let part = error.to_string();
            // Some errors repeat their source in their own text.
            if !text.ends_with(&part) {
                text.push_str(": ");
                text.push_str(&part);
            }
            cause = error.source();
        }
        Self::new(kind, text)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Makes the failure of writing to stdout.
    pub(crate) fn of_stdout(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Kind::BrokenPipe, "stdout was closed"),
            _ => Self::caused(Kind::Failed, "cannot write to stdout", error),
        }
    }
}

impl From<stratavore_rpc::Failure> for Failure {
    fn from(failure: stratavore_rpc::Failure) -> Self {
        let kind = match failure.code {
            Code::NotFound => Kind::NotFound,
            Code::Ambiguous => Kind::Ambiguous,
            Code::QuotaFull => Kind::QuotaFull,
            Code::BudgetSpent => Kind::BudgetSpent,
            Code::Conflict => Kind::Conflict,
            Code::Invalid => Kind::Usage,
            Code::Unavailable => Kind::Unavailable,
            Code::Timeout => Kind::Timeout,
            Code::CouldNotStart => Kind::Failed,
            Code::BadConfig => Kind::BadConfig,
            Code::Internal => Kind::Internal,
        };
        Self {
            kind,
            message: failure.message,
            hint: failure.hint,
        }
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        stratavore_rpc::Failure::from(status).into()
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        let (kind, hint) = match &error {
            ConnectError::NoHost(_) => (
                Kind::Unavailable,
                "start one with `stratavore host start`, or open the desktop app",
            ),
            ConnectError::NotReady(_) => (
                Kind::Unavailable,
                "it may be starting or ending; try again, and see its logs if this stays",
            ),
            ConnectError::Unreadable { .. } => (
                Kind::Unavailable,
                "see who owns it and its permissions with `stratavore doctor`",
            ),
            ConnectError::Unreachable { .. } => (
                Kind::Unavailable,
                "it may be ending; try again, and see what is wrong with `stratavore doctor`",
            ),
        };
        let source = error.source();
        match source {
            Some(source) => Self::caused(kind, error.to_string(), source),
            None => Self::new(kind, error.to_string()),
        }
        .hint(hint)
    }
}

impl From<BadConfig> for Failure {
    fn from(error: BadConfig) -> Self {
        Self::new(Kind::BadConfig, error.to_string())
            .hint("correct it there; `stratavore config show` lists every setting")
    }
}

impl From<NoPlace> for Failure {
    fn from(error: NoPlace) -> Self {
        Self::new(Kind::BadConfig, error.to_string())
    }
}
