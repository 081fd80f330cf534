//! Knows the agent CLIs: how each is launched, how it tells its state, and where its conversations are.
//!
//! Each program is one file here, with an [`Adapter`], and recorded runs of a version of it in `corpus/`, which hold what it does.
//! `stratavore_core::program` has its name and title, for all. Adapters read what the programs keep, and never write to it.

mod claude;
mod codex;
mod directory;
mod gemini;
mod opencode;
mod plain;
mod rows;
mod version;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use stratavore_core::attention::Said;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::{Mode, Passage};
use stratavore_core::usage::{Entry, NanoUsd};

/// Knows one program.
pub trait Adapter: Send + Sync {
    /// Returns the arguments that make the program begin so, to stand before a person's own, and the session that it will
    /// hold, where that is known beforehand. `fresh` is a new UUID, for programs that let their caller name a session.
    ///
    /// # Errors
    /// [`Unsupported`] when the program cannot, or `args`, a person's own arguments, say otherwise.
    fn begin(
        &self,
        mode: &Mode,
        fresh: uuid::Uuid,
        args: &[String],
    ) -> Result<Beginning, Unsupported>;

    /// Adds to a command line what makes the program run our hooks, without touching any of its files. What a person gave of
    /// the same kind stays in force. A program without hooks, and a command line that cannot take them, stay as they are.
    fn with_hooks(&self, argv: Vec<String>, hooks: &Hooks) -> Vec<String> {
        let _ = hooks;
        argv
    }

    /// Returns files of ours that make the program run our hooks, for one that takes none on its command line, by the environment that it
    /// will have. What a person gave of the same kind stays in force.
    fn plugin(
        &self,
        hooks: &Hooks,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Plugin> {
        let _ = (hooks, environment);
        None
    }

    /// Tells whether the program shows its dialog beside a hook that waits for a permission. One that shows it afterwards is never made
    /// to wait: nobody at its terminal could answer meanwhile.
    fn asks_beside_its_hook(&self) -> bool {
        false
    }

    /// Returns the directory in which the program keeps its things, by its environment.
    fn home(&self, environment: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
        let _ = environment;
        None
    }

    /// Finds the session that it would continue in a directory, where that can be known and resumed by its id.
    fn latest(&self, home: &Path, directory: &Path) -> Option<String> {
        let _ = (home, directory);
        None
    }

    /// Understands what the program says of itself by OSC 7501. `None`: it says that it speaks no more.
    fn report(&self, text: &str, at: Timestamp) -> Option<Said> {
        let _ = (text, at);
        None
    }

    /// Tells whether a report is of the conversation. One that is not, as those of tasks that run beside it, changes nothing.
    fn speaks(&self, report: &str) -> bool {
        let _ = report;
        true
    }

    /// Understands the terminal's title, for programs that say nothing better.
    fn title(&self, title: &str, at: Timestamp) -> Option<Said> {
        let _ = (title, at);
        None
    }

    /// Returns the file that the program keeps of one of its processes, where it does.
    fn pid_file(&self, home: &Path, pid: u32) -> Option<PathBuf> {
        let _ = (home, pid);
        None
    }

    /// Understands that file.
    ///
    /// # Errors
    /// Nothing that is half written or of another process is believed: `Err` says why.
    fn read_pid_file(
        &self,
        bytes: &[u8],
        process: ProcessId,
        now: Timestamp,
    ) -> Result<PidFile, String> {
        let _ = (bytes, process, now);
        Err("this program keeps no such file".to_owned())
    }

    /// Understands the payload of a hook.
    ///
    /// # Errors
    /// Says what is malformed; nothing is guessed.
    fn hook(&self, payload: &Value, at: Timestamp) -> Result<Hook, String> {
        let _ = (payload, at);
        Err("this program runs no hooks".to_owned())
    }

    /// Writes the answer to a hook that waits, as the program reads it from the hook's standard output.
    fn answer(&self, event: &str, verdict: &Verdict) -> Option<String> {
        let _ = (event, verdict);
        None
    }

    /// Brings our copies, in `place`, of what the program keeps in a database up to date: those of one session, or of all. Returns how many
    /// bytes that were, and nothing for a program that keeps files; else transcripts are looked for there, and not in its home.
    ///
    /// # Errors
    /// When the database is there but cannot be read, or a copy not be written.
    fn copy(&self, home: &Path, place: &Path, only: Option<&str>) -> io::Result<Option<u64>> {
        let _ = (home, place, only);
        Ok(None)
    }

    /// Lists the transcripts under its home, those of subagents too.
    ///
    /// # Errors
    /// When the directory is there but cannot be read.
    fn transcripts(&self, home: &Path) -> io::Result<Vec<Transcript>> {
        let _ = home;
        Ok(Vec::new())
    }

    /// Lists the directories in which new transcripts appear, the latest first, of a program that tells of none by a hook. They
    /// need not be there yet.
    fn appear_in(&self, home: &Path) -> Vec<PathBuf> {
        let _ = home;
        Vec::new()
    }

    /// Begins or goes on to read a transcript. `memory` is what an earlier reader of the same file left ([`Reader::memory`]).
    /// `None`: the program keeps none that can be read.
    fn reader(&self, transcript: &Transcript, memory: Option<&str>) -> Option<Box<dyn Reader>> {
        let _ = (transcript, memory);
        None
    }

    /// Returns the options that we give at a beginning and that not every version takes. Those of `begin` are for the versions that
    /// take all; [`Beginning::fit`] leaves out what another does not.
    fn flags(&self) -> &'static [Flag] {
        &[]
    }

