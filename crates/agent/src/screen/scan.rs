//! Where sequences begin and end, and those that the engine does not know.
//!
//! The states mirror those of the engine's parser, so that [`Scanner::pending`] is exactly what that parser has taken in and
//! not yet acted upon: a fresh one that is fed it stands in the same place.

/// A string (OSC, DCS, …) is cut off here, for the engine would hold it all.
const STRING_MAX: usize = 128 * 1024;
/// Of a string that is not replayed, so much is kept to be understood.
const DCS_KEPT: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    EscapeIntermediate,
    Csi,
    CsiIgnored,
    Osc,
    Dcs,
    /// SOS, PM or APC: nobody reads it.
    Skipped,
    /// An OSC longer than allowed, of which the engine sees no more.
    Cut,
}

/// Tells what ended here that somebody beside the engine has to act upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A control sequence: what stands between `ESC [` and the final byte, and that byte.
    Csi(Vec<u8>, u8),
    /// An operating system command: what stands between `ESC ]` and its terminator.
    Osc(Vec<u8>),
    /// A device control string: its beginning, without `ESC P`.
    Dcs(Vec<u8>),
    /// The engine must be told to forget the string it is in.
    Overlong,
}

/// Says how far the scanner went and what it met.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes consumed.
    pub(crate) consumed: usize,
    /// Whether the engine shall see them.
    pub(crate) shown: bool,
    /// What ended with the last of them.
    pub(crate) found: Option<Found>,
}

/// Follows a terminal stream.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// What came of the sequence.
    pending: Vec<u8>,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Ground,
            pending: Vec::new(),
        }
    }

    /// Gives what a fresh engine must be fed to stand inside the same sequence.
    pub(crate) fn pending(&self) -> &[u8] {
        match self.state {
            // Their content acts on nothing: any opened string that nobody reads will do.
            State::Dcs | State::Skipped | State::Cut => b"\x1b_",
            _ => &self.pending,
        }
    }

    /// Says whether no sequence has begun.
    pub(crate) fn at_rest(&self) -> bool {
        self.state == State::Ground
    }

    /// Consumes bytes up to the end of the next thing to act upon, or all of them.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Step {
        let shown = self.state != State::Cut;
        let mut at = 0;
        while at < bytes.len() {
            if self.state == State::Ground {
                match memchr(0x1b, &bytes[at..]) {
                    None => {
                        at = bytes.len();
                        break;
                    }
                    Some(skip) => {
                        at += skip + 1;
                        self.pending.clear();
                        self.pending.push(0x1b);
                        self.state = State::Escape;
                        continue;
                    }
                }
            }
            if self.state == State::Cut && matches!(bytes[at], 0x18 | 0x1a | 0x1b) {
                // The engine rests; it must see this byte, which begins something new.
                if at > 0 {
                    return Step {
                        consumed: at,
                        shown: false,
                        found: None,
                    };
                }
                self.enter(bytes[at]);
                return Step {
                    consumed: 1,
                    shown: true,
                    found: None,
                };
            }
            let byte = bytes[at];
            at += 1;
            let cut_before = self.state == State::Cut;
            let found = self.take(byte);
            if found.is_some() || (cut_before && self.state != State::Cut) {
                return Step {
                    consumed: at,
                    shown,
                    found,
                };
            }
        }
        Step {
            consumed: at,
            shown,
            found: None,
        }
    }

    /// Goes where CAN, SUB and ESC lead from anywhere.
    fn enter(&mut self, byte: u8) {
        self.pending.clear();
        if byte == 0x1b {
            self.pending.push(byte);
            self.state = State::Escape;
        } else {
            self.state = State::Ground;
        }
    }

    fn rest(&mut self) -> Vec<u8> {
        self.state = State::Ground;
        std::mem::take(&mut self.pending)
    }

    fn take(&mut self, byte: u8) -> Option<Found> {
        match self.state {
            State::Ground => unreachable!("ground is left by ESC alone, in `step`"),
            State::Escape => match byte {
                0x18 | 0x1a => self.enter(byte),
                0x1b => {}
                0x00..=0x1f | 0x7f.. => {}
                0x20..=0x2f => self.become_(State::EscapeIntermediate, byte),
                b'[' => self.become_(State::Csi, byte),
                b']' => self.become_(State::Osc, byte),
                b'P' => self.become_(State::Dcs, byte),
                b'X' | b'^' | b'_' => self.become_(State::Skipped, byte),
                _ => self.enter(0x18),
            },
            State::EscapeIntermediate => match byte {
                0x18 | 0x1a | 0x1b => self.enter(byte),
                0x00..=0x1f | 0x7f.. => {}
                0x20..=0x2f => self.remember(byte),
                _ => self.enter(0x18),
            },
            State::Csi => match byte {
                0x18 | 0x1a | 0x1b => self.enter(byte),
                0x00..=0x1f | 0x7f.. => {}
                0x20..=0x3f => self.remember(byte),
                _ => {
                    let sequence = self.rest();
                    return interesting(&sequence[2..], byte)
                        .then(|| Found::Csi(sequence[2..].to_vec(), byte));
                }
            },
            State::CsiIgnored => match byte {
                0x18 | 0x1a | 0x1b => self.enter(byte),
                0x40..=0x7e => self.enter(0x18),
                _ => {}
            },
            State::Osc => match byte {
                0x07 | 0x18 | 0x1a | 0x1b => {
                    let string = std::mem::take(&mut self.pending);
                    self.enter(if byte == 0x07 { 0x18 } else { byte });
                    return Some(Found::Osc(string[2..].to_vec()));
                }
                0x00..=0x1f => {}
                _ => {
                    self.pending.push(byte);
                    if self.pending.len() > STRING_MAX {
                        self.pending = Vec::new();
                        self.state = State::Cut;
                        return Some(Found::Overlong);
                    }
                }
            },
            State::Dcs => match byte {
                0x18 | 0x1a | 0x1b | 0x9c => {
                    let string = std::mem::take(&mut self.pending);
                    self.enter(if byte == 0x9c { 0x18 } else { byte });
                    return Some(Found::Dcs(string[2..].to_vec()));
                }
                _ => {
                    if self.pending.len() < DCS_KEPT {
                        self.pending.push(byte);
                    }
                }
            },
            State::Skipped => {
                if matches!(byte, 0x18 | 0x1a | 0x1b) {
                    self.enter(byte);
                }
            }
            State::Cut => {
                if byte == 0x07 {
                    self.enter(0x18);
                }
            }
        }
        None
    }

    fn become_(&mut self, state: State, byte: u8) {
        self.state = state;
        self.pending.push(byte);
    }

    /// Collects a byte of a short sequence; one that is too long is ignored, as the engine ignores it.
    fn remember(&mut self, byte: u8) {
        const SEQUENCE_MAX: usize = 1024;
        self.pending.push(byte);
        if self.pending.len() > SEQUENCE_MAX {
            self.pending.truncate(2);
            self.pending.extend_from_slice(b"0<0");
            if self.state == State::Csi {
                self.state = State::CsiIgnored;
            }
        }
    }
}

