//! Watches directories, and tells at once what changed in them.
//!
//! It is never the only one to tell: the kernel may have no more watches, or lose what it had to say. Whoever listens looks
//! from time to time besides, and says anew then what is to be watched.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tracing::debug;

/// How many directories are watched at most: of a user's watches others want some too.
const MOST: usize = 256;
/// How long changes gather before they are told: a file that is made is written a moment later.
const GATHER: Duration = Duration::from_millis(5);
/// How often a directory is looked for that appears just then.
const TRIES: u32 = 8;

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    /// Anything may have: what was watched came or went, or some of it could not be told.
    Anything,
    /// These, below directories that are watched.
    Paths(HashSet<PathBuf>),
}

impl Changed {
    /// Tells whether this path may have changed.
    pub(crate) fn covers(&self, path: &Path) -> bool {
        match self {
            Self::Anything => true,
            Self::Paths(paths) => paths.contains(path),
        }
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Paths(paths) if paths.is_empty())
    }
}

/// Watches directories. Of one that is not there the nearest above it is watched until it is.
pub(crate) struct Directories {
    /// Nothing where the kernel gives none; then nothing is ever told.
    inotify: Option<AsyncFd<OwnedFd>>,
    /// By the kernel's number: two paths may lead to one directory.
    watched: HashMap<i32, Vec<Watched>>,
}

struct Watched {
    path: PathBuf,
    /// Of a directory that stands for one below it that is not there: by which name that would appear.
    appears: Option<OsString>,
}

impl Directories {
    pub(crate) fn new() -> Self {
        let made = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).and_then(|fd| {
            // SAFETY: the descriptor is owned, lives in the AsyncFd as long as that does, and is never exchanged for another.
            unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }
                .map_err(|_| Errno::NFILE)
        });
        if let Err(error) = &made {
            debug!(%error, "no directory can be watched; they are looked at from time to time");
        }
        Self {
            inotify: made.ok(),
            watched: HashMap::new(),
        }
    }

    /// Watches these directories, and no others any more; tells whether there is one that was not watched before. Those named
    /// first go before where there are too many.
    pub(crate) fn watch(&mut self, wanted: &[PathBuf]) -> bool {
        let Some(inotify) = &self.inotify else {
            return false;
        };
        let mut watched = HashMap::new();
        for directory in wanted {
            if watched.len() < MOST {
                add(inotify.get_ref(), directory, &mut watched);
            }
        }
        for number in self.watched.keys() {
            if !watched.contains_key(number) {
                // That of a directory that is gone is gone too.
                let _ = inotify::remove_watch(inotify.get_ref(), *number);
            }
        }
        let more = watched
            .keys()
            .any(|number| !self.watched.contains_key(number));
        self.watched = watched;
        more
    }

    /// Waits until something changes. What is not told because this is given up is told by the next.
    pub(crate) async fn changed(&self) -> Changed {
        let Some(inotify) = &self.inotify else {
            return std::future::pending().await;
        };
        loop {
            let Ok(mut readable) = inotify.readable().await else {
                // The runtime ends.
                return std::future::pending().await;
            };
            tokio::time::sleep(GATHER).await;
            let changed = self.read(inotify.get_ref());
            readable.clear_ready();
            if !changed.is_nothing() {
                return changed;
            }
        }
    }

    /// Reads all that the kernel has to tell.
    fn read(&self, inotify: &OwnedFd) -> Changed {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut reader = Reader::new(inotify, &mut buffer);
        let mut paths = HashSet::new();
        let mut anything = false;
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::INTR) => continue,
                Err(_) => break,
            };
            anything |= event.events().contains(ReadFlags::QUEUE_OVERFLOW);
            let Some(watched) = self.watched.get(&event.wd()) else {
                // Of a directory that was let go meanwhile.
                continue;
            };
            let gone = ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF | ReadFlags::IGNORED;
            anything |= event.events().intersects(gone);
            let Some(name) = event.file_name().map(|it| OsStr::from_bytes(it.to_bytes())) else {
                continue;
            };
            for watched in watched {
                match &watched.appears {
                    Some(appears) => anything |= appears == name,
                    None => _ = paths.insert(watched.path.join(name)),
                }
            }
        }
        if anything {
            Changed::Anything
        } else {
            Changed::Paths(paths)
        }
    }
}

