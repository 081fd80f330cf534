//! Finds the keys that are not the program's in what is typed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

const ESC: u8 = 0x1b;
/// A sequence that is longer than this is no key.
const MAX_KEY: usize = 32;

/// Names a key that is a viewer's own: ctrl and a letter or a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Key {
    /// Lower-case, or one of `\ ] ^ _`.
    sign: u8,
}

impl Key {
    /// Detaches: ctrl-\.
    pub const DETACH: Self = Self { sign: b'\\' };
    /// Takes over: ctrl-].
    pub const TAKE_OVER: Self = Self { sign: b']' };

    /// The byte that a terminal sends for it by default.
    const fn byte(self) -> u8 {
        self.sign & 0x1f
    }

    /// Tells whether a chord is this key, whatever caps lock and num lock are.
    fn is(self, chord: Chord) -> bool {
        const SHIFT: u32 = 1;
        const CTRL: u32 = 4;
        const LOCKS: u32 = 64 | 128;
        let sign = Some(u32::from(self.sign));
        // The key in the same place of a Latin keyboard counts where the key itself has no Latin letter.
        let latin = chord
            .base
            .filter(|_| chord.code.is_some_and(|code| code > 127));
        match chord.modifiers.checked_sub(1).map(|bits| bits & !LOCKS) {
            Some(CTRL) => sign == chord.code || sign == latin,
            // These are typed with shift on most keyboards.
            Some(bits) if bits == CTRL | SHIFT && matches!(self.sign, b'^' | b'_') => {
                sign == chord.code || sign == chord.shifted
            }
            _ => false,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ctrl-{}", char::from(self.sign))
    }
}

impl FromStr for Key {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let sign = ["ctrl-", "c-", "^"]
            .iter()
            .find_map(|prefix| lower.strip_prefix(prefix))
            .unwrap_or_default();
        match sign.as_bytes() {
            [b'i' | b'j' | b'm'] => Err("terminals send it for Tab or Enter too".to_owned()),
            [b'['] => Err("terminals send it for Escape too".to_owned()),
            [sign @ (b'a'..=b'z' | b'\\' | b']' | b'^' | b'_')] => Ok(Self { sign: *sign }),
            _ => Err(r"write ctrl- and a letter or one of \ ] ^ _, such as 'ctrl-\'".to_owned()),
        }
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for Key {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Tells what was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// Something for the program.
    Bytes(Vec<u8>),
    /// A key that was looked for.
    Key(Key),
}

/// Looks for keys, whichever way the user's terminal encodes them.
///
/// A program may have switched the terminal to kitty's encoding (`CSI 92;5u`) or to modifyOtherKeys
/// (`CSI 27;5;92~`). What may be the beginning of one of these is held until more comes, or until
/// [`Keys::give_up`]; everything else passes at once. What is pasted holds no keys.
#[derive(Debug, Default)]
pub struct Keys {
    held: Vec<u8>,
    /// The last byte that passed was ESC: a key's first byte, if the terminal's write was cut there.
    after_escape: bool,
    pasting: bool,
}

impl Keys {
    /// Takes what was typed next, looking for the `wanted` keys.
    pub fn read(&mut self, bytes: &[u8], wanted: &[Key]) -> Vec<Typed> {
        let mut input = std::mem::take(&mut self.held);
        // An ESC that passed already is looked at again, but not typed again.
        let passed = usize::from(std::mem::take(&mut self.after_escape));
        if passed == 1 {
            input.insert(0, ESC);
        }
        input.extend_from_slice(bytes);
        let mut typed = Vec::new();
        let type_bytes = |typed: &mut Vec<Typed>, bytes: Option<&[u8]>| {
            if let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) {
                typed.push(Typed::Bytes(bytes.to_vec()));
            }
        };
        let (mut from, mut at) = (passed, 0);
        while at < input.len() {
            let rest = &input[at..];
            let plain = wanted.iter().find(|key| key.byte() == rest[0]);
            if let Some(key) = plain.filter(|_| !self.pasting) {
                type_bytes(&mut typed, input.get(from..at));
                typed.push(Typed::Key(*key));
                at += 1;
                from = at;
                continue;
            }
            let Some(body) = rest.strip_prefix(b"\x1b[") else {
                at += 1;
                continue;
            };
            let Some(end) = body
                .iter()
                .position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))
            else {
                if body.len() < MAX_KEY {
                    type_bytes(&mut typed, input.get(from..at));
                    self.held = input[at.max(from)..].to_vec();
                    self.after_escape = at < from;
                    return typed;
                }
                break;
            };
            match (&body[..end], body[end]) {
                (b"200", b'~') => self.pasting = true,
                (b"201", b'~') => self.pasting = false,
                (params, last) if !self.pasting => {
                    let chord = Chord::read(params, last);
                    let key = chord.and_then(|chord| wanted.iter().find(|key| key.is(chord)));
                    if let (Some(chord), Some(key)) = (chord, key) {
                        type_bytes(&mut typed, input.get(from..at));
                        if !chord.released {
                            typed.push(Typed::Key(*key));
                        }
                        at += 2 + end + 1;
                        from = at;
                        continue;
                    }
                }
                _ => {}
            }
            at += 2 + end;
        }
        self.after_escape = from < input.len() && input.last() == Some(&ESC);
        type_bytes(&mut typed, input.get(from..));
        typed
    }

    /// Tells whether what comes next is read as if nothing had come before it.
    pub const fn is_at_rest(&self) -> bool {
        self.held.is_empty() && !self.after_escape && !self.pasting
    }

    /// Tells whether something is held.
    pub const fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives back what is held: no more came in time, so it was no key.
    pub fn give_up(&mut self) -> Vec<u8> {
        self.after_escape = false;
        std::mem::take(&mut self.held)
    }
}

