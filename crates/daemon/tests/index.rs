//! What a host reads of the programs' own files, keeps of it, and makes of it.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use stratavore_core::clock::{Clock, SystemClock, to_rfc3339};
use stratavore_rpc::{Failure, v1};
use stratavore_testkit::{TempHome, wait_until, wait_until_async};
use support::transcript::{SESSION, answer, place};
use support::{Host, SOON, refused};

const LONG_AGO: &str = "2026-01-05T10:00:00.000Z";

async fn usage(host: &Host, by: Option<&str>) -> v1::UsageReport {
    let request = v1::UsageRequest {
        by: by.map(str::to_owned),
        ..v1::UsageRequest::default()
    };
    host.client().get_usage(request).await.unwrap().into_inner()
}

/// Waits until so many tokens were given in all, and returns the report.
async fn used(host: &Host, tokens: u64, by: Option<&str>) -> v1::UsageReport {
    wait_until_async(SOON, "the usage", async || {
        let report = usage(host, by).await;
        let total = report.total.clone().unwrap_or_default();
        if total.output_tokens == tokens {
            Ok(report)
        } else {
            Err(format!("{report:?}\n{}", host.log()))
        }
    })
    .await
}

/// Has everything read anew.
async fn reindex(host: &Host) {
    host.client().reindex(v1::ReindexRequest {}).await.unwrap();
}

async fn export(host: &Host) -> Result<String, Failure> {
    let request = v1::ExportSessionRequest {
        session: SESSION.into(),
        format: "jsonl".into(),
    };
    let exported = host.client().export_session(request).await;
    let exported = exported.map_err(Failure::from)?.into_inner();
    Ok(String::from_utf8(exported.content).unwrap())
}

async fn finds(host: &Host, query: &str) -> usize {
    let request = v1::SearchSessionsRequest {
        query: query.into(),
        ..v1::SearchSessionsRequest::default()
    };
    let found = host.client().search_sessions(request).await.unwrap();
    found.into_inner().hits.len()
}

