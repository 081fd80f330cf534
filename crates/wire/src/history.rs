//! History as it is kept on disk and sent: lines of text with SGR sequences, each ended by a newline.

/// Gives the last `lines` lines; a last one that was not ended counts as one.
pub fn tail(history: &[u8], lines: usize) -> &[u8] {
    let body = history.strip_suffix(b"\n").unwrap_or(history);
    if lines == 0 {
        return &[];
    }
    let start = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(lines - 1)
        .map_or(0, |(at, _)| at + 1);
    &history[start..]
}

/// Gives the text alone, without colours, attributes and links.
pub fn plain(history: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(history.len());
    let mut rest = history;
    while let Some(escape) = rest.iter().position(|byte| *byte == 0x1b) {
        out.extend_from_slice(&rest[..escape]);
        rest = &rest[escape + 1..];
        let length = match rest.first() {
            Some(b'[') => rest
                .iter()
                .skip(1)
                .position(|byte| (0x40..0x7f).contains(byte))
                .map(|at| at + 2),
            Some(b']') => rest
                .windows(2)
                .position(|pair| pair == b"\x1b\\")
                .map(|at| at + 2),
            Some(_) => Some(1),
            None => None,
        };
        rest = &rest[length.unwrap_or(rest.len())..];
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_made_of_whole_lines() {
        let history = b"one\ntwo\nthree\n";
        assert_eq!(tail(history, 0), b"");
        assert_eq!(tail(history, 1), b"three\n");
        assert_eq!(tail(history, 2), b"two\nthree\n");
        assert_eq!(tail(history, 9), history);
        assert_eq!(tail(b"one\ntwo", 1), b"two");
        assert_eq!(tail(b"", 1), b"");
    }

    #[test]
    fn only_text_is_left() {
        assert_eq!(
            plain(b"a\x1b[0;31mb\x1b[m\n\x1b]8;id=1;http://x\x1b\\link\x1b]8;;\x1b\\\x1b(0c\x1b[1"),
            b"ab\nlink0c"
        );
    }
}
