//! Makes a git worktree for a launch. None is ever removed by itself: what is not committed or pushed is a person's work.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::environment::Environment;

/// Why no worktree was made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the worktree {name} of {}: {reason}", directory.display())]
pub struct WorktreeError {
    /// Its name.
    name: String,
    /// Of which project's directory.
    directory: PathBuf,
    /// What git says.
    reason: String,
}

/// A worktree that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Worktree {
    /// Its directory.
    pub(crate) path: PathBuf,
    /// What stands for the project's directory in it.
    pub(crate) cwd: PathBuf,
}

/// Where worktrees are, below the repository: programs that trust it trust them.
const PLACE: &str = ".stratavore/worktrees";

/// Makes a worktree of this name, on a branch `stratavore/NAME` that begins at what is checked out now.
pub(crate) async fn make(
    directory: &Path,
    name: &str,
    environment: &Environment,
) -> Result<Worktree, WorktreeError> {
    let failed = |reason: String| WorktreeError {
        name: name.to_owned(),
        directory: directory.to_owned(),
        reason,
    };
    if !is_branch_name(name) {
        return Err(failed(
            "a name has letters, digits, '-', '_' and '.', and begins with a letter or digit"
                .to_owned(),
        ));
    }
    let top = git(directory, environment, &["rev-parse", "--show-toplevel"])
        .await
        .map_err(&failed)?;
    let top = PathBuf::from(top.trim_end_matches('\n'));
    let path = top.join(PLACE).join(name);
    if path.exists() {
        return Err(failed(format!(
            "{} is there already; choose another name",
            path.display()
        )));
    }
    ignore(&top).map_err(|error| failed(error.to_string()))?;
    let branch = format!("stratavore/{name}");
    let target = path.to_string_lossy().into_owned();
    git(
        &top,
        environment,
        &["worktree", "add", "-b", &branch, &target],
    )
    .await
    .map_err(&failed)?;
    let resolved = directory
        .canonicalize()
        .unwrap_or_else(|_| directory.to_owned());
    let below = resolved
        .strip_prefix(&top)
        .unwrap_or(Path::new(""))
        .to_owned();
    let cwd = if below.as_os_str().is_empty() {
        path.clone()
    } else {
        path.join(below)
    };
    // A project below the top that is not committed yet is not in a fresh worktree.
    std::fs::create_dir_all(&cwd).map_err(|error| failed(error.to_string()))?;
    Ok(Worktree { path, cwd })
}

/// Takes back a worktree that nothing was launched into. Git refuses to remove one that has changes.
pub(crate) async fn take_back(directory: &Path, worktree: &Worktree, environment: &Environment) {
    let path = worktree.path.to_string_lossy().into_owned();
    let removed = git(directory, environment, &["worktree", "remove", &path]).await;
    let branch = worktree
        .path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy();
    let branch = format!("stratavore/{branch}");
    let removed = match removed {
        // Only a branch that holds nothing of its own is deleted so.
        Ok(_) => git(directory, environment, &["branch", "-d", &branch]).await,
        Err(reason) => Err(reason),
    };
    if let Err(reason) = removed {
        tracing::warn!(
            path,
            reason,
            "a worktree that nothing was launched into stays"
        );
    }
}

fn is_branch_name(name: &str) -> bool {
    name.len() <= 100
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && !name.contains("..")
        && !name.ends_with('.')
        && !name.ends_with(".lock")
}

/// Keeps worktrees out of what git calls untracked.
fn ignore(top: &Path) -> std::io::Result<()> {
    let dir = top.join(".stratavore");
    std::fs::create_dir_all(&dir)?;
    let file = dir.join(".gitignore");
    if file.exists() {
        return Ok(());
    }
    std::fs::write(file, "*\n")
}

async fn git(
    directory: &Path,
    environment: &Environment,
    words: &[&str],
) -> Result<String, String> {
    let output: Output = Command::new("git")
        .arg("-C")
        .arg(directory)
        .args(words)
        .env_clear()
        .envs(&environment.variables)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("git could not be started: {error}; install git"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(said
        .trim()
        .trim_start_matches("fatal: ")
        .replace('\n', "; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_git_or_the_disk_would_misread_is_refused() {
        for good in ["fix-1", "a", "a.b_c"] {
            assert!(is_branch_name(good), "{good}");
        }
        for bad in [
            "", "-x", "a/b", "..", "a..b", "a.lock", "a ", "a\n", ".a", "a.",
        ] {
            assert!(!is_branch_name(bad), "{bad:?}");
        }
    }
}
