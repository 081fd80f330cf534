//! Events that the broker refuses: what they hold back, who is told, and how that ends.

use std::collections::HashMap;

use lapin::options::BasicGetOptions;
use lapin::{Channel, Connection, ConnectionProperties};
use serde_json::Value;
use stratavore_testkit::postgres::Database;
use stratavore_testkit::rabbitmq::RabbitMq;
use stratavore_testkit::wait_until_async;

use crate::command::{ran, said};
use crate::support::SOON;
use crate::support::team::{Team, on, settings};

/// Has every event that tells the name of one of these runners weigh 16 MB, and 9, which is more than the broker takes.
const WEIGH: &str = "CREATE FUNCTION weigh() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    NEW.payload = jsonb_set(NEW.payload::jsonb, '{name}', to_jsonb(repeat('x', (CASE NEW.payload::jsonb->>'name' WHEN 'huge' THEN 16 ELSE 9 END) << 20)))::text; RETURN NEW; END $$; \
    CREATE TRIGGER weigh BEFORE INSERT ON events FOR EACH ROW \
    WHEN (NEW.payload::jsonb->>'name' IN ('huge', 'giant')) EXECUTE FUNCTION weigh()";

/// What came to the queue that keeps events, as it comes: whose events, and which.
struct Kept {
    channel: Channel,
    events: HashMap<String, Vec<u64>>,
}

impl Kept {
    async fn open(url: &str) -> Self {
        let connection = Connection::connect(url, ConnectionProperties::default());
        let channel = connection.await.unwrap().create_channel().await.unwrap();
        Self {
            channel,
            events: HashMap::new(),
        }
    }

    /// Reads what is there.
    async fn read(&mut self) {
        let options = BasicGetOptions { no_ack: true };
        let queue = "stratavore.events.audit";
        while let Some(message) = self.channel.basic_get(queue.into(), options).await.unwrap() {
            let event: Value = serde_json::from_slice(&message.delivery.data).unwrap();
            let whose = event["aggregate_id"].as_str().unwrap().to_owned();
            let seqs = self.events.entry(whose).or_default();
            let seq = event["seq"].as_u64().unwrap();
            // With the one that is refused others may have been on their way, and come again.
            if !seqs.contains(&seq) {
                seqs.push(seq);
            }
        }
    }

    /// Waits until these of a runner's events have come, and no others, in this order.
    async fn until(&mut self, id: &str, expected: &[u64]) {
        let deadline = std::time::Instant::now() + SOON;
        loop {
            self.read().await;
            let come = self.events.get(id).map(Vec::as_slice).unwrap_or_default();
            if come == expected {
                return;
            }
            assert!(
                expected.starts_with(come),
                "{id}: {come:?}, not {expected:?}"
            );
            assert!(
                std::time::Instant::now() < deadline,
                "{id}: {come:?}, not {expected:?}"
            );
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_refused_parks_its_runners_alone_is_told_and_is_tried_again_or_given_up() {
    let broker = RabbitMq::start().unwrap();
    let database = Database::fresh().unwrap();
    let mut team = Team { hosts: Vec::new() };
    for node in ["attic", "cellar"] {
        let settings = settings("ada", node, database.url())
            + &format!("[broker]\nurl = '{}'\n", broker.url());
        team.join(node, &settings, vec![]).await;
    }
    let [attic, cellar] = &team.hosts[..] else {
        unreachable!()
    };
    attic.all_delivered().await;
    database.run_sql(WEIGH).unwrap();
    assert!(said(&attic.home, &["outbox", "list"]).contains("every event was delivered"));
    assert!(!said(&attic.home, &["status"]).contains("problem"));

    // Each starts and ends: three events, the first of which is too large.
    let mut ids = HashMap::new();
    for name in ["huge", "giant", "small"] {
        let request = stratavore_rpc::v1::LaunchRequest {
            name: Some(name.into()),
            ..on("attic", attic.script("exit 0"))
        };
        let runner = attic.try_launch(request).await.unwrap();
        attic.state(&runner.id, "terminated").await;
        ids.insert(name, runner.id);
    }
    // Asked of the database, since a host reads all 25 MB each time that it is asked.
    let parked = async |letters: u32, waiting: u32| {
        let sql = "SELECT count(parked_at) || ' of ' || count(*) FROM outbox";
        let expected = format!("{letters} of {waiting}");
        wait_until_async(3 * SOON, &format!("{expected} to be parked"), async || {
            let now = tokio::task::block_in_place(|| database.run_sql(sql)).unwrap();
            if now == expected { Ok(()) } else { Err(now) }
        })
        .await;
    };
    // What follows them in their runners waits, and nothing else.
    parked(2, 6).await;
    let mut kept = Kept::open(&broker.url()).await;
    kept.until(&ids["small"], &[1, 2, 3]).await;
    for name in ["huge", "giant"] {
        kept.until(&ids[name], &[]).await;
    }

    let status = cellar.status().await;
    // Any host tells of it, by name, with the reason and what to do.
    let number = |name: &str| {
        let letter = status.dead_letters.iter().find(|letter| letter.of == name);
        letter
            .unwrap_or_else(|| panic!("{name}: {status:?}"))
            .number
            .to_string()
    };
    let (huge, giant) = (number("huge"), number("giant"));
    for host in [attic, cellar] {
        let told = said(&host.home, &["status"]);
        let list = said(&host.home, &["outbox", "list"]);
        for (name, number) in [("huge", &huge), ("giant", &giant)] {
            for part in [
                &format!(
                    "the event runner.starting 1 of {name} could not be delivered after 8 attempts"
                ),
                "larger than configured max size",
                &format!("stratavore outbox drop {number}"),
            ] {
                assert!(told.contains(part), "{told} lacks {part:?}");
            }
            let row = list
                .lines()
                .find(|line| line.split_whitespace().next() == Some(number));
            let row = row.unwrap_or_else(|| panic!("{number}: {list}"));
            let words: Vec<&str> = row.split_whitespace().take(5).collect();
            assert_eq!(words, [number, "runner.starting", name, "1", "8"]);
        }
        let json: Value = serde_json::from_str(&said(&host.home, &["status", "--json"])).unwrap();
        assert_eq!(json["dead_letters"].as_array().unwrap().len(), 2, "{json}");
    }
    // What is no dead letter is not dropped.
    let waiting = "SELECT min(event) FROM outbox WHERE parked_at IS NULL";
    let waiting = database.run_sql(waiting).unwrap();
    for number in [waiting.as_str(), "999999"] {
        let (code, words) = ran(&attic.home, &["outbox", "drop", number]);
        assert_ne!(code, 0);
        assert!(words.contains(number), "{words}");
    }
    assert_eq!(attic.status().await.outbox_waiting, 6);

    // The broker takes as much now: tried again, one runner's come, all of them and in order; the other's stay.
    tokio::task::block_in_place(|| broker.max_message(64 << 20)).unwrap();
    assert!(said(&attic.home, &["outbox", "retry", "huge"]).contains("1 event is tried again"));
    kept.until(&ids["huge"], &[1, 2, 3]).await;
    parked(1, 3).await;
    kept.until(&ids["giant"], &[]).await;

    // Given up, it is left out, and what it held back comes.
    said(&cellar.home, &["outbox", "drop", &giant]);
    kept.until(&ids["giant"], &[2, 3]).await;
    parked(0, 0).await;
    assert!(said(&cellar.home, &["outbox", "list"]).contains("every event was delivered"));
    assert!(!said(&cellar.home, &["status"]).contains("problem"));
    kept.until(&ids["small"], &[1, 2, 3]).await;
}
