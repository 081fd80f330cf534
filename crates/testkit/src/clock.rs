//! A machine whose clock is off, for the programs that a test starts on it.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// The seconds that a program's clock is ahead.
const AHEAD: &str = "STRATAVORE_TEST_CLOCK_AHEAD";

/// Stands before the C library where a program asks what time it is. Only the wall clock is off: what measures how long
/// something takes has nothing to do with it.
const SOURCE: &str = r"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    const char *ahead = getenv(`AHEAD`);
    if (!failed && ahead && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += atol(ahead);
    return failed;
}
";

/// Clocks that are off.
pub struct Clocks {
    library: PathBuf,
    _directory: TempDir,
}

impl Clocks {
    /// Makes them, with the C compiler that Rust links with.
    pub fn make() -> io::Result<Clocks> {
        let directory = tempfile::tempdir()?;
        let (source, library) = ("clock.c", directory.path().join("clock.so"));
        let text = SOURCE.replace("`AHEAD`", &format!("{AHEAD:?}"));
        fs::write(directory.path().join(source), text)?;
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&library)
            .arg(source)
            .current_dir(directory.path())
            .output()?;
        if !made.status.success() {
            let said = String::from_utf8_lossy(&made.stderr);
            return Err(io::Error::other(format!("cc failed: {said}")));
        }
        Ok(Clocks {
            library,
            _directory: directory,
        })
    }

    /// Gives the variables with which a program's clock is so many seconds ahead, or behind.
    pub fn ahead(&self, seconds: i64) -> Vec<(String, String)> {
        let library = self.library.display().to_string();
        vec![
            ("LD_PRELOAD".to_owned(), library),
            (AHEAD.to_owned(), seconds.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_the_wrong_time_and_this_one_the_right() {
        let clocks = Clocks::make().unwrap();
        let seconds = |variables: Vec<(String, String)>| -> i64 {
            let output = Command::new("date").arg("+%s").envs(variables).output();
            let said = String::from_utf8(output.unwrap().stdout).unwrap();
            said.trim().parse().unwrap()
        };
        let right = seconds(vec![]);
        for off in [3600, -3600] {
            let wrong = seconds(clocks.ahead(off)) - right;
            assert!((off..off + 60).contains(&wrong), "{wrong}");
        }
    }
}
