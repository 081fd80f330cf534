//! The rows of the table, in the order in which they are measured.

mod attach;
mod attention;
mod burst;
mod desktop;
mod echo;
mod events;
mod fleet;
mod flood;
mod hook;
mod launch;
mod memory;
mod nodes;
mod postgres;
mod snapshot;
mod store;
mod transcripts;
mod working;

use crate::effort::Effort;
use crate::table::{Cell, Row, head};
use crate::{machine, tmux};

/// Measures and prints row after row; tells whether all could be measured that this machine has the programs for.
pub(crate) async fn print(effort: &Effort, only: Option<&str>) -> bool {
    println!(
        "Measured on {}.\n\n{}",
        machine::describe(),
        head(&tmux::version())
    );
    let mut whole = true;
    let mut show = |measured: anyhow::Result<Vec<Row>>, name: &str| {
        let rows = measured.unwrap_or_else(|error| {
            vec![Row {
                figure: name.to_owned(),
                goal: "",
                ours: Cell::of(Err(error)),
                tmux: Cell::Inapplicable,
            }]
        });
        for row in rows {
            whole &= row.is_whole();
            println!("{}", row.print());
        }
    };
    let wanted = |name: &str| only.is_none_or(|only| name.starts_with(only));
    if wanted("launch") {
        show(launch::measure(effort).await, "launch");
    }
    if wanted("burst") {
        show(burst::measure(effort).await, "burst");
    }
    if wanted("attach") {
        show(attach::measure(effort).await, "attach");
    }
    if wanted("echo") {
        show(echo::measure(effort).await, "echo");
    }
    if wanted("snapshot") {
        show(snapshot::measure(effort).await, "snapshot");
    }
    if wanted("flood") {
        show(flood::measure(effort).await, "flood");
    }
    if wanted("memory") {
        show(memory::measure(effort).await, "memory");
    }
    if wanted("fleet") {
        for size in effort.fleets {
            show(fleet::measure(effort, *size).await, "fleet");
        }
    }
    if wanted("attention") {
        show(attention::measure(effort).await, "attention");
    }
    if wanted("hook") {
        show(hook::measure(effort).await, "hook");
    }
    if wanted("working") {
        show(working::measure(effort).await, "working");
    }
    if wanted("transcripts") {
        show(transcripts::measure(effort).await, "transcripts");
    }
    if wanted("store") {
        show(store::measure(effort).await, "store");
    }
    if wanted("events") {
        show(events::measure(effort).await, "events");
    }
    if wanted("postgres") {
        show(postgres::measure(effort).await, "postgres");
    }
    if wanted("nodes") {
        show(nodes::measure(effort).await, "nodes");
    }
    if wanted("desktop") {
        show(desktop::measure(effort).await, "desktop");
    }
    whole
}
