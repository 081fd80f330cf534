//! Sessions: what is read of transcripts, and finding it again.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stratavore_core::ids::{InstanceId, ProjectId, RunnerId};
use stratavore_core::session::{PASSAGE_MAX, Passage, Role, Session, SessionKey};
use stratavore_core::usage::NanoUsd;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::reading::{at, entry, path, said};
use super::world::World;
use crate::{Digest, Hit, Reading, SearchQuery, SessionFilter, Store, StoreError, UsageFilter};

async fn search(world: &World, text: &str) -> Vec<Hit> {
    let query = SearchQuery {
        text: text.to_owned(),
        project: None,
        limit: 50,
    };
    world.store.search(query).await.expect("it is searched")
}

/// The offsets of what is found, in their order.
async fn found(world: &World, text: &str) -> Vec<u64> {
    let mut offsets: Vec<u64> = search(world, text)
        .await
        .iter()
        .map(|hit| hit.offset)
        .collect();
    offsets.sort_unstable();
    offsets
}

async fn texts(world: &World, id: &str) -> Vec<String> {
    let key = world.key(id);
    let passages = world.store.passages(&key, 100).await.unwrap();
    passages.into_iter().map(|passage| passage.text).collect()
}

pub async fn what_was_read_is_kept_whole(store: Arc<dyn Store>) {
    let world = World::new(store);
    let project = world.project("api", None).await;
    let session = Session {
        project: Some(project.id),
        title: Some("fix the \u{0}token".into()),
        model: Some("opus-1".into()),
        parent: Some("s0".into()),
        runner: Some(RunnerId::new(world.now())),
        program_cost: Some(NanoUsd(12)),
        archive: Some(("/a/s1.zst".into(), "ab12".into())),
        ..world.a_session("s1")
    };
    let passage = |offset, role, text: &str| Passage {
        role,
        ..said(offset, text)
    };
    let digest = Digest {
        session: session.clone(),
        passages: vec![
            passage(0, Role::User, "why?"),
            passage(40, Role::Assistant, "because"),
            passage(40, Role::Tool, "$ ls"),
        ],
        entries: vec![entry("m1", 7), entry("m2", 8)],
        ..world.first("s1", 90)
    };
    let passages = digest.passages.clone();
    let reading = digest.reading.clone();
    assert_eq!(world.digest(digest).await, 2);
    let kept = world.store.session(&session.key).await.unwrap();
    let clean = Session {
        title: Some("fix the token".into()),
        ..session
    };
    assert_eq!(kept, clean);
    assert_eq!(world.store.transcripts().await.unwrap(), [reading]);
    let key = world.key("s1");
    assert_eq!(world.store.passages(&key, 100).await.unwrap(), passages);
    assert_eq!(world.store.passages(&key, 2).await.unwrap(), passages[..2]);
}

pub async fn a_digest_begins_where_the_last_one_ended(store: Arc<dyn Store>) {
    let world = World::new(store);
    let stale = |digest: Digest| async {
        match world.store.digest(digest).await {
            Err(StoreError::StaleReading { known, .. }) => known,
            other => panic!("expected a stale reading, got {other:?}"),
        }
    };
    assert_eq!(stale(world.then("s1", 10, 20)).await, None);
    world.digest(world.first("s1", 10)).await;
    assert_eq!(stale(world.then("s1", 9, 20)).await, Some(10));
    let mut elsewhere = world.then("s1", 10, 20);
    elsewhere.reading.file = "1:3".into();
    elsewhere.passages = vec![said(10, "lost")];
    elsewhere.entries = vec![entry("m1", 1)];
    assert_eq!(stale(elsewhere).await, None, "it is another file");
    assert!(found(&world, "lost").await.is_empty(), "nothing was kept");
    let used = world.store.usage(UsageFilter::default()).await.unwrap();
    assert_eq!(used[0].messages, 0);
    let on = Digest {
        passages: vec![said(10, "on")],
        ..world.then("s1", 10, 20)
    };
    world.digest(on.clone()).await;
    assert_eq!(stale(on).await, Some(20), "and not twice");
    assert_eq!(texts(&world, "s1").await, ["on"]);
    assert_eq!(world.store.transcripts().await.unwrap()[0].offset, 20);
}

