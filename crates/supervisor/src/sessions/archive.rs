//! Keeps compressed copies of transcripts, so that they outlive their programs' deleting them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use stratavore_core::hex::hex;
use stratavore_core::session::{Session, SessionKey};
use stratavore_store::{SessionFilter, StoreError};
use tracing::warn;

use crate::supervisor::{Change, Inner, Supervisor};

/// For how long a transcript must not have changed before a copy is made by itself.
const AT_REST: chrono::TimeDelta = chrono::TimeDelta::minutes(10);

/// Why no copy was kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
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
        let session = self.inner.store.session(key).await?;
        archive(&self.inner, session).await
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
    let mut encoder = GzEncoder::new(file, Compression::default());
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
    let failed = |source| ArchiveError::File {
        operation: "read",
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).map_err(failed)?)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let found = hex(&Sha256::digest(&bytes));
    if found != kept {
        return Err(ArchiveError::Damaged {
            path: path.to_owned(),
            found,
            kept: kept.to_owned(),
        });
    }
    Ok(bytes)
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
}
