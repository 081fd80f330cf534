//! A viewer on an agent's own socket, as the window and `stratavore attach` are.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, bail};
use stratavore_wire::{Attach, FrameDecoder, Hello, Message, Redraw, Role};

use crate::SIZE;
use crate::patience::LONGEST;

/// Views one runner's terminal until it is dropped.
pub(crate) struct Viewer {
    stream: UnixStream,
    decoder: FrameDecoder,
    buffer: Vec<u8>,
}

impl Viewer {
    /// Connects, attaches, and gives the first snapshot.
    pub(crate) fn attach(socket: &Path) -> anyhow::Result<(Self, Vec<u8>)> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        stream.set_read_timeout(Some(LONGEST))?;
        let mut viewer = Self {
            stream,
            decoder: FrameDecoder::new(),
            buffer: vec![0; 65536],
        };
        let (columns, rows) = SIZE;
        // Both at once: there is nothing in the welcome that the attachment depends on.
        let mut bytes = Message::Hello(Hello::new(Role::Viewer, "stratavore-bench")).to_bytes()?;
        Message::Attach(Attach {
            columns,
            rows,
            read_only: false,
            ..Attach::default()
        })
        .encode(&mut bytes)?;
        viewer.stream.write_all(&bytes)?;
        loop {
            match viewer.hear()? {
                Message::Snapshot { bytes, .. } => return Ok((viewer, bytes)),
                Message::Refused(refused) => bail!("the agent refused: {refused}"),
                _ => {}
            }
        }
    }

    /// Types bytes and waits until the program's output holds them.
    pub(crate) fn echo(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        self.stream.write_all(
            &Message::Input {
                bytes: bytes.to_vec(),
            }
            .to_bytes()?,
        )?;
        loop {
            if let Message::Output { bytes: heard, .. } = self.hear()?
                && heard.windows(bytes.len()).any(|part| part == bytes)
            {
                return Ok(());
            }
        }
    }

    /// Asks to be shown all anew with so many lines of history, and gives the size of what comes.
    pub(crate) fn redraw(&mut self, history_lines: u32) -> anyhow::Result<usize> {
        self.stream
            .write_all(&Message::Redraw(Redraw { history_lines }).to_bytes()?)?;
        loop {
            if let Message::Snapshot { bytes, .. } = self.hear()? {
                return Ok(bytes.len());
            }
        }
    }

    fn hear(&mut self) -> anyhow::Result<Message> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(message);
            }
            match self
                .stream
                .read(&mut self.buffer)
                .context("the agent says nothing")?
            {
                0 => bail!("the agent closed the connection"),
                count => self.decoder.push(&self.buffer[..count]),
            }
        }
    }
}
