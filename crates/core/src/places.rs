//! Where things are kept: the data directory, the runtime directory and the configuration file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::ids::{InstanceId, RunnerId};

/// The longest path that a Unix socket can have, in bytes (`sun_path` less its final NUL).
pub const MAX_SOCKET_PATH: usize = 107;

/// The directories of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// Holds the store, keys, logs and runners. Mode 0700.
    pub data_dir: PathBuf,
    /// Holds nothing but sockets. Mode 0700.
    pub runtime_dir: PathBuf,
    /// The user's settings; need not exist.
    pub config_file: PathBuf,
}

/// Why the places cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// Neither the override nor XDG nor HOME says where.
    #[error(
        "no place for {what}: neither {variable} nor HOME is set; set {variable} to an absolute directory"
    )]
    Unknown {
        /// What for.
        what: &'static str,
        /// What would tell.
        variable: &'static str,
    },
    /// An override that depends on where one stands.
    #[error("{variable} is {path:?}, which is not absolute; set it to an absolute path")]
    Relative {
        /// The variable.
        variable: &'static str,
        /// Its value.
        path: PathBuf,
    },
}

impl Places {
    /// Tells the places from the environment.
    ///
    /// `STRATAVORE_DATA_DIR`, `STRATAVORE_RUNTIME_DIR` and `STRATAVORE_CONFIG` override the XDG base directories. Where
    /// `XDG_RUNTIME_DIR` is not set either, sockets go to `run` in the data directory.
    ///
    /// # Errors
    /// [`NoPlace`] when nothing says where, or an override is not absolute.
    pub fn from_env(env: &BTreeMap<String, String>) -> Result<Self, NoPlace> {
        let home = env
            .get("HOME")
            .filter(|home| !home.is_empty())
            .map(PathBuf::from);
        let data_dir = match over(env, "STRATAVORE_DATA_DIR")? {
            Some(dir) => dir,
            None => xdg(env, "XDG_DATA_HOME", home.as_deref(), ".local/share")
                .ok_or(NoPlace::Unknown {
                    what: "data",
                    variable: "STRATAVORE_DATA_DIR",
                })?
                .join("stratavore"),
        };
        let runtime_dir = match over(env, "STRATAVORE_RUNTIME_DIR")? {
            Some(dir) => dir,
            None => match env
                .get("XDG_RUNTIME_DIR")
                .filter(|dir| Path::new(dir).is_absolute())
            {
                Some(dir) => Path::new(dir).join("stratavore"),
                None => data_dir.join("run"),
            },
        };
        let config_file = match over(env, "STRATAVORE_CONFIG")? {
            Some(file) => file,
            None => xdg(env, "XDG_CONFIG_HOME", home.as_deref(), ".config")
                .ok_or(NoPlace::Unknown {
                    what: "settings",
                    variable: "STRATAVORE_CONFIG",
                })?
                .join("stratavore/stratavore.toml"),
        };
        Ok(Self {
            data_dir,
            runtime_dir,
            config_file,
        })
    }

