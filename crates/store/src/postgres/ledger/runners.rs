//! Runners: launching, changing, observing.
//!
//! What needs no place is done in two round trips: read the runner, decide, and write with the proof that it was still as it
//! had been read; if it was not, begin again. What may need a place locks the scopes whose places it counts first.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use sqlx::PgConnection;
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::project::Project;
use stratavore_core::quota::{self, Limits, Usage};
use stratavore_core::runner::{Failure, Input, Outcome as Change, State, StateName};
use uuid::Uuid;

use super::budgets::afford;
use super::projects::note;
use super::{Ledger, Node, Scope, appending};
use crate::admission::{self, Asker, Obstacle, STEM};
use crate::chain::Chain;
use crate::moment::Moment;
use crate::postgres::sql::{event, runner as sql};
use crate::postgres::trouble::{Outcome, Trouble};
use crate::row::{ProjectRow, RunnerRow, json, signed, small};
use crate::{Applied, Heartbeat, NewRunner, Result, StoreError};

/// How often a launch is tried that others got in the way of.
const TRIES: u32 = 8;

/// What a launch is decided by.
#[derive(sqlx::FromRow)]
struct Scales {
    #[sqlx(flatten)]
    project: ProjectRow,
    in_project: i64,
    on_node: i64,
    places: Option<i64>,
    taken: bool,
    number: Option<i64>,
    repeated: Option<Uuid>,
    budgeted: bool,
    budgeted_together: bool,
}

/// What is to be weighed: a runner of a project on a node, with a name or to be given one.
struct Load<'l> {
    project: ProjectId,
    node: &'l InstanceId,
    name: Option<&'l str>,
    request: Option<Uuid>,
}

impl Scales {
    async fn read(connection: &mut PgConnection, load: &Load<'_>) -> Outcome<Option<Self>> {
        Ok(sqlx::query_as(sql::WEIGH)
            .bind(load.project.as_uuid())
            .bind(load.node.as_str())
            .bind(load.name)
            .bind(i32::try_from(STEM).unwrap_or(i32::MAX))
            .bind(load.request)
            .fetch_optional(connection)
            .await?)
    }

    fn usage(&self) -> Result<Usage> {
        let what = "the number of runners";
        Ok(Usage {
            project: small(what, self.in_project)?,
            node: small(what, self.on_node)?,
        })
    }

    /// Returns the limits for a runner on a node, where `here` is the one that asks.
    fn limits(
        &self,
        project: &Project,
        node: &InstanceId,
        here: &InstanceId,
        defaults: Limits,
    ) -> Result<Limits> {
        let places = if node == here {
            defaults.node
        } else {
            self.places.map(|max| small("a node", max)).transpose()?
        };
        Ok(admission::limits(project, defaults, places))
    }

    /// Tells whether quotas and budgets have room for one more runner of the project.
    async fn admit(
        &self,
        connection: &mut PgConnection,
        limits: Limits,
        usage: Usage,
        asker: Asker<'_>,
    ) -> Outcome<Result<(), Obstacle>> {
        if let Err(full) = quota::admit(limits, usage) {
            return Ok(Err(Obstacle::Quota(full)));
        }
        let Some(terms) = limits.budgets.filter(|_| self.budgeted) else {
            return Ok(Ok(()));
        };
        let project = ProjectId::from_uuid(self.project.id);
        let afforded = afford(connection, project, asker, terms).await?;
        Ok(afforded.map_err(Obstacle::Budget))
    }
}

/// Whether everything is locked, for the budgets of all runners. It is only where there are any, since nothing is launched
/// beside it then.
#[derive(Clone, Copy, Debug)]
struct Whole(bool);

impl Whole {
    /// What was seen when a launch was last weighed.
    fn as_seen(node: &Node, limits: Limits) -> Self {
        Self(limits.budgets.is_some() && node.budgeted_together.load(Ordering::Relaxed))
    }

    /// Tells whether what is locked is enough for what was read under it, and remembers what was.
    fn is_enough(&mut self, node: &Node, limits: Limits, scales: &Scales) -> bool {
        let wanted = limits.budgets.is_some() && scales.budgeted_together;
        node.budgeted_together.store(wanted, Ordering::Relaxed);
        let enough = self.0 || !wanted;
        self.0 |= wanted;
        enough
    }
}

