//! What viewers are fed of what a program writes: what draws and what sets modes, as it came and in whole sequences, but
//! nothing that a terminal would answer, hand to somebody else, or take where a snapshot could not bring another one.

use std::io::Write;

use super::command::{ColorChange, Command, dynamic};
use super::scan::{Csi, Scanner, Token};
use super::{DIRECTORY_MAX, TITLE_MAX, clean, engine};

/// Resets what some terminals leave as it was: new line mode, a hidden cursor, title, directory, colours.
const LEFT_BY_RIS: &[u8] =
    b"\x1b[20l\x1b[?25h\x1b]2;\x1b\\\x1b]7;\x1b\\\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\x1b]112\x1b\\";

/// Resets what some terminals reset with DECSTR and others leave.
const LEFT_BY_DECSTR: &[u8] = b"\x1b[?1004l\x1b[?2004l\x1b[?2026l";

/// Passes a program's output on to viewers. A viewer may join between any two calls: what is passed on never begins or ends
/// inside a sequence or a character.
#[derive(Clone, Debug)]
pub struct Filter(Scanner);

impl Default for Filter {
    fn default() -> Self {
        Self::new()
    }
}

impl Filter {
    /// Starts where a program starts.
    pub fn new() -> Self {
        Self(Scanner::new())
    }

    /// Appends to `viewed` what viewers are fed of these bytes and of what was held back before.
    pub fn pass(&mut self, bytes: &[u8], viewed: &mut Vec<u8>) {
        self.0.scan(bytes, &mut |token| pass(token, viewed));
    }
}

/// Writes to a Vec, which does not fail.
macro_rules! put {
    ($out:expr, $($format:tt)*) => {{
        let _ = write!($out, $($format)*);
    }};
}

/// Appends what viewers are fed of one thing.
pub(crate) fn pass(token: Token<'_>, out: &mut Vec<u8>) {
    match token {
        Token::Text(text) => self::text(text.as_bytes(), out),
        Token::Control(control) => self::text(&[control], out),
        Token::Escape(whole) => escape(whole, out),
        Token::Csi(csi) => control(csi, out),
        Token::Repeat(c, count) => {
            // A viewer that joined since has not seen the character.
            put!(out, "{c}");
            if count > 1 {
                put!(out, "\x1b[{}b", count - 1);
            }
        }
        Token::Osc(content, bell) => {
            command(content, if bell { "\x07" } else { "\x1b\\" }, out);
        }
        Token::Dcs(content) => {
            // Sixel images; others ask, define keys, or speak through the terminal to the one around it.
            let numbers = content
                .iter()
                .take_while(|byte| matches!(byte, b'0'..=b'9' | b';'))
                .count();
            if content.get(numbers) == Some(&b'q') && content.is_ascii() {
                out.extend_from_slice(b"\x1bP");
                out.extend_from_slice(content);
                out.extend_from_slice(b"\x1b\\");
            }
        }
        Token::Apc(content) => graphics(content, out),
    }
}