    /// The SQLite store.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.data_dir.join("stratavore.db")
    }

    /// What was last known of a shared database.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.data_dir.join("shared.db")
    }

    /// The key of the audit chain. Mode 0600.
    #[must_use]
    pub fn audit_key(&self) -> PathBuf {
        self.data_dir.join("audit.key")
    }

    /// Locked by the one host that supervises this data directory.
    #[must_use]
    pub fn host_lock(&self) -> PathBuf {
        self.data_dir.join("host.lock")
    }

    /// Says how to reach the host.
    #[must_use]
    pub fn host_record(&self) -> PathBuf {
        self.data_dir.join("host.json")
    }

    /// The hosts' own logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.data_dir.join("logs")
    }

    /// What one attempt of a runner leaves: lock, records, history.
    #[must_use]
    pub fn attempt_dir(&self, runner: RunnerId, attempt: u32) -> PathBuf {
        self.runner_dir(runner).join(attempt.to_string())
    }

    /// The directory of all attempts of a runner.
    #[must_use]
    pub fn runner_dir(&self, runner: RunnerId) -> PathBuf {
        self.data_dir.join("runners").join(runner.to_string())
    }

    /// The directory of an instance's sockets.
    #[must_use]
    pub fn sockets(&self, instance: &InstanceId) -> PathBuf {
        self.runtime_dir.join(instance.as_str())
    }

    /// The host's socket.
    #[must_use]
    pub fn host_socket(&self, instance: &InstanceId) -> PathBuf {
        self.sockets(instance).join("host.sock")
    }

    /// The socket of an attempt's agent. Attempts have their own, since the last may still be ending while the next starts.
    #[must_use]
    pub fn agent_socket(&self, instance: &InstanceId, runner: RunnerId, attempt: u32) -> PathBuf {
        self.sockets(instance)
            .join(format!("{}-{attempt}.sock", runner.simple()))
    }

    /// Tells whose socket a file name in [`Places::sockets`] is.
    #[must_use]
    pub fn socket_owner(file_name: &str) -> Option<(RunnerId, u32)> {
        let (runner, attempt) = file_name.strip_suffix(".sock")?.split_once('-')?;
        Some((runner.parse().ok()?, attempt.parse().ok()?))
    }
}

fn over(
    env: &BTreeMap<String, String>,
    variable: &'static str,
) -> Result<Option<PathBuf>, NoPlace> {
    match env.get(variable).filter(|value| !value.is_empty()) {
        None => Ok(None),
        Some(value) => {
            let path = PathBuf::from(value);
            if path.is_absolute() {
                Ok(Some(path))
            } else {
                Err(NoPlace::Relative { variable, path })
            }
        }
    }
}

fn xdg(
    env: &BTreeMap<String, String>,
    variable: &str,
    home: Option<&Path>,
    below: &str,
) -> Option<PathBuf> {
    // The XDG specification: a relative path is invalid and is to be ignored.
    env.get(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home.map(|home| home.join(below)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn overrides_win_over_xdg_and_xdg_over_home() {
        let places = Places::from_env(&env(&[
            ("HOME", "/h"),
            ("XDG_DATA_HOME", "/x"),
            ("XDG_RUNTIME_DIR", "/run/user/1"),
            ("STRATAVORE_CONFIG", "/etc/s.toml"),
        ]))
        .unwrap();
        assert_eq!(places.data_dir, Path::new("/x/stratavore"));
        assert_eq!(places.runtime_dir, Path::new("/run/user/1/stratavore"));
        assert_eq!(places.config_file, Path::new("/etc/s.toml"));
    }

    #[test]
    fn a_socket_tells_its_owner() {
        let places = Places::from_env(&env(&[("HOME", "/h")])).unwrap();
        let runner = RunnerId::from_uuid(uuid::Uuid::from_u128(7));
        let socket = places.agent_socket(&InstanceId::from_stored("abc".into()), runner, 12);
        let name = socket.file_name().and_then(|name| name.to_str()).unwrap();
        assert_eq!(Places::socket_owner(name), Some((runner, 12)));
        assert_eq!(Places::socket_owner("host.sock"), None);
    }

    #[test]
    fn without_a_runtime_directory_sockets_stand_in_the_data_directory() {
        let places = Places::from_env(&env(&[("HOME", "/h")])).unwrap();
        assert_eq!(
            places.runtime_dir,
            Path::new("/h/.local/share/stratavore/run")
        );
    }

    #[test]
    fn a_relative_override_or_no_home_is_refused_by_name() {
        assert!(matches!(
            Places::from_env(&env(&[("HOME", "/h"), ("STRATAVORE_DATA_DIR", "x")])),
            Err(NoPlace::Relative {
                variable: "STRATAVORE_DATA_DIR",
                ..
            })
        ));
        assert!(matches!(
            Places::from_env(&env(&[])),
            Err(NoPlace::Unknown { .. })
        ));
    }
}
