//! What a host does, and leaves, while the database that it shares is away, and what it does at once when that is back.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use stratavore_core::clock::{Clock, SystemClock, Timestamp, to_rfc3339};
use stratavore_rpc::{Code, Failure, v1};
use stratavore_testkit::binary;
use stratavore_testkit::clock::Clocks;
use stratavore_testkit::postgres::Postgres;
use stratavore_testkit::tcp_proxy::{Server, TcpProxy};
use stratavore_testkit::{wait_until, wait_until_async};

use crate::support::stand_in::StandIn;
use crate::support::team::{Team, settings};
use crate::support::transcript::{SESSION, answer, place};
use crate::support::{Host, SOON};

/// A month and a day.
const LATER: i64 = 32 * 24 * 3600;

/// Has a session of a host's machine say something in the project `p`, of so many tokens.
fn says(host: &Host, session: &str, number: u32, text: &str, tokens: u64) {
    said(host, session, number, text, tokens, SystemClock.now());
}

/// Has it said at a moment.
fn said(host: &Host, session: &str, number: u32, text: &str, tokens: u64, at: Timestamp) {
    let (cwd, at) = (host.home.project("p"), to_rfc3339(at));
    let row = answer(session, number, &at, &cwd, text, tokens);
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(place(&host.home, session))
        .unwrap();
    file.write_all(row.as_bytes()).unwrap();
}

/// Waits until a host knows that its database is away, or back.
async fn is_away(host: &Host, away: bool) {
    let known = |status: &v1::Status| status.store.as_ref().unwrap().away_since.is_some();
    host.status_until(|status| known(status) == away).await;
}

/// Waits until a host has something at hand for when its database is away.
fn has_at_hand(host: &Host, text: &str) {
    let cache = host.home.data().join("shared.db");
    let files = [cache.clone(), cache.with_extension("db-wal")];
    wait_until(SOON, &format!("{text:?} is at hand"), || {
        let bytes = files
            .iter()
            .map(|file| std::fs::read(file).unwrap_or_default());
        let holds = |bytes: Vec<u8>| {
            bytes
                .windows(text.len())
                .any(|part| part == text.as_bytes())
        };
        bytes.into_iter().any(holds)
    });
}

/// Waits until a host has at hand what it keeps of sessions, usage and budgets, as these are now.
async fn has_all_at_hand(host: &Host) {
    const MARK: &str = "saved-after-all-of-that";
    // What is learned with it is all that was before it.
    let preset = v1::SavePresetRequest {
        name: MARK.into(),
        toml: "program = \"claude\"".into(),
    };
    host.client().save_preset(preset).await.unwrap();
    has_at_hand(host, MARK);
}

/// Waits until a host tells that so many tokens were given.
async fn used(host: &Host, tokens: u64) {
    wait_until_async(SOON, &format!("{tokens} tokens are told"), async || {
        let report = host.client().get_usage(v1::UsageRequest::default()).await;
        let total = report.unwrap().into_inner().total.unwrap_or_default();
        match total.output_tokens == tokens {
            true => Ok(()),
            false => Err(format!("{total:?}\n{}", host.log())),
        }
    })
    .await;
}

/// Has a host look at all transcripts; it cannot keep what they say.
async fn looks_in_vain(host: &Host) {
    let again = host.client().reindex(v1::ReindexRequest {}).await;
    let refused = Failure::from(again.unwrap_err());
    assert_eq!(refused.code, Code::Unavailable, "{refused:?}");
}

