//! Programs that say when they have written to their terminal for the first time.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use stratavore_testkit::TempHome;
use stratavore_testkit::binary::fake_program;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe;
use tokio::time::timeout;

use crate::patience::LONGEST;

/// Hears from each program that was started with [`FirstWrites::program`], once it has written to its terminal.
pub(crate) struct FirstWrites {
    path: PathBuf,
    lines: Lines<BufReader<pipe::Receiver>>,
}

impl FirstWrites {
    /// Makes a named pipe in `home` for them to tell by.
    pub(crate) fn listen(home: &TempHome) -> anyhow::Result<Self> {
        let path = home.path().join("first-writes");
        let failed = || format!("cannot make the pipe {}", path.display());
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).with_context(failed)?;
        // For writing too: with no writer left the pipe would be at its end.
        let receiver = pipe::OpenOptions::new()
            .read_write(true)
            .open_receiver(&path)
            .with_context(failed)?;
        Ok(Self {
            path,
            lines: BufReader::new(receiver).lines(),
        })
    }

    /// Gives the command of a program that writes to its terminal, tells so at once, and stays.
    pub(crate) fn program(&self) -> Vec<String> {
        let script = format!("print first; record {}; hold", self.path.display());
        vec![fake_program().to_string_lossy().into_owned(), script]
    }

    /// Waits for the next program to tell.
    pub(crate) async fn next(&mut self) -> anyhow::Result<Instant> {
        let line = timeout(LONGEST, self.lines.next_line())
            .await
            .context("no program wrote to its terminal")?;
        line.context("cannot read from the pipe")?
            .context("the pipe is at its end")?;
        Ok(Instant::now())
    }
}
