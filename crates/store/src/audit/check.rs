//! Finds what was changed, removed, reordered or cut off behind the store's back.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Checkpoint, HeadRow, Keyring, ORIGIN, Seal, Sealed};
use crate::{AuditFault, AuditReport};

/// A stored event as the check reads it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) cursor: i64,
    pub(crate) event_id: Uuid,
    pub(crate) aggregate_id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) kind: String,
    pub(crate) payload: String,
    pub(crate) at_micros: i64,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

/// A check under way: first the heads and checkpoints, then chain after chain.
pub(crate) struct Inspection<'a> {
    keys: &'a Keyring,
    /// The keys of other nodes: what they sealed is theirs to check.
    others: BTreeSet<String>,
    /// Behind which place each pruned chain begins.
    bases: BTreeMap<Uuid, HeadRow>,
    heads: BTreeMap<Uuid, HeadRow>,
    signed: BTreeMap<Uuid, Vec<HeadRow>>,
    chain: Vec<Link>,
    report: AuditReport,
}

impl<'a> Inspection<'a> {
    /// Begins with what the aggregates' rows and the checkpoints say of the heads.
    pub(crate) fn new(
        keys: &'a Keyring,
        others: BTreeSet<String>,
        heads: Vec<HeadRow>,
        checkpoints: Vec<Checkpoint>,
    ) -> Self {
        let heads = heads
            .into_iter()
            .map(|head| (head.aggregate_id, head))
            .collect();
        let mut inspection = Self {
            keys,
            others,
            bases: BTreeMap::new(),
            heads,
            signed: BTreeMap::new(),
            chain: Vec::new(),
            report: AuditReport::default(),
        };
        inspection.checkpoints(checkpoints);
        inspection
    }

    /// Takes the next event, in the order of aggregate and seq.
    pub(crate) fn take(&mut self, link: Link) {
        if self
            .chain
            .first()
            .is_some_and(|first| first.aggregate_id != link.aggregate_id)
        {
            self.end_chain();
        }
        self.chain.push(link);
    }

    /// Ends the check.
    pub(crate) fn report(mut self) -> AuditReport {
        self.end_chain();
        for (id, head) in std::mem::take(&mut self.heads) {
            self.signed.remove(&id);
            let base = self.bases.get(&id);
            let (first, pruned) = base.map_or((1, false), |base| {
                (base.seq + 1, base.seq == head.seq && base.mac == head.mac)
            });
            if !pruned {
                let detail = match base {
                    None => format!("all {} events of the chain are gone", head.seq),
                    Some(base) if base.seq < head.seq => {
                        format!("events {first} to {} are gone", head.seq)
                    }
                    Some(_) => "its row names another last event".to_owned(),
                };
                let kind = if detail.starts_with("its") {
                    "changed"
                } else {
                    "truncated"
                };
                self.fault(id, first, kind, detail);
            }
        }
        for (id, heads) in std::mem::take(&mut self.signed) {
            let seq = heads.iter().map(|head| head.seq).max().unwrap_or(0);
            self.fault(
                id,
                1,
                "truncated",
                format!("the whole chain is gone; a checkpoint signed it up to {seq}"),
            );
        }
        self.report
    }

    fn fault(&mut self, aggregate_id: Uuid, seq: u64, kind: &'static str, detail: String) {
        self.report.faults.push(AuditFault {
            aggregate_id,
            seq,
            kind,
            detail,
        });
    }

    fn checkpoints(&mut self, checkpoints: Vec<Checkpoint>) {
        let mut before = Some(ORIGIN);
        for (expected, checkpoint) in (1..).zip(checkpoints) {
            let number = checkpoint.id.cast_unsigned();
            let whole = format!("checkpoint {number}");
            if checkpoint.id != expected {
                self.fault(
                    Uuid::nil(),
                    number,
                    "gap",
                    format!("{whole} stands where {expected} should"),
                );
                before = None;
            }
            match (self.keys.get(&checkpoint.key_id), before) {
                (None, _) if self.others.contains(&checkpoint.key_id) => {}
                (None, _) => {
                    let detail = format!(
                        "{whole} is signed with the key {:?}, which audit.key lacks",
                        checkpoint.key_id
                    );
                    self.fault(Uuid::nil(), number, "unknown key", detail);
                }
                (Some(key), Some(before))
                    if key.seal_checkpoint(&before, &checkpoint)[..] != checkpoint.mac =>
                {
                    self.fault(
                        Uuid::nil(),
                        number,
                        "changed",
                        format!("{whole} does not match its signature"),
                    );
                }
                (Some(_), _) => {}
            }
            before = Seal::try_from(&checkpoint.mac[..]).ok();
            for head in HeadRow::decode_all(&checkpoint.heads) {
                self.signed.entry(head.aggregate_id).or_default().push(head);
            }
            for base in HeadRow::decode_all(&checkpoint.bases) {
                self.bases.insert(base.aggregate_id, base);
            }
        }
    }

    fn end_chain(&mut self) {
        let mut chain = std::mem::take(&mut self.chain);
        let Some(id) = chain.first().map(|link| link.aggregate_id) else {
            return;
        };
        self.report.chains += 1;
        self.report.events += chain.len() as u64;
        self.links(id, &mut chain);
        self.ends(id, &chain);
    }

