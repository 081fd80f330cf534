//! The broker as the publisher's sink.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use lapin::options::BasicPublishOptions;
use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Channel, PublisherConfirm};
use stratavore_store::OutboxRow;
use uuid::Uuid;

use super::error::{said, text};
use super::line::Line;
use super::topology::short;
use super::{Address, BrokerError, Names, Patience, message};
use crate::bus::{Delivery, Outcome, Sink};

/// How many messages may be on their way unconfirmed: with fewer the broker waits for us, more gain nothing.
const WINDOW: usize = 1000;

/// Delivers events to a broker: each is on the disks of its queues when it counts as taken.
pub struct Broker {
    address: Address,
    names: Names,
    patience: Patience,
    open: Mutex<Option<Open>>,
}

struct Open {
    line: Line,
    channel: Channel,
}

/// Why messages could not be published any further.
enum Break {
    /// The broker takes nothing more for now.
    Away(String),
    /// One of the messages is such that the broker ended the conversation over it.
    Poison(String),
}

impl From<BrokerError> for Break {
    fn from(error: BrokerError) -> Self {
        Self::Away(error.to_string())
    }
}

/// What the broker gave back of a stretch of messages, by their ids.
type Returned = HashMap<String, String>;

impl Broker {
    /// Makes a sink of a broker, which is connected to when it is needed.
    #[must_use]
    pub fn new(address: Address, names: Names, patience: Patience) -> Self {
        Self {
            address,
            names,
            patience,
            open: Mutex::default(),
        }
    }

    /// Takes the connection out of its place, so that a delivery which is given up midway takes it along: what is under
    /// way on it would be confirmed to nobody.
    async fn take(&self) -> Result<Open, BrokerError> {
        let kept = self.place().take();
        if let Some(open) = kept.filter(Open::is_up) {
            return Ok(open);
        }
        let (line, channel) =
            Line::open(&self.address, &self.names, &self.patience, "publisher").await?;
        line.confirm(&channel, &self.patience).await?;
        Ok(Open { line, channel })
    }

    fn keep(&self, open: Open) {
        *self.place() = Some(open);
    }

    fn place(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes these rows one behind the other, without waiting for each.
    async fn stretch(
        &self,
        rows: &[OutboxRow],
        which: &[usize],
        outcomes: &mut [Outcome],
    ) -> Result<(), Break> {
        let open = self.take().await?;
        let mut returned = Returned::new();
        let published = self
            .pipeline(&open, rows, which, outcomes, &mut returned)
            .await;
        if returned.is_empty() {
            published?;
            self.keep(open);
            return Ok(());
        }
        // With something returned the connection is not kept: what must exist is declared anew with the next, and perhaps
        // that was what the messages lacked.
        if published.is_err() {
            // Which confirm belongs to a returned message is known only once all are there.
            for index in which {
                outcomes[*index] = Outcome::Unknown;
            }
        }
        published?;
        for index in which {
            if let Some(reason) = returned.remove(&rows[*index].event.id.to_string()) {
                outcomes[*index] = Outcome::Refused(reason);
            }
        }
        Ok(())
    }

    async fn pipeline(
        &self,
        open: &Open,
        rows: &[OutboxRow],
        which: &[usize],
        outcomes: &mut [Outcome],
        returned: &mut Returned,
    ) -> Result<(), Break> {
        let mut under_way: VecDeque<(usize, PublisherConfirm)> = VecDeque::with_capacity(WINDOW);
        let mut broken = Ok(());
        for index in which {
            if under_way.len() == WINDOW
                && let Some((index, confirm)) = under_way.pop_front()
            {
                self.settle(open, confirm, returned).await?;
                outcomes[index] = Outcome::Taken;
            }
            let publishing = open.publish(&self.names, &rows[*index]);
            match open
                .line
                .within(self.patience.step, "publish an event", publishing)
                .await
            {
                Ok(confirm) => under_way.push_back((*index, confirm)),
                Err(error) => {
                    broken = Err(error.into());
                    break;
                }
            }
        }
        // Also where publishing broke: what is under way knows why.
        while let Some((index, confirm)) = under_way.pop_front() {
            self.settle(open, confirm, returned).await?;
            outcomes[index] = Outcome::Taken;
        }
        broken
    }

    /// Waits until the broker has confirmed a message.
    async fn settle(
        &self,
        open: &Open,
        confirm: PublisherConfirm,
        returned: &mut Returned,
    ) -> Result<(), Break> {
        let waiting = tokio::time::timeout(self.patience.confirm, confirm).await;
        let confirmation = match waiting {
            Ok(Ok(confirmation)) => confirmation,
            Ok(Err(error)) => return Err(open.broken(&error)),
            Err(_) => {
                return Err(Break::Away(
                    BrokerError::Unconfirmed {
                        broker: self.address.to_string(),
                        exchange: self.names.events(),
                        after: self.patience.confirm,
                    }
                    .to_string(),
                ));
            }
        };
        let taken = confirmation.is_ack();
        // It may be another message's: acknowledged together, they are settled in any order.
        if let Some(message) = confirmation.take_message() {
            let id = message.properties.message_id().as_ref();
            let reason = format!(
                "the broker returned it: {} ({})",
                message.reply_text, message.reply_code
            );
            returned.insert(id.map_or_else(String::new, ToString::to_string), reason);
        }
        if taken {
            return Ok(());
        }
        Err(Break::Away(format!(
            "the broker {} did not keep an event: a queue on the exchange {:?} is full, or has lost the majority of its \
             nodes; see rabbitmqctl list_queues",
            self.address,
            self.names.events()
        )))
    }
}

impl Open {
    fn is_up(&self) -> bool {
        self.line.is_up() && self.channel.status().connected()
    }

