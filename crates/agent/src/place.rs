//! The attempt's directory: its lock, its records.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use stratavore_wire::record::{EXIT_FILE, LOCK_FILE, RUNNER_FILE};
use stratavore_wire::{ExitRecord, RecordError, Refusal, Refused, RunnerRecord, lock};

/// Holds the attempt: as long as it lives, no other agent has it.
#[derive(Debug)]
pub struct Place {
    directory: PathBuf,
    /// Closed on exec, so that no descendant of the program keeps the lock.
    _lock: File,
}

/// Says how much a write must outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of this process.
    Process,
    /// The loss of power.
    Power,
}

impl Place {
    /// Takes the attempt's lock, or says who else has it. An attempt that was recorded before is never taken again.
    pub fn take(directory: &Path) -> Result<Self, Refused> {
        let bad = |operation: &str, path: &Path, error: io::Error| {
            Refused::new(
                Refusal::BadPlace,
                format!(
                    "{operation} {}: {error}: make the data directory writable",
                    path.display()
                ),
            )
        };
        let path = directory.join(LOCK_FILE);
        let Some(lock) = lock::take(&path).map_err(|error| bad("lock", &path, error))? else {
            return Err(Refused::new(
                Refusal::AlreadyRunning,
                format!("another agent holds {}: adopt it", path.display()),
            ));
        };
        for file in [RUNNER_FILE, EXIT_FILE] {
            let path = directory.join(file);
            match fs::symlink_metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(bad("look at", &path, error)),
                Ok(_) => {
                    return Err(Refused::new(
                        Refusal::AlreadyAttempted,
                        format!(
                            "this attempt was begun before, says {}: launch the next one",
                            path.display()
                        ),
                    ));
                }
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            _lock: lock,
        })
    }

    /// Gives the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Records the attempt.
    pub fn record_runner(&self, record: &RunnerRecord, durability: Durability) -> io::Result<()> {
        self.write(
            RUNNER_FILE,
            text(record.serialize())?.as_bytes(),
            durability,
        )
    }

    /// Records the end.
    pub fn record_exit(&self, record: &ExitRecord) -> io::Result<()> {
        self.write(
            EXIT_FILE,
            text(record.serialize())?.as_bytes(),
            Durability::Power,
        )
    }

    /// Writes a file so that it is there as a whole or not at all.
    pub fn write(&self, name: &str, content: &[u8], durability: Durability) -> io::Result<()> {
        let aside = self.directory.join(format!("{name}.new"));
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&aside)?;
        let written = file.write_all(content).and_then(|()| match durability {
            Durability::Power => file.sync_all(),
            Durability::Process => Ok(()),
        });
        if let Err(error) = written {
            // A full disk has no room for halves.
            let _ = fs::remove_file(&aside);
            return Err(error);
        }
        fs::rename(&aside, self.directory.join(name))?;
        if durability == Durability::Power {
            File::open(&self.directory)?.sync_all()?;
        }
        Ok(())
    }
}

fn text(serialized: Result<String, RecordError>) -> io::Result<String> {
    serialized.map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_has_one_agent_and_is_never_taken_again() {
        let directory = tempfile::tempdir().unwrap();
        let place = Place::take(directory.path()).unwrap();
        assert_eq!(
            Place::take(directory.path()).unwrap_err().code,
            Refusal::AlreadyRunning
        );
        place.write(RUNNER_FILE, b"{}", Durability::Power).unwrap();
        drop(place);
        let refused = Place::take(directory.path()).unwrap_err();
        assert_eq!(refused.code, Refusal::AlreadyAttempted);
        assert!(refused.message.contains("runner.json"), "{refused}");
        assert_eq!(
            Place::take(&directory.path().join("none"))
                .unwrap_err()
                .code,
            Refusal::BadPlace
        );
    }
}
