//! What must exist on the broker.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use super::line::Line;
use super::{BrokerError, Patience};

/// How often a message may be given back before it is dead.
const DELIVERIES: i32 = 20;
/// The most that the kept queue holds, in bytes. Where nobody empties it the oldest go: the store has them all.
const KEPT_BYTES: i64 = 1 << 30;
/// The most dead letters that are held.
const DEAD: i32 = 10_000;

/// Names what Stratavore uses on a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: String,
}

impl Default for Names {
    fn default() -> Self {
        Self::beginning_with("stratavore")
    }
}

impl Names {
    /// Names it all with this beginning, so that tests can share a virtual host.
    #[must_use]
    pub fn beginning_with(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The topic exchange that all events go to.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// The queue that keeps every event for whoever comes to read it.
    #[must_use]
    pub fn kept(&self) -> String {
        format!("{}.events.audit", self.prefix)
    }

    /// The exchange, and the queue on it, for messages that readers gave back.
    #[must_use]
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// Declares all of it. Doing so again changes nothing.
    pub(super) async fn declare(
        &self,
        line: &Line,
        channel: &Channel,
        patience: &Patience,
    ) -> Result<(), BrokerError> {
        let durable = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        for (exchange, kind) in [
            (self.events(), ExchangeKind::Topic),
            (self.dead(), ExchangeKind::Fanout),
        ] {
            let declared =
                channel.exchange_declare(short(&exchange), kind, durable, FieldTable::default());
            let operation = format!("declare the exchange {exchange:?}");
            line.within(patience.step, &operation, declared).await?;
        }
        let mut keeps = quorum();
        keeps.insert(
            short("x-max-length-bytes"),
            AMQPValue::LongLongInt(KEPT_BYTES),
        );
        keeps.insert(short("x-delivery-limit"), AMQPValue::LongInt(DELIVERIES));
        let dead = AMQPValue::LongString(self.dead().into());
        keeps.insert(short("x-dead-letter-exchange"), dead);
        let mut buries = quorum();
        buries.insert(short("x-max-length"), AMQPValue::LongInt(DEAD));
        for (queue, exchange, arguments) in [
            (self.dead(), self.dead(), buries),
            (self.kept(), self.events(), keeps),
        ] {
            let durable = QueueDeclareOptions {
                durable: true,
                ..QueueDeclareOptions::default()
            };
            let declared = channel.queue_declare(short(&queue), durable, arguments);
            let operation = format!("declare the queue {queue:?}");
            line.within(patience.step, &operation, declared).await?;
            let bound = channel.queue_bind(
                short(&queue),
                short(&exchange),
                short("#"),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            let operation = format!("bind the queue {queue:?} to the exchange {exchange:?}");
            line.within(patience.step, &operation, bound).await?;
        }
        Ok(())
    }
}

/// Only these queues have a message on the disks of a majority before they confirm it.
fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert(
        short("x-queue-type"),
        AMQPValue::LongString("quorum".into()),
    );
    arguments
}

/// A text known to be short enough.
pub(super) fn short(text: &str) -> ShortString {
    text.into()
}
