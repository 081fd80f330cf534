//! Passes a runner's output on to the user's terminal, less what that terminal must not be told.
//!
//! Three things are kept back:
//!
//! - **Queries** (device attributes, cursor position, modes, colours …). The agent has answered them already; the
//!   user's terminal would answer again, and its answer be typed into the program.
//! - **The alternate screen's switch.** The attachment lives on the user's own alternate screen, so that neither
//!   screen nor scrollback of the user's shell is ever written to. The program entering its alternate screen is a
//!   cleared screen here; its leaving is a [`Passed::Redraw`], for only the agent knows what was behind.
//! - **What reaches past the screen**: erasing the scrollback (`ED 3`) and the full reset (`RIS`), which would take
//!   the user's own scrollback and leave the alternate screen.
//!
//! Everything else passes byte for byte, in whatever pieces it comes.

use crate::terminal::colours::Touched;

/// A CSI sequence longer than this is none that any terminal knows; it is dropped.
const MAX_CSI: usize = 4096;
/// A string that might be a query is held until it shows whether it is; beyond this it is dropped.
const MAX_HELD: usize = 64 * 1024;

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const ENQ: u8 = 0x05;
/// The first byte of a C1 control in UTF-8 (`C2 80` to `C2 9F`), which terminals obey like its `ESC` form.
const C1: u8 = 0xc2;

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The agent's rendering of the screen: complete in itself.
    Snapshot,
    /// What the program wrote.
    Live,
}

/// What came of passing bytes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    /// All of them were dealt with.
    All,
    /// What the screen shows next only the agent knows: the rest was left, a new snapshot is needed.
    Redraw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ground,
    /// After `C2`.
    C1,
    /// After `ESC`.
    Escape,
    /// After `ESC` and an intermediate, until its final byte.
    EscapeIntermediate,
    Csi,
    /// In a CSI sequence too long to be one.
    CsiTooLong,
    String(Kind, Fate),
    /// In a string, after `C2`.
    StringC1(Kind, Fate),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Osc,
    Dcs,
    Apc,
    Other,
}

/// What becomes of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Undecided,
    Pass,
    Drop,
}

/// What becomes of a control sequence.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Drop,
    Replace(Vec<u8>),
    Redraw,
}

/// Passes output on, in pieces of any size.
#[derive(Debug)]
pub(crate) struct Relay {
    state: State,
    /// The sequence so far, while it is not known whether it passes.
    held: Vec<u8>,
    /// Whether the program is on its alternate screen.
    alternate: bool,
    /// The string just dropped was ended by `ESC`, so that a `\` belongs to it.
    drop_terminator: bool,
    touched: Touched,
}

