//! The offer to start interrupted runners again.

use std::sync::Arc;

use stratavore_core::ids::RunnerId;

use super::world::World;
use crate::Store;

async fn offered(world: &World) -> Vec<RunnerId> {
    let mut ids: Vec<_> = world
        .store
        .interrupted()
        .await
        .unwrap()
        .into_iter()
        .map(|view| view.runner.id)
        .collect();
    ids.sort();
    ids
}

async fn answer(world: &World) -> Vec<RunnerId> {
    let mut ids = world.store.answer_interrupted(world.now()).await.unwrap();
    ids.sort();
    ids
}

pub async fn the_offer_is_made_once(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let (one, two, other) = (
        world.launch(&project).await,
        world.launch(&project).await,
        world.launch(&project).await,
    );
    assert!(offered(&world).await.is_empty());
    world.interrupt(&one).await;
    world.interrupt(&two).await;
    world.exit(&other, 1).await;
    let mut both = vec![one.id, two.id];
    both.sort();
    assert_eq!(offered(&world).await, both);
    assert_eq!(answer(&world).await, both);
    assert!(offered(&world).await.is_empty());
    assert!(answer(&world).await.is_empty());
    assert_eq!(
        world.state(one.id).await.as_str(),
        "failed",
        "an answer changes no state"
    );
}

pub async fn a_runner_that_was_started_since_is_not_offered(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let (one, two) = (world.launch(&project).await, world.launch(&project).await);
    world.interrupt(&one).await;
    world.interrupt(&two).await;
    world.restart(&one).await;
    assert_eq!(offered(&world).await, [two.id]);
    world.exit(&one, 1).await;
    assert_eq!(answer(&world).await, [two.id]);
}

pub async fn a_runner_that_is_interrupted_again_is_offered_again(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    for _ in 0..2 {
        world.interrupt(&runner).await;
        assert_eq!(answer(&world).await, [runner.id]);
        world.restart(&runner).await;
    }
}
