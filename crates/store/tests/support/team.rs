//! PostgreSQL stores of several nodes on one database.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::Arc;

use stratavore_core::ids::InstanceId;
use stratavore_store::conformance::Ground;
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::{Result, Store};
use stratavore_testkit::postgres::Database;
use tempfile::TempDir;

/// A database and the data directories of its nodes.
pub struct Team {
    pub stores: Vec<Arc<PostgresStore>>,
    pub database: Database,
    pub directory: TempDir,
}

impl Team {
    /// Opens stores for so many nodes, each with a key of its own.
    pub async fn of(nodes: usize) -> Self {
        let mut team = Self {
            stores: Vec::new(),
            database: Database::fresh().expect("a database"),
            directory: tempfile::tempdir().unwrap(),
        };
        for number in 0..nodes {
            let store = team.open(number).await.unwrap();
            team.stores.push(Arc::new(store));
        }
        team
    }

    /// Opens the store of a node.
    pub async fn open(&self, number: usize) -> Result<PostgresStore> {
        self.open_at(self.database.url(), number).await
    }

    /// Opens the store of a node by another way.
    pub async fn open_at(&self, url: &str, number: usize) -> Result<PostgresStore> {
        let key = self.directory.path().join(format!("audit-{number}.key"));
        PostgresStore::open(url, node(number), key, Options::default()).await
    }

    pub async fn close(&self) {
        for store in &self.stores {
            store.close().await;
        }
    }
}

/// Returns the id of a node.
pub fn node(number: usize) -> InstanceId {
    InstanceId::from_stored(format!("node{number}"))
}

impl Ground for Team {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.stores[0]) as Arc<dyn Store>
    }
}

pub async fn alone() -> Team {
    Team::of(1).await
}
