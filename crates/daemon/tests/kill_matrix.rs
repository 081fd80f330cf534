//! The kill matrix: whatever is killed with -9, nothing is lost, nothing runs twice, nothing is left.

mod support;

use std::os::unix::process::ExitStatusExt;

use stratavore_rpc::v1;
use stratavore_testkit::binary::{built, fake_program};
use stratavore_testkit::{Process, wait_until, wait_until_async};
use support::{Host, SOON};

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_while_idle_adopts_all_its_runners() {
    let mut host = Host::start().await;
    let mut before = Vec::new();
    for n in 0..4 {
        let runner = host.launch(&format!("print number {n}; echo")).await;
        host.shows(&runner.id, &format!("number {n}")).await;
        before.push((host.agent(&runner), host.runner(&runner.id).await));
    }
    host.kill();
    for (agent, _) in &before {
        assert!(agent.is_alive(), "an agent went with its host");
    }
    host.begin().await;
    for (n, (agent, runner)) in before.iter().enumerate() {
        host.shows(&runner.id, &format!("number {n}")).await;
        host.send(&runner.id, "are you there").await;
        host.shows(&runner.id, "you said: are you there").await;
        let now = host.runner(&runner.id).await;
        assert_eq!(
            (now.pid, now.state.as_str(), now.attempt),
            (runner.pid, "running", 1)
        );
        assert_eq!(host.agent(&now), *agent);
    }
    assert_eq!(host.all().await.len(), 4);
    host.audit_is_whole().await;
    host.all_delivered().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_while_no_host_ran_is_known_and_told_once_with_its_time() {
    let mut host = Host::start().await;
    let go = host.home.path().join("go");
    let runner = host
        .launch(&format!("wait-file {}; exit 7", go.display()))
        .await;
    let agent = host.agent(&runner);
    host.kill();
    std::fs::write(&go, "").unwrap();
    wait_until(SOON, "the agent has ended", || !agent.is_alive());
    let exit: serde_json::Value = serde_json::from_slice(
        &std::fs::read(host.attempt_dir(&runner).join("exit.json")).unwrap(),
    )
    .unwrap();
    host.begin().await;
    let ended = host.state(&runner.id, "failed").await;
    let exited = ended.exit.unwrap();
    assert_eq!((exited.code, exited.signal), (Some(7), None));
    let at = chrono_micros(ended.ended_at.as_deref().unwrap());
    assert_eq!(
        at,
        exit["at"].as_i64().unwrap() / 1000,
        "the time is the end's, not its discovery's"
    );
    let told = host.notifications().await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].edge.as_str(), told[0].at.as_str()),
        ("failed", ended.ended_at.as_deref().unwrap())
    );
    assert_eq!(host.notifications().await, vec![], "told once");
    assert_eq!(
        host.history_of(&runner.id).await,
        ["runner.starting", "runner.started", "runner.failed"]
    );
}

