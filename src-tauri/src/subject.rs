//! What a permission is asked for, made fit to be read before it is given.

/// Characters of a subject before it is cut: more is not read in a notification or a menu.
const LONGEST: usize = 300;

/// The exact command, file or address of a permission, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// What can be read of it, with what would not show made visible.
    pub text: String,
    /// How many characters of it are left out.
    pub left_out: usize,
}

impl Subject {
    /// Makes it of what the program asked for.
    #[must_use]
    pub fn of(subject: &str) -> Self {
        let read: String = subject.chars().take(LONGEST).collect();
        let mut text = visible(&read);
        let left_out = subject.chars().count().saturating_sub(LONGEST);
        if left_out > 0 {
            text.push_str(&format!(
                "… ({left_out} more characters; attach to see all)"
            ));
        }
        Self { text, left_out }
    }

    /// Tells whether all of it can be read. What cannot be read cannot be allowed.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.left_out == 0
    }
}

/// Makes visible what would not show, or would make the rest look like something else: line ends, control characters,
/// and marks that turn the order of letters or take no room.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            // Unicode has a picture for each of these.
            '\0'..='\x1f' => shown.extend(char::from_u32(0x2400 + u32::from(letter))),
            '\x7f' => shown.push('\u{2421}'),
            hidden if is_hidden(hidden) => shown.extend(hidden.escape_unicode()),
            plain => shown.push(plain),
        }
    }
    shown
}

/// Makes visible what a service would not take in a text of several lines, and leaves the rest as it is.
#[must_use]
pub fn printable(text: &str) -> String {
    let lines: Vec<String> = text
        .lines()
        .map(|line| {
            let shown = |letter: char| {
                if letter.is_control() {
                    visible(&letter.to_string())
                } else {
                    letter.to_string()
                }
            };
            line.chars().map(shown).collect()
        })
        .collect();
    lines.join("\n")
}

const fn is_hidden(letter: char) -> bool {
    matches!(letter,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Cuts a text at its end.
#[must_use]
pub fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(longest.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_is() {
        for command in [
            "cargo test --workspace",
            "grep -n 'a & <b>' *.rs",
            "echo größer 日本 🎉",
            "",
        ] {
            let subject = Subject::of(command);
            assert_eq!(subject.text, command);
            assert!(subject.is_whole());
        }
    }

    #[test]
    fn what_would_not_show_is_made_visible() {
        assert_eq!(
            visible("ls\n\trm -rf /\0\x1b[2K\r\x7f"),
            "ls␊␉rm -rf /␀␛[2K␍␡"
        );
        assert_eq!(
            visible("echo \u{202e}fr- mr\u{200b}\u{feff}\u{85}\u{2028}\u{e0061}"),
            "echo \\u{202e}fr- mr\\u{200b}\\u{feff}\\u{85}\\u{2028}\\u{e0061}"
        );
    }

    #[test]
    fn a_text_keeps_its_lines_and_its_signs() {
        assert_eq!(
            printable("one\ntwo ❤\u{fe0f}\0\r\n\tthree"),
            "one\ntwo ❤\u{fe0f}␀\n␉three"
        );
    }

    #[test]
    fn a_very_long_one_is_cut_and_says_by_how_much() {
        let whole = Subject::of(&"é".repeat(LONGEST));
        assert!(whole.is_whole() && !whole.text.contains('…'));
        let cut = Subject::of(&format!("{}; rm -rf ~", "é".repeat(LONGEST)));
        assert!(!cut.is_whole());
        assert_eq!(
            cut.text,
            format!(
                "{}… (10 more characters; attach to see all)",
                "é".repeat(LONGEST)
            )
        );
    }

    #[test]
    fn a_long_text_is_cut_by_characters() {
        assert_eq!(cut("größer", 6), "größer");
        assert_eq!(cut("größer!", 6), "größe…");
    }
}
