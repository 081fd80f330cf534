//! Random commands, given to a store and to a model of it in memory that asks the same state machine.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::launch::RestartPolicy;
use stratavore_core::name::Name;
use stratavore_core::project::Project;
use stratavore_core::quota::{self, Full, Limits, Usage};
use stratavore_core::runner::{Exit, Input, Origin, Outcome, Runner};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::world::{FREE, GRACE, World, a_process, name};
use crate::{Applied, NewRunner, RunnerFilter, StoreError};

/// Few places, names and runners, so that they collide.
const LIMITS: Limits = Limits {
    project: Some(2),
    node: Some(3),
    budgets: None,
};
const PROJECTS: usize = 2;

#[derive(Clone, Debug)]
enum Command {
    Launch {
        project: usize,
        named: Option<u8>,
        queue: bool,
        retries: bool,
    },
    Apply {
        runner: usize,
        input: Blow,
        attempt: u32,
    },
    AdmitQueued,
}

/// An input whose attempt is the runner's own plus or minus something.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Admit,
    Started,
    CouldNotStart,
    Exited(i32),
    Lost(bool),
    Pause,
    Continue,
    Stop,
    Restart,
    RetryDue,
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let blow = prop_oneof![
        1 => Just(Blow::Admit),
        4 => Just(Blow::Started),
        1 => Just(Blow::CouldNotStart),
        4 => (0..2).prop_map(Blow::Exited),
        1 => any::<bool>().prop_map(Blow::Lost),
        1 => Just(Blow::Pause),
        1 => Just(Blow::Continue),
        2 => Just(Blow::Stop),
        3 => Just(Blow::Restart),
        2 => Just(Blow::RetryDue),
    ];
    let launch = (
        0..PROJECTS,
        prop::option::of(0..3u8),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(project, named, queue, retries)| Command::Launch {
            project,
            named,
            queue,
            retries,
        });
    // 1 is the runner's own attempt.
    let attempt = prop_oneof![8 => Just(1u32), 1 => Just(0), 1 => Just(2)];
    let apply = (0..6usize, blow, attempt).prop_map(|(runner, input, attempt)| Command::Apply {
        runner,
        input,
        attempt,
    });
    prop::collection::vec(
        prop_oneof![3 => launch, 9 => apply, 1 => Just(Command::AdmitQueued)],
        1..40,
    )
}

/// What a command came to, as far as the model can tell.
#[derive(Debug, PartialEq)]
enum Verdict {
    Applied {
        runner: Box<Runner>,
        effects: usize,
        changed: bool,
    },
    Refused(String),
    NameTaken,
    Full(Full, Vec<String>),
}

fn verdict(result: crate::Result<Applied>) -> Verdict {
    match result {
        Ok(applied) => Verdict::Applied {
            runner: Box::new(applied.runner),
            effects: applied.effects.len(),
            changed: applied.changed,
        },
        Err(StoreError::Refused(refusal)) => Verdict::Refused(refusal.to_string()),
        Err(StoreError::NameTaken { .. }) => Verdict::NameTaken,
        Err(StoreError::QuotaFull { full, holders }) => Verdict::Full(full, holders),
        Err(other) => panic!("unexpected: {other:?}"),
    }
}

/// What the store should hold.
struct Model {
    projects: Vec<Project>,
    runners: Vec<Runner>,
    facts: BTreeMap<Uuid, Vec<Fact>>,
}

impl Model {
    fn holding(&self, project: Option<&Project>) -> Vec<String> {
        let within =
            |runner: &&Runner| project.is_none_or(|project| runner.project_id == project.id);
        let counts = |runner: &&Runner| quota::counts(runner.state.name());
        self.runners
            .iter()
            .filter(within)
            .filter(counts)
            .map(|runner| runner.name.to_string())
            .collect()
    }

    fn admit(&self, project: &Project) -> Result<(), (Full, Vec<String>)> {
        let count = |holders: Vec<String>| u32::try_from(holders.len()).expect("few");
        let usage = Usage {
            project: count(self.holding(Some(project))),
            node: count(self.holding(None)),
        };
        quota::admit(LIMITS, usage).map_err(|full| {
            let within = (full.scope == quota::Scope::Project).then_some(project);
            (full, self.holding(within))
        })
    }

