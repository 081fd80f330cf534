//! Keeps compressed copies of transcripts, so that they outlive their programs' deleting them, and puts them back.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use stratavore_core::hex::hex;
use stratavore_core::session::{Session, SessionKey};
use stratavore_store::{SessionFilter, StoreError};
use tracing::warn;

use crate::supervisor::{Change, Inner, Supervisor};

/// For how long a transcript must not have changed before a copy is made by itself.
const AT_REST: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// Why no copy was kept, read or put back.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Its files are on another node.
    #[error("the session {session} is on the node {node}")]
    Elsewhere {
        /// Which.
        session: String,
        /// Where.
        node: String,
    },
    /// Nothing was kept.
    #[error("no copy of the session {session} was kept")]
    NoCopy {
        /// Which.
        session: String,
    },
    /// There is a transcript already, or something else in its place.
    #[error("there is a file {} already", path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// The copy does not say where its file was.
    #[error("the copy {} does not say where its file was", path.display())]
    Unplaced {
        /// Which.
        path: PathBuf,
    },
    /// The program would not look for it.
    #[error("{program} keeps its conversations in a database, which is only read")]
    Database {
        /// Which.
        program: String,
    },
    /// There is nothing to copy.
    #[error(
        "the session {session} has no transcript; its program has deleted it, or nothing was said yet"
    )]
    NoTranscript {
        /// Which.
        session: String,
    },
    /// A file could not be read or written.
    #[error("cannot {operation} {}: {source}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The copy is not what was written.
    #[error("the copy {} is damaged: its SHA-256 is {found}, not {kept}", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Of what it holds.
        found: String,
        /// When it was written.
        kept: String,
    },
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Supervisor {
    /// Keeps a compressed copy of a session's transcript, and returns its length.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn archive_session(&self, key: &SessionKey) -> Result<u64, ArchiveError> {
        let session = self.session_here(key).await?;
        archive(&self.inner, session).await
    }

    /// Puts the copy of a transcript that its program deleted back where it was, never in the place of another file, and returns
    /// where that is and its length. Nothing is written before the copy is known to be what was kept.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn restore_session(&self, key: &SessionKey) -> Result<(PathBuf, u64), ArchiveError> {
        let session = self.session_here(key).await?;
        if let Some(transcript) = session.transcript.as_deref().map(Path::new)
            && transcript.exists()
        {
            return Err(ArchiveError::Taken {
                path: transcript.to_owned(),
            });
        }
        let Some((copy, checksum)) = session.archive.clone() else {
            return Err(ArchiveError::NoCopy {
                session: session.key.id,
            });
        };
        let (copy, program) = (PathBuf::from(copy), session.key.program.clone());
        let (path, ours) = (copy.clone(), self.inner.places.data_dir.clone());
        let restored =
            tokio::task::spawn_blocking(move || restore(&copy, &checksum, &ours, program));
        let (transcript, length) = restored.await.map_err(|error| ArchiveError::File {
            operation: "read",
            path,
            source: io::Error::other(error),
        })??;
        // Known from now on, wherever its program lived when it was kept.
        let known = Session {
            transcript: Some(transcript.display().to_string()),
            ..session
        };
        self.inner.store.put_session(known).await?;
        self.inner.sessions.touched(transcript.clone());
        self.inner.changed(Change::Sessions);
        Ok((transcript, length))
    }

    /// Returns a session whose files are here.
    pub(super) async fn session_here(&self, key: &SessionKey) -> Result<Session, ArchiveError> {
        let session = self.inner.store.session(key).await?;
        if session.key.node != *self.inner.store.instance() {
            return Err(ArchiveError::Elsewhere {
                node: self.node_name(&session.key.node),
                session: session.key.id,
            });
        }
        Ok(session)
    }

    /// Keeps compressed copies of all transcripts that have changed since theirs was made, and returns how many and their
    /// length. One that cannot be copied is logged and passed over.
    ///
    /// # Errors
    /// As [`stratavore_store::Sessions::sessions`].
    pub async fn archive_sessions(&self) -> Result<(u32, u64), StoreError> {
        copy_changed(&self.inner, chrono::TimeDelta::zero()).await
    }
}

/// Copies what has been at rest since it changed.
pub(super) async fn archive_changed(inner: &Inner) {
    if let Err(error) = copy_changed(inner, AT_REST).await {
        warn!(
            error = &error as &dyn std::error::Error,
            "cannot archive transcripts"
        );
    }
}

