//! What every host hears on the broker, by a queue of its own, and what there is on the broker.

use std::collections::HashSet;

use futures::{Stream, StreamExt};
use lapin::options::BasicPublishOptions;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use serde_json::{Value, json};
use stratavore_rpc::v1;
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::rabbitmq::RabbitMq;
use stratavore_testkit::tcp_proxy::{Server, TcpProxy};
use stratavore_testkit::wait_until_async;

use crate::support::team::{Team, settings};
use crate::support::{Host, SOON, reference};

const RUNNER: &str = "0191a000-0000-7000-8000-00000000000a";
const PROJECT: &str = "0191a000-0000-7000-8000-00000000000b";
const LAST: &str = "0191a000-0000-7000-8000-00000000000c";

fn with_broker(settings: String, url: &str) -> String {
    format!("{settings}[broker]\nurl = '{url}'\n")
}

/// The queues that hosts hear on.
async fn ears(broker: &RabbitMq) -> Vec<Value> {
    let listed = tokio::task::block_in_place(|| {
        broker.list("queues", &["name", "exclusive", "auto_delete"])
    });
    let all: Vec<Value> = serde_json::from_str(&listed.unwrap()).unwrap();
    let is_ear = |queue: &Value| {
        queue["name"]
            .as_str()
            .unwrap()
            .starts_with("stratavore.host.")
    };
    all.into_iter().filter(is_ear).collect()
}

async fn watch(host: &Host) -> impl Stream<Item = v1::Nudge> + Unpin + use<> {
    let watched = host.client().watch(v1::WatchRequest {}).await.unwrap();
    watched.into_inner().map(Result::unwrap)
}

/// Says on the broker that an event happened of which no database knows.
async fn say(channel: &Channel, aggregate: &str, id: &str, seq: u64) {
    let event = json!({
        "id": "01900000-0000-7000-8000-0000000000ab",
        "aggregate": aggregate,
        "aggregate_id": id,
        "seq": seq,
        "type": "runner.paused",
        "at": "2023-11-14T22:13:20.123Z",
        "project": "p",
        "data": { "attempt": 1 },
    });
    let properties = BasicProperties::default().with_type("stratavore.event.v1".into());
    channel
        .basic_publish(
            "stratavore.events".into(),
            "runner.paused.p".into(),
            BasicPublishOptions::default(),
            event.to_string().as_bytes(),
            properties,
        )
        .await
        .unwrap()
        .await
        .unwrap();
}

