//! A runner's terminal: through its agent while that lives, from what it left afterwards.

use std::path::{Path, PathBuf};

use stratavore_core::runner::Runner;
use stratavore_wire::client::{Connection, ConnectionError};
use stratavore_wire::history::plain;
use stratavore_wire::record::{HISTORY_FILE, OLDER_HISTORY_FILE, SCREEN_FILE, SCREEN_TEXT_FILE};
use stratavore_wire::{GetHistory, GetScreen, Hello, Message, Role, lock};

use crate::spawn::software;
use crate::supervisor::{Inner, Supervisor};

/// Why a terminal could not be read or typed into.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// There is no terminal, not even a past one.
    #[error("the runner {name} is {state} and has no terminal")]
    None {
        /// Whose.
        name: String,
        /// What it is doing.
        state: &'static str,
    },
    /// It is on another machine.
    #[error(
        "the runner {name} is on the node {node}; a terminal can be reached only on its own node"
    )]
    Elsewhere {
        /// Whose.
        name: String,
        /// Where.
        node: String,
    },
    /// The agent does not answer.
    #[error("the agent of the runner {name} does not answer")]
    Silent {
        /// Whose.
        name: String,
    },
    /// The agent said no.
    #[error("the agent of the runner {name} refused: {reason}")]
    Refused {
        /// Whose.
        name: String,
        /// Why.
        reason: String,
    },
    /// Talking to the agent failed.
    #[error("cannot talk to the agent of the runner {name}: {source}")]
    Connection {
        /// Whose.
        name: String,
        /// Why.
        source: ConnectionError,
    },
    /// What it left cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Supervisor {
    /// Tells whether a runner's terminal can be reached from here, or could be while there was one.
    ///
    /// # Errors
    /// [`TerminalError::Elsewhere`].
    pub fn reachable(&self, runner: &Runner) -> Result<(), TerminalError> {
        if self.is_ours(runner) {
            return Ok(());
        }
        Err(TerminalError::Elsewhere {
            name: runner.name.to_string(),
            node: self.node_name(&runner.node),
        })
    }

    /// Returns the socket at which a runner's terminal can be reached, while its agent lives.
    #[must_use]
    pub fn terminal(&self, runner: &Runner) -> Option<PathBuf> {
        let attempt = runner.state.attempt();
        let dir = self.places().attempt_dir(runner.id, attempt);
        let lives = lock::is_held(&dir.join(stratavore_wire::record::LOCK_FILE)).unwrap_or(false);
        lives.then(|| {
            self.places()
                .agent_socket(self.store().instance(), runner.id, attempt)
        })
    }

    /// Types into a runner's terminal, as one piece.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub async fn send(&self, runner: &Runner, bytes: Vec<u8>) -> Result<(), TerminalError> {
        let mut connection = self.reach(runner).await?;
        let failed = |source| TerminalError::Connection {
            name: runner.name.to_string(),
            source,
        };
        // The agent answers in order: what it says to the second shows that it took or refused the first. They go together, for
        // a program that ends of what it is sent takes its agent along.
        let asks = [
            Message::Input { bytes },
            Message::GetScreen(GetScreen { ansi: false }),
        ];
        connection.send_together(&asks).await.map_err(failed)?;
        self.answer(runner, connection, |message| {
            matches!(message, Message::Screen { .. }).then_some(())
        })
        .await
    }

    /// Returns what a runner's terminal shows, or showed last: as text, or as what a viewer is fed on attaching.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub async fn screen(&self, runner: &Runner, ansi: bool) -> Result<Vec<u8>, TerminalError> {
        self.reachable(runner)?;
        if self.terminal(runner).is_none() {
            let file = if ansi { SCREEN_FILE } else { SCREEN_TEXT_FILE };
            return self.left(runner, &[file]).await;
        }
        let mut connection = self.reach(runner).await?;
        let failed = |source| TerminalError::Connection {
            name: runner.name.to_string(),
            source,
        };
        connection
            .send(&Message::GetScreen(GetScreen { ansi }))
            .await
            .map_err(failed)?;
        self.answer(runner, connection, |message| match message {
            Message::Screen { bytes, .. } => Some(bytes),
            _ => None,
        })
        .await
    }

    /// Returns what scrolled off a runner's terminal, and the screen after it.
    ///
    /// # Errors
    /// [`TerminalError`].
    pub async fn history(&self, runner: &Runner, ansi: bool) -> Result<Vec<u8>, TerminalError> {
        self.reachable(runner)?;
        if self.terminal(runner).is_none() {
            // The agent put the last screen behind what had scrolled off.
            let all = self
                .left(runner, &[OLDER_HISTORY_FILE, HISTORY_FILE])
                .await?;
            let all = if ansi { all } else { plain(&all) };
            return Ok(all);
        }
        let mut connection = self.reach(runner).await?;
        let failed = |source| TerminalError::Connection {
            name: runner.name.to_string(),
            source,
        };
        connection
            .send(&Message::GetHistory(GetHistory {
                ansi,
                ..GetHistory::default()
            }))
            .await
            .map_err(failed)?;
        let mut all = Vec::new();
        self.answer(runner, connection, move |message| match message {
            Message::History { bytes, last, .. } => {
                all.extend(bytes);
                last.then(|| std::mem::take(&mut all))
            }
            _ => None,
        })
        .await
    }

    async fn reach(&self, runner: &Runner) -> Result<Connection, TerminalError> {
        self.reachable(runner)?;
        let name = || runner.name.to_string();
        let socket = self.terminal(runner).ok_or_else(|| TerminalError::None {
            name: name(),
            state: runner.state.name().as_str(),
        })?;
        let greeted = async {
            let mut connection = Connection::connect(&socket).await?;
            connection
                .greet(Hello::new(Role::Client, software()))
                .await?;
            Ok(connection)
        };
        match tokio::time::timeout(Inner::ANSWER, greeted).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(source)) => Err(TerminalError::Connection {
                name: name(),
                source,
            }),
            Err(_) => Err(TerminalError::Silent { name: name() }),
        }
    }

    async fn answer<T>(
        &self,
        runner: &Runner,
        mut connection: Connection,
        mut take: impl FnMut(Message) -> Option<T>,
    ) -> Result<T, TerminalError> {
        let name = || runner.name.to_string();
        let answered = async {
            loop {
                match connection.recv().await {
                    Ok(Some(Message::Refused(refused))) => {
                        return Err(TerminalError::Refused {
                            name: name(),
                            reason: refused.message,
                        });
                    }
                    Ok(Some(message)) => {
                        if let Some(taken) = take(message) {
                            return Ok(taken);
                        }
                    }
                    Ok(None) => return Err(TerminalError::Silent { name: name() }),
                    Err(source) => {
                        return Err(TerminalError::Connection {
                            name: name(),
                            source,
                        });
                    }
                }
            }
        };
        tokio::time::timeout(Inner::ANSWER, answered)
            .await
            .unwrap_or_else(|_| Err(TerminalError::Silent { name: name() }))
    }

    async fn left(&self, runner: &Runner, files: &[&str]) -> Result<Vec<u8>, TerminalError> {
        let dir = self.places().attempt_dir(runner.id, runner.state.attempt());
        if !dir.exists() {
            return Err(TerminalError::None {
                name: runner.name.to_string(),
                state: runner.state.name().as_str(),
            });
        }
        let mut all = Vec::new();
        for file in files {
            all.extend(read_or_nothing(&dir.join(file)).await?);
        }
        Ok(all)
    }
}

async fn read_or_nothing(path: &Path) -> Result<Vec<u8>, TerminalError> {
    match tokio::fs::read(path).await {
        Ok(bytes) => Ok(bytes),
        // An agent that was killed had no time to leave a last screen.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(TerminalError::Unreadable {
            path: path.to_owned(),
            source,
        }),
    }
}
