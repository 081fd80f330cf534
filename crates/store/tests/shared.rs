//! A shared database with what was last known of it at hand passes the suite that every store must pass.

mod support;

use std::sync::Arc;

use futures::FutureExt;
use stratavore_core::clock::SystemClock;
use stratavore_store::Store;
use stratavore_store::conformance::Ground;
use stratavore_store::shared::SharedStore;

struct Shared {
    store: Arc<SharedStore>,
    _database: support::Fresh,
}

impl Ground for Shared {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store) as Arc<dyn Store>
    }
}

/// Stands a file in for the server: what is tested is what lies between.
async fn fresh() -> Shared {
    let database = support::fresh().await;
    let remote: Arc<dyn Store> = Arc::clone(&database.store) as Arc<dyn Store>;
    let instance = remote.instance().clone();
    let connect = Box::new(move || {
        let remote = Arc::clone(&remote);
        async move { Ok(remote) }.boxed()
    });
    let cache = database.directory.path().join("cache.db");
    let store = SharedStore::open(&cache, instance, Arc::new(SystemClock), connect).await;
    Shared {
        store: Arc::new(store.unwrap()),
        _database: database,
    }
}

stratavore_store::conformance!(fresh);
