//! Which version of a program is installed, as it says itself.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use stratavore_core::launch::Launch;
use stratavore_core::program::{self, Program};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::doctor::find_in_path;
use crate::supervisor::{Inner, Supervisor};

/// How long a program may take to tell it.
const WITHIN: Duration = Duration::from_secs(10);
/// No version is longer, in bytes.
const LONGEST: u64 = 1024;

/// What tells one installed file from another in its place. Packages come with times of their own, so that when a file was last changed
/// says nothing; when it came there does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Installed {
    path: PathBuf,
    /// Where it is run: what is found there may choose the version.
    directory: PathBuf,
    file: (u64, u64, u64, i64, i64),
}

impl Installed {
    fn at(path: &Path, directory: &Path) -> Option<Self> {
        let path = path.canonicalize().ok()?;
        let meta = path.metadata().ok()?;
        let came = (meta.ctime(), meta.ctime_nsec());
        Some(Self {
            path,
            directory: directory.to_owned(),
            file: (meta.dev(), meta.ino(), meta.len(), came.0, came.1),
        })
    }
}

/// Remembers what each said, until another file is in its place.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    known: Mutex<HashMap<Installed, Option<String>>>,
}

impl Versions {
    /// Has those asked again that told nothing: they may have been slow.
    pub(crate) fn ask_the_silent_again(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, version| version.is_some());
    }

    async fn of(
        &self,
        executable: &Path,
        args: &[&str],
        directory: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Option<String> {
        let installed = Installed::at(executable, directory)?;
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(version) = known().get(&installed) {
            return version.clone();
        }
        let version = tokio::time::timeout(WITHIN, ask(executable, args, directory, environment))
            .await
            .ok()
            .flatten();
        known().insert(installed, version.clone());
        version
    }
}

/// Runs it. One whose first line tells no version, as that of a program which does not know the question, is not waited for.
async fn ask(
    executable: &Path,
    args: &[&str],
    directory: &Path,
    environment: &BTreeMap<String, String>,
) -> Option<String> {
    let mut child = Command::new(executable)
        .args(args)
        .env_clear()
        .envs(environment)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .ok()?;
    let mut line = Vec::new();
    let mut output = BufReader::new(child.stdout.take()?.take(LONGEST));
    output.read_until(b'\n', &mut line).await.ok()?;
    let line = String::from_utf8_lossy(&line).trim().to_owned();
    if !stratavore_programs::tells_version(&line) {
        return None;
    }
    drop(output);
    let ended = child.wait().await.ok()?;
    ended.success().then_some(line)
}

impl Supervisor {
    /// Returns the version of an installed program.
    pub(crate) async fn version_at(&self, executable: &Path, program: &Program) -> Option<String> {
        let environment = &self.environment().await.variables;
        let versions = &self.inner.versions;
        versions
            .of(
                executable,
                program.version_args,
                Path::new("/"),
                environment,
            )
            .await
    }
}

impl Inner {
    /// Returns the version of the program that a launch executes, where what it is given depends on that.
    pub(crate) async fn version_of(&self, launch: &Launch) -> Option<String> {
        let known = program::find(&launch.program)?;
        if stratavore_programs::adapter(known.name).flags().is_empty() {
            return None;
        }
        let executable = launch.argv.first()?;
        let environment = self.environment().await.variables_of(launch);
        let path = environment.get("PATH").map_or("", String::as_str);
        let executable = if executable.contains('/') {
            Path::new(&launch.cwd).join(executable)
        } else {
            find_in_path(executable, path)?
        };
        let directory = Path::new(&launch.cwd);
        self.versions
            .of(&executable, known.version_args, directory, &environment)
            .await
    }
}
