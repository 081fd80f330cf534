//! How many descriptors a host may have: each runner takes some.

use std::sync::OnceLock;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
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

/// Returns how many files could be open before, for programs that are started: those that use `select` break with more.
///
/// The agent sets it just before it executes one. Setting it between fork and exec here would have the whole host
/// forked, which takes longer than all the rest of a launch.
pub(crate) fn before() -> Option<u64> {
    BEFORE.get()?.current
}
