//! The file that holds the keys of the audit chain.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use stratavore_core::hex::hex;
use uuid::Uuid;

use super::{Key, Seal};
use crate::{Result, StoreError};

/// The keys of one store: the first signs, all verify.
#[derive(Clone, Debug)]
pub(crate) struct Keyring(Vec<Key>);

/// How each line of the file begins: format and version.
const FORMAT: &str = "stratavore-audit-1";

impl Keyring {
    /// Returns the key that signs.
    pub(crate) fn current(&self) -> &Key {
        &self.0[0]
    }

    /// Returns the key of that id.
    pub(crate) fn get(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// Reads the file, or makes it with a new key where there is none. Returns whether it was made.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] when the file is not ours alone or not a key file.
    pub(crate) fn open(path: &Path) -> Result<(Self, bool)> {
        match File::open(path) {
            Ok(file) => Self::read(path, file).map(|ring| (ring, false)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Key::random()
                    .map_err(|error| unusable(path, format!("no random bytes: {error}")))?;
                write(path, &key).map_err(|error| unusable(path, error.to_string()))?;
                Ok((Self(vec![key]), true))
            }
            Err(error) => Err(unusable(path, error.to_string())),
        }
    }

    fn read(path: &Path, mut file: File) -> Result<Self> {
        let about = file
            .metadata()
            .map_err(|error| unusable(path, error.to_string()))?;
        let user = rustix::process::geteuid().as_raw();
        if about.uid() != user {
            return Err(unusable(
                path,
                format!(
                    "it belongs to user {}, and this is user {user}; give it back with chown",
                    about.uid()
                ),
            ));
        }
        if about.mode() & 0o077 != 0 {
            return Err(unusable(
                path,
                format!(
                    "others may read or write it (mode {:04o}); if nobody did, run: chmod 600 {}",
                    about.mode() & 0o7777,
                    path.display()
                ),
            ));
        }
        let mut text = String::new();
        file.read_to_string(&mut text)
            .map_err(|error| unusable(path, error.to_string()))?;
        let keys: Option<Vec<Key>> = text.lines().map(Key::parse).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self(keys)),
            _ => Err(unusable(
                path,
                "it is no key file; restore it from a backup, or move it away to begin with a new key (events sealed \
                 with the old one can then no longer be verified)"
                    .to_owned(),
            )),
        }
    }
}

impl Key {
    fn random() -> io::Result<Self> {
        let mut secret: Seal = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut secret)?;
        let id = Uuid::new_v4().simple().to_string()[..8].to_owned();
        Ok(Self { id, secret })
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        if words.next()? != FORMAT {
            return None;
        }
        let id = words.next()?.to_owned();
        let digits = words.next()?;
        if digits.len() != 64 || !digits.is_ascii() || words.next().is_some() {
            return None;
        }
        let mut secret: Seal = [0; 32];
        for (byte, pair) in secret.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self { id, secret })
    }

    fn line(&self) -> String {
        format!("{FORMAT} {} {}\n", self.id, hex(&self.secret))
    }
}

/// Writes aside and links into place, so that a crash leaves a whole key or none, and a key is never replaced.
fn write(path: &Path, key: &Key) -> io::Result<()> {
    let aside = path.with_extension(format!("key.{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?;
    let written = file
        .write_all(key.line().as_bytes())
        .and_then(|()| file.sync_all());
    let placed = written.and_then(|()| fs::hard_link(&aside, path));
    fs::remove_file(&aside)?;
    placed?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

fn unusable(path: &Path, reason: String) -> StoreError {
    StoreError::BadKey {
        path: path.to_owned(),
        reason,
    }
}
