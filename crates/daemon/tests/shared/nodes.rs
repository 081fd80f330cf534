//! Which node a launch goes to, and whose host tells of it.

use futures::StreamExt;
use stratavore_rpc::v1;
use stratavore_testkit::postgres::Database;
use stratavore_testkit::{TempHome, wait_until_async};

use crate::support::team::{Team, on, settings};
use crate::support::{Host, SOON, refused};

/// What the API calls the node with the most room.
const LEAST_LOADED: &str = "least-loaded";

#[tokio::test]
async fn a_launch_on_the_least_loaded_node_goes_where_most_room_is_and_never_to_a_silent_one() {
    let database = Database::fresh().unwrap();
    let mut team = Team::of(&["attic", "cellar"], database.url()).await;
    let narrow = settings("ada", "shed", database.url()) + "[quota]\nmax_runners = 1\n";
    team.join("shed", &narrow, vec![]).await;
    // Two on the one that is asked, and the narrow one is full.
    team.hosts[0].launch("hold").await;
    team.hosts[0].launch("hold").await;
    let full = team.hosts[2].script("hold");
    team.hosts[2].try_launch(full).await.unwrap();
    let placed = async |asked: &Host| {
        let request = on(LEAST_LOADED, asked.script("hold"));
        let runner = asked.try_launch(request).await.unwrap();
        asked.state(&runner.id, "running").await
    };
    // As many as even it out go there, and run there; with as much room everywhere the first by name gets it.
    for expected in ["cellar", "cellar", "attic"] {
        let runner = placed(&team.hosts[0]).await;
        assert_eq!(runner.node, expected);
        assert_eq!(runner.here, expected == "attic");
        if expected == "cellar" {
            team.hosts[1].program(&team.hosts[1].runner(&runner.id).await);
        }
    }
    // Whoever asks, the same is chosen: 3 on attic, 2 on cellar, 1 of 1 on shed.
    assert_eq!(placed(&team.hosts[2]).await.node, "cellar");
    assert_eq!(placed(&team.hosts[1]).await.node, "attic");
    // Cellar has more room now (3 against 4), but nobody hears of it.
    team.hosts[1].kill();
    wait_until_async(SOON, "cellar to be silent", async || {
        let nodes = team.nodes(0).await;
        nodes
            .iter()
            .any(|node| node.name == "cellar" && node.silent)
    })
    .await;
    assert_eq!(placed(&team.hosts[2]).await.node, "attic");
}

#[tokio::test]
async fn a_node_that_has_just_joined_is_told_by_its_name() {
    let database = Database::fresh().unwrap();
    let mut team = Team { hosts: Vec::new() };
    // It looks at the nodes each minute by itself.
    let slow = settings("ada", "attic", database.url())
        .replace("interval_seconds = 1", "interval_seconds = 120");
    team.join("attic", &slow, vec![]).await;
    let others = settings("ada", "cellar", database.url());
    team.join("cellar", &others, vec![]).await;
    let [attic, cellar] = &team.hosts[..] else {
        unreachable!()
    };
    let request = on("cellar", attic.script("hold"));
    let runner = attic.try_launch(request).await.unwrap();
    assert_eq!(runner.node, "cellar");
    assert_eq!(attic.runner(&runner.id).await.node, "cellar");
    assert_eq!(cellar.state(&runner.id, "running").await.node, "cellar");
    let known = attic.status().await.nodes;
    let names: Vec<&str> = known.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["attic", "cellar"]);
}

