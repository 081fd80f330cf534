//! The negative control: a publisher that leases rows, as `SELECT … FOR UPDATE SKIP LOCKED` lets one, loses the order when it
//! dies. The oracle must see it.

use std::collections::HashMap;
use std::time::Duration;

use stratavore_testkit::postgres::Database;
use stratavore_testkit::wait_until;
use uuid::Uuid;

use crate::oracle::Oracle;

const RUNNERS: u64 = 5;
const EVENTS: u64 = 20;
/// How many rows are leased at once.
const BATCH: u64 = 10;

const OUTBOX: &str = "CREATE TABLE leased_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, runner uuid NOT NULL, seq bigint NOT NULL,
    leased_until timestamptz NOT NULL DEFAULT '-infinity'
)";

/// Leases the first rows that nobody has, and gives them in order.
const LEASE: &str = "WITH free AS (
    SELECT id FROM leased_outbox WHERE leased_until < clock_timestamp() ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED
), mine AS (
    UPDATE leased_outbox o SET leased_until = clock_timestamp() + interval '1 second' FROM free WHERE o.id = free.id
    RETURNING o.id, o.runner, o.seq
) SELECT id || ' ' || runner || ' ' || seq FROM mine ORDER BY id";

#[test]
fn a_publisher_that_leases_rows_is_caught() {
    assert_eq!(run(None), Ok(()), "as long as nobody dies, it works");
    let said = run(Some(2)).unwrap_err();
    assert!(said.contains("came after"), "{said}");
}

/// Publishes everything, by a publisher that dies with its so manieth lease in hand, and another that goes on.
fn run(dies_at: Option<u64>) -> Result<(), String> {
    let database = Database::fresh().unwrap();
    database.run_sql(OUTBOX).unwrap();
    let fill = format!(
        "INSERT INTO leased_outbox (runner, seq) SELECT lpad(runner::text, 32, '0')::uuid, seq
         FROM generate_series(1, {EVENTS}) seq, generate_series(1, {RUNNERS}) runner ORDER BY seq, runner"
    );
    database.run_sql(&fill).unwrap();
    let mut oracle = Oracle::default();
    let mut leases = 0;
    let publish = || {
        let rows = database.run_sql(LEASE).unwrap();
        leases += 1;
        if dies_at == Some(leases) {
            return false;
        }
        let mut ids = Vec::new();
        for row in rows.lines() {
            let mut words = row.split(' ');
            let mut word = || words.next().unwrap();
            ids.push(word());
            oracle.saw(word().parse().unwrap(), word().parse().unwrap());
        }
        if !ids.is_empty() {
            let mark = format!("DELETE FROM leased_outbox WHERE id IN ({})", ids.join(", "));
            database.run_sql(&mark).unwrap();
        }
        database
            .run_sql("SELECT count(*) FROM leased_outbox")
            .unwrap()
            == "0"
    };
    wait_until(
        Duration::from_secs(60),
        "everything to be published",
        publish,
    );
    let heads: HashMap<Uuid, u64> = (1..=RUNNERS)
        .map(|runner| (Uuid::from_u128(runner.into()), EVENTS))
        .collect();
    oracle.judge(&heads, BATCH)
}
