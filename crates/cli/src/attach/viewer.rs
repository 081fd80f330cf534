//! The connection of one attachment to an agent.

use std::path::Path;
use std::time::Duration;

use stratavore_wire::client::{Connection, ConnectionError, Receiver, Sender};
use stratavore_wire::hello::capability;
use stratavore_wire::{Attach, Hello, Message, Role};
use tokio::time::timeout;

use crate::args::Size;
use crate::terminal::tty::Tty;

/// An agent that takes no greeting in this time hangs.
const GREETING_DEADLINE: Duration = Duration::from_secs(10);
/// What was typed last is given this long to leave.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// A viewer of a runner's terminal.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
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
        let connection = match timeout(GREETING_DEADLINE, begin).await {
            Ok(connection) => connection?,
            Err(_) => return Err(ConnectionError::Unexpected("nothing in time")),
        };
        let (sender, receiver) = connection.into_split();
        Ok(Self { sender, receiver })
    }

    /// Sends a message, in its turn.
    pub(crate) fn send(&mut self, message: &Message) {
        // It fails only when the agent has closed, which receiving tells.
        let _ = self.sender.post(message);
    }

    /// Ends the attachment once what was sent has left.
    pub(crate) async fn close(mut self) {
        let _ = timeout(FLUSH_DEADLINE, self.sender.flush()).await;
    }
}
