//! The outbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use stratavore_core::runner::Input;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::world::World;
use crate::{OutboxRow, Position, Store, StoreError};

async fn waiting(world: &World) -> Vec<OutboxRow> {
    world
        .store
        .outbox_waiting(&world.shards().await, 10_000)
        .await
        .unwrap()
}

pub async fn waiting_rows_come_in_commit_order_until_delivered(store: Arc<dyn Store>) {
    let world = World::new(store);
    let shards = world.shards().await;
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
    assert_eq!(
        world.store.outbox_waiting(&shards, 2).await.unwrap().len(),
        2
    );
    assert_eq!(world.store.outbox_depth().await.unwrap(), 7);

    world
        .store
        .outbox_delivered(&shards, rows[..5].iter().map(|row| row.position).collect())
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
    let shards = world.shards().await;
    world.project("api", None).await;
    let row = waiting(&world).await.remove(0);
    for _ in 0..2 {
        world
            .store
            .outbox_delivered(
                &shards,
                vec![row.position, row.position, Position(i64::MAX)],
            )
            .await
            .unwrap();
        assert_eq!(world.store.outbox_depth().await.unwrap(), 0);
    }
    world
        .store
        .outbox_delivered(&shards, Vec::new())
        .await
        .unwrap();
    for position in [row.position, Position(i64::MAX)] {
        assert!(
            !world
                .store
                .outbox_failed(&shards, position, "late".into(), 1, world.now())
                .await
                .unwrap()
        );
    }
    assert!(world.store.dead_letters().await.unwrap().is_empty());
}

