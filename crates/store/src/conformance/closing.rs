//! The end of a store.

use std::sync::Arc;

use stratavore_core::ids::RunnerId;
use tokio::task::JoinSet;

use super::world::{FREE, World};
use crate::{Store, StoreError};

pub async fn what_was_asked_before_is_written_and_later_calls_fail(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let mut tasks = JoinSet::new();
    for _ in 0..50 {
        let (world, new) = (world.clone(), world.new_runner(&project));
        tasks.spawn(async move { world.try_launch(new, FREE).await });
    }
    world.store.close().await;
    // Each was either written or refused, never left without an answer.
    for outcome in tasks.join_all().await {
        assert!(
            matches!(outcome, Ok(_) | Err(StoreError::Closed)),
            "{outcome:?}"
        );
    }
    let closed = |outcome: crate::Result<()>| {
        assert!(matches!(outcome, Err(StoreError::Closed)), "{outcome:?}")
    };
    closed(world.try_project("web", None).await.map(drop));
    closed(
        world
            .try_launch(world.new_runner(&project), FREE)
            .await
            .map(drop),
    );
    closed(
        world
            .store
            .runner(RunnerId::new(world.now()))
            .await
            .map(drop),
    );
    closed(world.store.projects(true).await.map(drop));
    closed(world.store.verify_audit().await.map(drop));
    closed(
        world
            .store
            .claim_notices("ada", "desk", world.now())
            .await
            .map(drop),
    );
}

pub async fn closing_again_is_no_matter(store: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.close().await });
    }
    tasks.join_all().await;
    store.close().await;
}