/// Milliseconds since the epoch of an RFC 3339 time with milliseconds.
fn chrono_micros(text: &str) -> i64 {
    text.parse::<stratavore_core::clock::Timestamp>()
        .unwrap()
        .timestamp_millis()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_during_launches_launches_each_once() {
    let mut host = Host::start().await;
    let marks = host.home.path().join("marks");
    std::fs::create_dir(&marks).unwrap();
    // Killed at a different moment of the launches each time, without any clock of ours deciding which.
    for round in 0..5 {
        let mut launches = tokio::task::JoinSet::new();
        for n in 0..8 {
            let mark = marks.join(format!("{round}-{n}"));
            let mut request = host.script(&format!("record {}; hold", mark.display()));
            request.name = Some(format!("r{round}-{n}"));
            let mut client = host.client();
            launches
                .spawn(async move { client.launch(request).await.map(|reply| reply.into_inner()) });
        }
        let mut acknowledged = Vec::new();
        while acknowledged.len() < round {
            if let Ok(runner) = launches.join_next().await.unwrap().unwrap() {
                acknowledged.push(runner.id);
            }
        }
        host.kill();
        drop(launches);
        host.begin().await;
        let runners = wait_until_async(SOON, "every launch is running", || async {
            let runners: Vec<v1::Runner> = host
                .all()
                .await
                .into_iter()
                .filter(|r| r.name.starts_with(&format!("r{round}-")))
                .collect();
            let states: Vec<&str> = runners.iter().map(|runner| runner.state.as_str()).collect();
            if states.iter().all(|state| *state == "running") {
                Ok(runners.clone())
            } else {
                Err(format!("{states:?}"))
            }
        })
        .await;
        for id in &acknowledged {
            assert!(
                runners.iter().any(|runner| runner.id == *id),
                "an acknowledged launch is lost"
            );
        }
        for runner in &runners {
            let mark = marks.join(runner.name.trim_start_matches('r'));
            let recorded = wait_until(SOON, "the program has recorded itself", || {
                Some(Process::recorded(&mark)).filter(|recorded| !recorded.is_empty())
            });
            assert_eq!(
                recorded.len(),
                1,
                "{} was executed {} times",
                runner.name,
                recorded.len()
            );
            assert_eq!(Some(recorded[0].pid), runner.pid);
        }
    }
    host.audit_is_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_killed_during_a_stop_finishes_it() {
    let mut host = Host::start().await;
    let survivors = host.home.path().join("survivors");
    let runner = host
        .launch(&format!(
            "ignore TERM HUP INT; survivors {}; hold",
            survivors.display()
        ))
        .await;
    host.shows(&runner.id, "survivors").await;
    let children = Process::recorded(&survivors);
    assert!(children.len() >= 5, "{children:?}");
    // Recorded, and nothing more: the stop does not wait for its end.
    let request = v1::StopRequest {
        target: Some(v1::stop_request::Target::Runner(runner.id.clone())),
        grace_seconds: Some(1),
        wait: false,
    };
    host.client().stop(request).await.unwrap();
    host.kill();
    host.begin().await;
    host.state(&runner.id, "terminated").await;
    wait_until(SOON, "nothing of the tree is left", || {
        let left: Vec<_> = children.iter().filter(|child| child.is_alive()).collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    let types = host.history_of(&runner.id).await;
    assert_eq!(
        types,
        [
            "runner.starting",
            "runner.started",
            "runner.stopping",
            "runner.terminated"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_program_is_an_exit_with_its_signal_at_once_even_when_a_child_keeps_the_terminal()
{
    let host = Host::start().await;
    let holder = host.home.path().join("holder");
    let runner = host
        .launch(&format!("hold-pty {}; print ready; hold", holder.display()))
        .await;
    host.shows(&runner.id, "ready").await;
    host.program(&runner).kill().unwrap();
    let ended = host.state(&runner.id, "failed").await;
    assert_eq!(ended.exit.unwrap().signal.as_deref(), Some("KILL"));
    wait_until(SOON, "nothing of the tree is left", || {
        Process::recorded(&holder)
            .iter()
            .all(|child| !child.is_alive())
    });
    let told = host.notifications().await;
    assert_eq!(
        told.iter()
            .map(|notice| notice.edge.as_str())
            .collect::<Vec<_>>(),
        ["failed"]
    );
    assert!(told[0].body.contains("SIGKILL"), "{}", told[0].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_agent_takes_its_tree_along_and_is_told() {
    let host = Host::start().await;
    let survivors = host.home.path().join("survivors");
    let runner = host
        .launch(&format!(
            "ignore TERM HUP INT; survivors {}; hold",
            survivors.display()
        ))
        .await;
    host.shows(&runner.id, "survivors").await;
    let program = host.program(&runner);
    let children = Process::recorded(&survivors);
    host.agent(&runner).kill().unwrap();
    let ended = host.state(&runner.id, "failed").await;
    assert!(ended.exit.unwrap().reason.contains("agent lost"));
    wait_until(SOON, "nothing of the tree is left", || {
        let left: Vec<_> = children
            .iter()
            .chain([&program])
            .filter(|child| child.is_alive())
            .collect();
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    });
    let told = host.notifications().await;
    assert_eq!(
        told.iter()
            .map(|notice| notice.edge.as_str())
            .collect::<Vec<_>>(),
        ["agent-lost"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn host_and_agents_killed_at_once_leave_nothing_running_and_keep_what_was_shown() {
    let mut host = Host::start().await;
    let survivors = host.home.path().join("survivors");
    let runner = host
        .launch(&format!(
            "ignore HUP; flood 8000; print last words; survivors {}; hold",
            survivors.display()
        ))
        .await;
    host.shows(&runner.id, "survivors").await;
    let program = host.program(&runner);
    let children = Process::recorded(&survivors);
    let shown = host.history(&runner.id).await;
    let agent = host.agent(&runner);
    host.kill();
    agent.kill().unwrap();
    wait_until(SOON, "the agent is gone", || !agent.is_alive());
    assert!(
        program.is_alive(),
        "this case is about programs that outlive their agents"
    );
    host.begin().await;
    let ended = host.state(&runner.id, "failed").await;
    assert!(ended.exit.unwrap().reason.contains("agent lost"));
    wait_until(SOON, "nothing of the tree is left", || {
        children
            .iter()
            .chain([&program])
            .all(|child| !child.is_alive())
    });
    let kept = host.history(&runner.id).await;
    let first = shown.lines().find(|line| !line.trim().is_empty()).unwrap();
    assert!(
        kept.contains(first),
        "the scrollback is gone: {kept:?} lacks {first:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reboot_runners_are_interrupted_and_offered_once() {
    let mut host = Host::start().await;
    let runner = host.launch("print before the reboot; hold").await;
    host.shows(&runner.id, "before the reboot").await;
    let agent = host.agent(&runner);
    let program = host.program(&runner);
    host.kill();
    agent.kill().unwrap();
    program.kill().unwrap();
    wait_until(SOON, "all are gone", || {
        !agent.is_alive() && !program.is_alive()
    });
    // A boot leaves the data and nothing else.
    std::fs::remove_dir_all(host.home.runtime()).unwrap();
    std::fs::create_dir(host.home.runtime()).unwrap();
    let record = host.attempt_dir(&runner).join("runner.json");
    let text = std::fs::read_to_string(&record).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["boot_id"] = "another-boot".into();
    std::fs::write(&record, json.to_string()).unwrap();

    host.begin().await;
    let ended = host.state(&runner.id, "failed").await;
    assert!(ended.exit.unwrap().reason.contains("interrupted"));
    let offered = host.status().await.interrupted;
    assert_eq!(
        offered
            .iter()
            .map(|runner| runner.id.as_str())
            .collect::<Vec<_>>(),
        [runner.id.as_str()]
    );
    let answer = v1::InterruptedAnswer { start: true };
    let started = host
        .client()
        .answer_interrupted(answer)
        .await
        .unwrap()
        .into_inner()
        .runners;
    assert_eq!(started.len(), 1);
    let again = host.state(&runner.id, "running").await;
    assert_eq!(again.attempt, 2);
    assert_eq!(host.status().await.interrupted, vec![], "offered once");
    assert_eq!(
        host.client()
            .answer_interrupted(answer)
            .await
            .unwrap()
            .into_inner()
            .runners,
        vec![]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_logout_ended_is_interrupted_and_offered() {
    let mut host = Host::start().await;
    let runner = host.launch("print ready; hold").await;
    host.shows(&runner.id, "ready").await;
    let (agent, program) = (host.agent(&runner), host.program(&runner));
    // The end of a session: everybody is told, the host first.
    host.terminate();
    agent.signal(rustix::process::Signal::TERM).unwrap();
    wait_until(SOON, "both have ended", || {
        !agent.is_alive() && !program.is_alive()
    });
    host.begin().await;
    let ended = host.state(&runner.id, "failed").await;
    assert!(ended.exit.unwrap().reason.contains("interrupted"));
    assert_eq!(host.status().await.interrupted.len(), 1);
    let dismiss = v1::InterruptedAnswer { start: false };
    host.client().answer_interrupted(dismiss).await.unwrap();
    assert_eq!(host.status().await.interrupted, vec![]);
    assert_eq!(host.runner(&runner.id).await.state, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn replacing_the_agents_binary_harms_no_running_agent() {
    let mut host = Host::start().await;
    // Programs of its own, so that replacing them disturbs no other test.
    let bin = host.home.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (package, name) in [
        ("stratavore-daemon", "stratavored"),
        ("stratavore-agent", "stratavore-agent"),
    ] {
        std::fs::copy(built(package, name), bin.join(name)).unwrap();
    }
    host.terminate();
    let mut child = host
        .home
        .command(bin.join("stratavored"))
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let record = wait_until(SOON, "the host answers", || {
        stratavore_rpc::find(&host.places())
            .ok()
            .filter(|record| record.pid == child.id())
    });
    let mut client = stratavore_rpc::connect(&record.socket).await.unwrap();
    let request = v1::LaunchRequest {
        project: "p".into(),
        command: vec![
            fake_program().to_str().unwrap().into(),
            "print here; echo".into(),
        ],
        ..v1::LaunchRequest::default()
    };
    let runner = client.launch(request).await.unwrap().into_inner();
    // As a package does it: a new file under the old name.
    for name in ["stratavored", "stratavore-agent"] {
        std::fs::remove_file(bin.join(name)).unwrap();
        std::fs::write(bin.join(name), "not even a program").unwrap();
    }
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(9));
    host.begin().await;
    host.send(&runner.id, "still").await;
    host.shows(&runner.id, "you said: still").await;
    assert_eq!(host.stop(&runner.id, 1).await.state, "terminated");
}