fn name_taken(name: &str) -> Trouble {
    Trouble::Store(StoreError::NameTaken {
        what: "runner",
        name: name.to_owned(),
    })
}

impl Ledger<'_> {
    /// Launches a runner. The inner error is a refusal, whose event is kept.
    pub(in crate::postgres) async fn launch(
        &mut self,
        new: NewRunner,
        limits: Limits,
        now: Timestamp,
    ) -> Outcome<Result<Applied>> {
        let mut tried = 0;
        let mut whole = Whole::as_seen(self.node, limits);
        loop {
            let trouble = match self.try_launch(new.clone(), limits, &mut whole, now).await {
                Ok(Some(outcome)) => return Ok(outcome),
                // More is to be locked.
                Ok(None) => continue,
                Err(trouble) => trouble,
            };
            tried += 1;
            match trouble.constraint() {
                Some("runner_names") => {
                    if let Some(name) = &new.name {
                        return Err(name_taken(name.as_str()));
                    }
                }
                // The other one has launched it by now.
                Some("runner_requests") => {}
                _ if trouble.is_a_collision() => {}
                _ => return Err(trouble),
            }
            if tried == TRIES {
                return Err(trouble);
            }
        }
    }

    /// Launches a runner. Nothing: more is to be locked.
    async fn try_launch(
        &mut self,
        new: NewRunner,
        limits: Limits,
        whole: &mut Whole,
        now: Timestamp,
    ) -> Outcome<Option<Result<Applied>>> {
        let here = self.node;
        let scopes = scopes(new.project_id, &new.node, &here.instance, limits, *whole);
        let mut transaction = self.begin(&scopes).await?;
        let load = Load {
            project: new.project_id,
            node: &new.node,
            name: new.name.as_ref().map(|name| name.as_str()),
            request: new.request_id,
        };
        let scales = Scales::read(&mut transaction, &load)
            .await?
            .ok_or(StoreError::NoProject(new.project_id))?;
        if let Some(repeated) = scales.repeated {
            let row = read(&mut transaction, RunnerId::from_uuid(repeated)).await?;
            transaction.commit().await?;
            return Ok(Some(Ok(Applied {
                runner: row.view()?.runner,
                effects: Vec::new(),
                changed: false,
            })));
        }
        if !whole.is_enough(here, limits, &scales) {
            return Ok(None);
        }
        let project_chain = Chain::of_project(&scales.project)?;
        let project = scales.project.clone().project()?;
        if project.archived_at.is_some() {
            return Err(StoreError::ProjectArchived(project.name.into()).into());
        }
        let name = match &new.name {
            Some(name) if scales.taken => return Err(name_taken(name.as_str())),
            Some(name) => name.clone(),
            None => admission::numbered(&project, scales.number.unwrap_or(1))?,
        };
        let limits = scales.limits(&project, &new.node, &here.instance, limits)?;
        let usage = scales.usage()?;
        let asker = Asker::first(&new.launch);
        let admitted = scales.admit(&mut transaction, limits, usage, asker).await?;
        let (node, person) = (new.node.clone(), new.person.clone());
        let (request_id, program) = (new.request_id, new.launch.program.clone());
        let mut chain = Chain::of_new_runner(new.id.as_uuid(), project.id.as_uuid());
        let change = match admission::launch(new, name, &project, admitted, now) {
            Ok(change) => change,
            Err(obstacle) => {
                let fact = admission::refusal(&obstacle, &program);
                note(&mut transaction, here, project_chain, fact, &person, now).await?;
                let refused = refused(&mut transaction, &project, &node, "", obstacle).await?;
                transaction.commit().await?;
                return Ok(Some(Err(refused)));
            }
        };
        let runner = change.runner;
        appending(sql::INSERT, here, &mut chain, &change.facts, &person, now)?
            .bind(runner.name.to_string())
            .bind(runner.node.to_string())
            .bind(person)
            .bind(runner.state.name().as_str())
            .bind(i64::from(runner.state.attempt()))
            .bind(json("the state", &runner.state)?)
            .bind(signed(runner.revision))
            .bind(chain.seq())
            .bind(chain.head.to_vec())
            .bind(request_id)
            .bind(json("the launch", &runner.launch)?)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(Some(Ok(Applied {
            runner,
            effects: change.effects,
            changed: true,
        })))
    }

    /// Applies an input. The inner error is a refusal, whose event is kept.
    pub(in crate::postgres) async fn apply(
        &mut self,
        id: RunnerId,
        input: Input,
        limits: Limits,
        now: Timestamp,
    ) -> Outcome<Result<Applied>> {
        let mut whole = Whole::as_seen(self.node, limits);
        loop {
            let row = read(self.connection, id).await?;
            let applied = if admission::may_want_place(&input) {
                self.apply_weighed(&row, &input, limits, &mut whole, now)
                    .await
            } else {
                let chain = Chain::of_runner(&row)?;
                let before = row.view()?.runner;
                let change = before.apply(input.clone(), now).map_err(StoreError::from)?;
                let kept = keep(self.connection, self.node, chain, change, now).await;
                kept.map(|kept| kept.map(Ok))
            };
            match applied {
                Ok(Some(applied)) => return Ok(applied),
                // Somebody else changed it since it was read, or more is to be locked.
                Ok(None) => {}
                Err(trouble) if trouble.is_a_collision() => {}
                Err(trouble) => return Err(trouble),
            }
        }
    }

    /// Applies an input that may want a place. Nothing: the runner was changed meanwhile, or more is to be locked.
    async fn apply_weighed(
        &mut self,
        row: &RunnerRow,
        input: &Input,
        limits: Limits,
        whole: &mut Whole,
        now: Timestamp,
    ) -> Outcome<Option<Result<Applied>>> {
        let here = self.node;
        let runner = row.clone().view()?.runner;
        let scopes = scopes(
            runner.project_id,
            &runner.node,
            &here.instance,
            limits,
            *whole,
        );
        let mut transaction = self.begin(&scopes).await?;
        let row = read(&mut transaction, runner.id).await?;
        let chain = Chain::of_runner(&row)?;
        let before = row.view()?.runner;
        let change = before.apply(input.clone(), now).map_err(StoreError::from)?;
        let was = before.state.name();
        if admission::wants_place(was, change.runner.state.name()) {
            let load = Load {
                project: before.project_id,
                node: &before.node,
                name: Some(before.name.as_str()),
                request: None,
            };
            let scales = Scales::read(&mut transaction, &load)
                .await?
                .ok_or(StoreError::NoProject(before.project_id))?;
            if !whole.is_enough(here, limits, &scales) {
                return Ok(None);
            }
            let project_chain = Chain::of_project(&scales.project)?;
            let project = scales.project.clone().project()?;
            if project.archived_at.is_some() {
                return Err(StoreError::ProjectArchived(project.name.into()).into());
            }
            if was.is_final() && scales.taken {
                return Err(name_taken(before.name.as_str()));
            }
            let limits = scales.limits(&project, &before.node, &here.instance, limits)?;
            let (usage, again) = (scales.usage()?, Asker::again(&before));
            let admitted = scales.admit(&mut transaction, limits, usage, again).await?;
            if let Err(obstacle) = admitted {
                let fact = admission::refusal(&obstacle, &before.launch.program);
                let (node, name) = (&before.node, before.name.as_str());
                let refused = refused(&mut transaction, &project, node, name, obstacle).await?;
                if !matches!(input, Input::Restart { .. }) {
                    return Err(refused.into());
                }
                let person = &before.person;
                note(&mut transaction, here, project_chain, fact, person, now).await?;
                transaction.commit().await?;
                return Ok(Some(Err(refused)));
            }
        }
        let kept = keep(&mut transaction, here, chain, change, now).await;
        let kept = match kept {
            Err(trouble) if trouble.constraint() == Some("runner_names") => {
                return Err(name_taken(before.name.as_str()));
            }
            kept => kept?,
        };
        transaction.commit().await?;
        Ok(kept.map(Ok))
    }

    /// Admits queued runners of this node while there are places, the longest waiting first.
    pub(in crate::postgres) async fn admit_queued(
        &mut self,
        limits: Limits,
        now: Timestamp,
    ) -> Outcome<Vec<Applied>> {
        let mut whole = Whole::as_seen(self.node, limits);
        loop {
            let admitted = self.try_admit_queued(limits, &mut whole, now).await?;
            if let Some(admitted) = admitted {
                return Ok(admitted);
            }
        }
    }

    /// Admits queued runners. Nothing: more is to be locked.
    async fn try_admit_queued(
        &mut self,
        limits: Limits,
        whole: &mut Whole,
        now: Timestamp,
    ) -> Outcome<Option<Vec<Applied>>> {
        let here = self.node;
        let waiting = queued(self.connection, &here.instance).await?;
        if waiting.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let projects: HashSet<Uuid> = waiting.iter().map(|row| row.project_id).collect();
        let mut scopes = vec![Scope::Node(&here.instance)];
        scopes.extend(whole.0.then_some(Scope::Everything));
        scopes.extend(
            projects
                .iter()
                .map(|id| Scope::Project(ProjectId::from_uuid(*id))),
        );
        let mut transaction = self.begin(&scopes).await?;
        let mut weighed: HashMap<Uuid, (Limits, u32, Scales)> = HashMap::new();
        let mut on_node = None;
        let mut admitted = Vec::new();
        for row in queued(&mut transaction, &here.instance).await? {
            // What began to wait since may be of a project that is not locked.
            if !projects.contains(&row.project_id) {
                continue;
            }
            let (limits, in_project, scales) = match weighed.entry(row.project_id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let load = Load {
                        project: ProjectId::from_uuid(row.project_id),
                        node: &here.instance,
                        name: Some(""),
                        request: None,
                    };
                    let scales = Scales::read(&mut transaction, &load)
                        .await?
                        .ok_or(StoreError::NoProject(load.project))?;
                    if !whole.is_enough(here, limits, &scales) {
                        return Ok(None);
                    }
                    let usage = scales.usage()?;
                    // What was admitted since it was first read is counted here.
                    on_node.get_or_insert(usage.node);
                    let project = scales.project.clone().project()?;
                    let limits = admission::limits(&project, limits, limits.node);
                    unknown.insert((limits, usage.project, scales))
                }
            };
            let Some(on_node) = on_node.as_mut() else {
                continue;
            };
            let usage = Usage {
                project: *in_project,
                node: *on_node,
            };
            let chain = Chain::of_runner(&row)?;
            let runner = row.view()?.runner;
            let room = scales
                .admit(&mut transaction, *limits, usage, Asker::again(&runner))
                .await?;
            if room.is_err() {
                continue;
            }
            let change = runner.apply(Input::Admit, now).map_err(StoreError::from)?;
            if let Some(applied) = keep(&mut transaction, here, chain, change, now).await? {
                *in_project += 1;
                *on_node += 1;
                admitted.push(applied);
            }
        }
        transaction.commit().await?;
        Ok(Some(admitted))
    }

    /// Appends a fact that changes no state.
    pub(in crate::postgres) async fn note(
        &mut self,
        id: RunnerId,
        fact: Fact,
        now: Timestamp,
    ) -> Outcome<()> {
        loop {
            let row = read(self.connection, id).await?;
            let is_there: bool = sqlx::query_scalar(event::IS_THERE)
                .bind(id.as_uuid())
                .bind(Moment::from(now))
                .bind(json("a fact", &fact)?)
                .fetch_one(&mut *self.connection)
                .await?;
            if is_there {
                return Ok(());
            }
            let mut chain = Chain::of_runner(&row)?;
            let before = chain.seq();
            let facts = std::slice::from_ref(&fact);
            let noted = appending(sql::NOTE, self.node, &mut chain, facts, &row.person, now)?
                .bind(chain.seq())
                .bind(chain.head.to_vec())
                .bind(before)
                .fetch_one(&mut *self.connection)
                .await?;
            if noted == 1 {
                return Ok(());
            }
        }
    }

    /// Keeps the newest of these observations.
    pub(in crate::postgres) async fn record_heartbeats(
        &mut self,
        heartbeats: Vec<Heartbeat>,
    ) -> Outcome<()> {
        let (mut runners, mut attempts, mut moments) = (Vec::new(), Vec::new(), Vec::new());
        let (mut cpus, mut memories) = (Vec::new(), Vec::new());
        let (mut viewers, mut titles) = (Vec::new(), Vec::new());
        for heartbeat in heartbeats {
            let seen = heartbeat.observation;
            runners.push(heartbeat.runner.as_uuid());
            attempts.push(i64::from(heartbeat.attempt));
            moments.push(Moment::from(seen.at));
            // Neither infinity nor NaN is a measurement.
            cpus.push(if seen.cpu_percent.is_finite() {
                seen.cpu_percent
            } else {
                0.0
            });
            memories.push(signed(seen.memory_bytes));
            viewers.push(i64::from(seen.viewers));
            titles.push(seen.title.map(|title| title.replace('\0', "")));
        }
        sqlx::query(sql::OBSERVE)
            .bind(runners)
            .bind(attempts)
            .bind(moments)
            .bind(cpus)
            .bind(memories)
            .bind(viewers)
            .bind(titles)
            .execute(&mut *self.connection)
            .await?;
        Ok(())
    }

    /// Takes back the offers to start interrupted runners again.
    pub(in crate::postgres) async fn answer_interrupted(&mut self) -> Outcome<Vec<RunnerId>> {
        let ids: Vec<Uuid> = sqlx::query_scalar(sql::ANSWER)
            .bind(self.node.instance.as_str())
            .fetch_all(&mut *self.connection)
            .await?;
        Ok(ids.into_iter().map(RunnerId::from_uuid).collect())
    }
}

