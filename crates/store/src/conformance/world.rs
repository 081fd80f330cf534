//! The cases' own clock and shorthands.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::project::Project;
use stratavore_core::quota::Limits;
use stratavore_core::runner::{Exit, Input, Process, Runner, StateName};
use uuid::Uuid;

use crate::{
    Applied, Cursor, Event, EventFilter, Heartbeat, NewProject, NewRunner, Observation, Shard,
    Store, StoreError,
};

/// Who launches.
pub(super) const PERSON: &str = "ada";
pub(super) const GRACE: Duration = Duration::from_secs(5);
pub(super) const FREE: Limits = Limits {
    project: None,
    node: None,
    budgets: None,
};

/// A store, and a clock that moves a millisecond whenever it is read.
#[derive(Clone)]
pub(super) struct World {
    pub(super) store: Arc<dyn Store>,
    clock: Arc<AtomicI64>,
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).expect("a name")
}

pub(super) fn a_launch() -> Launch {
    Launch {
        env: vec![("TOKEN".into(), "hunter2".into())],
        ..Launch::new("claude", &["claude", "--continue"], "/srv/api")
    }
}

pub(super) fn a_process(pid: u32) -> Process {
    Process {
        pid,
        start_time: 4711,
        boot_id: "b00t".into(),
    }
}

