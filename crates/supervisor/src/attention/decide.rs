//! Answers the permission that a program waits for.

use std::time::Duration;

use stratavore_core::runner::Runner;
use stratavore_programs::Verdict;
use stratavore_wire::{HookAnswer, Message};
use tokio::sync::oneshot;

use crate::supervisor::Supervisor;

/// How long an agent may take to say what became of an answer.
const TAKEN_WITHIN: Duration = Duration::from_secs(5);

/// Why an answer did nothing.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// Nothing is asked, or something else by now.
    #[error(
        "{runner} no longer waits for that: it was answered in its terminal, withdrawn, or another permission is asked for by now"
    )]
    Over {
        /// Whose.
        runner: String,
    },
    /// The runner is another node's.
    #[error("{runner} runs on the node {node}; a permission can be given only there")]
    Elsewhere {
        /// Whose.
        runner: String,
        /// Where.
        node: String,
    },
    /// Its agent says nothing.
    #[error("the agent of {runner} has not said within 5 s whether the answer was in time")]
    Silent {
        /// Whose.
        runner: String,
    },
}

impl Supervisor {
    /// Answers a permission. The answer is bound to that request: when it was answered or changed meanwhile, nothing happens.
    ///
    /// # Errors
    /// [`DecideError`].
    pub async fn decide(
        &self,
        runner: &Runner,
        ask: u64,
        verdict: Verdict,
    ) -> Result<(), DecideError> {
        let name = || runner.name.to_string();
        if !self.is_ours(runner) {
            return Err(DecideError::Elsewhere {
                runner: name(),
                node: self.node_name(&runner.node),
            });
        }
        let over = || DecideError::Over { runner: name() };
        let asking = self.asking(runner).filter(|asking| asking.id == ask);
        let asking = asking.ok_or_else(over)?;
        let link = self.inner.link_of(runner).ok_or_else(over)?;
        let output = link.watch().adapter.answer(&asking.event, &verdict);
        let output = output.ok_or_else(over)?;
        let (taken, told) = oneshot::channel();
        link.answering(ask, taken);
        link.tell(Message::HookAnswer(HookAnswer { id: ask, output }));
        match tokio::time::timeout(TAKEN_WITHIN, told).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false) | Err(_)) => Err(over()),
            Err(_) => Err(DecideError::Silent { runner: name() }),
        }
    }
}
