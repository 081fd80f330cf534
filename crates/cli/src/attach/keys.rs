//! Finds the detach key, ctrl-\, in what is typed.

/// The key as a terminal sends it by default.
const CTRL_BACKSLASH: u8 = 0x1c;
const ESC: u8 = 0x1b;

/// Looks for the detach key, whichever way the user's terminal encodes it.
///
/// A program may have switched the terminal to kitty's encoding (`CSI 92;5u`) or to modifyOtherKeys
/// (`CSI 27;5;92~`). What may be the beginning of one of these is held until more comes, or until
/// [`DetachKey::give_up`]; everything else passes at once.
#[derive(Debug, Default)]
pub(crate) struct DetachKey {
    held: Vec<u8>,
    /// The last byte that passed was ESC: a key's first byte, if the terminal's write was cut there.
    after_escape: bool,
}

/// What to type into the program, and whether to detach after that.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) detach: bool,
}

impl DetachKey {
    /// Takes what was typed next.
    pub(crate) fn read(&mut self, bytes: &[u8]) -> Typed {
        let mut input = std::mem::take(&mut self.held);
        // An ESC that passed already is looked at again, but not typed again.
        let passed = usize::from(std::mem::take(&mut self.after_escape));
        if passed == 1 {
            input.insert(0, ESC);
        }
        input.extend_from_slice(bytes);
        let typed = |end: usize| input.get(passed..end).unwrap_or_default().to_vec();
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            if rest[0] == CTRL_BACKSLASH {
                return Typed {
                    bytes: typed(at),
                    detach: true,
                };
            }
            let Some(body) = rest.strip_prefix(b"\x1b[") else {
                at += 1;
                continue;
            };
            let end = body
                .iter()
                .position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'));
            match end {
                Some(end) if is_detach_key(&body[..end], body[end]) => {
                    return Typed {
                        bytes: typed(at),
                        detach: true,
                    };
                }
                Some(end) => at += 2 + end,
                None if may_become_detach_key(body) => {
                    let bytes = typed(at);
                    self.held = input[at.max(passed)..].to_vec();
                    self.after_escape = at < passed;
                    return Typed {
                        bytes,
                        detach: false,
                    };
                }
                None => at += 2 + body.len(),
            }
        }
        self.after_escape = input.last() == Some(&ESC);
        Typed {
            bytes: typed(input.len()),
            detach: false,
        }
    }

    /// Tells whether something is held.
    pub(crate) const fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives back what is held: no more came in time, so it was no detach key.
    pub(crate) fn give_up(&mut self) -> Vec<u8> {
        self.after_escape = false;
        std::mem::take(&mut self.held)
    }
}

/// Tells whether a CSI sequence is ctrl-\ pressed.
fn is_detach_key(params: &[u8], last: u8) -> bool {
    let params: Vec<Vec<Option<u32>>> = params
        .split(|byte| *byte == b';')
        .map(|param| param.split(|byte| *byte == b':').map(number).collect())
        .collect();
    let first = |at: usize| {
        params
            .get(at)
            .and_then(|param| param.first().copied().flatten())
    };
    match last {
        b'u' => {
            let event = params
                .get(1)
                .and_then(|param| param.get(1).copied().flatten())
                .unwrap_or(1);
            // Released (3) is after the fact.
            first(0) == Some(92) && is_ctrl(first(1)) && event != 3
        }
        b'~' => first(0) == Some(27) && is_ctrl(first(1)) && first(2) == Some(92),
        _ => false,
    }
}

/// Tells whether a modifier parameter is ctrl alone, whatever caps lock and num lock are.
fn is_ctrl(modifiers: Option<u32>) -> bool {
    const CTRL: u32 = 4;
    const LOCKS: u32 = 64 | 128;
    modifiers
        .and_then(|modifiers| modifiers.checked_sub(1))
        .is_some_and(|bits| bits & !LOCKS == CTRL)
}

fn may_become_detach_key(params: &[u8]) -> bool {
    let first = params
        .split(|byte| matches!(byte, b';' | b':'))
        .next()
        .unwrap_or_default();
    let more = first.len() < params.len();
    params.len() < 32
        && [&b"92"[..], b"27"].iter().any(|code| {
            if more {
                first == *code
            } else {
                code.starts_with(first)
            }
        })
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEYS: &[&[u8]] = &[
        b"\x1c",
        b"\x1b[92;5u",
        b"\x1b[92:124;5u",
        b"\x1b[92::92;5:1u",
        b"\x1b[92;5:2u",
        b"\x1b[92;133u",
        b"\x1b[92;69;28u",
        b"\x1b[27;5;92~",
        b"\x1b[27;133;92~",
    ];

    const OTHERS: &[&[u8]] = &[
        b"a",
        b"\\",
        b"\r",
        "ü".as_bytes(),
        b"\x1b[A",
        b"\x1b[1;5C",
        b"\x1b[92u",
        b"\x1b[92;6u",
        b"\x1b[92;5:3u",
        b"\x1b[93;5u",
        b"\x1b[27;5;93~",
        b"\x1b[27;6;92~",
        b"\x1b[27u",
        b"\x1b[<0;92;5M",
        b"\x1b[200~x\x1b[201~",
        b"\x1bOP",
        b"\x1b[I",
    ];

    #[test]
    fn the_key_detaches_in_every_encoding_wherever_it_is_cut() {
        for key in KEYS {
            for cut in 0..key.len() {
                let mut detach = DetachKey::default();
                let first = detach.read(&[b"ls ", &key[..cut]].concat());
                let second = detach.read(&[&key[cut..], b"rest"].concat());
                assert!(
                    second.detach && !first.detach,
                    "{} cut at {cut}",
                    key.escape_ascii()
                );
                let typed = [first.bytes, second.bytes].concat();
                // An ESC at the end of a read is not held: alone it is the key Escape.
                let leaked: &[u8] = if cut == 1 && key.len() > 1 {
                    b"\x1b"
                } else {
                    b""
                };
                assert_eq!(
                    typed,
                    [b"ls ", leaked].concat(),
                    "{} cut at {cut}",
                    key.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn escape_alone_is_typed_at_once() {
        let mut detach = DetachKey::default();
        assert_eq!(
            detach.read(b"\x1b"),
            Typed {
                bytes: b"\x1b".to_vec(),
                detach: false
            }
        );
        assert!(!detach.is_waiting());
    }

    #[test]
    fn what_was_held_in_vain_is_given_back() {
        let mut detach = DetachKey::default();
        assert_eq!(detach.read(b"\x1b["), Typed::default());
        assert!(detach.is_waiting());
        assert_eq!(detach.give_up(), b"\x1b[");
        assert!(!detach.is_waiting());
    }

    proptest! {
        #[test]
        fn everything_else_is_typed_whole_at_any_chunking(
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
            size in 1_usize..9,
        ) {
            let sent: Vec<u8> = picks.iter().flat_map(|pick| pick.get(OTHERS).iter().copied()).collect();
            let mut detach = DetachKey::default();
            let mut typed = Vec::new();
            for piece in sent.chunks(size) {
                let read = detach.read(piece);
                prop_assert!(!read.detach);
                typed.extend(read.bytes);
            }
            typed.extend(detach.give_up());
            prop_assert_eq!(typed, sent);
        }
    }
}