    /// Tells what the installed version supports, for `doctor`.
    fn supports(&self, version: &str) -> Vec<Support> {
        let _ = version;
        Vec::new()
    }
}

/// Finds the adapter of a program; that of a plain command for a name that is none.
#[must_use]
pub fn adapter(program: &str) -> &'static dyn Adapter {
    match program {
        "claude" => &claude::Claude,
        "codex" => &codex::Codex,
        "gemini" => &gemini::Gemini,
        "opencode" => &opencode::OpenCode,
        _ => &plain::Plain,
    }
}

/// Tells whether what a program prints names a version.
#[must_use]
pub fn tells_version(printed: &str) -> bool {
    version::of(printed).is_some()
}

/// How a program is begun.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beginning {
    /// Arguments before a person's own.
    pub args: Vec<String>,
    /// The session that it will hold, by the program's id, where that is known.
    pub session: Option<String>,
}

impl Beginning {
    /// Leaves out what the version of a program does not take. `version`: as the program prints it; one that prints none is taken for
    /// one that takes all, for a program that refuses an option says so, and one that lacks it does not.
    #[must_use]
    pub fn fit(mut self, flags: &[Flag], version: Option<&str>) -> Self {
        for flag in flags {
            if version.is_none_or(|version| flag.is_taken_by(version)) {
                continue;
            }
            if let Some(place) = self.args.iter().position(|arg| arg == flag.name) {
                let end = (place + 1 + flag.values).min(self.args.len());
                self.args.drain(place..end);
                if flag.names_session {
                    self.session = None;
                }
            }
        }
        self
    }
}

/// An option that we give at a beginning, and that not every version of its program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// As it is given.
    pub name: &'static str,
    /// How many words follow it.
    pub values: usize,
    /// Whether it names the session that begins.
    pub names_session: bool,
    /// The first version that takes it.
    pub since: (u32, u32, u32),
    /// What it is for, as `doctor` says it.
    pub what: &'static str,
    /// What is so in versions without it.
    pub without: &'static str,
}

impl Flag {
    /// Tells whether a version takes it. What names no version is taken for one that does.
    #[must_use]
    pub fn is_taken_by(&self, version: &str) -> bool {
        version::of(version).is_none_or(|version| version >= self.since)
    }

