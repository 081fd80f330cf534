//! Launches, names and quotas.

use std::sync::Arc;

use stratavore_core::ids::ProjectId;
use stratavore_core::launch::{Ceiling, CeilingAction, RestartPolicy};
use stratavore_core::name::MAX_NAME;
use stratavore_core::quota::{Limits, Scope};
use stratavore_core::runner::{Effect, Exit, Input, StateName};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::world::{FREE, GRACE, World, a_launch, holders, name};
use crate::{NewRunner, RunnerFilter, Store, StoreError};

pub async fn a_launch_is_kept_whole_and_asks_for_its_spawn(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let mut launch = a_launch();
    launch
        .argv
        .push("two\nlines, a \u{1b}[31m and \u{0}".into());
    launch.restart = RestartPolicy::OnFailure {
        max_attempts: 3,
        backoff_ms: 250,
    };
    launch.ceiling = Some(Ceiling {
        memory_bytes: Some(u64::MAX),
        cpu_percent: Some(150),
        action: CeilingAction::Pause,
    });
    let new = NewRunner {
        name: Some(name("auth refactor")),
        launch: launch.clone(),
        ..world.new_runner(&project)
    };
    let applied = world.try_launch(new.clone(), FREE).await.unwrap();
    assert!(applied.changed);
    assert_eq!(applied.effects, [Effect::Spawn { attempt: 1 }]);
    let view = world.store.runner(new.id).await.unwrap();
    assert_eq!(view.runner, applied.runner);
    assert_eq!(view.observation, None);
    assert_eq!(
        (view.runner.id, view.runner.name.as_str()),
        (new.id, "auth refactor")
    );
    assert_eq!(
        (view.runner.project_id, &view.runner.project),
        (project.id, &project.name)
    );
    assert_eq!(view.runner.launch, launch);
    assert_eq!(view.runner.state.name(), StateName::Starting);
    let events = world.events().await;
    assert_eq!(world.kinds_of(new.id.as_uuid()).await, ["runner.starting"]);
    assert_eq!(
        world.store.outbox_depth().await.unwrap(),
        events.len() as u64
    );
    assert!(
        !format!("{events:?}").contains("hunter2"),
        "an event holds a secret"
    );
}

pub async fn a_repeated_request_returns_the_first_runner(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(1)).await;
    let request_id = Some(Uuid::from_u128(7));
    let first = NewRunner {
        request_id,
        ..world.new_runner(&project)
    };
    let second = NewRunner {
        request_id,
        name: Some(name("other")),
        ..world.new_runner(&project)
    };
    let launched = world.try_launch(first, FREE).await.unwrap();
    world.start(&launched.runner).await;
    let cursor = world.store.last_cursor().await.unwrap();
    let again = world.try_launch(second, FREE).await.unwrap();
    assert_eq!(again.runner, world.read(launched.runner.id).await);
    assert!(again.effects.is_empty() && !again.changed);
    assert_eq!(world.store.last_cursor().await.unwrap(), cursor);
}

pub async fn one_request_sent_many_times_at_once_is_one_runner(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let new = NewRunner {
            request_id: Some(Uuid::from_u128(1)),
            ..world.new_runner(&project)
        };
        let world = world.clone();
        tasks.spawn(async move { world.try_launch(new, FREE).await.unwrap() });
    }
    let all = tasks.join_all().await;
    assert_eq!(all.iter().filter(|applied| applied.changed).count(), 1);
    assert!(all.iter().all(|applied| applied.runner == all[0].runner));
    assert_eq!(
        world
            .store
            .runners(RunnerFilter::default())
            .await
            .unwrap()
            .len(),
        1
    );
}

