//! A transcript with everything wrong in it that can be: what is whole in it counts, once, and nothing of it is touched.

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};
use stratavore_rpc::v1;
use stratavore_testkit::{TempHome, wait_until_async};
use support::transcript::{SESSION, answer, place};
use support::{Host, SOON};

const COPY: &str = "cccccccc-8a51-4f0e-9d55-0a2b6c1d3e4f";

/// Waits until so many tokens in so many messages count, and nothing else.
async fn used(host: &Host, messages: u64, tokens: u64) {
    wait_until_async(SOON, "what is whole counts", async || {
        let usage = host.client().get_usage(v1::UsageRequest::default()).await;
        let total = usage.unwrap().into_inner().total.unwrap();
        if (total.messages, total.output_tokens) == (messages, tokens) {
            Ok(())
        } else {
            Err(format!("{total:?}\n{}", host.log()))
        }
    })
    .await;
}

async fn finds(host: &Host, word: &str) -> usize {
    let query = v1::SearchSessionsRequest {
        query: word.into(),
        ..v1::SearchSessionsRequest::default()
    };
    let found = host.client().search_sessions(query).await.unwrap();
    found.into_inner().hits.len()
}

/// What a file is, so far as it can be told that somebody touched it.
fn state(path: &Path) -> (Vec<u8>, SystemTime) {
    let changed = fs::metadata(path).unwrap().modified().unwrap();
    (fs::read(path).unwrap(), changed)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_whole_among_what_is_not_counts_once_and_nothing_is_touched() {
    let home = TempHome::new();
    let cwd = home.project("p");
    let row = |number: u32, at: &str, text: &str| {
        let at = format!("2026-01-05T{at}.000Z");
        answer(SESSION, number, &at, &cwd, text, 1 << number)
    };
    let first = row(0, "10:00:00", "Aubergine.");
    // The program was killed as it wrote a row, and went on behind it.
    let torn = &row(1, "10:00:01", "Torn.")[..90];
    let unknown = json!({ "type": "of-a-version-to-come", "sessionId": SESSION, "usage": { "output_tokens": 1 << 20 } });
    let noise = b"\x00\xff\xfe{{{\n[]\n\n12\n\"\"\n{\"type\":7}\n".as_slice();
    // Fifty megabytes in one row.
    let long = row(2, "10:00:02", &"Bergamot. ".repeat(5 << 20));
    assert!(long.len() > 50_000_000);
    // Its clock went back by an hour.
    let back = row(3, "09:00:00", "Cardamom.");
    let beyond = row(4, "10:00:04", "Damson.");
    let mut odd: Value = serde_json::from_str(&row(5, "10:00:05", "Elder.")).unwrap();
    odd["message"]["usage"]["output_tokens"] = json!(-1);
    // It is still being written.
    let (begun, rest) = beyond.split_at(beyond.len() / 2);

    let transcript = place(&home, SESSION);
    let whole = [
        first.as_bytes(),
        torn.as_bytes(),
        b"\n",
        format!("{unknown}\n").as_bytes(),
        noise,
        long.as_bytes(),
        back.as_bytes(),
        format!("{odd}\n").as_bytes(),
        begun.as_bytes(),
    ]
    .concat();
    fs::write(&transcript, whole).unwrap();
    // A copy repeats what it was copied from, under its own name.
    let repeated = first.replace(
        &format!("\"sessionId\":\"{SESSION}\""),
        &format!("\"sessionId\":\"{COPY}\""),
    );
    assert_ne!(repeated, first);
    let copy = place(&home, COPY);
    fs::write(&copy, repeated + &back).unwrap();
    let before = [state(&transcript), state(&copy)];

    let host = Host::in_home(home).await;
    host.client().reindex(v1::ReindexRequest {}).await.unwrap();
    used(&host, 3, 1 + 4 + 8).await;
    for (word, hits) in [
        ("aubergine", 2),
        ("bergamot", 1),
        ("cardamom", 2),
        ("damson", 0),
        ("torn", 0),
    ] {
        assert_eq!(finds(&host, word).await, hits, "{word}");
    }
    let reference = v1::SessionRef {
        session: SESSION.into(),
    };
    let session = host.client().get_session(reference).await;
    let session = session.unwrap().into_inner();
    assert_eq!(
        (session.began_at.as_str(), session.updated_at.as_str()),
        ("2026-01-05T09:00:00.000Z", "2026-01-05T10:00:02.000Z")
    );
    assert!(session.resumable, "{session:?}");
    let one = v1::ArchiveSessionsRequest { session: None };
    host.client().archive_sessions(one).await.unwrap();
    assert_eq!(
        [state(&transcript), state(&copy)],
        before,
        "nobody touched them"
    );

    // The row is written to its end.
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&transcript)
        .unwrap();
    file.write_all(rest.as_bytes()).unwrap();
    host.add_project("q", None).await;
    used(&host, 4, 1 + 4 + 8 + 16).await;
    assert_eq!(finds(&host, "damson").await, 1);
}
