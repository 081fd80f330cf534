//! The audit chain of a log that nobody tampered with. What tampering shows is each database's own test.

use std::sync::Arc;
use std::time::Duration;

use stratavore_core::runner::Input;
use tokio::task::JoinSet;

use super::world::{GRACE, World};
use crate::{AuditReport, Pruned, Store};

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
        foreign: 0,
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

/// Marks everything as delivered that waits, but for the events of one aggregate.
async fn deliver_all_but(world: &World, kept: Option<uuid::Uuid>) {
    let shards = world.shards().await;
    let rows = world.store.outbox_waiting(&shards, 1000).await.unwrap();
    let positions = rows
        .iter()
        .filter(|row| Some(row.event.aggregate_id) != kept)
        .map(|row| row.position)
        .collect();
    world
        .store
        .outbox_delivered(&shards, positions)
        .await
        .unwrap();
}

pub async fn a_pruned_log_is_sound_and_goes_on(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(9)).await;
    let ended = world.launch(&project).await;
    let lives = world.launch(&project).await;
    let waits = world.launch(&project).await;
    world.start(&ended).await;
    world.exit(&ended, 1).await;
    world.start(&lives).await;
    world.start(&waits).await;
    world.exit(&waits, 0).await;
    deliver_all_but(&world, Some(waits.id.as_uuid())).await;
    world.store.checkpoint_audit(world.now()).await.unwrap();
    let old = world.now();
    world.pass(Duration::from_secs(60));
    world.apply(lives.id, Input::Pause).await;
    let prune = async || world.store.prune(old, world.now()).await.unwrap();

    let last = world.store.last_cursor().await.unwrap();
    let pruned = Pruned {
        events: 3 + 2,
        chains: 2,
    };
    assert_eq!(
        prune().await,
        pruned,
        "all that ended and is delivered, and what lives up to now"
    );
    assert_eq!(world.store.last_cursor().await.unwrap(), last);
    let left = |id: stratavore_core::ids::RunnerId| world.kinds_of(id.as_uuid());
    assert!(left(ended.id).await.is_empty());
    assert_eq!(left(lives.id).await, ["runner.paused"]);
    assert_eq!(left(waits.id).await.len(), 3);
    assert_eq!(
        world.kinds_of(project.id.as_uuid()).await,
        ["project.added"]
    );
    let sound = async |events| {
        let report = world.store.verify_audit().await.unwrap();
        assert_eq!((report.faults, report.events), (vec![], events));
    };
    sound(5).await;
    assert_eq!(prune().await, Pruned::default(), "nothing more is old");
    sound(5).await;

    // The chains go on where they were cut.
    world.restart(&ended).await;
    world.apply(lives.id, Input::Continue).await;
    world.store.checkpoint_audit(world.now()).await.unwrap();
    sound(7).await;
    deliver_all_but(&world, None).await;
    world.pass(Duration::from_secs(60));
    world.apply(ended.id, Input::Stop { grace: GRACE }).await;
    let later = world.store.prune(world.now(), world.now()).await.unwrap();
    let expected = Pruned {
        events: 3 + 1 + 1,
        chains: 3,
    };
    assert_eq!(later, expected);
    sound(3).await;
    world.store.checkpoint_audit(world.now()).await.unwrap();
    sound(3).await;
}
