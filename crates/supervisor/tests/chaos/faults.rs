//! The faults.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rustix::process::Signal;
use stratavore_core::clock::{Clock, SystemClock, Timestamp};
use stratavore_testkit::postgres::{self, Postgres};
use stratavore_testkit::rabbitmq::{Broker, RabbitMq};
use stratavore_testkit::tcp_proxy::{Server, TcpProxy};
use stratavore_testkit::wait_until_async;
use tempfile::TempDir;
use uuid::Uuid;

use crate::process::{Death, PublisherProcess};
use crate::world::{Database, PATIENTLY, World, is_long};

fn sqlite() -> (TempDir, Database) {
    let directory = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(directory.path().to_owned());
    (directory, database)
}

/// Anything below a limit.
fn below(limit: u64) -> u64 {
    Uuid::new_v4().as_u64_pair().0 % limit
}

/// The same place, through a proxy.
fn through(proxy: &TcpProxy, url: &str) -> String {
    let (login, rest) = url.split_once('@').unwrap();
    let (_, vhost) = rest.split_once('/').unwrap();
    format!("{login}@{}/{vhost}", proxy.address())
}

/// A clock that is an hour ahead of all others.
struct Ahead;

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now() + TimeDelta::hours(1)
    }
}

fn proxy_of(url: &str) -> TcpProxy {
    let place = url.split_once('@').unwrap().1.split('/').next().unwrap();
    TcpProxy::start(Server::Tcp(place.parse().unwrap())).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_killed_anywhere_loses_nothing_and_keeps_the_order() {
    let (_directory, database) = sqlite();
    killed_anywhere(database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_on_postgresql() {
    let directory = tempfile::tempdir().unwrap();
    let postgres = postgres::Database::fresh().unwrap();
    killed_anywhere(Database::Postgres(
        postgres.url().to_owned(),
        directory.path().to_owned(),
    ))
    .await;
}

async fn killed_anywhere(database: Database) {
    let broker = Broker::get().unwrap();
    let world = World::begin(database, broker.url()).await;
    let start =
        |url: &str, death| PublisherProcess::start(&world.database, url, &world.prefix, death);
    let (mut faults, rounds) = (0, if is_long() { 20 } else { 2 });
    for round in 0..rounds {
        // Exactly between publishing and marking, and between marking and publishing.
        for death in [
            Death::Confirmed(1 + round % 7),
            Death::Marked(1 + round % 7),
        ] {
            let mut publisher = start(&world.url, Some(death));
            let ended = || std::future::ready(publisher.has_ended());
            wait_until_async(PATIENTLY, "the publisher to kill itself", ended).await;
            faults += 1;
        }
        // Exactly between publishing and the confirm: it never hears one.
        let proxy = proxy_of(&world.url);
        let publisher = start(&through(&proxy, &world.url), None);
        world.progress(1).await;
        proxy.mute();
        world.unconfirmed().await;
        drop(publisher);
        faults += 1;
        // Anywhere.
        let publisher = start(&world.url, None);
        world.progress(1 + below(500)).await;
        drop(publisher);
        faults += 1;
    }
    world.end(faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_killed_full_or_cut_off_loses_nothing_and_keeps_the_order() {
    let mut broker = RabbitMq::start().unwrap();
    let (_directory, database) = sqlite();
    let world = World::begin(database, broker.url()).await;
    let proxy = proxy_of(&world.url);
    let store = Arc::clone(&world.store);
    let publishing = world.publish(store, &through(&proxy, &world.url), Arc::new(SystemClock));
    let mut faults = 0;
    for _ in 0..if is_long() { 5 } else { 1 } {
        world.progress(100 + below(200)).await;
        proxy.cut();
        world.wait_for_backlog(500).await;
        proxy.resume();
        // In the midst of catching up.
        world.progress(1 + below(100)).await;
        proxy.reset();
        world.progress(100 + below(200)).await;
        // Nothing passes, either way, until patience ends.
        proxy.stall();
        world.wait_for_backlog(500).await;
        proxy.reset();
        proxy.resume();
        world.progress(1 + below(100)).await;
        broker.disk_alarm(true).unwrap();
        world.wait_for_backlog(500).await;
        broker.disk_alarm(false).unwrap();
        world.progress(1 + below(100)).await;
        broker.kill().unwrap();
        broker.restart().unwrap();
        world.progress(200).await;
        // Each of them, and each attempt to publish that the stall and the alarm let begin.
        faults += 5 + 4;
    }
    publishing.end().await;
    world.end(faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_stopped_and_goes_on_after_another_took_over_marks_nothing_of_it() {
    let broker = Broker::get().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let postgres = postgres::Database::fresh().unwrap();
    let database = Database::Postgres(postgres.url().to_owned(), directory.path().to_owned());
    let world = World::begin(database, broker.url()).await;
    let mut faults = 0;
    for _ in 0..if is_long() { 3 } else { 1 } {
        let proxy = proxy_of(&world.url);
        let url = through(&proxy, &world.url);
        let stopped = PublisherProcess::start(&world.database, &url, &world.prefix, None);
        world.progress(1 + below(200)).await;
        // With a batch in hand that the broker has and nobody marked.
        proxy.mute();
        world.unconfirmed().await;
        stopped.signal(Signal::STOP);
        proxy.resume();
        // Another takes over when the lease has run out by the database's clock, whatever its own says.
        let store = world.database.open().await;
        let publishing = world.publish(Arc::clone(&store), &world.url, Arc::new(Ahead));
        world.progress(500).await;
        if is_long() {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(30) {
                world.progress(100).await;
            }
        }
        stopped.signal(Signal::CONT);
        world.progress(500).await;
        // Killed with its share in hand, which goes to the other.
        drop(stopped);
        world.progress(500).await;
        publishing.end().await;
        store.close().await;
        // Stopped, continued, what it gave back taken over and over again, killed.
        faults += 4;
    }
    world.end(faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_is_stopped_before_it_marks_is_fenced_by_who_took_over_and_keeps_the_order()
 {
    let broker = Broker::get().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let postgres = postgres::Database::fresh().unwrap();
    let database = Database::Postgres(postgres.url().to_owned(), directory.path().to_owned());
    let world = World::begin(database, broker.url()).await;
    let (mut faults, mut fenced, mut rounds) = (0, 0, 0);
    while fenced < if is_long() { 3 } else { 1 } {
        rounds += 1;
        assert!(rounds <= 8, "the fence told {fenced} of them");
        let death = Some(Death::Waits(rounds));
        let mut stopped =
            PublisherProcess::start(&world.database, &world.url, &world.prefix, death);
        stopped.stop().await;
        let store = world.database.open().await;
        let publishing = world.publish(Arc::clone(&store), &world.url, Arc::new(SystemClock));
        // So many come only once all of its shards are the other's.
        world.progress(500).await;
        if is_long() {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(30) {
                world.progress(100).await;
            }
        }
        fenced += u32::from(stopped.goes_on_and_is_fenced().await);
        // It has its share again.
        world.progress(500).await;
        drop(stopped);
        world.progress(500).await;
        publishing.end().await;
        store.close().await;
        // Stopped, told, shared with again, killed.
        faults += 4;
    }
    world.end(faults).await;
}

/// What a server says of a statement that took too long.
const TOO_LONG: &str = "canceling statement due to statement timeout";
/// Has every mark take longer than a statement may.
const SLOW: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
    $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$; \
    CREATE TRIGGER slow BEFORE DELETE ON outbox FOR EACH STATEMENT EXECUTE FUNCTION slow()";

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_hangs_or_is_cut_off_loses_nothing_and_keeps_the_order() {
    let broker = Broker::get().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut server = Postgres::listening("").unwrap();
    server.run_sql("postgres", "CREATE DATABASE chaos").unwrap();
    let direct = server.tcp_url("chaos");
    let database = Database::Postgres(direct.clone(), directory.path().to_owned());
    let proxy = proxy_of(&direct);
    let world = World::begin(database, broker.url()).await;
    let by_proxy = Database::Postgres(through(&proxy, &direct), directory.path().to_owned());
    let store = by_proxy.open().await;
    let publishing = world.publish(Arc::clone(&store), &world.url, Arc::new(SystemClock));
    let mut faults = 0;
    for _ in 0..if is_long() { 5 } else { 1 } {
        world.progress(200 + below(200)).await;
        proxy.reset();
        world.progress(200 + below(200)).await;
        proxy.stall();
        world.wait_for_backlog(500).await;
        proxy.resume();
        world.progress(1 + below(100)).await;
        server.stop_immediately().unwrap();
        server.restart().unwrap();
        world.progress(200 + below(200)).await;
        // Longer than a statement may wait for a lock.
        let lock = "BEGIN; LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(6); COMMIT";
        tokio::task::block_in_place(|| server.run_sql("chaos", lock)).unwrap();
        world.progress(200).await;
        // Longer than a statement may take: what marks events that were confirmed is cancelled in the midst of it.
        let cancelled = || server.log().matches(TOO_LONG).count();
        let before = cancelled();
        tokio::task::block_in_place(|| server.run_sql("chaos", SLOW)).unwrap();
        wait_until_async(PATIENTLY, "a mark is cancelled", async || {
            tokio::task::block_in_place(cancelled) > before
        })
        .await;
        let again = "DROP FUNCTION slow CASCADE";
        tokio::task::block_in_place(|| server.run_sql("chaos", again)).unwrap();
        world.progress(200).await;
        // The last one twice at most: it may be tried again before it is let through.
        faults += 6;
    }
    publishing.end().await;
    store.close().await;
    world.end(faults).await;
}
