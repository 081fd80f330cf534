//! The end of the log is told also while the shared database is away.

#[path = "support/team.rs"]
mod team;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::ProjectId;
use stratavore_core::name::Name;
use stratavore_store::postgres::{Options, PostgresStore};
use stratavore_store::shared::SharedStore;
use stratavore_store::{Availability, Cursor, Event, EventFilter, NewProject, Store, StoreError};
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::wait_until_async;
use team::node;

const SOON: Duration = Duration::from_secs(30);

async fn open(url: &str, directory: &Path) -> SharedStore {
    let (url, key) = (url.to_owned(), directory.join("audit.key"));
    let connect = Box::new(move || {
        let (url, key) = (url.clone(), key.clone());
        async move {
            let store = PostgresStore::open(&url, node(0), key, Options::default()).await?;
            Ok(Arc::new(store) as Arc<dyn Store>)
        }
        .boxed()
    });
    let cache = directory.join("cache.db");
    SharedStore::open(&cache, node(0), Arc::new(SystemClock), connect)
        .await
        .unwrap()
}

async fn add(store: &dyn Store, name: &str) -> Result<(), StoreError> {
    let now = SystemClock.now();
    let new = NewProject {
        id: ProjectId::new(now),
        name: Name::new(name).unwrap(),
        path: "/srv".into(),
        max_runners: None,
    };
    store.add_project(new, now).await.map(drop)
}

async fn after(store: &SharedStore, after: Cursor) -> Result<Vec<Event>, StoreError> {
    let filter = EventFilter { after, limit: 1000 };
    store.events(filter).await
}

async fn becomes(store: &SharedStore, here: bool) {
    let mut availability = store.availability();
    let known = availability.wait_for(|known| (*known == Availability::Here) == here);
    tokio::time::timeout(SOON, known).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_events_are_listed_while_the_database_is_away_and_followed_over_its_return() {
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let directory = tempfile::tempdir().unwrap();
    // What was committed before this node was there is known too.
    let other = PostgresStore::open(
        &url,
        node(1),
        directory.path().join("other.key"),
        Options::default(),
    );
    let other = other.await.unwrap();
    add(&other, "before").await.unwrap();
    other.close().await;
    let store = open(&url, directory.path()).await;
    for name in ["one", "two"] {
        add(&store, name).await.unwrap();
    }
    let known = after(&store, Cursor::default()).await.unwrap();
    assert_eq!(known.len(), 3);
    // Learning comes some time after the commit.
    let end = known[2].cursor;
    let cache = directory.path().join("cache.db");
    wait_until_async(SOON, "the last event to be known", async || {
        use sqlx::ConnectOptions;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&cache);
        let mut cache = options.connect().await.unwrap();
        let last = "SELECT coalesce(max(cursor), 0) FROM events";
        let last: i64 = sqlx::query_scalar(last)
            .fetch_one(&mut cache)
            .await
            .unwrap();
        last == end.0
    })
    .await;

    server.stop_immediately().unwrap();
    becomes(&store, false).await;
    let away = async |store: &SharedStore| {
        assert_eq!(after(store, Cursor::default()).await.unwrap(), known);
        assert_eq!(after(store, known[0].cursor).await.unwrap(), known[1..]);
        assert_eq!(after(store, end).await.unwrap(), []);
        assert_eq!(store.last_cursor().await.unwrap(), end);
    };
    away(&store).await;
    let refused = add(&store, "meanwhile").await.unwrap_err();
    assert!(matches!(refused, StoreError::Away { .. }), "{refused}");

    // Whoever starts meanwhile knows as much, and follows from there on.
    store.close().await;
    let store = open(&url, directory.path()).await;
    becomes(&store, false).await;
    away(&store).await;
    let mut commits = store.commits();
    assert_eq!(*commits.borrow_and_update(), end);
    server.restart().unwrap();
    becomes(&store, true).await;
    add(&store, "afterwards").await.unwrap();
    let woken = commits.wait_for(|last| *last > end);
    tokio::time::timeout(SOON, woken).await.unwrap().unwrap();
    let new = after(&store, end).await.unwrap();
    assert_eq!((new.len(), new[0].seq), (1, 1), "{new:?}");
    assert_eq!(after(&store, Cursor::default()).await.unwrap().len(), 4);
    store.close().await;
}
