//! `stratavore status`.

use stratavore_rpc::v1;

use crate::failure::Result;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::output::names;
use crate::runner::{rows_text, when};

pub(super) fn counts(status: &v1::Status) -> String {
    let mut counts: Vec<String> = status
        .runners
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    if counts.is_empty() {
        counts.push("none".to_owned());
    }
    format!("runners: {}", counts.join(", "))
}

/// Notes since when what is listed may have changed, where the database that a team shares is away.
pub(super) async fn age(call: &Invocation, host: &mut Host) {
    note_away(
        call,
        host,
        "this is what was known then, and what happened here",
    )
    .await;
}

/// Notes where alone something was looked for, where the database that a team shares is away.
pub(super) async fn found_here(call: &Invocation, host: &mut Host) {
    let meanwhile = "only transcripts of this machine were searched, those of the sessions that were known then";
    note_away(call, host, meanwhile).await;
}

async fn note_away(call: &Invocation, host: &mut Host, meanwhile: &str) {
    // Whoever cannot tell its state has listed what it lists all the same.
    let store = host.status().await.ok().and_then(|status| status.store);
    if let Some(since) = store.and_then(|store| store.away_since) {
        let since = when(&since, call.now());
        call.output.note(format!(
            "the shared database is away since {since}: {meanwhile}"
        ));
    }
}

pub(super) async fn run(call: &Invocation) -> Result {
    let status = call.host().await?.status().await?;
    let now = call.now();
    call.output.data(&status, |status| {
        let mut rows = vec![
            (
                "host",
                format!(
                    "{} {} (pid {})",
                    status.host, status.version, status.host_pid
                ),
            ),
            ("since", when(&status.started_at, now)),
            ("person", status.person.clone()),
            ("data", status.data_dir.clone()),
            ("sockets", status.runtime_dir.clone()),
            ("projects", status.projects.to_string()),
            (
                "runners",
                counts(status).trim_start_matches("runners: ").to_owned(),
            ),
            (
                "limit",
                status
                    .max_runners
                    .map(|max| format!("{max} runners"))
                    .unwrap_or_default(),
            ),
        ];
        for (name, server) in [("store", &status.store), ("broker", &status.broker)] {
            let Some(server) = server else { continue };
            rows.push((name, server.address.clone()));
            if let Some(since) = &server.away_since {
                let reason = server.reason.as_deref().unwrap_or_default();
                rows.push(("away", format!("since {}: {reason}", when(since, now))));
            }
        }
        if !status.nodes.is_empty() {
            let nodes = status.nodes.iter().map(|node| match node.silent {
                true => format!("{} (silent)", node.name),
                false => node.name.clone(),
            });
            rows.push(("nodes", nodes.collect::<Vec<_>>().join(", ")));
        }
        if status.outbox_waiting > 0 {
            rows.push((
                "events",
                format!("{} not yet delivered", status.outbox_waiting),
            ));
        }
        if !status.interrupted.is_empty() {
            let interrupted = names(status.interrupted.iter().map(|runner| runner.name.as_str()));
            rows.push((
                "interrupted",
                format!("{interrupted} (see `stratavore interrupted`)"),
            ));
        }
        rows.extend(
            status
                .problems
                .iter()
                .map(|problem| ("problem", problem.clone())),
        );
        rows_text(&rows)
    })
}