pub async fn a_name_belongs_to_one_runner_that_has_not_ended(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", None).await,
    );
    let first = world.launch_named(&api, "one").await.unwrap().runner;
    for project in [&api, &web] {
        let again = world.launch_named(project, "one").await;
        assert!(
            matches!(again, Err(StoreError::NameTaken { what: "runner", .. })),
            "{again:?}"
        );
    }
    world.exit(&first, 0).await;
    let second = world.launch_named(&web, "one").await.unwrap().runner;
    assert_ne!(first.id, second.id);
    assert_eq!(
        world.read(first.id).await.name,
        second.name,
        "history keeps its name"
    );
}

pub async fn a_runner_without_a_name_gets_the_least_free_number(store: Arc<dyn Store>) {
    let world = World::new(store);
    let api = world.project("api", None).await;
    world.launch_named(&api, "api-2").await.unwrap();
    // Neither is in the way: the one is another stem, the other no number.
    world.launch_named(&api, "api-x").await.unwrap();
    world.launch_named(&api, "apiary-1").await.unwrap();
    let one = world.launch(&api).await;
    let three = world.launch(&api).await;
    assert_eq!((one.name.as_str(), three.name.as_str()), ("api-1", "api-3"));
    world.exit(&one, 1).await;
    assert_eq!(world.launch(&api).await.name.as_str(), "api-1");
}

pub async fn a_project_with_the_longest_name_still_names_its_runners(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project(&"ü".repeat(MAX_NAME), None).await;
    let (one, two) = (world.launch(&project).await, world.launch(&project).await);
    assert!(one.name.as_str().ends_with("-1") && two.name.as_str().ends_with("-2"));
}

pub async fn nothing_is_launched_in_an_archived_or_unknown_project(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    world
        .store
        .archive_project(project.id, world.now())
        .await
        .unwrap();
    let archived = world.try_launch(world.new_runner(&project), FREE).await;
    assert!(matches!(archived, Err(StoreError::ProjectArchived(named)) if named == "api"));
    let id = ProjectId::new(world.now());
    let unknown = world
        .try_launch(
            NewRunner {
                project_id: id,
                ..world.new_runner(&project)
            },
            FREE,
        )
        .await;
    assert!(matches!(unknown, Err(StoreError::NoProject(named)) if named == id));
    assert!(
        world
            .store
            .runners(RunnerFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
}

pub async fn a_full_quota_refuses_and_names_the_holders(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(2)).await;
    world.launch(&project).await;
    world.launch_named(&project, "helper").await.unwrap();
    let refused = world.try_launch(world.new_runner(&project), FREE).await;
    let text = refused.as_ref().unwrap_err().to_string();
    assert_eq!(
        text,
        "the quota of the project is full: 2 of 2 places are taken by api-1, helper"
    );
    assert_eq!(holders(refused), ["api-1", "helper"]);
    assert_eq!(
        world.kinds_of(project.id.as_uuid()).await,
        ["project.added", "project.quota_refused"]
    );
    assert_eq!(
        world
            .store
            .runners(RunnerFilter::default())
            .await
            .unwrap()
            .len(),
        2
    );
    assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
}

pub async fn the_projects_own_limit_goes_before_the_default(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (own, other) = (
        world.project("own", Some(2)).await,
        world.project("other", None).await,
    );
    let limits = Limits {
        project: Some(1),
        node: None,
        budgets: None,
    };
    for project in [&own, &own, &other] {
        world
            .try_launch(world.new_runner(project), limits)
            .await
            .unwrap();
    }
    for project in [&own, &other] {
        holders(world.try_launch(world.new_runner(project), limits).await);
    }
    let none = world.project("none", Some(0)).await;
    assert!(holders(world.try_launch(world.new_runner(&none), FREE).await).is_empty());
}

pub async fn the_nodes_limit_covers_all_projects(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", Some(9)).await,
    );
    let limits = Limits {
        project: None,
        node: Some(2),
        budgets: None,
    };
    for project in [&api, &web] {
        world
            .try_launch(world.new_runner(project), limits)
            .await
            .unwrap();
    }
    let refused = world.try_launch(world.new_runner(&web), limits).await;
    assert!(
        matches!(&refused, Err(StoreError::QuotaFull { full, .. }) if full.scope == Scope::Node && full.limit == 2)
    );
    assert_eq!(holders(refused), ["api-1", "web-1"]);
}

