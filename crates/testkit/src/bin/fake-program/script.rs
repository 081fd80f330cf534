//! The words of the script.

use std::path::PathBuf;
use std::time::Duration;

use crate::signals;

/// Is a parsed script.
pub(crate) struct Script {
    pub(crate) statements: Vec<Statement>,
}

/// Is one thing to do; the words are explained in `main.rs`.
pub(crate) enum Statement {
    Print(String),
    Write(Vec<u8>),
    Environment(String),
    WorkingDirectory,
    Arguments,
    Size,
    Resizes,
    Echo,
    Keys,
    WaitLine(Option<String>),
    WaitFile(PathBuf),
    Hold,
    Exit(i32),
    Signal(i32),
    Ignore(Vec<i32>),
    Record(PathBuf),
    Touch(PathBuf),
    Flood(u64),
    Modes,
    ModesOff,
    Survivors(PathBuf),
    HoldPty(PathBuf),
    BurnCpu(Option<Duration>),
    Allocate(usize),
    /// Starts a child with this script (commas for semicolons) and does not wait for it.
    Start(String),
    Setsid,
    Label,
}

impl Script {
    /// Reads a whole script before any of it runs.
    pub(crate) fn parse(text: &str) -> Result<Script, String> {
        let statements = text
            .split(';')
            .map(str::trim)
            .filter(|statement| !statement.is_empty())
            .map(Statement::parse)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Script { statements })
    }
}

impl Statement {
    fn parse(text: &str) -> Result<Statement, String> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        let bad = |wanted: &str| format!("`{text}` needs {wanted}");
        let path = || {
            if rest.is_empty() {
                Err(bad("a path"))
            } else {
                Ok(PathBuf::from(rest))
            }
        };
        Ok(match word {
            "print" => Statement::Print(rest.to_owned()),
            "write" => Statement::Write(unescape(rest).ok_or_else(|| bad("known escapes"))?),
            "env" => Statement::Environment(rest.to_owned()),
            "cwd" => Statement::WorkingDirectory,
            "args" => Statement::Arguments,
            "size" => Statement::Size,
            "resizes" => Statement::Resizes,
            "echo" => Statement::Echo,
            "keys" => Statement::Keys,
            "wait-line" => Statement::WaitLine((!rest.is_empty()).then(|| rest.to_owned())),
            "wait-file" => Statement::WaitFile(path()?),
            "hold" => Statement::Hold,
            "exit" => Statement::Exit(rest.parse().map_err(|_| bad("an exit code"))?),
            "signal" => Statement::Signal(signals::number(rest).ok_or_else(|| bad("a signal"))?),
            "ignore" => Statement::Ignore(
                rest.split_whitespace()
                    .map(|name| signals::number(name).ok_or_else(|| bad("signals")))
                    .collect::<Result<_, _>>()?,
            ),
            "record" => Statement::Record(path()?),
            "touch" => Statement::Touch(path()?),
            "flood" => Statement::Flood(rest.parse().map_err(|_| bad("a number of bytes"))?),
            "modes" => Statement::Modes,
            "modes-off" => Statement::ModesOff,
            "survivors" => Statement::Survivors(path()?),
            "hold-pty" => Statement::HoldPty(path()?),
            "burn-cpu" if rest.is_empty() => Statement::BurnCpu(None),
            "burn-cpu" => Statement::BurnCpu(Some(Duration::from_secs(
                rest.parse().map_err(|_| bad("seconds"))?,
            ))),
            "allocate" => Statement::Allocate(rest.parse().map_err(|_| bad("megabytes"))?),
            "start" => Statement::Start(rest.replace(',', ";")),
            "setsid" => Statement::Setsid,
            "label" => Statement::Label,
            _ => return Err(format!("`{word}` is not a word of the script")),
        })
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next()? {
            b'e' => 0x1b,
            b'a' => 0x07,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b's' => b';',
            b'\\' => b'\\',
            b'x' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}
