//! Notices.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use stratavore_core::attention::Need;
use stratavore_core::fact::Fact;
use stratavore_core::launch::{CeilingAction, Excess};
use stratavore_core::notice::Edge;
use stratavore_core::runner::{Input, Runner};
use tokio::task::JoinSet;

use super::world::{FREE, GRACE, PERSON, World, holders};
use crate::{NewRunner, Notice, Store};

async fn claim(world: &World, consumer: &str) -> Vec<Notice> {
    world
        .store
        .claim_notices(PERSON, consumer, world.now())
        .await
        .unwrap()
}

fn edges(notices: &[Notice]) -> Vec<Edge> {
    notices.iter().map(|notice| notice.edge).collect()
}

async fn ended(world: &World) -> Runner {
    let project = world.project("api", None).await;
    let runner = world.launch(&project).await;
    world.exit(&runner, 0).await
}

pub async fn an_abnormal_end_is_told_and_what_was_asked_for_is_not(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let stopped = world.launch(&project).await;
    world.start(&stopped).await;
    world.apply(stopped.id, Input::Stop { grace: GRACE }).await;
    world.exit(&stopped, 130).await;
    assert!(claim(&world, "desk").await.is_empty());

    let failed = world.launch(&project).await;
    world.exit(&failed, 3).await;
    let lost = world.launch(&project).await;
    world
        .apply(
            lost.id,
            Input::Lost {
                attempt: 1,
                interrupted: false,
            },
        )
        .await;
    let interrupted = world.launch(&project).await;
    world.interrupt(&interrupted).await;
    let done = world.launch(&project).await;
    world.exit(&done, 0).await;
    let (code, message) = ("not-found".to_owned(), "no such file".to_owned());
    let absent = world.launch(&project).await;
    world
        .apply(
            absent.id,
            Input::CouldNotStart {
                attempt: 1,
                code,
                message,
                at: world.now(),
            },
        )
        .await;

    let told = claim(&world, "desk").await;
    assert_eq!(
        edges(&told),
        [
            Edge::Failed,
            Edge::AgentLost,
            Edge::Interrupted,
            Edge::Ended,
            Edge::CouldNotStart
        ]
    );
    let events = world.events().await;
    for (notice, runner) in told.iter().zip([failed, lost, interrupted, done, absent]) {
        assert_eq!(notice.runner, Some((runner.id, runner.name)));
        assert!(events.contains(&notice.event));
        assert_eq!(notice.event.aggregate_id, runner.id.as_uuid());
    }
}

pub async fn each_edge_is_told_once_per_attempt(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    let over = |attempt, used| Fact::OverCeiling {
        attempt,
        excess: Excess::Memory { used, limit: 1 },
        action: CeilingAction::Notify,
    };
    world.start(&runner).await;
    for used in 2..5 {
        world
            .store
            .note(runner.id, over(1, used), world.now())
            .await
            .unwrap();
    }
    world.exit(&runner, 1).await;
    world.exit(&runner, 1).await;
    assert_eq!(
        edges(&claim(&world, "desk").await),
        [Edge::OverCeiling, Edge::Failed]
    );
    world.restart(&runner).await;
    world
        .store
        .note(runner.id, over(2, 9), world.now())
        .await
        .unwrap();
    world.exit(&runner, 1).await;
    assert_eq!(
        edges(&claim(&world, "desk").await),
        [Edge::OverCeiling, Edge::Failed]
    );
}

pub async fn a_refused_launch_is_told_each_time(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(0)).await;
    for _ in 0..2 {
        holders(world.try_launch(world.new_runner(&project), FREE).await);
    }
    let told = claim(&world, "desk").await;
    assert_eq!(edges(&told), [Edge::QuotaRefused, Edge::QuotaRefused]);
    assert!(
        told.iter()
            .all(|notice| notice.runner.is_none() && notice.event.project == "api")
    );
}