pub async fn every_state_that_holds_a_place_counts(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(1)).await;
    let mut new = world.new_runner(&project);
    new.launch.restart = RestartPolicy::OnFailure {
        max_attempts: 2,
        backoff_ms: 1,
    };
    let runner = world.try_launch(new, FREE).await.unwrap().runner;
    let refuse = async |state: StateName| {
        assert_eq!(world.state(runner.id).await, state);
        assert_eq!(
            holders(world.try_launch(world.new_runner(&project), FREE).await),
            ["api-1"]
        );
    };
    refuse(StateName::Starting).await;
    world.start(&runner).await;
    refuse(StateName::Running).await;
    world.apply(runner.id, Input::Pause).await;
    refuse(StateName::Paused).await;
    world.exit(&runner, 1).await;
    refuse(StateName::Backoff).await;
    world.apply(runner.id, Input::RetryDue).await;
    world.start(&runner).await;
    world.apply(runner.id, Input::Stop { grace: GRACE }).await;
    refuse(StateName::Stopping).await;
    world.exit(&runner, 0).await;
    assert_eq!(world.state(runner.id).await, StateName::Terminated);
    world.launch(&project).await;
}

pub async fn a_hundred_launches_at_once_start_exactly_as_many_as_the_quota(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(5)).await;
    let mut tasks = JoinSet::new();
    for _ in 0..100 {
        let (world, new) = (world.clone(), world.new_runner(&project));
        tasks.spawn(async move { world.try_launch(new, FREE).await });
    }
    let (started, refused): (Vec<_>, Vec<_>) =
        tasks.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((started.len(), refused.len()), (5, 95));
    for refusal in refused {
        assert_eq!(holders(refusal).len(), 5);
    }
    assert_eq!(world.active().await, 5);
    let refusals = world.kinds_of(project.id.as_uuid()).await;
    assert_eq!(
        refusals
            .iter()
            .filter(|kind| **kind == "project.quota_refused")
            .count(),
        95
    );
}

pub async fn a_queued_launch_waits_for_its_place(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(1)).await;
    let first = world.queue(&project, FREE).await;
    assert_eq!(
        first.state.name(),
        StateName::Starting,
        "with room, nothing waits"
    );
    let new = NewRunner {
        queue: true,
        ..world.new_runner(&project)
    };
    let second = world.try_launch(new, FREE).await.unwrap();
    assert_eq!(second.runner.state.name(), StateName::Queued);
    assert!(second.effects.is_empty() && second.changed);
    assert_eq!(
        world.kinds_of(second.runner.id.as_uuid()).await,
        ["runner.queued"]
    );
    assert_eq!(
        world.kinds_of(project.id.as_uuid()).await,
        ["project.added"],
        "waiting is no refusal"
    );

    assert!(
        world
            .store
            .admit_queued(FREE, world.now())
            .await
            .unwrap()
            .is_empty()
    );
    let early = world.try_apply(second.runner.id, Input::Admit).await;
    assert_eq!(holders(early), ["api-1"]);
    world.exit(&first, 0).await;
    let admitted = world.store.admit_queued(FREE, world.now()).await.unwrap();
    assert_eq!(admitted.len(), 1);
    assert_eq!(
        (admitted[0].runner.id, &admitted[0].effects[..]),
        (second.runner.id, &[Effect::Spawn { attempt: 1 }][..])
    );
    assert_eq!(admitted[0].runner, world.read(second.runner.id).await);
    assert_eq!(
        world.kinds_of(second.runner.id.as_uuid()).await,
        ["runner.queued", "runner.starting"]
    );
}

