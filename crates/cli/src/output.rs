//! Where things are printed: data on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::failure::{Failure, Kind, Result};
use crate::text::{printable, printable_lines};

/// Whether a stream shows colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    colour: bool,
}

impl Style {
    /// Shows none.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colour: false };

    fn of(stream: &impl IsTerminal) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            colour: stream.is_terminal() && !set("NO_COLOR") && !dumb,
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    fn paint(self, sgr: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{sgr}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// Prints for one invocation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// Whether data is printed as JSON.
    pub(crate) json: bool,
    /// How stdout is styled.
    pub(crate) stdout: Style,
    stderr: Style,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            stdout: Style::of(&io::stdout()),
            stderr: Style::of(&io::stderr()),
        }
    }

    /// Prints data: as one line of JSON, or as the text that `human` makes of it.
    pub(crate) fn data<T: Serialize>(&self, data: &T, human: impl FnOnce(&T) -> String) -> Result {
        if self.json {
            let mut line = serde_json::to_vec(data).map_err(|error| {
                Failure::caused(Kind::Internal, "cannot render the reply as JSON", &error)
            })?;
            line.push(b'\n');
            self.bytes(&line)
        } else {
            self.bytes(human(data).as_bytes())
        }
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|error| Failure::of_stdout(&error))
    }

    /// Tells the person something that is no data. A stderr that cannot be written to stops nothing.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        let _ = writeln!(io::stderr(), "{}", printable_lines(text.as_ref()));
    }

    /// Tells what went wrong, and with `--json` tells a script too.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.kind == Kind::BrokenPipe {
            return;
        }
        let mut text = format!(
            "{} {}\n",
            self.stderr.paint("1;31", "error:"),
            printable_lines(&failure.message)
        );
        if let Some(hint) = &failure.hint {
            text.push_str(&format!(
                "{} {}\n",
                self.stderr.paint("1;36", "hint:"),
                printable_lines(hint)
            ));
        }
        if self.json {
            text.push_str(&json_of(failure));
            text.push('\n');
        }
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

/// Renders a failure as the JSON object that a script reads.
pub(crate) fn json_of(failure: &Failure) -> String {
    let error = serde_json::json!({
        "code": failure.kind.as_str(),
        "message": failure.message,
        "hint": failure.hint,
    });
    serde_json::json!({ "error": error }).to_string()
}

/// Renders a list of names for a sentence.
pub(crate) fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names
        .into_iter()
        .map(|name| printable(name).into_owned())
        .collect::<Vec<_>>()
        .join(", ")
}
