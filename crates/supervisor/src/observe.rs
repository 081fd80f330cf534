//! Observes attempts: what their locks and records say.

use std::io;
use std::path::Path;

use chrono::DateTime;
use stratavore_core::clock::Timestamp;
use stratavore_core::plan::{Attempt, End};
use stratavore_core::runner::{Exit, Process};
use stratavore_wire::record::{EXIT_FILE, LOCK_FILE, RUNNER_FILE};
use stratavore_wire::{ExitRecord, ProgramState, RunnerRecord, lock};
use tracing::warn;

/// Observes an attempt that no link is connected to.
pub(crate) fn observe(dir: &Path, boot_id: &str) -> io::Result<Attempt> {
    if lock::is_held(&dir.join(LOCK_FILE))? {
        return Ok(Attempt::Alive { connected: false });
    }
    // The agent writes in this order: lock, runner.json, exit.json. Reading after the lock was seen free sees all of it.
    if let Some(exit) = read_exit(dir)? {
        return Ok(Attempt::Ended(end(&exit)));
    }
    Ok(match read_runner(dir)? {
        None => Attempt::Absent,
        Some(record) => Attempt::Lost {
            interrupted: record.boot_id != boot_id,
        },
    })
}

/// Reads what the agent recorded of the attempt before it executed the program.
pub(crate) fn read_runner(dir: &Path) -> io::Result<Option<RunnerRecord>> {
    read(dir, RUNNER_FILE, |text| {
        RunnerRecord::parse(text).map_err(|error| error.to_string())
    })
}

/// Reads how the attempt ended.
pub(crate) fn read_exit(dir: &Path) -> io::Result<Option<ExitRecord>> {
    read(dir, EXIT_FILE, |text| {
        ExitRecord::parse(text).map_err(|error| error.to_string())
    })
}

fn read<T>(
    dir: &Path,
    name: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> io::Result<Option<T>> {
    let path = dir.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => parse(&text).map(Some).map_err(|reason| {
            warn!(path = %path.display(), reason, "a record of an attempt cannot be used");
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: {reason}", path.display()),
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io::Error::new(
            error.kind(),
            format!("{}: {error}", path.display()),
        )),
    }
}

fn end(record: &ExitRecord) -> End {
    let at = time(record.at);
    match &record.end {
        stratavore_wire::End::Exited { exit } | stratavore_wire::End::Stopped { exit } => {
            End::Exited {
                exit: self::exit(*exit),
                at,
            }
        }
        stratavore_wire::End::Interrupted { .. } => End::Interrupted,
        stratavore_wire::End::SpawnFailed { failure, message } => End::CouldNotStart {
            code: failure.word().to_owned(),
            message: message.clone(),
            at,
        },
    }
}

/// Reads a moment off the wire.
pub(crate) fn time(at: stratavore_wire::Timestamp) -> Timestamp {
    DateTime::from_timestamp_micros(at.as_micros()).unwrap_or_default()
}

/// Reads a process off the wire.
pub(crate) fn program(state: ProgramState) -> Process {
    Process {
        pid: u32::try_from(state.pid).unwrap_or(0),
        start_time: state.start_time,
        boot_id: state.boot_id,
    }
}

/// Reads an exit off the wire.
pub(crate) fn exit(exit: stratavore_wire::Exit) -> Exit {
    match exit {
        stratavore_wire::Exit::Code(code) => Exit::Code(code),
        stratavore_wire::Exit::Signal(number) => Exit::Signal(signal_name(number)),
    }
}

/// Returns a signal's name without SIG, or its number where it has none.
fn signal_name(number: i32) -> String {
    // signal(7), the Linux numbers that are alike on every architecture we build for.
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
        "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
        "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    number
        .checked_sub(1)
        .and_then(|index| usize::try_from(index).ok())
        .and_then(|index| NAMES.get(index))
        .map_or_else(|| number.to_string(), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_their_names() {
        for (number, name) in [
            (1, "HUP"),
            (9, "KILL"),
            (11, "SEGV"),
            (15, "TERM"),
            (31, "SYS"),
            (64, "64"),
            (0, "0"),
        ] {
            assert_eq!(signal_name(number), name);
        }
    }

    #[test]
    fn records_tell_what_became_of_an_attempt() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(observe(dir.path(), "b").unwrap(), Attempt::Absent);
        let held = lock::take(&dir.path().join(LOCK_FILE)).unwrap().unwrap();
        assert_eq!(
            observe(dir.path(), "b").unwrap(),
            Attempt::Alive { connected: false }
        );
        drop(held);
        assert_eq!(observe(dir.path(), "b").unwrap(), Attempt::Absent);
        std::fs::write(dir.path().join(EXIT_FILE), "{").unwrap();
        assert!(
            observe(dir.path(), "b").is_err(),
            "a damaged record is no evidence of anything"
        );
        let record =
            r#"{"version":1,"runner_id":"r","attempt":1,"at":1000000,"reason":"exited","code":3}"#;
        std::fs::write(dir.path().join(EXIT_FILE), record).unwrap();
        assert_eq!(
            observe(dir.path(), "b").unwrap(),
            Attempt::Ended(End::Exited {
                exit: Exit::Code(3),
                at: DateTime::from_timestamp(1, 0).unwrap()
            })
        );
    }
}
