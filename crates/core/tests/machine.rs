//! The runner's state machine: every edge, over every transition that can be thought of.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use stratavore_core::clock::Timestamp;
use stratavore_core::fact::Fact;
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::{Launch, RestartPolicy};
use stratavore_core::name::Name;
use stratavore_core::quota;
use stratavore_core::runner::{
    EDGES, Effect, Exit, Input, Origin, Outcome, Process, Refusal, Runner, State, StateName,
};
use uuid::Uuid;

const ATTEMPTS: u32 = 3;

fn at(second: i64) -> Timestamp {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn process() -> Process {
    Process {
        pid: 7,
        start_time: 70,
        boot_id: "boot".into(),
    }
}

fn launch(restart: RestartPolicy) -> Launch {
    Launch {
        restart,
        ..Launch::new("claude", &["claude"], "/")
    }
}

fn queued(restart: RestartPolicy) -> Outcome {
    let origin = Origin {
        id: RunnerId::from_uuid(Uuid::from_u128(1)),
        name: Name::new("r").unwrap(),
        project_id: ProjectId::from_uuid(Uuid::from_u128(2)),
        project: Name::new("p").unwrap(),
        node: InstanceId::from_stored("here".into()),
        person: "ada".into(),
        launch: launch(restart),
    };
    Runner::queued(origin, at(0))
}

const ON_FAILURE: RestartPolicy = RestartPolicy::OnFailure {
    max_attempts: ATTEMPTS,
    backoff_ms: 1000,
};

/// One input of every kind, for an attempt.
fn inputs(attempt: u32) -> Vec<Input> {
    let grace = Duration::from_secs(5);
    vec![
        Input::Admit,
        Input::Started {
            attempt,
            process: process(),
            at: at(9),
        },
        Input::CouldNotStart {
            attempt,
            code: "not-found".into(),
            message: "no such file".into(),
            at: at(9),
        },
        Input::Exited {
            attempt,
            exit: Exit::Code(0),
            at: at(9),
        },
        Input::Exited {
            attempt,
            exit: Exit::Code(3),
            at: at(9),
        },
        Input::Exited {
            attempt,
            exit: Exit::Signal("KILL".into()),
            at: at(9),
        },
        Input::Lost {
            attempt,
            interrupted: false,
        },
        Input::Lost {
            attempt,
            interrupted: true,
        },
        Input::Pause,
        Input::Continue,
        Input::Stop { grace },
        Input::Restart { grace },
        Input::RetryDue,
    ]
}

/// Walks the whole machine from its beginning, under both policies.
fn walk(mut visit: impl FnMut(&Runner, &Input, &Result<Outcome, Refusal>)) {
    for policy in [RestartPolicy::Never, ON_FAILURE] {
        let first = queued(policy).runner;
        let mut seen = BTreeSet::new();
        let mut open = vec![first];
        while let Some(runner) = open.pop() {
            if runner.state.attempt() > ATTEMPTS || !seen.insert(format!("{:?}", runner.state)) {
                continue;
            }
            for input in inputs(runner.state.attempt()) {
                let result = runner.apply(input.clone(), at(10));
                visit(&runner, &input, &result);
                if let Ok(outcome) = result {
                    open.push(outcome.runner);
                }
            }
        }
    }
}

#[test]
fn the_edges_taken_are_the_edges_listed() {
    let mut taken = BTreeSet::new();
    walk(|runner, input, result| {
        if let Ok(outcome) = result
            && outcome.runner.state.name() != runner.state.name()
        {
            taken.insert((
                runner.state.name(),
                outcome.runner.state.name(),
                input.name(),
            ));
        }
    });
    let listed: BTreeSet<_> = EDGES.iter().copied().collect();
    assert_eq!(listed.len(), EDGES.len(), "an edge is listed twice");
    assert_eq!(
        taken.difference(&listed).collect::<Vec<_>>(),
        Vec::<&_>::new(),
        "taken, not listed"
    );
    assert_eq!(
        listed.difference(&taken).collect::<Vec<_>>(),
        Vec::<&_>::new(),
        "listed, never taken"
    );
}

#[test]
fn the_table_in_the_architecture_is_the_code() {
    let text = include_str!("../../../ARCHITECTURE.md");
    let (_, section) = text.split_once("## Runner states").expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let rows: BTreeSet<(String, String, String)> = section
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|--"))
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            (
                cells[0].to_owned(),
                cells[1].to_owned(),
                cells[2].to_owned(),
            )
        })
        .collect();
    let code: BTreeSet<(String, String, String)> = EDGES
        .iter()
        .map(|(from, to, on)| (from.to_string(), to.to_string(), (*on).to_owned()))
        .collect();
    assert_eq!(rows, code);
}

