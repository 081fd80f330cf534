//! Several hosts on one PostgreSQL: each with its own runners, all seen and steered from anywhere.

mod support;

use std::collections::{HashMap, HashSet};

use lapin::options::BasicGetOptions;
use lapin::{Connection, ConnectionProperties};
use stratavore_rpc::{Code, v1};
use stratavore_testkit::postgres::{Database, Postgres};
use stratavore_testkit::rabbitmq::RabbitMq;
use stratavore_testkit::{TempHome, wait_until_async};
use support::team::{Team, on};
use support::{Host, SOON, reference};

#[tokio::test]
async fn nodes_share_projects_runners_and_quotas_and_steer_each_others() {
    let database = Database::fresh().unwrap();
    let team = Team::of(&["attic", "cellar"], database.url()).await;
    let [attic, cellar] = &team.hosts[..] else {
        unreachable!()
    };
    let names: Vec<String> = team
        .nodes(1)
        .await
        .into_iter()
        .map(|node| node.name)
        .collect();
    assert_eq!(names, ["attic", "cellar"]);

    // The project that one added is the other's too; its directory is the first one's.
    let here = attic.launch("hold").await;
    let seen = cellar
        .until(&here.id, |runner| runner.state == "running")
        .await;
    assert_eq!(
        (seen.node.as_str(), seen.here, seen.person.as_str()),
        ("attic", false, "ada")
    );
    let refused = cellar
        .client()
        .get_terminal(reference(&here.id))
        .await
        .unwrap_err();
    assert!(
        refused.message().contains("is on the node attic"),
        "{refused}"
    );

    // Launched from the one, it runs on the other.
    let there = cellar
        .try_launch(on("attic", cellar.script("hold")))
        .await
        .unwrap();
    let there = attic
        .until(&there.id, |runner| runner.state == "running")
        .await;
    assert!(there.here);
    assert!(stratavore_testkit::Process::find(there.pid.unwrap()).is_some());

    // Paused, continued and stopped from the other.
    cellar.client().pause(reference(&here.id)).await.unwrap();
    attic
        .until(&here.id, |runner| runner.state == "paused")
        .await;
    cellar
        .client()
        .r#continue(reference(&here.id))
        .await
        .unwrap();
    attic
        .until(&here.id, |runner| runner.state == "running")
        .await;
    for runner in [&here, &there] {
        let request = v1::StopRequest {
            target: Some(v1::stop_request::Target::Runner(runner.id.clone())),
            grace_seconds: Some(1),
            wait: true,
        };
        cellar.client().stop(request).await.unwrap();
        let ended = attic.runner(&runner.id).await;
        assert_eq!(ended.state, "terminated");
    }
}

