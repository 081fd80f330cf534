//! Nodes: whose runners they are, and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use stratavore_core::ids::InstanceId;
use stratavore_core::launch::RestartPolicy;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Runner, StateName};
use uuid::Uuid;

use super::world::{FREE, World, holders};
use crate::{NewNode, NewRunner, NodeView, RunnerFilter, Store, StoreError};

/// Long enough that nothing falls silent by itself.
const LONG: Duration = Duration::from_secs(3600);

fn other() -> InstanceId {
    InstanceId::from_stored("0ther".into())
}

fn node(id: &InstanceId, seat: &str) -> NewNode {
    NewNode {
        id: id.clone(),
        name: format!("{id}.example"),
        version: "0.1.0".into(),
        max_runners: Some(2),
        seat: seat.into(),
    }
}

fn incarnation(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

async fn register(world: &World, id: &InstanceId, seat: &str, number: u128) -> crate::Result<()> {
    world
        .store
        .register_node(node(id, seat), incarnation(number), LONG)
        .await
}

async fn listed(world: &World, id: &InstanceId) -> NodeView {
    let nodes = world.store.nodes().await.unwrap();
    nodes.into_iter().find(|node| node.id == *id).unwrap()
}

async fn launch_on(world: &World, project: &stratavore_core::project::Project) -> Runner {
    let new = NewRunner {
        node: other(),
        ..world.new_runner(project)
    };
    world.try_launch(new, FREE).await.unwrap().runner
}

pub async fn a_registered_node_is_listed_with_what_is_active_on_it(store: Arc<dyn Store>) {
    let world = World::new(store);
    assert!(world.store.nodes().await.unwrap().is_empty());
    let here = world.store.instance().clone();
    register(&world, &here, "a", 1).await.unwrap();
    register(&world, &other(), "b", 2).await.unwrap();
    let project = world.project("api", None).await;
    world.launch(&project).await;
    let ended = launch_on(&world, &project).await;
    launch_on(&world, &project).await;
    world.exit(&ended, 0).await;
    assert_eq!(world.store.nodes().await.unwrap().len(), 2);
    for (id, active) in [(here, 1), (other(), 1)] {
        let view = listed(&world, &id).await;
        assert_eq!(
            (view.name, view.version),
            (format!("{id}.example"), "0.1.0".into())
        );
        assert_eq!(
            (view.max_runners, view.active, view.silent),
            (Some(2), active, None)
        );
        assert!(view.registered_at <= view.heard_at);
    }
}

pub async fn a_node_id_belongs_to_one_host_while_that_is_heard_from(store: Arc<dyn Store>) {
    let world = World::new(store);
    register(&world, &other(), "a", 1).await.unwrap();
    match register(&world, &other(), "b", 2).await {
        Err(StoreError::NodeTaken { id, name, heard }) => {
            assert_eq!((id, name.as_str()), (other(), "0ther.example"));
            assert!(heard < LONG);
        }
        wrong => panic!("{wrong:?}"),
    }
    let (first, second) = (incarnation(1), incarnation(2));
    world.store.heard_from_node(&other(), first).await.unwrap();
    // The same host again is no matter; nor is the next one in its seat, which replaces it.
    register(&world, &other(), "a", 1).await.unwrap();
    register(&world, &other(), "a", 2).await.unwrap();
    world.store.heard_from_node(&other(), second).await.unwrap();
    let replaced = world.store.heard_from_node(&other(), first).await;
    assert!(
        matches!(replaced, Err(StoreError::NodeTaken { .. })),
        "{replaced:?}"
    );
    world.store.node_left(&other(), first).await.unwrap();
    assert_eq!(listed(&world, &other()).await.silent, None);
}

pub async fn a_host_that_left_is_silent_and_its_id_free(store: Arc<dyn Store>) {
    let world = World::new(store);
    register(&world, &other(), "a", 1).await.unwrap();
    world
        .store
        .node_left(&other(), incarnation(1))
        .await
        .unwrap();
    assert!(listed(&world, &other()).await.silent.is_some());
    let late = world.store.heard_from_node(&other(), incarnation(1)).await;
    assert!(
        matches!(late, Err(StoreError::NodeTaken { .. })),
        "{late:?}"
    );
    register(&world, &other(), "b", 2).await.unwrap();
    assert_eq!(listed(&world, &other()).await.silent, None);
}

pub async fn a_host_that_is_not_heard_from_is_silent_and_may_be_replaced(store: Arc<dyn Store>) {
    let world = World::new(store);
    let brief = Duration::ZERO;
    let new = |seat| node(&other(), seat);
    world
        .store
        .register_node(new("a"), incarnation(1), brief)
        .await
        .unwrap();
    let silent = async || listed(&world, &other()).await.silent;
    // By the database's clock, which no test sets.
    tokio::time::timeout(Duration::from_secs(10), async {
        while silent().await.is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("it falls silent");
    world
        .store
        .register_node(new("b"), incarnation(2), LONG)
        .await
        .unwrap();
    assert_eq!(silent().await, None);
}

pub async fn an_unknown_node_is_an_error_that_names_it(store: Arc<dyn Store>) {
    let world = World::new(store);
    let nobody = other();
    let heard = world.store.heard_from_node(&nobody, incarnation(1)).await;
    assert!(matches!(heard, Err(StoreError::NoNode(id)) if id == nobody));
    let forgotten = world.store.forget_node(&nobody, world.now()).await;
    assert!(matches!(forgotten, Err(StoreError::NoNode(id)) if id == nobody));
    world
        .store
        .node_left(&nobody, incarnation(1))
        .await
        .unwrap();
}

pub async fn a_runner_keeps_its_node_and_its_person(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let here = world.launch(&project).await;
    let there = launch_on(&world, &project).await;
    assert_eq!(
        (&here.node, here.person.as_str()),
        (world.store.instance(), "ada")
    );
    assert_eq!(there.node, other());
    world.start(&there).await;
    world.exit(&there, 1).await;
    assert_eq!(world.restart(&there).await.node, other());
    assert_eq!(world.read(there.id).await.node, other());
    for (node, states, expected) in [
        (here.node.clone(), vec![], here.id),
        (other(), vec![], there.id),
        (other(), vec![StateName::Starting], there.id),
    ] {
        let filter = RunnerFilter {
            node: Some(node),
            states,
            ..RunnerFilter::default()
        };
        let found = world.store.runners(filter).await.unwrap();
        assert_eq!(
            found.iter().map(|view| view.runner.id).collect::<Vec<_>>(),
            [expected]
        );
    }
}

pub async fn a_nodes_limit_counts_its_own_runners_alone(store: Arc<dyn Store>) {
    let world = World::new(store);
    register(&world, &other(), "b", 1).await.unwrap();
    let project = world.project("api", Some(5)).await;
    let limits = Limits {
        project: None,
        node: Some(1),
        budgets: None,
    };
    let (on_other, here) = (
        || NewRunner {
            node: other(),
            ..world.new_runner(&project)
        },
        || world.new_runner(&project),
    );
    // It registered with two places, whatever the limit of whoever asks.
    let first = world.try_launch(on_other(), limits).await.unwrap().runner;
    let second = world.try_launch(on_other(), limits).await.unwrap().runner;
    let third = holders(world.try_launch(on_other(), limits).await);
    assert_eq!(third, [first.name.as_str(), second.name.as_str()]);
    let own = world.try_launch(here(), limits).await.unwrap().runner;
    assert_eq!(
        holders(world.try_launch(here(), limits).await),
        [own.name.as_str()]
    );
    // The project's limit counts all of them.
    for _ in 0..2 {
        world.try_launch(here(), FREE).await.unwrap();
    }
    assert_eq!(holders(world.try_launch(here(), FREE).await).len(), 5);
}

pub async fn only_queued_runners_of_this_node_are_admitted(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(0)).await;
    let new = NewRunner {
        node: other(),
        queue: true,
        ..world.new_runner(&project)
    };
    let there = world.try_launch(new, FREE).await.unwrap().runner;
    let free = world.project("web", None).await;
    let waits = NewRunner {
        node: other(),
        queue: true,
        ..world.new_runner(&free)
    };
    assert_eq!(there.state.name(), StateName::Queued);
    register(&world, &other(), "b", 1).await.unwrap();
    for _ in 0..2 {
        world
            .try_launch(
                NewRunner {
                    id: world.new_runner(&free).id,
                    ..waits.clone()
                },
                FREE,
            )
            .await
            .unwrap();
    }
    let third = world.try_launch(waits, FREE).await.unwrap().runner;
    assert_eq!(
        third.state.name(),
        StateName::Queued,
        "its two places are taken"
    );
    world
        .exit(
            &world.store.runners(RunnerFilter::default()).await.unwrap()[1].runner,
            0,
        )
        .await;
    assert!(
        world
            .store
            .admit_queued(FREE, world.now())
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        world.state(third.id).await,
        StateName::Queued,
        "its own host admits it"
    );
}

pub async fn an_interruption_is_offered_by_the_runners_own_node(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let there = launch_on(&world, &project).await;
    let here = world.launch(&project).await;
    world.interrupt(&there).await;
    world.interrupt(&here).await;
    let offered = world.store.interrupted().await.unwrap();
    assert_eq!(
        offered
            .iter()
            .map(|view| view.runner.id)
            .collect::<Vec<_>>(),
        [here.id]
    );
    assert_eq!(
        world.store.answer_interrupted(world.now()).await.unwrap(),
        [here.id]
    );
}

pub async fn forgetting_a_node_ends_its_runners_and_no_other(store: Arc<dyn Store>) {
    let world = World::new(store);
    register(&world, &other(), "b", 1).await.unwrap();
    let project = world.project("api", None).await;
    let mine = world.launch(&project).await;
    let mut retries = NewRunner {
        node: other(),
        ..world.new_runner(&project)
    };
    retries.launch.restart = RestartPolicy::OnFailure {
        max_attempts: 9,
        backoff_ms: 1000,
    };
    let again = NewRunner {
        id: world.new_runner(&project).id,
        ..retries.clone()
    };
    let running = world.try_launch(retries, FREE).await.unwrap().runner;
    world.start(&running).await;
    let waiting = world.try_launch(again, FREE).await.unwrap().runner;
    world.exit(&waiting, 1).await;
    assert_eq!(world.state(waiting.id).await, StateName::Backoff);
    let queued = NewRunner {
        node: other(),
        queue: true,
        ..world.new_runner(&project)
    };
    let queued = world.try_launch(queued, FREE).await.unwrap().runner;
    assert_eq!(queued.state.name(), StateName::Queued);

    let early = world.store.forget_node(&other(), world.now()).await;
    assert!(
        matches!(early, Err(StoreError::NodeAlive { .. })),
        "{early:?}"
    );
    world
        .store
        .node_left(&other(), incarnation(1))
        .await
        .unwrap();
    let forgotten = world
        .store
        .forget_node(&other(), world.now())
        .await
        .unwrap();
    assert_eq!(forgotten.len(), 3);
    assert!(forgotten.iter().all(|applied| applied.effects.is_empty()));
    for applied in &forgotten {
        assert_eq!(world.read(applied.runner.id).await, applied.runner);
    }
    assert_eq!(world.state(running.id).await, StateName::Failed);
    assert_eq!(world.state(queued.id).await, StateName::Cancelled);
    assert!(world.state(waiting.id).await.is_final());
    assert_eq!(world.read(mine.id).await, mine);
    assert!(world.store.nodes().await.unwrap().is_empty());
    // What comes back later is a new node, and what its agents say of ended runners comes too late.
    register(&world, &other(), "b", 2).await.unwrap();
    assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
}
