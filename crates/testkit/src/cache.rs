//! What is expensive to fetch and is kept between runs of the tests.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Gives the directory kept between runs: `$XDG_CACHE_HOME/stratavore-tests`, or below `~/.cache`.
pub fn directory() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(std::env::temp_dir);
    base.join("stratavore-tests")
}

/// Gives the cached directory `name`, made once by `make` in a directory of its own and then moved into place.
///
/// A lock file serializes tests that ask at the same time; a maker that fails leaves nothing behind.
pub fn once(name: &str, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<PathBuf> {
    once_in(&directory(), name, make)
}

fn once_in(
    base: &Path,
    name: &str,
    make: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<PathBuf> {
    let place = base.join(name);
    fs::create_dir_all(base)?;
    let lock = File::create(base.join(format!("{name}.lock")))?;
    lock.lock()?;
    if place.exists() {
        return Ok(place);
    }
    let partial = tempfile::Builder::new()
        .prefix(&format!("{name}.partial-"))
        .tempdir_in(base)?;
    make(partial.path())?;
    fs::rename(partial.keep(), &place)?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn many_askers_make_it_once() {
        let base = tempfile::tempdir().expect("a directory");
        let made = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let place = once_in(base.path(), "thing", |directory| {
                        made.fetch_add(1, Ordering::SeqCst);
                        fs::write(directory.join("file"), "whole")
                    })
                    .expect("made");
                    assert_eq!(fs::read(place.join("file")).expect("there"), b"whole");
                });
            }
        });
        assert_eq!(made.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_failure_leaves_nothing_and_is_tried_again() {
        let base = tempfile::tempdir().expect("a directory");
        let failed = once_in(base.path(), "thing", |directory| {
            fs::write(directory.join("file"), "half")?;
            Err(io::Error::other("no network"))
        });
        assert!(failed.is_err());
        assert!(!base.path().join("thing").exists());
        assert_eq!(fs::read_dir(base.path()).expect("listed").count(), 1);
        once_in(base.path(), "thing", |_| Ok(())).expect("made the second time");
    }
}
