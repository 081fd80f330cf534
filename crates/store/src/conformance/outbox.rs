//! The outbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use stratavore_core::runner::Input;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::world::World;
use crate::{OutboxRow, Position, Store};

async fn waiting(world: &World) -> Vec<OutboxRow> {
    world.store.outbox_waiting(10_000).await.unwrap()
}

pub async fn waiting_rows_come_in_commit_order_until_delivered(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    for _ in 0..3 {
        let runner = world.launch(&project).await;
        world.start(&runner).await;
    }
    let rows = waiting(&world).await;
    let events: Vec<_> = rows.iter().map(|row| row.event.clone()).collect();
    assert_eq!(events, world.events().await);
    assert!(rows.iter().all(|row| row.attempts == 0));
    assert!(
        rows.windows(2)
            .all(|pair| pair[0].position < pair[1].position)
    );
    assert_eq!(world.store.outbox_waiting(2).await.unwrap().len(), 2);
    assert_eq!(world.store.outbox_depth().await.unwrap(), 7);

    world
        .store
        .outbox_delivered(rows[..5].iter().map(|row| row.position).collect())
        .await
        .unwrap();
    let left: Vec<_> = waiting(&world)
        .await
        .iter()
        .map(|row| row.position)
        .collect();
    assert_eq!(left, [rows[5].position, rows[6].position]);
    assert_eq!(world.store.outbox_depth().await.unwrap(), 2);
}

pub async fn marking_again_or_what_is_unknown_changes_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    world.project("api", None).await;
    let row = waiting(&world).await.remove(0);
    for _ in 0..2 {
        world
            .store
            .outbox_delivered(vec![row.position, row.position, Position(i64::MAX)])
            .await
            .unwrap();
        assert_eq!(world.store.outbox_depth().await.unwrap(), 0);
    }
    world.store.outbox_delivered(Vec::new()).await.unwrap();
    for position in [row.position, Position(i64::MAX)] {
        assert!(
            !world
                .store
                .outbox_failed(position, "late".into(), 1, world.now())
                .await
                .unwrap()
        );
    }
    assert!(world.store.dead_letters().await.unwrap().is_empty());
}

pub async fn a_failure_is_counted_and_the_last_makes_a_dead_letter(store: Arc<dyn Store>) {
    let world = World::new(store);
    world.project("api", None).await;
    let row = waiting(&world).await.remove(0);
    for attempt in 1..3 {
        assert!(
            !world
                .store
                .outbox_failed(row.position, format!("error {attempt}"), 3, world.now())
                .await
                .unwrap()
        );
        assert_eq!(waiting(&world).await[0].attempts, attempt);
        assert!(world.store.dead_letters().await.unwrap().is_empty());
    }
    assert!(
        world
            .store
            .outbox_failed(row.position, "error 3".into(), 3, world.now())
            .await
            .unwrap()
    );
    assert!(waiting(&world).await.is_empty());
    let dead = world.store.dead_letters().await.unwrap();
    assert_eq!(dead.len(), 1);
    assert_eq!(
        (dead[0].position, dead[0].attempts, dead[0].error.as_str()),
        (row.position, 3, "error 3")
    );
    assert_eq!(dead[0].event, row.event);
    assert_eq!(
        world.store.outbox_depth().await.unwrap(),
        1,
        "a dead letter still waits"
    );
    assert!(
        !world
            .store
            .outbox_failed(row.position, "again".into(), 3, world.now())
            .await
            .unwrap()
    );
    assert_eq!(world.store.dead_letters().await.unwrap()[0].attempts, 3);
}

pub async fn a_dead_letter_parks_its_own_aggregate_alone(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let (bad, good) = (world.launch(&project).await, world.launch(&project).await);
    world.start(&bad).await;
    world.start(&good).await;
    let poison = waiting(&world)
        .await
        .into_iter()
        .find(|row| row.event.aggregate_id == bad.id.as_uuid())
        .unwrap();
    assert!(
        world
            .store
            .outbox_failed(poison.position, "poison".into(), 1, world.now())
            .await
            .unwrap()
    );
    // What comes later is parked as well.
    world.exit(&bad, 1).await;
    world.exit(&good, 0).await;
    let rows = waiting(&world).await;
    assert!(
        rows.iter()
            .all(|row| row.event.aggregate_id != bad.id.as_uuid())
    );
    assert_eq!(
        rows.iter()
            .filter(|row| row.event.aggregate_id == good.id.as_uuid())
            .count(),
        3
    );
    assert_eq!(world.store.outbox_depth().await.unwrap(), 1 + 3 + 3);
}

pub async fn a_dead_letter_that_is_delivered_after_all_releases_its_aggregate(
    store: Arc<dyn Store>,
) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    world
        .store
        .archive_project(project.id, world.now())
        .await
        .unwrap();
    let rows = waiting(&world).await;
    world
        .store
        .outbox_failed(rows[0].position, "poison".into(), 1, world.now())
        .await
        .unwrap();
    assert!(waiting(&world).await.is_empty());
    world
        .store
        .outbox_delivered(vec![rows[0].position])
        .await
        .unwrap();
    assert!(world.store.dead_letters().await.unwrap().is_empty());
    assert_eq!(waiting(&world).await.len(), 1);
    assert_eq!(waiting(&world).await[0].position, rows[1].position);
}

pub async fn delivering_keeps_the_order_of_each_aggregate_under_concurrent_writers(
    store: Arc<dyn Store>,
) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let mut writers = JoinSet::new();
    for _ in 0..6 {
        let (world, project) = (world.clone(), project.clone());
        writers.spawn(async move {
            let runner = world.launch(&project).await;
            world.start(&runner).await;
            for _ in 0..15 {
                world.apply(runner.id, Input::Pause).await;
                world.apply(runner.id, Input::Continue).await;
            }
        });
    }
    let total = 1 + 6 * (2 + 2 * 15);
    let mut commits = world.store.commits();
    let mut last: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut delivered = 0;
    while delivered < total {
        commits.borrow_and_update();
        let rows = world.store.outbox_waiting(5).await.unwrap();
        if rows.is_empty() {
            commits.changed().await.unwrap();
            continue;
        }
        for row in &rows {
            let last = last.entry(row.event.aggregate_id).or_default();
            assert_eq!(row.event.seq, *last + 1, "{row:?}");
            *last = row.event.seq;
        }
        delivered += rows.len();
        world
            .store
            .outbox_delivered(rows.iter().map(|row| row.position).collect())
            .await
            .unwrap();
    }
    writers.join_all().await;
    assert_eq!(world.store.outbox_depth().await.unwrap(), 0);
}
