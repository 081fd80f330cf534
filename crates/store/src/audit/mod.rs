//! The audit chain: what is signed, with which key, and what a check of it finds. The same for every database.

mod check;
mod checkpoint;
mod key;

pub(crate) use check::{Inspection, Link};
pub(crate) use checkpoint::{Checkpoint, Growth, HeadRow};
pub(crate) use key::Keyring;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// An HMAC-SHA256.
pub(crate) type Seal = [u8; 32];

/// What the first event of a chain and the first checkpoint are chained to.
pub(crate) const ORIGIN: Seal = [0; 32];

/// What an event's seal covers, apart from the seal before it.
pub(crate) struct Sealed<'a> {
    pub(crate) aggregate_id: Uuid,
    pub(crate) project_id: Uuid,
    pub(crate) seq: u64,
    pub(crate) event_id: Uuid,
    pub(crate) at_micros: i64,
    pub(crate) kind: &'a str,
    pub(crate) payload: &'a str,
}

/// One secret.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) id: String,
    secret: Seal,
}

impl Key {
    fn mac(&self) -> Hmac<Sha256> {
        Hmac::new_from_slice(&self.secret).expect("a key of any length")
    }

    /// Seals an event. Every variable part is preceded by its length, so that no two events read alike.
    pub(crate) fn seal_event(&self, before: &Seal, event: &Sealed<'_>) -> Seal {
        let mut mac = self.mac();
        mac.update(b"stratavore event 1\0");
        mac.update(before);
        mac.update(event.aggregate_id.as_bytes());
        mac.update(event.project_id.as_bytes());
        mac.update(&event.seq.to_be_bytes());
        mac.update(event.event_id.as_bytes());
        mac.update(&event.at_micros.to_be_bytes());
        for text in [event.kind, event.payload] {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }

    /// Seals a checkpoint. One that follows a pruning covers what was pruned too; the others are sealed as they always were.
    pub(crate) fn seal_checkpoint(&self, before: &Seal, checkpoint: &Checkpoint) -> Seal {
        let mut mac = self.mac();
        let pruned = checkpoint.pruned > 0;
        mac.update(if pruned {
            b"stratavore checkpoint 2\0"
        } else {
            b"stratavore checkpoint 1\0"
        });
        mac.update(before);
        for number in [
            checkpoint.id,
            checkpoint.cursor,
            checkpoint.events,
            checkpoint.at_micros,
        ] {
            mac.update(&number.to_be_bytes());
        }
        mac.update(&(checkpoint.heads.len() as u64).to_be_bytes());
        mac.update(&checkpoint.heads);
        if pruned {
            mac.update(&checkpoint.pruned.to_be_bytes());
            mac.update(&(checkpoint.bases.len() as u64).to_be_bytes());
            mac.update(&checkpoint.bases);
        }
        mac.finalize().into_bytes().into()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
