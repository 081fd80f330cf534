//! Runners: launching, changing, observing.

use std::collections::HashSet;

use stratavore_core::budget;
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::name::Name;
use stratavore_core::project::Project;
use stratavore_core::quota::{self, Full, Limits, Scope, Usage};
use stratavore_core::runner::{Failure, Input, Outcome as Change, State};
use uuid::Uuid;

use super::{Ledger, Outcome};
use crate::admission::{self, Asker, Obstacle, STEM};
use crate::chain::Chain;
use crate::row::{RunnerRow, json, signed, small};
use crate::sqlite::sql::{event, runner as sql};
use crate::{Applied, Heartbeat, NewRunner, Result, StoreError};

impl Ledger {
    /// Launches a runner. The inner error is a refusal, whose event is kept.
    pub(in crate::sqlite) async fn launch(
        &mut self,
        new: NewRunner,
        limits: Limits,
        now: Timestamp,
    ) -> Outcome<Result<Applied>> {
        if let Some(request) = new.request_id
            && let Some(row) = self.runner_row(sql::BY_REQUEST, request).await?
        {
            return Ok(Ok(Applied {
                runner: row.view()?.runner,
                effects: Vec::new(),
                changed: false,
            }));
        }
        let (project, project_chain) = self.project(new.project_id).await?;
        if project.archived_at.is_some() {
            return Err(StoreError::ProjectArchived(project.name.into()).into());
        }
        let name = match &new.name {
            Some(name) => {
                self.expect_free(name).await?;
                name.clone()
            }
            None => self.free_name(&project).await?,
        };
        let id = new.id.as_uuid();
        let (node, person) = (new.node.clone(), new.person.clone());
        let (request_id, program) = (new.request_id, new.launch.program.clone());
        let admitted = self
            .admit(&project, &node, Asker::first(&new.launch), limits)
            .await?;
        let change = match admission::launch(new, name, &project, admitted, now) {
            Ok(change) => change,
            Err(obstacle) => {
                let fact = admission::refusal(&obstacle, &program);
                self.note_of_project(project_chain, &[fact], &person, now)
                    .await?;
                return self.refused(&project, &node, "", obstacle).await.map(Err);
            }
        };
        let mut chain = Chain::of_new_runner(id, project.id.as_uuid());
        let runner = change.runner;
        self.append(&mut chain, &change.facts, &runner.person, now)
            .await?;
        sqlx::query(sql::INSERT)
            .bind(chain.id)
            .bind(chain.project_id)
            .bind(runner.name.as_str())
            .bind(runner.node.as_str())
            .bind(&runner.person)
            .bind(runner.state.name().as_str())
            .bind(runner.state.attempt())
            .bind(json("the state", &runner.state)?)
            .bind(now.timestamp_micros())
            .bind(signed(runner.revision))
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .bind(request_id)
            .bind(json("the launch", &runner.launch)?)
            .execute(&mut self.connection)
            .await?;
        Ok(Ok(Applied {
            runner,
            effects: change.effects,
            changed: true,
        }))
    }

    /// Applies an input. The inner error is a refusal, whose event is kept.
    pub(in crate::sqlite) async fn apply(
        &mut self,
        id: RunnerId,
        input: Input,
        limits: Limits,
        now: Timestamp,
    ) -> Outcome<Result<Applied>> {
        let row = self
            .runner_row(sql::GET, id.as_uuid())
            .await?
            .ok_or(StoreError::NoRunner(id))?;
        let chain = Chain::of_runner(&row)?;
        let before = row.view()?.runner;
        let restart = matches!(input, Input::Restart { .. });
        let change = before.apply(input, now).map_err(StoreError::from)?;
        if change.facts.is_empty() {
            return Ok(Ok(Applied {
                runner: change.runner,
                effects: change.effects,
                changed: false,
            }));
        }
        let was = before.state.name();
        if admission::wants_place(was, change.runner.state.name()) {
            let (project, project_chain) = self.project(before.project_id).await?;
            if project.archived_at.is_some() {
                return Err(StoreError::ProjectArchived(project.name.into()).into());
            }
            if was.is_final() {
                self.expect_free(&before.name).await?;
            }
            let again = Asker::again(&before);
            let admitted = self.admit(&project, &before.node, again, limits).await?;
            if let Err(obstacle) = admitted {
                let fact = admission::refusal(&obstacle, &before.launch.program);
                let (node, name) = (&before.node, before.name.as_str());
                let refused = self.refused(&project, node, name, obstacle).await?;
                if !restart {
                    return Err(refused.into());
                }
                self.note_of_project(project_chain, &[fact], &before.person, now)
                    .await?;
                return Ok(Err(refused));
            }
        }
        self.keep(chain, change, now).await.map(Ok)
    }

