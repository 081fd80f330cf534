//! Projects: adding and archiving.

use sqlx::PgConnection;
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::ProjectId;
use stratavore_core::project::Project;

use super::{Ledger, Node, Scope, appending};
use crate::chain::Chain;
use crate::postgres::sql::project as sql;
use crate::postgres::trouble::{Outcome, Trouble};
use crate::row::{ProjectRow, signed, small};
use crate::{NewProject, StoreError};

/// Whom facts concern that nobody is told of.
const NOBODY: &str = "";

impl Ledger<'_> {
    pub(in crate::postgres) async fn add_project(
        &mut self,
        new: NewProject,
        now: Timestamp,
    ) -> Outcome<Project> {
        let project = Project {
            id: new.id,
            name: new.name,
            path: new.path,
            max_runners: new.max_runners,
            created_at: now,
            archived_at: None,
            revision: 1,
        };
        let mut chain = Chain::of_new_project(project.id.as_uuid());
        let fact = Fact::ProjectAdded {
            name: project.name.to_string(),
            path: project.path.clone(),
        };
        let added = appending(sql::INSERT, self.node, &mut chain, &[fact], NOBODY, now)?
            .bind(project.name.to_string())
            .bind(project.path.clone())
            .bind(project.max_runners.map(i64::from))
            .bind(signed(project.revision))
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .fetch_one(&mut *self.connection)
            .await
            .map_err(Trouble::from);
        match added {
            Ok(_) => Ok(project),
            Err(trouble) if trouble.constraint() == Some("project_names") => {
                Err(StoreError::NameTaken {
                    what: "project",
                    name: project.name.into(),
                }
                .into())
            }
            Err(trouble) => Err(trouble),
        }
    }

    pub(in crate::postgres) async fn archive_project(
        &mut self,
        id: ProjectId,
        now: Timestamp,
    ) -> Outcome<Project> {
        let node = self.node;
        let mut transaction = self.begin(&[Scope::Project(id)]).await?;
        let row = read(&mut transaction, id).await?;
        let mut chain = Chain::of_project(&row)?;
        let mut project = row.project()?;
        if project.archived_at.is_some() {
            transaction.commit().await?;
            return Ok(project);
        }
        let active: i64 = sqlx::query_scalar(sql::UNENDED)
            .bind(chain.id)
            .fetch_one(&mut *transaction)
            .await?;
        if active > 0 {
            let active = small("the number of runners", active)?;
            return Err(StoreError::ProjectBusy {
                name: project.name.into(),
                active,
            }
            .into());
        }
        project.archived_at = Some(now);
        project.revision += 1;
        let before = chain.seq();
        let facts = [Fact::ProjectArchived {}];
        let archived = appending(sql::ARCHIVE, node, &mut chain, &facts, NOBODY, now)?
            .bind(signed(project.revision))
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .bind(before)
            .fetch_one(&mut *transaction)
            .await?;
        expect_one(archived)?;
        transaction.commit().await?;
        Ok(project)
    }
}

/// Reads a project.
pub(super) async fn read(connection: &mut PgConnection, id: ProjectId) -> Outcome<ProjectRow> {
    let row: Option<ProjectRow> = sqlx::query_as(sql::GET)
        .bind(id.as_uuid())
        .fetch_optional(connection)
        .await?;
    Ok(row.ok_or(StoreError::NoProject(id))?)
}

/// Appends a fact to a project's chain that changes nothing else of it. The project is locked.
pub(super) async fn note(
    connection: &mut PgConnection,
    node: &Node,
    mut chain: Chain,
    fact: Fact,
    person: &str,
    now: Timestamp,
) -> Outcome<()> {
    let before = chain.seq();
    let noted = appending(sql::NOTE, node, &mut chain, &[fact], person, now)?
        .bind(chain.seq())
        .bind(chain.head.to_vec())
        .bind(before)
        .fetch_one(connection)
        .await?;
    expect_one(noted)
}

/// Whoever holds a project's lock finds its row as it was read.
fn expect_one(changed: i64) -> Outcome<()> {
    if changed == 1 {
        return Ok(());
    }
    Err(StoreError::Corrupt {
        what: "a project".to_owned(),
        reason: "it was changed by something that did not lock it; try again".to_owned(),
    }
    .into())
}