    fn taken(&self, name: &Name) -> bool {
        self.runners
            .iter()
            .any(|runner| !runner.state.name().is_final() && runner.name == *name)
    }

    fn refuse(
        &mut self,
        project: &Project,
        (full, holders): (Full, Vec<String>),
        program: &str,
    ) -> Verdict {
        let fact = Fact::QuotaRefused {
            scope: full.scope,
            limit: full.limit,
            program: program.to_owned(),
        };
        self.facts
            .entry(project.id.as_uuid())
            .or_default()
            .push(fact);
        Verdict::Full(full, holders)
    }

    fn keep(&mut self, outcome: Outcome) -> Verdict {
        let id = outcome.runner.id;
        let changed = !outcome.facts.is_empty();
        self.facts
            .entry(id.as_uuid())
            .or_default()
            .extend(outcome.facts);
        match self.runners.iter_mut().find(|runner| runner.id == id) {
            Some(runner) => *runner = outcome.runner.clone(),
            None => self.runners.push(outcome.runner.clone()),
        }
        Verdict::Applied {
            runner: Box::new(outcome.runner),
            effects: outcome.effects.len(),
            changed,
        }
    }

    fn launch(&mut self, new: NewRunner, now: Timestamp) -> Verdict {
        let project = self
            .projects
            .iter()
            .find(|project| project.id == new.project_id)
            .expect("known")
            .clone();
        let name = match new.name {
            Some(name) if self.taken(&name) => return Verdict::NameTaken,
            Some(name) => name,
            None => (1..)
                .map(|n| name(&format!("{}-{n}", project.name)))
                .find(|name| !self.taken(name))
                .expect("numbers are many"),
        };
        let launched = match self.admit(&project) {
            Ok(()) => Runner::launched,
            Err(_) if new.queue => Runner::queued,
            Err(full) => return self.refuse(&project, full, &new.launch.program),
        };
        let origin = Origin {
            id: new.id,
            name,
            project_id: project.id,
            project: project.name,
            node: new.node,
            person: new.person,
            launch: new.launch,
        };
        self.keep(launched(origin, now))
    }

    fn apply(&mut self, before: &Runner, input: Input, now: Timestamp) -> Verdict {
        let restart = matches!(input, Input::Restart { .. });
        let outcome = match before.apply(input, now) {
            Ok(outcome) => outcome,
            Err(refusal) => return Verdict::Refused(refusal.to_string()),
        };
        let (was, is) = (before.state.name(), outcome.runner.state.name());
        if !quota::counts(was) && quota::counts(is) {
            if was.is_final() && self.taken(&before.name) {
                return Verdict::NameTaken;
            }
            let project = self
                .projects
                .iter()
                .find(|project| project.id == before.project_id)
                .expect("known")
                .clone();
            match self.admit(&project) {
                Ok(()) => {}
                Err(full) if restart => return self.refuse(&project, full, &before.launch.program),
                Err((full, holders)) => return Verdict::Full(full, holders),
            }
        }
        self.keep(outcome)
    }

    fn admit_queued(&mut self, now: Timestamp) -> Vec<Verdict> {
        let mut admitted = Vec::new();
        for i in 0..self.runners.len() {
            let runner = self.runners[i].clone();
            let project = self
                .projects
                .iter()
                .find(|project| project.id == runner.project_id)
                .expect("known");
            if runner.state == stratavore_core::runner::State::Queued && self.admit(project).is_ok()
            {
                let outcome = runner
                    .apply(Input::Admit, now)
                    .expect("a queued runner is admitted");
                admitted.push(self.keep(outcome));
            }
        }
        admitted
    }
}