impl Relay {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Ground,
            held: Vec::new(),
            alternate: false,
            drop_terminator: false,
            touched: Touched::default(),
        }
    }

    /// Tells what the program changed that must be reset on leaving.
    pub(crate) const fn touched(&self) -> Touched {
        self.touched
    }

    /// Gives up what must be reset: it is reset now.
    pub(crate) fn take_touched(&mut self) -> Touched {
        std::mem::take(&mut self.touched)
    }

    /// Begins anew with the snapshot that is to come, whatever came before it.
    pub(crate) fn restart(&mut self, out: &mut Vec<u8>) {
        if self.state != State::Ground {
            // The terminal may be inside a sequence, too: end it.
            out.extend_from_slice(b"\x1b\\");
        }
        *self = Self {
            touched: self.touched,
            ..Self::new()
        };
    }

    /// Passes bytes on, appending to `out`.
    pub(crate) fn pass(&mut self, origin: Origin, bytes: &[u8], out: &mut Vec<u8>) -> Passed {
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            if self.state == State::Ground {
                let plain = rest
                    .iter()
                    .position(|b| matches!(*b, ESC | C1 | ENQ))
                    .unwrap_or(rest.len());
                if plain > 0 {
                    out.extend_from_slice(&rest[..plain]);
                    rest = &rest[plain..];
                    continue;
                }
            }
            rest = after;
            if self.byte(origin, byte, out) == Passed::Redraw {
                return Passed::Redraw;
            }
        }
        Passed::All
    }

    fn byte(&mut self, origin: Origin, byte: u8, out: &mut Vec<u8>) -> Passed {
        match self.state {
            State::Ground => match byte {
                // Terminals answer ENQ with their answerback.
                ENQ => {}
                ESC => self.hold(State::Escape, &[ESC]),
                C1 => self.hold(State::C1, &[C1]),
                _ => out.push(byte),
            },
            State::C1 => return self.c1(origin, byte, out),
            State::Escape => return self.escape(origin, byte, out),
            State::EscapeIntermediate => match byte {
                ESC => self.hold(State::Escape, &[ESC]),
                0x30..=0x7e | CAN | SUB | 0x80.. => {
                    out.push(byte);
                    self.state = State::Ground;
                }
                _ => out.push(byte),
            },
            State::Csi => return self.csi(origin, byte, out),
            State::CsiTooLong => match byte {
                0x40..=0x7e | CAN | SUB => self.state = State::Ground,
                ESC => self.hold(State::Escape, &[ESC]),
                _ => {}
            },
            State::String(kind, fate) => self.string(kind, fate, byte, out),
            State::StringC1(kind, fate) => {
                if byte == 0x9c {
                    self.end_string(kind, fate, &[C1, 0x9c], out);
                } else {
                    self.state = State::String(kind, fate);
                    self.string_byte(C1, out);
                    return self.byte(origin, byte, out);
                }
            }
        }
        Passed::All
    }

    fn hold(&mut self, state: State, start: &[u8]) {
        self.state = state;
        self.held.clear();
        self.held.extend_from_slice(start);
    }

    fn flush(&mut self, state: State, out: &mut Vec<u8>) {
        out.append(&mut self.held);
        self.state = state;
    }

    fn c1(&mut self, origin: Origin, byte: u8, out: &mut Vec<u8>) -> Passed {
        self.held.push(byte);
        match byte {
            0x9b => self.state = State::Csi,
            0x9d => self.state = State::String(Kind::Osc, Fate::Undecided),
            0x90 => self.state = State::String(Kind::Dcs, Fate::Undecided),
            0x9f => self.state = State::String(Kind::Apc, Fate::Undecided),
            0x98 | 0x9e => self.begin_other(out),
            // DECID asks like DA1.
            0x9a => {
                self.held.clear();
                self.state = State::Ground;
            }
            0x80..=0xbf => self.flush(State::Ground, out),
            // Not a continuation: what came begins anew.
            _ => {
                self.held.pop();
                self.flush(State::Ground, out);
                return self.byte(origin, byte, out);
            }
        }
        Passed::All
    }

    fn escape(&mut self, origin: Origin, byte: u8, out: &mut Vec<u8>) -> Passed {
        let ends_dropped = std::mem::take(&mut self.drop_terminator);
        match byte {
            b'\\' if ends_dropped => {
                self.held.clear();
                self.state = State::Ground;
                return Passed::All;
            }
            ESC => {
                out.append(&mut self.held);
                self.hold(State::Escape, &[ESC]);
                return Passed::All;
            }
            ENQ => return Passed::All,
            _ => self.held.push(byte),
        }
        match byte {
            b'[' => self.state = State::Csi,
            b']' => self.state = State::String(Kind::Osc, Fate::Undecided),
            b'P' => self.state = State::String(Kind::Dcs, Fate::Undecided),
            b'_' => self.state = State::String(Kind::Apc, Fate::Undecided),
            b'X' | b'^' => self.begin_other(out),
            b'Z' => {
                self.held.clear();
                self.state = State::Ground;
            }
            b'c' => return self.conclude(origin, &Verdict::Redraw, out),
            0x20..=0x2f => self.flush(State::EscapeIntermediate, out),
            // A control character inside a sequence is executed at once; the sequence goes on.
            0x00..=0x1f if !matches!(byte, CAN | SUB) => {
                self.held.pop();
                out.push(byte);
            }
            _ => self.flush(State::Ground, out),
        }
        Passed::All
    }

    fn begin_other(&mut self, out: &mut Vec<u8>) {
        self.flush(State::String(Kind::Other, Fate::Pass), out);
    }

    fn csi(&mut self, origin: Origin, byte: u8, out: &mut Vec<u8>) -> Passed {
        match byte {
            ENQ => {}
            ESC => {
                // The terminal forgets the unfinished sequence.
                out.append(&mut self.held);
                self.hold(State::Escape, &[ESC]);
            }
            CAN | SUB => {
                self.held.push(byte);
                self.flush(State::Ground, out);
            }
            0x40..=0x7e => {
                self.held.push(byte);
                let verdict = judge(&self.held, &mut self.alternate);
                return self.conclude(origin, &verdict, out);
            }
            _ if self.held.len() >= MAX_CSI => {
                self.held = Vec::new();
                self.state = State::CsiTooLong;
            }
            _ => self.held.push(byte),
        }
        Passed::All
    }

    fn conclude(&mut self, origin: Origin, verdict: &Verdict, out: &mut Vec<u8>) -> Passed {
        self.state = State::Ground;
        match verdict {
            Verdict::Pass => out.append(&mut self.held),
            Verdict::Drop | Verdict::Replace(_) | Verdict::Redraw => {
                // Controls inside the sequence were meant for the terminal all the same.
                let start = if self.held.starts_with(&[C1]) { 2 } else { 1 };
                out.extend(self.held.drain(..).skip(start).filter(|byte| *byte < 0x20));
            }
        }
        if let Verdict::Replace(bytes) = verdict {
            out.extend_from_slice(bytes);
        }
        // A snapshot begins by leaving the alternate screen: nothing is behind it but the snapshot itself.
        if *verdict == Verdict::Redraw && origin == Origin::Live {
            Passed::Redraw
        } else {
            Passed::All
        }
    }

    fn string(&mut self, kind: Kind, fate: Fate, byte: u8, out: &mut Vec<u8>) {
        match byte {
            BEL if kind == Kind::Osc => self.end_string(kind, fate, &[BEL], out),
            CAN | SUB => self.end_string(kind, fate, &[byte], out),
            ESC => {
                // Some terminals act on ESC already, others wait for its `\`: for both the string is complete.
                self.end_string(kind, fate, &[], out);
                self.hold(State::Escape, &[ESC]);
            }
            C1 => self.state = State::StringC1(kind, fate),
            _ => self.string_byte(byte, out),
        }
    }

    fn string_byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        let State::String(kind, fate) = self.state else {
            return;
        };
        match fate {
            Fate::Pass => out.push(byte),
            Fate::Drop => {}
            Fate::Undecided => {
                self.held.push(byte);
                // Only these bytes end a part of a string; the others cannot decide anything that matters.
                let telling =
                    kind != Kind::Osc || !byte.is_ascii_alphanumeric() || self.held.len() < 64;
                // Only colours can be long before they are complete.
                let full = self.held.len() >= if kind == Kind::Osc { MAX_HELD } else { MAX_CSI };
                if !telling && !full {
                    return;
                }
                let fate = match fate_of(kind, body(&self.held), false, &mut self.touched) {
                    Fate::Undecided if full => Fate::Drop,
                    fate => fate,
                };
                self.state = State::String(kind, fate);
                match fate {
                    Fate::Pass => out.append(&mut self.held),
                    Fate::Drop => self.held = Vec::new(),
                    Fate::Undecided => {}
                }
            }
        }
    }

    fn end_string(&mut self, kind: Kind, fate: Fate, terminator: &[u8], out: &mut Vec<u8>) {
        let fate = match fate {
            Fate::Undecided => fate_of(kind, body(&self.held), true, &mut self.touched),
            decided => decided,
        };
        if fate == Fate::Drop {
            self.held.clear();
        } else {
            out.append(&mut self.held);
            out.extend_from_slice(terminator);
        }
        self.drop_terminator = fate == Fate::Drop;
        self.state = State::Ground;
    }

    /// Tells how much is held back.
    #[cfg(test)]
    fn holds(&self) -> &[u8] {
        &self.held
    }
}