/// Watches a directory, or while it is not there the nearest above it.
fn add(inotify: &OwnedFd, wanted: &Path, watched: &mut HashMap<i32, Vec<Watched>>) {
    let flags = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::MOVED_TO
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF
        | WatchFlags::MOVE_SELF
        | WatchFlags::ONLYDIR;
    for _ in 0..TRIES {
        let (mut path, mut appears) = (wanted, None);
        let number = loop {
            match inotify::add_watch(inotify, path, flags) {
                Ok(number) => break number,
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    let Some(parent) = path.parent() else { return };
                    (path, appears) = (parent, path.file_name());
                }
                Err(error) => {
                    debug!(path = %path.display(), %error, "cannot watch a directory; it is looked at from time to time");
                    return;
                }
            }
        };
        watched.entry(number).or_default().push(Watched {
            path: path.to_owned(),
            appears: appears.map(OsStr::to_owned),
        });
        // Made between the two, it would never be told of.
        if !appears.is_some_and(|name| path.join(name).is_dir()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SOON: Duration = Duration::from_secs(20);

    async fn changed(directories: &Directories) -> Changed {
        let changed = tokio::time::timeout(SOON, directories.changed());
        changed.await.expect("something is told")
    }

    fn paths(paths: &[PathBuf]) -> Changed {
        Changed::Paths(paths.iter().cloned().collect())
    }

    #[tokio::test]
    async fn a_file_that_is_made_written_renamed_or_removed_is_told_by_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let [file, other] = ["a.json", "b.json"].map(|name| dir.path().join(name));
        let mut directories = Directories::new();
        assert!(directories.watch(&[dir.path().to_owned()]));
        assert!(!directories.watch(&[dir.path().to_owned()]));
        for _ in 0..2 {
            fs::write(&file, "x").unwrap();
            assert_eq!(
                changed(&directories).await,
                paths(std::slice::from_ref(&file))
            );
        }
        fs::rename(&file, &other).unwrap();
        let told = changed(&directories).await;
        assert!(told.covers(&other) && !told.covers(&file), "{told:?}");
        fs::remove_file(&other).unwrap();
        assert_eq!(changed(&directories).await, paths(&[other]));
    }

    #[tokio::test]
    async fn a_directory_that_is_made_later_is_told_of_and_what_else_appears_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("a/b/c");
        let mut directories = Directories::new();
        directories.watch(std::slice::from_ref(&wanted));
        fs::write(dir.path().join("something"), "x").unwrap();
        for step in ["a", "a/b", "a/b/c"] {
            fs::create_dir(dir.path().join(step)).unwrap();
            assert_eq!(changed(&directories).await, Changed::Anything, "{step}");
            directories.watch(std::slice::from_ref(&wanted));
        }
        let file = wanted.join("x");
        fs::write(&file, "x").unwrap();
        assert_eq!(changed(&directories).await, paths(&[file]));
    }

    #[tokio::test]
    async fn a_directory_that_is_removed_or_moved_is_watched_again_when_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("sessions");
        let again =
            |directories: &mut Directories| directories.watch(std::slice::from_ref(&wanted));
        let mut directories = Directories::new();
        fs::create_dir(&wanted).unwrap();
        again(&mut directories);
        for moved in [false, true] {
            if moved {
                fs::rename(&wanted, dir.path().join("aside")).unwrap();
            } else {
                fs::remove_dir(&wanted).unwrap();
            }
            assert_eq!(changed(&directories).await, Changed::Anything);
            again(&mut directories);
            fs::create_dir(&wanted).unwrap();
            assert_eq!(changed(&directories).await, Changed::Anything);
            again(&mut directories);
            let file = wanted.join("x");
            fs::write(&file, "x").unwrap();
            assert_eq!(
                changed(&directories).await,
                paths(std::slice::from_ref(&file))
            );
            fs::remove_file(&file).unwrap();
            assert_eq!(changed(&directories).await, paths(&[file]));
        }
    }

    #[tokio::test]
    async fn when_the_kernel_lost_some_anything_may_have_changed_and_what_follows_is_told_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut directories = Directories::new();
        directories.watch(&[dir.path().to_owned()]);
        let most = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let files = ["a", "b"].map(|name| dir.path().join(name));
        // Of one file they would be told as one.
        for _ in 0..=most.trim().parse::<u32>().unwrap() / 2 {
            for file in &files {
                fs::write(file, "").unwrap();
            }
        }
        assert_eq!(changed(&directories).await, Changed::Anything);
        fs::write(&files[0], "x").unwrap();
        assert_eq!(changed(&directories).await, paths(&files[..1]));
    }

    #[tokio::test]
    async fn what_is_wanted_no_more_is_told_no_more_and_the_first_go_before_the_rest() {
        let dir = tempfile::tempdir().unwrap();
        let all: Vec<PathBuf> = (0..=MOST)
            .map(|nth| dir.path().join(nth.to_string()))
            .collect();
        for path in &all {
            fs::create_dir(path).unwrap();
        }
        let mut directories = Directories::new();
        directories.watch(&all);
        assert_eq!(directories.watched.len(), MOST);
        fs::write(all[MOST].join("x"), "").unwrap();
        fs::write(all[0].join("x"), "").unwrap();
        assert_eq!(changed(&directories).await, paths(&[all[0].join("x")]));
        directories.watch(&all[1..2]);
        fs::write(all[0].join("x"), "").unwrap();
        fs::write(all[1].join("x"), "").unwrap();
        assert_eq!(changed(&directories).await, paths(&[all[1].join("x")]));
    }
}
