//! What a host takes of memory that sees the runners of other nodes in a store that they share.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::{InstanceId, RunnerId};
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Input, Process};
use stratavore_rpc::{Failure, v1};
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::{NewNode, Store};
use stratavore_testkit::postgres::Postgres;
use tokio::time::timeout;
use uuid::Uuid;

use super::postgres::{add_projects, heartbeat, launch};
use crate::effort::Effort;
use crate::host::Host;
use crate::patience::LONGEST;
use crate::sample::Unit;
use crate::table::{Cell, Row};
use crate::usage::memory;

/// Nodes that have them, in equal shares.
const NODES: usize = 5;
/// For how long the other nodes count as heard.
const HEARD: Duration = Duration::from_hours(1);

/// Measures a host that is alone, then one that sees them all.
pub(crate) async fn measure(effort: &Effort) -> anyhow::Result<Vec<Row>> {
    Ok(vec![Row {
        figure: format!(
            "PSS of a host with {} runners of {NODES} other nodes in view; with none",
            effort.others
        ),
        goal: "",
        ours: Cell::of(ours(effort).await),
        tmux: Cell::Inapplicable,
    }])
}

async fn ours(effort: &Effort) -> anyhow::Result<String> {
    let server = tokio::task::spawn_blocking(Postgres::start).await??;
    let alone = seen_by_a_host(&server.database()?, &[]).await?;
    let url = server.database()?;
    let mut others = Vec::new();
    for number in 1..=NODES {
        others.push(Other::live(&url, number, effort.others.div_ceil(NODES)).await?);
    }
    let together = seen_by_a_host(&url, &others).await?;
    for other in others {
        other.store.close().await;
    }
    Ok(format!(
        "{}; {}",
        Unit::Megabytes.print(together),
        Unit::Megabytes.print(alone)
    ))
}

/// Starts a host on a database, has a client follow it and list all that there is while the others tell of their runners, and gives
/// its memory after that.
async fn seen_by_a_host(url: &str, others: &[Other]) -> anyhow::Result<f64> {
    let host = Host::start_with(&format!("[store]\nurl = {url:?}\n")).await?;
    let nudges = host.client().watch(v1::WatchRequest {}).await;
    let mut nudges = nudges.map_err(Failure::from)?.into_inner();
    let there: usize = others.iter().map(|other| other.runners.len()).sum();
    for _ in 0..3 {
        for other in others {
            let beats = other.runners.iter().copied().map(heartbeat).collect();
            other.store.record_heartbeats(beats).await?;
        }
        let listed = host
            .client()
            .list_runners(v1::ListRunnersRequest::default())
            .await;
        let listed = listed.map_err(Failure::from)?.into_inner().runners;
        let seen = listed.iter().filter(|runner| !runner.here).count();
        ensure!(seen == there, "of {there} runners {seen} were seen");
    }
    if let Some(other) = others.first() {
        // It hears of what changes there, too.
        let changed = other.runners[0];
        let paused = Input::Pause;
        other
            .store
            .apply(changed, paused, Limits::default(), SystemClock.now())
            .await?;
        let heard = async {
            loop {
                match nudges.message().await.map_err(Failure::from)? {
                    Some(nudge) if nudge.id == changed.to_string() => return anyhow::Ok(()),
                    Some(_) => {}
                    None => anyhow::bail!("the host tells nothing any more"),
                }
            }
        };
        timeout(LONGEST, heard).await??;
    }
    let taken = memory(host.process()?)?;
    // Only its own: the others' hosts are not there to stop theirs.
    drop(host);
    Ok(taken)
}

/// Another node, as far as the database tells.
struct Other {
    store: Arc<dyn Store>,
    runners: Vec<RunnerId>,
    _keys: tempfile::TempDir,
}

impl Other {
    async fn live(url: &str, number: usize, runners: usize) -> anyhow::Result<Self> {
        let (keys, id) = (tempfile::tempdir()?, InstanceId::random());
        let key = keys.path().join("node.key");
        let store = PostgresStore::open(url, id.clone(), key, Options::default()).await?;
        let store: Arc<dyn Store> = Arc::new(store);
        let node = NewNode {
            id,
            name: format!("node-{number}"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            max_runners: None,
            seat: format!("seat-{number}"),
        };
        store.register_node(node, Uuid::new_v4(), HEARD).await?;
        let projects = add_projects(&store, 10).await?;
        let (_, runners) = launch(&store, &projects, 8, runners).await?;
        for runner in &runners {
            let started = Input::Started {
                attempt: 1,
                process: Process {
                    pid: 4242,
                    start_time: 1,
                    boot_id: "boot".to_owned(),
                },
                at: SystemClock.now(),
            };
            store
                .apply(*runner, started, Limits::default(), SystemClock.now())
                .await?;
        }
        Ok(Self {
            store,
            runners,
            _keys: keys,
        })
    }
}
