//! An asynchronous connection to an agent.

use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use thiserror::Error;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixStream;

use crate::{FrameDecoder, FrameError, Hello, Message, MessageError, Refused, Welcome};

/// Says why talking to an agent failed.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// Nobody listens there, or may not be asked.
    #[error("connect to agent at {}", path.display())]
    Connect {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The stream broke.
    #[error("{operation} agent connection")]
    Stream {
        /// `read from` or `write to`.
        operation: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The peer sent what cannot be understood.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// What was to be sent is too long.
    #[error("send {name} to agent")]
    TooLong {
        /// Which message.
        name: &'static str,
        /// How long.
        #[source]
        source: FrameError,
    },
    /// The peer refused the greeting.
    #[error("agent refused: {0}")]
    Refused(#[from] Refused),
    /// The peer answered the greeting with something else, or closed.
    #[error("agent answered the greeting with {0}, not welcome")]
    Unexpected(&'static str),
}

/// Talks to one agent.
#[derive(Debug)]
pub struct Connection {
    sender: Sender,
    receiver: Receiver,
}

/// Sends to one agent. Closing for writing happens when it is dropped.
#[derive(Debug)]
pub struct Sender {
    stream: Arc<AsyncFd<net::UnixStream>>,
    /// What the agent has not taken yet.
    unsent: Vec<u8>,
    /// How much of that it has taken by now.
    taken: usize,
}

/// Receives from one agent.
#[derive(Debug)]
pub struct Receiver {
    /// Awaited for reading only: the system tells whoever awaits writing each time the agent has read something, which
    /// would wake this process twice for every key.
    stream: Arc<AsyncFd<net::UnixStream>>,
    decoder: FrameDecoder,
    buffer: Box<[u8]>,
    heard: u64,
}

/// So many descriptors can go with a message.
const DESCRIPTORS_MAX: usize = 2;
const READ_SIZE: usize = 16 * 1024;

impl Connection {
    /// Connects to an agent's socket; nothing is said yet.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ConnectionError> {
        let path = path.as_ref();
        let stream =
            UnixStream::connect(path)
                .await
                .map_err(|source| ConnectionError::Connect {
                    path: path.to_owned(),
                    source,
                })?;
        let connected = stream.into_std().and_then(Self::from_stream);
        connected.map_err(|source| ConnectionError::Connect {
            path: path.to_owned(),
            source,
        })
    }

    /// Talks over a stream that exists, such as one end of a socketpair.
    pub fn from_stream(stream: net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        // SAFETY: the descriptor is the stream's, which the AsyncFd owns and which stays open as long.
        let stream = unsafe { AsyncFd::register_with_interest(stream, Interest::READABLE)? };
        let stream = Arc::new(stream);
        Ok(Self {
            sender: Sender {
                stream: Arc::clone(&stream),
                unsent: Vec::new(),
                taken: 0,
            },
            receiver: Receiver {
                stream,
                decoder: FrameDecoder::new(),
                buffer: vec![0; READ_SIZE].into_boxed_slice(),
                heard: 0,
            },
        })
    }

    /// Introduces this peer and waits for the welcome.
    pub async fn greet(&mut self, hello: Hello) -> Result<Welcome, ConnectionError> {
        self.greet_with(hello, &[]).await
    }

    /// Introduces this peer, says at once what depends on nothing in the welcome, and waits for that.
    pub async fn greet_with(
        &mut self,
        hello: Hello,
        messages: &[Message],
    ) -> Result<Welcome, ConnectionError> {
        self.sender.put(&Message::Hello(hello))?;
        self.send_together(messages).await?;
        match self.recv().await? {
            Some(Message::Welcome(welcome)) => Ok(welcome),
            Some(Message::Refused(refused)) => Err(refused.into()),
            Some(other) => Err(ConnectionError::Unexpected(other.name())),
            None => Err(ConnectionError::Unexpected("nothing")),
        }
    }

    /// Sends one message. Cancel safe: what was not sent goes with the next.
    pub async fn send(&mut self, message: &Message) -> Result<(), ConnectionError> {
        self.sender.send(message).await
    }

    /// Sends messages as one piece, so that the agent reads the last with the first. Cancel safe, as sending one is.
    pub async fn send_together(&mut self, messages: &[Message]) -> Result<(), ConnectionError> {
        for message in messages {
            self.sender.put(message)?;
        }
        self.sender.flush().await
    }

    /// Receives the next message; `None` when the agent closed. Cancel safe.
    pub async fn recv(&mut self) -> Result<Option<Message>, ConnectionError> {
        self.receiver.recv().await
    }

    /// Separates sending from receiving.
    pub fn into_split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

impl Sender {
    /// Sends one message. Cancel safe: what was not sent goes with the next.
    pub async fn send(&mut self, message: &Message) -> Result<(), ConnectionError> {
        self.post(message)?;
        self.flush().await
    }

    /// Sends what the agent takes of a message now; [`Self::flush`] sends the rest.
    pub fn post(&mut self, message: &Message) -> Result<(), ConnectionError> {
        self.put(message)?;
        self.write()
    }

    /// Sends a message with descriptors, if the agent takes it now; tells whether it does.
    pub fn post_with(&mut self, message: &Message, descriptors: &[BorrowedFd<'_>]) -> bool {
        if self.has_unsent() || descriptors.len() > DESCRIPTORS_MAX || self.put(message).is_err() {
            return false;
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
        let mut with = SendAncillaryBuffer::new(&mut space);
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let sent = with.push(SendAncillaryMessage::ScmRights(descriptors))
            && sendmsg(
                self.stream.get_ref(),
                &[io::IoSlice::new(&self.unsent)],
                &mut with,
                flags,
            )
            .is_ok_and(|taken| {
                // They went with the first byte.
                self.taken = taken;
                true
            });
        if !sent || self.taken == self.unsent.len() {
            self.unsent.clear();
            self.taken = 0;
        }
        sent
    }

    fn put(&mut self, message: &Message) -> Result<(), ConnectionError> {
        message
            .encode(&mut self.unsent)
            .map_err(|source| ConnectionError::TooLong {
                name: message.name(),
                source,
            })
    }

    /// Tells whether something waits until the agent takes it.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Sends what waits. Cancel safe.
    pub async fn flush(&mut self) -> Result<(), ConnectionError> {
        while self.has_unsent() {
            // Whether it can be written, writing tells.
            let _ = self.writable().await;
            self.write()?;
        }
        Ok(())
    }

    /// Waits until the agent takes more.
    async fn writable(&self) -> io::Result<()> {
        let stream = self.stream.get_ref().try_clone()?;
        // SAFETY: as for reading.
        let stream = unsafe { AsyncFd::register_with_interest(stream, Interest::WRITABLE)? };
        let _ready = stream.writable().await?;
        Ok(())
    }

    fn write(&mut self) -> Result<(), ConnectionError> {
        let outcome = loop {
            let left = &self.unsent[self.taken..];
            if left.is_empty() {
                break Ok(());
            }
            match self.stream.get_ref().write(left) {
                Ok(taken) => self.taken += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    break Err(ConnectionError::Stream {
                        operation: "write to",
                        source,
                    });
                }
            }
        };
        // All is taken, or nothing ever will be.
        self.unsent.clear();
        self.taken = 0;
        outcome
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // One that is closed already needs no closing.
        let _ = self.stream.get_ref().shutdown(Shutdown::Write);
    }
}

impl Receiver {
    /// Counts the messages received on this connection.
    pub const fn heard(&self) -> u64 {
        self.heard
    }

    /// Receives the next message; `None` when the agent closed. Cancel safe.
    pub async fn recv(&mut self) -> Result<Option<Message>, ConnectionError> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                self.heard += 1;
                return Ok(Some(message));
            }
            match self.read().await {
                Ok(0) => {
                    self.decoder.finish().map_err(MessageError::from)?;
                    return Ok(None);
                }
                Ok(read) => self.decoder.push(&self.buffer[..read]),
                // A peer that was killed with our bytes unread resets the connection: it closed.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(None),
                Err(source) => {
                    return Err(ConnectionError::Stream {
                        operation: "read from",
                        source,
                    });
                }
            }
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        loop {
            let mut ready = self.stream.readable().await?;
            if let Ok(read) = ready.try_io(|stream| stream.get_ref().read(&mut self.buffer)) {
                if read.as_ref().is_ok_and(|read| *read < self.buffer.len()) {
                    // That was all; what comes next is told.
                    ready.clear_ready();
                }
                return read;
            }
        }
    }
}
