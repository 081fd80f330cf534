//! The user's terminal, while something else than the shell has it.

pub(crate) mod colours;
pub(crate) mod guard;
pub(crate) mod lease;
pub(crate) mod modes;
pub(crate) mod signals;
pub(crate) mod tty;

use std::io;

use tokio::time::{Instant, sleep_until};

use self::tty::{Tty, Typeahead};
use crate::failure::{Failure, Kind, Result};

/// Refuses where nobody sits in front of a terminal.
pub(crate) fn require_terminal(what: &str, instead: &str) -> Result {
    if tty::is_interactive() {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Failed,
        format!("cannot {what}: stdin and stdout are not a terminal"),
    )
    .hint(instead))
}

/// Makes the failure of a terminal that cannot be used.
pub(crate) fn unusable(error: &io::Error) -> Failure {
    Failure::caused(Kind::Failed, "cannot use this terminal", error)
}

/// Has the terminal raw and on its alternate screen while `body` lasts, and restores it however that ends.
pub(crate) async fn occupy<T>(
    tty: &Tty,
    body: impl AsyncFnOnce() -> io::Result<T>,
    typeahead: impl FnOnce(&T) -> Typeahead,
) -> Result<T> {
    // Nothing before this changes the terminal; nothing after it returns without restoring it.
    tty::restore_on_panic();
    let outcome = match tty.enter() {
        Ok(()) => body().await,
        Err(error) => Err(error),
    };
    tty::leave(outcome.as_ref().map_or(Typeahead::Drop, typeahead));
    outcome.map_err(|error| unusable(&error))
}

/// Waits until a deadline, or for ever without one.
pub(crate) async fn passed(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