/// Appends text without ENQ, which asks.
fn text(text: &[u8], out: &mut Vec<u8>) {
    const ENQ: u8 = 5;
    let mut rest = text;
    while let Some(at) = memchr::memchr(ENQ, rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn escape(whole: &[u8], out: &mut Vec<u8>) {
    match whole[1..] {
        [slot @ (b'(' | b')' | b'*' | b'+'), set] if set != b'0' => {
            put!(out, "\x1b{}B", slot as char)
        }
        [b'c'] => {
            out.extend_from_slice(whole);
            out.extend_from_slice(LEFT_BY_RIS);
        }
        [b'(' | b')' | b'*' | b'+', _]
        | [b'#', b'8']
        | [b'7' | b'8' | b'=' | b'>' | b'D' | b'E' | b'H' | b'M' | b'n' | b'o'] => {
            out.extend_from_slice(whole)
        }
        // DECID asks; the others change how what follows is read, or are no sequences.
        _ => {}
    }
}

fn control(csi: Csi<'_>, out: &mut Vec<u8>) {
    match (csi.marker, csi.intermediates, csi.last) {
        (b'?', b"", b'h' | b'l') => modes(csi, engine::knows_private_mode, out),
        (0, b"", b'h' | b'l') => modes(csi, |mode| matches!(mode, 4 | 20), out),
        (b'>', b"", b'm') if csi.parameters.is_empty() => out.extend_from_slice(csi.whole),
        (b'>', b"", b'm' | b'n') if csi.first() == 4 => out.extend_from_slice(csi.whole),
        // Titles may be saved; a window's size and place are its owner's.
        (0, b"", b't') if matches!(csi.first(), 22 | 23) => out.extend_from_slice(csi.whole),
        (0, b"!", b'p') => {
            out.extend_from_slice(csi.whole);
            out.extend_from_slice(LEFT_BY_DECSTR);
        }
        // All that the engine knows and does not answer.
        (0, b"", b'@'..=b'M' | b'P' | b'S' | b'T' | b'X' | b'Z' | b'`' | b'a')
        | (0, b"", b'd'..=b'g' | b'm' | b'r' | b's' | b'u')
        | (0, b" ", b'q')
        | (b'?', b"", b'W')
        | (b'<'..=b'>', b"", b'u') => out.extend_from_slice(csi.whole),
        _ => {}
    }
}

/// Appends what sets or resets modes, without those that are not kept.
fn modes(csi: Csi<'_>, is_known: impl Fn(u32) -> bool, out: &mut Vec<u8>) {
    if csi.numbers().all(&is_known) {
        return out.extend_from_slice(csi.whole);
    }
    let known: Vec<_> = csi
        .numbers()
        .filter(|mode| is_known(*mode))
        .map(|mode| mode.to_string())
        .collect();
    if !known.is_empty() {
        let marker = if csi.marker == 0 { "" } else { "?" };
        put!(out, "\x1b[{marker}{}{}", known.join(";"), csi.last as char);
    }
}

fn command(content: &[u8], end: &str, out: &mut Vec<u8>) {
    let whole = |out: &mut Vec<u8>| {
        out.extend_from_slice(b"\x1b]");
        out.extend_from_slice(content);
        out.extend_from_slice(end.as_bytes());
    };
    match Command::of(content) {
        Some(Command::Title { code, text }) => {
            put!(out, "\x1b]{code};{}{end}", clean(text, TITLE_MAX));
        }
        Some(Command::Directory(text)) => {
            put!(out, "\x1b]7;{}{end}", clean(text, DIRECTORY_MAX));
        }
        Some(Command::Colors(changes)) => {
            for change in changes {
                color(change, end, out);
            }
        }
        Some(Command::NoLink) => put!(out, "\x1b]8;;{end}"),
        Some(Command::Link { id, uri }) => {
            let id = id.map(|id| format!("id={id}")).unwrap_or_default();
            put!(out, "\x1b]8;{id};{uri}{end}");
        }
        Some(Command::Pointer(shape)) if engine::is_pointer(shape) => whole(out),
        Some(Command::Mark)
            if std::str::from_utf8(content).is_ok_and(|text| !text.contains(char::is_control)) =>
        {
            whole(out)
        }
        Some(Command::Image) if content.is_ascii() => whole(out),
        _ => {}
    }
}

/// Appends what changes a colour, in the notation that all terminals read alike.
pub(crate) fn color(change: ColorChange, end: &str, out: &mut Vec<u8>) {
    let code = |index: usize| 10 + index - dynamic(10);
    match change {
        ColorChange::Set(index @ 0..=255, rgb) => {
            put!(
                out,
                "\x1b]4;{index};rgb:{:02x}/{:02x}/{:02x}{end}",
                rgb.r,
                rgb.g,
                rgb.b
            );
        }
        ColorChange::Set(index, rgb) => {
            put!(
                out,
                "\x1b]{};rgb:{:02x}/{:02x}/{:02x}{end}",
                code(index),
                rgb.r,
                rgb.g,
                rgb.b
            );
        }
        ColorChange::Reset(index @ 0..=255) => put!(out, "\x1b]104;{index}{end}"),
        ColorChange::Reset(index) => put!(out, "\x1b]{}{end}", code(index) + 100),
        ColorChange::ResetPalette => put!(out, "\x1b]104{end}"),
        ColorChange::Asked(_) => {}
    }
}

/// Appends a command of kitty's graphics protocol, made to be answered never, unless it asks or names a file of the viewer's.
fn graphics(content: &[u8], out: &mut Vec<u8>) {
    let Some(content) = content.strip_prefix(b"G") else {
        return;
    };
    let split = content
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(content.len());
    let (keys, payload) = content.split_at(split);
    let mut quiet = Vec::new();
    for key in keys.split(|byte| *byte == b',') {
        match key {
            [b'a', b'=', b'q'] => return,
            [b't', b'=', medium] if *medium != b'd' => return,
            [b'q', b'=', ..] | [] => {}
            _ => {
                quiet.extend_from_slice(key);
                quiet.push(b',');
            }
        }
    }
    if content.is_ascii() {
        out.extend_from_slice(b"\x1b_G");
        out.extend_from_slice(&quiet);
        out.extend_from_slice(b"q=2");
        out.extend_from_slice(payload);
        out.extend_from_slice(b"\x1b\\");
    }
}
