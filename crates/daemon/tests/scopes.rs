//! Runners where a systemd user manager gives each agent a scope of its own.

mod support;

use std::path::PathBuf;

use rustix::process::Signal;
use stratavore_rpc::v1;
use stratavore_testkit::scopes::Scopes;
use stratavore_testkit::{TempHome, wait_until};
use support::{Host, SOON};

async fn start() -> (Host, Scopes) {
    let home = TempHome::new();
    let scopes = Scopes::install(&home).unwrap();
    let host = Host::with_environment(home, vec![("PATH".into(), scopes.path())]).await;
    (host, scopes)
}

fn unit(runner: &v1::Runner) -> String {
    format!("stratavore-{}-{}.scope", runner.id, runner.attempt)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_agent_gets_a_scope_named_after_its_runner_with_the_kernels_limit_where_one_was_asked_for()
 {
    let (host, scopes) = start().await;
    let with_ceiling = |action: &str| {
        let mut request = host.script("hold");
        request.ceiling = Some(v1::Ceiling {
            memory_bytes: Some(1 << 30),
            cpu_percent: Some(5000),
            action: action.into(),
        });
        host.try_launch(request)
    };
    let runners = [
        (host.launch("hold").await, vec![]),
        (
            with_ceiling("stop").await.unwrap(),
            vec!["--property=MemoryMax=1073741824"],
        ),
        // The kernel would end what is only to be told or paused.
        (with_ceiling("notify").await.unwrap(), vec![]),
        (with_ceiling("pause").await.unwrap(), vec![]),
    ];
    let asked = scopes.asked();
    assert_eq!(asked.len(), runners.len(), "{asked:?}");
    for (words, (runner, properties)) in asked.iter().zip(&runners) {
        let unit = format!("--unit={}", unit(runner));
        let mut expected = vec!["--user", "--scope", "--quiet", "--collect", &unit];
        expected.extend(properties);
        expected.push("--");
        let (options, program) = words.split_at(expected.len());
        assert_eq!(options, expected);
        assert!(program[0].ends_with("/stratavore-agent"), "{program:?}");
        assert_eq!(program[1..], ["run"]);
    }
    let restarted = host
        .client()
        .restart(support::reference(&runners[0].0.id))
        .await
        .unwrap()
        .into_inner();
    let last = scopes.asked().pop().unwrap();
    assert!(
        last.contains(&format!("--unit={}", unit(&restarted))),
        "another attempt is another scope: {last:?}"
    );
}

/// A process that left its parent, its session and its environment: only the scope still knows whose it is.
const HIDES: &str = "(setsid env -i sleep 100000 &) ; echo hidden; while :; do sleep 1; done";

struct Tree {
    scope: PathBuf,
}

impl Tree {
    fn of(scopes: &Scopes, runner: &v1::Runner) -> Option<Self> {
        match scopes.group() {
            Some(group) => Some(Self {
                scope: group.join(unit(runner)),
            }),
            None => {
                eprintln!("skipped: no writable control groups of version 2 here");
                None
            }
        }
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.scope.join("tree").join(file)).unwrap()
    }

    fn is_frozen(&self) -> bool {
        self.read("cgroup.events").contains("frozen 1")
    }

    fn members(&self) -> usize {
        self.read("cgroup.procs").lines().count()
    }
}

async fn hides(host: &Host) -> v1::Runner {
    let request = v1::LaunchRequest {
        project: "p".into(),
        command: vec!["sh".into(), "-c".into(), HIDES.into()],
        ..v1::LaunchRequest::default()
    };
    let runner = host.try_launch(request).await.unwrap();
    host.shows(&runner.id, "hidden").await;
    runner
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_in_a_scope_is_paused_and_stopped_by_the_kernel_and_its_agent_is_not() {
    let (mut host, scopes) = start().await;
    let runner = hides(&host).await;
    let Some(tree) = Tree::of(&scopes, &runner) else {
        return;
    };
    let agent = host.agent(&runner);
    let procs = std::fs::read_to_string(tree.scope.join("cgroup.procs")).unwrap();
    assert!(
        procs.lines().eq([agent.pid.to_string()]),
        "the agent alone is beside the tree: {procs:?}"
    );
    wait_until(SOON, "the hidden one is in the tree", || {
        tree.members() >= 3
    });
    host.client()
        .pause(support::reference(&runner.id))
        .await
        .unwrap();
    wait_until(SOON, "the tree is frozen", || tree.is_frozen());
    host.state(&runner.id, "paused").await;
    host.kill();
    host.begin().await;
    assert!(tree.is_frozen(), "a new host continues nothing");
    host.client()
        .r#continue(support::reference(&runner.id))
        .await
        .unwrap();
    wait_until(SOON, "the tree goes on", || !tree.is_frozen());
    host.client()
        .pause(support::reference(&runner.id))
        .await
        .unwrap();
    wait_until(SOON, "the tree is frozen again", || tree.is_frozen());
    assert_eq!(host.stop(&runner.id, 1).await.state, "terminated");
    assert_eq!(tree.members(), 0, "what hid is gone, and what was frozen");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_agent_left_in_its_scope_is_ended_even_when_it_hides() {
    let (host, scopes) = start().await;
    let runner = hides(&host).await;
    let Some(tree) = Tree::of(&scopes, &runner) else {
        return;
    };
    wait_until(SOON, "the hidden one is in the tree", || {
        tree.members() >= 3
    });
    host.agent(&runner).signal(Signal::KILL).unwrap();
    host.state(&runner.id, "failed").await;
    wait_until(SOON, "nothing is left in the scope", || tree.members() == 0);
}
