//! Usage: each message once, and sums of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use stratavore_core::ids::{ProjectId, RunnerId};
use stratavore_core::session::Session;
use stratavore_core::usage::{Entry, NanoUsd, Price, Prices, Rates, STEP, Tokens};

use super::reading::{at, entry};
use super::world::World;
use crate::{By, Digest, Store, UsageFilter, UsageRow};

async fn total(world: &World) -> UsageRow {
    let rows = world.store.usage(UsageFilter::default()).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.into_iter().next().unwrap()
}

async fn by(world: &World, by: By) -> Vec<(String, u64)> {
    rows(
        world,
        UsageFilter {
            by,
            ..UsageFilter::default()
        },
    )
    .await
}

async fn rows(world: &World, filter: UsageFilter) -> Vec<(String, u64)> {
    let rows = world.store.usage(filter).await.unwrap();
    rows.into_iter()
        .map(|row| (row.key, row.tokens.total()))
        .collect()
}

fn keyed(rows: &[(&str, u64)]) -> Vec<(String, u64)> {
    rows.iter()
        .map(|(key, tokens)| ((*key).to_owned(), *tokens))
        .collect()
}

pub async fn a_message_counts_once_whichever_file_has_it(store: Arc<dyn Store>) {
    let world = World::new(store);
    assert_eq!(total(&world).await, UsageRow::default());
    let first = Digest {
        entries: vec![entry("m1", 5), entry("m2", 7), entry("m1", 6)],
        ..world.first("s1", 9)
    };
    assert_eq!(world.digest(first).await, 2);
    let fork = Digest {
        entries: vec![entry("m2", 70), entry("m3", 1)],
        ..world.first("s2", 9)
    };
    assert_eq!(
        world.digest(fork).await,
        2,
        "one is new, of one more is said"
    );
    let less = Digest {
        entries: vec![entry("m2", 8)],
        ..world.then("s2", 9, 12)
    };
    assert_eq!(world.digest(less).await, 0, "the most that is said counts");
    let mut other = Digest {
        entries: vec![entry("m1", 100)],
        ..world.first("s3", 9)
    };
    other.session.key.program = "codex".into();
    assert_eq!(world.digest(other).await, 1, "another program's message");
    let total = total(&world).await;
    assert_eq!((total.messages, total.tokens.input), (4, 6 + 70 + 1 + 100));
    assert_eq!(total.cost, NanoUsd(177));
}

pub async fn quarters_of_an_hour_hold_all_that_was_used(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let runner = world.launch(&project).await;
    let used = |message: &str, micros: i64, tokens, price: Option<u64>| {
        let (mut entry, _) = entry(message, tokens);
        entry.at = at(0) + chrono::TimeDelta::microseconds(micros);
        (entry, price.map(NanoUsd))
    };
    let quarter = 900_000_000;
    let held = Digest {
        session: Session {
            project: Some(project.id),
            ..world.a_session("s1")
        },
        runner: Some(runner.id),
        entries: vec![
            used("m1", 0, 1, Some(5)),
            used("m2", quarter - 1, 20, None),
            used("m3", quarter, 300, Some(7)),
        ],
        ..world.first("s1", 9)
    };
    world.digest(held).await;
    let outside = Digest {
        entries: vec![
            used("m4", -1, 4000, None),
            used("m5", -2 * quarter, 50_000, Some(1)),
        ],
        ..world.first("s2", 9)
    };
    world.digest(outside).await;
    let number = at(0).timestamp() / 900;
    let quarters = async |from, earlier| {
        let mut quarters = world.store.quarters(from, earlier).await.unwrap();
        quarters.sort_by_key(|quarter| quarter.number);
        let row = |quarter: &crate::Quarter| {
            let used = &quarter.used;
            assert_eq!(
                (quarter.session.as_str(), quarter.model.as_str()),
                ("s1", "opus-1")
            );
            let figures = [used.messages, used.tokens.input, used.unpriced, used.cost.0];
            (
                quarter.number - number,
                figures,
                quarter.runner == Some(runner.id),
                quarter.project,
            )
        };
        quarters.iter().map(row).collect::<Vec<_>>()
    };
    let (first, second) = (
        (0, [2, 21, 20, 5], true, Some(project.id)),
        (1, [1, 300, 0, 7], true, Some(project.id)),
    );
    assert_eq!(quarters(number, false).await, [first, second]);
    assert_eq!(quarters(number + 1, false).await, [second]);
    let earlier = (-1, [2, 54_000, 4000, 1], false, None);
    assert_eq!(quarters(number, true).await, [earlier, first, second]);
    let separate = [
        (-2, [1, 50_000, 0, 1], false, None),
        (-1, [1, 4000, 4000, 0], false, None),
    ];
    assert_eq!(quarters(number - 2, true).await[..2], separate);
}

