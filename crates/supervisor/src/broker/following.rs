//! Hears on the broker what every host did.

use std::collections::HashMap;

use futures::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use tracing::{debug, info, warn};
use uuid::Uuid;

use super::line::Line;
use super::topology::short;
use super::{Address, BrokerError, Heard, Names, Order, Patience, Place, message};
use crate::pause::{Pause, Pauses};

/// How many messages the broker sends ahead.
const AHEAD: u16 = 500;
/// How many wait on the broker before the oldest go. They are nudges: whoever missed one sees the gap.
const WAITING: i32 = 10_000;
/// How many kinds of unreadable messages are told apart.
const KINDS: usize = 64;

/// Says that something happened, or may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Nudge {
    /// Listening began, or began again: anything may have happened before.
    Anew,
    /// An event, the next of its aggregate.
    Heard(Heard),
    /// Events of this aggregate were missed: read the store.
    Gap {
        /// Whose.
        aggregate_id: Uuid,
        /// The event that was heard instead.
        seq: u64,
    },
}

/// Hears events on a queue of its own, which goes with its connection. It is as if it never lost the connection: when it
/// has it back, it says [`Nudge::Anew`].
pub struct Following {
    address: Address,
    names: Names,
    patience: Patience,
    ear: Option<Ear>,
    order: Order,
    unread: HashMap<String, u64>,
    pause: Pause,
    /// The last trouble that was logged, so that the log says each once.
    trouble: Option<BrokerError>,
}

struct Ear {
    consumer: Consumer,
    channel: Channel,
    /// The last message taken, acknowledged when the next is asked for.
    taken: Option<u64>,
    _line: Line,
}

impl Following {
    /// Follows a broker, which is connected to at the first [`Following::next`].
    #[must_use]
    pub fn new(address: Address, names: Names, patience: Patience) -> Self {
        Self {
            address,
            names,
            patience,
            ear: None,
            order: Order::default(),
            unread: HashMap::new(),
            pause: Pause::new(Pauses::default()),
            trouble: None,
        }
    }

    /// Waits for the next nudge. A wait that is given up loses none.
    pub async fn next(&mut self) -> Nudge {
        loop {
            let Some(ear) = &mut self.ear else {
                self.pause.over().await;
                match Ear::open(&self.address, &self.names, &self.patience).await {
                    Ok(ear) => {
                        info!(broker = %self.address, "following the broker");
                        self.ear = Some(ear);
                        self.order = Order::default();
                        self.pause.reset();
                        self.trouble = None;
                        return Nudge::Anew;
                    }
                    Err(error) => {
                        self.pause.begin();
                        if self.trouble.as_ref() != Some(&error) {
                            warn!(%error, "cannot follow the broker; trying again");
                            self.trouble = Some(error);
                        }
                    }
                }
                continue;
            };
            match ear.hear().await {
                Ok(delivery) => {
                    if let Some(nudge) = self.take(&delivery) {
                        return nudge;
                    }
                }
                Err(error) => {
                    warn!(broker = %self.address, %error, "lost the broker; events are heard again when it is back");
                    self.ear = None;
                }
            }
        }
    }

    /// Counts the messages that said nothing to this version, by kind.
    #[must_use]
    pub fn unread(&self) -> &HashMap<String, u64> {
        &self.unread
    }

    fn take(&mut self, delivery: &Delivery) -> Option<Nudge> {
        let heard = match message::read(&delivery.properties, &delivery.data) {
            Ok(heard) => heard,
            Err(unread) => {
                let mut kind = unread.kind;
                if self.unread.len() >= KINDS && !self.unread.contains_key(&kind) {
                    "other".clone_into(&mut kind);
                }
                let count = self.unread.entry(kind).or_default();
                *count += 1;
                if *count == 1 {
                    warn!(
                        reason = unread.reason,
                        "a message on the broker is passed over; more of the kind are only counted"
                    );
                }
                return None;
            }
        };
        match self.order.hear(heard.aggregate_id, heard.seq) {
            Place::Next => Some(Nudge::Heard(heard)),
            Place::Gap => Some(Nudge::Gap {
                aggregate_id: heard.aggregate_id,
                seq: heard.seq,
            }),
            Place::Again => {
                debug!(aggregate = %heard.aggregate_id, seq = heard.seq, "heard again");
                None
            }
        }
    }
}

impl Ear {
    async fn open(
        address: &Address,
        names: &Names,
        patience: &Patience,
    ) -> Result<Self, BrokerError> {
        let (line, channel) = Line::open(address, names, patience, "follower").await?;
        let own = QueueDeclareOptions {
            exclusive: true,
            auto_delete: true,
            ..QueueDeclareOptions::default()
        };
        let mut limited = FieldTable::default();
        limited.insert(short("x-max-length"), AMQPValue::LongInt(WAITING));
        // The name begins with ours, so that rights given on `stratavore.*` reach it.
        let name = format!("{}.host.{}", names.prefix(), Uuid::new_v4().simple());
        let declared = channel.queue_declare(short(&name), own, limited);
        let operation = "declare a queue to hear events on";
        line.within(patience.step, operation, declared).await?;
        let exchange = names.events();
        let bound = channel.queue_bind(
            short(&name),
            short(&exchange),
            short("#"),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        let operation = format!("bind a queue to the exchange {exchange:?}");
        line.within(patience.step, &operation, bound).await?;
        let limited = channel.basic_qos(AHEAD, BasicQosOptions::default());
        line.within(patience.step, "limit what is sent ahead", limited)
            .await?;
        let consumed = channel.basic_consume(
            short(&name),
            short(""),
            BasicConsumeOptions {
                exclusive: true,
                ..BasicConsumeOptions::default()
            },
            FieldTable::default(),
        );
        let consumer = line
            .within(patience.step, "read the queue to hear events on", consumed)
            .await?;
        Ok(Self {
            consumer,
            channel,
            taken: None,
            _line: line,
        })
    }

    /// Waits for the next message. The one before counts as dealt with now.
    async fn hear(&mut self) -> Result<Delivery, String> {
        if let Some(tag) = self.taken.take() {
            let all = BasicAckOptions { multiple: true };
            // Should this be given up midway, the next one covers it.
            let acknowledged = self.channel.basic_ack(tag, all).await;
            acknowledged.map_err(|error| error.to_string())?;
        }
        match self.consumer.next().await {
            Some(Ok(delivery)) => {
                self.taken = Some(delivery.delivery_tag);
                Ok(delivery)
            }
            Some(Err(error)) => Err(error.to_string()),
            None => Err("the broker cancelled the queue".to_owned()),
        }
    }
}
