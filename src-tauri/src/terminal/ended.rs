//! What a runner that has ended showed last.

use std::sync::Arc;

use stratavore_api::{Api, Failure, v1};

use super::Request;
use super::message::{Control, Message};

/// Tells whether nothing follows in that state: there is no agent to attach to.
pub(super) fn is_over(runner: &v1::Runner) -> bool {
    matches!(runner.state.as_str(), "terminated" | "failed" | "cancelled")
}

/// Gives what the terminal showed, after what had scrolled off, and how the program ended. Lines are laid out anew at the
/// viewer's size: there is no program left to mind.
pub(super) async fn last_words(
    api: &Arc<dyn Api>,
    runner: v1::Runner,
    viewer: &Request,
) -> Result<[Message; 2], Failure> {
    let history = api
        .history(v1::HistoryRequest {
            runner: runner.id,
            ansi: true,
        })
        .await?;
    Ok([
        Message::Snapshot {
            columns: viewer.columns,
            rows: viewer.rows,
            bytes: as_typed(&history.content),
        },
        Message::Control(Control::Ended { exit: runner.exit }),
    ])
}

/// Turns lines into what a terminal shows as lines: it moves down on a newline, and back only on a carriage return. The
/// last newline would push the first line off.
fn as_typed(lines: &[u8]) -> Vec<u8> {
    let lines = lines.strip_suffix(b"\n").unwrap_or(lines);
    let mut typed = Vec::with_capacity(lines.len() + lines.len() / 16);
    let mut before = 0;
    for &byte in lines {
        if byte == b'\n' && before != b'\r' {
            typed.push(b'\r');
        }
        typed.push(byte);
        before = byte;
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_typed_so_that_each_starts_at_the_left() {
        assert_eq!(as_typed(b"a\nb\r\nc\n"), b"a\r\nb\r\nc");
        assert_eq!(as_typed(b""), b"");
    }
}