pub async fn usage_goes_where_its_session_does(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let other = world.project("web", None).await;
    let runner = world.launch(&other).await;
    let used = |session: &str, message: &str, seconds, tokens| {
        let mut used = entry(message, tokens);
        used.0.session = session.to_owned();
        used.0.at = at(seconds);
        used
    };
    for session in ["s1", "s2"] {
        let digest = Digest {
            entries: vec![
                used(session, &format!("{session}-early"), 0, 1),
                used(session, &format!("{session}-late"), 60, 20),
            ],
            ..world.first(session, 9)
        };
        world.digest(digest).await;
    }
    assert_eq!(by(&world, By::Project).await, keyed(&[("", 42)]));

    // Their directory became a project.
    let placed = |session: &str| Session {
        project: Some(project.id),
        ..world.a_session(session)
    };
    world.store.put_session(placed("s1")).await.unwrap();
    assert_eq!(
        by(&world, By::Project).await,
        keyed(&[("", 21), ("api", 21)])
    );

    // It turned out who held it: what was used since that runner came is its own, and its project's.
    let held = Session {
        project: Some(other.id),
        runner: Some(runner.id),
        ..world.a_session("s2")
    };
    world.store.put_session(held).await.unwrap();
    let of = |runner| UsageFilter {
        runner: Some(runner),
        ..UsageFilter::default()
    };
    assert_eq!(rows(&world, of(runner.id)).await, keyed(&[("", 20)]));
    assert_eq!(
        by(&world, By::Project).await,
        keyed(&[("api", 21), ("web", 21)])
    );

    // A runner's session stays its project's, wherever it works, and so does what it uses.
    let on = Digest {
        session: placed("s2"),
        runner: Some(runner.id),
        entries: vec![used("s2", "s2-on", 61, 300)],
        ..world.then("s2", 9, 12)
    };
    world.digest(on).await;
    world.store.put_session(placed("s2")).await.unwrap();
    let session = world.store.session(&world.key("s2")).await.unwrap();
    assert_eq!(session.project, Some(other.id));
    assert_eq!(rows(&world, of(runner.id)).await, keyed(&[("", 320)]));
    assert_eq!(
        by(&world, By::Project).await,
        keyed(&[("web", 321), ("api", 21)])
    );
}

