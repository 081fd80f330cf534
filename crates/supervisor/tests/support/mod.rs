//! What the tests with a broker share.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use stratavore_supervisor::broker::{Names, Patience};
use uuid::Uuid;

/// Names of a test's own, so that tests share a virtual host.
pub(crate) fn names() -> Names {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Names::beginning_with(&format!(
        "t{}-{count}-{}",
        std::process::id(),
        Uuid::new_v4().simple()
    ))
}

/// Short enough for a test of what happens after it, long enough for a busy machine.
pub(crate) fn patience() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        step: Duration::from_secs(3),
        confirm: Duration::from_secs(3),
    }
}

/// How many messages a reader is sent ahead: as many may come again to the next one.
pub(crate) const AHEAD: u16 = 1000;

/// A reader of the queue that keeps every event.
pub(crate) struct Reader {
    consumer: Consumer,
    channel: Channel,
    _connection: Connection,
}

impl Reader {
    pub(crate) async fn open(url: &str, names: &Names) -> lapin::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.basic_qos(AHEAD, BasicQosOptions::default()).await?;
        let consumer = channel
            .basic_consume(
                names.kept().into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(Self {
            consumer,
            channel,
            _connection: connection,
        })
    }

    /// Takes the next message off the queue.
    pub(crate) async fn next(&mut self) -> lapin::Result<Option<Delivery>> {
        let Some(delivery) = self.consumer.next().await.transpose()? else {
            return Ok(None);
        };
        self.channel
            .basic_ack(delivery.delivery_tag, BasicAckOptions::default())
            .await?;
        Ok(Some(delivery))
    }
}

/// Takes away what a test declared, for brokers that outlive it.
pub(crate) async fn tidy(url: &str, names: &Names) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for queue in [names.kept(), names.dead()] {
        channel
            .queue_delete(queue.into(), Default::default())
            .await?;
    }
    for exchange in [names.events(), names.dead()] {
        channel
            .exchange_delete(exchange.into(), Default::default())
            .await?;
    }
    connection.close(200, "".into()).await
}
