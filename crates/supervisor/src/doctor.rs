//! Tells what is wrong on this machine, and how to mend it.

mod desktop;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use stratavore_core::program::{PROGRAMS, Program};
use stratavore_programs::Support;
use tokio::process::Command;

use crate::spawn::find_agent;
use crate::supervisor::Supervisor;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Ok,
    /// Something works less than it could.
    Warning,
    /// Something does not work.
    Problem,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found.
    pub detail: String,
    /// What to do, when not all is well.
    pub mend: Option<String>,
    /// What the installed version of a program can do.
    pub supports: Vec<Support>,
}

impl Check {
    /// Says that all is well.
    pub fn ok(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Ok,
            detail: detail.into(),
            mend: None,
            supports: Vec::new(),
        }
    }

    /// Says what works less than it could.
    pub fn warning(
        name: impl Into<String>,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Warning,
            detail: detail.into(),
            mend: Some(mend.into()),
            supports: Vec::new(),
        }
    }

    /// Says what does not work.
    pub fn problem(
        name: impl Into<String>,
        detail: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            outcome: Outcome::Problem,
            detail: detail.into(),
            mend: Some(mend.into()),
            supports: Vec::new(),
        }
    }
}

/// A known program, where it is, and which version it says it is.
pub type Found = (&'static Program, Option<PathBuf>, Option<String>);

impl Supervisor {
    /// Looks at directories, permissions, the agent, the login shell and the programs.
    pub async fn doctor(&self) -> Vec<Check> {
        let places = self.places();
        let mut checks = vec![
            directory("data directory", &places.data_dir),
            directory("runtime directory", &places.runtime_dir),
            private_file("store", &places.database()),
            private_file("audit key", &places.audit_key()),
        ];
        checks.push(match find_agent() {
            Ok(path) => Check::ok("agent", path.display().to_string()),
            Err(error) => Check::problem("agent", error.to_string(), "install Stratavore again"),
        });
        checks.push(if self.inner.scopes {
            Check::ok("scopes", "each runner gets its own systemd scope")
        } else {
            Check::warning(
                "scopes",
                "no systemd user manager here: what a killed agent leaves is found by its environment and ancestry",
                "log in through systemd, and `loginctl enable-linger` so that runners outlive the login",
            )
        });
        if self.inner.scopes {
            checks.push(lingering().await);
        }
        let environment = self.environment().await;
        checks.push(match &environment.problem {
            None => Check::ok(
                "environment",
                format!("{} variables from {}", environment.variables.len(), environment.source),
            ),
            Some(problem) => Check::warning(
                "environment",
                problem.clone(),
                "make the shell's start-up files end by themselves, or raise environment.timeout_seconds",
            ),
        });
        checks.extend(desktop::checks().await);
        checks.extend(program_checks(&self.programs().await));
        checks
    }

    /// Finds the known programs and asks each for its version.
    pub async fn programs(&self) -> Vec<Found> {
        let path = self.environment().await.path().to_owned();
        self.inner.versions.ask_the_silent_again();
        let look = PROGRAMS.iter().map(|program| {
            let configured = self.config().program_path(program.name).map(PathBuf::from);
            let found = configured.or_else(|| find_in_path(program.executable, &path));
            async move {
                let version = match &found {
                    Some(executable) => self.version_at(executable, program).await,
                    None => None,
                };
                (program, found, version)
            }
        });
        futures::future::join_all(look).await
    }
}

/// Judges which programs are there: one is enough, but without any there is nothing to launch.
fn program_checks(programs: &[Found]) -> Vec<Check> {
    let none = programs.iter().all(|(_, path, _)| path.is_none());
    programs
        .iter()
        .map(|(program, path, version)| match path {
            Some(path) => {
                let found = version.as_deref().unwrap_or("unknown version");
                let adapter = stratavore_programs::adapter(program.name);
                Check {
                    supports: adapter.supports(version.as_deref().unwrap_or_default()),
                    ..Check::ok(program.title, format!("{found} at {}", path.display()))
                }
            }
            None if none => Check::warning(program.title, "not found in PATH", program.install),
            None => Check::ok(
                program.title,
                format!("not installed; to have it: {}", program.install),
            ),
        })
        .collect()
}

/// Finds an executable file in a list of directories.
pub(crate) fn find_in_path(name: &str, path: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|dir| dir.join(name))
        .find(|candidate| {
            std::fs::metadata(candidate)
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        })
}

