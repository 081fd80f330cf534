//! Makes texts of others safe to print.

use std::borrow::Cow;
use std::fmt::Write;

/// Returns a text with everything escaped that a terminal would obey, hide or reorder.
///
/// Titles, names and commands come from programs; printed as they are they could rewrite the user's screen.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    escape(text, |_| false)
}

/// Returns a text of several lines, made safe as [`printable`] does.
pub(crate) fn printable_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c == '\n' || c == '\t')
}

fn escape(text: &str, allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(|c| is_unsafe(c) && !allowed(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            c if !is_unsafe(c) || allowed(c) => safe.push(c),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            // Writing to a String cannot fail.
            c => drop(write!(safe, "\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(safe)
}

/// Tells whether a character controls a terminal, shows nothing, or reorders what surrounds it.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped() {
        assert_eq!(printable("größe 工具 🦀"), "größe 工具 🦀");
        assert_eq!(
            printable("a\x1b[2Jb\r\n\u{9b}6n\u{202e}\u{7f}"),
            "a\\u{1b}[2Jb\\r\\n\\u{9b}6n\\u{202e}\\u{7f}"
        );
        assert_eq!(printable_lines("a\n\tb\x07"), "a\n\tb\\u{7}");
    }
}