pub async fn another_file_in_its_place_replaces_what_was_said(store: Arc<dyn Store>) {
    let world = World::new(store);
    let old = Digest {
        passages: vec![said(0, "the old plan"), said(9, "more of it")],
        entries: vec![entry("m1", 5)],
        ..world.first("s1", 30)
    };
    world.digest(old).await;
    let other = Digest {
        passages: vec![said(0, "untouched plan")],
        ..world.first("s2", 30)
    };
    world.digest(other).await;
    let mut new = Digest {
        passages: vec![said(0, "the new one")],
        entries: vec![entry("m1", 5), entry("m2", 1)],
        ..world.first("s1", 12)
    };
    new.reading.file = "1:9".into();
    assert_eq!(world.digest(new).await, 1, "usage is no file's");
    assert_eq!(texts(&world, "s1").await, ["the new one"]);
    let hits = search(&world, "plan").await;
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].session.key.id, "s2");
    assert_eq!(search(&world, "new").await.len(), 1);
}

pub async fn what_is_absent_of_a_session_stays_as_it_was(store: Arc<dyn Store>) {
    let world = World::new(store);
    let full = Session {
        project: Some(ProjectId::new(world.now())),
        title: Some("one".into()),
        model: Some("opus-1".into()),
        requests: 4,
        parent: Some("s0".into()),
        runner: Some(RunnerId::new(world.now())),
        program_cost: Some(NanoUsd(3)),
        archive: Some(("/a".into(), "ab".into())),
        began_at: at(10),
        updated_at: at(20),
        ..world.a_session("s1")
    };
    world.store.put_session(full.clone()).await.unwrap();
    let bare = Session {
        cwd: String::new(),
        transcript: None,
        requests: 0,
        began_at: at(15),
        updated_at: at(15),
        ..world.a_session("s1")
    };
    world.store.put_session(bare).await.unwrap();
    assert_eq!(world.store.session(&full.key).await.unwrap(), full);
    let newer = Session {
        title: Some("two".into()),
        requests: 5,
        began_at: at(5),
        updated_at: at(30),
        ..full.clone()
    };
    let digest = Digest {
        session: Session {
            project: None,
            archive: None,
            ..newer.clone()
        },
        ..world.first("s1", 1)
    };
    world.digest(digest).await;
    assert_eq!(world.store.session(&full.key).await.unwrap(), newer);
}

pub async fn sessions_are_listed_latest_first_and_filtered(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, ada) = (ProjectId::new(world.now()), RunnerId::new(world.now()));
    for (number, id) in [(1, "ab1"), (3, "ab2"), (2, "cd%")] {
        let session = Session {
            updated_at: at(number),
            project: (id != "ab1").then_some(api),
            runner: (id == "ab2").then_some(ada),
            ..world.a_session(id)
        };
        world.store.put_session(session).await.unwrap();
    }
    let elsewhere = SessionKey {
        node: InstanceId::from_stored("elsewhere".into()),
        program: "codex".into(),
        id: "ab1".into(),
    };
    let other = Session {
        key: elsewhere,
        updated_at: at(4),
        ..world.a_session("ab1")
    };
    world.store.put_session(other).await.unwrap();
    let list = async |filter: SessionFilter| -> Vec<String> {
        let sessions = world.store.sessions(filter).await.unwrap();
        let names = sessions
            .into_iter()
            .map(|session| format!("{} {}", session.key.program, session.key.id));
        names.collect()
    };
    let all = SessionFilter::default;
    let every = ["codex ab1", "claude ab2", "claude cd%", "claude ab1"];
    assert_eq!(list(all()).await, every);
    let limit = Some(2);
    assert_eq!(list(SessionFilter { limit, ..all() }).await, every[..2]);
    let project = Some(api);
    assert_eq!(list(SessionFilter { project, ..all() }).await, every[1..3]);
    let runner = Some(ada);
    assert_eq!(list(SessionFilter { runner, ..all() }).await, every[1..2]);
    let program = Some("codex".to_owned());
    assert_eq!(list(SessionFilter { program, ..all() }).await, every[..1]);
    for (beginning, count) in [("ab", 3), ("ab1", 2), ("cd%", 1), ("%", 0), ("", 4)] {
        let id = Some(beginning.to_owned());
        let listed = list(SessionFilter { id, ..all() }).await;
        assert_eq!(listed.len(), count, "{beginning}");
    }
}

pub async fn an_unknown_session_is_an_error_that_names_it(store: Arc<dyn Store>) {
    let world = World::new(store);
    let error = world.store.session(&world.key("nope")).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::NoSession(id) if id == "nope"),
        "{error:?}"
    );
    let passages = world.store.passages(&world.key("nope"), 9).await.unwrap();
    assert!(passages.is_empty());
}