    /// Follows the chain. After a fault it goes on from what is stored, so that one fault is told once.
    fn links(&mut self, id: Uuid, chain: &mut [Link]) {
        let base = self.bases.get(&id);
        let begin = base.map_or(0, |base| base.seq);
        let mut before = match base {
            None => Some(ORIGIN),
            Some(base) => Seal::try_from(&base.mac[..]).ok(),
        };
        let mut cursor = i64::MIN;
        for i in 0..chain.len() {
            let expected = begin + i as u64 + 1;
            let previous = if i == 0 { begin } else { chain[i - 1].seq };
            let seq = chain[i].seq;
            if seq > previous + 1 {
                let missing = seq - previous - 1;
                self.fault(
                    id,
                    previous + 1,
                    "gap",
                    format!("{missing} events before event {seq} are gone"),
                );
                before = None;
            } else if seq <= previous {
                self.fault(
                    id,
                    seq,
                    "reordered",
                    format!("event {seq} stands where {expected} should"),
                );
                before = None;
            }
            let sound = match before {
                None => true,
                Some(before) => self.link(id, &before, &mut chain[i..]),
            };
            if sound && chain[i].cursor <= cursor {
                self.fault(
                    id,
                    seq,
                    "reordered",
                    format!("event {seq} is listed before the one it follows"),
                );
            }
            cursor = cursor.max(chain[i].cursor);
            before = Seal::try_from(&chain[i].mac[..]).ok();
        }
    }

    /// Checks the first of these links; if a later one belongs in its place, puts it there.
    fn link(&mut self, id: Uuid, before: &Seal, links: &mut [Link]) -> bool {
        let seq = links[0].seq;
        let Some(key) = self.keys.get(&links[0].key_id) else {
            if self.others.contains(&links[0].key_id) {
                self.report.foreign += 1;
                return true;
            }
            let detail = format!(
                "event {seq} is sealed with the key {:?}, which audit.key lacks",
                links[0].key_id
            );
            self.fault(id, seq, "unknown key", detail);
            return false;
        };
        if key.seal_event(before, &links[0].sealed(seq))[..] == links[0].mac {
            return true;
        }
        let belongs = links.iter().position(|other| {
            self.keys
                .get(&other.key_id)
                .is_some_and(|key| key.seal_event(before, &other.sealed(seq))[..] == other.mac)
        });
        let Some(other) = belongs else {
            let detail = format!("event {seq} ({}) does not match its seal", links[0].kind);
            self.fault(id, seq, "changed", detail);
            return false;
        };
        let found = links[other].seq;
        self.fault(
            id,
            seq,
            "reordered",
            format!("event {seq} stands in the place of event {found}"),
        );
        links.swap(0, other);
        links[0].seq = seq;
        links[other].seq = found;
        false
    }

    fn ends(&mut self, id: Uuid, chain: &[Link]) {
        let Some(last) = chain.last() else { return };
        let mut cut = false;
        match self.heads.remove(&id) {
            None => self.fault(
                id,
                last.seq,
                "changed",
                "the row that the chain belongs to is gone".to_owned(),
            ),
            Some(head) if head.seq > last.seq => {
                cut = true;
                let detail = format!(
                    "{} events after event {} are gone",
                    head.seq - last.seq,
                    last.seq
                );
                self.fault(id, last.seq + 1, "truncated", detail);
            }
            Some(head) if head.seq < last.seq => {
                let detail = format!("its row says that the chain ends with event {}", head.seq);
                self.fault(id, last.seq, "changed", detail);
            }
            Some(head) if head.mac != last.mac => {
                self.fault(
                    id,
                    last.seq,
                    "changed",
                    "its row names another last event".to_owned(),
                );
            }
            Some(_) => {}
        }
        let begin = self.bases.get(&id).map_or(0, |base| base.seq);
        for signed in self.signed.remove(&id).unwrap_or_default() {
            if signed.seq <= begin {
                continue;
            }
            if signed.seq > last.seq {
                if !cut {
                    cut = true;
                    let detail = format!(
                        "events up to {} were signed by a checkpoint, and are gone",
                        signed.seq
                    );
                    self.fault(id, last.seq + 1, "truncated", detail);
                }
            } else if let Some(link) = chain.iter().find(|link| link.seq == signed.seq)
                && link.mac != signed.mac
            {
                let detail = format!(
                    "event {} is not the one that a checkpoint signed",
                    signed.seq
                );
                self.fault(id, signed.seq, "changed", detail);
            }
        }
    }
}

impl AuditReport {
    /// Compares how many events there are with how many the last checkpoint counted. What the chains show says more.
    pub(crate) fn expect_count(&mut self, found: i64, signed: i64) {
        if found == signed || !self.faults.is_empty() {
            return;
        }
        self.faults.push(AuditFault {
            aggregate_id: Uuid::nil(),
            seq: 0,
            kind: if found < signed {
                "truncated"
            } else {
                "changed"
            },
            detail: format!("the last checkpoint counted {signed} events, and there are {found}"),
        });
    }
}

impl Link {
    fn sealed(&self, seq: u64) -> Sealed<'_> {
        Sealed {
            aggregate_id: self.aggregate_id,
            project_id: self.project_id,
            seq,
            event_id: self.event_id,
            at_micros: self.at_micros,
            kind: &self.kind,
            payload: &self.payload,
        }
    }
}
