//! `stratavore attach`, `send`, `screen`.

use std::process::ExitCode;

use serde_json::json;
use stratavore_rpc::v1;

use super::launch;
use crate::args::{AttachArgs, ScreenArgs, SendArgs};
use crate::attach::{self, Manner};
use crate::failure::{Failure, Kind, Result};
use crate::invocation::Invocation;
use crate::runner::{exit_text, has_ended};
use crate::terminal::require_terminal;
use crate::text::{printable, printable_lines};

pub(super) async fn attach(call: &Invocation, args: &AttachArgs) -> Result<ExitCode> {
    require_terminal(
        "attach",
        "print what it shows with `stratavore screen RUNNER`, type with `stratavore send`",
    )?;
    let manner = Manner {
        read_only: args.read_only,
        detach: args.detach_key,
        take_over: args.take_over_key,
    };
    let mut host = call.host().await?;
    match attach::find(call, &mut host, &args.runner).await {
        Ok(terminals) => attach::attach(call, &mut host, terminals, manner).await,
        // It has no terminal: not yet, or no more.
        Err(failure) if failure.kind == Kind::Conflict => {
            let runner = host.runner(&args.runner).await?;
            refuse_ended(&runner)?;
            launch::attach_started(call, &mut host, runner, manner).await
        }
        Err(failure) => Err(failure),
    }
}

fn refuse_ended(runner: &v1::Runner) -> Result {
    if !has_ended(runner) {
        return Ok(());
    }
    let name = printable(&runner.name);
    let message = format!(
        "cannot attach to {name}: it is {} ({})",
        runner.state,
        exit_text(runner)
    );
    Err(Failure::new(Kind::Conflict, message).hint(format!(
        "see what it showed with `stratavore logs {name}`, or start it again with `stratavore restart {name}`"
    )))
}

pub(super) async fn send(call: &Invocation, args: SendArgs) -> Result {
    let SendArgs {
        runner,
        text,
        enter,
    } = args;
    let mut host = call.host().await?;
    host.ask(async |client| {
        client
            .send(v1::SendRequest {
                runner,
                text,
                enter,
            })
            .await
    })
    .await?;
    call.output
        .data(&json!({ "sent": true }), |_| String::new())
}

pub(super) async fn screen(call: &Invocation, args: ScreenArgs) -> Result {
    let ScreenArgs { runner, ansi } = args;
    let mut host = call.host().await?;
    let screen = host
        .ask(async |client| client.get_screen(v1::ScreenRequest { runner, ansi }).await)
        .await?;
    if call.output.json {
        let content = String::from_utf8_lossy(&screen.content);
        let object = json!({ "content": content });
        return call.output.data(&object, |_| String::new());
    }
    print(call, &screen.content, ansi)
}

/// Prints what a terminal showed: bytes as they are, or text that is safe and ends its last line.
pub(super) fn print(call: &Invocation, content: &[u8], ansi: bool) -> Result {
    if ansi {
        return call.output.bytes(content);
    }
    let text = String::from_utf8_lossy(content);
    let mut text = printable_lines(&text).into_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    call.output.bytes(text.as_bytes())
}
