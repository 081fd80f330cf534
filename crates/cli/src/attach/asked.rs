//! What programs ask of whoever looks on, and what of it is done.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stratavore_rpc::v1;
use stratavore_wire::Asked;

/// What is done with what programs ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    clipboard: Clipboard,
    shows_notifications: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clipboard {
    /// A terminal has no way to ask: it is not written, and that is told at the end.
    Ask,
    Allow,
    Refuse,
}

impl Policy {
    /// Reads it from the settings that came with a terminal.
    pub(crate) fn of(terminal: &v1::Terminal) -> Self {
        Self {
            clipboard: match terminal.clipboard.as_str() {
                "allow" => Clipboard::Allow,
                "refuse" => Clipboard::Refuse,
                _ => Clipboard::Ask,
            },
            shows_notifications: terminal.notifications != "ignore",
        }
    }
}

/// Does what is asked, as the policy has it, and counts what is not.
#[derive(Debug)]
pub(crate) struct Requests {
    policy: Policy,
    unanswered: usize,
}

impl Requests {
    pub(crate) const fn new(policy: Policy) -> Self {
        Self {
            policy,
            unanswered: 0,
        }
    }

    /// Passes a request on to the user's terminal, if it is to be.
    pub(crate) fn take(&mut self, asked: &Asked, out: &mut Vec<u8>) {
        let sequence = match asked {
            Asked::Clipboard { selection, text } => match self.policy.clipboard {
                Clipboard::Allow => clipboard(*selection, text),
                Clipboard::Ask => {
                    self.unanswered += 1;
                    return;
                }
                Clipboard::Refuse => return,
            },
            Asked::Notify { title, body } if self.policy.shows_notifications => {
                notification(title, body)
            }
            Asked::Notify { .. } => return,
        };
        out.extend_from_slice(sequence.as_bytes());
    }

    /// Says in a line what was not done and what would have it done.
    pub(crate) fn left_undone(&self, name: &str) -> Option<String> {
        let (times, it) = match self.unanswered {
            0 => return None,
            1 => ("once".to_owned(), "it"),
            times => (format!("{times} times"), "them"),
        };
        Some(format!(
            "{name} wrote to the clipboard {times}; that was not passed on: the setting `terminal.clipboard = \"allow\"` passes {it}"
        ))
    }
}

fn clipboard(selection: char, text: &str) -> String {
    let selection = if matches!(selection, 'c' | 'p' | 'q' | 's' | '0'..='7') {
        selection
    } else {
        'c'
    };
    format!("\x1b]52;{selection};{}\x1b\\", STANDARD.encode(text))
}

/// Asks for a notification as the program did: OSC 9 has no title, OSC 777 has one.
fn notification(title: &str, body: &str) -> String {
    let safe = |text: &str| -> String { text.chars().filter(|c| !c.is_control()).collect() };
    let (title, body) = (safe(title), safe(body));
    if title.is_empty() {
        // A number at the start would be another command of the same code: progress, a directory.
        let gap = if body.starts_with(|c: char| c.is_ascii_digit()) {
            " "
        } else {
            ""
        };
        format!("\x1b]9;{gap}{body}\x1b\\")
    } else {
        format!("\x1b]777;notify;{};{body}\x1b\\", title.replace(';', ","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(clipboard: &str, notifications: &str) -> Policy {
        Policy::of(&v1::Terminal {
            clipboard: clipboard.into(),
            notifications: notifications.into(),
            ..v1::Terminal::default()
        })
    }

    fn done(policy: Policy, asked: &Asked) -> (String, Option<String>) {
        let mut requests = Requests::new(policy);
        let mut out = Vec::new();
        requests.take(asked, &mut out);
        (
            String::from_utf8(out).unwrap(),
            requests.left_undone("auth"),
        )
    }

    #[test]
    fn the_clipboard_is_written_only_where_that_is_allowed() {
        let asked = Asked::Clipboard {
            selection: 'p',
            text: "hi".into(),
        };
        assert_eq!(
            done(policy("allow", ""), &asked),
            ("\x1b]52;p;aGk=\x1b\\".into(), None)
        );
        assert_eq!(done(policy("refuse", ""), &asked), (String::new(), None));
        let (passed, told) = done(policy("ask", ""), &asked);
        assert_eq!(passed, "");
        assert!(told.unwrap().contains("terminal.clipboard"));
        assert_eq!(policy("", ""), policy("ask", "show"));
    }

    #[test]
    fn a_notification_is_asked_for_as_the_program_did() {
        let notify = |title: &str, body: &str| Asked::Notify {
            title: title.into(),
            body: body.into(),
        };
        for (asked, passed) in [
            (notify("", "done"), "\x1b]9;done\x1b\\"),
            (notify("", "4;1;50"), "\x1b]9; 4;1;50\x1b\\"),
            (notify("a;b", "c;d"), "\x1b]777;notify;a,b;c;d\x1b\\"),
            (notify("", "x\x1b]52;c;AA\x07y"), "\x1b]9;x]52;c;AAy\x1b\\"),
        ] {
            assert_eq!(done(policy("", "show"), &asked).0, passed);
            assert_eq!(done(policy("", "ignore"), &asked).0, "");
        }
    }
}
