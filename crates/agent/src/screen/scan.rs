//! Where text ends and sequences begin: what the engine and its viewers take in is whole characters and whole sequences.

use super::width::width;

/// Holds one thing of a terminal stream, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// Characters, and C0 controls among them.
    Text(&'a str),
    /// A C0 control inside a sequence, which acts before the sequence does.
    Control(u8),
    /// A sequence that is neither of the following, from its `ESC` on.
    Escape(&'a [u8]),
    /// A control sequence.
    Csi(Csi<'a>),
    /// The last character again, so many times.
    Repeat(char, u16),
    /// An operating system command: what stands in it, and whether BEL ends it.
    Osc(&'a [u8], bool),
    /// A device control string: what stands in it.
    Dcs(&'a [u8]),
    /// An application program command: what stands in it.
    Apc(&'a [u8]),
}

/// Holds the parts of a control sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Csi<'a> {
    /// All of it, from its `ESC` on.
    pub(crate) whole: &'a [u8],
    /// `<`, `=`, `>`, `?`, or 0 when there is none.
    pub(crate) marker: u8,
    /// Numbers with `;` and `:` between them.
    pub(crate) parameters: &'a [u8],
    /// What stands between them and the final byte.
    pub(crate) intermediates: &'a [u8],
    /// The final byte.
    pub(crate) last: u8,
}

impl<'a> Csi<'a> {
    /// Takes a sequence apart, if it has the form of one.
    fn of(whole: &'a [u8]) -> Option<Self> {
        let (last, rest) = whole[2..].split_last()?;
        let (marker, rest) = match rest {
            [marker @ b'<'..=b'?', rest @ ..] => (*marker, rest),
            _ => (0, rest),
        };
        let split = rest
            .iter()
            .position(|byte| !matches!(byte, b'0'..=b';'))
            .unwrap_or(rest.len());
        let (parameters, intermediates) = rest.split_at(split);
        let sound = intermediates.len() < INTERMEDIATES_MAX
            && intermediates.iter().all(|byte| matches!(byte, b' '..=b'/'));
        sound.then_some(Self {
            whole,
            marker,
            parameters,
            intermediates,
            last: *last,
        })
    }

    /// Gives the first number, 0 when there is none.
    pub(crate) fn first(&self) -> u32 {
        number(
            self.parameters
                .split(|byte| matches!(byte, b';' | b':'))
                .next()
                .unwrap_or_default(),
        )
    }

    /// Gives the numbers, 0 where there is none.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u32> {
        self.parameters.split(|byte| *byte == b';').map(number)
    }
}

/// Reads digits up to the first byte that is none.
fn number(digits: &[u8]) -> u32 {
    digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_u32, |number, digit| {
            number
                .saturating_mul(10)
                .saturating_add(u32::from(digit - b'0'))
        })
}

/// Longest string (OSC, DCS, APC): an image or a clipboard of a mebibyte in base64. A longer one never was.
pub(crate) const STRING_MAX: usize = (1 << 20) / 3 * 4 + 1024;
/// Marks on one character; text in no script needs more, hostile text would fill memory.
pub(crate) const MARKS_MAX: usize = 16;
/// Longest other sequence.
const SEQUENCE_MAX: usize = 1024;
/// Intermediate bytes of a sequence; none has more than two that mean something.
const INTERMEDIATES_MAX: usize = 3;
/// Parameters of a control sequence; terminals differ in what they do with more.
const PARAMETERS_MAX: usize = 32;
/// Repetitions of a character: the longest line. Terminals differ here too, and more would be slow.
const REPEAT_MAX: u32 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    EscapeIntermediate,
    Csi,
    Osc,
    Dcs,
    Apc,
    /// A device control string to a tmux that is not there: `ESC` is doubled in it.
    Tmux,
    /// The same behind an `ESC`.
    TmuxEscape,
    /// A control sequence longer than allowed.
    CsiIgnored,
    /// A string longer than allowed, or one that nobody reads: SOS or PM; whether BEL ends it.
    Skipped(bool),
}

/// Follows a terminal stream.
#[derive(Clone, Debug)]
pub(crate) struct Scanner {
    state: State,
    /// What has come of the sequence or character.
    held: Vec<u8>,
    /// Separators between the parameters of the control sequence.
    separators: usize,
    /// The last character, when nothing came after it.
    last: Option<char>,
    /// Marks on it.
    marks: usize,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Ground,
            held: Vec::new(),
            separators: 0,
            last: None,
            marks: 0,
        }
    }

    /// Gives what is held back.
    #[cfg(test)]
    pub(crate) fn held(&self) -> &[u8] {
        &self.held
    }

    /// Hands on what has become whole with these bytes, and holds the rest.
    pub(crate) fn scan(&mut self, mut bytes: &[u8], take: &mut impl FnMut(Token<'_>)) {
        while let Some(first) = bytes.first() {
            let consumed = match self.state {
                State::Ground if self.held.is_empty() => self.text(bytes, take),
                State::Ground => self.character(*first, take),
                State::Osc | State::Dcs | State::Apc | State::Tmux | State::Skipped(_) => {
                    self.string(bytes, take)
                }
                State::TmuxEscape => self.passed_through(*first),
                _ => {
                    self.sequence(*first, take);
                    1
                }
            };
            bytes = &bytes[consumed..];
        }
    }

    /// Takes text up to the next `ESC`.
    fn text(&mut self, bytes: &[u8], take: &mut impl FnMut(Token<'_>)) -> usize {
        let Some(end) = memchr::memchr(0x1b, bytes) else {
            self.run(bytes, true, take);
            return bytes.len();
        };
        self.run(&bytes[..end], false, take);
        let length = control_sequence(&bytes[end..]);
        if length == 0 {
            self.enter(0x1b);
            return end + 1;
        }
        self.csi(&bytes[end..][..length], take);
        (self.last, self.marks) = (None, 0);
        end + length
    }

    fn csi(&self, whole: &[u8], take: &mut impl FnMut(Token<'_>)) {
        let Some(csi) = Csi::of(whole) else {
            return;
        };
        if csi.last != b'b' || csi.marker != 0 || !csi.intermediates.is_empty() {
            take(Token::Csi(csi));
        } else if let Some(c) = self.last {
            take(Token::Repeat(c, csi.first().clamp(1, REPEAT_MAX) as u16));
        }
    }

    fn run(&mut self, run: &[u8], open: bool, take: &mut impl FnMut(Token<'_>)) {
        if let Ok(text) = std::str::from_utf8(run) {
            return self.characters(text, take);
        }
        let mut chunks = run.utf8_chunks().peekable();
        while let Some(chunk) = chunks.next() {
            self.characters(chunk.valid(), take);
            match chunk.invalid() {
                [] => {}
                begun if open && chunks.peek().is_none() && is_begun(begun) => {
                    self.held.extend_from_slice(begun);
                }
                // What would be a C1 control where bytes are characters.
                [0x80..=0x9f] => self.last = None,
                _ => self.characters("\u{fffd}", take),
            }
        }
    }

    /// Completes a character that was cut.
    fn character(&mut self, byte: u8, take: &mut impl FnMut(Token<'_>)) -> usize {
        self.held.push(byte);
        let held = std::mem::take(&mut self.held);
        if let Ok(text) = std::str::from_utf8(&held) {
            self.characters(text, take);
            return 1;
        }
        if is_begun(&held) {
            self.held = held;
            return 1;
        }
        self.characters("\u{fffd}", take);
        0
    }

    /// Hands on text without what terminals do not agree upon.
    fn characters(&mut self, text: &str, take: &mut impl FnMut(Token<'_>)) {
        let Some(last) = text.chars().next_back() else {
            return;
        };
        self.last = Some(last).filter(|c| !c.is_control());
        if text.is_ascii() {
            self.marks = 0;
            return take(Token::Text(text));
        }
        let mut start = 0;
        for (at, c) in text.char_indices() {
            if self.is_passed_over(c) {
                if start < at {
                    take(Token::Text(&text[start..at]));
                }
                start = at + c.len_utf8();
            }
        }
        if start < text.len() {
            take(Token::Text(&text[start..]));
        }
    }

    /// Counts marks, and says whether a character is one that nobody is handed.
    fn is_passed_over(&mut self, c: char) -> bool {
        match c {
            // Some terminals obey C1 controls, the engine does not.
            '\u{80}'..='\u{9f}' => return true,
            ..'\u{300}' => {}
            // Some drop it wherever it stands.
            '\u{feff}' => return true,
            _ if width(c) == Some(0) => {
                self.marks += 1;
                if self.marks > MARKS_MAX {
                    self.marks = MARKS_MAX;
                    return true;
                }
                return false;
            }
            _ => {}
        }
        self.marks = 0;
        false
    }

    /// Goes where CAN, SUB and ESC lead from anywhere.
    fn enter(&mut self, byte: u8) {
        self.held.clear();
        self.marks = 0;
        if self.held.capacity() > SEQUENCE_MAX {
            self.held = Vec::new();
        }
        if byte == 0x1b {
            self.held.push(byte);
            self.state = State::Escape;
        } else {
            self.state = State::Ground;
            self.last = None;
        }
    }

    fn sequence(&mut self, byte: u8, take: &mut impl FnMut(Token<'_>)) {
        match (self.state, byte) {
            (_, 0x18 | 0x1a | 0x1b) => self.enter(byte),
            (_, 0x00..=0x1f) => take(Token::Control(byte)),
            // Nothing of what is 8 bit stands in a sequence.
            (_, 0x7f..) => {}
            (State::Escape, b'[' | b']' | b'P' | b'_' | b'X' | b'^') => {
                self.held.push(byte);
                self.separators = 0;
                self.state = match byte {
                    b'[' => State::Csi,
                    b']' => State::Osc,
                    b'P' => State::Dcs,
                    b'_' => State::Apc,
                    _ => State::Skipped(false),
                };
            }
            (State::Escape | State::EscapeIntermediate, 0x20..=0x2f) => {
                self.state = State::EscapeIntermediate;
                self.hold(byte);
            }
            (State::CsiIgnored, 0x40..) => self.enter(0x18),
            (State::CsiIgnored, _) => {}
            (State::Csi, 0x20..=0x3f) => self.hold(byte),
            (State::Csi, _) => {
                self.held.push(byte);
                self.csi(&self.held, take);
                self.enter(0x18);
            }
            _ => {
                self.held.push(byte);
                take(Token::Escape(&self.held));
                self.enter(0x18);
            }
        }
    }

    /// Collects a byte of a sequence that is no string.
    fn hold(&mut self, byte: u8) {
        if self.state == State::EscapeIntermediate && self.held.len() == INTERMEDIATES_MAX + 1 {
            return;
        }
        self.separators += usize::from(matches!(byte, b';' | b':'));
        if matches!(byte, b'0'..=b';') && self.separators >= PARAMETERS_MAX {
            return;
        }
        self.held.push(byte);
        if self.held.len() > SEQUENCE_MAX {
            self.held.clear();
            self.state = State::CsiIgnored;
        }
    }

    fn string(&mut self, bytes: &[u8], take: &mut impl FnMut(Token<'_>)) -> usize {
        let bell = matches!(self.state, State::Osc | State::Skipped(true));
        let end = bytes
            .iter()
            .position(|byte| matches!(byte, 0x18 | 0x1a | 0x1b) || bell && *byte == 0x07);
        let content = &bytes[..end.unwrap_or(bytes.len())];
        match self.state {
            State::Skipped(_) | State::Tmux => {}
            State::Dcs => {
                self.held.extend_from_slice(content);
                if self.held[2..].starts_with(b"tmux;") {
                    self.state = State::Tmux;
                }
            }
            _ => self
                .held
                .extend(content.iter().filter(|byte| !byte.is_ascii_control())),
        }
        if self.held.len() > STRING_MAX {
            self.held = Vec::new();
            self.state = State::Skipped(bell);
        }
        let Some(end) = end else {
            return bytes.len();
        };
        let by = bytes[end];
        if matches!(by, 0x07 | 0x1b) {
            match self.state {
                State::Osc => take(Token::Osc(&self.held[2..], by == 0x07)),
                State::Dcs => take(Token::Dcs(&self.held[2..])),
                State::Apc => take(Token::Apc(&self.held[2..])),
                _ => {}
            }
        }
        if self.state == State::Tmux && by == 0x1b {
            self.state = State::TmuxEscape;
        } else {
            self.enter(if by == 0x07 { 0x18 } else { by });
        }
        end + 1
    }

    /// Takes what follows an `ESC` in a string to tmux.
    fn passed_through(&mut self, byte: u8) -> usize {
        match byte {
            0x1b => self.state = State::Tmux,
            b'\\' => self.enter(0x18),
            _ => {
                self.enter(0x1b);
                return 0;
            }
        }
        1
    }
}

/// Measures a control sequence of the usual form at the beginning of these bytes, 0 when there is none that is whole.
fn control_sequence(bytes: &[u8]) -> usize {
    const USUAL: usize = 64;
    if bytes.get(1) != Some(&b'[') {
        return 0;
    }
    let mut separators = 0;
    for (at, byte) in bytes.iter().enumerate().take(USUAL).skip(2) {
        match byte {
            b';' | b':' => separators += 1,
            b' '..=b'?' => {}
            b'@'..=b'~' if separators < PARAMETERS_MAX => return at + 1,
            _ => return 0,
        }
    }
    0
}

/// Says whether these bytes begin a character and do not end it.
pub(crate) fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes)
        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists tokens legibly; text that was handed on in pieces is one.
    fn all(bytes: &[u8], piece: usize) -> (Vec<String>, Vec<u8>) {
        let mut scanner = Scanner::new();
        let mut found: Vec<String> = Vec::new();
        let mut text = String::new();
        for piece in bytes.chunks(piece) {
            scanner.scan(piece, &mut |token| {
                if let Token::Text(more) = token {
                    text.push_str(more);
                    return;
                }
                if !text.is_empty() {
                    found.push(std::mem::take(&mut text));
                }
                found.push(match token {
                    Token::Text(_) => unreachable!("handled above"),
                    Token::Control(control) => format!("control {control:#x}"),
                    Token::Escape(whole) => format!("escape {}", whole[1..].escape_ascii()),
                    Token::Csi(csi) => format!(
                        "csi {} {} {} {}",
                        if csi.marker == 0 {
                            '-'
                        } else {
                            csi.marker as char
                        },
                        csi.parameters.escape_ascii(),
                        csi.intermediates.escape_ascii(),
                        csi.last as char
                    ),
                    Token::Repeat(c, count) => format!("repeat {c} {count}"),
                    Token::Osc(content, bell) => format!("osc {} {bell}", content.escape_ascii()),
                    Token::Dcs(content) => format!("dcs {}", content.escape_ascii()),
                    Token::Apc(content) => format!("apc {}", content.escape_ascii()),
                });
            });
        }
        if !text.is_empty() {
            found.push(text);
        }
        (found, scanner.held().to_vec())
    }

    #[test]
    fn a_stream_is_taken_apart_alike_in_any_pieces() {
        let stream = "a\x1b[>0q\x1b[31;4:3mbé\x1b]7501;?\x07c\x1b[3\r1m\x1b[!p\x1bP$qm\x1b\\\x1b]7;file:///x\x1b\\d\
            \x1b(0\x1bc\x1b_Gi=1\x1b\\\x1b^gone\x1b\\x\x1b[4bz\x1b[m\x1b[4b\x1b[1?h\x1b[ 1q漢\u{9b}e\x1b]2;cut\x18f";
        for piece in 1..=stream.len() {
            let (found, held) = all(stream.as_bytes(), piece);
            assert_eq!(
                found,
                [
                    "a",
                    "csi > 0  q",
                    "csi - 31;4:3  m",
                    "bé",
                    "osc 7501;? true",
                    "c",
                    "control 0xd",
                    "csi - 31  m",
                    "csi -  ! p",
                    "dcs $qm",
                    r"escape \\",
                    "osc 7;file:///x false",
                    r"escape \\",
                    "d",
                    "escape (0",
                    "escape c",
                    "apc Gi=1",
                    r"escape \\",
                    r"escape \\",
                    "x",
                    "repeat x 4",
                    "z",
                    "csi -   m",
                    "漢ef",
                ]
            );
            assert_eq!(held, b"");
        }
    }

    #[test]
    fn what_is_not_utf8_becomes_so_alike_in_any_pieces() {
        for (stream, text) in [
            (&b"a\xffb"[..], "a\u{fffd}b"),
            (b"a\x9bb\x80", "ab"),
            (b"\xc3\xc3\xa9", "\u{fffd}é"),
            (b"\xf0\x9f\x8e\xf0\x9f\x8e\x89", "\u{fffd}🎉"),
            (b"\xe6\xbc\x1b(\x18x", "\u{fffd}x"),
            (b"\xed\xa0\x80x", "\u{fffd}\u{fffd}x"),
            (b"\xc2\x9b31m\xc2\xa0", "31m\u{a0}"),
        ] {
            for piece in 1..=stream.len() {
                assert_eq!(
                    all(stream, piece).0.concat(),
                    text,
                    "{} by {piece}",
                    stream.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn what_was_cut_is_held() {
        for (stream, held) in [
            (&b"abc\x1b"[..], &b"\x1b"[..]),
            (b"\x1b[3;1", b"\x1b[3;1"),
            (b"x\x1b]0;ti", b"\x1b]0;ti"),
            (b"\x1b(", b"\x1b("),
            (b"\x1bPq#0", b"\x1bPq#0"),
            (b"\x1b[31mdone", b""),
            (b"\xe6\xbc", b"\xe6\xbc"),
        ] {
            for piece in 1..=stream.len() {
                assert_eq!(
                    all(stream, piece).1,
                    held,
                    "{} by {piece}",
                    stream.escape_ascii()
                );
            }
        }
    }

    #[test]
    fn what_is_too_long_never_was_and_its_end_is_found() {
        for (begin, end) in [
            (&b"\x1b]0;"[..], &b"\x07"[..]),
            (b"\x1b]0;", b"\x1b\\"),
            (b"\x1bPq", b"\x1b\\"),
            (b"\x1b_G", b"\x18"),
            (b"\x1b[", b"m"),
        ] {
            let mut stream = begin.to_vec();
            stream.extend(std::iter::repeat_n(b'1', 2 * STRING_MAX));
            let mut scanner = Scanner::new();
            for piece in stream.chunks(64 * 1024) {
                scanner.scan(piece, &mut |token| panic!("{token:?}"));
                assert!(scanner.held.capacity() <= 2 * STRING_MAX + 64 * 1024);
            }
            let mut found = Vec::new();
            scanner.scan(&[end, b"after"].concat(), &mut |token| {
                if !matches!(token, Token::Escape(b"\x1b\\")) {
                    found.push(format!("{token:?}"));
                }
            });
            assert_eq!(found, [r#"Text("after")"#], "{}", begin.escape_ascii());
            assert!(scanner.held.capacity() <= SEQUENCE_MAX);
        }
    }
}
