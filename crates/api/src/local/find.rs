//! Finds what a person names: by id, name, or a prefix of either that names just one.

use stratavore_core::ids::{ProjectId, RunnerId};
use stratavore_core::project::Project;
use stratavore_store::{NodeView, RunnerView, StoreError};
use stratavore_supervisor::Supervisor;

use crate::failure::store_failure;
use crate::{Code, Failure, Result};

/// How many of several candidates an error lists.
const LISTED: usize = 8;

/// Finds a runner. One that has not ended goes before those that have; of those with the same name, the newest is meant.
pub(super) async fn runner(supervisor: &Supervisor, reference: &str) -> Result<RunnerView> {
    let store = supervisor.store();
    if let Ok(id) = reference.parse::<RunnerId>() {
        return match store.runner(id).await {
            Err(StoreError::NoRunner(_)) => Err(no_runner(reference)),
            other => other.map_err(store_failure),
        };
    }
    if reference.is_empty() {
        return Err(Failure::new(Code::Invalid, "the runner's name is empty")
            .hint("list them with `stratavore runners`"));
    }
    let called = store
        .runners_called(reference)
        .await
        .map_err(store_failure)?;
    // A whole name goes before all that merely begin with it: `api-1` is never `api-10`.
    let (exact, longer): (Vec<_>, Vec<_>) = called
        .into_iter()
        .partition(|view| view.runner.name.as_str() == reference);
    for views in [exact, longer] {
        let (active, ended) = views
            .into_iter()
            .partition(|view| !view.runner.state.name().is_final());
        for views in [active, ended] {
            if let Some(found) = named(views, reference)? {
                return Ok(found);
            }
        }
    }
    Err(no_runner(reference))
}

/// Finds a node.
pub(super) async fn node(supervisor: &Supervisor, reference: &str) -> Result<NodeView> {
    let nodes = supervisor.store().nodes().await.map_err(store_failure)?;
    let none = || {
        Failure::new(Code::NotFound, format!("no node is called {reference:?}"))
            .hint("list them with `stratavore node list`")
    };
    let (named, others): (Vec<_>, Vec<_>) = nodes
        .into_iter()
        .partition(|node| node.name == reference || node.id.as_str() == reference);
    let mut meant = match named.is_empty() {
        false => named,
        true => others
            .into_iter()
            .filter(|node| !reference.is_empty() && node.id.as_str().starts_with(reference))
            .collect(),
    };
    match meant.len() {
        0 => Err(none()),
        1 => Ok(meant.remove(0)),
        _ => {
            let ids: Vec<&str> = meant.iter().map(|node| node.id.as_str()).collect();
            Err(Failure::new(
                Code::Ambiguous,
                format!("several nodes are called {reference:?}"),
            )
            .hint(format!("name one by its id: {}", ids.join(", "))))
        }
    }
}

/// Chooses among runners whose name or id begins with the reference.
fn named(mut views: Vec<RunnerView>, reference: &str) -> Result<Option<RunnerView>> {
    // Newest first: the first of an exact name is the one meant.
    if let Some(exact) = views
        .iter()
        .position(|view| view.runner.name.as_str() == reference)
    {
        return Ok(views.into_iter().nth(exact));
    }
    if views.len() > 1 {
        let names: Vec<String> = views
            .iter()
            .take(LISTED)
            .map(|view| format!("{} ({})", view.runner.name, view.runner.id))
            .collect();
        let more = views.len().saturating_sub(LISTED);
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        return Err(Failure::new(
            Code::Ambiguous,
            format!(
                "{reference:?} names {} runners: {}{rest}",
                views.len(),
                names.join(", ")
            ),
        )
        .hint("name one by its id or its whole name"));
    }
    Ok(views.pop())
}

fn no_runner(reference: &str) -> Failure {
    Failure::new(Code::NotFound, format!("no runner is named {reference:?}"))
        .hint("list them with `stratavore runners --all`")
}

/// Finds a project by name or id; one that is not archived goes before those that are.
pub(super) async fn project(supervisor: &Supervisor, reference: &str) -> Result<Project> {
    let store = supervisor.store();
    if let Ok(id) = reference.parse::<ProjectId>() {
        return match store.project(id).await {
            Err(StoreError::NoProject(_)) => Err(no_project(reference)),
            other => other.map_err(store_failure),
        };
    }
    let mut projects = store.projects(true).await.map_err(store_failure)?;
    projects.sort_by_key(|project| {
        (
            project.archived_at.is_some(),
            std::cmp::Reverse(project.created_at),
        )
    });
    projects
        .into_iter()
        .find(|project| project.name.as_str() == reference)
        .ok_or_else(|| no_project(reference))
}

fn no_project(reference: &str) -> Failure {
    Failure::new(Code::NotFound, format!("no project is named {reference:?}"))
        .hint(format!("list them with `stratavore project list`, or add it: `stratavore project add {reference} --path DIR`"))
}
