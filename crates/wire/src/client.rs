//! An asynchronous connection to an agent.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

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
    half: OwnedWriteHalf,
    buffer: Vec<u8>,
}

/// Receives from one agent.
#[derive(Debug)]
pub struct Receiver {
    half: OwnedReadHalf,
    decoder: FrameDecoder,
    buffer: Box<[u8]>,
}

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
        Ok(Self::from_stream(stream))
    }

    /// Talks over a stream that exists, such as one end of a socketpair.
    pub fn from_stream(stream: UnixStream) -> Self {
        let (read, write) = stream.into_split();
        Self {
            sender: Sender {
                half: write,
                buffer: Vec::new(),
            },
            receiver: Receiver {
                half: read,
                decoder: FrameDecoder::new(),
                buffer: vec![0; READ_SIZE].into_boxed_slice(),
            },
        }
    }

    /// Introduces this peer and waits for the welcome.
    pub async fn greet(&mut self, hello: Hello) -> Result<Welcome, ConnectionError> {
        self.send(&Message::Hello(hello)).await?;
        match self.recv().await? {
            Some(Message::Welcome(welcome)) => Ok(welcome),
            Some(Message::Refused(refused)) => Err(refused.into()),
            Some(other) => Err(ConnectionError::Unexpected(other.name())),
            None => Err(ConnectionError::Unexpected("nothing")),
        }
    }

    /// Sends one message. Not cancel safe: a send that was dropped half way ends the connection's use.
    pub async fn send(&mut self, message: &Message) -> Result<(), ConnectionError> {
        self.sender.send(message).await
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
    /// Sends one message. Not cancel safe: a send that was dropped half way ends the connection's use.
    pub async fn send(&mut self, message: &Message) -> Result<(), ConnectionError> {
        self.buffer.clear();
        message
            .encode(&mut self.buffer)
            .map_err(|source| ConnectionError::TooLong {
                name: message.name(),
                source,
            })?;
        self.half
            .write_all(&self.buffer)
            .await
            .map_err(|source| ConnectionError::Stream {
                operation: "write to",
                source,
            })
    }
}

impl Receiver {
    /// Receives the next message; `None` when the agent closed. Cancel safe.
    pub async fn recv(&mut self) -> Result<Option<Message>, ConnectionError> {
        loop {
            if let Some(message) = self.decoder.next_message()? {
                return Ok(Some(message));
            }
            match self.half.read(&mut self.buffer).await {
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
}