pub async fn usage_is_summed_in_groups(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let runner = world.launch(&project).await;
    let gone = RunnerId::new(world.now());
    // Midnight in UTC comes 57600 s into the cases' time.
    for (id, project, runner, model, seconds, tokens) in [
        ("s1", Some(project.id), Some(runner.id), "opus", 0, 1),
        ("s2", Some(project.id), Some(gone), "opus", 57_599, 20),
        ("s3", None, None, "haiku", 57_600, 300),
    ] {
        let mut used = entry(id, tokens);
        used.0.session = id.into();
        used.0.model = model.into();
        used.0.at = at(seconds);
        let digest = Digest {
            session: Session {
                project,
                ..world.a_session(id)
            },
            entries: vec![used],
            runner,
            ..world.first(id, 9)
        };
        world.digest(digest).await;
    }
    assert_eq!(by(&world, By::Nothing).await, keyed(&[("", 321)]));
    assert_eq!(
        by(&world, By::Model).await,
        keyed(&[("haiku", 300), ("opus", 21)])
    );
    assert_eq!(
        by(&world, By::Project).await,
        keyed(&[("", 300), ("api", 21)])
    );
    assert_eq!(
        by(&world, By::Session).await,
        keyed(&[("s3", 300), ("s2", 20), ("s1", 1)])
    );
    assert_eq!(
        by(&world, By::Runner).await,
        keyed(&[
            ("", 300),
            (&gone.to_string(), 20),
            (&runner.id.to_string(), 1)
        ])
    );
    assert_eq!(
        by(&world, By::Day(0)).await,
        keyed(&[("2027-01-16", 300), ("2027-01-15", 21)])
    );
    assert_eq!(
        by(&world, By::Day(1)).await,
        keyed(&[("2027-01-16", 320), ("2027-01-15", 1)])
    );
    assert_eq!(by(&world, By::Day(-1)).await.len(), 1);
    let all = UsageFilter::default;
    let of_project = Some(project.id);
    let of_runner = Some(runner.id);
    for (filter, tokens) in [
        (
            UsageFilter {
                since: Some(at(57_599)),
                ..all()
            },
            320,
        ),
        (
            UsageFilter {
                until: Some(at(57_599)),
                ..all()
            },
            1,
        ),
        (
            UsageFilter {
                project: of_project,
                ..all()
            },
            21,
        ),
        (
            UsageFilter {
                runner: of_runner,
                ..all()
            },
            1,
        ),
        (
            UsageFilter {
                session: Some("s2".into()),
                ..all()
            },
            20,
        ),
        (
            UsageFilter {
                session: Some("s2".into()),
                runner: of_runner,
                ..all()
            },
            0,
        ),
        (
            UsageFilter {
                project: Some(ProjectId::new(at(0))),
                ..all()
            },
            0,
        ),
    ] {
        let found = rows(&world, filter.clone()).await;
        assert_eq!(found, keyed(&[("", tokens)]), "{filter:?}");
    }
    let nobody = UsageFilter {
        by: By::Model,
        session: Some("s9".into()),
        ..all()
    };
    assert!(rows(&world, nobody).await.is_empty());
}

pub async fn what_has_no_price_is_told_apart(store: Arc<dyn Store>) {
    let world = World::new(store);
    let mut unknown = entry("m2", 0);
    unknown.0.tokens = Tokens {
        input: 1,
        output: 2,
        cache_write_5m: 4,
        cache_write_1h: 8,
        cache_read: 16,
    };
    unknown.1 = None;
    let digest = Digest {
        entries: vec![entry("m1", 100), unknown.clone()],
        ..world.first("s1", 9)
    };
    world.digest(digest).await;
    let total = total(&world).await;
    assert_eq!((total.messages, total.cost), (2, NanoUsd(100)));
    assert_eq!(total.unpriced, 31);
    let tokens = Tokens {
        input: 101,
        ..unknown.0.tokens
    };
    assert_eq!(total.tokens, tokens);
}

pub async fn sums_beyond_64_bits_are_the_greatest_number(store: Arc<dyn Store>) {
    let world = World::new(store);
    let vast = |message: &str, priced: bool| {
        let mut entry = entry(message, u64::MAX);
        entry.0.tokens.output = u64::MAX;
        if !priced {
            entry.1 = None;
        }
        entry
    };
    let digest = Digest {
        entries: vec![vast("m1", true), vast("m2", true), vast("m3", false)],
        ..world.first("s1", 9)
    };
    world.digest(digest).await;
    let greatest = u64::MAX / 2;
    let total = total(&world).await;
    assert_eq!(total.messages, 3);
    assert_eq!(total.tokens.input, greatest);
    assert_eq!(total.tokens.total(), 2 * greatest);
    assert_eq!((total.cost, total.unpriced), (NanoUsd(greatest), greatest));
    let prices = prices(&[("opus-1", 1_000_000)]);
    world.store.reprice(prices).await.unwrap();
    assert_eq!(self::total(&world).await.cost, NanoUsd(greatest));
}

