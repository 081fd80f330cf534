//! The broker as a sink and as a source, on a real one.

#[allow(dead_code, reason = "shared with the chaos suite")]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use chrono::DateTime;
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use stratavore_core::fact::Fact;
use stratavore_core::ids::EventId;
use stratavore_store::{Cursor, Event, OutboxRow, Position};
use stratavore_supervisor::broker::{Address, Broker, Following, Names, Nudge, Patience, TYPE};
use stratavore_supervisor::bus::{Outcome, Sink};
use stratavore_testkit::rabbitmq::{self, RabbitMq};
use support::{Reader, names, patience, tidy};
use tokio::time::timeout;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);

fn row(aggregate: u128, seq: u64) -> OutboxRow {
    let aggregate_id = Uuid::from_u128(aggregate);
    OutboxRow {
        position: Position(i64::try_from(seq).unwrap()),
        event: Event {
            cursor: Cursor(1),
            id: EventId::from_uuid(Uuid::new_v4()),
            aggregate_id,
            aggregate: "runner",
            project: "api".to_owned(),
            seq,
            fact: Fact::Paused { attempt: 1 },
            at: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
        },
        attempts: 0,
    }
}

/// An event of 16 MB, which is more than the broker takes.
fn poison(aggregate: u128, seq: u64) -> OutboxRow {
    let mut row = row(aggregate, seq);
    row.event.fact = Fact::Queued {
        name: "x".repeat(16 << 20),
        program: String::new(),
    };
    row
}

