//! `stratavore decide`.

use serde_json::json;
use stratavore_core::attention::Need;
use stratavore_rpc::v1;

use crate::args::{DecideArgs, Verdict};
use crate::attention::{asked, need, what};
use crate::failure::{Failure, Kind, Result};
use crate::invocation::Invocation;
use crate::runner::{exit_text, has_ended};
use crate::text::printable;

pub(super) async fn run(call: &Invocation, args: DecideArgs) -> Result {
    let DecideArgs {
        runner,
        verdict,
        reason,
        ask,
    } = args;
    let allow = verdict == Verdict::Allow;
    if allow && reason.is_some() {
        return Err(Failure::new(
            Kind::Usage,
            "--reason says why not: it goes with deny alone",
        )
        .hint("leave it out, or tell the program with `stratavore send`"));
    }
    let mut host = call.host().await?;
    let runner = host.runner(&runner).await?;
    let shown = runner
        .attention
        .as_ref()
        .and_then(|attention| attention.ask.as_ref());
    let id = match (ask, shown) {
        (Some(id), _) => id,
        (None, Some(ask)) => ask.id.clone(),
        (None, None) => return Err(nothing_asked(call, &runner)),
    };
    let request = v1::DecideRequest {
        runner: runner.id.clone(),
        ask: id.clone(),
        allow,
        reason,
    };
    host.ask(async |client| client.decide(request).await)
        .await?;
    let done = json!({ "runner": runner.name, "ask": id, "allow": allow });
    call.output.data(&done, |_| {
        let word = if allow { "allowed" } else { "denied" };
        call.output.note(match shown.filter(|ask| ask.id == id) {
            Some(ask) => format!("{word} {}: {}", runner.name, asked(ask)),
            None => format!("{word} {}: request {id}", runner.name),
        });
        String::new()
    })
}

/// Tells why there is nothing to answer.
fn nothing_asked(call: &Invocation, runner: &v1::Runner) -> Failure {
    let name = printable(&runner.name);
    let attach = format!("look at it with `stratavore attach {name}`");
    let (message, hint) = match need(runner) {
        None if has_ended(runner) => (
            format!("{name} has ended ({})", exit_text(runner)),
            format!("see what it showed with `stratavore logs {name}`"),
        ),
        None => (
            format!("{name} asks nothing: it is {}", runner.state),
            format!("see how it fares with `stratavore show {name}`"),
        ),
        Some(Need::NeedsPermission) => (
            format!("{name} waits for a permission that only its terminal can give"),
            format!("answer there, with `stratavore attach {name}`"),
        ),
        Some(Need::NeedsAnswer) => (
            format!("{name} waits for an answer, not for a permission"),
            format!("answer there, with `stratavore attach {name}`"),
        ),
        Some(need) => {
            let mut message = format!("{name} waits for no permission: it is {need}");
            let detail = what(runner, call.now());
            if !detail.is_empty() {
                message.push_str(&format!(": {}", printable(&detail)));
            }
            (message, attach)
        }
    };
    Failure::new(Kind::Conflict, message).hint(hint)
}