    async fn publish(&self, names: &Names, row: &OutboxRow) -> lapin::Result<PublisherConfirm> {
        let options = BasicPublishOptions {
            mandatory: true,
            ..BasicPublishOptions::default()
        };
        self.channel
            .basic_publish(
                short(&names.events()),
                message::routing_key(&row.event),
                options,
                &message::body(&row.event),
                message::properties(&row.event),
            )
            .await
    }

    fn broken(&self, error: &lapin::Error) -> Break {
        if let Some(protocol) = said(error)
            && matches!(
                protocol.kind(),
                AMQPErrorKind::Soft(
                    AMQPSoftError::PRECONDITIONFAILED | AMQPSoftError::CONTENTTOOLARGE
                ) | AMQPErrorKind::Hard(AMQPHardError::FRAMEERROR | AMQPHardError::SYNTAXERROR)
            )
        {
            return Break::Poison(text(protocol));
        }
        self.line.failed("have an event confirmed", error).into()
    }
}

#[async_trait]
impl Sink for Broker {
    async fn ready(&self) -> Result<(), String> {
        let open = self.take().await.map_err(|error| error.to_string())?;
        self.keep(open);
        Ok(())
    }

    async fn deliver(&self, rows: &[OutboxRow]) -> Delivery {
        let mut delivery = Delivery::unknown(rows.len());
        // What was refused before is tried on its own, so that the others need not suffer from it again.
        let suspects: HashSet<Uuid> = rows
            .iter()
            .filter(|row| row.attempts > 0)
            .map(|row| row.event.aggregate_id)
            .collect();
        let (mut singly, together): (Vec<usize>, Vec<usize>) =
            (0..rows.len()).partition(|index| suspects.contains(&rows[*index].event.aggregate_id));
        if !together.is_empty() {
            match self.stretch(rows, &together, &mut delivery.outcomes).await {
                Ok(()) => {}
                Err(Break::Away(reason)) => {
                    delivery.away = Some(reason);
                    return delivery;
                }
                // It is one of those that are not known to be taken: each alone shows which.
                Err(Break::Poison(_)) => {
                    singly = (0..rows.len())
                        .filter(|index| delivery.outcomes[*index] == Outcome::Unknown)
                        .collect();
                }
            }
        }
        let mut held = HashSet::new();
        for index in singly {
            let aggregate = rows[index].event.aggregate_id;
            if held.contains(&aggregate) {
                continue;
            }
            match self.stretch(rows, &[index], &mut delivery.outcomes).await {
                Ok(()) => {}
                Err(Break::Away(reason)) => {
                    delivery.away = Some(reason);
                    return delivery;
                }
                Err(Break::Poison(reason)) => delivery.outcomes[index] = Outcome::Refused(reason),
            }
            if delivery.outcomes[index] != Outcome::Taken {
                held.insert(aggregate);
            }
        }
        delivery
    }
}