pub async fn every_word_is_found_by_its_beginning_and_quotes_one_after_another(
    store: Arc<dyn Store>,
) {
    let world = World::new(store);
    let digest = Digest {
        passages: vec![
            said(1, "The token has Expired; see src/auth_token.rs."),
            said(2, "An expired café token: 1e5abc."),
            said(3, "Nothing of it. token. then expired"),
            said(4, "한국어 и ключ"),
        ],
        ..world.first("s1", 99)
    };
    world.digest(digest).await;
    for (text, offsets) in [
        ("token", vec![1, 2, 3]),
        ("TOK exp", vec![1, 2, 3]),
        ("oken", vec![]),
        ("\"expired token\"", vec![]),
        ("\"token expired\"", vec![]),
        ("\"token then expired\"", vec![3]),
        ("\"caf\"", vec![]),
        ("caf", vec![2]),
        ("cafe", vec![2]),
        ("CAFÉ", vec![2]),
        ("src/auth", vec![1]),
        ("auth_tok", vec![1]),
        ("rs.auth", vec![]),
        ("1e5", vec![2]),
        ("한국", vec![4]),
        ("КЛЮ", vec![4]),
        ("\"the token has", vec![1]),
        ("token \"see src\"", vec![1]),
        ("", vec![]),
        ("\" * - \"", vec![]),
    ] {
        assert_eq!(found(&world, text).await, offsets, "{text:?}");
    }
    let hits = search(&world, "has").await;
    assert_eq!(
        hits[0].snippet,
        "The token \u{E000}has\u{E001} Expired; see src/auth_token.rs."
    );
    assert_eq!((hits[0].role, hits[0].at), (Role::Assistant, at(1)));
    let session = world.store.session(&world.key("s1")).await.unwrap();
    assert_eq!(hits[0].session, session);
}

pub async fn a_search_has_its_project_its_limit_and_the_best_first(store: Arc<dyn Store>) {
    let world = World::new(store);
    let (api, web) = (ProjectId::new(world.now()), ProjectId::new(world.now()));
    let long = format!("{} lease {}", "word ".repeat(400), "other ".repeat(400));
    for (id, project, text) in [
        ("s1", Some(api), long.as_str()),
        ("s2", Some(web), "lease lease lease"),
        ("s3", None, "lease of it"),
    ] {
        let digest = Digest {
            session: Session {
                project,
                ..world.a_session(id)
            },
            passages: vec![said(0, text)],
            ..world.first(id, 9)
        };
        world.digest(digest).await;
    }
    let ids = |hits: Vec<Hit>| -> Vec<String> {
        hits.into_iter().map(|hit| hit.session.key.id).collect()
    };
    let all = ids(search(&world, "lease").await);
    assert_eq!((all.len(), all[0].as_str()), (3, "s2"));
    let query = |project, limit| SearchQuery {
        text: "lease".into(),
        project,
        limit,
    };
    let best = world.store.search(query(None, 1)).await.unwrap();
    assert_eq!(ids(best), ["s2"]);
    let hits = world.store.search(query(Some(api), 9)).await.unwrap();
    assert_eq!(hits.len(), 1);
    let snippet = &hits[0].snippet;
    assert!(snippet.contains("\u{E000}lease\u{E001}"), "{snippet:?}");
    assert!(
        snippet.starts_with('…') && snippet.ends_with('…'),
        "{snippet:?}"
    );
    assert!(snippet.len() < 300, "{snippet:?}");
}

pub async fn any_text_may_be_searched_for(store: Arc<dyn Store>) {
    let world = World::new(store);
    let digest = Digest {
        passages: vec![said(0, "NEAR and OR not text: rowid * ^ + - { } ( ) \" '")],
        ..world.first("s1", 9)
    };
    world.digest(digest).await;
    let any = prop_oneof![
        any::<String>(),
        "[a-zA-Z0-9\"'*^:(){}+|&!<>~ \\\\-]{0,40}",
        "(NEAR|AND|OR|NOT|text|rowid|rank|[\"*:()^-]| ){1,12}",
        prop::collection::vec("[a-z\"]{1,3}", 0..200).prop_map(|words| words.join(" ")),
    ];
    let runtime = Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(Config {
            cases: 300,
            failure_persistence: None,
            ..Config::default()
        });
        runner.run(&any, |text| {
            let query = SearchQuery {
                text,
                project: None,
                limit: 5,
            };
            let result = runtime.block_on(world.store.search(query));
            prop_assert!(result.is_ok(), "{result:?}");
            Ok(())
        })
    });
    outcome.unwrap();
    assert_eq!(found(&world, "NEAR OR").await, [0]);
}

