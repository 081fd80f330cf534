//! Finds the host of a data directory.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stratavore_core::places::Places;
use stratavore_wire::lock;

/// What a host writes into `host.json` once it answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// `desktop` or `stratavored`.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// Where it answers.
    pub socket: PathBuf,
    /// The instance that it supervises.
    pub instance_id: String,
    /// Its version.
    pub version: String,
}

/// Why no host was reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No process supervises this data directory.
    #[error("no host runs for {}", .0.display())]
    NoHost(PathBuf),
    /// One holds the lock but does not answer yet, or no longer.
    #[error("the host of {} holds its lock but has not said where it answers", .0.display())]
    NotReady(PathBuf),
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The socket could not be reached.
    #[error("cannot connect to {}", socket.display())]
    Unreachable {
        /// Which.
        socket: PathBuf,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
}

/// Tells where the host of a data directory answers.
///
/// # Errors
/// [`ConnectError::NoHost`] when nobody holds the lock, [`ConnectError::NotReady`] between taking the lock and
/// answering.
pub fn find(places: &Places) -> Result<HostRecord, ConnectError> {
    let held = lock::is_held(&places.host_lock()).map_err(|source| ConnectError::Unreadable {
        path: places.host_lock(),
        source,
    })?;
    if !held {
        return Err(ConnectError::NoHost(places.data_dir.clone()));
    }
    let path = places.host_record();
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ConnectError::NotReady(places.data_dir.clone()));
        }
        Err(source) => return Err(ConnectError::Unreadable { path, source }),
    };
    let record: HostRecord =
        serde_json::from_slice(&text).map_err(|error| ConnectError::Unreadable {
            path,
            source: io::Error::from(error),
        })?;
    // Left by a host that was killed; the one that now holds the lock has yet to write its own.
    if record.socket.exists() {
        Ok(record)
    } else {
        Err(ConnectError::NotReady(places.data_dir.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_with_a_record_is_a_host_and_a_free_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places {
            data_dir: dir.path().to_owned(),
            runtime_dir: dir.path().to_owned(),
            config_file: dir.path().join("c"),
        };
        assert!(matches!(find(&places), Err(ConnectError::NoHost(_))));
        let lock = lock::take(&places.host_lock()).unwrap().unwrap();
        assert!(matches!(find(&places), Err(ConnectError::NotReady(_))));
        let record = HostRecord {
            host: "stratavored".into(),
            pid: 1,
            socket: dir.path().join("s"),
            instance_id: "i".into(),
            version: "0".into(),
        };
        std::fs::write(places.host_record(), serde_json::to_vec(&record).unwrap()).unwrap();
        assert!(
            matches!(find(&places), Err(ConnectError::NotReady(_))),
            "its socket is not there"
        );
        std::fs::write(&record.socket, "").unwrap();
        assert_eq!(find(&places).unwrap(), record);
        drop(lock);
        assert!(matches!(find(&places), Err(ConnectError::NoHost(_))));
    }
}