/// The held string without its introducer, which has two bytes in either form.
fn body(held: &[u8]) -> &[u8] {
    held.get(2..).unwrap_or_default()
}

/// Judges a complete CSI sequence, its introducer (two bytes in either form) included.
fn judge(sequence: &[u8], alternate: &mut bool) -> Verdict {
    // A terminal skips what does not belong there; so do we, or a query could hide behind it.
    let body: Vec<u8> = sequence[2..]
        .iter()
        .copied()
        .filter(|byte| matches!(byte, 0x20..=0x7e))
        .collect();
    let Some((&last, body)) = body.split_last() else {
        return Verdict::Pass;
    };
    let (prefix, body) = match body.split_first() {
        Some((&prefix @ b'<'..=b'?', rest)) => (Some(prefix), rest),
        _ => (None, body),
    };
    let inter: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| matches!(byte, 0x20..=0x2f))
        .collect();
    let params: Vec<&[u8]> = body.split(|byte| matches!(byte, b';')).collect();
    let first = params.first().and_then(|param| number(param));
    match (prefix, inter.as_slice(), last) {
        // DA1, DA2, DA3; DSR and its private forms; DECRQM; XTVERSION; kitty's flags; XTQMODKEYS; XTQFMTKEYS;
        // XTSMGRAPHICS; DECREQTPARM; DECRQPSR; DECRQTSR; DECRQCRA and kin; DECRQUPSS; DECRQDE; XTREPORTSGR; DECRQLP.
        (None | Some(b'>' | b'='), b"", b'c')
        | (None | Some(b'?'), b"", b'n')
        | (_, b"$", b'p')
        | (Some(b'>'), b"", b'q')
        | (Some(b'?'), b"", b'u' | b'm' | b'g' | b'S')
        | (None, b"", b'x')
        | (_, b"$", b'w' | b'u')
        | (_, b"*", b'y')
        | (_, b"&", b'u')
        | (_, b"\"", b'v')
        | (_, b"#", b'|')
        | (None, b"'", b'|') => Verdict::Drop,
        // XTWINOPS: those that report.
        (None, b"", b't') if matches!(first, Some(11 | 13..=16 | 18..=21)) => Verdict::Drop,
        (None | Some(b'?'), b"", b'J') if first == Some(3) => Verdict::Drop,
        (Some(b'?'), b"", b'h' | b'l' | b's' | b'r') => screen_switch(&params, last, alternate),
        _ => Verdict::Pass,
    }
}

