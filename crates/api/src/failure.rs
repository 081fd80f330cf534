//! Says in a client's words what failed.

use std::error::Error;

use stratavore_core::quota::Scope;
use stratavore_store::StoreError;
use stratavore_supervisor::{LaunchError, TerminalError};

use crate::{Code, Failure};

pub(crate) fn store_failure(error: StoreError) -> Failure {
    let failure = |code| Failure::new(code, error.to_string());
    match &error {
        StoreError::NoProject(_) => {
            failure(Code::NotFound).hint("list them with `stratavore project list`")
        }
        StoreError::NoRunner(_) => {
            failure(Code::NotFound).hint("list them with `stratavore runners --all`")
        }
        StoreError::NoNode(_) => {
            failure(Code::NotFound).hint("list them with `stratavore node list`")
        }
        StoreError::NoDeadLetter(_) => {
            failure(Code::NotFound).hint("list them with `stratavore outbox list`")
        }
        StoreError::NoSession(_) => {
            failure(Code::NotFound).hint("list them with `stratavore sessions list`")
        }
        StoreError::NoBudget(_) => {
            failure(Code::NotFound).hint("list them with `stratavore budget list`")
        }
        StoreError::NoPreset(_) => {
            failure(Code::NotFound).hint("list them with `stratavore preset list`")
        }
        StoreError::BudgetSpent { .. } => failure(Code::BudgetSpent).hint(
            "raise it with `stratavore budget set`, or wait for the next period; see `stratavore budget list`",
        ),
        StoreError::StaleReading { .. } => failure(Code::Conflict).hint("try again"),
        StoreError::NodeTaken { .. } | StoreError::NodeAlive { .. } => failure(Code::Conflict),
        StoreError::Fenced | StoreError::Away { .. } => failure(Code::Unavailable),
        StoreError::NameTaken {
            what: "project", ..
        } => failure(Code::Conflict).hint("choose another name, or archive the one that has it"),
        StoreError::NameTaken { .. } => {
            failure(Code::Conflict).hint("choose another name, or stop the one that has it")
        }
        StoreError::ProjectArchived(_) => {
            failure(Code::Conflict).hint("add it again with `stratavore project add`")
        }
        StoreError::ProjectBusy { name, .. } => failure(Code::Conflict).hint(format!(
            "end them first: `stratavore stop --project {name}`"
        )),
        StoreError::QuotaFull { full, .. } => failure(Code::QuotaFull).hint(match full.scope {
            Scope::Project => {
                "stop one of them, wait in line with --queue, or raise the project's --max-runners"
            }
            Scope::Node => {
                "stop one of them, wait in line with --queue, or raise quota.max_runners"
            }
        }),
        StoreError::Refused(_) => {
            failure(Code::Conflict).hint("see its state with `stratavore show`")
        }
        StoreError::DiskFull(_) => failure(Code::Unavailable)
            .hint("free some space where the data directory is; nothing was changed"),
        StoreError::Closed => failure(Code::Unavailable).hint("the host is ending; try again"),
        StoreError::Newer { .. }
        | StoreError::NotEmpty { .. }
        | StoreError::Unreachable { .. }
        | StoreError::Unsound { .. }
        | StoreError::Unusable { .. }
        | StoreError::BadKey { .. } => failure(Code::Unavailable),
        StoreError::Database { .. } | StoreError::Corrupt { .. } | StoreError::Panicked(_) => {
            Failure::new(Code::Internal, chain(&error))
                .hint("the host's log says more; `stratavore doctor` looks at the store")
        }
    }
}

pub(crate) fn launch_failure(error: LaunchError) -> Failure {
    match error {
        LaunchError::Invalid { message, hint } => Failure::new(Code::Invalid, message).hint(hint),
        LaunchError::Held { ref runner, .. } => Failure::new(Code::Conflict, error.to_string())
            .hint(format!(
                "attach to it with `stratavore attach {runner}`, or begin a copy with --fork"
            )),
        LaunchError::Worktree(error) => Failure::new(Code::Conflict, error.to_string())
            .hint("mend that, or launch without a worktree"),
        LaunchError::Config(error) => Failure::new(Code::BadConfig, error.to_string())
            .hint("mend that line of the project's settings"),
        LaunchError::Store(error) => store_failure(error),
    }
}

pub(crate) fn terminal_failure(error: TerminalError) -> Failure {
    match &error {
        TerminalError::None { .. } => {
            Failure::new(Code::Conflict, error.to_string()).hint("see `stratavore runners`")
        }
        TerminalError::Elsewhere { node, .. } => Failure::new(Code::Conflict, error.to_string())
            .hint(format!("run the command on {node}")),
        TerminalError::Refused { .. } => Failure::new(Code::Conflict, error.to_string()),
        TerminalError::Silent { .. } | TerminalError::Connection { .. } => {
            Failure::new(Code::Unavailable, chain(&error))
                .hint("it may be ending; see `stratavore show`")
        }
        TerminalError::Unreadable { .. } => Failure::new(Code::Internal, error.to_string()),
    }
}

/// Writes an error with all its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their source in their own text.
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