async fn found(host: &Host, query: &str) -> Vec<String> {
    let request = v1::SearchSessionsRequest {
        query: query.into(),
        ..v1::SearchSessionsRequest::default()
    };
    let found = host.client().search_sessions(request).await.unwrap();
    let of = |hit: v1::SearchHit| hit.session.unwrap().id;
    found.into_inner().hits.into_iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_holds_back_what_it_did_and_lets_nothing_go_on_before_it_is_known_what_was_used() {
    const TOKENS: u64 = 7_654_321;
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let mut team = Team::of(&["attic"], &url).await;
    let attic = &mut team.hosts[0];
    says(attic, SESSION, 1, "Said.", TOKENS);
    let runner = attic.launch("hold").await;
    attic.state(&runner.id, "running").await;
    used(attic, TOKENS).await;
    let budget = v1::SetBudgetRequest {
        scope: "project".into(),
        of: Some("p".into()),
        period: "month".into(),
        tokens: Some(TOKENS - 1),
        at_limit: Some("pause".into()),
        ..v1::SetBudgetRequest::default()
    };
    attic.client().set_budget(budget).await.unwrap();
    attic.state(&runner.id, "paused").await;
    has_at_hand(attic, "runner.paused");
    has_all_at_hand(attic).await;

    // Meanwhile another month begins, in which nothing was used as far as it is known here.
    server.stop_immediately().unwrap();
    is_away(attic, true).await;
    attic.kill();
    let clocks = Clocks::make().unwrap();
    attic.set_environment(clocks.ahead(LATER));
    attic.begin().await;
    is_away(attic, true).await;
    looks_in_vain(attic).await;
    assert_eq!(attic.runner(&runner.id).await.state, "paused");

    let back = SystemClock.now() + chrono::TimeDelta::seconds(LATER);
    server.restart().unwrap();
    attic.state(&runner.id, "running").await;
    is_away(attic, false).await;
    let events = attic.events().await;
    let continued: Vec<Timestamp> = events
        .iter()
        .filter(|event| event.r#type == "runner.continued")
        .map(|event| event.at.parse().unwrap())
        .collect();
    assert!(
        continued.len() == 1 && continued[0] >= back,
        "{continued:?}, back at {back}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_go_to_a_project_that_came_meanwhile_by_what_the_database_knows_of_both() {
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let name = url.split('?').next().and_then(|url| url.rsplit('/').next());
    let name = name.unwrap().to_owned();
    let mut team = Team::of(&["attic", "cellar"], &url).await;
    let [attic, cellar] = &mut team.hosts[..] else {
        unreachable!()
    };
    let project = cellar.add_project("a-late-project", None).await;
    has_at_hand(attic, "a-late-project");
    let node = attic.status().await.node_id;
    attic.kill();
    // Kept in the database, and not at hand any more: the host was killed in between.
    let insert = format!(
        "INSERT INTO sessions (node, program, id, cwd, began_at, updated_at, requests) \
         VALUES ('{node}', 'claude', '{SESSION}', '{}', now(), now(), 1)",
        project.path
    );
    server.run_sql(&name, &insert).unwrap();
    server.stop_immediately().unwrap();
    attic.begin().await;
    is_away(attic, true).await;
    looks_in_vain(attic).await;

    server.restart().unwrap();
    wait_until_async(SOON, "the session is in the project", async || {
        let listed = attic
            .client()
            .list_sessions(v1::ListSessionsRequest::default())
            .await;
        let sessions = listed.unwrap().into_inner().sessions;
        let place = sessions.first().and_then(|first| first.project.clone());
        match place.as_deref() {
            Some("a-late-project") => Ok(()),
            _ => Err(format!("{sessions:?}\n{}", attic.log())),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_meanwhile_is_read_at_once_on_return_though_nothing_runs() {
    let mut server = Postgres::start().unwrap();
    let team = Team::of(&["attic"], &server.database().unwrap()).await;
    let attic = &team.hosts[0];
    says(attic, SESSION, 1, "Said.", 40);
    // Nothing runs: by itself it looks each five minutes.
    attic.client().reindex(v1::ReindexRequest {}).await.unwrap();
    used(attic, 40).await;
    server.stop_immediately().unwrap();
    is_away(attic, true).await;
    says(attic, SESSION, 2, "Said meanwhile.", 2);
    server.restart().unwrap();
    used(attic, 42).await;
    assert_eq!(found(attic, "meanwhile").await, [SESSION]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runners_of_others_used_meanwhile_is_told_at_once_on_return() {
    let server = Postgres::listening("").unwrap();
    let line = TcpProxy::start(Server::Tcp(server.address())).unwrap();
    let url = server.tcp_url("postgres");
    let through = url.replace(&server.address().to_string(), &line.address().to_string());
    let mut team = Team { hosts: Vec::new() };
    let stand_in = binary::stand_in();
    let cellars = settings("ada", "cellar", &url) + &format!("[programs]\nclaude = {stand_in:?}\n");
    team.join("cellar", &cellars, vec![]).await;
    team.join("attic", &settings("ada", "attic", &through), vec![])
        .await;
    let [cellar, attic] = &team.hosts[..] else {
        unreachable!()
    };
    let _program = StandIn::launch(cellar, "r").await;
    let session = cellar
        .until("r", |runner| runner.session_id.is_some())
        .await
        .session_id
        .unwrap();
    let tokens = |runner: &v1::Runner| runner.usage.as_ref().map_or(0, |usage| usage.output_tokens);
    says(cellar, &session, 1, "Said.", 40);
    cellar.until("r", |runner| tokens(runner) == 40).await;
    let asked = attic.until("r", |runner| runner.state == "running").await;
    assert_eq!(tokens(&asked), 40);

    line.cut();
    is_away(attic, true).await;
    // It is asked for meanwhile too, and at hand from then on.
    attic.runner("r").await;
    says(cellar, &session, 2, "Said meanwhile.", 2);
    cellar.until("r", |runner| tokens(runner) == 42).await;
    line.resume();
    is_away(attic, false).await;
    // Long before it would be looked at by itself.
    wait_until_async(Duration::from_secs(30), "42 tokens are told", async || {
        let told = tokens(&attic.runner("r").await);
        if told == 42 { Ok(()) } else { Err(told) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_meanwhile_looks_in_the_transcripts_and_archives_of_this_machine() {
    const GONE: &str = "8c1d3a45-8a51-4f0e-9d55-0a2b6c1d3e4f";
    const OTHERS: &str = "9d2e4b56-8a51-4f0e-9d55-0a2b6c1d3e4f";
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    let mut team = Team { hosts: Vec::new() };
    let attics = settings("ada", "attic", &url) + "[sessions]\narchive = true\n";
    team.join("attic", &attics, vec![]).await;
    team.join("cellar", &settings("ada", "cellar", &url), vec![])
        .await;
    let [attic, cellar] = &team.hosts[..] else {
        unreachable!()
    };
    let before = SystemClock.now() - chrono::TimeDelta::hours(1);
    said(attic, GONE, 1, "A word that is gone.", 1, before);
    says(attic, SESSION, 1, "A word.", 1);
    says(cellar, OTHERS, 1, "A word of others.", 1);
    for host in [attic, cellar] {
        host.client().reindex(v1::ReindexRequest {}).await.unwrap();
    }
    let archive = v1::ArchiveSessionsRequest::default();
    attic.client().archive_sessions(archive).await.unwrap();
    std::fs::remove_file(place(&attic.home, GONE)).unwrap();
    attic.client().reindex(v1::ReindexRequest {}).await.unwrap();
    let sorted = async |host: &Host, query: &str| {
        let mut found = found(host, query).await;
        found.sort();
        found
    };
    assert_eq!(sorted(attic, "word").await, [SESSION, GONE, OTHERS]);
    has_all_at_hand(attic).await;
    has_all_at_hand(cellar).await;

    server.stop_immediately().unwrap();
    is_away(attic, true).await;
    is_away(cellar, true).await;
    assert_eq!(sorted(attic, "wor").await, [SESSION, GONE]);
    assert_eq!(found(attic, "\"word that\"").await, [GONE]);
    assert_eq!(found(cellar, "word").await, [OTHERS]);
    // What is said meanwhile is found, the latest first, and no more than is asked for.
    says(attic, SESSION, 2, "Another word.", 1);
    let request = v1::SearchSessionsRequest {
        query: "word".into(),
        project: Some("p".into()),
        limit: Some(1),
    };
    let hits = attic.client().search_sessions(request).await.unwrap();
    let hits = hits.into_inner().hits;
    let words: String = hits[0]
        .snippet
        .iter()
        .map(|part| part.text.as_str())
        .collect();
    assert_eq!((hits.len(), words.as_str()), (1, "Another word."));
    assert!(found(attic, "nothing").await.is_empty());
}
