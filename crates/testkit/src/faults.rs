//! File systems that fail on purpose: full, read-only, somebody else's.
//!
//! Mounts need root (and a kernel that lets it): where one is refused, the error says so and the test skips with that
//! reason. A mount is taken away at drop, whatever is still open in it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

/// The user id that files are given away to: `nobody`.
const NOBODY: u32 = 65534;

/// Is a small file system of its own, mounted over a directory, that can be filled to the last byte.
#[derive(Debug)]
pub struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// Mounts an empty file system of `bytes` over `directory`, which must exist.
    pub fn mount(directory: &Path, bytes: u64) -> io::Result<SmallDisk> {
        let options = std::ffi::CString::new(format!("size={bytes},mode=700"))?;
        mount("tmpfs", directory, "tmpfs", MountFlags::NODEV, &*options)
            .map_err(|error| refused("a small disk", directory, error))?;
        Ok(SmallDisk {
            path: directory.to_owned(),
        })
    }

    /// Fills what is free, so that the next write fails with "no space left on device".
    pub fn fill(&self) -> io::Result<()> {
        let mut file = File::options()
            .append(true)
            .create(true)
            .open(self.filler())?;
        for size in [65536, 4096, 1] {
            let block = vec![0_u8; size];
            loop {
                match file.write_all(&block) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// Gives back what [`SmallDisk::fill`] took.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.filler())
    }

    fn filler(&self) -> PathBuf {
        self.path.join(".filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        detach(&self.path);
    }
}

/// Is a directory whose content stays readable while every write fails with "read-only file system", for root too.
#[derive(Debug)]
pub struct ReadOnly {
    path: PathBuf,
}

impl ReadOnly {
    /// Makes `directory` read-only with all it holds.
    pub fn mount(directory: &Path) -> io::Result<ReadOnly> {
        mount_bind(directory, directory)
            .map_err(|error| refused("a read-only directory", directory, error))?;
        let read_only = ReadOnly {
            path: directory.to_owned(),
        };
        mount_remount(directory, MountFlags::BIND | MountFlags::RDONLY, "")
            .map_err(|error| refused("a read-only directory", directory, error))?;
        Ok(read_only)
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        detach(&self.path);
    }
}

/// Gives a file or directory to another user.
pub fn give_away(path: &Path) -> io::Result<()> {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY))
}

fn refused(what: &str, directory: &Path, error: rustix::io::Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(
        error.kind(),
        format!("could not mount {what} at {}: {error}", directory.display()),
    )
}

fn detach(path: &Path) {
    if let Err(error) = unmount(path, UnmountFlags::DETACH) {
        eprintln!("could not unmount {}: {error}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TempHome;
    use std::os::unix::fs::MetadataExt;

    /// Gives the mount, or says why this test cannot be run here.
    fn or_skip<T>(mounted: io::Result<T>) -> Option<T> {
        match mounted {
            Ok(mounted) => Some(mounted),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                eprintln!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_small_disk_is_full_until_it_is_freed() {
        let home = TempHome::new();
        let Some(disk) = or_skip(SmallDisk::mount(&home.data(), 256 * 1024)) else {
            return;
        };
        fs::write(home.data().join("before"), "fits").expect("room");
        disk.fill().expect("filled");
        let full = fs::write(home.data().join("after"), "does not fit");
        assert_eq!(
            full.expect_err("no room").kind(),
            io::ErrorKind::StorageFull
        );
        disk.free().expect("freed");
        fs::write(home.data().join("after"), "fits again").expect("room");
        drop(disk);
        assert!(!home.data().join("before").exists(), "still mounted");
    }

    #[test]
    fn a_read_only_directory_reads_and_refuses_writes() {
        let home = TempHome::new();
        let file = home.data().join("file");
        fs::write(&file, "kept").expect("writable before");
        let Some(read_only) = or_skip(ReadOnly::mount(&home.data())) else {
            return;
        };
        assert_eq!(fs::read(&file).expect("readable"), b"kept");
        let refused = fs::write(&file, "changed").expect_err("refused");
        assert_eq!(refused.kind(), io::ErrorKind::ReadOnlyFilesystem);
        drop(read_only);
        fs::write(&file, "changed").expect("writable after");
    }

    #[test]
    fn a_file_given_away_is_somebody_elses() {
        let home = TempHome::new();
        let file = home.data().join("file");
        fs::write(&file, "").expect("written");
        if or_skip(give_away(&file)).is_some() {
            assert_eq!(fs::metadata(&file).expect("there").uid(), NOBODY);
        }
    }
}