fn directory(name: &str, path: &Path) -> Check {
    match std::fs::metadata(path) {
        Err(error) => Check::problem(
            name,
            format!("{}: {error}", path.display()),
            "make it, or point the variable elsewhere",
        ),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Check::problem(
            name,
            format!(
                "{} can be entered by others (mode {:o})",
                path.display(),
                meta.permissions().mode() & 0o777
            ),
            format!("chmod 700 {}", path.display()),
        ),
        Ok(_) => match rustix::fs::access(path, rustix::fs::Access::WRITE_OK) {
            Ok(()) => Check::ok(name, path.display().to_string()),
            Err(_) => Check::problem(
                name,
                format!("{} cannot be written", path.display()),
                "remount it for writing, or give it to yourself",
            ),
        },
    }
}

fn private_file(name: &str, path: &Path) -> Check {
    match std::fs::metadata(path) {
        Err(error) => Check::problem(
            name,
            format!("{}: {error}", path.display()),
            "start the host once to make it",
        ),
        Ok(meta) if meta.uid() != rustix::process::geteuid().as_raw() => Check::problem(
            name,
            format!("{} belongs to user {}", path.display(), meta.uid()),
            format!("chown it to yourself: {}", path.display()),
        ),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => Check::problem(
            name,
            format!(
                "{} can be read by others (mode {:o})",
                path.display(),
                meta.permissions().mode() & 0o777
            ),
            format!("chmod 600 {}", path.display()),
        ),
        Ok(_) => Check::ok(name, path.display().to_string()),
    }
}

async fn lingering() -> Check {
    let name = "lingering";
    let asked = Command::new("loginctl")
        .args(["show-user", "--property=Linger", "--value"])
        .output()
        .await;
    match asked {
        Ok(output) if output.stdout.starts_with(b"yes") => {
            Check::ok(name, "runners outlive the login session")
        }
        _ => Check::warning(
            name,
            "runners end when you log out",
            "loginctl enable-linger",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(there: &[&str]) -> Vec<Found> {
        PROGRAMS
            .iter()
            .map(|program| {
                let path = there
                    .contains(&program.name)
                    .then(|| PathBuf::from("/opt").join(program.executable));
                (program, path, None)
            })
            .collect()
    }

    #[test]
    fn one_program_is_enough_and_the_others_are_told_how_to_be_had() {
        let checks = program_checks(&found(&["codex"]));
        assert_eq!(checks.len(), PROGRAMS.len());
        assert!(checks.iter().all(|check| check.outcome == Outcome::Ok));
        let detail = |title: &str| {
            let check = checks.iter().find(|check| check.name == title).unwrap();
            (check.detail.as_str(), check.mend.as_deref())
        };
        let (found, mend) = detail("Codex");
        assert_eq!(found, "unknown version at /opt/codex");
        assert_eq!(mend, None);
        assert_eq!(
            detail("Claude Code"),
            (
                "not installed; to have it: npm install -g @anthropic-ai/claude-code",
                None
            )
        );
    }

    #[test]
    fn each_is_told_with_what_its_version_can_do() {
        let mut programs = found(&["codex", "gemini"]);
        programs[1].2 = Some("codex-cli 0.150.0".to_owned());
        let checks = program_checks(&programs);
        let said = |title: &str, what: &str| {
            let check = checks.iter().find(|check| check.name == title).unwrap();
            let support = check.supports.iter().find(|it| it.what == what).unwrap();
            (support.supported, support.detail.clone())
        };
        let (taken, why) = said("Codex", "own process");
        assert!(
            !taken && why.starts_with("--no-daemon is taken from "),
            "{why}"
        );
        let none = checks.iter().find(|check| check.name == "Claude Code");
        assert_eq!(none.unwrap().supports, [], "it is not installed");
        assert!(
            said("Gemini CLI", "session named at launch").0,
            "no version is told"
        );
    }

    #[test]
    fn without_any_program_each_is_missed() {
        let checks = program_checks(&found(&[]));
        for (check, program) in checks.iter().zip(PROGRAMS) {
            assert_eq!(
                *check,
                Check::warning(program.title, "not found in PATH", program.install)
            );
        }
        assert_eq!(checks.len(), PROGRAMS.len());
    }
}
