//! Keeps a bracketed paste in one piece when several type at once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const BEGIN: &[u8] = b"\x1b[200~";
const END: &[u8] = b"\x1b[201~";
/// A paste whose end does not come by then is no reason any more to keep others from typing.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Lets one peer's paste through while what others type waits.
#[derive(Debug, Default)]
pub struct Paste {
    /// Who pastes, and when the last of it came.
    open: Option<(u64, Instant)>,
    held: Vec<(u64, Vec<u8>)>,
}

impl Paste {
    /// Takes what a peer typed; appends to `input` what may be written now.
    pub fn take(&mut self, peer: u64, bytes: Vec<u8>, now: Instant, input: &mut VecDeque<u8>) {
        match self.open {
            Some((owner, _)) if owner != peer => self.held.push((peer, bytes)),
            _ => {
                match (last(&bytes, BEGIN), last(&bytes, END)) {
                    (Some(begin), end) if end.is_none_or(|end| end < begin) => {
                        self.open = Some((peer, now))
                    }
                    (_, Some(_)) => self.open = None,
                    _ => {
                        if let Some((_, at)) = &mut self.open {
                            *at = now;
                        }
                    }
                }
                input.extend(bytes);
                self.release(now, input);
            }
        }
    }

    /// Counts the bytes that wait for a paste's end.
    pub fn held(&self) -> usize {
        self.held.iter().map(|(_, bytes)| bytes.len()).sum()
    }

    /// Gives when waiting ends.
    pub fn deadline(&self) -> Option<Instant> {
        if self.held.is_empty() {
            None
        } else {
            self.open.map(|(_, at)| at + TIMEOUT)
        }
    }

    /// Lets others type when a paste was not ended in time.
    pub fn expire(&mut self, now: Instant, input: &mut VecDeque<u8>) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.open = None;
            self.release(now, input);
        }
    }

    /// Lets others type when the one who pasted has left.
    pub fn left(&mut self, peer: u64, input: &mut VecDeque<u8>) {
        if let Some((owner, at)) = self.open
            && owner == peer
        {
            self.open = None;
            self.release(at, input);
        }
    }

    fn release(&mut self, now: Instant, input: &mut VecDeque<u8>) {
        if self.open.is_none() {
            for (peer, bytes) in std::mem::take(&mut self.held) {
                self.take(peer, bytes, now, input);
            }
        }
    }
}

fn last(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).rposition(|window| window == mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_in_pieces_stays_in_one() {
        let (mut paste, mut input, now) = (Paste::default(), VecDeque::new(), Instant::now());
        paste.take(1, b"\x1b[200~one ".to_vec(), now, &mut input);
        paste.take(2, b"x".to_vec(), now, &mut input);
        paste.take(1, b"two".to_vec(), now, &mut input);
        assert_eq!(paste.held(), 1);
        paste.take(1, b"\x1b[201~".to_vec(), now, &mut input);
        assert_eq!(Vec::from(input), b"\x1b[200~one two\x1b[201~x");
        assert_eq!(paste.deadline(), None);
    }

    #[test]
    fn nobody_waits_for_ever() {
        let (mut paste, mut input, now) = (Paste::default(), VecDeque::new(), Instant::now());
        paste.take(1, BEGIN.to_vec(), now, &mut input);
        paste.take(2, b"x".to_vec(), now, &mut input);
        paste.expire(now, &mut input);
        assert_eq!(input.len(), BEGIN.len());
        paste.expire(paste.deadline().unwrap(), &mut input);
        assert_eq!(input.back(), Some(&b'x'));

        paste.take(1, BEGIN.to_vec(), now, &mut input);
        paste.take(2, b"y".to_vec(), now, &mut input);
        paste.left(1, &mut input);
        assert_eq!(input.back(), Some(&b'y'));
    }

    #[test]
    fn a_whole_paste_holds_nobody_up() {
        let (mut paste, mut input, now) = (Paste::default(), VecDeque::new(), Instant::now());
        paste.take(1, b"\x1b[200~all\x1b[201~".to_vec(), now, &mut input);
        paste.take(2, b"x".to_vec(), now, &mut input);
        assert_eq!(paste.held(), 0);
    }
}