pub async fn text_of_any_kind_is_kept_without_what_no_database_keeps(store: Arc<dyn Store>) {
    let world = World::new(store);
    let endless = "é".repeat(PASSAGE_MAX);
    let digest = Digest {
        passages: vec![
            said(1, "nul \u{0} and \u{E000}marks\u{E001}\u{1b}[31m \\u0000"),
            said(2, &endless),
            said(3, &"x".repeat(PASSAGE_MAX)),
            said(4, ""),
        ],
        entries: vec![entry(&"m".repeat(5000), 1), entry("nul\u{0}", 1)],
        ..world.first("s1", 9)
    };
    assert_eq!(world.digest(digest).await, 2);
    let texts = texts(&world, "s1").await;
    assert_eq!(texts[0], "nul  and marks\u{1b}[31m \\u0000");
    assert_eq!(texts[1].len(), PASSAGE_MAX);
    assert_eq!((texts[2].len(), texts[3].as_str()), (PASSAGE_MAX, ""));
    assert_eq!(found(&world, "marks").await, [1]);
    let again = Digest {
        entries: vec![entry(&"m".repeat(5000), 1)],
        ..world.first("s2", 9)
    };
    assert_eq!(
        world.digest(again).await,
        0,
        "a long name is still one name"
    );
}

pub async fn a_gone_transcript_leaves_what_was_said_to_be_found(store: Arc<dyn Store>) {
    let world = World::new(store);
    for id in ["s1", "s2"] {
        let digest = Digest {
            passages: vec![said(0, "word")],
            ..world.first(id, 9)
        };
        world.digest(digest).await;
    }
    let gone = vec![path("s1"), "/never/there".into()];
    world.store.transcripts_gone(gone).await.unwrap();
    world.store.transcripts_gone(Vec::new()).await.unwrap();
    let left: Vec<Reading> = world.store.transcripts().await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].path, path("s2"));
    assert_eq!(search(&world, "word").await.len(), 2);
    let transcript = async |id| {
        let session = world.store.session(&world.key(id)).await.unwrap();
        session.transcript
    };
    assert_eq!(transcript("s1").await, None);
    assert_eq!(transcript("s2").await, Some(path("s2")));
    // It comes back, and is read from its beginning.
    let on = world.store.digest(world.then("s1", 9, 12)).await;
    assert!(
        matches!(on, Err(StoreError::StaleReading { known: None, .. })),
        "{on:?}"
    );
    let back = Digest {
        passages: vec![said(0, "word")],
        ..world.first("s1", 12)
    };
    world.digest(back).await;
    assert_eq!(search(&world, "word").await.len(), 2);
    assert_eq!(world.store.transcripts().await.unwrap().len(), 2);
}

pub async fn a_forgotten_index_is_read_again_and_no_usage_is_lost(store: Arc<dyn Store>) {
    let world = World::new(store);
    let runner = RunnerId::from_uuid(Uuid::from_u128(5));
    let digest = |id: &str| Digest {
        passages: vec![said(0, "word")],
        entries: vec![entry(id, 5)],
        ..world.first(id, 9)
    };
    for id in ["plain", "held", "gone"] {
        world.digest(digest(id)).await;
    }
    let held = Session {
        runner: Some(runner),
        title: Some("wrong".into()),
        ..world.a_session("held")
    };
    world.store.put_session(held).await.unwrap();
    world
        .store
        .transcripts_gone(vec![path("gone")])
        .await
        .unwrap();
    let before = world.store.usage(UsageFilter::default()).await.unwrap();
    world.store.forget_index().await.unwrap();
    assert_eq!(world.store.transcripts().await.unwrap(), []);
    let hits = search(&world, "word").await;
    assert_eq!(hits.len(), 1, "what is gone cannot be read again");
    assert_eq!(hits[0].session.key.id, "gone");
    let sessions = world.store.sessions(SessionFilter::default()).await;
    let mut left: Vec<String> = sessions
        .unwrap()
        .into_iter()
        .map(|session| session.key.id)
        .collect();
    left.sort();
    assert_eq!(left, ["gone", "held"], "no file tells who held it");
    let held = world.store.session(&world.key("held")).await.unwrap();
    assert_eq!((held.runner, held.title), (Some(runner), None));
    assert_eq!(
        world.store.usage(UsageFilter::default()).await.unwrap(),
        before
    );
    for id in ["plain", "held"] {
        assert_eq!(world.digest(digest(id)).await, 0, "it was counted");
    }
    assert_eq!(search(&world, "word").await.len(), 3);
    assert_eq!(
        world.store.usage(UsageFilter::default()).await.unwrap(),
        before
    );
}