pub async fn a_failure_is_counted_and_the_last_makes_a_dead_letter(store: Arc<dyn Store>) {
    let world = World::new(store);
    let shards = world.shards().await;
    world.project("api", None).await;
    let row = waiting(&world).await.remove(0);
    for attempt in 1..3 {
        assert!(
            !world
                .store
                .outbox_failed(
                    &shards,
                    row.position,
                    format!("error {attempt}"),
                    3,
                    world.now()
                )
                .await
                .unwrap()
        );
        assert_eq!(waiting(&world).await[0].attempts, attempt);
        assert!(world.store.dead_letters().await.unwrap().is_empty());
    }
    assert!(
        world
            .store
            .outbox_failed(&shards, row.position, "error 3".into(), 3, world.now())
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
    let event = row.event;
    assert_eq!(
        (&*dead[0].aggregate, dead[0].aggregate_id, &dead[0].project),
        (event.aggregate, event.aggregate_id, &event.project)
    );
    assert_eq!(
        (dead[0].seq, &*dead[0].kind),
        (event.seq, event.fact.kind())
    );
    assert_eq!(
        world.store.outbox_depth().await.unwrap(),
        1,
        "a dead letter still waits"
    );
    assert!(
        !world
            .store
            .outbox_failed(&shards, row.position, "again".into(), 3, world.now())
            .await
            .unwrap()
    );
    assert_eq!(world.store.dead_letters().await.unwrap()[0].attempts, 3);
}

pub async fn a_dead_letter_parks_its_own_aggregate_alone(store: Arc<dyn Store>) {
    let world = World::new(store);
    let shards = world.shards().await;
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
            .outbox_failed(&shards, poison.position, "poison".into(), 1, world.now())
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
    let shards = world.shards().await;
    let project = world.project("api", None).await;
    world
        .store
        .archive_project(project.id, world.now())
        .await
        .unwrap();
    let rows = waiting(&world).await;
    world
        .store
        .outbox_failed(&shards, rows[0].position, "poison".into(), 1, world.now())
        .await
        .unwrap();
    assert!(waiting(&world).await.is_empty());
    world
        .store
        .outbox_delivered(&shards, vec![rows[0].position])
        .await
        .unwrap();
    assert!(world.store.dead_letters().await.unwrap().is_empty());
    assert_eq!(waiting(&world).await.len(), 1);
    assert_eq!(waiting(&world).await[0].position, rows[1].position);
}

pub async fn a_retried_dead_letter_is_tried_anew(store: Arc<dyn Store>) {
    let world = World::new(store);
    let shards = world.shards().await;
    let project = world.project("api", None).await;
    let runner = world.launch(&project).await;
    world.start(&runner).await;
    let rows = waiting(&world).await;
    for row in [&rows[0], &rows[1]] {
        world
            .store
            .outbox_failed(&shards, row.position, "poison".into(), 1, world.now())
            .await
            .unwrap();
    }
    assert!(waiting(&world).await.is_empty());
    let mut commits = world.store.commits();
    commits.borrow_and_update();
    let retry = async |aggregate| world.store.outbox_retry(aggregate).await.unwrap();
    assert_eq!(retry(Some(Uuid::from_u128(7))).await, 0);
    assert_eq!(retry(Some(runner.id.as_uuid())).await, 1);
    commits.changed().await.unwrap();
    let released = waiting(&world).await;
    assert_eq!(released.len(), 2);
    assert_eq!(
        (released[0].position, released[0].attempts),
        (rows[1].position, 0)
    );
    assert_eq!(world.store.dead_letters().await.unwrap().len(), 1);
    assert_eq!(retry(None).await, 1);
    assert_eq!(retry(None).await, 0);
    assert_eq!(waiting(&world).await.len(), 3);
}

pub async fn a_dropped_dead_letter_is_given_up_and_releases_its_aggregate(store: Arc<dyn Store>) {
    let world = World::new(store);
    let shards = world.shards().await;
    let runner = world.launch(&world.project("api", None).await).await;
    world.start(&runner).await;
    let rows = waiting(&world).await;
    let position = rows[1].position;
    for wrong in [position, Position(i64::MAX)] {
        let refused = world.store.outbox_drop(wrong).await;
        assert!(matches!(refused, Err(StoreError::NoDeadLetter(at)) if at == wrong));
    }
    world
        .store
        .outbox_failed(&shards, position, "poison".into(), 1, world.now())
        .await
        .unwrap();
    let mut commits = world.store.commits();
    commits.borrow_and_update();
    world.store.outbox_drop(position).await.unwrap();
    commits.changed().await.unwrap();
    let left: Vec<_> = waiting(&world)
        .await
        .iter()
        .map(|row| row.position)
        .collect();
    assert_eq!(left, [rows[0].position, rows[2].position]);
    assert!(world.store.dead_letters().await.unwrap().is_empty());
    assert_eq!(
        world.kinds_of(runner.id.as_uuid()).await.len(),
        2,
        "the events stay"
    );
    assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
}

pub async fn only_rows_of_the_shards_asked_for_are_listed_and_marked(store: Arc<dyn Store>) {
    let world = World::new(store);
    let shards = world.shards().await;
    let project = world.project("api", None).await;
    for _ in 0..20 {
        world.launch(&project).await;
    }
    let all = waiting(&world).await;
    let positions: Vec<Position> = all.iter().map(|row| row.position).collect();
    let mut found = 0;
    for shard in &shards {
        let rows = world.store.outbox_waiting(&[*shard], 1000).await.unwrap();
        assert!(
            rows.iter()
                .all(|row| crate::shard(row.event.aggregate_id) == shard.number)
        );
        found += rows.len();
    }
    assert_eq!(found, all.len());
    assert!(
        world
            .store
            .outbox_waiting(&[], 1000)
            .await
            .unwrap()
            .is_empty()
    );
    let (one, rest) = shards.split_first().unwrap();
    world
        .store
        .outbox_delivered(rest, positions.clone())
        .await
        .unwrap();
    let left = waiting(&world).await;
    assert!(
        left.iter()
            .all(|row| crate::shard(row.event.aggregate_id) == one.number)
    );
    world
        .store
        .outbox_delivered(&[*one], positions)
        .await
        .unwrap();
    assert_eq!(world.store.outbox_depth().await.unwrap(), 0);
}

pub async fn what_another_owner_holds_by_now_is_not_marked(store: Arc<dyn Store>) {
    let world = World::new(store);
    let mut shards = world.shards().await;
    let project = world.project("api", None).await;
    let row = waiting(&world).await.remove(0);
    let lost = crate::shard(project.id.as_uuid());
    shards[usize::from(lost)].epoch += 1;
    let marked = world
        .store
        .outbox_delivered(&shards, vec![row.position])
        .await;
    assert!(matches!(marked, Err(StoreError::Fenced)), "{marked:?}");
    let failed = world
        .store
        .outbox_failed(&shards, row.position, "late".into(), 1, world.now())
        .await;
    assert!(matches!(failed, Err(StoreError::Fenced)), "{failed:?}");
    assert_eq!(waiting(&world).await[0].attempts, 0);
    // What is still held is marked all the same.
    let runner = loop {
        let runner = world.launch(&project).await;
        if crate::shard(runner.id.as_uuid()) != lost {
            break runner;
        }
    };
    let rows = waiting(&world).await;
    let positions = rows.iter().map(|row| row.position).collect();
    let marked = world.store.outbox_delivered(&shards, positions).await;
    assert!(matches!(marked, Err(StoreError::Fenced)), "{marked:?}");
    let left = waiting(&world).await;
    assert!(!left.is_empty());
    assert!(
        left.iter()
            .all(|row| row.event.aggregate_id != runner.id.as_uuid())
    );
}

pub async fn delivering_keeps_the_order_of_each_aggregate_under_concurrent_writers(
    store: Arc<dyn Store>,
) {
    let world = World::new(store);
    let shards = world.shards().await;
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
        let rows = world.store.outbox_waiting(&shards, 5).await.unwrap();
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
            .outbox_delivered(&shards, rows.iter().map(|row| row.position).collect())
            .await
            .unwrap();
    }
    writers.join_all().await;
    assert_eq!(world.store.outbox_depth().await.unwrap(), 0);
}
