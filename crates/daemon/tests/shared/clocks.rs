//! Machines whose clocks are an hour off: what several compare is told by the database's clock, so nobody else notices.

use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_rpc::v1;
use stratavore_testkit::clock::Clocks;
use stratavore_testkit::postgres::Database;
use stratavore_testkit::wait_until_async;

use crate::support::team::{Team, on, settings};
use crate::support::{Host, SOON, reference};

const HOUR: i64 = 3600;
/// After so many seconds without a word a node of these teams is silent.
const SILENCE: i64 = 3;

/// Reads a moment, in seconds.
fn moment(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().timestamp()
}

/// Tells how many seconds a moment is ahead of the present.
fn off(text: &str) -> i64 {
    moment(text) - SystemClock.now().timestamp()
}

/// Claims notices on each of these hosts in turn, and gives the edges that each was given.
async fn claimed(hosts: &[&Host]) -> Vec<String> {
    let mut edges = Vec::new();
    for host in hosts {
        let given = host.notifications().await;
        edges.extend(given.into_iter().map(|notice| notice.edge));
    }
    edges
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_an_hour_off_on_a_node_makes_nobody_silent_and_nothing_told_twice() {
    let database = Database::fresh().unwrap();
    let clocks = Clocks::make().unwrap();
    let mut team = Team { hosts: Vec::new() };
    for (node, ahead) in [("right", 0), ("early", HOUR), ("late", -HOUR)] {
        let settings = settings("ada", node, database.url());
        team.join(node, &settings, clocks.ahead(ahead)).await;
    }
    for (host, ahead) in team.hosts.iter().zip([0, HOUR, -HOUR]) {
        let wrong = off(&host.status().await.started_at) - ahead;
        assert!(wrong.abs() < HOUR / 6, "{ahead}: {wrong}");
        assert_eq!(claimed(&[host]).await, [""; 0]);
    }
    let [right, early, late] = &team.hosts[..] else {
        unreachable!()
    };

    // Each node has a runner, which all see running.
    let mut runners = Vec::new();
    for node in ["right", "early", "late"] {
        let request = on(node, late.script("hold"));
        runners.push(late.try_launch(request).await.unwrap());
    }
    for host in &team.hosts {
        for runner in &runners {
            host.until(&runner.id, |runner| runner.state == "running")
                .await;
        }
    }
    // For longer than one may be silent, nobody is, whoever looks.
    let heard = |nodes: Vec<v1::Node>| -> i64 {
        nodes
            .iter()
            .map(|node| moment(&node.heard_at))
            .min()
            .unwrap()
    };
    let enough = heard(team.nodes(0).await) + SILENCE * 2;
    wait_until_async(SOON, "every node to be heard of for a while", async || {
        let mut last = i64::MAX;
        for (at, host) in team.hosts.iter().enumerate() {
            let nodes = team.nodes(at).await;
            assert!(nodes.iter().all(|node| !node.silent), "{nodes:?}");
            let all = host.all().await;
            assert!(all.iter().all(|runner| !runner.unreachable), "{all:?}");
            last = last.min(heard(nodes));
        }
        last >= enough
    })
    .await;

    // They steer each other's, and what was asked is done at once.
    for (host, runner) in [
        (early, &runners[2]),
        (late, &runners[1]),
        (right, &runners[1]),
    ] {
        host.client().pause(reference(&runner.id)).await.unwrap();
        right
            .until(&runner.id, |runner| runner.state == "paused")
            .await;
        host.client()
            .r#continue(reference(&runner.id))
            .await
            .unwrap();
        early
            .until(&runner.id, |runner| runner.state == "running")
            .await;
    }

    // Who claimed a notice has a minute to show it, however late the others think it is.
    for hosts in [
        [right, early, late],
        [late, right, early],
        [early, late, right],
    ] {
        let failing = hosts[0]
            .try_launch(on("late", hosts[0].script("exit 3")))
            .await
            .unwrap();
        for host in hosts {
            host.state(&failing.id, "failed").await;
        }
        assert_eq!(claimed(&hosts).await, ["failed"], "once, and by the first");
        assert_eq!(claimed(&hosts).await, [""; 0], "nor again");
    }

    // One that is gone is silent since then, by the right time, and another delivers what it would have.
    let silent = runners[1].id.clone();
    team.hosts[1].kill();
    for at in [0, 2] {
        let lost = team.hosts[at]
            .until(&silent, |runner| runner.unreachable)
            .await;
        let since = lost.unreachable_since.unwrap();
        assert!(off(&since).abs() < HOUR / 6, "{since}");
        assert_eq!(lost.state, "running");
    }
    team.hosts[0].launch("exit 0").await;
    team.hosts[2].all_delivered().await;
    team.hosts[1].begin().await;
    team.hosts[0]
        .until(&silent, |runner| !runner.unreachable)
        .await;

    // In the log each runner's events stand in their order.
    for runner in &runners {
        let told = team.hosts[0].history_of(&runner.id).await;
        assert_eq!(told[..2], ["runner.starting", "runner.started"], "{told:?}");
    }
    for host in &team.hosts {
        host.audit_is_whole().await;
    }
}
