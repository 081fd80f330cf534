//! The database by the command line: looked at, brought up to date, filled from one machine's history, and pruned.

use serde_json::Value;
use stratavore_rpc::v1;
use stratavore_testkit::TempHome;
use stratavore_testkit::postgres::Database;

use crate::command::{ran, said};
use crate::support::Host;
use crate::support::team::settings;

const COPY: [&str; 6] = ["db", "copy", "--from", "sqlite", "--to", "postgres"];

/// Runs `stratavore`, which is to fail with this code, for a reason that says all of this and no password.
#[track_caller]
fn refused(home: &TempHome, args: &[&str], code: i32, parts: &[&str]) {
    let (ended, words) = ran(home, args);
    assert_eq!(ended, code, "{args:?}: {words}");
    for part in parts {
        assert!(words.contains(part), "{words} lacks {part:?}");
    }
    assert!(!words.contains("wr0ng"), "{words}");
}

/// The events of a log, but for where they stand in it.
fn told(events: Vec<v1::Event>) -> Vec<(String, u64, String, String, String)> {
    let of = |event: v1::Event| {
        (
            event.aggregate_id,
            event.seq,
            event.r#type,
            event.at,
            event.data,
        )
    };
    events.into_iter().map(of).collect()
}

#[tokio::test]
async fn the_commands_look_at_migrate_fill_and_prune_a_real_database() {
    let database = Database::fresh().unwrap();
    let count = |table: &str| -> u64 {
        let sql = format!("SELECT count(*) FROM {table}");
        database.run_sql(&sql).unwrap().parse().unwrap()
    };
    // A machine of its own, with a history.
    let mut host = Host::start().await;
    let mut old = Vec::new();
    for script in ["exit 0", "exit 3"] {
        let runner = host.launch(script).await;
        old.push(
            host.until(&runner.id, |runner| runner.exit.is_some())
                .await
                .id,
        );
    }
    host.all_delivered().await;
    let known = told(host.events().await);
    let status = said(&host.home, &["db", "status"]);
    assert!(
        status.starts_with("sqlite ") && status.contains("its host keeps it up to date"),
        "{status}"
    );
    refused(&host.home, &["db", "migrate"], 1, &["store.url"]);
    refused(&host.home, &COPY, 1, &["store.url"]);

    // The same machine, to join a team: not while its host runs, and not into nothing.
    let config = host.home.config_file();
    let shared = settings("ada", "attic", database.url());
    std::fs::write(&config, &shared).unwrap();
    let pid = format!("the host stratavored (pid {}) runs on", host.pid());
    let how = "end it with `stratavore host stop`, and run this again";
    refused(&host.home, &COPY, 6, &[&pid, how, "its runners go on"]);
    host.terminate();
    std::fs::write(
        &config,
        settings("ada", "attic", "postgres://ada:wr0ng@127.0.0.1:1/team"),
    )
    .unwrap();
    for args in [&["db", "status"][..], &["db", "migrate"], &COPY] {
        refused(&host.home, args, 1, &["nothing answers at 127.0.0.1:1"]);
    }
    std::fs::write(&config, &shared).unwrap();

    let status = said(&host.home, &["db", "status"]);
    assert!(
        status.starts_with("postgres ") && status.contains("nothing is there yet"),
        "{status}"
    );
    let newest = |words: &str| -> i64 {
        let json: Value = serde_json::from_str(words).unwrap();
        assert_eq!(json["kind"], "postgres", "{words}");
        json["newest"].as_i64().unwrap()
    };
    let newest = newest(&said(&host.home, &["db", "status", "--json"]));
    let migrated = said(&host.home, &["db", "migrate"]);
    assert!(
        migrated.contains(&format!("had version 0, and has {newest} now")),
        "{migrated}"
    );
    assert_eq!(count("events"), 0);
    let migrated = said(&host.home, &["db", "migrate"]);
    assert!(
        migrated.contains(&format!("has version {newest} already")),
        "{migrated}"
    );
    let status = said(&host.home, &["db", "status"]);
    assert!(
        status.contains(&format!("version {newest}, up to date")),
        "{status}"
    );

    // All of it, verified, and once.
    let what = format!(
        "1 projects, 2 runners, {} events (0 not yet delivered)",
        known.len()
    );
    assert!(said(&host.home, &COPY).contains(&format!("copied and verified: {what}")));
    assert!(said(&host.home, &COPY).contains(&format!("all of it is there already: {what}")));
    let json = said(&host.home, &[&COPY[..], &["--json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["events"], &json["already"]),
        (&known.len().into(), &true.into()),
        "{json}"
    );
    assert_eq!(count("events"), known.len() as u64);

    // The machine goes on where it was, as one of the team.
    host.begin().await;
    assert_eq!(told(host.events().await), known);
    for (id, state) in old.iter().zip(["terminated", "failed"]) {
        assert_eq!(host.runner(id).await.state, state);
    }
    host.audit_is_whole().await;
    let now =
        "SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')";
    let before = database.run_sql(now).unwrap();
    let stays = host.launch("hold").await;
    host.state(&stays.id, "running").await;
    host.all_delivered().await;

    // Pruned of what was before, and whole: what came since is there, and the runners are.
    refused(
        &host.home,
        &["db", "prune", "--before", "soon"],
        2,
        &["2026-01-31"],
    );
    let (all, checkpoints) = (count("events"), count("checkpoints"));
    let words = said(&host.home, &["db", "prune", "--before", &before]);
    let left = count("events");
    assert!(left < all && left >= 2, "{left} of {all}");
    assert!(
        words.contains(&format!("removed {} events of ", all - left)),
        "{words}"
    );
    assert!(words.contains("behind a signed checkpoint"), "{words}");
    assert!(count("checkpoints") > checkpoints);
    let events = host.events().await;
    assert_eq!(events.len() as u64, left);
    let of_stays = events.iter().filter(|event| event.aggregate_id == stays.id);
    assert_eq!(of_stays.count(), 2);
    assert_eq!(host.all().await.len(), 3);
    host.audit_is_whole().await;
    let again = said(&host.home, &["db", "prune", "--before", &before]);
    assert!(again.contains("removed 0 events"), "{again}");
}