    /// Says the same for `doctor`.
    fn support(&self, version: &str) -> Support {
        let (name, (major, minor, patch)) = (self.name, self.since);
        let taken = self.is_taken_by(version);
        let detail = if taken {
            format!("by {name}")
        } else {
            format!(
                "{name} is taken from {major}.{minor}.{patch} on; {}",
                self.without
            )
        };
        Support::new(self.what, taken, detail)
    }
}

/// A program cannot be begun so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Unsupported {
    /// What cannot be, and why.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Unsupported {
    /// Refuses a mode that `chosen`, among a person's own arguments, contradicts.
    fn conflict(chosen: &str, mode: &Mode) -> Self {
        Self {
            message: format!(
                "{chosen} among the arguments says otherwise than the mode {}",
                mode.as_str()
            ),
            hint: format!("leave out {chosen}, or launch with mode new"),
        }
    }

    /// Refuses what is no id of a session of the program that is called so: it would be taken for something else.
    fn no_session(id: &str, title: &str, form: &str) -> Self {
        Self {
            message: format!("{id:?} is no id of a session of {title}, which {form}"),
            hint: "list the sessions that there are: stratavore sessions list".to_owned(),
        }
    }
}

/// How hooks reach us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// The words of the command that takes an event: `/usr/bin/stratavore-agent hook`.
    pub command: Vec<String>,
    /// For how long a permission request may wait for a person, in seconds; zero: it is told, and does not wait.
    pub permission_wait_seconds: u32,
    /// The directory that the program starts in: a relative path on its command line begins there.
    pub directory: PathBuf,
}

/// Files that make a program run our hooks, to lie together in a directory of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The variable by which the program finds them.
    pub variable: &'static str,
    /// Which of them it names.
    pub names: &'static str,
    /// Each by its name, and what it holds.
    pub files: Vec<(&'static str, String)>,
}

impl Plugin {
    /// Writes the files that are not as they should be, each whole, and returns the variable and what it is to be.
    ///
    /// # Errors
    /// When the directory cannot be made, or a file not be written.
    pub fn write(&self, directory: &Path) -> io::Result<(String, String)> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        for (name, text) in &self.files {
            let file = directory.join(name);
            if std::fs::read(&file).is_ok_and(|is| is == text.as_bytes()) {
                continue;
            }
            let aside = directory.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
            std::fs::write(&aside, text)?;
            std::fs::rename(&aside, &file)?;
        }
        let named = directory.join(self.names).to_string_lossy().into_owned();
        Ok((self.variable.to_owned(), named))
    }
}

/// Tells a process from others that had its number: its pid, and when it started in clock ticks after boot
/// (`/proc/PID/stat`, field 22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessId {
    /// Its number.
    pub pid: u32,
    /// When it started.
    pub started_ticks: u64,
}

/// What a program's file of its process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PidFile {
    /// Its state, where that is told.
    pub said: Option<Said>,
    /// The session that it holds.
    pub session: Option<String>,
}

/// What a hook tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hook {
    /// The event, by the program's name for it.
    pub event: String,
    /// The session that it is of.
    pub session: Option<String>,
    /// That session's transcript.
    pub transcript: Option<PathBuf>,
    /// The state that follows from it, where one does.
    pub said: Option<Said>,
    /// A permission that is asked for.
    pub ask: Option<Ask>,
    /// Whether it is of a subagent rather than of the conversation that a person sees.
    pub subagent: bool,
}

/// A permission that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The tool, as the program names it.
    pub tool: String,
    /// The exact command, file or address.
    pub subject: String,
    /// Why, in the program's words.
    pub reason: Option<String>,
}

/// What a person, or a budget, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Let it.
    Allow,
    /// Refuse it, with this reason.
    Deny(String),
}

/// A file that holds a conversation or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transcript {
    /// Its absolute path.
    pub path: PathBuf,
    /// The session that it is of, where its name tells.
    pub session: Option<String>,
    /// Whether it is a subagent's.
    pub subagent: bool,
}

