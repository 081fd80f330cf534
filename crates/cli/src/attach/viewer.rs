//! The connection of one attachment to an agent.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use stratavore_wire::client::{Connection, ConnectionError, Receiver, Sender};
use stratavore_wire::hello::capability;
use stratavore_wire::keys::Key;
use stratavore_wire::{Attach, Hello, Lend, Message, Resize, Role};
use tokio::time::timeout;

use crate::args::Size;
use crate::terminal::tty::{self, Tty};

/// An agent that takes no greeting in this time hangs.
const GREETING_DEADLINE: Duration = Duration::from_secs(10);
/// What was typed last is given this long to leave.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// A viewer of a runner's terminal.
#[derive(Debug)]
pub(crate) struct Viewer {
    pub(super) sender: Sender,
    pub(super) receiver: Receiver,
    /// What the agent was told of the terminal's size last.
    size: Size,
    /// Whether the agent takes a terminal that is lent to it.
    takes_lent: bool,
    /// Whether it has the terminal already, and is only to be told when it may use it.
    has_terminal: bool,
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
            let attach = Attach {
                columns: size.columns,
                rows: size.rows,
                read_only,
                place: Tty::name(),
            };
            let welcome = connection
                .greet_with(hello, &[Message::Attach(attach)])
                .await?;
            let takes_lent = welcome
                .capabilities
                .iter()
                .any(|can| can == capability::LENT);
            Ok::<_, ConnectionError>((connection, takes_lent && !read_only))
        };
        let (connection, takes_lent) = match timeout(GREETING_DEADLINE, begin).await {
            Ok(begun) => begun?,
            Err(_) => return Err(ConnectionError::Unexpected("nothing in time")),
        };
        let (sender, receiver) = connection.into_split();
        Ok(Self {
            sender,
            receiver,
            size,
            takes_lent,
            has_terminal: false,
        })
    }

    /// Tells whether the terminal could be lent: all that was sent has left.
    pub(crate) fn takes_lent(&self) -> bool {
        self.takes_lent && !self.sender.has_unsent()
    }

    /// Never lends the terminal again on this connection.
    pub(crate) const fn lend_no_more(&mut self) {
        self.takes_lent = false;
    }

    /// Lends the terminal to the agent, but for these keys; tells whether the agent was told.
    pub(crate) fn lend(&mut self, tty: &Tty, keys: Vec<Key>) -> bool {
        let lend = Message::Lend(Lend {
            heard: self.receiver.heard(),
            keys,
        });
        if self.has_terminal {
            self.send(&lend);
            return true;
        }
        let Some(lease) = tty::lease() else {
            return false;
        };
        self.has_terminal = self
            .sender
            .post_with(&lend, &[tty.file().as_fd(), lease.as_fd()]);
        self.has_terminal
    }

    /// Sends a message, in its turn.
    pub(crate) fn send(&mut self, message: &Message) {
        // It fails only when the agent has closed, which receiving tells.
        let _ = self.sender.post(message);
    }

    /// Tells the agent the terminal's size, if it does not know it.
    pub(crate) fn resize(&mut self, size: Size) {
        if std::mem::replace(&mut self.size, size) != size {
            let Size { columns, rows } = size;
            self.send(&Message::Resize(Resize { columns, rows }));
        }
    }

    /// Ends the attachment once what was sent has left.
    pub(crate) async fn close(mut self) {
        let _ = timeout(FLUSH_DEADLINE, self.sender.flush()).await;
    }
}
