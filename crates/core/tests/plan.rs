//! The plan: what is done about every difference between what should be and what is.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use stratavore_core::clock::Timestamp;
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::launch::Launch;
use stratavore_core::name::Name;
use stratavore_core::plan::{Action, Attempt, End, OVERDUE, Plan, plan};
use stratavore_core::runner::{Exit, Failure, Input, Process, Runner, State};
use uuid::Uuid;

fn at(second: i64) -> Timestamp {
    DateTime::from_timestamp(second, 0).unwrap()
}

fn id() -> RunnerId {
    RunnerId::from_uuid(Uuid::from_u128(1))
}

fn runner(state: State) -> Runner {
    let launch = Launch::new("claude", &["claude"], "/");
    Runner {
        id: id(),
        name: Name::new("r").unwrap(),
        project_id: ProjectId::from_uuid(Uuid::from_u128(2)),
        project: Name::new("p").unwrap(),
        node: InstanceId::from_stored("here".into()),
        person: "ada".into(),
        launch,
        created_at: at(0),
        state,
        revision: 1,
    }
}

fn process() -> Process {
    Process {
        pid: 7,
        start_time: 70,
        boot_id: "boot".into(),
    }
}

fn states() -> Vec<State> {
    let started = Some((at(1), process()));
    vec![
        State::Queued,
        State::Starting {
            attempt: 1,
            since: at(1),
        },
        State::Running {
            attempt: 1,
            started_at: at(1),
            process: process(),
        },
        State::Paused {
            attempt: 1,
            started_at: at(1),
            process: process(),
            since: at(2),
        },
        State::Stopping {
            attempt: 1,
            started: None,
            since: at(2),
            grace_ms: 1000,
            restart: false,
        },
        State::Stopping {
            attempt: 1,
            started,
            since: at(2),
            grace_ms: 1000,
            restart: false,
        },
        State::Backoff {
            attempt: 1,
            failure: Failure::AgentLost,
            ended_at: at(2),
            until: at(60),
        },
        State::Terminated {
            attempt: 1,
            exit: Exit::Code(0),
            started_at: None,
            ended_at: at(2),
            asked: false,
        },
        State::Failed {
            attempt: 1,
            failure: Failure::AgentLost,
            started_at: None,
            ended_at: at(2),
        },
        State::Cancelled { at: at(2) },
    ]
}

fn ended() -> Attempt {
    Attempt::Ended(End::Exited {
        exit: Exit::Code(3),
        at: at(5),
    })
}

fn attempts() -> Vec<Attempt> {
    vec![
        Attempt::Absent,
        Attempt::Spawning,
        Attempt::Alive { connected: true },
        Attempt::Alive { connected: false },
        ended(),
        Attempt::Ended(End::Interrupted),
        Attempt::Ended(End::CouldNotStart {
            code: "c".into(),
            message: "m".into(),
            at: at(5),
        }),
        Attempt::Lost { interrupted: false },
        Attempt::Lost { interrupted: true },
    ]
}

fn planned(state: State, observed: Attempt, now: Timestamp) -> Plan {
    plan(&[runner(state)], &BTreeMap::from([(id(), observed)]), now)
}

#[test]
fn an_attempt_that_left_no_trace_is_spawned_and_one_that_did_is_never_spawned_again() {
    let starting = State::Starting {
        attempt: 1,
        since: at(1),
    };
    for observed in attempts() {
        let spawns = planned(starting.clone(), observed.clone(), at(9))
            .actions
            .contains(&Action::Spawn(id(), 1));
        assert_eq!(spawns, observed == Attempt::Absent, "{observed:?}");
    }
    for state in states().into_iter().filter(|state| *state != starting) {
        for observed in attempts() {
            let plan = planned(state.clone(), observed, at(9));
            assert!(
                !plan
                    .actions
                    .iter()
                    .any(|action| matches!(action, Action::Spawn(..))),
                "{state:?}"
            );
        }
    }
}

