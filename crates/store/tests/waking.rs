//! How soon a node knows what another committed: told at once, and within about a second where nobody tells it.

#[path = "support/team.rs"]
mod team;

use std::time::Duration;

use stratavore_core::clock::{Clock, SystemClock};
use stratavore_core::ids::ProjectId;
use stratavore_core::name::Name;
use stratavore_store::postgres::PostgresStore;
use stratavore_store::{Cursor, NewProject, Store};
use team::Team;
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(30);
/// How often a node looks though nobody tells it.
const BACKSTOP: Duration = Duration::from_secs(1);

/// Commits on one node, one event after the other, and tells how long after each commit the other knew, sorted.
async fn waits(from: &PostgresStore, to: &PostgresStore, events: usize) -> Vec<Duration> {
    let mut known = to.commits();
    let mut waits = Vec::new();
    for number in 0..events {
        let last = *known.borrow_and_update();
        let now = SystemClock.now();
        let new = NewProject {
            id: ProjectId::new(now),
            name: Name::new(format!("p{number}")).unwrap(),
            path: "/srv".into(),
            max_runners: None,
        };
        from.add_project(new, now).await.unwrap();
        let committed = Instant::now();
        let woken = known.wait_for(|cursor| *cursor > last);
        let cursor = *tokio::time::timeout(SOON, woken).await.unwrap().unwrap();
        waits.push(committed.elapsed());
        // It is told only what can be read.
        assert_eq!(cursor, Cursor(last.0 + 1));
    }
    waits.sort();
    waits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_node_commits_wakes_the_others_at_once() {
    let team = Team::of(2).await;
    let waits = waits(&team.stores[0], &team.stores[1], 21).await;
    // Each wait begins with a look that found nothing, so without being told it lasts the whole second.
    let median = waits[waits.len() / 2];
    assert!(median < BACKSTOP / 5, "{waits:?}");
    team.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_is_told_a_node_looks_each_second() {
    let team = Team {
        stores: Vec::new(),
        database: stratavore_testkit::postgres::Database::fresh().unwrap(),
        directory: tempfile::tempdir().unwrap(),
    };
    // What is sent to wake the others is lost, every time.
    let lost = "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS 'SELECT'; \
                DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$";
    team.database.run_sql(lost).unwrap();
    let (one, other) = (team.open(0).await.unwrap(), team.open(1).await.unwrap());
    let waits = waits(&one, &other, 7).await;
    let median = waits[waits.len() / 2];
    // Some more, for a loaded machine: a node that never looks hangs, and one that looks rarely takes longer.
    assert!(median < BACKSTOP * 2, "{waits:?}");
    assert!(median > BACKSTOP / 5, "something told it: {waits:?}");
    one.close().await;
    other.close().await;
}