async fn session(host: &Host) -> v1::Session {
    let listed = host
        .client()
        .list_sessions(v1::ListSessionsRequest::default())
        .await;
    let sessions = listed.unwrap().into_inner().sessions;
    sessions
        .into_iter()
        .find(|session| session.id == SESSION)
        .expect("it is known")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_used_counts_for_the_day_that_it_was_where_the_person_is_as_clocks_change() {
    // The year's shortest and longest day of Central Europe, by the moment at which each begins and ends.
    let at = [
        ("2026-03-28T22:59:59.000Z", "2026-03-28"),
        ("2026-03-28T23:00:00.000Z", "2026-03-29"),
        ("2026-03-29T21:59:59.000Z", "2026-03-29"),
        ("2026-03-29T22:00:00.000Z", "2026-03-30"),
        ("2026-10-24T21:59:59.000Z", "2026-10-24"),
        ("2026-10-24T22:00:00.000Z", "2026-10-25"),
        ("2026-10-25T22:59:59.000Z", "2026-10-25"),
        ("2026-10-25T23:00:00.000Z", "2026-10-26"),
    ];
    let home = TempHome::new();
    let cwd = home.project("elsewhere");
    let rows = (0_u32..)
        .zip(at)
        .map(|(nth, (at, _))| answer(SESSION, nth, at, &cwd, "Said.", 1 << nth));
    fs::write(place(&home, SESSION), rows.collect::<String>()).unwrap();
    // The rule itself, so that no table of time zones has to be installed.
    let zone = ("TZ".to_owned(), "CET-1CEST,M3.5.0,M10.5.0/3".to_owned());
    let host = Host::with_environment(home, vec![zone]).await;
    let report = used(&host, 255, Some("day")).await;
    let mut days = std::collections::BTreeMap::<String, u64>::new();
    for (nth, (_, day)) in at.into_iter().enumerate() {
        *days.entry(day.to_owned()).or_default() += 1 << nth;
    }
    let rows = report.rows.into_iter();
    let rows = rows.map(|row| (row.key, row.usage.unwrap_or_default().output_tokens));
    assert_eq!(rows.collect::<std::collections::BTreeMap<_, _>>(), days);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_budget_warns_of_while_there_is_no_project_is_told_when_there_is_one() {
    let home = TempHome::new();
    let cwd = home.project("elsewhere");
    let now = to_rfc3339(SystemClock.now());
    fs::write(
        place(&home, SESSION),
        answer(SESSION, 1, &now, &cwd, "Said.", 80),
    )
    .unwrap();
    fs::write(home.config_file(), "[log]\nlevel = \"debug\"\n").unwrap();
    let host = Host::without_project(home, vec![]).await;
    used(&host, 80, None).await;
    let request = v1::SetBudgetRequest {
        scope: "global".into(),
        period: "month".into(),
        tokens: Some(100),
        ..v1::SetBudgetRequest::default()
    };
    host.client().set_budget(request).await.unwrap();
    // Nobody looks at budgets any more for what was used and set until now.
    let found = || {
        host.log()
            .matches("there is no project yet to tell it of")
            .count()
    };
    let mut last = (0, Instant::now());
    wait_until(SOON, "it is found to be reached, and not again", || {
        if found() != last.0 {
            last = (found(), Instant::now());
        }
        last.0 > 0 && last.1.elapsed() > Duration::from_secs(1)
    });
    assert_eq!(host.notifications().await, []);
    // Not the one that it was used in.
    host.add_project("p", None).await;
    let told = wait_until_async(SOON, "it is told", async || {
        let told = host.notifications().await;
        if told.is_empty() {
            Err(host.log())
        } else {
            Ok(told)
        }
    })
    .await;
    assert_eq!((told.len(), told[0].edge.as_str()), (1, "budget-reached"));
    assert!(told[0].body.starts_with("75 %"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_prices_of_a_persons_own_holds_from_the_next_start_on_for_what_was_used_before_too()
 {
    let home = TempHome::new();
    let cwd = home.project("elsewhere");
    let prices = home.path().join("prices.toml");
    let table = |day: u32, price: f64| {
        format!(
            "date = \"2026-11-{day:02}\"\n[models.\"claude-opus-5\"]\ninput = 1.0\noutput = {price:.1}\n"
        )
    };
    fs::write(
        place(&home, SESSION),
        answer(SESSION, 1, LONG_AGO, &cwd, "Said.", 1_000_000),
    )
    .unwrap();
    fs::write(home.config_file(), format!("[prices]\nfile = {prices:?}\n")).unwrap();
    fs::write(&prices, table(1, 3.0)).unwrap();
    let mut host = Host::in_home(home).await;
    for (day, price) in [(1, 3.0), (2, 5.0)] {
        let report = wait_until_async(SOON, "it is priced", async || {
            let report = usage(&host, None).await;
            let total = report.total.clone().unwrap_or_default();
            if total.cost_usd == Some(price) {
                Ok(report)
            } else {
                Err(format!("{report:?}"))
            }
        })
        .await;
        assert_eq!(report.prices_date, format!("2026-11-{day:02}"));
        assert_eq!(report.prices_source, prices.display().to_string());
        host.terminate();
        fs::write(&prices, table(2, 5.0)).unwrap();
        host.begin().await;
    }
    host.terminate();
    // In one line that names the file, and what is wrong where.
    for (text, wrong) in [
        ("", "date"),
        (
            "date = \"2026-11-01\"\n[models.x]\ninput = -1.0\noutput = 1.0\n",
            "input",
        ),
        ("date = \"2026-11-01\"\n[models.x]\ninput = 1.0\n", "output"),
        ("date = [", "line 1"),
    ] {
        fs::write(&prices, text).unwrap();
        let (code, words) = refused(&host.home, |_| {});
        assert_eq!(code, 9, "{words}");
        let clear = [wrong, "prices.toml", "unset prices.file"];
        let told = clear.iter().all(|part| words.contains(part));
        assert!(
            told && words.trim().lines().count() == 1,
            "{text:?}: {words}"
        );
    }
    fs::remove_file(&prices).unwrap();
    let (_, words) = refused(&host.home, |_| {});
    assert!(
        words.contains("read the table of prices") && words.contains("unset it"),
        "{words}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_at_rest_is_kept_and_again_when_it_grew_and_a_damaged_copy_is_told() {
    let home = TempHome::new();
    let cwd = home.project("elsewhere");
    let transcript = place(&home, SESSION);
    let first = answer(SESSION, 1, LONG_AGO, &cwd, "First.", 1);
    fs::write(&transcript, &first).unwrap();
    fs::write(home.config_file(), "[sessions]\narchive = true\n").unwrap();
    let host = Host::in_home(home).await;
    let copy = host
        .home
        .data()
        .join(format!("archive/claude/{SESSION}.jsonl.gz"));
    wait_until(SOON, "it is kept", || copy.exists());
    let before = fs::read(&copy).unwrap();

    // What has not changed since is not copied again.
    let made = || fs::metadata(&copy).unwrap().modified().unwrap();
    let made_first = made();
    reindex(&host).await;
    assert_eq!(made(), made_first);
    let second = answer(SESSION, 2, LONG_AGO, &cwd, "Second.", 1);
    fs::write(&transcript, format!("{first}{second}")).unwrap();
    reindex(&host).await;
    assert_ne!(fs::read(&copy).unwrap(), before);

    fs::remove_file(&transcript).unwrap();
    reindex(&host).await;
    assert_eq!(session(&host).await.transcript, None);
    assert_eq!(export(&host).await.unwrap(), format!("{first}{second}"));

    let other = Command::new("sh")
        .args(["-c", "echo other | gzip > \"$0\""])
        .arg(&copy)
        .status();
    assert!(other.unwrap().success());
    let damaged = export(&host).await.unwrap_err();
    let path = copy.display().to_string();
    assert!(
        damaged.message.contains("is damaged") && damaged.message.contains(&path),
        "{damaged:?}"
    );
    fs::write(&copy, &before[..before.len() / 2]).unwrap();
    let cut = export(&host).await.unwrap_err();
    assert!(cut.message.contains(&path), "{cut:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told_once_keeps_nothing_else_back_and_is_read_when_it_can_be() {
    const OTHER: &str = "00000000-8a51-4f0e-9d55-0a2b6c1d3e4f";
    let home = TempHome::new();
    let cwd = home.project("elsewhere");
    let (unreadable, fine) = (place(&home, OTHER), place(&home, SESSION));
    // Who is root may read everything; what leads to itself nobody can.
    symlink(&unreadable, &unreadable).unwrap();
    fs::write(&fine, answer(SESSION, 1, LONG_AGO, &cwd, "Fine.", 1)).unwrap();
    let host = Host::in_home(home).await;
    used(&host, 1, None).await;
    reindex(&host).await;
    let log = host.log();
    assert_eq!(log.matches("cannot read a transcript").count(), 1, "{log}");
    assert!(log.contains(OTHER), "{log}");
    fs::remove_file(&unreadable).unwrap();
    fs::write(&unreadable, answer(OTHER, 1, LONG_AGO, &cwd, "Mended.", 2)).unwrap();
    reindex(&host).await;
    used(&host, 3, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_that_shrank_is_read_anew_and_counts_nothing_twice_and_one_that_is_deleted_stays_counted()
 {
    let home = TempHome::new();
    let cwd = home.project("elsewhere");
    let transcript = place(&home, SESSION);
    let row = |number, text: &str| answer(SESSION, number, LONG_AGO, &cwd, text, 1 << number);
    fs::write(&transcript, row(0, "Aubergine.") + &row(1, "Bergamot.")).unwrap();
    let mut host = Host::in_home(home).await;
    used(&host, 3, None).await;
    let settled = async |host: &Host, words: &[(&str, usize)]| {
        for (word, times) in words {
            wait_until_async(SOON, word, async || finds(host, word).await == *times).await;
        }
    };
    settled(&host, &[("aubergine", 1), ("bergamot", 1)]).await;

    // Cut while no host runs, and in the same file: `write` keeps the inode.
    host.terminate();
    fs::write(&transcript, row(0, "Aubergine.")).unwrap();
    host.begin().await;
    settled(&host, &[("bergamot", 0), ("aubergine", 1)]).await;
    used(&host, 3, None).await;
    host.terminate();
    fs::write(&transcript, row(0, "Aubergine.") + &row(2, "Cardamom.")).unwrap();
    host.begin().await;
    settled(&host, &[("cardamom", 1), ("aubergine", 1), ("bergamot", 0)]).await;
    used(&host, 7, None).await;

    // While no host runs, and there is no other left.
    host.terminate();
    fs::remove_file(&transcript).unwrap();
    host.begin().await;
    wait_until_async(SOON, "it is gone", async || {
        session(&host).await.transcript.is_none()
    })
    .await;
    reindex(&host).await;
    settled(&host, &[("cardamom", 1), ("aubergine", 1)]).await;
    assert_eq!(used(&host, 7, None).await.total.unwrap().messages, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_that_is_deleted_and_made_anew_while_it_is_read_is_counted_whole_in_the_end() {
    const ROWS: u32 = 4000;
    let home = TempHome::new();
    let cwd = home.project("elsewhere");
    let transcript = place(&home, SESSION);
    let text = "All that was said. ".repeat(300);
    let rows = |range: std::ops::Range<u32>| -> String {
        range
            .map(|number| answer(SESSION, number, LONG_AGO, &cwd, &text, 1))
            .collect()
    };
    // Several pieces long.
    fs::write(&transcript, rows(0..ROWS)).unwrap();
    let host = Host::in_home(home).await;
    let begun = |report: v1::UsageReport| report.total.unwrap_or_default().output_tokens;
    let before = wait_until_async(SOON, "some of it is read", async || {
        let read = begun(usage(&host, None).await);
        if read > 0 { Ok(read) } else { Err(host.log()) }
    })
    .await;
    fs::remove_file(&transcript).unwrap();
    let anew = |number| answer(SESSION, number, LONG_AGO, &cwd, "Newly said.", 1);
    fs::write(&transcript, (ROWS..ROWS + 10).map(anew).collect::<String>()).unwrap();
    // Everything is looked at for it.
    host.add_project("q", None).await;
    wait_until_async(SOON, "what is there now is read", async || {
        finds(&host, "newly").await == 10
    })
    .await;
    let after = begun(usage(&host, None).await);
    assert!(
        after >= before + 10 && after <= u64::from(ROWS) + 10,
        "{before} {after}"
    );
    // The same again: nothing is counted twice.
    reindex(&host).await;
    assert_eq!(begun(usage(&host, None).await), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_begins_again_reads_what_was_appended_and_nothing_else() {
    const ROWS: u32 = 1000;
    let home = TempHome::new();
    let cwd = home.project("elsewhere");
    let transcript = place(&home, SESSION);
    // Nothing of it is kept but what was used, so that it is the transcript that would be read.
    let row = |number: u32| {
        let row = answer(SESSION, number, LONG_AGO, &cwd, "Said.", 3);
        format!(
            "{},\"more\":\"{}\"}}\n",
            &row[..row.len() - 2],
            "x".repeat(64_000)
        )
    };
    let rows = |range: std::ops::Range<u32>| range.map(row).collect::<String>();
    let text = rows(0..ROWS);
    fs::write(&transcript, &text).unwrap();
    let mut host = Host::in_home(home).await;
    /// Bytes that the host read of anything.
    fn read(host: &Host) -> usize {
        let io = fs::read_to_string(format!("/proc/{}/io", host.pid())).unwrap();
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: "));
        read.unwrap().parse().unwrap()
    }
    let whole = u64::from(ROWS) * 3;
    used(&host, whole, None).await;
    assert!(read(&host) >= text.len(), "what it reads is counted");

    host.terminate();
    let appended = rows(ROWS..ROWS + 10);
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&transcript)
        .unwrap();
    std::io::Write::write_all(&mut file, appended.as_bytes()).unwrap();
    host.begin().await;
    let report = used(&host, whole + 30, None).await;
    assert_eq!(report.total.unwrap().messages, u64::from(ROWS) + 10);
    let again = read(&host);
    assert!(again < text.len() / 4, "{again} of {}", text.len());

    // While it runs, too: everything is looked at for another project.
    let more = rows(ROWS + 10..ROWS + 20);
    std::io::Write::write_all(&mut file, more.as_bytes()).unwrap();
    host.add_project("q", None).await;
    used(&host, whole + 60, None).await;
    let still = read(&host);
    assert!(still < text.len() / 4, "{still} of {}", text.len());
}

/// Everything below a directory: of each file its bytes, and of everything when and how it was last changed.
fn everything_in(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, [i64; 5])> {
    let mut found = BTreeMap::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        let mut bytes = Vec::new();
        if meta.is_dir() {
            left.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else {
            bytes = fs::read(&path).unwrap();
        }
        let times = [
            meta.mtime(),
            meta.mtime_nsec(),
            // Whatever else is done to a file, its owner, its mode, its links, is told by this.
            meta.ctime(),
            meta.ctime_nsec(),
            i64::from(meta.mode()),
        ];
        found.insert(path, (bytes, times));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_programs_keep_of_conversations_outside_is_read_and_never_touched() {
    const GEMINI: &str = "11111111-1111-4111-8111-111111111111";
    const CODEX: &str = "01a20ae1-29f0-7e90-b9bc-a9d0101e8006";
    let home = TempHome::new();
    let cwd = home.project("p");
    // A subagent of it, one that is cut in its last row, and one that makes no sense.
    let claude = place(&home, SESSION);
    let cut = answer(SESSION, 2, LONG_AGO, &cwd, "Never ended", 1);
    fs::write(
        &claude,
        answer(SESSION, 1, LONG_AGO, &cwd, "An aubergine.", 1) + &cut[..cut.len() / 2],
    )
    .unwrap();
    let write = |path: &str, text: &str| {
        let path = home.home().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let subagent = answer(SESSION, 3, LONG_AGO, &cwd, "A bergamot.", 1);
    write(
        &format!(".claude/projects/elsewhere/{SESSION}/subagents/agent-1.jsonl"),
        &subagent,
    );
    write(
        ".claude/projects/elsewhere/00000000-8a51-4f0e-9d55-0a2b6c1d3e4f.jsonl",
        "{nonsense\n\n",
    );
    write(
        ".gemini/tmp/p/chats/session-1.jsonl",
        &format!("{{\"sessionId\":\"{GEMINI}\",\"startTime\":\"{LONG_AGO}\"}}\n"),
    );
    write(
        &format!(".codex/sessions/2026/11/01/rollout-2026-11-01T00-07-38-{CODEX}.jsonl"),
        &format!(
            "{{\"timestamp\":\"{LONG_AGO}\",\"type\":\"session_meta\",\"payload\":{{\"id\":\"{CODEX}\",\"cwd\":{cwd:?}}}}}\n"
        ),
    );
    fs::write(home.config_file(), "[sessions]\narchive = true\n").unwrap();
    let places = [".claude", ".gemini", ".codex"].map(|name| home.home().join(name));
    let all = || places.each_ref().map(|place| everything_in(place));
    let before = all();

    let mut host = Host::in_home(home).await;
    let copy = host
        .home
        .data()
        .join(format!("archive/claude/{SESSION}.jsonl.gz"));
    wait_until(SOON, "it is kept", || copy.exists());
    for _ in 0..2 {
        reindex(&host).await;
        assert_eq!(finds(&host, "aubergine").await, 1);
        assert!(export(&host).await.unwrap().contains("An aubergine."));
        let listed = host
            .client()
            .list_sessions(v1::ListSessionsRequest::default())
            .await;
        let listed = listed.unwrap().into_inner().sessions;
        for id in [SESSION, GEMINI, CODEX] {
            assert!(
                listed.iter().any(|session| session.id == id),
                "{id} of {listed:#?}"
            );
        }
        // Another host finds them as the first left them.
        host.terminate();
        host.begin().await;
    }
    assert_eq!(all(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_the_table_of_prices_lacks_costs_nothing_that_is_guessed_and_is_named() {
    let home = TempHome::new();
    let cwd = home.project("p");
    let prices = home.path().join("prices.toml");
    let table = "date = \"2026-11-01\"\n[models.\"priced\"]\ninput = 1.0\noutput = 1000000.0\n";
    fs::write(&prices, table).unwrap();
    fs::write(home.config_file(), format!("[prices]\nfile = {prices:?}\n")).unwrap();
    let row = |number, tokens| answer(SESSION, number, LONG_AGO, &cwd, "Said.", tokens);
    let priced = row(1, 2).replace("claude-opus-5", "priced");
    fs::write(place(&home, SESSION), priced + &row(2, 40)).unwrap();
    let host = Host::in_home(home).await;
    let report = used(&host, 42, Some("model")).await;
    assert_eq!(report.unpriced_models, ["claude-opus-5"]);
    let total = report.total.unwrap();
    assert_eq!((total.cost_usd, total.unpriced_tokens), (Some(2.0), 40));
    let cost = |model: &str| {
        let row = report.rows.iter().find(|row| row.key == model).unwrap();
        let usage = row.usage.as_ref().unwrap();
        (usage.cost_usd, usage.unpriced_tokens)
    };
    assert_eq!(cost("priced"), (Some(2.0), 0));
    assert_eq!(
        cost("claude-opus-5"),
        (None, 40),
        "unknown, and not nothing"
    );
}