async fn channel(url: &str) -> (Connection, Channel) {
    let connection = Connection::connect(url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    (connection, channel)
}

async fn publish_by_hand(channel: &Channel, names: &Names, kind: &str, body: &[u8]) {
    let properties = BasicProperties::default().with_type(kind.into());
    channel
        .basic_publish(
            names.events().into(),
            "runner.x.y".into(),
            BasicPublishOptions::default(),
            body,
            properties,
        )
        .await
        .unwrap()
        .await
        .unwrap();
}

async fn soon(following: &mut Following) -> Nudge {
    timeout(SOON, following.next()).await.expect("a nudge")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_delivered_is_kept_and_heard_in_order_and_what_is_strange_is_passed_over() {
    let broker = rabbitmq::Broker::get().unwrap();
    let (url, names) = (broker.url(), names());
    let address: Address = url.parse().unwrap();
    let sink = Broker::new(address.clone(), names.clone(), patience());
    let mut following = Following::new(address, names.clone(), patience());
    assert_eq!(soon(&mut following).await, Nudge::Anew);

    // More than the window, of two runners.
    let rows: Vec<_> = (1..=1500)
        .flat_map(|seq| [row(1, seq), row(2, seq)])
        .collect();
    sink.ready().await.unwrap();
    let delivery = sink.deliver(&rows).await;
    assert_eq!(delivery.away, None);
    assert!(
        delivery
            .outcomes
            .iter()
            .all(|outcome| *outcome == Outcome::Taken)
    );

    let mut reader = Reader::open(&url, &names).await.unwrap();
    for row in &rows {
        let message = timeout(SOON, reader.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let id = message
            .properties
            .message_id()
            .as_ref()
            .unwrap()
            .to_string();
        assert_eq!(id, row.event.id.to_string());
        assert_eq!(message.routing_key.as_str(), "runner.paused.api");
        assert_eq!(*message.properties.delivery_mode(), Some(2));
        assert_eq!(message.properties.kind().as_ref().unwrap().as_str(), TYPE);
        let Nudge::Heard(heard) = soon(&mut following).await else {
            panic!("every event follows the one before");
        };
        assert_eq!(
            (heard.aggregate_id, heard.seq),
            (row.event.aggregate_id, row.event.seq)
        );
        assert_eq!(
            (heard.kind.as_str(), heard.project.as_str()),
            ("runner.paused", "api")
        );
    }

    // Again is nothing, a gap is told, and what nobody here understands is counted.
    let (_connection, channel) = channel(&url).await;
    for _ in 0..3 {
        publish_by_hand(&channel, &names, "stratavore.event.v2", b"{}").await;
        publish_by_hand(&channel, &names, TYPE, b"\xff garbage").await;
    }
    let late = [row(1, 1400), row(1, 1500), row(1, 1503), row(1, 1504)];
    assert_eq!(sink.deliver(&late).await.away, None);
    let gap = Nudge::Gap {
        aggregate_id: Uuid::from_u128(1),
        seq: 1503,
    };
    assert_eq!(soon(&mut following).await, gap);
    assert!(matches!(soon(&mut following).await, Nudge::Heard(heard) if heard.seq == 1504));
    assert_eq!(following.unread().get("stratavore.event.v2"), Some(&3));
    assert_eq!(following.unread().get("garbage"), Some(&3));
    drop(following);
    tidy(&url, &names).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_is_said_with_the_broker_and_the_mend_and_without_the_password() {
    let mut broker = RabbitMq::start().unwrap();
    let (url, place) = (broker.url(), broker.address());
    let said = async |url: &str, names: Names| {
        let sink = Broker::new(url.parse().unwrap(), names, patience());
        let said = sink.ready().await.expect_err("refused");
        assert!(
            !said.contains("s3cret") && !said.contains("guest:guest"),
            "{said}"
        );
        assert!(said.contains(&place.to_string()), "{said}");
        said
    };

    let wrong = said(&format!("amqp://guest:s3cret@{place}/%2f"), names()).await;
    assert!(
        wrong.contains("refuses to let \"guest\" in")
            && wrong.contains("check the user and the password"),
        "{wrong}"
    );
    let wrong = said(&format!("amqp://guest:guest@{place}/nowhere"), names()).await;
    assert!(
        wrong.contains("does not open the virtual host \"nowhere\"") && wrong.contains("add_vhost"),
        "{wrong}"
    );

    // Rights on something else, and the right ones.
    broker
        .user("ann", "s3cret", ["other.*", "other.*", "other.*"])
        .unwrap();
    let ours = names();
    let wrong = said(&format!("amqp://ann:s3cret@{place}/%2f"), ours.clone()).await;
    assert!(
        wrong.contains("does not allow to declare the exchange")
            && wrong.contains(&ours.events())
            && wrong.contains("set_permissions"),
        "{wrong}"
    );

    // The exchange is there, and other.
    let other = names();
    let (_connection, by_hand) = channel(&url).await;
    by_hand
        .exchange_declare(
            other.events().into(),
            ExchangeKind::Fanout,
            ExchangeDeclareOptions::default(),
            FieldTable::default(),
        )
        .await
        .unwrap();
    let wrong = said(&url, other.clone()).await;
    assert!(
        wrong.contains("cannot declare the exchange")
            && wrong.contains(&other.events())
            && wrong.contains("other properties"),
        "{wrong}"
    );

    // Poison is refused alone; what comes after it in its runner waits, the others do not.
    let ours = names();
    let sink = Broker::new(url.parse().unwrap(), ours.clone(), patience());
    let rows = [
        row(1, 1),
        row(2, 1),
        poison(3, 1),
        row(3, 2),
        row(4, 1),
        row(1, 2),
    ];
    let delivery = sink.deliver(&rows).await;
    assert_eq!(delivery.away, None, "{delivery:?}");
    let taken = |index: usize| delivery.outcomes[index] == Outcome::Taken;
    assert!([0, 1, 4, 5].into_iter().all(taken), "{delivery:?}");
    assert!(
        matches!(&delivery.outcomes[2], Outcome::Refused(why) if why.contains("larger than configured max size")),
        "{:?}",
        delivery.outcomes
    );
    assert_eq!(delivery.outcomes[3], Outcome::Unknown);

    // Nobody would have them: refused as well. The next connection puts the queue back.
    let gone = QueueDeleteOptions::default();
    by_hand
        .queue_delete(ours.kept().into(), gone)
        .await
        .unwrap();
    let rows = [row(5, 1), row(6, 1)];
    let delivery = sink.deliver(&rows).await;
    assert!(delivery.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Refused(why) if why.contains("returned it: NO_ROUTE"))), "{delivery:?}");
    let delivery = sink.deliver(&rows).await;
    assert!(
        delivery
            .outcomes
            .iter()
            .all(|outcome| *outcome == Outcome::Taken),
        "{delivery:?}"
    );

    // What a reader rejects is not lost.
    let mut reader = Reader::open(&url, &ours).await.unwrap();
    let (_other, dead) = channel(&url).await;
    timeout(SOON, reader.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    drop(reader);
    let given_back = async || {
        let got = dead
            .basic_get(ours.kept().into(), Default::default())
            .await
            .unwrap();
        match got {
            Some(got) => {
                dead.basic_reject(got.delivery.delivery_tag, Default::default())
                    .await
                    .unwrap();
                true
            }
            None => false,
        }
    };
    stratavore_testkit::wait_until_async(SOON, "a message to reject", given_back).await;
    let buried = async || {
        let got = dead
            .basic_get(ours.dead().into(), Default::default())
            .await
            .unwrap();
        got.is_some_and(|got| {
            let headers = got.delivery.properties.headers().clone().unwrap_or_default();
            matches!(headers.inner().get("x-first-death-reason"), Some(AMQPValue::LongString(why)) if why.to_string() == "rejected")
        })
    };
    stratavore_testkit::wait_until_async(SOON, "the dead letter", buried).await;

    // A disk alarm: no confirm comes, and none is waited for for ever. Then nobody is there at all.
    broker.disk_alarm(true).unwrap();
    let delivery = sink.deliver(&[row(7, 1)]).await;
    assert!(
        delivery
            .away
            .as_ref()
            .is_some_and(|why| why.contains("did not confirm an event within 3 s")),
        "{delivery:?}"
    );
    assert_eq!(delivery.outcomes, [Outcome::Unknown]);
    broker.disk_alarm(false).unwrap();
    let mut following = Following::new(url.parse().unwrap(), ours.clone(), patience());
    assert_eq!(soon(&mut following).await, Nudge::Anew);
    broker.kill().unwrap();
    let wrong = said(&url, names()).await;
    assert!(
        wrong.contains("cannot reach the broker") && wrong.contains("check that it runs"),
        "{wrong}"
    );
    assert!(sink.deliver(&[row(7, 1)]).await.away.is_some());
    broker.restart().unwrap();
    let took = async || sink.deliver(&[row(7, 1)]).await.outcomes == [Outcome::Taken];
    stratavore_testkit::wait_until_async(SOON, "the broker to take events again", took).await;
    // Whoever follows hears that it was away.
    assert_eq!(soon(&mut following).await, Nudge::Anew);
    let nowhere = Broker::new(
        "amqp://guest:s3cret@nowhere.invalid".parse().unwrap(),
        names(),
        patience(),
    );
    let wrong = nowhere.ready().await.unwrap_err();
    assert!(
        wrong.contains("cannot reach the broker amqp://guest:…@nowhere.invalid:5672/%2f"),
        "{wrong}"
    );
}

/// How many threads this process has.
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_never_answers_costs_nothing_however_often_it_is_tried() {
    // It accepts, as a machine that hangs does, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://ann:s3cret@{}", silent.local_addr().unwrap());
    let short = Patience {
        connect: Duration::from_millis(200),
        ..patience()
    };
    let sink = Broker::new(url.parse().unwrap(), names(), short);
    let said = sink.ready().await.unwrap_err();
    assert!(
        said.contains("did not answer within 0.2 s: cannot connect"),
        "{said}"
    );
    let before = threads();
    for _ in 0..5 {
        sink.ready().await.unwrap_err();
    }
    let few = || threads() <= before + 1;
    stratavore_testkit::wait_until(SOON, "the threads of earlier attempts to end", few);
}

/// Makes a certificate authority and a certificate of its for `localhost`, and gives the authority's.
fn certify(directory: &Path) -> PathBuf {
    let openssl = |arguments: &str| {
        let output = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(directory)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments}: {said}");
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(&format!(
        "req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=authority -days 2"
    ));
    openssl(&format!(
        "req {key} -keyout server.key -out server.csr -subj /CN=localhost"
    ));
    std::fs::write(directory.join("names"), "subjectAltName=DNS:localhost").unwrap();
    openssl(
        "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
    );
    directory.join("ca.pem")
}

const TRUSTED: &str = "BROKER_TEST_TRUSTED";
const AUTHORITIES: &str = "SSL_CERT_FILE";

/// Not a test of its own: the process whose authorities are given by its environment.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "started by another test"]
async fn connects_as_told() {
    let Ok(url) = std::env::var(TRUSTED) else {
        return;
    };
    let sink = Broker::new(url.parse().unwrap(), names(), patience());
    match sink.ready().await {
        Ok(()) => println!("\nconnected"),
        Err(said) => println!("\n{said}"),
    }
}

#[test]
fn a_broker_is_reached_over_tls_by_who_trusts_its_certificate_and_by_nobody_else() {
    let directory = tempfile::tempdir().unwrap();
    let authority = certify(directory.path());
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let file = |name: &str| directory.path().join(name).display().to_string();
    let _broker = RabbitMq::configured(&format!(
        "listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {}\nssl_options.certfile = {}\n\
         ssl_options.keyfile = {}\n",
        file("ca.pem"),
        file("server.pem"),
        file("server.key")
    ))
    .unwrap();
    let said = |trusted: &Path| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "connects_as_told", "--ignored", "--nocapture"])
            .env(TRUSTED, format!("amqps://guest:guest@localhost:{port}/%2f"))
            .env(AUTHORITIES, trusted)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let trusting = said(&authority);
    assert!(trusting.contains("connected"), "{trusting}");
    // Another authority, of the same name.
    let other = tempfile::tempdir().unwrap();
    let strange = said(&certify(other.path()));
    assert!(
        strange.contains("cannot reach the broker amqps://guest:…@localhost"),
        "{strange}"
    );
    assert!(strange.to_lowercase().contains("certificate"), "{strange}");
}
