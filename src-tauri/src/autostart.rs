//! Starting at login: an XDG autostart entry.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use stratavore_api::{Code, Failure};

/// What makes an instance another one; an entry for it must start that one again.
const OVERRIDES: [&str; 3] = [
    "STRATAVORE_DATA_DIR",
    "STRATAVORE_RUNTIME_DIR",
    "STRATAVORE_CONFIG",
];

/// The autostart entry of this instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autostart {
    entry: PathBuf,
    exec: String,
}

impl Autostart {
    /// Tells the entry from the environment and this program's path.
    #[must_use]
    pub fn new(env: &BTreeMap<String, String>, program: &Path) -> Self {
        let directory = env
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| env.get("HOME").map(|home| Path::new(home).join(".config")))
            .unwrap_or_default()
            .join("autostart");
        let mut exec = String::new();
        let mut instance = String::new();
        for key in OVERRIDES {
            if let Some(value) = env.get(key).filter(|value| !value.is_empty()) {
                let _ = write!(exec, "{} ", quoted(&format!("{key}={value}")));
                // Instances side by side have an entry each, named after where their data is.
                if key == OVERRIDES[0] {
                    instance = value.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
                }
            }
        }
        if !exec.is_empty() {
            exec.insert_str(0, "env ");
        }
        exec.push_str(&quoted(&program.to_string_lossy()));
        exec.push_str(" --hidden");
        Self {
            entry: directory.join(format!("stratavore{instance}.desktop")),
            exec,
        }
    }

    /// Tells whether Stratavore starts at login.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        // A desktop's own settings switch an entry off by one of these lines.
        std::fs::read_to_string(&self.entry).is_ok_and(|text| {
            !text.lines().any(|line| {
                matches!(
                    line.trim(),
                    "Hidden=true" | "X-GNOME-Autostart-enabled=false"
                )
            })
        })
    }

    /// Makes Stratavore start at login, or not.
    ///
    /// # Errors
    /// The entry could not be written or removed.
    pub fn set(&self, enabled: bool) -> Result<(), Failure> {
        let done = if enabled {
            self.write()
        } else {
            remove(&self.entry)
        };
        done.map_err(|error| {
            let act = if enabled { "write" } else { "remove" };
            Failure::new(
                Code::Unavailable,
                format!("cannot {act} {}: {error}", self.entry.display()),
            )
            .hint("see who owns that directory and whether it can be written")
        })
    }

    fn write(&self) -> io::Result<()> {
        if let Some(directory) = self.entry.parent() {
            std::fs::create_dir_all(directory)?;
        }
        let aside = self.entry.with_extension("new");
        std::fs::write(&aside, self.text())?;
        std::fs::rename(aside, &self.entry)
    }

    fn text(&self) -> String {
        format!(
            "[Desktop Entry]\nType=Application\nName=Stratavore\nComment=Runs coding agents and tells who needs you\n\
             Exec={}\nIcon=stratavore-desktop\nTerminal=false\nX-GNOME-Autostart-enabled=true\n",
            self.exec
        )
    }
}

fn remove(entry: &Path) -> io::Result<()> {
    match std::fs::remove_file(entry) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Quotes one argument of an `Exec` line: as the desktop entry specification asks, first for the argument (its reserved
/// characters escaped), then for a value of type string (backslashes again), and `%` for field codes.
fn quoted(argument: &str) -> String {
    let mut quoted = String::from("\"");
    for c in argument.chars() {
        match c {
            '"' | '`' | '$' => {
                quoted.push_str("\\\\");
                quoted.push(c);
            }
            '\\' => quoted.push_str("\\\\\\\\"),
            '%' => quoted.push_str("%%"),
            '\n' => quoted.push_str("\\n"),
            _ => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn it_is_switched_on_and_off_and_heeds_the_desktops_own_switch() {
        let home = tempfile::tempdir().unwrap();
        let autostart = Autostart::new(
            &env(&[("HOME", home.path().to_str().unwrap())]),
            Path::new("/opt/a b/stratavore-desktop"),
        );
        assert!(!autostart.is_enabled());
        autostart.set(false).unwrap();
        autostart.set(true).unwrap();
        assert!(autostart.is_enabled());
        let entry = home.path().join(".config/autostart/stratavore.desktop");
        let text = std::fs::read_to_string(&entry).unwrap();
        assert!(
            text.contains("\nExec=\"/opt/a b/stratavore-desktop\" --hidden\n"),
            "{text}"
        );
        std::fs::write(&entry, text + "Hidden=true\n").unwrap();
        assert!(!autostart.is_enabled());
        autostart.set(false).unwrap();
        assert!(!entry.exists());
    }

    #[test]
    fn another_instance_has_an_entry_of_its_own_that_starts_it_again() {
        let autostart = Autostart::new(
            &env(&[
                ("XDG_CONFIG_HOME", "/c"),
                ("STRATAVORE_DATA_DIR", "/d/100%\"x"),
            ]),
            Path::new("/bin/s"),
        );
        assert_eq!(
            autostart.entry,
            Path::new("/c/autostart/stratavore-d-100--x.desktop")
        );
        assert_eq!(
            autostart.exec,
            r#"env "STRATAVORE_DATA_DIR=/d/100%%\\"x" "/bin/s" --hidden"#
        );
    }

    #[test]
    fn a_directory_that_cannot_be_written_is_named() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join(".config"), "").unwrap();
        let autostart = Autostart::new(
            &env(&[("HOME", home.path().to_str().unwrap())]),
            Path::new("/bin/s"),
        );
        let failure = autostart.set(true).unwrap_err();
        assert!(
            failure.message.contains("stratavore.desktop") && failure.hint.is_some(),
            "{failure:?}"
        );
    }
}
