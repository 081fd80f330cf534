//! A stand-in for systemd's user manager: a `systemd-run` that notes what it was asked for, moves itself into a control
//! group of that name where this machine has version 2 and lets us, and executes the command.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::TempHome;
use crate::wait::wait_until;

/// How long what is left in the groups may take to end.
const END: Duration = Duration::from_secs(20);

/// Plays the user manager of one home until it is dropped, which ends everything in its scopes.
#[derive(Debug)]
pub struct Scopes {
    directory: PathBuf,
    group: Option<PathBuf>,
}

impl Scopes {
    /// Puts the stand-in into a home; who is started with [`Scopes::path`] finds it.
    pub fn install(home: &TempHome) -> io::Result<Scopes> {
        let directory = home.path().join("systemd");
        let manager = home.path().join("xdg/systemd");
        fs::create_dir_all(&manager)?;
        // By this file a user manager is known to run.
        fs::write(manager.join("private"), "")?;
        fs::create_dir_all(&directory)?;
        let group = own_group(home.id());
        let scopes = Scopes { directory, group };
        let program = scopes.directory.join("systemd-run");
        fs::write(&program, scopes.script())?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(scopes)
    }

    /// Gives the `PATH` on which the stand-in is found first.
    pub fn path(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        format!("{}:{path}", self.directory.display())
    }

    /// Gives the arguments of every call so far, in order.
    pub fn asked(&self) -> Vec<Vec<String>> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let mut lines = log.lines().map(str::to_owned);
        let mut calls = Vec::new();
        while let Some(count) = lines.next().and_then(|line| line.parse().ok()) {
            calls.push(lines.by_ref().take(count).collect());
        }
        calls
    }

    /// Gives the control group below which each scope has its own, or nothing where this machine has none to give.
    pub fn group(&self) -> Option<&Path> {
        self.group.as_deref()
    }

    fn log(&self) -> PathBuf {
        self.directory.join("asked")
    }

    fn script(&self) -> String {
        let enter = match &self.group {
            Some(group) => format!(
                "mkdir -p '{0}'/\"$unit\" && echo $$ >'{0}'/\"$unit\"/cgroup.procs",
                group.display()
            ),
            None => ":".to_owned(),
        };
        format!(
            r#"#!/bin/sh
printf '%s\n' $# "$@" >>'{}'
while [ "$1" != -- ]; do
    case $1 in --unit=*) unit=${{1#--unit=}} ;; esac
    shift
done
shift
{enter}
exec "$@"
"#,
            self.log().display()
        )
    }
}

impl Drop for Scopes {
    fn drop(&mut self) {
        let Some(group) = &self.group else { return };
        if fs::write(group.join("cgroup.kill"), "1").is_err() {
            eprintln!("could not end what is in {}", group.display());
        }
        let removed = std::panic::catch_unwind(|| {
            wait_until(END, "the control groups are empty", || remove(group));
        });
        if removed.is_err() {
            eprintln!("could not remove {}", group.display());
        }
    }
}

/// Makes a control group of version 2 whose processes can be killed at once.
fn own_group(id: &str) -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let root = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "cgroup2").then_some(place)
    })?;
    let group = Path::new(root).join(format!("stratavore-test-{id}"));
    fs::create_dir(&group).ok()?;
    if group.join("cgroup.kill").exists() {
        return Some(group);
    }
    let _ = fs::remove_dir(group);
    None
}

/// Removes a group and those below it, which succeeds once nothing runs in them.
fn remove(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_notes_what_it_was_asked_for_and_runs_it_in_a_group_of_that_name() {
        let home = TempHome::new();
        let scopes = Scopes::install(&home).expect("installed");
        let output = home
            .command("systemd-run")
            .env("PATH", scopes.path())
            .args(["--user", "--unit=a.scope", "--", "cat", "/proc/self/cgroup"])
            .output()
            .expect("it runs");
        assert_eq!(
            scopes.asked(),
            [["--user", "--unit=a.scope", "--", "cat", "/proc/self/cgroup"]]
        );
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let Some(group) = scopes.group().map(Path::to_owned) else {
            eprintln!("skipped: no writable control groups of version 2 here");
            return;
        };
        assert!(said.contains("/a.scope"), "{said}");
        drop(scopes);
        assert!(!group.exists());
    }
}
