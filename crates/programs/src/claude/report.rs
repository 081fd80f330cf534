//! What it says of itself on its terminal (OSC 7501).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stratavore_core::attention::{Need, Said};
use stratavore_core::clock::Timestamp;

/// Tells whether a report is of a task beside the conversation: `state=working:app=claude-code:id=TASK:title=BASE64`.
pub(crate) fn is_of_a_task(text: &str) -> bool {
    text.split(':').any(|field| field.starts_with("id="))
}

/// Understands `state=blocked:app=claude-code:kind=permission:msg=BASE64`. Codex speaks the same.
pub(crate) fn read(text: &str, at: Timestamp) -> Option<Said> {
    let text = text.strip_prefix("7501;").unwrap_or(text);
    if is_of_a_task(text) {
        return None;
    }
    let field = |name: &str| {
        text.split(':')
            .filter_map(|field| field.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value))
    };
    let need = match field("state")? {
        "idle" | "done" => Need::Idle,
        "working" => Need::Working,
        "error" => Need::Errored,
        "blocked" => match field("kind") {
            Some("permission") => Need::NeedsPermission,
            Some("question") => Need::NeedsAnswer,
            // It waits for a person, and does not say for what.
            _ => Need::NeedsAnswer,
        },
        // `clear`, and words of a version to come: it says nothing that is understood.
        _ => return None,
    };
    let message = field("msg")
        .and_then(|message| STANDARD.decode(message).ok())
        .and_then(|message| String::from_utf8(message).ok())
        .filter(|message| !message.is_empty());
    // The turn is done and the prompt is drawn; that a command goes on behind it keeps nobody from going on.
    let behind = need == Need::Working && message.as_deref().is_some_and(only_shells);
    let need = if behind { Need::Idle } else { need };
    let detail = match (need, message) {
        // The message is of one tool: it would make a state of its own of each.
        (Need::Working, _) | (_, None) => None,
        (Need::NeedsPermission, Some(message)) => Some(without(&message, "approve ")),
        (Need::NeedsAnswer, Some(message)) => Some(without(&message, "answer: ")),
        (_, message) => message,
    };
    Some(Said {
        need,
        at,
        detail,
        until: None,
    })
}

fn without(message: &str, prefix: &str) -> String {
    message.strip_prefix(prefix).unwrap_or(message).to_owned()
}

/// Tells whether a message says that nothing but commands run: `1 shell still running`.
fn only_shells(message: &str) -> bool {
    let mut words = message.split(' ');
    let count = words.next().and_then(|word| word.parse::<u32>().ok());
    let rest: Vec<_> = words.collect();
    count.is_some() && matches!(rest[..], ["shell" | "shells", "still", "running"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn said(text: &str) -> Option<(Need, Option<String>)> {
        read(text, at()).map(|said| (said.need, said.detail))
    }

    #[test]
    fn every_state_is_understood() {
        assert_eq!(said("state=idle:app=claude-code"), Some((Need::Idle, None)));
        assert_eq!(said("7501;state=done"), Some((Need::Idle, None)));
        assert_eq!(
            said("state=working:app=claude-code:msg=QSB0b29s"),
            Some((Need::Working, None))
        );
        assert_eq!(
            said("state=error:app=claude-code:msg=QVBJIEVycm9y"),
            Some((Need::Errored, Some("API Error".to_owned())))
        );
        assert_eq!(
            said(
                "state=blocked:app=claude-code:kind=permission:msg=YXBwcm92ZSBCYXNoOiB0b3VjaCB6eg=="
            ),
            Some((Need::NeedsPermission, Some("Bash: touch zz".to_owned())))
        );
        assert_eq!(
            said("state=blocked:kind=question:msg=V2hpY2g/"),
            Some((Need::NeedsAnswer, Some("Which?".to_owned())))
        );
        assert_eq!(said("state=blocked"), Some((Need::NeedsAnswer, None)));
        assert_eq!(said("state=clear:app=claude-code"), None);
        let behind = |message: &str| {
            said(&format!("state=working:msg={}", STANDARD.encode(message))).map(|said| said.0)
        };
        assert_eq!(behind("1 shell still running"), Some(Need::Idle));
        assert_eq!(behind("12 shells still running"), Some(Need::Idle));
        assert_eq!(behind("1 agent still running"), Some(Need::Working));
        assert_eq!(
            behind("1 shell, 1 agent still running"),
            Some(Need::Working)
        );
    }

    #[test]
    fn a_task_beside_the_conversation_says_nothing_of_it() {
        for text in [
            "state=working:app=claude-code:id=b1:title=V2FpdA==",
            "7501;state=clear:id=a5e85f89a38259cec",
        ] {
            assert!(is_of_a_task(text), "{text}");
            assert_eq!(said(text), None, "{text}");
        }
        assert!(!is_of_a_task("state=clear"));
    }

    #[test]
    fn nonsense_says_nothing() {
        for text in [
            "",
            "7501;",
            "?",
            "state",
            "state=",
            "state=happy",
            "app=claude-code",
            "working",
        ] {
            assert_eq!(said(text), None, "{text}");
        }
        for message in ["!!", "/w==", ""] {
            assert_eq!(
                said(&format!("state=blocked:kind=permission:msg={message}")),
                Some((Need::NeedsPermission, None))
            );
        }
    }
}
