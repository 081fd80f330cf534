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

/// Takes back a worktree that nothing was launched into. One that has changes or commits of its own stays: a hook of the
/// repository may have made them.
pub(crate) async fn take_back(directory: &Path, worktree: &Worktree, environment: &Environment) {
    if let Err(reason) = try_take_back(directory, worktree, environment).await {
        tracing::warn!(
            path = %worktree.path.display(),
            reason,
            "a worktree that nothing was launched into stays"
        );
    }
}

async fn try_take_back(
    directory: &Path,
    worktree: &Worktree,
    environment: &Environment,
) -> Result<(), String> {
    let name = worktree.path.file_name().unwrap_or_default();
    let branch = format!("stratavore/{}", name.to_string_lossy());
    let own = format!("HEAD..{branch}");
    let own = git(directory, environment, &["rev-list", "--count", &own]).await?;
    if own.trim() != "0" {
        return Err(format!("{branch} has {} commits of its own", own.trim()));
    }
    // Git refuses to remove one that has changes, and a branch that holds something of its own.
    let path = worktree.path.to_string_lossy();
    git(directory, environment, &["worktree", "remove", &path]).await?;
    git(directory, environment, &["branch", "-d", &branch]).await?;
    Ok(())
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
    use std::collections::BTreeMap;
    use std::fs;

    #[tokio::test]
    async fn only_one_that_holds_no_work_is_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        let mut variables: BTreeMap<_, _> = std::env::vars().collect();
        for who in ["AUTHOR", "COMMITTER"] {
            variables.insert(format!("GIT_{who}_NAME"), "t".to_owned());
            variables.insert(format!("GIT_{who}_EMAIL"), "t@example.org".to_owned());
        }
        let environment = Environment::of_host(&variables);
        let run =
            async |place: &Path, words: &[&str]| git(place, &environment, words).await.unwrap();
        run(&top, &["init", "-q"]).await;
        run(&top, &["commit", "-q", "--allow-empty", "-m", "first"]).await;

        let clean = make(&top, "clean", &environment).await.unwrap();
        let dirty = make(&top, "dirty", &environment).await.unwrap();
        fs::write(dirty.path.join("work"), "not committed").unwrap();
        let ahead = make(&top, "ahead", &environment).await.unwrap();
        fs::write(ahead.path.join("work"), "not pushed").unwrap();
        run(&ahead.path, &["add", "work"]).await;
        run(&ahead.path, &["commit", "-q", "-m", "work"]).await;
        for made in [&clean, &dirty, &ahead] {
            take_back(&top, made, &environment).await;
        }
        assert!(!clean.path.exists());
        for (kept, work) in [(&dirty, "not committed"), (&ahead, "not pushed")] {
            assert_eq!(fs::read_to_string(kept.path.join("work")).unwrap(), work);
        }
        let branches = run(
            &top,
            &[
                "branch",
                "--list",
                "--format=%(refname:short)",
                "stratavore/*",
            ],
        )
        .await;
        assert_eq!(branches, "stratavore/ahead\nstratavore/dirty\n");
    }

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