async fn copy_changed(inner: &Inner, at_rest: chrono::TimeDelta) -> Result<(u32, u64), StoreError> {
    let before = inner.clock.now() - at_rest;
    let (mut copies, mut bytes) = (0, 0);
    for session in inner.store.sessions(SessionFilter::default()).await? {
        if session.key.node != *inner.store.instance()
            || session.transcript.is_none()
            || session.updated_at > before
            || is_current(&session)
        {
            continue;
        }
        match archive(inner, session).await {
            Ok(length) => {
                copies += 1;
                bytes += length;
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "cannot archive a transcript"
            ),
        }
    }
    Ok((copies, bytes))
}

/// Tells whether a copy is younger than what it is of.
fn is_current(session: &Session) -> bool {
    let modified = |path: &str| {
        std::fs::metadata(path)
            .and_then(|file| file.modified())
            .ok()
    };
    match (&session.archive, &session.transcript) {
        (Some((copy, _)), Some(transcript)) => modified(copy) > modified(transcript),
        _ => false,
    }
}

async fn archive(inner: &Inner, session: Session) -> Result<u64, ArchiveError> {
    let Some(transcript) = session.transcript.clone() else {
        return Err(ArchiveError::NoTranscript {
            session: session.key.id,
        });
    };
    let dir = inner
        .places
        .data_dir
        .join("archive")
        .join(&session.key.program);
    let name: String = session
        .key
        .id
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let copy = dir.join(format!("{name}.jsonl.gz"));
    let target = copy.clone();
    let written = tokio::task::spawn_blocking(move || {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|source| ArchiveError::File {
                operation: "make the directory",
                path: dir,
                source,
            })?;
        compress(Path::new(&transcript), &target)
    });
    let (checksum, length) = written.await.map_err(|error| ArchiveError::File {
        operation: "write",
        path: copy.clone(),
        source: io::Error::other(error),
    })??;
    let archived = Session {
        archive: Some((copy.display().to_string(), checksum)),
        ..session
    };
    inner.store.put_session(archived).await?;
    inner.changed(Change::Sessions);
    Ok(length)
}

/// Writes where a file was, for the head of its copy: behind its SHA-256, for that of the copy is of what it holds alone.
fn label(path: &Path) -> String {
    let path = path.display().to_string();
    format!("{} {path}", hex(&Sha256::digest(&path)))
}

/// Reads where the file of a copy was; nothing that is damaged.
fn labelled(label: &[u8]) -> Option<PathBuf> {
    let path = std::str::from_utf8(label).ok()?.split_once(' ')?.1;
    let path = PathBuf::from(path);
    (self::label(&path).as_bytes() == label && path.is_absolute()).then_some(path)
}

/// Compresses a file aside and puts it in its place once it is whole on disk. Returns the SHA-256 of what it holds and its
/// own length.
fn compress(from: &Path, to: &Path) -> Result<(String, u64), ArchiveError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| ArchiveError::File {
            operation,
            path,
            source,
        }
    };
    let mut source = File::open(from).map_err(failed("read", from))?;
    let aside = to.with_extension("new");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&aside)
        .map_err(failed("write", &aside))?;
    let mut encoder = GzBuilder::new()
        .comment(label(from))
        .write(file, Compression::default());
    let mut sum = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = source.read(&mut buffer).map_err(failed("read", from))?;
        if read == 0 {
            break;
        }
        sum.update(&buffer[..read]);
        encoder
            .write_all(&buffer[..read])
            .map_err(failed("write", &aside))?;
    }
    let file = encoder.finish().map_err(failed("write", &aside))?;
    file.sync_all().map_err(failed("write", &aside))?;
    let length = file.metadata().map_err(failed("read", &aside))?.len();
    std::fs::rename(&aside, to).map_err(failed("rename", &aside))?;
    Ok((hex(&sum.finalize()), length))
}

/// Reads a copy back, and checks that it is what was written.
pub(super) fn expand(path: &Path, kept: &str) -> Result<Vec<u8>, ArchiveError> {
    expand_placed(path, kept).map(|(bytes, _)| bytes)
}