/// Returns what a runner's place is counted in. The node is counted only where it has a limit.
fn scopes<'s>(
    project: ProjectId,
    node: &'s InstanceId,
    here: &InstanceId,
    limits: Limits,
    whole: Whole,
) -> Vec<Scope<'s>> {
    let mut scopes = vec![Scope::Project(project)];
    scopes.extend(whole.0.then_some(Scope::Everything));
    if node != here || limits.node.is_some() {
        scopes.push(Scope::Node(node));
    }
    scopes
}

/// Reads a runner.
pub(super) async fn read(connection: &mut PgConnection, id: RunnerId) -> Outcome<RunnerRow> {
    let row: Option<RunnerRow> = sqlx::query_as(sql::GET)
        .bind(id.as_uuid())
        .fetch_optional(connection)
        .await?;
    Ok(row.ok_or(StoreError::NoRunner(id))?)
}

async fn queued(connection: &mut PgConnection, node: &InstanceId) -> Outcome<Vec<RunnerRow>> {
    Ok(sqlx::query_as(sql::QUEUED)
        .bind(node.as_str())
        .fetch_all(connection)
        .await?)
}

/// Keeps a change, if the runner is still as it was read; nothing: it is not.
pub(super) async fn keep(
    connection: &mut PgConnection,
    node: &Node,
    mut chain: Chain,
    change: Change,
    now: Timestamp,
) -> Outcome<Option<Applied>> {
    let runner = change.runner;
    if change.facts.is_empty() {
        return Ok(Some(Applied {
            runner,
            effects: change.effects,
            changed: false,
        }));
    }
    let unanswered = matches!(
        runner.state,
        State::Failed {
            failure: Failure::Interrupted,
            ..
        }
    );
    let before = chain.seq();
    let person = &runner.person;
    let kept = appending(sql::UPDATE, node, &mut chain, &change.facts, person, now)?
        .bind(runner.state.name().as_str())
        .bind(i64::from(runner.state.attempt()))
        .bind(json("the state", &runner.state)?)
        .bind(signed(runner.revision))
        .bind(chain.seq())
        .bind(chain.head.to_vec())
        .bind(unanswered)
        .bind(before)
        .fetch_one(connection)
        .await?;
    Ok((kept == 1).then_some(Applied {
        runner,
        effects: change.effects,
        changed: true,
    }))
}

/// Says what leaves no room, and who holds a full quota.
async fn refused(
    connection: &mut PgConnection,
    project: &Project,
    node: &InstanceId,
    runner: &str,
    obstacle: Obstacle,
) -> Outcome<StoreError> {
    let full = match obstacle {
        Obstacle::Budget(overdrawn) => return Ok(overdrawn.error(project.name.as_str(), runner)),
        Obstacle::Quota(full) => full,
    };
    let (within, on) = match full.scope {
        quota::Scope::Project => (Some(project.id.as_uuid()), None),
        quota::Scope::Node => (None, Some(node.as_str())),
    };
    let holders = sqlx::query_scalar(sql::HOLDERS)
        .bind(within)
        .bind(on)
        .fetch_all(connection)
        .await?;
    Ok(StoreError::QuotaFull { full, holders })
}

/// Reads how many runners are in each state.
pub(in crate::postgres) async fn counts(
    connection: &mut PgConnection,
) -> Outcome<Vec<(StateName, u64)>> {
    let counts: Vec<(String, i64)> = sqlx::query_as(sql::COUNTS).fetch_all(connection).await?;
    let counts: Result<Vec<_>> = counts.into_iter().map(crate::row::count).collect();
    Ok(counts?)
}