/// Takes the alternate screen out of a setting of private modes.
fn screen_switch(params: &[&[u8]], last: u8, alternate: &mut bool) -> Verdict {
    let is_switch = |param: &&[u8]| matches!(number(param), Some(47 | 1047 | 1049));
    if !params.iter().any(is_switch) {
        return Verdict::Pass;
    }
    let others: Vec<&[u8]> = params
        .iter()
        .copied()
        .filter(|param| !is_switch(param))
        .collect();
    let mut bytes = Vec::new();
    if !others.is_empty() {
        bytes.extend_from_slice(b"\x1b[?");
        bytes.extend_from_slice(&others.join(&b';'));
        bytes.push(last);
    }
    match last {
        b'h' if !*alternate => {
            *alternate = true;
            bytes.extend_from_slice(b"\x1b[2J");
            Verdict::Replace(bytes)
        }
        b'l' if std::mem::take(alternate) => Verdict::Redraw,
        // Saved and restored, or switched to where it is.
        _ => Verdict::Replace(bytes),
    }
}

/// Decides about a string by as much of it as has come, or, when `complete`, by all of it.
fn fate_of(kind: Kind, body: &[u8], complete: bool, touched: &mut Touched) -> Fate {
    let fate = match kind {
        Kind::Osc => osc_fate(body, complete, touched),
        Kind::Dcs => dcs_fate(body),
        Kind::Apc => apc_fate(body, complete),
        Kind::Other => Fate::Pass,
    };
    if complete && fate == Fate::Undecided {
        Fate::Pass
    } else {
        fate
    }
}

