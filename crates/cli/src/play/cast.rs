//! asciicast v2: a header, then one event a line, each with its time.

use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, Read};

use serde::Deserialize;
use serde_json::Value;

use crate::args::Size;

/// No event that a terminal ever wrote at once takes a longer line.
const MAX_LINE: u64 = 64 << 20;

/// A recording that is read event by event.
#[derive(Debug)]
pub(crate) struct Cast<R> {
    reader: R,
    /// The number of the line read last.
    line: usize,
    header: Header,
}

/// What is known before the first event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Header {
    pub(crate) size: Size,
    /// How many seconds of nothing are played at most.
    pub(crate) idle_limit: Option<f64>,
}

/// Something that happened, so many seconds after the beginning.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) at: f64,
    pub(crate) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// The program wrote this.
    Output(String),
    /// The terminal took another size.
    Resize(Size),
}

/// Why a recording cannot be played, or no further.
#[derive(Debug)]
pub(crate) enum BadCast {
    Read(io::Error),
    Empty,
    NoHeader,
    /// The version it is of.
    Version(u64),
    NoSize,
    /// The number of a line that is no event.
    Line(usize),
}

impl fmt::Display for BadCast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "{error}"),
            Self::Empty => f.write_str("it is empty"),
            Self::NoHeader => f.write_str("its first line is no asciicast header"),
            Self::Version(version) => {
                write!(f, "it is asciicast version {version}, not version 2")
            }
            Self::NoSize => f.write_str("its header tells no width and height"),
            Self::Line(line) => write!(f, "line {line} is no event"),
        }
    }
}

impl Error for BadCast {}

#[derive(Deserialize)]
struct RawHeader {
    version: u64,
    #[serde(default)]
    width: u16,
    #[serde(default)]
    height: u16,
    #[serde(default)]
    idle_time_limit: Option<f64>,
}

impl<R: BufRead> Cast<R> {
    /// Reads the header.
    pub(crate) fn open(mut reader: R) -> Result<Self, BadCast> {
        let first = read_line(&mut reader)?.ok_or(BadCast::Empty)?;
        let value: Value = serde_json::from_slice(&first).map_err(|_| BadCast::NoHeader)?;
        let version = value.get("version").and_then(Value::as_u64);
        match version {
            Some(2) => {}
            Some(version) => return Err(BadCast::Version(version)),
            None => return Err(BadCast::NoHeader),
        }
        let raw: RawHeader = serde_json::from_value(value).map_err(|_| BadCast::NoSize)?;
        let RawHeader { width, height, .. } = raw;
        if raw.version != 2 || width == 0 || height == 0 {
            return Err(BadCast::NoSize);
        }
        let header = Header {
            size: Size {
                columns: width,
                rows: height,
            },
            idle_limit: raw.idle_time_limit.filter(|limit| *limit >= 0.0),
        };
        Ok(Self {
            reader,
            line: 1,
            header,
        })
    }

    pub(crate) const fn header(&self) -> Header {
        self.header
    }

    /// Reads on to the next event that shows; nothing at the end. A last line that was not written whole is no event:
    /// whoever recorded was killed.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, BadCast> {
        loop {
            let Some(line) = read_line(&mut self.reader)? else {
                return Ok(None);
            };
            self.line += 1;
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let Ok((at, code, data)) = serde_json::from_slice::<(f64, String, String)>(&line)
            else {
                if line.ends_with(b"\n") {
                    return Err(BadCast::Line(self.line));
                }
                return Ok(None);
            };
            let what = match code.as_str() {
                "o" => What::Output(data),
                "r" => match data.parse() {
                    Ok(size) => What::Resize(size),
                    Err(_) => continue,
                },
                // What was typed, marks, and what others may have added.
                _ => continue,
            };
            return Ok(Some(Event { at, what }));
        }
    }
}

/// Reads a line with its end; nothing at the end of the file.
fn read_line(reader: &mut impl BufRead) -> Result<Option<Vec<u8>>, BadCast> {
    let mut line = Vec::new();
    let read = reader
        .take(MAX_LINE)
        .read_until(b'\n', &mut line)
        .map_err(BadCast::Read)?;
    Ok((read > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<(Header, Vec<Event>), BadCast> {
        let mut cast = Cast::open(text.as_bytes())?;
        let mut events = Vec::new();
        while let Some(event) = cast.next()? {
            events.push(event);
        }
        Ok((cast.header(), events))
    }

    const HEADER: &str =
        r#"{"version": 2, "width": 80, "height": 24, "timestamp": 1, "env": {"TERM": "xterm"}}"#;

    #[test]
    fn events_come_in_turn() {
        let text = format!(
            "{HEADER}\n[0.5, \"o\", \"a\\u001b[1m\"]\n[0.6,\"i\",\"x\"]\n\n[1, \"m\", \"\"]\n[1.25, \"r\", \"100x30\"]\n[2,\"o\",\"工\"]"
        );
        let (header, events) = all(&text).unwrap();
        let size = |columns, rows| Size { columns, rows };
        assert_eq!(header.size, size(80, 24));
        let output = |at, text: &str| Event {
            at,
            what: What::Output(text.into()),
        };
        let resize = Event {
            at: 1.25,
            what: What::Resize(size(100, 30)),
        };
        assert_eq!(events, [output(0.5, "a\x1b[1m"), resize, output(2.0, "工")]);
    }

    #[test]
    fn a_last_line_cut_short_is_the_end() {
        for cut in ["[", "[1.5, \"o\", \"ha", "[1.5, \"o\", \"\\u00"] {
            let (_, events) = all(&format!("{HEADER}\n[1,\"o\",\"a\"]\n{cut}")).unwrap();
            assert_eq!(events.len(), 1, "{cut}");
        }
    }

    #[test]
    fn what_is_no_recording_is_told() {
        for (text, told) in [
            ("", "it is empty"),
            ("hello\n", "its first line is no asciicast header"),
            ("[1,2]\n", "its first line is no asciicast header"),
            (
                "{\"version\":3,\"term\":{}}\n",
                "it is asciicast version 3, not version 2",
            ),
            (
                "{\"version\":1}",
                "it is asciicast version 1, not version 2",
            ),
            (
                "{\"version\":2,\"width\":80}\n",
                "its header tells no width and height",
            ),
            (
                "{\"version\":2,\"width\":-1,\"height\":3}\n",
                "its header tells no width and height",
            ),
        ] {
            assert_eq!(all(text).unwrap_err().to_string(), told, "{text}");
        }
        let damaged = format!("{HEADER}\n[1,\"o\",\"a\"]\nnonsense\n[2,\"o\",\"b\"]\n");
        assert_eq!(all(&damaged).unwrap_err().to_string(), "line 3 is no event");
    }
}
