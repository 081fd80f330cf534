//! The negative control: a publisher that leases rows, as `SELECT … FOR UPDATE SKIP LOCKED` lets one, loses the order when it
//! dies. The oracle must see it.

use std::collections::HashMap;

use uuid::Uuid;

use crate::oracle::Oracle;

/// An outbox whose rows are leased one by one.
struct Outbox {
    rows: Vec<Row>,
}

struct Row {
    aggregate: Uuid,
    seq: u64,
    /// Until when somebody else has it.
    leased: u32,
    delivered: bool,
}

impl Outbox {
    /// Leases the first rows that nobody has.
    fn lease(&mut self, now: u32, ttl: u32, limit: usize) -> Vec<usize> {
        let free = |row: &Row| !row.delivered && row.leased <= now;
        let free = (0..self.rows.len()).filter(|index| free(&self.rows[*index]));
        let leased: Vec<usize> = free.take(limit).collect();
        for index in &leased {
            self.rows[*index].leased = now + ttl;
        }
        leased
    }
}

#[test]
fn a_publisher_that_leases_rows_is_caught() {
    let (runners, events) = (5_u64, 20_u64);
    let run = |dies_at: Option<u32>| {
        let rows = (1..=events)
            .flat_map(|seq| (0..runners).map(move |runner| (Uuid::from_u128(runner.into()), seq)));
        let mut outbox = Outbox {
            rows: rows
                .map(|(aggregate, seq)| Row {
                    aggregate,
                    seq,
                    leased: 0,
                    delivered: false,
                })
                .collect(),
        };
        let mut oracle = Oracle::default();
        for now in 0..100 {
            let leased = outbox.lease(now, 3, 10);
            if dies_at == Some(now) {
                // With a lease in hand, and another publisher goes on.
                continue;
            }
            for index in leased {
                let row = &mut outbox.rows[index];
                oracle.saw(row.aggregate, row.seq);
                row.delivered = true;
            }
        }
        let heads: HashMap<Uuid, u64> = (0..runners)
            .map(|runner| (Uuid::from_u128(runner.into()), events))
            .collect();
        oracle.judge(&heads, 10)
    };
    assert_eq!(run(None), Ok(()), "as long as nobody dies, it works");
    let said = run(Some(2)).unwrap_err();
    assert!(said.contains("came after"), "{said}");
}
