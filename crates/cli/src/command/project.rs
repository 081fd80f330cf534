//! `stratavore project`.

use stratavore_rpc::v1;

use super::status;
use crate::age;
use crate::args::{ProjectAddArgs, ProjectCommand};
use crate::failure::{Failure, Kind, Result};
use crate::invocation::Invocation;
use crate::runner::{rows_text, when};
use crate::table::{Side, Table};

pub(super) async fn run(call: &Invocation, command: ProjectCommand) -> Result {
    match command {
        ProjectCommand::Add(args) => add(call, args).await,
        ProjectCommand::List { archived } => {
            let mut host = call.host().await?;
            let request = v1::ListProjectsRequest { archived };
            let projects = host
                .ask(async |client| client.list_projects(request).await)
                .await?
                .projects;
            status::age(call, &mut host).await;
            call.output.data(&projects, |projects| list(call, projects))
        }
        ProjectCommand::Show { project } => {
            let mut host = call.host().await?;
            let project = host
                .ask(async |client| client.get_project(v1::ProjectRef { project }).await)
                .await?;
            call.output.data(&project, |project| card(call, project))
        }
        ProjectCommand::Archive { project } => {
            let mut host = call.host().await?;
            let project = host
                .ask(async |client| client.archive_project(v1::ProjectRef { project }).await)
                .await?;
            call.output.data(&project, |project| {
                call.output
                    .note(format!("archived project {}", project.name));
                String::new()
            })
        }
    }
}

async fn add(call: &Invocation, args: ProjectAddArgs) -> Result {
    let ProjectAddArgs {
        name,
        path,
        max_runners,
    } = args;
    let absolute = std::path::absolute(&path).map_err(|error| {
        Failure::caused(
            Kind::Usage,
            format!("cannot make the path {} absolute", path.display()),
            &error,
        )
        .hint("name a directory with --path")
    })?;
    let Ok(path) = absolute.into_os_string().into_string() else {
        return Err(Failure::new(
            Kind::Usage,
            format!("the path {} is not UTF-8", path.display()),
        )
        .hint("rename the directory, or link to it under another name"));
    };
    let mut host = call.host().await?;
    let request = v1::AddProjectRequest {
        name,
        path,
        max_runners,
    };
    let project = host
        .ask(async |client| client.add_project(request).await)
        .await?;
    call.output.data(&project, |project| {
        call.output.note(format!(
            "added project {} at {}",
            project.name, project.path
        ));
        String::new()
    })
}

fn list(call: &Invocation, projects: &[v1::Project]) -> String {
    if projects.is_empty() {
        call.output
            .note("no projects; add one with `stratavore project add NAME --path DIR`");
        return String::new();
    }
    let mut table = Table::new(&[
        ("NAME", Side::Left),
        ("RUNNERS", Side::Right),
        ("AGE", Side::Right),
        ("PATH", Side::Left),
    ]);
    for project in projects {
        let path = match project.archived_at {
            Some(_) => format!("{} (archived)", project.path),
            None => project.path.clone(),
        };
        table.row([
            project.name.clone(),
            runners(project),
            age::since(&project.created_at, call.now()),
            path,
        ]);
    }
    table.render(call.output.stdout)
}

fn card(call: &Invocation, project: &v1::Project) -> String {
    rows_text(&[
        ("name", project.name.clone()),
        ("id", project.id.clone()),
        ("path", project.path.clone()),
        ("runners", runners(project)),
        ("created", when(&project.created_at, call.now())),
        (
            "archived",
            project
                .archived_at
                .as_deref()
                .map(|at| when(at, call.now()))
                .unwrap_or_default(),
        ),
    ])
}

/// Tells how many runners are active, and of how many.
fn runners(project: &v1::Project) -> String {
    match project.max_runners {
        Some(max) => format!("{}/{max}", project.active_runners),
        None => project.active_runners.to_string(),
    }
}