#[test]
fn an_agent_that_lives_is_adopted_once() {
    for state in states() {
        let plan = planned(state.clone(), Attempt::Alive { connected: false }, at(3));
        let waits = matches!(state, State::Queued | State::Backoff { .. });
        assert_eq!(
            plan.actions.contains(&Action::Adopt(id(), state.attempt())),
            !waits,
            "{state:?}"
        );
        let plan = planned(state.clone(), Attempt::Alive { connected: true }, at(3));
        assert!(
            !plan
                .actions
                .iter()
                .any(|action| matches!(action, Action::Adopt(..))),
            "{state:?}"
        );
    }
}

#[test]
fn a_recorded_end_is_told_to_whoever_has_not_heard_it() {
    for state in states() {
        let plan = planned(state.clone(), ended(), at(9));
        let told = plan.actions.contains(&Action::Apply(
            id(),
            Input::Exited {
                attempt: 1,
                exit: Exit::Code(3),
                at: at(5),
            },
        ));
        let open = matches!(
            state,
            State::Starting { .. }
                | State::Running { .. }
                | State::Paused { .. }
                | State::Stopping { .. }
        );
        assert_eq!(told, open, "{state:?}");
    }
}

#[test]
fn a_lost_attempt_is_swept_before_it_is_told() {
    for interrupted in [false, true] {
        for state in states() {
            let plan = planned(state.clone(), Attempt::Lost { interrupted }, at(9));
            let open = matches!(
                state,
                State::Starting { .. }
                    | State::Running { .. }
                    | State::Paused { .. }
                    | State::Stopping { .. }
            );
            let expected: Vec<Action> = if open {
                vec![Action::SweepThen(
                    id(),
                    1,
                    Input::Lost {
                        attempt: 1,
                        interrupted,
                    },
                )]
            } else if matches!(state, State::Queued) {
                vec![Action::AdmitQueued]
            } else {
                vec![]
            };
            assert_eq!(plan.actions, expected, "{state:?}");
        }
    }
}

#[test]
fn nothing_is_left_running_behind_an_ended_runner() {
    for state in states().into_iter().filter(|state| state.name().is_final()) {
        let plan = planned(state.clone(), Attempt::Alive { connected: true }, at(9));
        assert_eq!(
            plan.actions,
            vec![Action::EndTree(id(), state.attempt(), Duration::ZERO)]
        );
    }
}

#[test]
fn a_stop_that_takes_too_long_ends_with_the_agent() {
    let stopping = State::Stopping {
        attempt: 1,
        started: Some((at(1), process())),
        since: at(2),
        grace_ms: 1000,
        restart: false,
    };
    let due = at(3) + OVERDUE;
    let early = planned(stopping.clone(), Attempt::Alive { connected: true }, at(4));
    assert_eq!(
        early.actions,
        vec![Action::EndTree(id(), 1, Duration::from_secs(1))]
    );
    assert_eq!(early.wake_at, Some(due));
    let late = planned(stopping, Attempt::Alive { connected: true }, due);
    assert_eq!(late.actions, vec![Action::KillAgent(id(), 1)]);
}

#[test]
fn a_backoff_is_waited_for_and_then_over() {
    let backoff = State::Backoff {
        attempt: 1,
        failure: Failure::AgentLost,
        ended_at: at(2),
        until: at(60),
    };
    let early = planned(backoff.clone(), Attempt::Absent, at(59));
    assert_eq!((early.actions, early.wake_at), (vec![], Some(at(60))));
    let due = planned(backoff, Attempt::Absent, at(60));
    assert_eq!(due.actions, vec![Action::Apply(id(), Input::RetryDue)]);
}

#[test]
fn every_action_is_taken_by_the_runner_it_is_for() {
    for state in states() {
        for observed in attempts() {
            let runner = runner(state.clone());
            for action in planned(state.clone(), observed, at(100)).actions {
                if let Action::Apply(_, input) | Action::SweepThen(_, _, input) = action {
                    let applied = runner.apply(input.clone(), at(100)).unwrap();
                    assert!(
                        !applied.facts.is_empty(),
                        "{input:?} changes nothing on {state:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn places_are_given_once_for_all_that_wait() {
    let plan = plan(
        &[runner(State::Queued), runner(State::Queued)],
        &BTreeMap::new(),
        at(1),
    );
    assert_eq!(plan.actions, vec![Action::AdmitQueued]);
}
