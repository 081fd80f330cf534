//! A runner's life: launched, stopped, paused, restarted, refused; with real agents and programs.

mod support;

use std::collections::BTreeSet;

use stratavore_rpc::Code;
use stratavore_rpc::v1::{self, stop_request::Target};
use stratavore_testkit::{Process, wait_until, wait_until_async};
use support::{Host, SOON, expect_code, reference};

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_runs_in_its_project_and_ends_with_its_exit() {
    let host = Host::start().await;
    let runner = host.launch("cwd; size; wait-line; exit 0").await;
    assert_eq!(
        (runner.state.as_str(), runner.name.as_str(), runner.attempt),
        ("running", "p-1", 1)
    );
    assert!(runner.pid.is_some() && runner.started_at.is_some() && runner.exit.is_none());
    host.shows(&runner.id, &format!("{}", host.home.project("p").display()))
        .await;
    host.shows(&runner.id, "size 120x40").await;
    host.send(&runner.id, "done").await;
    let ended = host.state(&runner.id, "terminated").await;
    let exit = ended.exit.unwrap();
    assert_eq!(
        (exit.code, exit.signal, exit.reason.as_str()),
        (Some(0), None, "exit 0")
    );
    assert!(ended.ended_at.is_some() && ended.pid.is_none());
    let types = host.history_of(&runner.id).await;
    assert_eq!(
        types,
        ["runner.starting", "runner.started", "runner.terminated"]
    );
    let edges: Vec<String> = host
        .notifications()
        .await
        .into_iter()
        .map(|notice| notice.edge)
        .collect();
    assert_eq!(edges, ["ended"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn exits_are_what_they_were() {
    let host = Host::start().await;
    for (script, code, signal) in [
        ("exit 3", Some(3), None),
        ("signal KILL", None, Some("KILL")),
        ("signal SEGV", None, Some("SEGV")),
    ] {
        let runner = host.launch(script).await;
        let exit = host.state(&runner.id, "failed").await.exit.unwrap();
        assert_eq!(
            (exit.code, exit.signal.as_deref()),
            (code, signal),
            "{script}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_start_says_why_and_is_kept_as_failed() {
    let host = Host::start().await;
    let dir = host.home.project("p");
    let write = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let cases = [
        ("no-such-program".to_owned(), "no-such-program"),
        (write("plain", "text", 0o644), "plain"),
        (
            write("script", "#!/no/interpreter\n", 0o755),
            "/no/interpreter",
        ),
        (dir.to_str().unwrap().to_owned(), "p"),
    ];
    for (command, named) in cases {
        let request = v1::LaunchRequest {
            project: "p".into(),
            command: vec![command.clone()],
            ..Default::default()
        };
        let failure = expect_code(host.try_launch(request).await, Code::CouldNotStart, named);
        assert!(failure.hint.is_some(), "{failure:?}");
    }
    let failed = host.all().await;
    assert_eq!(failed.len(), 4);
    for runner in &failed {
        assert_eq!(runner.state, "failed");
        assert!(
            runner
                .exit
                .as_ref()
                .unwrap()
                .reason
                .starts_with("could not start"),
            "{runner:?}"
        );
        assert_eq!(
            host.history_of(&runner.id).await,
            ["runner.starting", "runner.failed"]
        );
    }
    let edges: BTreeSet<String> = host
        .notifications()
        .await
        .into_iter()
        .map(|notice| notice.edge)
        .collect();
    assert_eq!(edges, BTreeSet::from(["could-not-start".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_makes_no_sense_leaves_nothing() {
    let host = Host::start().await;
    let bad = |change: &dyn Fn(&mut v1::LaunchRequest)| {
        let mut request = host.script("hold");
        change(&mut request);
        request
    };
    let variable = |key: &str, value: &str| {
        vec![v1::EnvVar {
            key: key.into(),
            value: value.into(),
        }]
    };
    let cases: Vec<(v1::LaunchRequest, &str)> = vec![
        (bad(&|r| r.command = vec!["a\0b".into()]), "NUL"),
        (
            bad(&|r| r.args = vec!["x".repeat(8 << 20)]),
            "8388608 bytes",
        ),
        (bad(&|r| r.env = variable("A=B", "c")), "A=B"),
        (bad(&|r| r.env = variable("", "c")), "environment variable"),
        (bad(&|r| r.env = variable("A", "\0")), "NUL"),
        (bad(&|r| r.name = Some(String::new())), "empty"),
        (
            bad(&|r| r.name = Some("a\u{7}b".into())),
            "control characters",
        ),
        (bad(&|r| r.program = Some("claude".into())), "both"),
        (
            bad(&|r| {
                r.command.clear();
                r.program = Some("vi".into())
            }),
            "vi",
        ),
        (bad(&|r| r.columns = Some(1_000_000)), "1000000"),
        (bad(&|r| r.request_id = Some("x".into())), "UUID"),
    ];
    for (request, part) in cases {
        expect_code(host.try_launch(request).await, Code::Invalid, part);
    }
    expect_code(
        host.try_launch(bad(&|r| r.project = "q".into())).await,
        Code::NotFound,
        "\"q\"",
    );
    std::fs::remove_dir(host.home.path().join("projects/p")).unwrap();
    expect_code(
        host.try_launch(host.script("hold")).await,
        Code::Invalid,
        "projects/p",
    );
    assert_eq!(host.all().await, vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn newlines_in_arguments_arrive_whole() {
    let host = Host::start().await;
    let mut request = host.script("args; hold");
    request.args = vec![";print".into(), "one\ntwo".into()];
    let runner = host.try_launch(request).await.unwrap();
    host.shows(&runner.id, "two").await;
    host.stop(&runner.id, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_launches_at_once_against_a_quota_of_five_start_exactly_five() {
    let host = Host::start().await;
    let mark = host.home.path().join("marks");
    host.add_project("five", Some(5)).await;
    let mut launches = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mut request = host.script(&format!("record {}; hold", mark.display()));
        request.project = "five".into();
        let mut client = host.client();
        launches.spawn(async move { client.launch(request).await.map(|reply| reply.into_inner()) });
    }
    let (mut started, mut refused) = (Vec::new(), Vec::new());
    while let Some(result) = launches.join_next().await {
        match result.unwrap() {
            Ok(runner) => started.push(runner),
            Err(status) => refused.push(stratavore_rpc::Failure::from(status)),
        }
    }
    assert_eq!((started.len(), refused.len()), (5, 95));
    for failure in &refused {
        assert_eq!(failure.code, Code::QuotaFull);
        assert!(
            failure.message.contains("five-"),
            "it names who holds the places: {failure:?}"
        );
    }
    wait_until(SOON, "five programs", || {
        Process::recorded(&mark).len() == 5
    });
    assert_eq!(host.all().await.len(), 5);
    let edges: BTreeSet<String> = host
        .notifications()
        .await
        .into_iter()
        .map(|notice| notice.edge)
        .collect();
    assert_eq!(edges, BTreeSet::from(["quota-refused".to_owned()]));
    // A place that is freed is given again, to one.
    host.stop(&started[0].id, 1).await;
    let mut request = host.script("hold");
    request.project = "five".into();
    host.try_launch(request.clone()).await.unwrap();
    expect_code(host.try_launch(request).await, Code::QuotaFull, "project");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_quota_counts_all_projects_and_a_queued_launch_gets_the_next_place() {
    let host = Host::with_settings("[quota]\nmax_runners = 1\n").await;
    host.add_project("q", None).await;
    let first = host.launch("hold").await;
    let mut request = host.script("print my turn; hold");
    request.project = "q".into();
    expect_code(
        host.try_launch(request.clone()).await,
        Code::QuotaFull,
        "node",
    );
    request.queue = true;
    let queued = host.try_launch(request).await.unwrap();
    assert_eq!(queued.state, "queued");
    host.stop(&first.id, 1).await;
    host.state(&queued.id, "running").await;
    host.shows(&queued.id, "my turn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_one_launch() {
    let host = Host::start().await;
    let mut request = host.script("hold");
    request.request_id = Some("0190163d-8694-739b-aea5-966c26f8ad90".into());
    let first = host.try_launch(request.clone()).await.unwrap();
    let second = host.try_launch(request).await.unwrap();
    assert_eq!(first.id, second.id);
    assert_eq!(host.all().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_ignores_signals_is_gone_after_stop_with_all_its_children() {
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
    let agent = host.agent(&runner);
    let children = Process::recorded(&survivors);
    assert!(children.len() >= 5, "{children:?}");
    let stopped = host.stop(&runner.id, 1).await;
    assert_eq!(stopped.state, "terminated");
    // Not some time later: the stop has returned.
    let left: Vec<_> = children
        .iter()
        .chain([&program, &agent])
        .filter(|process| process.is_alive())
        .collect();
    assert_eq!(left, Vec::<&Process>::new());
    assert_eq!(host.processes_of(&runner.id), vec![]);
    assert_eq!(
        host.notifications().await,
        vec![],
        "who asked for it needs no telling"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_stops_at_once_are_one_stop() {
    let host = Host::start().await;
    let runner = host.launch("ignore TERM HUP INT; print ready; hold").await;
    host.shows(&runner.id, "ready").await;
    let mut stops = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut client = host.client();
        let id = runner.id.clone();
        stops.spawn(async move {
            let request = v1::StopRequest {
                target: Some(Target::Runner(id)),
                grace_seconds: Some(1),
                wait: true,
            };
            client
                .stop(request)
                .await
                .unwrap()
                .into_inner()
                .runners
                .remove(0)
                .state
        });
    }
    assert!(
        stops
            .join_all()
            .await
            .iter()
            .all(|state| state == "terminated")
    );
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
async fn what_a_program_leaves_ends_with_it_unless_it_is_to_stay() {
    let host = Host::start().await;
    for keep in [false, true] {
        let mark = host.home.path().join(format!("left-{keep}"));
        let mut request = host.script(&format!("hold-pty {}; exit 0", mark.display()));
        request.keep_descendants = keep;
        let runner = host.try_launch(request).await.unwrap();
        host.state(&runner.id, "terminated").await;
        let left = Process::recorded(&mark);
        assert_eq!(left.len(), 1);
        let agent_is_gone = || {
            let path = host.attempt_dir(&runner).join("runner.lock");
            !stratavore_wire::lock::is_held(&path).unwrap()
        };
        wait_until(SOON, "the agent has ended", agent_is_gone);
        assert_eq!(left[0].is_alive(), keep);
        if keep {
            left[0].kill().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pausing_stops_the_whole_tree_and_continuing_lets_it_go_on() {
    let mut host = Host::start().await;
    let runner = host.launch("start burn-cpu; print ready; echo").await;
    host.shows(&runner.id, "ready").await;
    let program = host.program(&runner);
    let tree = || -> Vec<Option<char>> {
        program
            .descendants()
            .iter()
            .chain([&program])
            .map(Process::state)
            .collect()
    };
    assert!(tree().len() >= 2, "a child burns the CPU");
    let paused = host
        .client()
        .pause(reference(&runner.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(paused.state, "paused");
    wait_until(SOON, "all of it stands still", || {
        tree().iter().all(|state| *state == Some('T'))
    });
    // It stays so through a crash of the host.
    host.kill();
    host.begin().await;
    assert_eq!(host.state(&runner.id, "paused").await.pid, runner.pid);
    assert!(tree().iter().all(|state| *state == Some('T')));
    let running = host
        .client()
        .r#continue(reference(&runner.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(running.state, "running");
    host.send(&runner.id, "hello").await;
    host.shows(&runner.id, "you said: hello").await;
    assert!(tree().iter().all(|state| *state != Some('T')));
    // A paused one can be stopped.
    host.client().pause(reference(&runner.id)).await.unwrap();
    assert_eq!(host.stop(&runner.id, 2).await.state, "terminated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_is_the_same_runner_in_its_next_attempt() {
    let host = Host::start().await;
    let mut request = host.script("env SECRET; hold");
    request.env = vec![v1::EnvVar {
        key: "SECRET".into(),
        value: "kept-for-the-next".into(),
    }];
    let runner = host.try_launch(request).await.unwrap();
    host.shows(&runner.id, "SECRET=kept-for-the-next").await;
    let again = host
        .client()
        .restart(reference(&runner.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (again.id.as_str(), again.state.as_str(), again.attempt),
        (runner.id.as_str(), "running", 2)
    );
    assert_ne!(again.pid, runner.pid);
    host.shows(&runner.id, "SECRET=kept-for-the-next").await;
    host.stop(&runner.id, 1).await;
    let third = host
        .client()
        .restart(reference(&runner.id))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((third.state.as_str(), third.attempt), ("running", 3));
    let types = host.history_of(&runner.id).await;
    let starts = types
        .iter()
        .filter(|kind| *kind == "runner.starting")
        .count();
    assert_eq!(starts, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_that_fails_is_started_again_until_its_attempts_are_used_up() {
    let host = Host::start().await;
    let mark = host.home.path().join("attempts");
    let mut request = host.script(&format!("record {}; exit 9", mark.display()));
    request.restart = Some(v1::RestartPolicy {
        policy: "on-failure".into(),
        max_attempts: Some(3),
    });
    let runner = host.try_launch(request).await.unwrap();
    let failed = host.state(&runner.id, "failed").await;
    assert_eq!((failed.attempt, Process::recorded(&mark).len()), (3, 3));
    let types = host.history_of(&runner.id).await;
    assert_eq!(
        types
            .iter()
            .filter(|kind| *kind == "runner.backoff")
            .count(),
        2
    );
    let edges: Vec<String> = host
        .notifications()
        .await
        .into_iter()
        .map(|notice| notice.edge)
        .collect();
    assert_eq!(edges, ["failed"], "told once, when it is over");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ceiling_is_acted_on_once_by_choice() {
    let host = Host::with_settings("[heartbeat]\ninterval_seconds = 1\n").await;
    let mut runners = Vec::new();
    for (action, state) in [
        ("notify", "running"),
        ("pause", "paused"),
        ("stop", "terminated"),
    ] {
        let mut request = host.script("allocate 64; hold");
        request.ceiling = Some(v1::Ceiling {
            memory_bytes: Some(32 << 20),
            cpu_percent: None,
            action: action.into(),
        });
        runners.push((host.try_launch(request).await.unwrap(), state));
    }
    for (runner, state) in &runners {
        wait_until_async(SOON, "the ceiling was noted", || async {
            host.history_of(&runner.id)
                .await
                .contains(&"runner.over_ceiling".to_owned())
        })
        .await;
        host.state(&runner.id, state).await;
        if *state == "running" {
            wait_until_async(SOON, "what was measured is shown", || async {
                let now = host.runner(&runner.id).await;
                now.memory_bytes.is_some_and(|bytes| bytes > 64 << 20)
            })
            .await;
        }
        let types = host.history_of(&runner.id).await;
        assert_eq!(
            types
                .iter()
                .filter(|kind| *kind == "runner.over_ceiling")
                .count(),
            1,
            "{types:?}"
        );
    }
    let told = host.notifications().await;
    assert_eq!(
        told.iter()
            .filter(|notice| notice.edge == "over-ceiling")
            .count(),
        3,
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn heartbeats_tell_cpu_and_memory_of_the_whole_tree() {
    let host = Host::with_settings("[heartbeat]\ninterval_seconds = 1\n").await;
    let runner = host.launch("start burn-cpu; allocate 32; hold").await;
    let seen = wait_until_async(SOON, "a heartbeat with the child's CPU", || async {
        let runner = host.runner(&runner.id).await;
        let enough = runner.cpu_percent.is_some_and(|cpu| cpu > 10.0)
            && runner.memory_bytes.is_some_and(|bytes| bytes > 32 << 20);
        if enough {
            Ok(runner)
        } else {
            Err(format!("{runner:?}"))
        }
    })
    .await;
    assert!(seen.last_heartbeat.is_some() && !seen.unreachable);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hung_agent_is_unreachable_never_ended_and_its_stop_works_all_the_same() {
    let host = Host::with_settings("[heartbeat]\ninterval_seconds = 1\n").await;
    let runner = host.launch("print ready; hold").await;
    host.shows(&runner.id, "ready").await;
    let agent = host.agent(&runner);
    let program = host.program(&runner);
    agent.signal(rustix::process::Signal::STOP).unwrap();
    wait_until_async(SOON, "it is unreachable", || async {
        host.runner(&runner.id).await.unreachable
    })
    .await;
    assert_eq!(host.runner(&runner.id).await.state, "running");
    host.stop(&runner.id, 0).await;
    assert!(!agent.is_alive() && !program.is_alive());
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_stay_out_of_logs_events_and_records() {
    const SECRET: &str = "hunter2-hunter2";
    let host = Host::with_settings("[log]\nlevel = \"trace\"\n").await;
    let mut request = host.script("env TOKEN; hold");
    request.env = vec![v1::EnvVar {
        key: "TOKEN".into(),
        value: SECRET.into(),
    }];
    let runner = host.try_launch(request).await.unwrap();
    host.shows(&runner.id, SECRET).await;
    let record = std::fs::read_to_string(host.attempt_dir(&runner).join("runner.json")).unwrap();
    let events: String = host
        .events()
        .await
        .into_iter()
        .map(|event| event.data)
        .collect();
    let shown = format!("{:?}", host.runner(&runner.id).await);
    assert!(host.log().len() > 100, "the log says something");
    for (what, text) in [
        ("log", host.log()),
        ("runner.json", record),
        ("events", events),
        ("show", shown),
    ] {
        assert!(!text.contains(SECRET), "the {what} holds the secret");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_gets_the_login_environment_without_what_a_parent_agent_left() {
    let mut host = Host::start().await;
    host.terminate();
    std::fs::write(host.home.home().join(".profile"), "export FROM_LOGIN=yes\n").unwrap();
    host.begin().await;
    let runner = host
        .launch("env FROM_LOGIN; env CLAUDECODE; env STRATAVORE_PROJECT; env STRATAVORE_RUNNER_ID; env TERM; hold")
        .await;
    for line in [
        "FROM_LOGIN=yes",
        "STRATAVORE_PROJECT=p",
        "TERM=xterm-256color",
    ] {
        host.shows(&runner.id, line).await;
    }
    host.shows(&runner.id, &format!("STRATAVORE_RUNNER_ID={}", runner.id))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_ids_and_prefixes_name_a_runner() {
    let host = Host::start().await;
    let named = |name: &str| {
        let mut request = host.script("hold");
        request.name = Some(name.into());
        request
    };
    let alpha = host.try_launch(named("alpha")).await.unwrap();
    host.try_launch(named("alphabet")).await.unwrap();
    expect_code(
        host.try_launch(named("alpha")).await,
        Code::Conflict,
        "\"alpha\"",
    );
    assert_eq!(
        host.runner("alpha").await.id,
        alpha.id,
        "a whole name is never ambiguous"
    );
    assert_eq!(host.runner("alphab").await.name, "alphabet");
    let find = |text: &str| {
        let mut client = host.client();
        let request = reference(text);
        async move {
            client
                .get_runner(request)
                .await
                .map(|r| r.into_inner())
                .map_err(stratavore_rpc::Failure::from)
        }
    };
    expect_code(find("alp").await, Code::Ambiguous, "alphabet");
    expect_code(find("beta").await, Code::NotFound, "\"beta\"");
    expect_code(find("").await, Code::Invalid, "empty");
    // The name of one that ended is free, and means the living.
    host.stop("alpha", 1).await;
    let second = host.try_launch(named("alpha")).await.unwrap();
    assert_eq!(host.runner("alpha").await.id, second.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_followed_without_a_gap_from_any_cursor() {
    use futures::StreamExt;
    let host = Host::start().await;
    let from_start = v1::EventsRequest {
        since: Some("c0".into()),
        follow: true,
        limit: None,
    };
    let mut stream = host.client().events(from_start).await.unwrap().into_inner();
    let runner = host.launch("exit 0").await;
    host.state(&runner.id, "terminated").await;
    let mut seen = Vec::new();
    while seen
        .last()
        .is_none_or(|event: &v1::Event| event.r#type != "runner.terminated")
    {
        seen.push(stream.next().await.unwrap().unwrap());
    }
    assert_eq!(seen, host.events().await);
    let middle = v1::EventsRequest {
        since: Some(seen[1].cursor.clone()),
        follow: false,
        limit: None,
    };
    let rest: Vec<v1::Event> = host
        .client()
        .events(middle)
        .await
        .unwrap()
        .into_inner()
        .map(Result::unwrap)
        .collect()
        .await;
    assert_eq!(rest, seen[2..]);
    let bad = v1::EventsRequest {
        since: Some("17".into()),
        follow: false,
        limit: None,
    };
    assert_eq!(
        stratavore_rpc::Failure::from(host.client().events(bad).await.unwrap_err()).code,
        Code::Invalid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_a_project_or_everything_ends_just_that() {
    let host = Host::start().await;
    host.add_project("other", None).await;
    let mut elsewhere = host.script("hold");
    elsewhere.project = "other".into();
    let other = host.try_launch(elsewhere).await.unwrap();
    for _ in 0..3 {
        host.launch("hold").await;
    }
    let stopped = host.try_stop(Target::Project("p".into()), 1).await.unwrap();
    assert_eq!(stopped.len(), 3);
    assert_eq!(host.runner(&other.id).await.state, "running");
    let archive = |name: &str| {
        let mut client = host.client();
        let request = v1::ProjectRef {
            project: name.into(),
        };
        async move {
            client
                .archive_project(request)
                .await
                .map_err(stratavore_rpc::Failure::from)
        }
    };
    assert_eq!(
        archive("other").await.unwrap_err().code,
        Code::Conflict,
        "it has a runner"
    );
    host.try_stop(Target::All(true), 1).await.unwrap();
    archive("other").await.unwrap();
    let mut again = host.script("hold");
    again.project = "other".into();
    expect_code(host.try_launch(again).await, Code::Conflict, "archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_projects_own_settings_hold_in_it_and_a_bad_one_is_named() {
    let host = Host::start().await;
    let file = host.home.project("p").join(".stratavore.toml");
    std::fs::write(&file, "[launch]\nrestart = \"on-failure\"\n[restart]\nmax_attempts = 2\n[stop]\ngrace_seconds = 1\n").unwrap();
    let runner = host.launch("ignore TERM HUP INT; print ready; hold").await;
    let restart = runner.restart.unwrap();
    assert_eq!(
        (restart.policy.as_str(), restart.max_attempts),
        ("on-failure", Some(2))
    );
    host.shows(&runner.id, "ready").await;
    let begun = std::time::Instant::now();
    let request = v1::StopRequest {
        target: Some(Target::Runner(runner.id)),
        grace_seconds: None,
        wait: true,
    };
    host.client().stop(request).await.unwrap();
    assert!(
        begun.elapsed() < std::time::Duration::from_secs(5),
        "the user's own grace was waited for"
    );
    let request = v1::ConfigRequest {
        project: Some("p".into()),
    };
    let config = host
        .client()
        .get_config(request)
        .await
        .unwrap()
        .into_inner();
    let grace = config
        .settings
        .iter()
        .find(|setting| setting.key == "stop.grace_seconds")
        .unwrap();
    assert_eq!(
        (
            grace.value.as_str(),
            grace.source.ends_with(".stratavore.toml:6")
        ),
        ("1", true),
        "{grace:?}"
    );
    std::fs::write(&file, "[quota]\nmax_runners = 5\n").unwrap();
    let failure = expect_code(
        host.try_launch(host.script("hold")).await,
        Code::BadConfig,
        ".stratavore.toml:2",
    );
    assert!(
        failure.message.contains("cannot be set by a project"),
        "{failure:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_what_was_found_and_how_to_mend_the_rest() {
    let host = Host::start().await;
    let report = host
        .client()
        .doctor(v1::DoctorRequest {})
        .await
        .unwrap()
        .into_inner();
    let check = |name: &str| {
        report
            .checks
            .iter()
            .find(|check| check.name == name)
            .unwrap_or_else(|| panic!("{name}"))
    };
    for name in [
        "data directory",
        "runtime directory",
        "store",
        "audit key",
        "agent",
        "environment",
    ] {
        assert_eq!(check(name).outcome, "ok", "{:?}", check(name));
    }
    assert_eq!(
        check("tray host").outcome,
        "warning",
        "this home has no session bus"
    );
    for check in &report.checks {
        assert_eq!(check.outcome != "ok", check.mend.is_some(), "{check:?}");
    }
}