#[tokio::test]
async fn a_copy_of_a_data_directory_is_refused_while_the_first_is_heard_of() {
    let database = Database::fresh().unwrap();
    let mut team = Team::of(&["attic"], database.url()).await;
    let attic = &mut team.hosts[0];
    let runner = attic.launch("hold").await;
    attic.state(&runner.id, "running").await;
    attic.kill();
    let copy = TempHome::new();
    std::fs::write(
        copy.config_file(),
        settings("ada", "cellar", database.url()),
    )
    .unwrap();
    let copied = std::process::Command::new("cp")
        .args(["-a", "-T"])
        .args([attic.home.data(), copy.data()])
        .status();
    assert!(copied.unwrap().success());
    attic.begin().await;
    attic.state(&runner.id, "running").await;
    let (code, words) = refused(&copy, |_| {});
    assert_ne!(code, 0);
    for part in ["attic", "copied"] {
        assert!(words.contains(part), "{words} lacks {part:?}");
    }
    // The first one goes on, with what runs there.
    let again = attic.launch("exit 0").await;
    attic.state(&again.id, "terminated").await;
    assert_eq!(attic.runner(&runner.id).await.state, "running");
    assert_eq!(team.nodes(0).await.len(), 1);
}

/// Waits until a host tells its clients that there may be notices.
async fn told(nudges: &mut (impl futures::Stream<Item = v1::Nudge> + Unpin)) {
    let notices = async {
        while let Some(nudge) = nudges.next().await {
            if nudge.entity == "notifications" {
                return;
            }
        }
        panic!("the host ended");
    };
    tokio::time::timeout(SOON, notices).await.unwrap();
}

/// What a host claims to show: of which runner, and what.
async fn claimed(host: &Host) -> Vec<(String, String)> {
    let of = |notice: v1::Notification| (notice.runner_id.unwrap_or_default(), notice.edge);
    host.notifications().await.into_iter().map(of).collect()
}

#[tokio::test]
async fn a_notification_comes_once_at_a_host_of_who_launched_wherever_it_ran() {
    let database = Database::fresh().unwrap();
    let mut team = Team { hosts: Vec::new() };
    for (node, person) in [("attic", "ada"), ("desk", "ada"), ("cellar", "bob")] {
        let settings = settings(person, node, database.url());
        team.join(node, &settings, vec![]).await;
    }
    let [attic, desk, cellar] = &team.hosts[..] else {
        unreachable!()
    };
    let mut nudges = Vec::new();
    for host in [attic, desk, cellar] {
        assert_eq!(claimed(host).await, []);
        let watched = host.client().watch(v1::WatchRequest {}).await.unwrap();
        nudges.push(watched.into_inner().map(Result::unwrap));
    }
    // Ada's runs at bob's, and bob's at ada's.
    let hers = on("cellar", attic.script("exit 3"));
    let hers = attic.try_launch(hers).await.unwrap();
    let his = on("attic", cellar.script("exit 4"));
    let his = cellar.try_launch(his).await.unwrap();
    for host in [attic, desk, cellar] {
        for runner in [&hers, &his] {
            host.state(&runner.id, "failed").await;
        }
    }
    // Every host is told that there may be something: also those that took no part.
    for nudges in &mut nudges {
        told(nudges).await;
    }
    let failed = |runner: &v1::Runner| vec![(runner.id.clone(), "failed".to_owned())];
    // Both of ada's hosts ask at once, and again: together they are given it once.
    let mut given = Vec::new();
    for _ in 0..3 {
        let (one, other) = tokio::join!(claimed(attic), claimed(desk));
        given.extend(one);
        given.extend(other);
    }
    assert_eq!(given, failed(&hers));
    assert_eq!(claimed(cellar).await, failed(&his));
    assert_eq!(claimed(cellar).await, []);

    // Once shown it is over for good, at every host of hers.
    let hers = attic.launch("exit 5").await;
    desk.state(&hers.id, "failed").await;
    let mut notice = desk.notifications().await;
    assert_eq!(notice.len(), 1);
    let shown = v1::NotificationShownRequest {
        id: notice.remove(0).id,
    };
    desk.client().notification_shown(shown).await.unwrap();
    for host in [attic, desk, cellar] {
        assert_eq!(claimed(host).await, []);
    }
    let left = "SELECT count(*) FROM notifications WHERE person = 'ada'";
    assert_eq!(
        database.run_sql(left).unwrap(),
        "2",
        "one of each, not one per host"
    );
}