/// Reads a copy back, and where its file was.
fn expand_placed(path: &Path, kept: &str) -> Result<(Vec<u8>, Option<PathBuf>), ArchiveError> {
    let failed = |source| ArchiveError::File {
        operation: "read",
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let mut decoder = GzDecoder::new(File::open(path).map_err(failed)?);
    decoder.read_to_end(&mut bytes).map_err(failed)?;
    let found = hex(&Sha256::digest(&bytes));
    if found != kept {
        return Err(ArchiveError::Damaged {
            path: path.to_owned(),
            found,
            kept: kept.to_owned(),
        });
    }
    let head = decoder.header();
    let place = head.and_then(|head| labelled(head.comment()?));
    Ok((bytes, place))
}

/// Puts what a copy holds back where it was, whole or not at all. `ours`: what lies there, no program looks for.
fn restore(
    copy: &Path,
    kept: &str,
    ours: &Path,
    program: String,
) -> Result<(PathBuf, u64), ArchiveError> {
    let (bytes, place) = expand_placed(copy, kept)?;
    let place = place.ok_or_else(|| ArchiveError::Unplaced {
        path: copy.to_owned(),
    })?;
    if place.starts_with(ours) {
        return Err(ArchiveError::Database { program });
    }
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| ArchiveError::File {
            operation,
            path,
            source,
        }
    };
    let directory = place.parent().unwrap_or(Path::new("/"));
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(failed("make the directory", directory))?;
    // No program takes it for a transcript.
    let aside = directory.join(format!(".{}", uuid::Uuid::new_v4().simple()));
    let put = || {
        let mut file = std::fs::OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&aside)
            .map_err(failed("write", &aside))?;
        file.write_all(&bytes)
            .and_then(|()| file.sync_all())
            .map_err(failed("write", &aside))?;
        // Unlike a rename it takes nobody's place.
        std::fs::hard_link(&aside, &place).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => ArchiveError::Taken {
                path: place.clone(),
            },
            _ => failed("write", &place)(error),
        })
    };
    let done = put();
    // It may never have been made.
    let _ = std::fs::remove_file(&aside);
    done?;
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(failed("write", directory))?;
    Ok((place, bytes.len() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_what_was_copied_and_a_damaged_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("t.jsonl"), dir.path().join("t.jsonl.gz"));
        std::fs::write(&from, "{\"a\":1}\n".repeat(1000)).unwrap();
        let (sum, length) = compress(&from, &to).unwrap();
        assert!(length < 1000, "{length}");
        assert_eq!(expand(&to, &sum).unwrap(), std::fs::read(&from).unwrap());
        std::fs::write(&from, "other\n").unwrap();
        compress(&from, &to).unwrap();
        assert!(matches!(
            expand(&to, &sum),
            Err(ArchiveError::Damaged { .. })
        ));
    }

    #[test]
    fn what_is_put_back_is_whole_or_not_there_and_never_in_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let ours = dir.path().join("data");
        let (from, to) = (
            dir.path().join("gone/\u{fc}ber/t.jsonl"),
            dir.path().join("t.jsonl.gz"),
        );
        let directory = from.parent().unwrap();
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(&from, "{\"a\":1}\n").unwrap();
        let (sum, _) = compress(&from, &to).unwrap();
        let back = || restore(&to, &sum, &ours, "claude".to_owned());

        std::fs::write(&from, "other\n").unwrap();
        assert!(matches!(back(), Err(ArchiveError::Taken { path }) if path == from));
        assert_eq!(std::fs::read(&from).unwrap(), b"other\n");
        let left = || std::fs::read_dir(directory).unwrap().count();
        assert_eq!(left(), 1, "nothing lies beside it");

        std::fs::remove_dir_all(dir.path().join("gone")).unwrap();
        assert_eq!(back().unwrap(), (from.clone(), 8));
        assert_eq!(std::fs::read(&from).unwrap(), b"{\"a\":1}\n");
        assert_eq!(left(), 1);
        std::fs::remove_file(&from).unwrap();

        // Each byte of it changed: of what it holds, or of where that was.
        let whole = std::fs::read(&to).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            std::fs::write(&to, &damaged).unwrap();
            if let Ok((place, _)) = back() {
                // What nobody reads of the head: a time, the system.
                assert_eq!(place, from, "byte {at}");
                std::fs::remove_file(&from).unwrap();
            }
            assert_eq!(left(), 0, "byte {at}");
        }
        std::fs::write(&to, &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(back(), Err(ArchiveError::File { .. })));

        // As a copy of what is kept of a database, and one of before there were labels.
        let copied = ours.join("copies/s.jsonl");
        std::fs::create_dir_all(copied.parent().unwrap()).unwrap();
        std::fs::write(&copied, "{}\n").unwrap();
        let (sum, _) = compress(&copied, &to).unwrap();
        std::fs::remove_file(&copied).unwrap();
        let refused = restore(&to, &sum, &ours, "opencode".to_owned());
        assert!(matches!(refused, Err(ArchiveError::Database { .. })));
        let mut old = flate2::write::GzEncoder::new(Vec::new(), Compression::default());
        old.write_all(b"{}\n").unwrap();
        std::fs::write(&to, old.finish().unwrap()).unwrap();
        let refused = restore(&to, &sum, &ours, "claude".to_owned());
        assert!(matches!(refused, Err(ArchiveError::Unplaced { .. })));
        assert_eq!(left(), 0);
    }
}