    /// Admits queued runners while there are places, the longest waiting first.
    pub(in crate::sqlite) async fn admit_queued(
        &mut self,
        limits: Limits,
        now: Timestamp,
    ) -> Outcome<Vec<Applied>> {
        let waiting: Vec<RunnerRow> = sqlx::query_as(sql::QUEUED)
            .bind(self.instance.as_str())
            .fetch_all(&mut self.connection)
            .await?;
        let here = self.instance.clone();
        let mut full_projects = HashSet::new();
        let mut admitted = Vec::new();
        for row in waiting {
            let project_id = ProjectId::from_uuid(row.project_id);
            if full_projects.contains(&project_id) {
                continue;
            }
            let (project, _) = self.project(project_id).await?;
            let chain = Chain::of_runner(&row)?;
            let runner = row.view()?.runner;
            let again = Asker::again(&runner);
            match self.admit(&project, &here, again, limits).await? {
                Ok(()) => {}
                Err(Obstacle::Quota(Full {
                    scope: Scope::Node, ..
                })) => break,
                Err(Obstacle::Quota(Full {
                    scope: Scope::Project,
                    ..
                })) => {
                    full_projects.insert(project_id);
                    continue;
                }
                Err(Obstacle::Budget(overdrawn)) => match overdrawn.budget.scope {
                    budget::Scope::Global => break,
                    budget::Scope::Project(_) => {
                        full_projects.insert(project_id);
                        continue;
                    }
                    budget::Scope::Runner(_) | budget::Scope::Session(_) => continue,
                },
            }
            let change = runner.apply(Input::Admit, now).map_err(StoreError::from)?;
            admitted.push(self.keep(chain, change, now).await?);
        }
        Ok(admitted)
    }

