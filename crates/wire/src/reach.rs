//! How far a program's output reaches: what of it is not for a terminal that is lent to the program for a while.
//!
//! An attachment in a terminal lives on that terminal's alternate screen and undoes what it did. It is for the attaching
//! program to deal with what reaches past that: the alternate screen's own switch, what erases the user's scrollback or
//! resets the terminal, the stack of titles, and what must be remembered to be undone. All else may be written as it is.

const BEL: u8 = 0x07;
const ESC: u8 = 0x1b;

/// Tells whether output, made of whole sequences, may be written to such a terminal as it is.
pub fn stays_within(output: &[u8]) -> bool {
    let mut rest = output;
    while let Some(at) = rest.iter().position(|byte| *byte == ESC) {
        let (sequence, after) = rest[at..].split_at(sequence_length(&rest[at..]));
        if reaches_past(sequence) {
            return false;
        }
        rest = after;
    }
    true
}

fn reaches_past(sequence: &[u8]) -> bool {
    match sequence {
        [ESC, b'c'] | [ESC, b'[', .., b't'] => true,
        [ESC, b'[', params @ .., b'J'] => params.contains(&b'3'),
        [ESC, b'[', b'?', params @ .., b'h' | b'l'] => params
            .split(|byte| *byte == b';')
            .any(|param| matches!(number(param), Some(47 | 1047 | 1049))),
        // Colours and the pointer's shape have no neutral value.
        [ESC, b']', body @ ..] => matches!(
            body.split(|byte| *byte == b';').next().and_then(number),
            Some(4 | 10 | 11 | 12 | 22)
        ),
        _ => false,
    }
}

/// Gives the length of the sequence that these bytes, the first of which is ESC, begin with.
pub fn sequence_length(bytes: &[u8]) -> usize {
    let after = |start: usize, ends: fn(&u8) -> bool| {
        let end = bytes.iter().skip(start).position(ends);
        end.map_or(bytes.len(), |end| start + end + 1)
    };
    match bytes.get(1) {
        Some(b'[') => after(2, |byte| matches!(byte, 0x40..=0x7e)),
        Some(b']' | b'P' | b'_' | b'^' | b'X') => {
            let by_bell = bytes[1] == b']';
            let end = bytes
                .iter()
                .skip(2)
                .position(|byte| *byte == ESC || (by_bell && *byte == BEL));
            match end.map(|end| end + 2) {
                Some(end) if bytes[end] == BEL => end + 1,
                // Its end is a sequence of its own to whoever does not know the string.
                Some(end) => end,
                None => bytes.len(),
            }
        }
        _ => after(1, |byte| !matches!(byte, 0x20..=0x2f)),
    }
}

/// Reads a number written in digits.
pub fn number(digits: &[u8]) -> Option<u32> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_draws_stays_within_and_what_the_viewer_must_see_to_does_not() {
        for within in [
            "text größe \r\n",
            "\x1b[2J\x1b[H\x1b[0;31m",
            "\x1b[?25;2004h\x1b[?2026l",
            "\x1b]0;11;title\x07\x1b]8;;https://example.org/\x1b\\link",
            "\x1b]104\x07\x1bPq#0\x1b\\\x1b(B\x1b7",
        ] {
            assert!(stays_within(within.as_bytes()), "{within:?}");
        }
        for past in [
            "\x1bc",
            "\x1b[?25;1049h",
            "\x1b[?47l",
            "\x1b[?1047h",
            "\x1b[3J",
            "\x1b[?03J",
            "\x1b[22;0t",
            "\x1b[23t",
            "\x1b]4;1;red\x07",
            "\x1b]11;#102030\x1b\\",
            "\x1b]22;text\x1b\\",
        ] {
            let output = format!("before\x1b[m{past}after");
            assert!(!stays_within(output.as_bytes()), "{past:?}");
        }
    }
}
