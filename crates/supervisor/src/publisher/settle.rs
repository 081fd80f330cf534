//! What follows from a delivery.

use std::collections::HashSet;
use std::iter;

use stratavore_store::{OutboxRow, Position};
use uuid::Uuid;

use crate::bus::Outcome;

/// What to tell the store of a delivery.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Delivered, and nothing of their aggregates before them is not.
    pub(super) delivered: Vec<Position>,
    /// Refused, at most one of an aggregate, with the aggregate and the reason.
    pub(super) refused: Vec<(Position, Uuid, String)>,
}

/// Keeps of each aggregate what was delivered without a gap, and the refusal that ended it. Nothing of an aggregate that
/// ended counts after that.
pub(super) fn settle(rows: &[OutboxRow], outcomes: Vec<Outcome>) -> Settled {
    let mut settled = Settled::default();
    let mut ended = HashSet::new();
    // A sink that answers for fewer rows knows nothing of the others.
    let outcomes = outcomes.into_iter().chain(iter::repeat(Outcome::Unknown));
    for (row, outcome) in rows.iter().zip(outcomes) {
        let aggregate = row.event.aggregate_id;
        if ended.contains(&aggregate) {
            continue;
        }
        match outcome {
            Outcome::Taken => settled.delivered.push(row.position),
            Outcome::Refused(reason) => {
                settled.refused.push((row.position, aggregate, reason));
                ended.insert(aggregate);
            }
            Outcome::Unknown => {
                ended.insert(aggregate);
            }
        }
    }
    settled
}