impl World {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Arc::new(AtomicI64::new(1_800_000_000_000_000)),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let micros = self.clock.fetch_add(1000, Ordering::Relaxed);
        Timestamp::from_timestamp_micros(micros).expect("a moment")
    }

    pub(super) fn pass(&self, time: Duration) {
        self.clock.fetch_add(
            i64::try_from(time.as_micros()).expect("a short time"),
            Ordering::Relaxed,
        );
    }

    pub(super) async fn try_project(
        &self,
        named: &str,
        max_runners: Option<u32>,
    ) -> crate::Result<Project> {
        let now = self.now();
        let new = NewProject {
            id: ProjectId::new(now),
            name: name(named),
            path: format!("/srv/{named}"),
            max_runners,
        };
        self.store.add_project(new, now).await
    }

    pub(super) async fn project(&self, named: &str, max_runners: Option<u32>) -> Project {
        self.try_project(named, max_runners)
            .await
            .expect("the project is added")
    }

    pub(super) fn new_runner(&self, project: &Project) -> NewRunner {
        NewRunner {
            id: RunnerId::new(self.now()),
            name: None,
            project_id: project.id,
            node: self.store.instance().clone(),
            person: PERSON.into(),
            launch: a_launch(),
            queue: false,
            request_id: None,
        }
    }

    pub(super) async fn try_launch(
        &self,
        new: NewRunner,
        limits: Limits,
    ) -> crate::Result<Applied> {
        self.store.launch(new, limits, self.now()).await
    }

    /// Launches a runner without limits but the project's own.
    pub(super) async fn launch(&self, project: &Project) -> Runner {
        self.try_launch(self.new_runner(project), FREE)
            .await
            .expect("it is launched")
            .runner
    }

    pub(super) async fn launch_named(
        &self,
        project: &Project,
        named: &str,
    ) -> crate::Result<Applied> {
        self.try_launch(
            NewRunner {
                name: Some(name(named)),
                ..self.new_runner(project)
            },
            FREE,
        )
        .await
    }

    pub(super) async fn queue(&self, project: &Project, limits: Limits) -> Runner {
        let new = NewRunner {
            queue: true,
            ..self.new_runner(project)
        };
        self.try_launch(new, limits).await.expect("it waits").runner
    }

    pub(super) async fn try_apply(&self, id: RunnerId, input: Input) -> crate::Result<Applied> {
        self.store.apply(id, input, FREE, self.now()).await
    }

    pub(super) async fn apply(&self, id: RunnerId, input: Input) -> Applied {
        self.try_apply(id, input).await.expect("the input is taken")
    }

    pub(super) async fn start(&self, runner: &Runner) -> Runner {
        let attempt = self.read(runner.id).await.state.attempt();
        let input = Input::Started {
            attempt,
            process: a_process(4242),
            at: self.now(),
        };
        self.apply(runner.id, input).await.runner
    }

    pub(super) async fn exit(&self, runner: &Runner, code: i32) -> Runner {
        let attempt = self.read(runner.id).await.state.attempt();
        let input = Input::Exited {
            attempt,
            exit: Exit::Code(code),
            at: self.now(),
        };
        self.apply(runner.id, input).await.runner
    }

    pub(super) async fn interrupt(&self, runner: &Runner) -> Runner {
        let attempt = self.read(runner.id).await.state.attempt();
        self.apply(
            runner.id,
            Input::Lost {
                attempt,
                interrupted: true,
            },
        )
        .await
        .runner
    }

    pub(super) async fn restart(&self, runner: &Runner) -> Runner {
        self.apply(runner.id, Input::Restart { grace: GRACE })
            .await
            .runner
    }

    pub(super) async fn read(&self, id: RunnerId) -> Runner {
        self.store
            .runner(id)
            .await
            .expect("the runner is there")
            .runner
    }

    pub(super) async fn events(&self) -> Vec<Event> {
        self.store
            .events(EventFilter {
                after: Cursor(0),
                limit: 1_000_000,
            })
            .await
            .expect("the events are listed")
    }

    pub(super) async fn facts_of(&self, aggregate: Uuid) -> Vec<Fact> {
        self.events()
            .await
            .into_iter()
            .filter(|event| event.aggregate_id == aggregate)
            .map(|event| event.fact)
            .collect()
    }

    pub(super) async fn kinds_of(&self, aggregate: Uuid) -> Vec<&'static str> {
        self.facts_of(aggregate)
            .await
            .iter()
            .map(Fact::kind)
            .collect()
    }

    pub(super) fn heartbeat(
        &self,
        runner: RunnerId,
        attempt: u32,
        at: Timestamp,
        memory_bytes: u64,
    ) -> Heartbeat {
        let observation = Observation {
            at,
            cpu_percent: 12.5,
            memory_bytes,
            viewers: 2,
            title: Some("✳ api".into()),
        };
        Heartbeat {
            runner,
            attempt,
            observation,
        }
    }

    pub(super) async fn observe(&self, heartbeats: Vec<Heartbeat>) {
        self.store
            .record_heartbeats(heartbeats)
            .await
            .expect("heartbeats are recorded");
    }

    pub(super) async fn memory_of(&self, id: RunnerId) -> Option<u64> {
        let view = self.store.runner(id).await.expect("the runner is there");
        view.observation.map(|observation| observation.memory_bytes)
    }

    /// Returns the shards of the outbox, all held.
    pub(super) async fn shards(&self) -> Vec<Shard> {
        let shards = self
            .store
            .outbox_hold(Uuid::from_u128(1), Duration::from_secs(60))
            .await
            .expect("the outbox is held");
        assert_eq!(shards.len(), 8, "nobody else wants any");
        shards
    }

    pub(super) async fn active(&self) -> usize {
        let views = self
            .store
            .runners(crate::RunnerFilter::default())
            .await
            .expect("the runners are listed");
        views
            .iter()
            .filter(|view| stratavore_core::quota::counts(view.runner.state.name()))
            .count()
    }

    pub(super) async fn state(&self, id: RunnerId) -> StateName {
        self.read(id).await.state.name()
    }
}

/// Asserts that a result is a full quota and returns who holds it.
pub(super) fn holders<T: std::fmt::Debug>(result: crate::Result<T>) -> Vec<String> {
    match result {
        Err(StoreError::QuotaFull { holders, .. }) => holders,
        other => panic!("expected a full quota, got {other:?}"),
    }
}
