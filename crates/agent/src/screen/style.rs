//! Attributes that the engine has no flags for, in the bits that it leaves.

use alacritty_terminal::term::cell::Flags;

/// SGR 5 and 6.
pub(crate) const BLINK: Flags = Flags::from_bits_retain(1 << 15);

/// Says whether SGR 53 is set. Of five kinds of underline a cell has one at most; with a line above it has all the others.
pub(crate) fn is_overlined(flags: Flags) -> bool {
    (flags & Flags::ALL_UNDERLINES).bits().count_ones() > 1
}

/// Gives the kind of underline, if there is one.
pub(crate) fn underline(flags: Flags) -> Flags {
    let lines = flags & Flags::ALL_UNDERLINES;
    if is_overlined(flags) {
        Flags::ALL_UNDERLINES.difference(lines)
    } else {
        lines
    }
}

/// Gives the same with or without a line above.
pub(crate) fn overline(flags: Flags, over: bool) -> Flags {
    let under = underline(flags);
    let lines = if over {
        Flags::ALL_UNDERLINES.difference(under)
    } else {
        under
    };
    flags.difference(Flags::ALL_UNDERLINES).union(lines)
}

/// Gives a pen's flags after one that knows of no line above has changed the kind of underline.
pub(crate) fn keep_overline(before: Flags, after: Flags) -> Flags {
    if is_overlined(before) {
        overline(after, true)
    } else {
        after
    }
}

/// Splits the numbers of an SGR sequence at those that set (53) or end (55) a line above, which the engine does not know:
/// what stands before the first of them, whether it sets, and what comes after it.
pub(crate) fn split_at_overline(parameters: &[u8]) -> Option<(&[u8], bool, &[u8])> {
    let mut rest = parameters;
    let mut skip = 0;
    let mut kind_follows = false;
    while !rest.is_empty() {
        let at = parameters.len() - rest.len();
        let end = rest.iter().position(|byte| *byte == b';');
        let number = &rest[..end.unwrap_or(rest.len())];
        rest = end.map_or(b"", |end| &rest[end + 1..]);
        if kind_follows {
            kind_follows = false;
            skip = match number {
                b"5" => 1,
                b"2" => 3,
                _ => 0,
            };
        } else if skip > 0 {
            skip -= 1;
        } else {
            match number {
                b"53" | b"55" => {
                    let before = &parameters[..at];
                    let before = before.strip_suffix(b";").unwrap_or(before);
                    return Some((before, number == b"53", rest));
                }
                // A colour's numbers are no attributes.
                b"38" | b"48" | b"58" => kind_follows = true,
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_above_goes_with_every_underline() {
        let kinds = Flags::ALL_UNDERLINES.iter().chain([Flags::empty()]);
        for under in kinds {
            let flags = under | Flags::BOLD;
            let over = overline(flags, true);
            assert!(is_overlined(over) && !is_overlined(flags));
            assert_eq!((underline(over), underline(flags)), (under, under));
            assert_eq!(overline(over, false), flags);
            assert_eq!(overline(over, true), over);
        }
    }

    #[test]
    fn a_line_above_is_told_from_a_colour() {
        for (parameters, found) in [
            (&b"53"[..], Some((&b""[..], true, &b""[..]))),
            (b"1;53;31", Some((b"1", true, b"31"))),
            (b"38;5;53;55", Some((b"38;5;53", false, b""))),
            (b"48;2;53;55;53;4", None),
            (b"38:5:53", None),
            (b"1;4", None),
            (b"", None),
        ] {
            assert_eq!(
                split_at_overline(parameters),
                found,
                "{}",
                parameters.escape_ascii()
            );
        }
    }
}
