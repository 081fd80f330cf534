//! Children that are hard to end, and the file in which each records itself.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use stratavore_testkit::{Process, wait_until};

/// The scripts of the survivors; `FILE` is where each records itself.
const SURVIVORS: [&str; 5] = [
    "label background; record FILE; hold",
    "label nohup; ignore HUP; record FILE; hold",
    "label setsid; setsid; record FILE; hold",
    // Its parent is gone when it runs: it belongs to init or to the nearest subreaper.
    "label double-fork; start setsid, label double-forked, record FILE, hold",
    "label ignoring; ignore TERM HUP INT; record FILE; hold",
];

/// Appends the identity of this process to the file, in one write.
pub(crate) fn record(path: &Path) -> io::Result<()> {
    let Process { pid, start_time } = Process::current();
    File::options()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(format!("{pid} {start_time}\n").as_bytes())
}

/// Starts this program with another script, with the same terminal, and goes on.
pub(crate) fn start(script: &str) -> io::Result<()> {
    Command::new(std::env::current_exe()?)
        .args(script.split_whitespace())
        .spawn()?;
    Ok(())
}

/// Starts one child of every hard kind, and says so when all have recorded themselves.
pub(crate) fn survivors(path: &Path) -> io::Result<()> {
    let file = path.to_string_lossy();
    for script in SURVIVORS {
        start(&script.replace("FILE", &file))?;
    }
    wait_for_records(path, SURVIVORS.len())?;
    crate::terminal::write(format!("survivors {}\n", SURVIVORS.len()).as_bytes())
}

/// Starts a child in a session of its own that keeps this terminal open.
pub(crate) fn hold_pty(path: &Path) -> io::Result<()> {
    let file = path.to_string_lossy();
    start(&format!(
        "label pty-holder; ignore HUP; setsid; record {file}; hold"
    ))?;
    wait_for_records(path, 1)
}

fn wait_for_records(path: &Path, count: usize) -> io::Result<()> {
    wait_until(crate::LIFETIME, "the children's records", || {
        Process::recorded(path).len() >= count
    });
    Ok(())
}