#[test]
fn the_diagram_in_the_architecture_is_the_code() {
    let text = include_str!("../../../ARCHITECTURE.md");
    let (_, diagram) = text.split_once("stateDiagram-v2").expect("the diagram");
    let diagram = diagram.split("```").next().unwrap();
    let mut drawn = BTreeSet::new();
    for line in diagram
        .lines()
        .map(str::trim)
        .filter(|line| line.contains("-->") && !line.starts_with("[*]"))
    {
        let (edge, inputs) = line.split_once(": ").expect(line);
        let (from, to) = edge.split_once(" --> ").expect(line);
        for input in inputs.split(", ") {
            drawn.insert((from.to_owned(), to.to_owned(), input.to_owned()));
        }
    }
    let code: BTreeSet<(String, String, String)> = EDGES
        .iter()
        .map(|(from, to, on)| (from.to_string(), to.to_string(), (*on).to_owned()))
        .collect();
    assert_eq!(drawn, code);
}

#[test]
fn what_speaks_of_another_attempt_changes_nothing() {
    walk(|runner, _, _| {
        let attempt = runner.state.attempt();
        for other in [attempt.wrapping_sub(1), attempt + 1] {
            for input in inputs(other) {
                let carries = matches!(
                    input,
                    Input::Started { .. }
                        | Input::CouldNotStart { .. }
                        | Input::Exited { .. }
                        | Input::Lost { .. }
                );
                if carries {
                    let refusal = runner.apply(input, at(10)).unwrap_err();
                    assert!(matches!(refusal, Refusal::OtherAttempt { .. }), "{refusal}");
                }
            }
        }
    });
}

#[test]
fn an_input_taken_twice_is_taken_once() {
    walk(|_, input, result| {
        let Ok(outcome) = result else { return };
        // A person's restart is a new wish each time; a place is given once.
        if matches!(input, Input::Restart { .. } | Input::RetryDue) {
            return;
        }
        // Another attempt has begun: the input now comes too late, and is refused for that.
        match outcome.runner.apply(input.clone(), at(11)) {
            Ok(again) => assert_eq!(
                again.facts,
                vec![],
                "{input:?} on {:?}",
                outcome.runner.state
            ),
            Err(Refusal::OtherAttempt { .. }) => {}
            Err(Refusal::WrongState { .. }) => {
                panic!("{input:?} refused on {:?}", outcome.runner.state)
            }
        }
    });
}

#[test]
fn every_refusal_names_state_and_input() {
    walk(|runner, input, result| {
        if let Err(refusal) = result {
            let text = refusal.to_string();
            assert!(
                text.contains(input.name()) && text.contains(runner.state.name().as_str()),
                "{text}"
            );
        }
    });
}

#[test]
fn twenty_stops_are_one() {
    let mut runner = queued(RestartPolicy::Never)
        .runner
        .apply(Input::Admit, at(1))
        .unwrap()
        .runner;
    runner = runner
        .apply(
            Input::Started {
                attempt: 1,
                process: process(),
                at: at(2),
            },
            at(2),
        )
        .unwrap()
        .runner;
    let mut effects = 0;
    let mut facts = 0;
    for second in 0..20 {
        let outcome = runner
            .apply(
                Input::Stop {
                    grace: Duration::from_secs(5),
                },
                at(3 + second),
            )
            .unwrap();
        effects += outcome.effects.len();
        facts += outcome.facts.len();
        runner = outcome.runner;
    }
    assert_eq!((effects, facts), (1, 1));
}

#[test]
fn an_interrupted_runner_waits_for_a_person_whatever_its_policy() {
    let runner = queued(ON_FAILURE)
        .runner
        .apply(Input::Admit, at(1))
        .unwrap()
        .runner;
    let outcome = runner
        .apply(
            Input::Lost {
                attempt: 1,
                interrupted: true,
            },
            at(2),
        )
        .unwrap();
    assert_eq!(outcome.runner.state.name(), StateName::Failed);
}

