//! `stratavore db`: looked at, migrated and copied by `stratavored`, which knows databases; pruned by the host.

use std::os::unix::process::CommandExt;
use std::process::Command;

use stratavore_rpc::v1;

use crate::args::DbCommand;
use crate::failure::{Failure, Kind, Result};
use crate::host;
use crate::invocation::Invocation;

pub(super) async fn run(call: &Invocation, command: DbCommand) -> Result {
    let words: &[&str] = match command {
        DbCommand::Status => &["status"],
        DbCommand::Migrate => &["migrate"],
        DbCommand::Copy { .. } => &["copy", "--from", "sqlite", "--to", "postgres"],
        DbCommand::Prune { before } => return prune(call, before).await,
    };
    let program = host::stratavored().ok_or_else(|| {
        Failure::new(
            Kind::Unavailable,
            "stratavored, which does this, is neither beside this program nor in PATH",
        )
        .hint("install it beside this program")
    })?;
    let mut command = Command::new(&program);
    command.arg("db").args(words);
    if call.output.json {
        command.arg("--json");
    }
    let error = command.exec();
    Err(Failure::caused(
        Kind::Unavailable,
        format!("cannot execute {}", program.display()),
        &error,
    ))
}

async fn prune(call: &Invocation, before: String) -> Result {
    let mut host = call.host().await?;
    let request = v1::PruneRequest { before };
    let pruned = host
        .await_reply(async |client| client.prune(request).await)
        .await?;
    call.output.data(&pruned, |pruned| {
        call.output.note(format!(
            "removed {} events of {} chains, behind a signed checkpoint",
            pruned.events, pruned.chains
        ));
        String::new()
    })
}
