//! The store that a host stands on: a file of its own, or a database that several machines share.

use std::sync::Arc;

use futures::FutureExt;
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::config::Config;
use stratavore_core::places::Places;
use stratavore_store::postgres::{self, PostgresStore};
use stratavore_store::shared::SharedStore;
use stratavore_store::sqlite::{self, SqliteStore};
use stratavore_store::{NewNode, RunnerFilter, RunnerView, Store, StoreError};
use stratavore_supervisor::{Membership, host_name, machine_name, node_ttl};
use uuid::Uuid;

use super::HostError;

/// A store, and how this host is registered in it where it is shared.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    pub(super) membership: Option<Membership>,
}

/// Opens the store that the settings name.
pub(super) async fn open(places: &Places, config: &Config) -> Result<Opened, HostError> {
    let own = SqliteStore::open(
        places.database(),
        places.audit_key(),
        sqlite::Options::default(),
        SystemClock.now(),
    )
    .await?;
    let Some(url) = config.store_url() else {
        return Ok(Opened {
            store: Arc::new(own),
            membership: None,
        });
    };
    // This machine's own file tells which node it is, and may hold what was before.
    let instance = own.instance().clone();
    let left = own.runners(RunnerFilter::unended()).await;
    own.close().await;
    let left = left?;
    let key = places.audit_key();
    let node = instance.clone();
    let connect = Box::new(move || {
        let (url, node, key) = (url.clone(), node.clone(), key.clone());
        async move {
            let options = postgres::Options::default();
            let store = PostgresStore::open(url.expose(), node, key, options).await?;
            Ok(Arc::new(store) as Arc<dyn Store>)
        }
        .boxed()
    });
    let store =
        SharedStore::open(&places.cache(), instance, Arc::new(SystemClock), connect).await?;
    match join(&store, places, config, &left).await {
        Ok(membership) => Ok(Opened {
            store: Arc::new(store),
            membership: Some(membership),
        }),
        Err(error) => {
            store.close().await;
            Err(error)
        }
    }
}

/// Registers this host among those that share the store.
async fn join(
    store: &SharedStore,
    places: &Places,
    config: &Config,
    left: &[RunnerView],
) -> Result<Membership, HostError> {
    for RunnerView { runner, .. } in left {
        match store.runner(runner.id).await {
            Err(StoreError::NoRunner(_)) => {
                return Err(HostError::LeftBehind {
                    runner: runner.name.to_string(),
                    count: left.len(),
                });
            }
            other => drop(other?),
        }
    }
    let membership = Membership {
        node: NewNode {
            id: store.instance().clone(),
            name: machine_name(config),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            max_runners: config.max_runners(),
            seat: seat(places),
        },
        incarnation: Uuid::new_v4(),
    };
    let registered = store
        .register_node(
            membership.node.clone(),
            membership.incarnation,
            node_ttl(config),
        )
        .await;
    match registered {
        // It registers when the database answers again.
        Ok(()) | Err(StoreError::Away { .. }) => Ok(membership),
        Err(error) => Err(error.into()),
    }
}

/// Tells this machine and data directory from any copy of it. Whoever comes from the same seat holds the directory's lock.
fn seat(places: &Places) -> String {
    let machine = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    let name = host_name();
    format!("{}@{name}:{}", machine.trim(), places.data_dir.display())
}