/// Reads one transcript, in pieces that end with rows.
pub trait Reader: Send {
    /// Takes whole rows, as they stand in the file from `offset` on, and returns what they say. A row that makes no sense is
    /// counted and passed over: rows of types unknown, cut rows, rows of a version to come.
    fn take(&mut self, offset: u64, rows: &[u8]) -> Findings;

    /// Writes what it has to remember to go on with the same file.
    fn memory(&self) -> String;
}

/// What rows of a transcript say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// The session that they are of.
    pub session: Option<String>,
    /// What the program calls it, or its first request.
    pub title: Option<String>,
    /// The directory that it is held in.
    pub cwd: Option<String>,
    /// The model that answered last.
    pub model: Option<String>,
    /// The time of the first row.
    pub began_at: Option<Timestamp>,
    /// The time of the last row.
    pub updated_at: Option<Timestamp>,
    /// How many requests a person made in them.
    pub requests: u32,
    /// The session that this one is a copy of.
    pub parent: Option<String>,
    /// What was said.
    pub passages: Vec<Passage>,
    /// What was used.
    pub entries: Vec<Entry>,
    /// What the program says that the session cost so far.
    pub program_cost: Option<NanoUsd>,
    /// The state that follows from the last rows, where one does: a limit that was hit, an error.
    pub said: Option<Said>,
    /// Rows that made no sense.
    pub malformed: u32,
}

/// Something that a version of a program can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// What: `resume`, `hooks`, `terminal reports`, `transcripts`, `usage`.
    pub what: &'static str,
    /// Whether it can, and since or until which version.
    pub supported: bool,
    /// In words.
    pub detail: String,
}

impl Support {
    fn new(what: &'static str, supported: bool, detail: impl Into<String>) -> Self {
        Self {
            what,
            supported,
            detail: detail.into(),
        }
    }
}

/// Returns the directory that a variable names, else the one of this name in the home directory.
fn home(
    environment: &dyn Fn(&str) -> Option<String>,
    variable: &str,
    name: &str,
) -> Option<PathBuf> {
    environment(variable)
        .map(PathBuf::from)
        .or_else(|| environment("HOME").map(|home| Path::new(&home).join(name)))
}

/// Finds the option among a person's own arguments that is one of these, as it was given.
fn chosen<'a>(args: &'a [String], options: &[&str]) -> Option<&'a str> {
    let name = |arg: &'a String| arg.split_once('=').map_or(arg.as_str(), |(name, _)| name);
    let found = args.iter().find(|arg| options.contains(&name(arg)));
    found.map(String::as_str)
}

/// Owns the words of a command line.
fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// The environment of a process as a lookup, from its map.
pub fn lookup(environment: &BTreeMap<String, String>) -> impl Fn(&str) -> Option<String> {
    |name| {
        environment
            .get(name)
            .filter(|value| !value.is_empty())
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stratavore_core::program::NAMES;

    /// A program that is added has a name in the core's list, an adapter, and a corpus.
    #[test]
    fn every_program_has_an_adapter_and_recorded_runs_and_nothing_else_has() {
        let anywhere = |_: &str| Some("/home/ada".to_owned());
        for name in NAMES {
            assert!(adapter(name).home(&anywhere).is_some(), "{name}");
        }
        assert!(adapter("make").home(&anywhere).is_none());
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
        let recorded: std::collections::BTreeSet<String> = std::fs::read_dir(corpus)
            .expect("a corpus")
            .map(|entry| entry.expect("an entry").file_name())
            .filter_map(|name| Some(name.to_str()?.split_once('-')?.0.to_owned()))
            .collect();
        let recorded: Vec<_> = recorded.iter().map(String::as_str).collect();
        let mut names = NAMES;
        names.sort_unstable();
        assert_eq!(recorded, names);
    }
}
