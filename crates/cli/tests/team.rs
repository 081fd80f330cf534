//! Several machines that share a store: nodes, whose runners they are, events that could not be delivered.

mod support;

use stratavore_rpc::v1;
use stratavore_testkit::TempHome;
use support::host::{FakeHost, World, ago, project, runner};
use support::{places, run};

fn node(name: &str, silent: bool) -> v1::Node {
    v1::Node {
        id: format!("0a0b{}", name.len()),
        name: name.into(),
        version: "0.1.0".into(),
        max_runners: (!silent).then_some(8),
        active_runners: 2,
        registered_at: ago(7200),
        heard_at: ago(190),
        silent,
        here: name == "desk",
    }
}

fn scene() -> (FakeHost, TempHome) {
    scene_on(None)
}

fn scene_on(store: Option<v1::Server>) -> (FakeHost, TempHome) {
    let home = TempHome::new();
    let mut mine = runner("auth");
    mine.node = "desk".into();
    mine.person = "ada".into();
    let mut theirs = runner("billing");
    theirs.node = "attic".into();
    theirs.here = false;
    theirs.unreachable = true;
    theirs.unreachable_since = Some(ago(190));
    let letter = v1::DeadLetter {
        aggregate_id: "0190a5d0-auth".into(),
        seq: 4,
        event: "runner.failed".into(),
        attempts: 8,
        error: "the broker returned it: NO_ROUTE".into(),
        number: 17,
        of: "auth".into(),
    };
    let world = World {
        projects: vec![project("api")],
        runners: vec![mine, theirs],
        nodes: vec![node("attic", true), node("desk", false)],
        dead_letters: vec![letter],
        store,
        ..World::default()
    };
    (FakeHost::start(&places(&home), world), home)
}

#[test]
fn nodes_runners_and_what_could_not_be_delivered_are_told() {
    let (_host, home) = scene();
    let steps = [
        &["node", "list"][..],
        &["runners"],
        &["outbox", "list"],
        &["node", "forget", "cellar"],
        &["node", "forget", "attic"],
        &["outbox", "drop", "3"],
        &["outbox", "drop", "17"],
        &["outbox", "retry"],
        &["outbox", "list"],
        &["db", "prune", "--before", "2026-01-31"],
    ];
    for (step, args) in steps.into_iter().enumerate() {
        let name = format!("{step}_{}", args.join("_"));
        insta::assert_snapshot!(name, run(&home, args).shown());
    }
}

#[test]
fn what_is_listed_while_the_shared_database_is_away_is_marked_with_its_age() {
    let store = v1::Server {
        address: "postgres://db/stratavore".into(),
        away_since: Some(ago(190)),
        reason: Some("cannot reach the database".into()),
    };
    let (_host, home) = scene_on(Some(store.clone()));
    let lists = [
        &["runners"][..],
        &["runners", "--json"],
        &["project", "list"],
        &["node", "list"],
        &["events"],
    ];
    for args in lists {
        let said = run(&home, args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.stderr);
        assert!(
            said.stderr.contains("the shared database is away since")
                && said.stderr.contains("3m ago"),
            "{args:?}: {}",
            said.stderr
        );
    }
    let here = v1::Server {
        away_since: None,
        ..store
    };
    let (_host, home) = scene_on(Some(here));
    for args in lists {
        let said = run(&home, args);
        assert!(!said.stderr.contains("away"), "{args:?}: {}", said.stderr);
    }
}

#[test]
fn a_launch_names_its_node_and_a_retry_its_runner() {
    let (host, home) = scene();
    assert_eq!(run(&home, &["launch", "api", "--node", "attic"]).code, 0);
    assert!(host.was_asked("node: Some(\"attic\")"));
    assert_eq!(run(&home, &["outbox", "retry", "auth"]).code, 0);
    assert!(host.was_asked("aggregate_id: Some(\"0190a5d0-auth\")"));
    assert_eq!(run(&home, &["outbox", "retry", "nobody"]).code, 3);
}
