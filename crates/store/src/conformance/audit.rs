//! The audit chain of a log that nobody tampered with. What tampering shows is each database's own test.

use std::sync::Arc;

use stratavore_core::runner::Input;
use tokio::task::JoinSet;

use super::world::{GRACE, World};
use crate::{AuditReport, Store};

pub async fn an_untouched_log_is_sound(store: Arc<dyn Store>) {
    let world = World::new(store);
    assert_eq!(
        world.store.verify_audit().await.unwrap(),
        AuditReport::default()
    );
    let project = world.project("api", Some(1)).await;
    let runner = world.launch(&project).await;
    world.start(&runner).await;
    world.exit(&runner, 1).await;
    let expected = AuditReport {
        events: 4,
        chains: 2,
        faults: vec![],
    };
    assert_eq!(world.store.verify_audit().await.unwrap(), expected);
}

pub async fn checkpoints_of_an_untouched_log_are_sound(store: Arc<dyn Store>) {
    let world = World::new(store);
    world.store.checkpoint_audit(world.now()).await.unwrap();
    let project = world.project("api", None).await;
    for _ in 0..3 {
        let runner = world.launch(&project).await;
        world.store.checkpoint_audit(world.now()).await.unwrap();
        world.start(&runner).await;
        world.apply(runner.id, Input::Stop { grace: GRACE }).await;
        world.store.checkpoint_audit(world.now()).await.unwrap();
        world.store.checkpoint_audit(world.now()).await.unwrap();
        world.exit(&runner, 0).await;
        assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
    }
    assert_eq!(world.store.verify_audit().await.unwrap().events, 1 + 3 * 4);
}

pub async fn the_log_is_sound_while_it_grows(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let (world, project) = (world.clone(), project.clone());
        tasks.spawn(async move {
            let runner = world.launch(&project).await;
            world.start(&runner).await;
            for _ in 0..10 {
                world.apply(runner.id, Input::Pause).await;
                world.store.checkpoint_audit(world.now()).await.unwrap();
                world.apply(runner.id, Input::Continue).await;
            }
        });
    }
    while !tasks.is_empty() {
        assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
        if let Some(ended) = tasks.try_join_next() {
            ended.unwrap();
        }
    }
    assert_eq!(world.store.verify_audit().await.unwrap().events, 1 + 4 * 22);
}