pub async fn a_notice_is_claimed_once_for_each_consumer(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = ended(&world).await;
    for consumer in ["desk", "phone"] {
        assert_eq!(edges(&claim(&world, consumer).await), [Edge::Ended]);
        assert!(claim(&world, consumer).await.is_empty());
    }
    let at = world.now();
    assert!(
        world
            .store
            .claim_notices(PERSON, "desk", at)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        world
            .store
            .claim_notices(PERSON, "desk", at)
            .await
            .unwrap()
            .is_empty(),
        "nor again in the same moment"
    );
    world.restart(&runner).await;
    world.exit(&runner, 1).await;
    for consumer in ["desk", "phone", "new"] {
        assert_eq!(
            claim(&world, consumer)
                .await
                .last()
                .map(|notice| notice.edge),
            Some(Edge::Failed)
        );
    }
}

pub async fn claims_at_once_share_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    for _ in 0..10 {
        let runner = world.launch(&project).await;
        world.exit(&runner, 0).await;
    }
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let world = world.clone();
        tasks.spawn(async move { claim(&world, "desk").await });
    }
    let all: Vec<_> = tasks
        .join_all()
        .await
        .into_iter()
        .flatten()
        .map(|notice| notice.event.id)
        .collect();
    assert_eq!(all.len(), 10);
    assert_eq!(all.into_iter().collect::<HashSet<_>>().len(), 10);
}

pub async fn each_person_is_told_of_what_they_launched_and_nobody_else(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(2)).await;
    let mut runners = Vec::new();
    for person in ["ada", "bob"] {
        let new = NewRunner {
            person: person.into(),
            ..world.new_runner(&project)
        };
        let runner = world.try_launch(new, FREE).await.unwrap().runner;
        assert_eq!(runner.person, person);
        runners.push(runner);
    }
    let refused = NewRunner {
        person: "bob".into(),
        ..world.new_runner(&project)
    };
    holders(world.try_launch(refused, FREE).await);
    world.exit(&runners[1], 3).await;
    world.exit(&runners[0], 0).await;
    let claim = async |person| {
        let told = world.store.claim_notices(person, "desk", world.now()).await;
        edges(&told.unwrap())
    };
    assert!(claim("eve").await.is_empty());
    assert_eq!(claim("ada").await, [Edge::Ended]);
    assert_eq!(claim("bob").await, [Edge::QuotaRefused, Edge::Failed]);
    for person in ["ada", "bob", "eve"] {
        assert!(claim(person).await.is_empty(), "{person}");
    }
    // A minute later each claims again what is their own.
    world.pass(Duration::from_secs(61));
    assert_eq!(claim("ada").await, [Edge::Ended]);
    assert_eq!(claim("bob").await, [Edge::QuotaRefused, Edge::Failed]);
}

pub async fn a_claim_that_was_not_shown_is_claimed_again_after_a_minute(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = ended(&world).await;
    let first = claim(&world, "desk").await;
    world.pass(Duration::from_secs(59));
    assert!(claim(&world, "desk").await.is_empty());
    world.pass(Duration::from_secs(2));
    world.restart(&runner).await;
    world.exit(&runner, 1).await;
    let again = claim(&world, "desk").await;
    assert_eq!(edges(&again), [Edge::Ended, Edge::Failed], "oldest first");
    assert_eq!(again[0].event, first[0].event);
    for _ in 0..2 {
        world
            .store
            .notice_shown(again[0].id, world.now())
            .await
            .unwrap();
    }
    world.pass(Duration::from_secs(3600));
    assert_eq!(edges(&claim(&world, "desk").await), [Edge::Failed]);
    world
        .store
        .notice_shown(again[1].id, world.now())
        .await
        .unwrap();
    world.pass(Duration::from_secs(3600));
    assert!(claim(&world, "desk").await.is_empty());
}

pub async fn what_a_runner_needs_is_told_each_time(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    for need in [
        Need::NeedsPermission,
        Need::Working,
        Need::NeedsPermission,
        Need::Idle,
    ] {
        let fact = Fact::Attention {
            attempt: 1,
            need,
            tool: Some("Bash".into()),
        };
        world
            .store
            .note(runner.id, fact, world.now())
            .await
            .unwrap();
    }
    assert_eq!(
        edges(&claim(&world, "desk").await),
        [Edge::NeedsPermission, Edge::NeedsPermission, Edge::TurnDone]
    );
    assert!(claim(&world, "desk").await.is_empty());
}