fn osc_fate(body: &[u8], complete: bool, touched: &mut Touched) -> Fate {
    let digits = body
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(body.len());
    let rest = match body.get(digits) {
        Some(b';') => &body[digits + 1..],
        // No numbered command at all, or one without arguments: nothing is asked.
        Some(_) => return Fate::Pass,
        None if digits > 6 => return Fate::Pass,
        None => return Fate::Undecided,
    };
    let parts = || rest.split(|byte| *byte == b';');
    // The first part, once its end has come.
    let first = || (complete || rest.contains(&b';')).then(|| parts().next().unwrap_or_default());
    let code = number(&body[..digits]);
    match code {
        // Colours, special colours, kitty's colours, the pointer's shape, the font: `?` asks.
        Some(4 | 5 | 10..=19 | 21 | 22 | 50) => {
            if !complete {
                return Fate::Undecided;
            }
            let asks = |part: &[u8]| {
                part == b"?"
                    || part.ends_with(b"=?")
                    || (matches!(code, Some(22 | 50)) && part.starts_with(b"?"))
            };
            if parts().any(asks) {
                return Fate::Drop;
            }
            match code {
                Some(4 | 5 | 21) => touched.add(Touched::PALETTE),
                Some(10..=12) => {
                    // One sequence may set several, each the next.
                    let reach = code.unwrap_or(0) + u32::try_from(parts().count()).unwrap_or(1) - 1;
                    for (what, is) in [
                        (Touched::FOREGROUND, code == Some(10)),
                        (Touched::BACKGROUND, code <= Some(11) && reach >= 11),
                        (Touched::CURSOR, reach >= 12),
                    ] {
                        if is {
                            touched.add(what);
                        }
                    }
                }
                _ => {}
            }
            Fate::Pass
        }
        // The clipboard: reading it is refused, whoever asks.
        Some(52) => match rest
            .iter()
            .position(|byte| *byte == b';')
            .map(|at| rest.get(at + 1))
        {
            Some(Some(b'?')) => Fate::Drop,
            Some(Some(_)) => Fate::Pass,
            Some(None) | None => Fate::Undecided,
        },
        Some(5522) => match first() {
            Some(part)
                if part
                    .split(|byte| *byte == b':')
                    .any(|word| word == b"type=read") =>
            {
                Fate::Drop
            }
            Some(_) => Fate::Pass,
            None => Fate::Undecided,
        },
        Some(99) => match first() {
            Some(part) if part.split(|byte| *byte == b':').any(|word| word == b"p=?") => Fate::Drop,
            Some(_) => Fate::Pass,
            None => Fate::Undecided,
        },
        Some(1337) => {
            let word = rest
                .iter()
                .position(|byte| matches!(byte, b'=' | b':' | b';'));
            let known: [&[u8]; 4] = [
                b"ReportCellSize",
                b"ReportVariable",
                b"Capabilities",
                b"RequestUpload",
            ];
            match word.or(complete.then_some(rest.len())) {
                Some(end) if known.contains(&&rest[..end]) => Fate::Drop,
                Some(_) => Fate::Pass,
                None if rest.len() > 20 => Fate::Pass,
                None => Fate::Undecided,
            }
        }
        // What xterm allows; and the agent's own conversation with the program.
        Some(60 | 61 | 7501) => Fate::Drop,
        Some(9) => match first() {
            Some(b"4") => {
                touched.add(Touched::PROGRESS);
                Fate::Pass
            }
            Some(_) => Fate::Pass,
            None if b"4".starts_with(rest) => Fate::Undecided,
            None => Fate::Pass,
        },
        _ => Fate::Pass,
    }
}