#[tokio::test]
async fn a_quota_of_a_project_covers_all_nodes() {
    let database = Database::fresh().unwrap();
    let team = Team::of(&["attic", "cellar"], database.url()).await;
    let [attic, cellar] = &team.hosts[..] else {
        unreachable!()
    };
    attic.add_project("two", Some(2)).await;
    let two = |host: &Host| v1::LaunchRequest {
        project: "two".into(),
        ..host.script("hold")
    };
    let first = attic.try_launch(two(attic)).await.unwrap();
    let second = cellar.try_launch(on("attic", two(cellar))).await.unwrap();
    let refused = cellar
        .try_launch(on("attic", two(cellar)))
        .await
        .unwrap_err();
    assert_eq!(refused.code, Code::QuotaFull);
    assert!(
        refused.message.contains(&first.name) && refused.message.contains(&second.name),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn a_silent_nodes_runners_are_unreachable_and_end_only_by_evidence_or_when_it_is_forgotten() {
    let database = Database::fresh().unwrap();
    let mut team = Team::of(&["attic", "cellar"], database.url()).await;
    let returned = team.hosts[0].launch("wait-file go; exit 3").await;
    let held = team.hosts[0].launch("hold").await;
    team.hosts[0].kill();
    let cellar = &team.hosts[1];
    for runner in [&returned, &held] {
        let lost = cellar.until(&runner.id, |runner| runner.unreachable).await;
        assert_eq!(lost.state, "running");
        assert!(lost.unreachable_since.is_some());
    }
    assert!(team.nodes(1).await[0].silent);
    // What ends while nobody looks is written when the node is back.
    std::fs::write(team.hosts[0].home.project("p").join("go"), "").unwrap();
    team.hosts[0].begin().await;
    let cellar = &team.hosts[1];
    let ended = cellar
        .until(&returned.id, |runner| runner.state == "failed")
        .await;
    assert_eq!(ended.exit.unwrap().code, Some(3));
    cellar.until(&held.id, |runner| !runner.unreachable).await;

    // Forgotten, its runners end as lost; and the node, when it comes back, ends what is left of them.
    let pid = held.pid.unwrap();
    team.hosts[0].kill();
    let cellar = &team.hosts[1];
    cellar.until(&held.id, |runner| runner.unreachable).await;
    let node = v1::NodeRef {
        node: "attic".into(),
    };
    let ended = cellar
        .client()
        .forget_node(node)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(ended.runners.len(), 1);
    assert_eq!(cellar.runner(&held.id).await.state, "failed");
    assert_eq!(team.nodes(1).await.len(), 1);
    team.hosts[0].begin().await;
    stratavore_testkit::wait_until(SOON, "what is left of it is ended", || {
        stratavore_testkit::Process::find(pid).is_none()
    });
    assert_eq!(team.nodes(1).await.len(), 2);
}

#[tokio::test]
async fn with_the_database_gone_runners_go_on_and_what_happens_is_written_when_it_returns() {
    // A server of its own, for it is stopped.
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let name = url.split('?').next().and_then(|url| url.rsplit('/').next());
    let name = name.unwrap().to_owned();
    let mut team = Team::of(&["attic"], &url).await;
    let ends = team.hosts[0].launch("wait-file go; exit 4").await;
    let stays = team.hosts[0].launch("hold").await;
    server.stop_immediately().unwrap();

    let attic = &team.hosts[0];
    let status = attic
        .status_until(|status| status.store.as_ref().unwrap().away_since.is_some())
        .await;
    assert!(
        !format!("{status:?}").contains("s3same"),
        "no password is told"
    );
    // Everything is still shown, a stop stops, an exit is known; a launch is refused with the reason.
    assert_eq!(attic.runner(&stays.id).await.state, "running");
    let refused = attic.try_launch(attic.script("hold")).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert!(
        refused.message.contains("cannot reach the database"),
        "{refused:?}"
    );
    std::fs::write(attic.home.project("p").join("go"), "").unwrap();
    let ended = attic
        .until(&ends.id, |runner| runner.state == "failed")
        .await;
    assert_eq!(ended.exit.unwrap().code, Some(4));
    // Also for a host that starts meanwhile.
    team.hosts[0].kill();
    team.hosts[0].begin().await;
    let attic = &team.hosts[0];
    assert_eq!(attic.runner(&ends.id).await.state, "failed");
    // The log is told as far as it was known; what is spooled is no event yet.
    let known = attic.events().await;
    attic.until(&stays.id, |runner| !runner.unreachable).await;
    let stop = v1::StopRequest {
        target: Some(v1::stop_request::Target::Runner(stays.id.clone())),
        grace_seconds: Some(1),
        wait: true,
    };
    attic.client().stop(stop).await.unwrap();

    server.restart().unwrap();
    attic
        .status_until(|status| status.store.as_ref().unwrap().away_since.is_none())
        .await;
    for (id, state) in [(&ends.id, "failed"), (&stays.id, "terminated")] {
        attic.until(id, |runner| runner.state == state).await;
        let sql = format!(
            "SELECT count(*) FROM events WHERE aggregate_id = '{id}' AND type IN ('runner.failed', 'runner.terminated')"
        );
        assert_eq!(
            server.run_sql(&name, &sql).unwrap().trim(),
            "1",
            "once and only once"
        );
    }
    let all = attic.events().await;
    assert!(known.len() < all.len());
    assert_eq!(all[..known.len()], known);
    let audit = attic
        .client()
        .verify_audit(v1::VerifyAuditRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(audit.faults, []);
    let again = attic.try_launch(attic.script("exit 0")).await;
    let again = again.unwrap_or_else(|failure| panic!("{failure:?}\n{}", attic.log()));
    attic
        .until(&again.id, |runner| runner.state == "terminated")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_broker_gone_everything_goes_on_and_events_wait_and_come_in_order() {
    let mut broker = RabbitMq::start().unwrap();
    let database = Database::fresh().unwrap();
    let home = TempHome::new();
    let settings = format!(
        "person = 'ada'\n[store]\nurl = '{}'\n[broker]\nurl = '{}'\n[heartbeat]\ninterval_seconds = 1\n",
        database.url(),
        broker.url()
    );
    std::fs::write(home.config_file(), settings).unwrap();
    let host = Host::in_home(home).await;
    let before = host.launch("exit 0").await;
    host.state(&before.id, "terminated").await;
    host.all_delivered().await;

    // Known although there is nothing to tell it.
    tokio::task::block_in_place(|| broker.settle()).unwrap();
    broker.kill().unwrap();
    let away = |status: &v1::Status| status.broker.as_ref().unwrap().away_since.is_some();
    let status = host.status_until(away).await;
    let reason = status.broker.unwrap().reason.unwrap();
    assert!(
        reason.contains("cannot reach the broker") && !reason.contains("guest:guest"),
        "{reason}"
    );
    // Launches go on, and what they tell waits.
    let mut waiting = 0;
    for script in ["exit 0", "exit 3"] {
        let runner = host.launch(script).await;
        host.until(&runner.id, |runner| runner.exit.is_some()).await;
        let status = host.status().await;
        assert!(
            away(&status) && status.outbox_waiting >= waiting + 3,
            "{status:?}"
        );
        waiting = status.outbox_waiting;
    }

    tokio::task::block_in_place(|| broker.restart()).unwrap();
    host.status_until(|status| !away(status) && status.outbox_waiting == 0)
        .await;
    // Whoever reads the broker's queue finds everything, each runner's in order; some may come twice for the fault.
    let committed = host.events().await;
    let mut seen: HashMap<String, u64> = HashMap::new();
    for (whose, seq) in read(&broker.url(), &committed).await {
        let last = seen.entry(whose.clone()).or_default();
        if seq > *last {
            assert_eq!(seq, *last + 1, "{whose}");
            *last = seq;
        }
    }
}

/// Reads events from the broker's queue until all of these have come: whose, and which.
async fn read(url: &str, events: &[v1::Event]) -> Vec<(String, u64)> {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut missing: HashSet<(String, u64)> = events
        .iter()
        .map(|event| (event.aggregate_id.clone(), event.seq))
        .collect();
    let mut read = Vec::new();
    while !missing.is_empty() {
        let next = wait_until_async(SOON, "the next event to be on the queue", async || {
            let options = BasicGetOptions { no_ack: true };
            let got = channel.basic_get("stratavore.events.audit".into(), options);
            got.await.unwrap().ok_or_else(|| format!("{missing:?}"))
        });
        let message = next.await;
        let event: serde_json::Value = serde_json::from_slice(&message.delivery.data).unwrap();
        let whose = event["aggregate_id"].as_str().unwrap().to_owned();
        let event = (whose, event["seq"].as_u64().unwrap());
        missing.remove(&event);
        read.push(event);
    }
    read
}