/// Tells whether all of it is for the program, whatever comes next: it holds none of the `wanted` keys and begins none.
pub fn is_programs(bytes: &[u8], wanted: &[Key]) -> bool {
    // Every key begins with a control character.
    if bytes.iter().all(|byte| *byte >= b' ') {
        return true;
    }
    let mut keys = Keys::default();
    let typed = keys.read(bytes, wanted);
    keys.is_at_rest() && matches!(&typed[..], [Typed::Bytes(all)] if all == bytes)
}

/// A key with its modifiers, as a CSI sequence tells it.
#[derive(Clone, Copy, Debug)]
struct Chord {
    code: Option<u32>,
    /// What shift makes of it.
    shifted: Option<u32>,
    /// What stands in its place on a Latin keyboard.
    base: Option<u32>,
    modifiers: u32,
    released: bool,
}

impl Chord {
    fn read(params: &[u8], last: u8) -> Option<Self> {
        let params: Vec<Vec<Option<u32>>> = params
            .split(|byte| *byte == b';')
            .map(|param| param.split(|byte| *byte == b':').map(number).collect())
            .collect();
        let part = |at: usize, part: usize| params.get(at)?.get(part).copied().flatten();
        let modifiers = part(1, 0)?;
        match last {
            b'u' => Some(Self {
                code: part(0, 0),
                shifted: part(0, 1),
                base: part(0, 2),
                modifiers,
                // Pressed (1) when absent, repeated (2), released (3).
                released: part(1, 1) == Some(3),
            }),
            b'~' if part(0, 0) == Some(27) => Some(Self {
                code: part(2, 0),
                shifted: None,
                base: None,
                modifiers,
                released: false,
            }),
            _ => None,
        }
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WANTED: &[Key] = &[Key::DETACH];

    const KEYS: &[&[u8]] = &[
        b"\x1c",
        b"\x1b[92;5u",
        b"\x1b[92:124;5u",
        b"\x1b[92::92;5:1u",
        b"\x1b[92:124:92;5:1;28u",
        b"\x1b[92;5:2u",
        b"\x1b[92;69u",
        b"\x1b[92;133u",
        b"\x1b[92;197u",
        b"\x1b[92;69;28u",
        b"\x1b[1098::92;5u",
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
        b"\x1b[92;7u",
        b"\x1b[93;5u",
        b"\x1b[97::92;5u",
        b"\x1b[27;5;93~",
        b"\x1b[27;6;92~",
        b"\x1b[27u",
        b"\x1b[<0;92;5M",
        b"\x1b[200~x\x1c\x1b[92;5u\x1b[201~",
        b"\x1bOP",
        b"\x1b[I",
    ];

    fn bytes(typed: &[Typed]) -> Vec<u8> {
        let bytes = typed.iter().filter_map(|typed| match typed {
            Typed::Bytes(bytes) => Some(bytes.as_slice()),
            Typed::Key(_) => None,
        });
        bytes.collect::<Vec<_>>().concat()
    }

    #[test]
    fn a_key_is_found_in_every_encoding_wherever_it_is_cut() {
        for key in KEYS {
            for cut in 0..key.len() {
                let mut keys = Keys::default();
                let mut typed = keys.read(&[b"ls ", &key[..cut]].concat(), WANTED);
                assert!(!typed.contains(&Typed::Key(Key::DETACH)));
                typed.extend(keys.read(&[&key[cut..], b"rest"].concat(), WANTED));
                // An ESC at the end of a read is not held: alone it is the key Escape.
                let leaked: &[u8] = if cut == 1 && key.len() > 1 {
                    b"\x1b"
                } else {
                    b""
                };
                let before = [b"ls ", leaked].concat();
                let at = typed
                    .iter()
                    .position(|typed| *typed == Typed::Key(Key::DETACH));
                let at = at.unwrap_or_else(|| panic!("{} cut at {cut}", key.escape_ascii()));
                assert_eq!(
                    bytes(&typed[..at]),
                    before,
                    "{} cut at {cut}",
                    key.escape_ascii()
                );
                assert_eq!(
                    bytes(&typed[at..]),
                    b"rest",
                    "{} cut at {cut}",
                    key.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn other_keys_can_be_chosen() {
        for (name, encodings) in [
            (
                "ctrl-a",
                &[
                    &b"\x01"[..],
                    b"\x1b[97;5u",
                    b"\x1b[1092::97;5u",
                    b"\x1b[27;5;97~",
                ][..],
            ),
            ("C-]", &[b"\x1d", b"\x1b[93;5u"]),
            (
                "^^",
                &[b"\x1e", b"\x1b[54:94;6u", b"\x1b[27;6;94~", b"\x1b[94;5u"],
            ),
            ("Ctrl-_", &[b"\x1f", b"\x1b[45:95;6u", b"\x1b[27;6;95~"]),
        ] {
            let key: Key = name.parse().unwrap();
            for encoding in encodings {
                let typed = Keys::default().read(encoding, &[key]);
                assert_eq!(
                    typed,
                    [Typed::Key(key)],
                    "{name} {}",
                    encoding.escape_ascii()
                );
                let none = Keys::default().read(encoding, &[]);
                assert_eq!(bytes(&none), *encoding, "what is not wanted is typed");
            }
        }
        for bad in [
            "", "a", "ctrl-", "ctrl-i", "ctrl-m", "ctrl-[", "ctrl-ab", "ctrl-1", "alt-a",
        ] {
            assert!(bad.parse::<Key>().is_err(), "{bad:?}");
        }
        assert_eq!(Key::DETACH.to_string().parse(), Ok(Key::DETACH));
    }

    #[test]
    fn a_keys_release_is_nobodys() {
        let typed = Keys::default().read(b"a\x1b[92;5:3ub", WANTED);
        assert_eq!(bytes(&typed), b"ab");
        assert_eq!(typed.len(), 2);
    }

    #[test]
    fn escape_alone_is_typed_at_once() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(b"\x1b", WANTED), [Typed::Bytes(b"\x1b".to_vec())]);
        assert!(!keys.is_waiting());
    }

    #[test]
    fn what_was_held_in_vain_is_given_back() {
        let mut keys = Keys::default();
        assert_eq!(keys.read(b"\x1b[", WANTED), []);
        assert!(keys.is_waiting());
        assert_eq!(keys.give_up(), b"\x1b[");
        assert!(!keys.is_waiting());
    }

    #[test]
    fn what_is_all_the_programs_is_told_apart() {
        for other in OTHERS {
            assert!(is_programs(other, WANTED), "{}", other.escape_ascii());
        }
        for key in KEYS {
            let typed = [b"ls ", *key, b"rest"].concat();
            assert!(!is_programs(&typed, WANTED), "{}", key.escape_ascii());
            for cut in 1..key.len() {
                assert!(!is_programs(&key[..cut], WANTED), "{}", key.escape_ascii());
            }
        }
        for unclear in [&b"\x1b[200~half a paste"[..], b"a\x1b[92;5:3ub"] {
            assert!(!is_programs(unclear, WANTED), "{}", unclear.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn everything_else_is_typed_whole_at_any_chunking(
            picks in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
            size in 1_usize..9,
        ) {
            let sent: Vec<u8> = picks.iter().flat_map(|pick| pick.get(OTHERS).iter().copied()).collect();
            let mut keys = Keys::default();
            let mut all = Vec::new();
            for piece in sent.chunks(size) {
                let typed = keys.read(piece, WANTED);
                prop_assert!(!typed.contains(&Typed::Key(Key::DETACH)));
                all.extend(bytes(&typed));
            }
            all.extend(keys.give_up());
            prop_assert_eq!(all, sent);
        }
    }
}
