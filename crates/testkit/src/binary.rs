//! The workspace's own programs, built, for tests that run them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// The variable that names a directory with all the programs already built, so that no test asks cargo again.
pub const DIRECTORY: &str = "STRATAVORE_TEST_BINARIES";

/// Gives the path of a program of this workspace, built from the present sources in the profile of the calling test.
///
/// All programs built so stand in one directory, as installed ones do. Where [`DIRECTORY`] names a directory, the
/// program is taken from there as it is.
pub fn built(package: &str, name: &str) -> PathBuf {
    static ASKED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        let path = PathBuf::from(directory).join(name);
        assert!(path.exists(), "{DIRECTORY} has no {name}");
        return path;
    }
    let build = Build {
        sources: Path::new(env!("CARGO_MANIFEST_DIR")),
        output: profile_directory(),
    };
    // The sources do not change under a running test: once for each program is enough.
    let mut asked = ASKED.lock().expect("no other build of this test failed");
    let path = build.place(name);
    if !asked.contains(&path) {
        build.run(package, name);
        asked.push(path.clone());
    }
    path
}

/// Gives the path of `stratavore-fake-program`.
pub fn fake_program() -> PathBuf {
    built("stratavore-testkit", "stratavore-fake-program")
}

/// Gives the path of `stratavore-stand-in`.
pub fn stand_in() -> PathBuf {
    built("stratavore-testkit", "stratavore-stand-in")
}

/// Builds programs with cargo.
struct Build<'a> {
    /// A directory of the workspace.
    sources: &'a Path,
    /// Where cargo puts programs: `<target>/<profile>`.
    output: PathBuf,
}

impl Build<'_> {
    /// A place of the tests' own: cargo takes a program away before it puts a new one, and another test may start it then.
    fn place(&self, name: &str) -> PathBuf {
        self.output.join("test-binaries").join(name)
    }

    fn run(&self, package: &str, name: &str) {
        let place = self.place(name);
        let directory = self.output.join("test-binaries");
        fs::create_dir_all(&directory).expect("the target directory can be written");
        let lock = File::create(directory.join(".lock")).expect("a lock file");
        lock.lock().expect("locked");

        let target = self
            .output
            .parent()
            .expect("a profile is in a target directory");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command
            .args(["build", "--quiet", "--package", package, "--bin", name])
            .arg("--target-dir")
            .arg(target)
            .current_dir(self.sources);
        if self.output.ends_with("release") {
            command.arg("--release");
        }
        let status = command.status().expect("cargo starts");
        assert!(status.success(), "cargo could not build {name}: {status}");

        let aside = directory.join(format!(".{name}.new"));
        // Left by a test that was killed here, if it is there at all.
        let _ = fs::remove_file(&aside);
        fs::hard_link(self.output.join(name), &aside).expect("cargo built the program");
        fs::rename(&aside, &place).expect("renamed in one directory");
        // Renaming one link of a file to another link of it does nothing, and leaves both.
        let _ = fs::remove_file(&aside);
    }
}

/// A test runs from `<target>/<profile>/deps`, a program from `<target>/<profile>`.
fn profile_directory() -> PathBuf {
    let mut path = std::env::current_exe().expect("a test knows its own path");
    path.pop();
    if path.ends_with("deps") {
        path.pop();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_program_is_built_from_the_present_sources_while_the_old_one_runs() {
        let directory = tempfile::tempdir().expect("a directory");
        let sources = directory.path().join("demo");
        fs::create_dir_all(sources.join("src")).expect("made");
        let manifest = "[package]\nname = \"demo\"\nedition = \"2024\"\n[workspace]\n";
        fs::write(sources.join("Cargo.toml"), manifest).expect("written");
        let build = Build {
            sources: &sources,
            output: directory.path().join("target/debug"),
        };
        let mut previous = Vec::new();
        for text in ["one", "two!"] {
            let main = format!("fn main() {{ print!(\"{text}\") }}");
            fs::write(sources.join("src/main.rs"), main).expect("written");
            // Cargo compares times of modification, of whole seconds on some file systems.
            let source = File::options()
                .append(true)
                .open(sources.join("src/main.rs"));
            let source = source.expect("written");
            let written = source
                .metadata()
                .and_then(|it| it.modified())
                .expect("a time");
            source
                .set_modified(written + Duration::from_secs(2))
                .expect("set");
            build.run("demo", "demo");
            build.run("demo", "demo");
            let said = Command::new(build.place("demo")).output().expect("runs");
            assert_eq!(said.stdout, text.as_bytes());
            previous.push(File::open(build.place("demo")).expect("there"));
        }
    }
}
