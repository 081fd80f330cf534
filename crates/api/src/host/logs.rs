//! The hosts' own logs: in the data directory, a file a day, the last seven kept.
//!
//! No secret reaches them: what may hold one (a launch's environment) shows only its keys wherever it is printed.

use std::path::Path;

use stratavore_core::places::Places;
use tracing_appender::non_blocking::WorkerGuard;
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::host::{HostError, HostKind, private_directory};

/// How many days are kept.
const KEPT: usize = 7;

/// Writes what was logged when it is dropped.
#[must_use]
pub struct Logs {
    _guard: WorkerGuard,
}

/// Begins to log into the data directory, and on standard error where a person looks on.
///
/// # Errors
/// [`HostError::Place`] when the directory cannot be used.
pub fn begin(
    places: &Places,
    kind: HostKind,
    level: &str,
    terminal: bool,
) -> Result<Logs, HostError> {
    let dir = places.logs();
    private_directory(&places.data_dir)?;
    private_directory(&dir)?;
    let (writer, guard) = tracing_appender::non_blocking(appender(&dir, kind)?);
    // Libraries say much at debug; what they say at warn concerns us.
    let filter = || EnvFilter::new(format!("warn,stratavore={level}"));
    let file = fmt::layer()
        .with_writer(writer)
        .with_ansi(false)
        .with_filter(filter());
    let person = terminal.then(|| {
        fmt::layer()
            .with_writer(std::io::stderr)
            .with_target(false)
            .with_filter(filter())
    });
    // A test may have set one already; then that one is used.
    let _ = tracing_subscriber::registry()
        .with(file)
        .with(person)
        .try_init();
    Ok(Logs { _guard: guard })
}

fn appender(dir: &Path, kind: HostKind) -> Result<RollingFileAppender, HostError> {
    RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix(kind.as_str())
        .filename_suffix("log")
        .max_log_files(KEPT)
        .build(dir)
        .map_err(|error| HostError::Place {
            operation: "log into",
            path: dir.to_owned(),
            source: std::io::Error::other(error.to_string()),
            mend: "make it writable",
        })
}
