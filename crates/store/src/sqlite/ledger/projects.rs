//! Projects: adding and archiving.

use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::ProjectId;
use stratavore_core::project::Project;

use super::{Ledger, Outcome};
use crate::chain::Chain;
use crate::row::{ProjectRow, signed, small};
use crate::sqlite::sql::project as sql;
use crate::{NewProject, StoreError};

/// Whom facts concern that nobody is told of.
const NOBODY: &str = "";

impl Ledger {
    pub(in crate::sqlite) async fn add_project(
        &mut self,
        new: NewProject,
        now: Timestamp,
    ) -> Outcome<Project> {
        let taken: bool = sqlx::query_scalar(sql::NAME_TAKEN)
            .bind(new.name.as_str())
            .fetch_one(&mut self.connection)
            .await?;
        if taken {
            return Err(StoreError::NameTaken {
                what: "project",
                name: new.name.into(),
            }
            .into());
        }
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
        self.append(&mut chain, &[fact], NOBODY, now).await?;
        sqlx::query(sql::INSERT)
            .bind(chain.id)
            .bind(project.name.as_str())
            .bind(&project.path)
            .bind(project.max_runners)
            .bind(now.timestamp_micros())
            .bind(signed(project.revision))
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .execute(&mut self.connection)
            .await?;
        Ok(project)
    }

    pub(in crate::sqlite) async fn archive_project(
        &mut self,
        id: ProjectId,
        now: Timestamp,
    ) -> Outcome<Project> {
        let (mut project, mut chain) = self.project(id).await?;
        if project.archived_at.is_some() {
            return Ok(project);
        }
        let active: i64 = sqlx::query_scalar(sql::UNENDED)
            .bind(chain.id)
            .fetch_one(&mut self.connection)
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
        self.append(&mut chain, &[Fact::ProjectArchived {}], NOBODY, now)
            .await?;
        sqlx::query(sql::ARCHIVE)
            .bind(chain.id)
            .bind(now.timestamp_micros())
            .bind(signed(project.revision))
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .execute(&mut self.connection)
            .await?;
        Ok(project)
    }

    /// Reads a project and the end of its chain.
    pub(super) async fn project(&mut self, id: ProjectId) -> Outcome<(Project, Chain)> {
        let row: Option<ProjectRow> = sqlx::query_as(sql::GET)
            .bind(id.as_uuid())
            .fetch_optional(&mut self.connection)
            .await?;
        let row = row.ok_or(StoreError::NoProject(id))?;
        let chain = Chain::of_project(&row)?;
        Ok((row.project()?, chain))
    }

    /// Appends facts to a project's chain that change nothing else of it.
    pub(super) async fn note_of_project(
        &mut self,
        mut chain: Chain,
        facts: &[Fact],
        person: &str,
        now: Timestamp,
    ) -> Outcome<()> {
        self.append(&mut chain, facts, person, now).await?;
        sqlx::query(sql::HEAD)
            .bind(chain.id)
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }
}
