//! A program in a pseudo terminal whose output is timed.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::time::Instant;

use anyhow::{Context, anyhow};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::SIZE;
use crate::patience::LONGEST;

/// Says what becomes of a program's output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It is read and forgotten.
    Away,
    /// It is read no more.
    Never,
}

/// Runs a program in a terminal until it is dropped.
pub(crate) struct Pty {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    output: mpsc::Receiver<(Instant, Vec<u8>)>,
    reading: mpsc::Sender<Reading>,
    seen: Vec<u8>,
    _master: Box<dyn MasterPty + Send>,
}

impl Pty {
    /// Starts a program in a terminal of the measured size.
    pub(crate) fn start(
        words: &[String],
        environment: &BTreeMap<String, String>,
    ) -> anyhow::Result<Self> {
        let size = PtySize {
            rows: SIZE.1,
            cols: SIZE.0,
            pixel_width: 0,
            pixel_height: 0,
        };
        let pair = native_pty_system()
            .openpty(size)
            .map_err(|error| anyhow!("cannot open a terminal: {error}"))?;
        let mut command = CommandBuilder::from_argv(words.iter().map(Into::into).collect());
        command.env_clear();
        for (key, value) in environment {
            command.env(key, value);
        }
        command.cwd("/");
        let mut reader = pair
            .master
            .try_clone_reader()
            .map_err(|error| anyhow!("cannot read a terminal: {error}"))?;
        let writer = pair
            .master
            .take_writer()
            .map_err(|error| anyhow!("cannot write to a terminal: {error}"))?;
        let (sender, output) = mpsc::channel();
        let (reading, told) = mpsc::channel();
        // It ends with the program, whose end is the end of what it reads.
        std::thread::spawn(move || {
            let mut buffer = vec![0; 65536];
            let mut kept = true;
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                match told.try_recv() {
                    Ok(Reading::Never) => {
                        // The terminal stays open: nobody reads it until it is dropped.
                        let _ = told.recv();
                        break;
                    }
                    Ok(Reading::Away) => kept = false,
                    Err(_) => {}
                }
                if kept
                    && sender
                        .send((Instant::now(), buffer[..count].to_vec()))
                        .is_err()
                {
                    break;
                }
            }
        });
        let child = pair
            .slave
            .spawn_command(command)
            .map_err(|error| anyhow!("cannot start {}: {error}", words[0]))?;
        Ok(Self {
            child,
            writer,
            output,
            reading,
            seen: Vec::new(),
            _master: pair.master,
        })
    }

    /// Types bytes.
    pub(crate) fn type_in(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.writer
            .write_all(bytes)
            .context("cannot type into the terminal")
    }

    /// Decides what becomes of the output from now on; there is no way back.
    pub(crate) fn read_on(&mut self, how: Reading) {
        // The thread that is told has ended only with the program.
        let _ = self.reading.send(how);
    }

    /// Forgets the output so far, and waits until what comes after it holds `wanted`; tells when that was read.
    pub(crate) fn wait_for(&mut self, wanted: &[u8]) -> anyhow::Result<Instant> {
        self.seen.clear();
        loop {
            let (at, bytes) = self.output.recv_timeout(LONGEST).map_err(|_| {
                let (wanted, seen) = (
                    String::from_utf8_lossy(wanted),
                    String::from_utf8_lossy(&self.seen),
                );
                anyhow!("the terminal never showed {wanted:?}, but {seen:?}")
            })?;
            self.seen.extend(bytes);
            if self.seen.windows(wanted.len()).any(|part| part == wanted) {
                return Ok(at);
            }
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
