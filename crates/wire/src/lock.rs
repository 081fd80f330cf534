//! The lock that says who lives.
//!
//! An agent holds its attempt's lock exclusively for life, a host its data directory's. Others look by taking it shared
//! for an instant. So an exclusive attempt that fails may have met someone who only looks: such a one does not keep a
//! second shared lock away, a holder does.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Takes the lock for as long as the returned file lives; `None` when another holds it.
pub fn take(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => match file.try_lock_shared() {
                Ok(()) => file.unlock()?,
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            },
        }
    }
}

/// Tells whether someone holds the lock; a file that is not there is held by nobody.
pub fn is_held(path: &Path) -> io::Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_and_lookers_never_keep_it_away() {
        let dir = std::env::temp_dir().join(format!("stratavore-lock-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("lock");
        assert!(!is_held(&path).unwrap());
        let looker = File::create(&path).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = looker.try_lock_shared();
                    let _ = looker.unlock();
                }
            });
            for _ in 0..2000 {
                let held = take(&path).unwrap().expect("only a looker was met");
                assert!(is_held(&path).unwrap());
                assert!(take(&path).unwrap().is_none());
                drop(held);
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        std::fs::remove_dir_all(dir).unwrap();
    }
}
