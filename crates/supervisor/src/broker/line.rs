//! A connection to a broker, and the patience with it.

use std::time::Duration;

use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::time::timeout;

use super::{Address, BrokerError, Names, attempt};

/// How long a broker is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until a connection stands.
    pub connect: Duration,
    /// Until it did what it was asked.
    pub step: Duration,
    /// Until it confirms a message, while it confirms none before.
    pub confirm: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            step: Duration::from_secs(5),
            confirm: Duration::from_secs(10),
        }
    }
}

/// An open connection. It is never mended, only replaced: what became of a message that was under way on a broken one is
/// known by reading the store again.
pub(super) struct Line {
    address: Address,
    names: Names,
    connection: Connection,
}

impl Line {
    /// Connects, says what it is for, and declares what must exist.
    pub(super) async fn open(
        address: &Address,
        names: &Names,
        patience: &Patience,
        purpose: &str,
    ) -> Result<(Self, Channel), BrokerError> {
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("stratavore {purpose}").into());
        let connecting = attempt::connect(address.uri(), properties, patience.connect);
        let connection = match timeout(patience.connect, connecting).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(BrokerError::connecting(address, &error)),
            Err(_) => {
                return Err(BrokerError::Silent {
                    broker: address.to_string(),
                    operation: "connect".to_owned(),
                    after: patience.connect,
                });
            }
        };
        let line = Self {
            address: address.clone(),
            names: names.clone(),
            connection,
        };
        let opened = line.connection.create_channel();
        let channel = line.within(patience.step, "open a channel", opened).await?;
        names.declare(&line, &channel, patience).await?;
        Ok((line, channel))
    }

    /// Has the broker confirm what is published on a channel.
    pub(super) async fn confirm(
        &self,
        channel: &Channel,
        patience: &Patience,
    ) -> Result<(), BrokerError> {
        let selected = channel.confirm_select(ConfirmSelectOptions::default());
        self.within(patience.step, "have messages confirmed", selected)
            .await
    }

    /// Waits for an answer, for so long.
    pub(super) async fn within<T>(
        &self,
        patience: Duration,
        operation: &str,
        answer: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BrokerError> {
        match timeout(patience, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failed(operation, &error)),
            Err(_) => Err(BrokerError::Silent {
                broker: self.address.to_string(),
                operation: operation.to_owned(),
                after: patience,
            }),
        }
    }

    /// Says why an operation failed.
    pub(super) fn failed(&self, operation: &str, error: &lapin::Error) -> BrokerError {
        BrokerError::doing(&self.address, self.names.prefix(), operation, error)
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.status().connected()
    }
}
