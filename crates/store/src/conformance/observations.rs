//! Heartbeats.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use stratavore_core::ids::RunnerId;
use stratavore_core::runner::Input;

use super::world::{GRACE, World};
use crate::{RunnerFilter, Store};

pub async fn the_latest_is_shown(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    let runner = world.start(&runner).await;
    assert_eq!(
        world.store.runner(runner.id).await.unwrap().observation,
        None
    );
    world
        .observe(vec![world.heartbeat(runner.id, 1, world.now(), 1 << 40)])
        .await;
    let last = world.heartbeat(runner.id, 1, world.now(), 7);
    world.observe(vec![last.clone()]).await;
    let view = world.store.runner(runner.id).await.unwrap();
    assert_eq!(view.observation.as_ref(), Some(&last.observation));
    assert_eq!(view.runner, runner, "a heartbeat is no change");
    let listed = world.store.runners(RunnerFilter::default()).await.unwrap();
    assert_eq!(listed[0].observation, Some(last.observation));
    world.apply(runner.id, Input::Pause).await;
    world
        .observe(vec![world.heartbeat(runner.id, 1, world.now(), 8)])
        .await;
    assert_eq!(world.memory_of(runner.id).await, Some(8));
}

pub async fn an_earlier_one_changes_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    world.start(&runner).await;
    let at = world.now();
    world
        .observe(vec![world.heartbeat(runner.id, 1, at, 100)])
        .await;
    world
        .observe(vec![world.heartbeat(
            runner.id,
            1,
            at - TimeDelta::microseconds(1),
            0,
        )])
        .await;
    world
        .observe(vec![world.heartbeat(runner.id, 1, at, 0)])
        .await;
    assert_eq!(world.memory_of(runner.id).await, Some(100));
    // Nor within one call, whatever the order.
    let later = at + TimeDelta::seconds(9);
    let both = vec![
        world.heartbeat(runner.id, 1, later, 300),
        world.heartbeat(runner.id, 1, later - TimeDelta::seconds(1), 200),
    ];
    world.observe(both).await;
    assert_eq!(world.memory_of(runner.id).await, Some(300));
}

pub async fn another_attempt_changes_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    world.start(&runner).await;
    world.exit(&runner, 1).await;
    world.restart(&runner).await;
    world.start(&runner).await;
    world
        .observe(vec![world.heartbeat(runner.id, 2, world.now(), 100)])
        .await;
    for attempt in [0, 1, 3] {
        world
            .observe(vec![world.heartbeat(runner.id, attempt, world.now(), 0)])
            .await;
    }
    assert_eq!(world.memory_of(runner.id).await, Some(100));
}

pub async fn an_ended_runner_is_not_revived(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    world.start(&runner).await;
    world
        .observe(vec![world.heartbeat(runner.id, 1, world.now(), 100)])
        .await;
    let ended = world.exit(&runner, 1).await;
    world.pass(Duration::from_secs(60));
    world
        .observe(vec![world.heartbeat(runner.id, 1, world.now(), 0)])
        .await;
    assert_eq!(world.read(runner.id).await, ended);
    assert_eq!(
        world.memory_of(runner.id).await,
        Some(100),
        "what was last seen of it stays"
    );
}

pub async fn a_new_attempt_hides_the_observation_of_the_last(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    world.start(&runner).await;
    world
        .observe(vec![world.heartbeat(
            runner.id,
            1,
            world.now() + TimeDelta::hours(1),
            100,
        )])
        .await;
    world.exit(&runner, 1).await;
    world.restart(&runner).await;
    assert_eq!(world.memory_of(runner.id).await, None);
    assert_eq!(
        world.store.runners(RunnerFilter::default()).await.unwrap()[0].observation,
        None
    );
    // The clock was set back in between: the new attempt's word counts all the same.
    world
        .observe(vec![world.heartbeat(runner.id, 2, world.now(), 50)])
        .await;
    assert_eq!(world.memory_of(runner.id).await, Some(50));
    world.apply(runner.id, Input::Stop { grace: GRACE }).await;
    world
        .observe(vec![world.heartbeat(runner.id, 2, world.now(), 60)])
        .await;
    assert_eq!(
        world.memory_of(runner.id).await,
        Some(60),
        "while it is being stopped its tree still lives"
    );
}

pub async fn many_are_kept_at_once_and_unknown_runners_are_no_matter(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let mut heartbeats = vec![world.heartbeat(RunnerId::new(world.now()), 1, world.now(), 1)];
    for memory in 0..50 {
        let runner = world.launch(&project).await;
        heartbeats.push(world.heartbeat(runner.id, 1, world.now(), memory));
    }
    heartbeats[1].observation.cpu_percent = f64::NAN;
    heartbeats[2].observation.memory_bytes = u64::MAX;
    heartbeats[3].observation.title = None;
    world.observe(heartbeats.clone()).await;
    world.observe(Vec::new()).await;
    for heartbeat in &heartbeats[3..] {
        let view = world.store.runner(heartbeat.runner).await.unwrap();
        assert_eq!(view.observation.as_ref(), Some(&heartbeat.observation));
    }
    let odd = world
        .store
        .runner(heartbeats[1].runner)
        .await
        .unwrap()
        .observation
        .unwrap();
    assert!(odd.cpu_percent.abs() < f64::EPSILON, "{odd:?}");
    assert_eq!(
        world.memory_of(heartbeats[2].runner).await,
        Some(i64::MAX.cast_unsigned())
    );
}
