//! A node that reaches the database by a way that can be cut, and one that goes there directly.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use stratavore_core::clock::SystemClock;
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::shared::SharedStore;
use stratavore_store::{Availability, Store};
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::tcp_proxy::{Server, TcpProxy};

use super::team::node;

pub const SOON: Duration = Duration::from_secs(30);

/// A node whose way to the database can be cut, and another that goes there directly.
pub struct Pair {
    pub store: SharedStore,
    pub other: PostgresStore,
    pub proxy: TcpProxy,
    pub directory: tempfile::TempDir,
    pub server: Postgres,
}

impl Pair {
    pub async fn open() -> Self {
        let server = Postgres::listening("").unwrap();
        let proxy = TcpProxy::start(Server::Tcp(server.address())).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let direct = server.tcp_url("postgres");
        let url = direct.replace(&server.address().to_string(), &proxy.address().to_string());
        let key = directory.path().join("audit.key");
        let connect = Box::new(move || {
            let (url, key) = (url.clone(), key.clone());
            async move {
                let store = PostgresStore::open(&url, node(0), key, Options::default()).await?;
                Ok(Arc::new(store) as Arc<dyn Store>)
            }
            .boxed()
        });
        let cache = directory.path().join("cache.db");
        let store = SharedStore::open(&cache, node(0), Arc::new(SystemClock), connect);
        let store = store.await.unwrap();
        let key = directory.path().join("another.key");
        let other = PostgresStore::open(&direct, node(1), key, Options::default());
        Self {
            store,
            other: other.await.unwrap(),
            proxy,
            directory,
            server,
        }
    }

    pub async fn cut(&self) {
        self.proxy.cut();
        becomes(&self.store, false).await;
    }

    pub async fn resume(&self) {
        self.proxy.resume();
        becomes(&self.store, true).await;
    }

    pub async fn close(self) {
        self.proxy.resume();
        self.store.close().await;
        self.other.close().await;
    }
}

/// Waits until the database is known to be away, or back.
pub async fn becomes(store: &SharedStore, here: bool) {
    let mut availability = store.availability();
    let known = availability.wait_for(|known| (*known == Availability::Here) == here);
    tokio::time::timeout(SOON, known).await.unwrap().unwrap();
}
