//! Inputs applied to runners.

use std::sync::Arc;

use stratavore_core::fact::Fact;
use stratavore_core::ids::RunnerId;
use stratavore_core::launch::{CeilingAction, Excess};
use stratavore_core::runner::{Effect, Exit, Input, Refusal, StateName};
use tokio::task::JoinSet;

use super::model;
use super::world::{GRACE, World, a_process};
use crate::{RunnerFilter, Store, StoreError};

pub async fn a_change_is_kept_with_its_event(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    let input = Input::Started {
        attempt: 1,
        process: a_process(77),
        at: world.now(),
    };
    let expected = runner.apply(input.clone(), world.now()).unwrap();
    let applied = world.apply(runner.id, input).await;
    assert!(applied.changed);
    assert_eq!(applied.runner, expected.runner);
    assert_eq!(world.read(runner.id).await, expected.runner);
    let facts = world.facts_of(runner.id.as_uuid()).await;
    assert_eq!(facts[1..], expected.facts);
    let stopped = world.apply(runner.id, Input::Stop { grace: GRACE }).await;
    assert_eq!(
        stopped.effects,
        [Effect::EndTree {
            attempt: 1,
            grace: GRACE
        }]
    );
}

pub async fn an_input_that_changes_nothing_appends_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    let runner = world.start(&runner).await;
    let cursor = world.store.last_cursor().await.unwrap();
    let again = world
        .apply(
            runner.id,
            Input::Started {
                attempt: 1,
                process: a_process(1),
                at: world.now(),
            },
        )
        .await;
    assert!(!again.changed && again.effects.is_empty());
    assert_eq!(again.runner, runner);
    assert_eq!(world.read(runner.id).await, runner);
    assert_eq!(world.store.last_cursor().await.unwrap(), cursor);
}

pub async fn a_refused_input_changes_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    let cursor = world.store.last_cursor().await.unwrap();
    let refused = world.try_apply(runner.id, Input::Pause).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "cannot pause a runner that is starting"
    );
    let late = Input::Exited {
        attempt: 2,
        exit: Exit::Code(0),
        at: world.now(),
    };
    let refused = world.try_apply(runner.id, late).await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Refused(Refusal::OtherAttempt {
                got: 2,
                attempt: 1,
                ..
            }))
        ),
        "{refused:?}"
    );
    assert_eq!(world.read(runner.id).await, runner);
    assert_eq!(world.store.last_cursor().await.unwrap(), cursor);
}

pub async fn a_fact_that_is_told_again_is_there_once(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let runner = world.launch(&project).await;
    let at = world.now();
    let before = world.facts_of(runner.id.as_uuid()).await.len();
    // Its answer was lost, and it is told again; another of that moment, and the same of another, are others.
    for (attempt, at) in [(1, at), (1, at), (2, at), (1, world.now()), (1, at)] {
        world
            .store
            .note(runner.id, over(attempt), at)
            .await
            .unwrap();
    }
    let facts = world.facts_of(runner.id.as_uuid()).await;
    assert_eq!(facts[before..], [over(1), over(2), over(1)]);
    assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
}

pub async fn an_unknown_runner_is_an_error_that_names_it(store: Arc<dyn Store>) {
    let world = World::new(store);
    let id = RunnerId::new(world.now());
    for error in [
        world.store.runner(id).await.map(drop).unwrap_err(),
        world
            .try_apply(id, Input::Pause)
            .await
            .map(drop)
            .unwrap_err(),
        world
            .store
            .note(id, over(1), world.now())
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(error, StoreError::NoRunner(unknown) if unknown == id),
            "{error:?}"
        );
    }
}

pub async fn twenty_stops_at_once_are_one_stop(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    world.start(&runner).await;
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let (world, id) = (world.clone(), runner.id);
        tasks.spawn(async move { world.apply(id, Input::Stop { grace: GRACE }).await });
    }
    let stops = tasks.join_all().await;
    assert_eq!(stops.iter().filter(|applied| applied.changed).count(), 1);
    assert_eq!(
        stops
            .iter()
            .map(|applied| applied.effects.len())
            .sum::<usize>(),
        1
    );
    let kinds = world.kinds_of(runner.id.as_uuid()).await;
    assert_eq!(
        kinds,
        ["runner.starting", "runner.started", "runner.stopping"]
    );
}

