//! Projects.

use std::sync::Arc;

use stratavore_core::ids::ProjectId;
use stratavore_core::runner::Input;

use super::world::{FREE, GRACE, World};
use crate::{NewRunner, Store, StoreError};

pub async fn what_was_added_is_read_back(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("größe", Some(3)).await;
    assert_eq!(world.store.project(project.id).await.unwrap(), project);
    assert_eq!(
        (
            project.name.as_str(),
            project.max_runners,
            project.archived_at
        ),
        ("größe", Some(3), None)
    );
    assert_eq!(
        world.kinds_of(project.id.as_uuid()).await,
        ["project.added"]
    );
}

pub async fn a_name_belongs_to_one_project_that_is_not_archived(store: Arc<dyn Store>) {
    let world = World::new(store);
    let first = world.project("api", None).await;
    let again = world.try_project("api", None).await;
    assert!(
        matches!(
            again,
            Err(StoreError::NameTaken {
                what: "project",
                ..
            })
        ),
        "{again:?}"
    );
    assert_eq!(world.events().await.len(), 1);
    world
        .store
        .archive_project(first.id, world.now())
        .await
        .unwrap();
    let second = world.project("api", None).await;
    assert_ne!(first.id, second.id);
}

pub async fn the_list_is_by_name_and_leaves_out_archived_ones(store: Arc<dyn Store>) {
    let world = World::new(store);
    world.project("web", None).await;
    let old = world.project("old", None).await;
    world.project("api", None).await;
    world
        .store
        .archive_project(old.id, world.now())
        .await
        .unwrap();
    let names = |projects: Vec<stratavore_core::project::Project>| -> Vec<String> {
        projects
            .into_iter()
            .map(|project| project.name.into())
            .collect()
    };
    assert_eq!(
        names(world.store.projects(false).await.unwrap()),
        ["api", "web"]
    );
    assert_eq!(
        names(world.store.projects(true).await.unwrap()),
        ["api", "old", "web"]
    );
}

pub async fn an_unknown_project_is_an_error_that_names_it(store: Arc<dyn Store>) {
    let world = World::new(store);
    let id = ProjectId::new(world.now());
    for error in [
        world.store.project(id).await.unwrap_err(),
        world
            .store
            .archive_project(id, world.now())
            .await
            .unwrap_err(),
    ] {
        assert!(
            matches!(error, StoreError::NoProject(unknown) if unknown == id),
            "{error:?}"
        );
        assert!(error.to_string().contains(&id.to_string()), "{error}");
    }
}

pub async fn archiving_again_changes_nothing(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let archived = world
        .store
        .archive_project(project.id, world.now())
        .await
        .unwrap();
    assert!(archived.archived_at.is_some() && archived.revision > project.revision);
    let again = world
        .store
        .archive_project(project.id, world.now())
        .await
        .unwrap();
    assert_eq!(again, archived);
    assert_eq!(world.store.project(project.id).await.unwrap(), archived);
    assert_eq!(
        world.kinds_of(project.id.as_uuid()).await,
        ["project.added", "project.archived"]
    );
}

pub async fn archiving_waits_for_every_runner_to_end(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", Some(1)).await;
    let running = world.launch(&project).await;
    let queued = world.queue(&project, FREE).await;
    let busy = world.store.archive_project(project.id, world.now()).await;
    assert!(
        matches!(busy, Err(StoreError::ProjectBusy { active: 2, .. })),
        "{busy:?}"
    );
    world.exit(&running, 0).await;
    let busy = world.store.archive_project(project.id, world.now()).await;
    assert!(
        matches!(busy, Err(StoreError::ProjectBusy { active: 1, .. })),
        "{busy:?}"
    );
    world.apply(queued.id, Input::Stop { grace: GRACE }).await;
    world
        .store
        .archive_project(project.id, world.now())
        .await
        .unwrap();
    assert_eq!(world.state(running.id).await.as_str(), "terminated");
    let late = NewRunner {
        queue: true,
        ..world.new_runner(&project)
    };
    assert!(matches!(
        world.try_launch(late, FREE).await,
        Err(StoreError::ProjectArchived(_))
    ));
}