pub async fn places_go_to_the_longest_waiting_and_a_full_project_holds_back_no_other(
    store: Arc<dyn Store>,
) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", Some(0)).await,
        world.project("web", Some(1)).await,
    );
    let blocker = world.launch(&web).await;
    let stuck = world.queue(&api, FREE).await;
    let older = world.queue(&web, FREE).await;
    let newer = world.queue(&web, FREE).await;
    world.exit(&blocker, 0).await;
    let admitted = world.store.admit_queued(FREE, world.now()).await.unwrap();
    let ids: Vec<_> = admitted.iter().map(|applied| applied.runner.id).collect();
    assert_eq!(ids, [older.id]);
    for waiting in [stuck, newer] {
        assert_eq!(world.state(waiting.id).await, StateName::Queued);
    }
}

pub async fn the_node_is_never_overfilled_by_admission(store: Arc<dyn Store>) {
    let world = World::new(store);
    let limits = Limits {
        project: None,
        node: Some(2),
        budgets: None,
    };
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", None).await,
    );
    let first = world
        .try_launch(world.new_runner(&api), limits)
        .await
        .unwrap()
        .runner;
    let second = world
        .try_launch(world.new_runner(&web), limits)
        .await
        .unwrap()
        .runner;
    for project in [&api, &web, &api, &web] {
        assert_eq!(
            world.queue(project, limits).await.state.name(),
            StateName::Queued
        );
    }
    world.exit(&first, 0).await;
    world.exit(&second, 0).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let world = world.clone();
        tasks.spawn(async move {
            world
                .store
                .admit_queued(limits, world.now())
                .await
                .unwrap()
                .len()
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 2);
    assert_eq!(world.active().await, 2);
}

pub async fn a_restart_is_held_to_the_quota(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(1)).await;
    let ended = world.launch(&project).await;
    let ended = world.exit(&ended, 1).await;
    let holder = world.launch_named(&project, "holder").await.unwrap().runner;
    assert_eq!(
        holders(
            world
                .try_apply(ended.id, Input::Restart { grace: GRACE })
                .await
        ),
        ["holder"]
    );
    assert_eq!(world.read(ended.id).await, ended);
    assert_eq!(
        world.kinds_of(project.id.as_uuid()).await,
        ["project.added", "project.quota_refused"]
    );
    // One that holds its place restarts on it.
    world.start(&holder).await;
    world.restart(&holder).await;
    let exited = Input::Exited {
        attempt: 1,
        exit: Exit::Signal("TERM".into()),
        at: world.now(),
    };
    assert_eq!(
        world.apply(holder.id, exited).await.effects,
        [Effect::Spawn { attempt: 2 }]
    );
    assert_eq!(world.active().await, 1);
}

pub async fn a_restart_needs_its_name_and_its_project(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let first = world.launch_named(&project, "one").await.unwrap().runner;
    world.exit(&first, 1).await;
    let second = world.launch_named(&project, "one").await.unwrap().runner;
    let cursor = world.store.last_cursor().await.unwrap();
    let taken = world
        .try_apply(first.id, Input::Restart { grace: GRACE })
        .await;
    assert!(
        matches!(taken, Err(StoreError::NameTaken { what: "runner", .. })),
        "{taken:?}"
    );
    world.exit(&second, 0).await;
    assert!(world.store.last_cursor().await.unwrap() > cursor);
    assert_eq!(world.restart(&first).await.state.attempt(), 2);
    world.exit(&first, 0).await;
    world
        .store
        .archive_project(project.id, world.now())
        .await
        .unwrap();
    let cursor = world.store.last_cursor().await.unwrap();
    let archived = world
        .try_apply(first.id, Input::Restart { grace: GRACE })
        .await;
    assert!(
        matches!(archived, Err(StoreError::ProjectArchived(_))),
        "{archived:?}"
    );
    assert_eq!(world.store.last_cursor().await.unwrap(), cursor);
}