    /// Appends a fact that changes no state.
    pub(in crate::sqlite) async fn note(
        &mut self,
        id: RunnerId,
        fact: Fact,
        now: Timestamp,
    ) -> Outcome<()> {
        let row = self
            .runner_row(sql::GET, id.as_uuid())
            .await?
            .ok_or(StoreError::NoRunner(id))?;
        let is_there: bool = sqlx::query_scalar(event::IS_THERE)
            .bind(id.as_uuid())
            .bind(now.timestamp_micros())
            .bind(json("a fact", &fact)?)
            .fetch_one(&mut self.connection)
            .await?;
        if is_there {
            return Ok(());
        }
        let mut chain = Chain::of_runner(&row)?;
        self.append(&mut chain, &[fact], &row.person, now).await?;
        sqlx::query(sql::HEAD)
            .bind(chain.id)
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Keeps the newest of these observations.
    pub(in crate::sqlite) async fn record_heartbeats(
        &mut self,
        heartbeats: Vec<Heartbeat>,
    ) -> Outcome<()> {
        let rows: Vec<serde_json::Value> = heartbeats.iter().map(heartbeat_row).collect();
        sqlx::query(sql::OBSERVE)
            .bind(json("heartbeats", &rows)?)
            .execute(&mut self.connection)
            .await?;
        Ok(())
    }

    /// Takes back the offers to start interrupted runners again.
    pub(in crate::sqlite) async fn answer_interrupted(&mut self) -> Outcome<Vec<RunnerId>> {
        let ids: Vec<Uuid> = sqlx::query_scalar(sql::ANSWER)
            .bind(self.instance.as_str())
            .fetch_all(&mut self.connection)
            .await?;
        Ok(ids.into_iter().map(RunnerId::from_uuid).collect())
    }

    pub(super) async fn runner_row(
        &mut self,
        statement: &'static str,
        id: Uuid,
    ) -> Outcome<Option<RunnerRow>> {
        Ok(sqlx::query_as(statement)
            .bind(id)
            .fetch_optional(&mut self.connection)
            .await?)
    }

    pub(super) async fn keep(
        &mut self,
        mut chain: Chain,
        change: Change,
        now: Timestamp,
    ) -> Outcome<Applied> {
        let runner = change.runner;
        self.append(&mut chain, &change.facts, &runner.person, now)
            .await?;
        let unanswered = matches!(
            runner.state,
            State::Failed {
                failure: Failure::Interrupted,
                ..
            }
        );
        sqlx::query(sql::UPDATE)
            .bind(chain.id)
            .bind(runner.state.name().as_str())
            .bind(runner.state.attempt())
            .bind(json("the state", &runner.state)?)
            .bind(signed(runner.revision))
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .bind(unanswered)
            .execute(&mut self.connection)
            .await?;
        Ok(Applied {
            runner,
            effects: change.effects,
            changed: true,
        })
    }

    /// Tells whether a project, a node and budgets have room for one more runner.
    async fn admit(
        &mut self,
        project: &Project,
        node: &InstanceId,
        asker: Asker<'_>,
        defaults: Limits,
    ) -> Outcome<Result<(), Obstacle>> {
        let places = if *node == self.instance {
            defaults.node
        } else {
            self.places_on(node).await?
        };
        let limits = admission::limits(project, defaults, places);
        if limits.project.is_some() || limits.node.is_some() {
            let (in_project, on_node): (i64, i64) = sqlx::query_as(sql::USAGE)
                .bind(project.id.as_uuid())
                .bind(node.as_str())
                .fetch_one(&mut self.connection)
                .await?;
            let what = "the number of runners";
            let usage = Usage {
                project: small(what, in_project)?,
                node: small(what, on_node)?,
            };
            if let Err(full) = quota::admit(limits, usage) {
                return Ok(Err(Obstacle::Quota(full)));
            }
        }
        let afforded = self.afford(project, asker, limits.budgets).await?;
        Ok(afforded.map_err(Obstacle::Budget))
    }

    /// Says what leaves no room, and who holds a full quota.
    async fn refused(
        &mut self,
        project: &Project,
        node: &InstanceId,
        runner: &str,
        obstacle: Obstacle,
    ) -> Outcome<StoreError> {
        let full = match obstacle {
            Obstacle::Budget(overdrawn) => {
                return Ok(overdrawn.error(project.name.as_str(), runner));
            }
            Obstacle::Quota(full) => full,
        };
        let (within, on) = match full.scope {
            Scope::Project => (Some(project.id.as_uuid()), None),
            Scope::Node => (None, Some(node.as_str())),
        };
        let holders = sqlx::query_scalar(sql::HOLDERS)
            .bind(within)
            .bind(on)
            .fetch_all(&mut self.connection)
            .await?;
        Ok(StoreError::QuotaFull { full, holders })
    }

    async fn expect_free(&mut self, name: &Name) -> Outcome<()> {
        let taken: bool = sqlx::query_scalar(sql::NAME_TAKEN)
            .bind(name.as_str())
            .fetch_one(&mut self.connection)
            .await?;
        if taken {
            return Err(StoreError::NameTaken {
                what: "runner",
                name: name.to_string(),
            }
            .into());
        }
        Ok(())
    }

    /// Returns the project's name with the least number that makes it free.
    async fn free_name(&mut self, project: &Project) -> Outcome<Name> {
        let stem: String = project.name.as_str().chars().take(STEM).collect();
        let number: i64 = sqlx::query_scalar(sql::FREE_NUMBER)
            .bind(format!("{stem}-"))
            .fetch_one(&mut self.connection)
            .await?;
        Ok(admission::numbered(project, number)?)
    }
}

fn heartbeat_row(heartbeat: &Heartbeat) -> serde_json::Value {
    let seen = &heartbeat.observation;
    // JSON has neither infinity nor NaN, and neither is a measurement.
    let cpu = if seen.cpu_percent.is_finite() {
        seen.cpu_percent
    } else {
        0.0
    };
    serde_json::json!([
        heartbeat.runner.simple(),
        heartbeat.attempt,
        seen.at.timestamp_micros(),
        cpu,
        signed(seen.memory_bytes),
        seen.viewers,
        seen.title,
    ])
}
