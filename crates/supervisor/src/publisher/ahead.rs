//! What a publisher keeps from one round to the next while much waits.

use stratavore_store::{OutboxRow, Position, Shard};

/// What was read before it is published, and what was published before it is marked.
#[derive(Default)]
pub(super) struct Ahead {
    /// The shards as they were held.
    pub(super) shards: Vec<Shard>,
    /// What is published next: nothing lies between it and what is not marked.
    pub(super) next: Waiting,
    /// What the sink has taken, of each aggregate without a gap.
    pub(super) unmarked: Vec<Position>,
}

/// Rows that wait, as they were read.
#[derive(Default)]
pub(super) struct Waiting {
    pub(super) rows: Vec<OutboxRow>,
    /// Whether others may wait behind them.
    pub(super) more: bool,
}

impl Waiting {
    /// Takes the first so many.
    pub(super) fn split(mut self, most: usize) -> (Vec<OutboxRow>, Self) {
        let rest = self.rows.split_off(most.min(self.rows.len()));
        let rows = std::mem::replace(&mut self.rows, rest);
        (rows, self)
    }
}
