//! The program's own control group, where the agent was started in a scope made for its runner.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where control groups of version 2 are: by themselves, or beside those of version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// The group of the program below the scope: freezing or killing the scope itself would hit the agent too.
const TREE: &str = "tree";

/// Holds the program and all that descends from it.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

/// Gives the agent's scope, relative to the root, if it was made for this runner alone.
pub fn own_scope(runner_id: &str) -> Option<String> {
    scope(&fs::read_to_string("/proc/self/cgroup").ok()?, runner_id)
}

fn scope(listing: &str, runner_id: &str) -> Option<String> {
    let path = listing.lines().find_map(|line| line.strip_prefix("0::"))?;
    let name = path.rsplit('/').next()?;
    let simple: String = runner_id.chars().filter(|c| *c != '-').collect();
    (name.contains(runner_id) || name.contains(&simple)).then(|| path.to_owned())
}

impl Cgroup {
    /// Makes the program's group inside the scope; `None` where that may not be or the kernel is too old to kill by it.
    pub fn create(scope: &str) -> Option<Self> {
        ROOTS
            .iter()
            .find_map(|root| Self::create_in(Path::new(root), scope))
    }

    fn create_in(root: &Path, scope: &str) -> Option<Self> {
        let path = root.join(scope.trim_start_matches('/')).join(TREE);
        match fs::create_dir(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(_) => return None,
        }
        path.join("cgroup.kill").exists().then_some(Self { path })
    }

    /// Moves a process in; its descendants to come follow.
    pub fn adopt(&self, pid: i32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), pid.to_string())
    }

    /// Kills everything in it at once.
    pub fn kill(&self) -> io::Result<()> {
        fs::write(self.path.join("cgroup.kill"), "1")
    }

    /// Pauses or continues everything in it at once.
    pub fn freeze(&self, freeze: bool) -> io::Result<()> {
        fs::write(
            self.path.join("cgroup.freeze"),
            if freeze { "1" } else { "0" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_scope_of_this_runner_is_its_own() {
        let listing = "1:name=systemd:/x\n0::/user.slice/app.slice/stratavore-0195ab-77.scope\n";
        assert_eq!(
            scope(listing, "0195ab-77").as_deref(),
            Some("/user.slice/app.slice/stratavore-0195ab-77.scope")
        );
        assert_eq!(
            scope("0::/user.slice/stratavore-0195ab77.scope\n", "0195ab-77").as_deref(),
            Some("/user.slice/stratavore-0195ab77.scope")
        );
        assert_eq!(scope(listing, "0195ab-78"), None);
        assert_eq!(
            scope("0::/user.slice/0195ab-77/session.scope\n", "0195ab-77"),
            None
        );
        assert_eq!(scope("1:name=systemd:/0195ab-77\n", "0195ab-77"), None);
    }

    #[test]
    fn the_program_gets_a_group_of_its_own() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("a.scope")).unwrap();
        // No cgroup.kill: an old kernel.
        assert!(Cgroup::create_in(root.path(), "/a.scope").is_none());
        fs::write(root.path().join("a.scope/tree/cgroup.kill"), "").unwrap();
        let group = Cgroup::create_in(root.path(), "/a.scope").unwrap();
        group.adopt(42).unwrap();
        group.freeze(true).unwrap();
        group.kill().unwrap();
        let written =
            |file: &str| fs::read_to_string(root.path().join("a.scope/tree").join(file)).unwrap();
        assert_eq!(
            (
                written("cgroup.procs"),
                written("cgroup.freeze"),
                written("cgroup.kill")
            ),
            ("42".into(), "1".into(), "1".into())
        );
        assert!(Cgroup::create_in(root.path(), "/missing.scope").is_none());
    }
}
