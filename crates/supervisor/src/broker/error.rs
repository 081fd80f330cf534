//! What can go wrong with a broker.

use std::time::Duration;

use lapin::ErrorKind;
use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

use super::Address;

/// Why something could not be done with a broker. None says a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BrokerError {
    /// The setting is no URL of a broker.
    #[error(
        "broker.url is not the URL of a broker: {reason}; write amqp://user:password@host:port/vhost, or amqps for TLS"
    )]
    BadUrl {
        /// Why.
        reason: String,
    },
    /// Nobody answers there.
    #[error(
        "cannot reach the broker {broker}: {reason}; check that it runs, and the host and port in broker.url"
    )]
    Unreachable {
        /// Which.
        broker: String,
        /// Why.
        reason: String,
    },
    /// Wrong user or password.
    #[error(
        "the broker {broker} refuses to let {user:?} in: {reason}; check the user and the password in broker.url"
    )]
    LoginRefused {
        /// Which.
        broker: String,
        /// Who.
        user: String,
        /// Why.
        reason: String,
    },
    /// There is no such virtual host, or it is not open to the user.
    #[error(
        "the broker {broker} does not open the virtual host {vhost:?}: {reason}; create it \
         (rabbitmqctl add_vhost), give the user permissions on it, or name another at the end of broker.url"
    )]
    NoVhost {
        /// Which.
        broker: String,
        /// Which virtual host.
        vhost: String,
        /// Why.
        reason: String,
    },
    /// The user may not.
    #[error(
        "the broker {broker} does not allow to {operation}: {reason}; give the user the right to configure, write \
         and read what is named `{names}.*` (rabbitmqctl set_permissions)"
    )]
    Forbidden {
        /// Which.
        broker: String,
        /// What was tried.
        operation: String,
        /// What the names of all that is ours begin with.
        names: String,
        /// Why.
        reason: String,
    },
    /// It is there already, and other than it should be.
    #[error(
        "cannot {operation} on the broker {broker}, where it exists with other properties: {reason}; delete it there, \
         or name another virtual host in broker.url"
    )]
    DeclaredOtherwise {
        /// Which.
        broker: String,
        /// What was tried.
        operation: String,
        /// Why.
        reason: String,
    },
    /// No answer came in time.
    #[error("the broker {broker} did not answer within {} s: cannot {operation}; it may be overloaded, out of disk or memory, or cut off", after.as_secs_f32())]
    Silent {
        /// Which.
        broker: String,
        /// What was tried.
        operation: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It took an event and did not say that its queues have it.
    #[error(
        "the broker {broker} did not confirm an event within {} s; it is out of disk or memory, cut off, or a queue on the \
         exchange {exchange:?} has no leader: see rabbitmq-diagnostics alarms, and rabbitmq-queues quorum_status for each queue",
        after.as_secs_f32()
    )]
    Unconfirmed {
        /// Which.
        broker: String,
        /// Where the event was published.
        exchange: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Anything else.
    #[error("cannot {operation} on the broker {broker}: {reason}")]
    Failed {
        /// Which.
        broker: String,
        /// What was tried.
        operation: String,
        /// Why.
        reason: String,
    },
}

impl BrokerError {
    /// Says why no connection was made.
    pub(super) fn connecting(address: &Address, error: &lapin::Error) -> Self {
        let broker = address.to_string();
        let Some(protocol) = said(error) else {
            return Self::Unreachable {
                broker,
                reason: error.to_string(),
            };
        };
        let reason = text(protocol);
        match protocol.kind() {
            // What comes before the virtual host is opened is about the login.
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) if !reason.contains("vhost") => {
                Self::LoginRefused {
                    broker,
                    user: address.user().to_owned(),
                    reason,
                }
            }
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED | AMQPSoftError::NOTFOUND)
            | AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED | AMQPHardError::INVALIDPATH) => {
                Self::NoVhost {
                    broker,
                    vhost: address.vhost().to_owned(),
                    reason,
                }
            }
            _ => Self::Unreachable { broker, reason },
        }
    }

    /// Says why an operation on a connection failed.
    pub(super) fn doing(
        address: &Address,
        names: &str,
        operation: &str,
        error: &lapin::Error,
    ) -> Self {
        let (broker, operation) = (address.to_string(), operation.to_owned());
        let reason = said(error).map_or_else(|| error.to_string(), text);
        match said(error).map(AMQPError::kind) {
            Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => Self::Forbidden {
                broker,
                operation,
                names: names.to_owned(),
                reason,
            },
            Some(AMQPErrorKind::Soft(AMQPSoftError::PRECONDITIONFAILED)) => {
                Self::DeclaredOtherwise {
                    broker,
                    operation,
                    reason,
                }
            }
            _ => Self::Failed {
                broker,
                operation,
                reason,
            },
        }
    }
}

/// What the broker itself said.
pub(super) fn said(error: &lapin::Error) -> Option<&AMQPError> {
    match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error),
        _ => None,
    }
}

pub(super) fn text(error: &AMQPError) -> String {
    error.get_message().to_string()
}
