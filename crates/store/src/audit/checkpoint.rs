//! Signed statements of where the chains end, and where they begin since older events were pruned.

use stratavore_core::clock::Timestamp;
use uuid::Uuid;

use super::{Keyring, ORIGIN, Seal};
use crate::Result;
use crate::row::seal;

/// A stored checkpoint: the heads of the chains that grew since the one before, and the bases of those that were pruned.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) id: i64,
    pub(crate) cursor: i64,
    /// How many events were ever written until then.
    pub(crate) events: i64,
    pub(crate) heads: Vec<u8>,
    /// How many of the events were ever pruned.
    pub(crate) pruned: i64,
    /// The last events that were pruned with this checkpoint, one for each chain that lost some.
    pub(crate) bases: Vec<u8>,
    pub(crate) at_micros: i64,
    pub(crate) key_id: String,
    pub(crate) mac: Vec<u8>,
}

/// A place in a chain: an event and its seal.
#[derive(Clone, Debug)]
pub(crate) struct HeadRow {
    pub(crate) aggregate_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) mac: Vec<u8>,
}

/// The bytes of one place in a checkpoint: aggregate, seq, seal.
const HEAD_LEN: usize = 16 + 8 + 32;

impl HeadRow {
    fn encode(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.aggregate_id.as_bytes());
        into.extend_from_slice(&self.seq.to_be_bytes());
        into.extend_from_slice(&self.mac);
    }

    /// Reads what a checkpoint lists.
    pub(super) fn decode_all(bytes: &[u8]) -> impl Iterator<Item = Self> {
        bytes.chunks(HEAD_LEN).filter_map(|bytes| {
            let (id, rest) = bytes.split_first_chunk::<16>()?;
            let (seq, mac) = rest.split_first_chunk::<8>()?;
            Some(Self {
                aggregate_id: Uuid::from_bytes(*id),
                seq: u64::from_be_bytes(*seq),
                mac: mac.to_vec(),
            })
        })
    }
}

/// By how much a chain grew since the last checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct Growth {
    pub(crate) head: HeadRow,
    pub(crate) events: i64,
    pub(crate) cursor: i64,
}

impl Checkpoint {
    /// Signs what grew since the last one, and what is being pruned: so many events, after which the chains begin behind
    /// these bases. Nothing to sign is no checkpoint.
    pub(crate) fn following(
        last: Option<&Self>,
        grown: &[Growth],
        pruned: (i64, &[HeadRow]),
        keys: &Keyring,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let (cut, bases) = pruned;
        if grown.is_empty() && bases.is_empty() {
            return Ok(None);
        }
        let before: Seal = match last {
            None => ORIGIN,
            Some(last) => seal("the last checkpoint", &last.mac)?,
        };
        let since = last.map_or(0, |last| last.cursor);
        let key = keys.current();
        let mut checkpoint = Self {
            id: last.map_or(0, |last| last.id) + 1,
            cursor: grown
                .iter()
                .map(|chain| chain.cursor)
                .max()
                .unwrap_or(since),
            events: last.map_or(0, |last| last.events)
                + grown.iter().map(|chain| chain.events).sum::<i64>(),
            heads: Vec::new(),
            pruned: last.map_or(0, |last| last.pruned) + cut,
            bases: Vec::new(),
            at_micros: now.timestamp_micros(),
            key_id: key.id.clone(),
            mac: Vec::new(),
        };
        for chain in grown {
            chain.head.encode(&mut checkpoint.heads);
        }
        for base in bases {
            base.encode(&mut checkpoint.bases);
        }
        checkpoint.mac = key.seal_checkpoint(&before, &checkpoint).to_vec();
        Ok(Some(checkpoint))
    }
}