/// Says whether a control sequence is one that the engine does not act upon and somebody else does.
fn interesting(parameters: &[u8], last: u8) -> bool {
    match last {
        // XTVERSION, DA3, DECSTR.
        b'q' => parameters.first() == Some(&b'>'),
        b'c' => parameters.first() == Some(&b'='),
        b'p' => parameters == b"!",
        // Private status reports, cell size.
        b'n' => parameters.first() == Some(&b'?'),
        b't' => parameters == b"16",
        _ => false,
    }
}

fn memchr(needle: u8, bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| *byte == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8], piece: usize) -> (Vec<Found>, Vec<u8>, Vec<u8>) {
        let mut scanner = Scanner::new();
        let (mut found, mut shown) = (Vec::new(), Vec::new());
        for mut piece in bytes.chunks(piece) {
            while !piece.is_empty() {
                let step = scanner.step(piece);
                assert!(step.consumed > 0);
                if step.shown {
                    shown.extend_from_slice(&piece[..step.consumed]);
                }
                found.extend(step.found);
                piece = &piece[step.consumed..];
            }
        }
        (found, shown, scanner.pending().to_vec())
    }

    #[test]
    fn finds_what_the_engine_does_not_know_in_any_pieces() {
        let stream =
            b"a\x1b[>0q\x1b[31mb\x1b]7501;?\x07c\x1b[!p\x1bP$qm\x1b\\\x1b]7;file:///x\x1b\\d";
        for piece in 1..stream.len() {
            let (found, shown, pending) = all(stream, piece);
            assert_eq!(
                found,
                [
                    Found::Csi(b">0".to_vec(), b'q'),
                    Found::Osc(b"7501;?".to_vec()),
                    Found::Csi(b"!".to_vec(), b'p'),
                    Found::Dcs(b"$qm".to_vec()),
                    Found::Osc(b"7;file:///x".to_vec()),
                ]
            );
            assert_eq!(shown, stream);
            assert_eq!(pending, b"");
        }
    }

    #[test]
    fn a_cut_sequence_is_pending() {
        for (stream, pending) in [
            (&b"abc\x1b"[..], &b"\x1b"[..]),
            (b"\x1b[3;1", b"\x1b[3;1"),
            (b"x\x1b]0;ti", b"\x1b]0;ti"),
            (b"\x1b(", b"\x1b("),
            (b"\x1bPq#0", b"\x1b_"),
            (b"\x1b[31mdone", b""),
        ] {
            for piece in 1..=stream.len() {
                assert_eq!(
                    all(stream, piece).2,
                    pending,
                    "{} by {piece}",
                    stream.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn an_endless_string_is_cut_and_its_end_found() {
        let mut stream = b"\x1b]0;".to_vec();
        stream.extend(std::iter::repeat_n(b'x', 3 * STRING_MAX));
        let (found, shown, pending) = all(&stream, 4096);
        assert_eq!(found, [Found::Overlong]);
        assert!(shown.len() <= STRING_MAX + 4096);
        assert_eq!(pending, b"\x1b_");

        for end in [&b"\x07"[..], b"\x1b\\", b"\x18"] {
            let mut ended = stream.clone();
            ended.extend_from_slice(end);
            ended.extend_from_slice(b"after\x1b[");
            let (_, shown, pending) = all(&ended, 1000);
            assert!(shown.ends_with(b"after\x1b["), "{}", end.escape_ascii());
            assert_eq!(pending, b"\x1b[");
        }
    }
}