/// Compares the two over many sequences of commands.
///
/// # Panics
/// When they differ, with the shortest sequence found.
pub(super) fn compare(world: &World) {
    let config = Config {
        cases: 64,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let outcome = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&commands(), |commands| {
            Handle::current().block_on(sequence(world, commands))
        })
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

async fn sequence(world: &World, commands: Vec<Command>) -> Result<(), TestCaseError> {
    end_all(world).await;
    let mut model = Model {
        projects: Vec::new(),
        runners: Vec::new(),
        facts: BTreeMap::new(),
    };
    for i in 0..PROJECTS {
        let tag = Uuid::new_v4().simple().to_string();
        let project = world.project(&format!("p{i}-{}", &tag[..12]), None).await;
        let fact = Fact::ProjectAdded {
            name: project.name.to_string(),
            path: project.path.clone(),
        };
        model.facts.insert(project.id.as_uuid(), vec![fact]);
        model.projects.push(project);
    }
    let start = world.store.last_cursor().await.expect("the cursor is read");
    for command in commands {
        let now = world.now();
        match command {
            Command::Launch {
                project,
                named,
                queue,
                retries,
            } => {
                let project = model.projects[project].clone();
                let mut new = world.new_runner(&project);
                // Names are shared by the projects.
                new.name = named.map(|n| name(&format!("{}-x{n}", model.projects[0].name)));
                new.queue = queue;
                if retries {
                    new.launch.restart = RestartPolicy::OnFailure {
                        max_attempts: 2,
                        backoff_ms: 5,
                    };
                }
                let got = verdict(world.store.launch(new.clone(), LIMITS, now).await);
                prop_assert_eq!(got, model.launch(new, now));
            }
            Command::Apply {
                runner,
                input,
                attempt,
            } => {
                let Some(before) = model.runners.get(runner).cloned() else {
                    continue;
                };
                let attempt = (before.state.attempt() + attempt).saturating_sub(1);
                let input = input.at(attempt, now);
                let got = verdict(
                    world
                        .store
                        .apply(before.id, input.clone(), LIMITS, now)
                        .await,
                );
                prop_assert_eq!(got, model.apply(&before, input, now));
            }
            Command::AdmitQueued => {
                let got = world
                    .store
                    .admit_queued(LIMITS, now)
                    .await
                    .expect("queued runners are admitted");
                let got: Vec<Verdict> = got
                    .into_iter()
                    .map(|applied| verdict(Ok(applied)))
                    .collect();
                prop_assert_eq!(got, model.admit_queued(now));
            }
        }
    }
    for runner in &model.runners {
        prop_assert_eq!(&world.read(runner.id).await, runner);
    }
    let after = crate::EventFilter {
        after: start,
        limit: 10_000,
    };
    let mut facts: BTreeMap<Uuid, Vec<Fact>> = model
        .projects
        .iter()
        .map(|project| {
            (
                project.id.as_uuid(),
                vec![model.facts[&project.id.as_uuid()][0].clone()],
            )
        })
        .collect();
    for event in world
        .store
        .events(after)
        .await
        .expect("the events are listed")
    {
        facts
            .entry(event.aggregate_id)
            .or_default()
            .push(event.fact);
    }
    prop_assert_eq!(facts, model.facts);
    prop_assert_eq!(
        world
            .store
            .verify_audit()
            .await
            .expect("the log is checked")
            .faults,
        vec![]
    );
    Ok(())
}

impl Blow {
    fn at(self, attempt: u32, at: Timestamp) -> Input {
        match self {
            Self::Admit => Input::Admit,
            Self::Started => Input::Started {
                attempt,
                process: a_process(9),
                at,
            },
            Self::CouldNotStart => Input::CouldNotStart {
                attempt,
                code: "not-found".into(),
                message: "no such file".into(),
                at,
            },
            Self::Exited(code) => Input::Exited {
                attempt,
                exit: Exit::Code(code),
                at,
            },
            Self::Lost(interrupted) => Input::Lost {
                attempt,
                interrupted,
            },
            Self::Pause => Input::Pause,
            Self::Continue => Input::Continue,
            Self::Stop => Input::Stop { grace: GRACE },
            Self::Restart => Input::Restart { grace: GRACE },
            Self::RetryDue => Input::RetryDue,
        }
    }
}

/// Ends what earlier sequences left, so that every one finds all places free.
async fn end_all(world: &World) {
    for view in world
        .store
        .runners(RunnerFilter::default())
        .await
        .expect("the runners are listed")
    {
        let id = view.runner.id;
        if view.runner.state.name().is_final() {
            continue;
        }
        let stopped = world
            .store
            .apply(id, Input::Stop { grace: GRACE }, FREE, world.now())
            .await
            .expect("it stops");
        if !stopped.runner.state.name().is_final() {
            // A stop does not take back an earlier restart: the second one meets the new attempt.
            let mut runner = world.exit(&stopped.runner, 0).await;
            if !runner.state.name().is_final() {
                runner = world.apply(id, Input::Stop { grace: GRACE }).await.runner;
                world.exit(&runner, 0).await;
            }
        }
    }
}
