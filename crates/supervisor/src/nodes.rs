//! The machines that share a store: this one says that it lives, and knows of the others.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use stratavore_core::config::Config;
use stratavore_core::ids::InstanceId;
use stratavore_store::{NewNode, NodeView, StoreError};
use tracing::{error, info, warn};
use uuid::Uuid;

use crate::supervisor::{Change, Inner};

/// A node that misses so many heartbeats, by the database's clock, is silent.
const MISSED: u32 = 3;

/// How long a node may not be heard from before it is silent, by the database's clock.
#[must_use]
pub fn node_ttl(config: &Config) -> Duration {
    config.heartbeat_interval() * MISSED
}

/// Where a launch is to run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Where {
    /// On this machine.
    #[default]
    Here,
    /// On this node.
    Node(InstanceId),
    /// On the node with the most room.
    LeastLoaded,
}

/// What is known of the nodes, as it was a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Known {
    nodes: RwLock<Vec<NodeView>>,
    /// Those that were asked for in vain since: they were forgotten, and what they ran is told of still.
    strangers: Mutex<HashSet<InstanceId>>,
    trouble: RwLock<Option<String>>,
}

impl Known {
    /// Lists them by name.
    pub(crate) fn all(&self) -> Vec<NodeView> {
        self.nodes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Finds one.
    pub(crate) fn get(&self, id: &InstanceId) -> Option<NodeView> {
        self.all().into_iter().find(|node| node.id == *id)
    }

    /// Says why this host no longer supervises, if it does not.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces what is known; tells whether anything of it shows.
    fn learn(&self, nodes: Vec<NodeView>) -> bool {
        let shows = |nodes: &[NodeView]| -> Vec<(InstanceId, String, bool)> {
            let shown =
                |node: &NodeView| (node.id.clone(), node.name.clone(), node.silent.is_some());
            nodes.iter().map(shown).collect()
        };
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let changed = shows(&known) != shows(&nodes);
        *known = nodes;
        self.strangers().clear();
        changed
    }

    fn strangers(&self) -> MutexGuard<'_, HashSet<InstanceId>> {
        self.strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that this host lives, and looks at the others, until cancelled.
pub(crate) async fn keep(inner: Arc<Inner>, me: NewNode, incarnation: Uuid) {
    let interval = inner.config.heartbeat_interval() / 2;
    loop {
        match round(&inner, &me, incarnation).await {
            Ok(()) => {}
            Err(StoreError::Closed) => return,
            // Whoever keeps the store has said so.
            Err(StoreError::Away { .. }) => {}
            Err(error @ StoreError::NodeTaken { .. }) => {
                // Two hosts that act for one node would start everything twice.
                error!(
                    error = &error as &dyn std::error::Error,
                    "this host supervises no longer"
                );
                *inner
                    .nodes
                    .trouble
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
                inner.cancel.cancel();
                return;
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "cannot tell the other nodes that this one lives"
            ),
        }
        tokio::select! {
            () = inner.cancel.cancelled() => break,
            () = tokio::time::sleep(interval) => {}
        }
    }
    // Best effort: otherwise it is silent after a while.
    let _ = inner.store.node_left(&me.id, incarnation).await;
}

async fn round(inner: &Inner, me: &NewNode, incarnation: Uuid) -> Result<(), StoreError> {
    match inner.store.heard_from_node(&me.id, incarnation).await {
        // Forgotten while it was silent, and its runners with it; or registered last by the host before this one, which
        // ended when the store could not be told. Whoever else goes by its id keeps it: registering fails then.
        Err(StoreError::NoNode(_) | StoreError::NodeTaken { .. }) => {
            info!("registering this node anew");
            inner
                .store
                .register_node(me.clone(), incarnation, node_ttl(&inner.config))
                .await?;
            inner.nudge.notify_one();
        }
        heard => heard?,
    }
    if inner.nodes.learn(inner.store.nodes().await?) {
        inner.changed(Change::Nodes);
    }
    Ok(())
}

impl Inner {
    /// Looks at the nodes at once where one is not known, which may have just joined.
    pub(crate) async fn meet_node(&self, id: &InstanceId) {
        let is_known = id == self.store.instance() || self.nodes.get(id).is_some();
        if is_known || self.nodes.strangers().contains(id) {
            return;
        }
        // Whoever keeps the store says what is wrong with it.
        let Ok(nodes) = self.store.nodes().await else {
            return;
        };
        if self.nodes.learn(nodes) {
            self.changed(Change::Nodes);
        }
        if self.nodes.get(id).is_none() {
            self.nodes.strangers().insert(id.clone());
        }
    }
}

/// Chooses the node with the most room: the least share of its places is taken, or, where places are not limited, the
/// least runners are active. Silent ones are none to choose.
pub(crate) fn least_loaded(nodes: &[NodeView]) -> Option<&NodeView> {
    nodes
        .iter()
        .filter(|node| node.silent.is_none())
        .filter(|node| node.max_runners.is_none_or(|max| node.active < max))
        .min_by(|one, other| {
            let share = |node: &NodeView| match node.max_runners {
                Some(max) => f64::from(node.active) / f64::from(max.max(1)),
                None => 0.0,
            };
            share(one)
                .total_cmp(&share(other))
                .then(one.active.cmp(&other.active))
                .then_with(|| one.name.cmp(&other.name))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, active: u32, max_runners: Option<u32>, silent: bool) -> NodeView {
        NodeView {
            id: InstanceId::random(),
            name: name.into(),
            version: "0.1.0".into(),
            max_runners,
            registered_at: chrono::DateTime::UNIX_EPOCH,
            heard_at: chrono::DateTime::UNIX_EPOCH,
            silent: silent.then_some(Duration::from_secs(30)),
            active,
        }
    }

    #[test]
    fn the_node_with_the_most_room_is_chosen_and_a_silent_or_full_one_never() {
        let chosen = |nodes: &[NodeView]| least_loaded(nodes).map(|node| node.name.clone());
        assert_eq!(chosen(&[]), None);
        assert_eq!(
            chosen(&[node("a", 0, None, true), node("b", 4, Some(4), false)]),
            None
        );
        let few = [
            node("a", 3, Some(4), false),
            node("b", 5, Some(10), false),
            node("c", 0, None, true),
        ];
        assert_eq!(chosen(&few).as_deref(), Some("b"));
        let free = [
            node("b", 2, None, false),
            node("c", 1, None, false),
            node("a", 1, None, false),
        ];
        assert_eq!(chosen(&free).as_deref(), Some("a"));
    }

    #[test]
    fn only_what_shows_is_a_change() {
        let known = Known::default();
        let mut one = node("a", 0, None, false);
        assert!(known.learn(vec![one.clone()]));
        one.active = 3;
        assert!(!known.learn(vec![one.clone()]));
        one.silent = Some(Duration::from_secs(30));
        assert!(known.learn(vec![one.clone()]));
        assert_eq!(known.get(&one.id), Some(one));
    }
}
