//! What may be said of a run: nothing lost, in order, and not much twice.

use std::collections::HashMap;
use std::fmt::Write as _;

use uuid::Uuid;

use crate::support::AHEAD;

/// Watches events arrive.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    seen: HashMap<Uuid, u64>,
    /// Events that were seen for the first time.
    pub(crate) firsts: u64,
    /// Events that had been seen before.
    pub(crate) duplicates: u64,
    /// Those that came again for the reader's sake: it was cut off before the broker heard that it had them.
    redelivered: u64,
    /// How many readers there were, one after the other.
    readers: u64,
    disorder: Vec<String>,
}

impl Oracle {
    /// Takes note of an arrival.
    pub(crate) fn saw(&mut self, aggregate: Uuid, seq: u64) {
        let last = self.seen.entry(aggregate).or_default();
        if seq <= *last {
            self.duplicates += 1;
            return;
        }
        if seq > *last + 1 {
            self.disorder
                .push(format!("{aggregate}: {seq} came after {last}"));
        }
        *last = seq;
        self.firsts += 1;
    }

    /// Takes note that a reader begins, or tries to.
    pub(crate) fn reads_anew(&mut self) {
        self.readers += 1;
    }

    /// Takes note of an arrival that the broker says is not the first.
    pub(crate) fn saw_again(&mut self, aggregate: Uuid, seq: u64) {
        if self.seen.get(&aggregate) >= Some(&seq) {
            // No doing of the publisher.
            self.redelivered += 1;
        } else {
            self.saw(aggregate, seq);
        }
    }

    /// Tells whether everything up to these heads has come.
    pub(crate) fn has_all(&self, heads: &HashMap<Uuid, u64>) -> bool {
        heads
            .iter()
            .all(|(aggregate, head)| self.seen.get(aggregate) >= Some(head))
    }

    /// Judges the run, after which each aggregate has so many events.
    pub(crate) fn judge(
        &self,
        heads: &HashMap<Uuid, u64>,
        allowed_duplicates: u64,
    ) -> Result<(), String> {
        let mut wrong = String::new();
        for (aggregate, head) in heads {
            let seen = self.seen.get(aggregate).copied().unwrap_or_default();
            if seen != *head {
                let _ = writeln!(wrong, "{aggregate}: {seen} of {head} came");
            }
        }
        for disorder in &self.disorder {
            let _ = writeln!(wrong, "{disorder}");
        }
        let (firsts, duplicates) = (self.firsts, self.duplicates);
        if duplicates > allowed_duplicates {
            let _ = writeln!(wrong, "{duplicates} came twice, {allowed_duplicates} may");
        }
        let (redelivered, readers) = (self.redelivered, self.readers);
        let excused = readers.saturating_sub(1) * u64::from(AHEAD);
        if redelivered > excused {
            let _ = writeln!(
                wrong,
                "{redelivered} were redelivered to {readers} readers, {excused} may be"
            );
        }
        println!(
            "{firsts} events came, and {duplicates} of them again ({allowed_duplicates} may), \
             {redelivered} redelivered ({excused} may be)"
        );
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

#[test]
fn the_oracle_sees_loss_disorder_and_repetition() {
    let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let heads = HashMap::from([(a, 3), (b, 1)]);
    let judge = |arrivals: &[(Uuid, u64)]| {
        let mut oracle = Oracle::default();
        for (aggregate, seq) in arrivals {
            oracle.saw(*aggregate, *seq);
        }
        oracle.judge(&heads, 1)
    };
    assert_eq!(judge(&[(a, 1), (b, 1), (a, 2), (a, 2), (a, 3)]), Ok(()));
    let wrong = |arrivals: &[(Uuid, u64)], what: &str| {
        let said = judge(arrivals).unwrap_err();
        assert!(said.contains(what), "{said}");
    };
    wrong(&[(a, 1), (a, 2), (b, 1)], "2 of 3 came");
    wrong(&[(a, 1), (a, 2), (a, 3)], "0 of 1 came");
    wrong(&[(a, 1), (a, 3), (a, 2), (b, 1)], "3 came after 1");
    wrong(
        &[(a, 1), (a, 1), (a, 1), (a, 2), (a, 3), (b, 1)],
        "2 came twice, 1 may",
    );
    // A second reader may be given what the first had and did not say so, and nobody else may.
    let redelivered = |readers: u64| {
        let mut oracle = Oracle::default();
        for _ in 0..readers {
            oracle.reads_anew();
        }
        for seq in 1..=3 {
            oracle.saw_again(a, seq);
        }
        oracle.saw_again(b, 1);
        oracle.saw_again(a, 2);
        oracle.judge(&heads, 0)
    };
    assert_eq!(redelivered(2), Ok(()));
    let said = redelivered(1).unwrap_err();
    assert!(
        said.contains("1 were redelivered to 1 readers, 0 may be"),
        "{said}"
    );
}
