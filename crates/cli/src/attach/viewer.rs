//! The connection of one attachment to an agent.

use std::path::Path;
use std::time::Duration;

use stratavore_wire::client::{Connection, ConnectionError, Receiver};
use stratavore_wire::hello::capability;
use stratavore_wire::{Attach, Hello, Message, Role};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::args::Size;
use crate::terminal::tty::Tty;

/// An agent that takes no greeting in this time hangs.
const GREETING_DEADLINE: Duration = Duration::from_secs(10);
/// What was typed last is given this long to leave.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// A viewer of a runner's terminal.
#[derive(Debug)]
pub(crate) struct Viewer {
    receiver: Receiver,
    /// Sending is not cancel safe, so a task does it; it ends when this is dropped or the agent has closed.
    outbox: mpsc::UnboundedSender<Message>,
    sending: JoinHandle<()>,
}

impl Viewer {
    /// Connects to an agent and begins to view; a snapshot comes first.
    pub(crate) async fn attach(
        socket: &Path,
        size: Size,
        read_only: bool,
    ) -> Result<Self, ConnectionError> {
        let begin = async {
            let mut connection = Connection::connect(socket).await?;
            let software = concat!("stratavore ", env!("CARGO_PKG_VERSION"));
            let mut hello = Hello::new(Role::Viewer, software);
            hello.capabilities.push(capability::ACK.to_owned());
            connection.greet(hello).await?;
            let attach = Attach {
                columns: size.columns,
                rows: size.rows,
                read_only,
                place: Tty::name(),
            };
            connection.send(&Message::Attach(attach)).await?;
            Ok::<_, ConnectionError>(connection)
        };
        let connection = match tokio::time::timeout(GREETING_DEADLINE, begin).await {
            Ok(connection) => connection?,
            Err(_) => return Err(ConnectionError::Unexpected("nothing in time")),
        };
        let (mut sender, receiver) = connection.into_split();
        let (outbox, mut messages) = mpsc::unbounded_channel::<Message>();
        let sending = tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                // The receiver learns of a closed connection, and says so.
                if sender.send(&message).await.is_err() {
                    break;
                }
            }
        });
        Ok(Self {
            receiver,
            outbox,
            sending,
        })
    }

    /// Receives the next message; nothing when the agent closed. Cancel safe.
    pub(crate) async fn recv(&mut self) -> Result<Option<Message>, ConnectionError> {
        self.receiver.recv().await
    }

    /// Sends a message, in its turn.
    pub(crate) fn send(&self, message: Message) {
        // It fails only when the agent has closed, which `recv` tells.
        let _ = self.outbox.send(message);
    }

    /// Ends the attachment once what was sent has left.
    pub(crate) async fn close(self) {
        drop(self.outbox);
        let abort = self.sending.abort_handle();
        if tokio::time::timeout(FLUSH_DEADLINE, self.sending)
            .await
            .is_err()
        {
            abort.abort();
        }
    }
}