/// The nudges of these ids until the one of the last.
async fn heard(nudges: &mut (impl Stream<Item = v1::Nudge> + Unpin)) -> Vec<(String, String)> {
    let mut heard = Vec::new();
    let listen = async {
        while let Some(nudge) = nudges.next().await {
            match nudge.id.as_str() {
                LAST => return,
                RUNNER | PROJECT => heard.push((nudge.entity, nudge.id)),
                _ => {}
            }
        }
        panic!("the host ended");
    };
    tokio::time::timeout(SOON, listen).await.unwrap();
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_follows_the_broker_by_its_own_queue_and_gaps_and_repetitions_are_told_apart() {
    let broker = RabbitMq::start().unwrap();
    let server = Postgres::listening("").unwrap();
    let database = TcpProxy::start(Server::Tcp(server.address())).unwrap();
    let line = TcpProxy::start(Server::Tcp(broker.address())).unwrap();
    let url = server.tcp_url("postgres");
    let through = |url: &str, proxy: &TcpProxy, place: String| {
        url.replace(&place, &proxy.address().to_string())
    };
    let cellars = settings(
        "ada",
        "cellar",
        &through(&url, &database, server.address().to_string()),
    );
    let cellars = with_broker(
        cellars,
        &through(&broker.url(), &line, broker.address().to_string()),
    );
    let mut team = Team { hosts: Vec::new() };
    let attics = with_broker(settings("ada", "attic", &url), &broker.url());
    team.join("attic", &attics, vec![]).await;
    team.join("cellar", &cellars, vec![]).await;
    let [attic, cellar] = &team.hosts[..] else {
        unreachable!()
    };
    let own = wait_until_async(SOON, "a queue of each host", async || {
        let ears = ears(&broker).await;
        if ears.len() == 2 {
            Ok(ears)
        } else {
            Err(format!("{ears:?}"))
        }
    })
    .await;
    let passing = |queue: &Value| queue["exclusive"] == true && queue["auto_delete"] == true;
    assert!(own.iter().all(passing), "{own:?}");

    // Nothing comes from the database any more: what cellar hears of attic's runners, it hears on the broker.
    let mut nudges = watch(cellar).await;
    database.stall();
    let mut launched = HashSet::new();
    // Some of them are published by cellar itself: these come when its share of the outbox is another's.
    for _ in 0..6 {
        launched.insert(attic.launch("hold").await.id);
    }
    let nudged = async {
        while !launched.is_empty() {
            let nudge = nudges.next().await.expect("the host goes on");
            launched.remove(&nudge.id);
        }
    };
    if tokio::time::timeout(SOON, nudged).await.is_err() {
        panic!("cellar did not hear of {launched:?}");
    }

    // Of events that no database knows of: the next is one nudge, what was heard before is none, and after a gap whoever
    // knows the aggregate, whichever it is, reads anew.
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    for (aggregate, id, seq) in [
        ("runner", RUNNER, 1),
        ("runner", RUNNER, 1),
        ("runner", RUNNER, 2),
        ("runner", RUNNER, 5),
        ("runner", RUNNER, 4),
        ("runner", RUNNER, 5),
        ("project", PROJECT, 7),
        ("runner", RUNNER, 6),
        ("runner", LAST, 1),
    ] {
        say(&channel, aggregate, id, seq).await;
    }
    let expected = [
        ("runner", RUNNER),
        ("runner", RUNNER),
        ("runner", RUNNER),
        ("project", RUNNER),
        ("project", PROJECT),
        ("runner", RUNNER),
    ];
    let expected = expected.map(|(entity, id)| (entity.to_owned(), id.to_owned()));
    assert_eq!(heard(&mut nudges).await, expected);

    // With the broker lost and found again it begins anew, and on another queue.
    line.reset();
    let names = |ears: &[Value]| -> HashSet<String> {
        let name = |queue: &Value| queue["name"].as_str().unwrap().to_owned();
        ears.iter().map(name).collect()
    };
    let before = names(&own);
    wait_until_async(SOON, "another queue in the place of cellar's", async || {
        let now = names(&ears(&broker).await);
        now.len() == 2 && now.difference(&before).count() == 1
    })
    .await;
    say(&channel, "runner", RUNNER, 6).await;
    say(&channel, "runner", LAST, 2).await;
    let again = [("runner".to_owned(), RUNNER.to_owned())];
    assert_eq!(heard(&mut nudges).await, again);

    // What was missed is read when the database is back; until then cellar knows nothing of it.
    let missed = attic.launch("hold").await;
    database.resume();
    wait_until_async(SOON, "cellar to know what it missed", async || match cellar
        .client()
        .get_runner(reference(&missed.id))
        .await
    {
        Ok(runner) if runner.get_ref().state == "running" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// What the broker says of one of its things.
fn of<'v>(listed: &'v [Value], name: &str) -> &'v Value {
    let one = listed.iter().find(|one| one["name"] == name);
    one.unwrap_or_else(|| panic!("{name} is not in {listed:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_declares_is_a_quorum_queue_with_a_dead_letter_exchange_that_exists() {
    let broker = RabbitMq::start().unwrap();
    let settings = format!("[broker]\nurl = '{}'\n", broker.url());
    let host = Host::with_settings(&settings).await;
    host.all_delivered().await;
    let list = |what: &str, columns: &[&str]| -> Vec<Value> {
        serde_json::from_str(&broker.list(what, columns).unwrap()).unwrap()
    };
    let (queues, exchanges, bindings) = tokio::task::block_in_place(|| {
        (
            list("queues", &["name", "type", "durable", "arguments"]),
            list("exchanges", &["name", "type", "durable"]),
            list(
                "bindings",
                &["source_name", "destination_name", "routing_key"],
            ),
        )
    });
    let argument = |queue: &Value, name: &str| -> Value {
        // As a map, or as a list of name, type and value, by the broker's version.
        let arguments = &queue["arguments"];
        let listed = || arguments.as_array()?.iter().find(|one| one[0] == name);
        match arguments.get(name) {
            Some(value) => value.clone(),
            None => listed().map_or(Value::Null, |one| one[2].clone()),
        }
    };
    for (name, dead) in [
        ("stratavore.events.audit", json!("stratavore.dead")),
        ("stratavore.dead", Value::Null),
    ] {
        let queue = of(&queues, name);
        assert_eq!(
            (&queue["type"], &queue["durable"]),
            (&json!("quorum"), &json!(true)),
            "{queue}"
        );
        assert_eq!(argument(queue, "x-dead-letter-exchange"), dead, "{queue}");
    }
    for (name, kind) in [
        ("stratavore.events", "topic"),
        ("stratavore.dead", "fanout"),
    ] {
        let exchange = of(&exchanges, name);
        assert_eq!(
            (&exchange["type"], &exchange["durable"]),
            (&json!(kind), &json!(true))
        );
    }
    for (source, destination) in [
        ("stratavore.events", "stratavore.events.audit"),
        ("stratavore.dead", "stratavore.dead"),
    ] {
        let bound = |one: &Value| {
            one["source_name"] == source
                && one["destination_name"] == destination
                && one["routing_key"] == "#"
        };
        assert!(bindings.iter().any(bound), "{bindings:?}");
    }
}