#[test]
fn attempts_are_used_up() {
    let mut runner = queued(ON_FAILURE)
        .runner
        .apply(Input::Admit, at(1))
        .unwrap()
        .runner;
    for attempt in 1..ATTEMPTS {
        let outcome = runner
            .apply(
                Input::Exited {
                    attempt,
                    exit: Exit::Code(1),
                    at: at(5),
                },
                at(6),
            )
            .unwrap();
        let State::Backoff { until, .. } = outcome.runner.state else {
            panic!("{:?}", outcome.runner.state)
        };
        assert_eq!(until, at(6) + TimeDelta::seconds(1 << (attempt - 1)));
        let due = outcome.runner.apply(Input::RetryDue, until).unwrap();
        assert_eq!(
            due.effects,
            vec![Effect::Spawn {
                attempt: attempt + 1
            }]
        );
        runner = due.runner;
    }
    let last = runner
        .apply(
            Input::Exited {
                attempt: ATTEMPTS,
                exit: Exit::Code(1),
                at: at(7),
            },
            at(8),
        )
        .unwrap();
    assert_eq!(last.runner.state.name(), StateName::Failed);
}

/// What the facts alone tell of a runner: the model that the machine is compared with.
#[derive(Clone, Debug)]
struct Told {
    state: StateName,
    attempt: u32,
    second: i64,
}

impl Told {
    fn hear(&mut self, fact: &Fact) {
        self.state = match fact {
            Fact::Queued { .. } => StateName::Queued,
            Fact::Starting { attempt, .. } => {
                assert!(*attempt > self.attempt, "attempts only grow");
                self.attempt = *attempt;
                StateName::Starting
            }
            // It was executed although it is being stopped: that it is stopping stays true.
            Fact::Started { .. } if self.state == StateName::Stopping => StateName::Stopping,
            Fact::Started { .. } | Fact::Continued { .. } => StateName::Running,
            Fact::Paused { .. } => StateName::Paused,
            Fact::Stopping { .. } => StateName::Stopping,
            Fact::Terminated { .. } => StateName::Terminated,
            Fact::Failed { .. } => StateName::Failed,
            Fact::BackedOff { .. } => StateName::Backoff,
            Fact::Cancelled {} => StateName::Cancelled,
            other => panic!("{other:?} is not the machine's"),
        };
    }
}

struct Machine;

impl ReferenceStateMachine for Machine {
    type State = Told;
    type Transition = (usize, bool);

    fn init_state() -> BoxedStrategy<Told> {
        Just(Told {
            state: StateName::Queued,
            attempt: 0,
            second: 0,
        })
        .boxed()
    }

    fn transitions(_: &Told) -> BoxedStrategy<(usize, bool)> {
        (0..inputs(0).len(), prop::bool::weighted(0.9)).boxed()
    }

    fn apply(mut state: Told, _: &(usize, bool)) -> Told {
        state.second += 1;
        state
    }
}

struct Sut {
    runner: Runner,
    told: Told,
}

impl StateMachineTest for Machine {
    type SystemUnderTest = Sut;
    type Reference = Machine;

    fn init_test(told: &Told) -> Sut {
        Sut {
            runner: queued(ON_FAILURE).runner,
            told: told.clone(),
        }
    }

    fn apply(mut sut: Sut, reference: &Told, (index, present): (usize, bool)) -> Sut {
        let attempt = if present {
            sut.runner.state.attempt()
        } else {
            sut.runner.state.attempt() + 1
        };
        let input = inputs(attempt).swap_remove(index);
        let before = sut.runner.clone();
        match sut.runner.apply(input.clone(), at(reference.second)) {
            Err(_) => {}
            Ok(outcome) => {
                let (from, to) = (before.state.name(), outcome.runner.state.name());
                assert!(
                    from == to || EDGES.contains(&(from, to, input.name())),
                    "{from} to {to} on {input:?}"
                );
                assert_eq!(
                    outcome.facts.is_empty(),
                    outcome.runner.revision == before.revision
                );
                assert_eq!(
                    outcome.facts.is_empty(),
                    outcome.runner == before,
                    "a change without a fact"
                );
                for fact in &outcome.facts {
                    sut.told.hear(fact);
                }
                sut.runner = outcome.runner;
            }
        }
        sut
    }

    fn check_invariants(sut: &Sut, _: &Told) {
        let state = &sut.runner.state;
        // The events alone tell what the runner is: nothing changes that they do not say.
        assert_eq!(sut.told.state, state.name());
        if !matches!(state, State::Queued | State::Cancelled { .. }) {
            assert_eq!(sut.told.attempt, state.attempt());
        }
        assert!(
            !(state.name().is_final() && quota::counts(state.name())),
            "an ended runner holds a place"
        );
        assert_eq!(state.ended_at().is_some(), state.name().is_final());
        // What is kept is what is read again.
        let text = serde_json::to_string(state).unwrap();
        assert_eq!(&serde_json::from_str::<State>(&text).unwrap(), state);
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_inputs_keeps_the_invariants(sequential 1..60 => Machine);
}
