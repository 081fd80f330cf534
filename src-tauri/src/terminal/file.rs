//! Files that a terminal links to.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use stratavore_api::{Code, Failure, v1};
use tauri::Url;

use crate::desktop::Desktop;

/// Opens the file that a `file:` link of a runner names, with the program that is the person's choice for it. Only what lies
/// in the runner's directory, or its project's, and cannot itself run.
///
/// # Errors
/// [`Code::Invalid`] with the reason, when it is not to be opened; [`Code::Unavailable`] when nothing opens it.
pub async fn open(desktop: &Desktop, runner: &str, link: &str) -> Result<(), Failure> {
    let host = rustix::system::uname();
    let path = local(link, &host.nodename().to_string_lossy())?;
    let api = desktop.slot.api().await?;
    let runner = api
        .runner(v1::RunnerRef {
            runner: runner.to_owned(),
        })
        .await?;
    let project = api
        .project(v1::ProjectRef {
            project: runner.project.clone(),
        })
        .await?;
    let path = within(&path, &[runner.cwd.as_ref(), project.path.as_ref()])?;
    let url =
        Url::from_file_path(&path).map_err(|()| refused(&path, "its path is not absolute"))?;
    desktop
        .surroundings()
        .open_link(url.as_str())
        .map_err(|why| {
            Failure::new(
                Code::Unavailable,
                format!("cannot open {}: {why}", path.display()),
            )
            .hint("open it yourself")
        })
}

/// Gives the path of a link on this machine, which is called `host`.
fn local(link: &str, host: &str) -> Result<PathBuf, Failure> {
    let broken = || {
        Failure::new(
            Code::Invalid,
            format!("link {link:?} names no file on this machine"),
        )
    };
    let mut url = Url::parse(link).map_err(|_| broken())?;
    if url.scheme() != "file" {
        return Err(broken());
    }
    if url.host_str() == Some(&host.to_ascii_lowercase()) {
        url.set_host(Some("localhost")).map_err(|_| broken())?;
    }
    url.to_file_path().map_err(|()| broken())
}

/// Gives the path without links and dots, when it lies in one of the directories and is a directory or a file that cannot run.
fn within(path: &Path, directories: &[&Path]) -> Result<PathBuf, Failure> {
    let real = fs::canonicalize(path).map_err(|error| refused(path, &error.to_string()))?;
    let inside = directories
        .iter()
        .filter_map(|directory| fs::canonicalize(directory).ok())
        .any(|directory| real.starts_with(directory));
    if !inside {
        return Err(refused(path, "it lies outside the project"));
    }
    let metadata = fs::metadata(&real).map_err(|error| refused(path, &error.to_string()))?;
    let runs = metadata.permissions().mode() & 0o111 != 0
        || real
            .extension()
            .is_some_and(|extension| extension == "desktop");
    if metadata.is_dir() || (metadata.is_file() && !runs) {
        Ok(real)
    } else {
        Err(refused(path, "opening it could run it"))
    }
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::new(
        Code::Invalid,
        format!("{} is not opened: {why}", path.display()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_file_of_this_machine_alone() {
        let path = |link| local(link, "Desk").ok();
        assert_eq!(path("file:///tmp/a%20b"), Some("/tmp/a b".into()));
        assert_eq!(path("file://localhost/tmp/a"), Some("/tmp/a".into()));
        assert_eq!(path("file://desk/tmp/a"), Some("/tmp/a".into()));
        for elsewhere in [
            "file://other/tmp/a",
            "https://desk/tmp/a",
            "/tmp/a",
            "file:",
        ] {
            assert!(
                local(elsewhere, "Desk").is_err() || path(elsewhere) == Some("/".into()),
                "{elsewhere}"
            );
        }
    }

    #[test]
    fn only_what_lies_inside_and_cannot_run_is_opened() {
        let home = tempfile::tempdir().unwrap();
        let project = home.path().join("project");
        fs::create_dir(&project).unwrap();
        let file = |path: &Path, mode| {
            fs::write(path, "x").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let notes = project.join("notes.md");
        let script = project.join("run.sh");
        let entry = project.join("a.desktop");
        let secret = home.path().join("secret");
        let shortcut = project.join("shortcut");
        file(&notes, 0o600);
        file(&script, 0o755);
        file(&entry, 0o600);
        file(&secret, 0o600);
        std::os::unix::fs::symlink(&secret, &shortcut).unwrap();
        let opened = |path: &Path| within(path, &[&project]).is_ok();
        assert!(opened(&notes) && opened(&project));
        for path in [&script, &entry, &secret, &shortcut] {
            assert!(!opened(path), "{}", path.display());
        }
        assert!(!opened(&project.join("../secret")) && !opened(&project.join("none")));
    }
}