fn over(attempt: u32) -> Fact {
    Fact::OverCeiling {
        attempt,
        excess: Excess::Cpu {
            used: 200,
            limit: 100,
        },
        action: CeilingAction::Notify,
    }
}

pub async fn a_note_is_appended_and_changes_no_state(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = world.launch(&world.project("api", None).await).await;
    let runner = world.start(&runner).await;
    world
        .store
        .note(runner.id, over(1), world.now())
        .await
        .unwrap();
    assert_eq!(world.read(runner.id).await, runner);
    assert_eq!(
        world.facts_of(runner.id.as_uuid()).await.last(),
        Some(&over(1))
    );
    world.exit(&runner, 0).await;
    assert_eq!(world.store.verify_audit().await.unwrap().faults, []);
}

pub async fn runners_are_listed_newest_first_and_filtered(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (
        world.project("api", None).await,
        world.project("web", None).await,
    );
    let first = world.launch(&api).await;
    world.launch(&web).await;
    world.launch(&api).await;
    world.exit(&first, 0).await;
    let names = async |filter: RunnerFilter| -> Vec<String> {
        let views = world.store.runners(filter).await.unwrap();
        views
            .into_iter()
            .map(|view| view.runner.name.into())
            .collect()
    };
    let all = RunnerFilter::default();
    assert_eq!(names(all.clone()).await, ["api-2", "web-1", "api-1"]);
    assert_eq!(
        names(RunnerFilter {
            limit: Some(2),
            ..all.clone()
        })
        .await,
        ["api-2", "web-1"]
    );
    assert_eq!(
        names(RunnerFilter {
            project: Some(api.id),
            ..all.clone()
        })
        .await,
        ["api-2", "api-1"]
    );
    let states = vec![StateName::Starting, StateName::Running];
    assert_eq!(
        names(RunnerFilter {
            states: states.clone(),
            ..all.clone()
        })
        .await,
        ["api-2", "web-1"]
    );
    let both = RunnerFilter {
        node: None,
        project: Some(api.id),
        states,
        limit: Some(5),
    };
    assert_eq!(names(both).await, ["api-2"]);
    let none = RunnerFilter {
        states: vec![StateName::Failed],
        ..all
    };
    assert!(names(none).await.is_empty());
}

pub async fn a_runner_is_found_by_the_beginning_of_its_name_or_id(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, other) = (
        world.project("größe", None).await,
        world.project("groß", None).await,
    );
    let first = world.launch(&api).await;
    world.launch(&other).await;
    world.exit(&first, 0).await;
    world.launch(&api).await;
    let called = async |beginning: &str| -> Vec<String> {
        let views = world.store.runners_called(beginning).await.unwrap();
        views
            .into_iter()
            .map(|view| view.runner.name.into())
            .collect()
    };
    assert_eq!(
        called("größe").await,
        ["größe-1", "größe-1"],
        "ended ones too"
    );
    assert_eq!(called("groß").await, ["groß-1"]);
    assert_eq!(called("gr").await, ["größe-1", "groß-1", "größe-1"]);
    assert_eq!(called("").await.len(), 3);
    for nobody in ["Gr", "röße", "%", "g_", "0-"] {
        assert!(called(nobody).await.is_empty(), "{nobody}");
    }
    let id = first.id.to_string();
    for length in [id.len(), id.len() - 1] {
        let found = world.store.runners_called(&id[..length]).await.unwrap();
        assert!(found.iter().any(|view| view.runner.id == first.id));
    }
    assert_eq!(called(&id).await, ["größe-1"]);
}

pub async fn runners_are_counted_by_state(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    assert!(world.store.runner_counts().await.unwrap().is_empty());
    for _ in 0..3 {
        world.launch(&project).await;
    }
    let ended = world.launch(&project).await;
    world.exit(&ended, 1).await;
    let counts: Vec<(StateName, u64)> = world
        .store
        .runner_counts()
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(counts, [(StateName::Starting, 3), (StateName::Failed, 1)]);
}

pub async fn random_commands_agree_with_the_model(store: Arc<dyn Store>) {
    model::compare(&World::new(store));
}
