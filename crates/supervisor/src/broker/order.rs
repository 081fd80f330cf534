//! The order in which an aggregate's events are heard.

use std::collections::HashMap;

use uuid::Uuid;

/// How many aggregates are kept in mind before all are forgotten.
const REMEMBERED: usize = 65_536;

/// Says where an event stands in what was heard of its aggregate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It follows what was heard last, or is the first that was heard.
    Next,
    /// It was heard before.
    Again,
    /// What came between was not heard: read the store.
    Gap,
}

/// Remembers how far each aggregate was heard.
#[derive(Clone, Debug, Default)]
pub struct Order {
    last: HashMap<Uuid, u64>,
}

impl Order {
    /// Takes note of an event and tells where it stands.
    pub fn hear(&mut self, aggregate: Uuid, seq: u64) -> Place {
        if self.last.len() >= REMEMBERED && !self.last.contains_key(&aggregate) {
            // One that was forgotten may come again unrecognised: a nudge too many does no harm.
            self.last.clear();
        }
        let known = self.last.get(&aggregate).copied();
        match known {
            Some(last) if seq <= last => return Place::Again,
            _ => self.last.insert(aggregate, seq),
        };
        match known {
            Some(last) if seq > last + 1 => Place::Gap,
            _ => Place::Next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_aggregate_has_an_order_of_its_own() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let mut order = Order::default();
        let heard = [
            (a, 7, Place::Next),
            (b, 1, Place::Next),
            (a, 8, Place::Next),
            (a, 8, Place::Again),
            (a, 3, Place::Again),
            (a, 10, Place::Gap),
            (a, 9, Place::Again),
            (a, 11, Place::Next),
            (b, 2, Place::Next),
        ];
        for (aggregate, seq, place) in heard {
            assert_eq!(order.hear(aggregate, seq), place, "{seq}");
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut order = Order::default();
        for aggregate in 0..=REMEMBERED as u128 {
            order.hear(Uuid::from_u128(aggregate), 1);
        }
        assert_eq!(order.last.len(), 1);
    }
}
