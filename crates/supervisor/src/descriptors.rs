//! How many descriptors a host may have: each runner takes some.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::process::Command;
use tracing::warn;

/// What the limit was before it was raised.
static BEFORE: OnceLock<Rlimit> = OnceLock::new();

/// Raises this process's limit to the highest that it may have.
pub(crate) fn raise() {
    let before = *BEFORE.get_or_init(|| getrlimit(Resource::Nofile));
    let most = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        warn!(%error, "cannot raise the limit of open files: many runners may not fit");
    }
}

/// Gives a process to be started the limit that was there before: programs that use `select` break with more.
pub(crate) fn as_before(command: &mut Command) {
    let Some(before) = BEFORE.get().copied() else {
        return;
    };
    // SAFETY: the call is async-signal-safe and touches nothing of the parent.
    unsafe {
        command.pre_exec(move || Ok(setrlimit(Resource::Nofile, before)?));
    }
}