pub async fn a_hundred_thousand_messages_sum_right(store: Arc<dyn Store>) {
    let world = World::new(store);
    let tokens = |n: u64| Tokens {
        input: n * 3,
        output: n % 977,
        cache_write_5m: n * n,
        cache_write_1h: 1,
        cache_read: u64::from(u32::MAX) + n,
    };
    let (mut expected, mut cost) = (Tokens::default(), 0);
    for batch in 0..10 {
        let mut entries = Vec::new();
        for n in batch * 10_000..(batch + 1) * 10_000 {
            let entry = Entry {
                message: format!("msg_{:x}:{n}", n * 7919),
                session: format!("s{batch}"),
                model: format!("model-{}", n % 3),
                at: at(i64::try_from(n).unwrap()),
                tokens: tokens(n),
            };
            expected += entry.tokens;
            cost += n;
            entries.push((entry, Some(NanoUsd(n))));
        }
        let digest = Digest {
            entries,
            ..world.first(&format!("s{batch}"), 9)
        };
        assert_eq!(world.digest(digest).await, 10_000);
    }
    let total = total(&world).await;
    assert_eq!((total.messages, total.tokens), (100_000, expected));
    assert_eq!((total.cost, total.unpriced), (NanoUsd(cost), 0));
    let sessions = by(&world, By::Session).await;
    assert_eq!(sessions.len(), 10);
    assert_eq!(sessions[0].0, "s9", "the largest first");
    let sum: u64 = sessions.iter().map(|(_, tokens)| tokens).sum();
    assert_eq!(sum, expected.total());
}

fn prices(models: &[(&str, u64)]) -> Prices {
    let rates = |rate| Rates {
        input: rate,
        output: rate * 5,
        cache_write_5m: rate + 1,
        cache_write_1h: rate + 2,
        cache_read: rate + 3,
    };
    let price = |rate| Price {
        base: rates(rate),
        above: rates(rate * 2),
    };
    Prices {
        date: chrono::NaiveDate::MIN,
        source: "here".into(),
        models: models
            .iter()
            .map(|(model, rate)| ((*model).to_owned(), price(*rate)))
            .collect::<BTreeMap<_, _>>(),
    }
}

pub async fn new_prices_change_what_differs_and_tell_how_many(store: Arc<dyn Store>) {
    let world = World::new(store);
    let tokens = Tokens {
        input: 10,
        output: 20,
        cache_write_5m: 30,
        cache_write_1h: 40,
        // Of which ten cost what is above the step.
        cache_read: STEP + 10,
    };
    let used = |message: &str, model: &str| {
        let mut entry = entry(message, 0);
        entry.0.model = model.into();
        entry.0.tokens = tokens;
        entry.1 = None;
        entry
    };
    let digest = Digest {
        entries: vec![
            used("m1", "opus"),
            used("m2", "opus-20260101"),
            used("m3", "opus-fast"),
            used("m4", "opus"),
        ],
        ..world.first("s1", 9)
    };
    world.digest(digest).await;
    let table = prices(&[("opus", 100)]);
    let each = table.models["opus"].cost(&tokens).0;
    assert_eq!(world.store.reprice(table.clone()).await.unwrap(), 3);
    let row = total(&world).await;
    assert_eq!(
        (row.cost, row.unpriced),
        (NanoUsd(3 * each), tokens.total())
    );
    assert_eq!(world.store.reprice(table).await.unwrap(), 0, "none differs");
    let dated = prices(&[("opus", 100), ("opus-20260101", 1)]);
    let other = dated.models["opus-20260101"].cost(&tokens).0;
    assert_eq!(world.store.reprice(dated).await.unwrap(), 1);
    assert_eq!(total(&world).await.cost, NanoUsd(2 * each + other));
    let none = prices(&[]);
    assert_eq!(world.store.reprice(none).await.unwrap(), 3);
    let row = total(&world).await;
    assert_eq!((row.cost, row.unpriced), (NanoUsd(0), 4 * tokens.total()));
}
