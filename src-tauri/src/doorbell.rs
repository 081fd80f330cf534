//! One desktop per data directory: the first holds a lock and listens, a second one rings and leaves.
//!
//! The single-instance plugin knows one instance per application identifier; here several run side by side, each on its
//! own `STRATAVORE_DATA_DIR`.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use stratavore_core::places::{MAX_SOCKET_PATH, Places};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a second start waits for the first to listen: a first start that migrates its store takes a while.
const PATIENCE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);
/// Bounds what a caller may say and how long it may take over it.
const LONGEST_RING: u64 = 64 * 1024;
const LONGEST_TALK: Duration = Duration::from_secs(2);

/// What a second start asks of the first: its window, perhaps on a runner.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ring {
    /// The runner whose terminal is to be shown.
    pub attach: Option<String>,
    /// Entitles the window to come to the front.
    pub token: Option<String>,
}

/// What became of a start.
#[derive(Debug)]
pub enum Start {
    /// It is the first of its data directory.
    First(Doorbell),
    /// There was one already; it was told.
    Rung,
}

/// Why neither the lock nor its holder could be reached.
#[derive(Debug, thiserror::Error)]
pub enum DoorbellError {
    /// A file or socket could not be used.
    #[error("cannot {operation} {}", path.display())]
    Place {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The first does not answer.
    #[error("the stratavore-desktop that holds {} does not answer: end it and start again", .0.display())]
    Silent(PathBuf),
    /// The socket's path is too long.
    #[error("{} is longer than the {MAX_SOCKET_PATH} bytes a socket's path may have: set STRATAVORE_RUNTIME_DIR to a shorter one", .0.display())]
    TooLong(PathBuf),
}

/// The lock that makes a desktop the only one of its data directory. It holds the path of the socket to ring at.
#[derive(Debug)]
pub struct Doorbell {
    lock: File,
    path: PathBuf,
}

impl Doorbell {
    /// Becomes the first, or rings at the first; takes over from one that ends meanwhile.
    ///
    /// # Errors
    /// [`DoorbellError`] when the lock cannot be used or its holder stays silent.
    pub async fn take(places: &Places, ring: &Ring) -> Result<Start, DoorbellError> {
        let path = places.data_dir.join("desktop.lock");
        let failed = |operation| {
            let path = path.clone();
            move |source| DoorbellError::Place {
                operation,
                path,
                source,
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&places.data_dir)
            .map_err(failed("make the directory of"))?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open"))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    lock.set_len(0).map_err(failed("empty"))?;
                    return Ok(Start::First(Self { lock, path }));
                }
                Err(rustix::io::Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(failed("lock")(errno.into())),
            }
            let mut socket = Vec::new();
            lock.rewind()
                .and_then(|()| lock.read_to_end(&mut socket))
                .map_err(failed("read"))?;
            // Nothing is written there while the first is starting.
            if !socket.is_empty() {
                let socket = PathBuf::from(std::ffi::OsString::from_vec(socket));
                if timeout(LONGEST_TALK, call(&socket, ring))
                    .await
                    .is_ok_and(|called| called.is_ok())
                {
                    return Ok(Start::Rung);
                }
            }
            if Instant::now() >= deadline {
                return Err(DoorbellError::Silent(path));
            }
            sleep(POLL).await;
        }
    }

    /// Listens beside the host's socket and passes on who rings, until `stop`.
    ///
    /// # Errors
    /// The socket could not be made.
    pub async fn listen(
        mut self,
        sockets: &Path,
        rung: impl Fn(Ring) + Send + Sync,
        stop: &CancellationToken,
    ) -> Result<(), DoorbellError> {
        let socket = sockets.join("desktop.sock");
        if socket.as_os_str().len() > MAX_SOCKET_PATH {
            return Err(DoorbellError::TooLong(socket));
        }
        let failed = |operation| {
            let path = socket.clone();
            move |source| DoorbellError::Place {
                operation,
                path,
                source,
            }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(sockets)
            .map_err(failed("make the directory of"))?;
        // Left by one that was killed: the lock is ours, so nobody listens there.
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("replace")(error));
            }
            _ => {}
        }
        let listener = UnixListener::bind(&socket).map_err(failed("listen at"))?;
        std::fs::set_permissions(&socket, Permissions::from_mode(0o600))
            .map_err(failed("protect"))?;
        self.publish(&socket)?;
        while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, _)) => match timeout(LONGEST_TALK, answer(stream)).await {
                    Ok(Ok(ring)) => rung(ring),
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "a caller at the doorbell was not understood")
                    }
                    Err(_) => tracing::warn!("a caller at the doorbell said nothing"),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a caller at the doorbell");
                    sleep(POLL).await;
                }
            }
        }
        let _ = std::fs::remove_file(&socket);
        Ok(())
    }

    fn publish(&mut self, socket: &Path) -> Result<(), DoorbellError> {
        self.lock
            .write_all(socket.as_os_str().as_bytes())
            .map_err(|source| DoorbellError::Place {
                operation: "write",
                path: self.path.clone(),
                source,
            })
    }
}

/// Rings, and waits until that was understood.
async fn call(socket: &Path, ring: &Ring) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket).await?;
    let mut line = serde_json::to_vec(ring)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut answer = String::new();
    stream.take(16).read_to_string(&mut answer).await?;
    if answer == "ok\n" {
        Ok(())
    } else {
        Err(io::Error::other("not understood"))
    }
}

/// Hears one caller out.
async fn answer(mut stream: UnixStream) -> io::Result<Ring> {
    if stream.peer_cred()?.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "it belongs to another user",
        ));
    }
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read.take(LONGEST_RING))
        .read_line(&mut line)
        .await?;
    let ring = serde_json::from_str(&line)?;
    write.write_all(b"ok\n").await?;
    Ok(ring)
}

#[cfg(test)]
#[path = "doorbell_tests.rs"]
mod tests;
