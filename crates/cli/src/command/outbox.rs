//! `stratavore outbox`: events that could not be delivered.

use stratavore_rpc::v1;

use crate::args::OutboxCommand;
use crate::failure::Result;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::table::{Side, Table};

pub(super) async fn run(call: &Invocation, command: OutboxCommand) -> Result {
    let mut host = call.host().await?;
    match command {
        OutboxCommand::List => {
            let letters = host.status().await?.dead_letters;
            call.output.data(&letters, |letters| list(call, letters))
        }
        OutboxCommand::Retry { runner } => {
            let aggregate_id = match runner {
                Some(runner) => Some(aggregate(&mut host, &runner).await?),
                None => None,
            };
            let request = v1::RetryOutboxRequest { aggregate_id };
            let reply = host
                .ask(async |client| client.retry_outbox(request).await)
                .await?;
            call.output.data(&reply, |reply| {
                call.output.note(match reply.events {
                    0 => "nothing waits to be tried again".to_owned(),
                    1 => "1 event is tried again".to_owned(),
                    events => format!("{events} events are tried again"),
                });
                String::new()
            })
        }
        OutboxCommand::Drop { number } => {
            host.ask(async |client| client.drop_outbox(v1::DropOutboxRequest { number }).await)
                .await?;
            call.output
                .data(&serde_json::json!({ "dropped": number }), |_| {
                    call.output.note(format!(
                        "gave event {number} up; what it held back is delivered"
                    ));
                    String::new()
                })
        }
    }
}

/// Finds whose events are meant: a runner's, or a project's.
async fn aggregate(host: &mut Host, name: &str) -> Result<String> {
    match host.runner(name).await {
        Ok(runner) => Ok(runner.id),
        Err(of_runner) => {
            let project = v1::ProjectRef {
                project: name.to_owned(),
            };
            let project = host
                .ask(async |client| client.get_project(project).await)
                .await;
            project.map(|project| project.id).map_err(|_| of_runner)
        }
    }
}

fn list(call: &Invocation, letters: &[v1::DeadLetter]) -> String {
    if letters.is_empty() {
        call.output
            .note("every event was delivered, or is on its way");
        return String::new();
    }
    let mut table = Table::new(&[
        ("NUMBER", Side::Right),
        ("EVENT", Side::Left),
        ("OF", Side::Left),
        ("SEQ", Side::Right),
        ("TRIES", Side::Right),
        ("ERROR", Side::Left),
    ]);
    for letter in letters {
        table.row([
            letter.number.to_string(),
            letter.event.clone(),
            letter.of.clone(),
            letter.seq.to_string(),
            letter.attempts.to_string(),
            letter.error.clone(),
        ]);
    }
    table.render(call.output.stdout)
}