fn dcs_fate(body: &[u8]) -> Fate {
    let header = body
        .iter()
        .position(|byte| !matches!(byte, 0x20..=0x3f))
        .unwrap_or(body.len());
    let inter: Vec<u8> = body[..header]
        .iter()
        .copied()
        .filter(|byte| matches!(byte, 0x20..=0x2f))
        .collect();
    match (inter.as_slice(), body.get(header)) {
        // DECRQSS, XTGETTCAP, XTGETXRES.
        (b"$", Some(b'q')) | (b"+", Some(b'q' | b'Q')) => Fate::Drop,
        (_, Some(_)) => Fate::Pass,
        (_, None) if header > 256 => Fate::Drop,
        (_, None) => Fate::Undecided,
    }
}

/// Kitty's graphics: `a=q` only asks.
fn apc_fate(body: &[u8], complete: bool) -> Fate {
    if body.first().is_some_and(|byte| *byte != b'G') {
        return Fate::Pass;
    }
    let end = body
        .iter()
        .position(|byte| *byte == b';')
        .or(complete.then_some(body.len()));
    match end {
        Some(end)
            if body[..end]
                .get(1..)
                .unwrap_or_default()
                .split(|b| *b == b',')
                .any(|key| key == b"a=q") =>
        {
            Fate::Drop
        }
        Some(_) => Fate::Pass,
        None => Fate::Undecided,
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relay(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let mut relay = Relay::new();
        let mut out = Vec::new();
        for piece in pieces {
            assert_eq!(relay.pass(Origin::Live, piece, &mut out), Passed::All);
        }
        let held = relay.holds().to_vec();
        (out, held)
    }

    fn passes(text: &[u8]) -> bool {
        let (out, _) = relay(&[text]);
        assert!(
            out.is_empty() || out == text,
            "{:?} became {:?}",
            text.escape_ascii(),
            out.escape_ascii()
        );
        !out.is_empty()
    }

    /// What asks a terminal, in the forms programs use.
    const QUERIES: &[&[u8]] = &[
        b"\x05",
        b"\x1bZ",
        b"\x1b[c",
        b"\x1b[0c",
        b"\x1b[>c",
        b"\x1b[>0c",
        b"\x1b[=c",
        b"\x1b[5n",
        b"\x1b[6n",
        b"\x1b[?6n",
        b"\x1b[?996n",
        b"\x1b[?2026$p",
        b"\x1b[4$p",
        b"\x1b[>q",
        b"\x1b[>0q",
        b"\x1b[?u",
        b"\x1b[?4m",
        b"\x1b[14t",
        b"\x1b[18t",
        b"\x1b[21t",
        b"\x1b[x",
        b"\x1b[1$w",
        b"\x1b[?1;1;0S",
        b"\x1b[\x006n",
        b"\x1b]10;?\x07",
        b"\x1b]11;?\x1b\\",
        b"\x1b]4;1;?\x07",
        b"\x1b]4;1;#fff;2;?\x1b\\",
        b"\x1b]10;?;?\x1b\\",
        b"\x1b]21;foreground=?\x1b\\",
        b"\x1b]22;?__current__\x1b\\",
        b"\x1b]52;c;?\x07",
        b"\x1b]52;;?\x1b\\",
        b"\x1b]99;i=1:p=?;\x1b\\",
        b"\x1b]1337;ReportCellSize\x07",
        b"\x1b]7501;?\x07",
        b"\x1bP$qm\x1b\\",
        b"\x1bP+q544e\x1b\\",
        b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\",
        b"\xc2\x9b6n",
        b"\xc2\x9d11;?\xc2\x9c",
        b"\xc2\x9a",
    ];

    /// What tells a terminal something, with lookalikes of every query.
    const ORDINARY: &[&[u8]] = &[
        b"text",
        "größe 工具 🦀 ’Ω".as_bytes(),
        b"\r\n\t\x08\x07",
        b"\x1b[0;1;38:2::1:2:3m",
        b"\x1b[2J\x1b[H",
        b"\x1b[?25l\x1b[?2004h\x1b[?1004;1006;2031h",
        b"\x1b[?2026h\x1b[?2026l",
        b"\x1b[6;1H",
        b"\x1b[5 q",
        b"\x1b[!p",
        b"\x1b[61;1\"p",
        b"\x1b[>4;2m",
        b"\x1b[>1u",
        b"\x1b[<u",
        b"\x1b[=5;1u",
        b"\x1b[u\x1b[s",
        b"\x1b[>4n",
        b"\x1b[22;0t",
        b"\x1b[8;24;80t",
        b"\x1b[3S",
        b"\x1b[?1c",
        b"\x1b[1;1;4;4$x",
        b"\x1b(B\x0f\x1b=",
        b"\x1b7\x1b8\x1bM\x1bH",
        b"\x1b#8",
        b"\x1b]0;a title?\x07",
        b"\x1b]2;?\x1b\\",
        b"\x1b]8;id=1;https://example.org/?a=?\x1b\\link\x1b]8;;\x1b\\",
        b"\x1b]52;c;aGk=\x07",
        b"\x1b]9;4;1;50\x07",
        b"\x1b]9;done\x1b\\",
        b"\x1b]99;i=1;hello\x1b\\",
        b"\x1b]133;A\x07",
        b"\x1b]777;notify;a;b\x07",
        b"\x1b]11;#102030\x1b\\",
        b"\x1b]104\x07",
        b"\x1b]112\x1b\\",
        b"\x1b]1337;File=name=a:AAAA\x07",
        b"\x1bPq#0;2;0;0;0~-\x1b\\",
        b"\x1b_Ga=T,f=24;AAAA\x1b\\",
        b"\x1bXsos\x1b\\\x1b^pm\x1b\\",
        b"\x1b]lsun title\x1b\\",
    ];

    #[test]
    fn every_query_is_kept_back_and_nothing_else() {
        for query in QUERIES {
            let (out, held) = relay(&[query]);
            let controls: Vec<u8> = out.iter().copied().filter(|byte| *byte != 0).collect();
            assert!(
                controls.is_empty() && held.is_empty(),
                "{} leaks",
                query.escape_ascii()
            );
        }
        for ordinary in ORDINARY {
            assert!(passes(ordinary), "{} is kept back", ordinary.escape_ascii());
        }
    }

    #[test]
    fn the_programs_alternate_screen_is_a_cleared_one_and_leaving_it_needs_a_redraw() {
        let mut relay = Relay::new();
        let mut out = Vec::new();
        assert_eq!(
            relay.pass(Origin::Live, b"\x1b[?1049;25ha\x1b[?1049hb", &mut out),
            Passed::All
        );
        assert_eq!(out, b"\x1b[?25h\x1b[2Jab");
        out.clear();
        assert_eq!(
            relay.pass(Origin::Live, b"c\x1b[?1049ld", &mut out),
            Passed::Redraw
        );
        assert_eq!(out, b"c");
        out.clear();
        relay.restart(&mut out);
        assert_eq!(
            relay.pass(Origin::Snapshot, b"\x1b[?1049le\x1bcf\x1b[?47h", &mut out),
            Passed::All
        );
        assert_eq!(out, b"ef\x1b[2J");
    }

    #[test]
    fn the_users_scrollback_is_never_erased() {
        let mut relay = Relay::new();
        let mut out = Vec::new();
        assert_eq!(
            relay.pass(Origin::Live, b"\x1b[2J\x1b[3J\x1b[H", &mut out),
            Passed::All
        );
        assert_eq!(out, b"\x1b[2J\x1b[H");
        assert_eq!(relay.pass(Origin::Live, b"\x1bc", &mut out), Passed::Redraw);
        assert_eq!(out, b"\x1b[2J\x1b[H");
    }

    #[test]
    fn a_snapshot_in_the_midst_of_a_sequence_ends_it_first() {
        let mut relay = Relay::new();
        let mut out = Vec::new();
        let _ = relay.pass(Origin::Live, b"\x1b]0;half", &mut out);
        relay.restart(&mut out);
        let _ = relay.pass(Origin::Snapshot, b"x", &mut out);
        assert_eq!(out, b"\x1b]0;half\x1b\\x");
    }

    #[test]
    fn endless_sequences_hold_a_bounded_amount() {
        for start in [
            &b"\x1b["[..],
            b"\x1b]11;",
            b"\x1b]52;",
            b"\x1b]1337;",
            b"\x1bP",
            b"\x1b_G",
            b"\x1b]99;",
        ] {
            let mut relay = Relay::new();
            let mut out = Vec::new();
            let _ = relay.pass(Origin::Live, start, &mut out);
            for _ in 0..64 {
                let _ = relay.pass(Origin::Live, &[b'0'; 16 * 1024], &mut out);
                assert!(relay.holds().len() <= MAX_HELD, "{}", start.escape_ascii());
            }
            out.clear();
            let _ = relay.pass(Origin::Live, b"n\x1b\\after", &mut out);
            assert!(
                out.ends_with(b"after"),
                "{} never ends",
                start.escape_ascii()
            );
        }
    }

    #[test]
    fn what_the_program_coloured_is_remembered() {
        let mut relay = Relay::new();
        let mut out = Vec::new();
        let _ = relay.pass(Origin::Live, b"\x1b]11;?\x07\x1b]0;x\x07", &mut out);
        assert_eq!(relay.touched(), Touched::default());
        let _ = relay.pass(
            Origin::Live,
            b"\x1b]11;#000;#fff\x07\x1b]9;4;3\x07",
            &mut out,
        );
        let mut touched = Touched::BACKGROUND;
        touched.add(Touched::CURSOR);
        touched.add(Touched::PROGRESS);
        assert_eq!(relay.touched(), touched);
    }

    fn cut(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        at.windows(2)
            .map(|pair| bytes[pair[0]..pair[1]].to_vec())
            .collect()
    }

    proptest! {
        #[test]
        fn ordinary_bytes_pass_whole_at_any_chunking(
            picks in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..40),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let mut sent = Vec::new();
            let mut expected = Vec::new();
            for (query, index) in picks {
                if query {
                    let query = index.get(QUERIES);
                    sent.extend_from_slice(query);
                    expected.extend(query.iter().filter(|byte| **byte == 0));
                } else {
                    let ordinary: &[u8] = index.get::<&[u8]>(ORDINARY);
                    sent.extend_from_slice(ordinary);
                    expected.extend_from_slice(ordinary);
                }
            }
            let pieces = cut(&sent, &cuts);
            let (out, held) = relay(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
            prop_assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string());
            prop_assert!(held.is_empty());
        }

        #[test]
        fn chunking_never_matters(
            bytes in prop::collection::vec(
                prop_oneof![
                    any::<u8>(),
                    prop::sample::select(b"\x1b\x1b\x1b[]P_?>;$01369cnpqtuhl\\\x07\x18\xc2\x9b\x9c".to_vec()),
                ],
                0..200,
            ),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        ) {
            let whole = |pieces: &[Vec<u8>]| {
                let mut relay = Relay::new();
                let mut out = Vec::new();
                for piece in pieces {
                    if relay.pass(Origin::Live, piece, &mut out) == Passed::Redraw {
                        return (out, true, Vec::new());
                    }
                }
                (out, false, relay.holds().to_vec())
            };
            prop_assert_eq!(whole(&cut(&bytes, &cuts)), whole(&[bytes]));
        }
    }
}
