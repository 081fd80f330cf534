//! What is counted is what `ccusage`, the users' yardstick, counts in the same files.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use stratavore_core::usage::{Entry, NanoUsd, Prices, Tokens};
use stratavore_programs::adapter;
use stratavore_testkit::{TempHome, npm};

/// Installs a package of the registry, or finds it installed, and gives its directory.
fn install(package: &str, version: &str) -> io::Result<PathBuf> {
    let name = format!("{}-{version}", package.replace(['@', '/'], "-"));
    let place = npm::install(&name, &format!("{package}@{version}"), |directory| {
        let program = directory
            .join("node_modules")
            .join(package)
            .join("bin/ccusage");
        if program.exists() {
            fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    })?;
    Ok(place.join("node_modules").join(package))
}

/// The version of which the price table has the prices: a program of its own for each platform.
fn newer() -> PathBuf {
    let arch = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    let package = format!("@ccusage/ccusage-linux-{arch}");
    install(&package, "20.0.24")
        .expect("installed")
        .join("bin/ccusage")
}

fn run(mut command: Command, claude: &Path) -> Value {
    let home = TempHome::new();
    let output = command
        .args(["session", "--json", "--offline"])
        .env("HOME", home.home())
        .env("CLAUDE_CONFIG_DIR", claude)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Counts as the ledger does: each message once, the most that a row says of it, for the session that had it first.
fn ledger(home: &Path) -> BTreeMap<String, Entry> {
    let claude = adapter("claude");
    let mut ledger = BTreeMap::<String, Entry>::new();
    for transcript in claude.transcripts(home).expect("listed") {
        let bytes = fs::read(&transcript.path).expect("read");
        let mut reader = claude.reader(&transcript, None).expect("a reader");
        for entry in reader.take(0, &bytes).entries {
            match ledger.get_mut(&entry.message) {
                Some(held) if held.tokens.total() >= entry.tokens.total() => {}
                Some(held) => held.tokens = entry.tokens,
                None => {
                    ledger.insert(entry.message.clone(), entry);
                }
            }
        }
    }
    ledger
}

fn by_session(ledger: &BTreeMap<String, Entry>) -> BTreeMap<String, (Tokens, NanoUsd)> {
    let prices = Prices::built_in();
    let mut sums = BTreeMap::<String, (Tokens, NanoUsd)>::new();
    for entry in ledger.values() {
        let (tokens, cost) = sums.entry(entry.session.clone()).or_default();
        *tokens += entry.tokens;
        if let Some(price) = prices.price(&entry.model) {
            cost.0 += price.cost(&entry.tokens).0;
        }
    }
    sums
}

fn kinds(row: &Value) -> [u64; 4] {
    [
        "inputTokens",
        "outputTokens",
        "cacheCreationTokens",
        "cacheReadTokens",
    ]
    .map(|kind| row[kind].as_u64().expect("a number"))
}

fn our_kinds(tokens: &Tokens) -> [u64; 4] {
    let written = tokens.cache_write_5m + tokens.cache_write_1h;
    [tokens.input, tokens.output, written, tokens.cache_read]
}

fn compare(home: &Path) -> NanoUsd {
    let name = home.display();
    let sums = by_session(&ledger(home));
    let theirs = run(Command::new(newer()), home);
    let rows = theirs["session"].as_array().expect("sessions");
    for row in rows {
        let session = row["period"].as_str().expect("a session");
        let (tokens, cost) = sums
            .get(session)
            .unwrap_or_else(|| panic!("{name}: {session} is not counted"));
        assert_eq!(our_kinds(tokens), kinds(row), "{name}: {session}");
        same_money(*cost, &row["totalCost"], session);
    }
    assert_eq!(rows.len(), sums.len(), "{name}: {sums:?}");
    let total = NanoUsd(sums.values().map(|(_, cost)| cost.0).sum());
    same_money(total, &theirs["totals"]["totalCost"], &name.to_string());
    total
}

/// Theirs are sums of binary fractions; ours are exact.
fn same_money(ours: NanoUsd, theirs: &Value, what: &str) {
    let theirs = theirs.as_f64().expect("a number");
    assert!(
        (ours.dollars() - theirs).abs() < 1e-9,
        "{what}: {} here, {theirs} there",
        ours.dollars()
    );
}

fn scenarios() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/claude-2.1.330");
    fs::read_dir(corpus)
        .expect("a corpus")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

#[test]
fn recorded_sessions_count_and_cost_the_same() {
    let costs: Vec<_> = scenarios().iter().map(|home| compare(home)).collect();
    assert!(
        costs.iter().filter(|cost| cost.0 > 0).count() > 10,
        "{costs:?}"
    );
}

#[test]
fn the_older_ccusage_counts_the_same_tokens() {
    let package = install("ccusage", "18.0.11").expect("installed");
    for home in scenarios() {
        let mut command = Command::new("node");
        command.arg(package.join("dist/index.js"));
        let theirs = run(command, &home);
        let mut all = Tokens::default();
        for entry in ledger(&home).values() {
            all += entry.tokens;
        }
        assert_eq!(
            our_kinds(&all),
            kinds(&theirs["totals"]),
            "{}",
            home.display()
        );
    }
}

/// Every model of the price table, each kind of token, and what is rare in recordings.
#[test]
fn every_price_of_claude_is_theirs() {
    let home = TempHome::new();
    let claude = home.home().join("claude");
    let project = claude.join("projects/-p");
    fs::create_dir_all(&project).expect("made");
    let prices = Prices::built_in();
    let mut number = 0;
    let mut models: Vec<String> = prices
        .models
        .keys()
        .filter(|model| model.starts_with("claude-") && !model.ends_with("-fast"))
        .cloned()
        .collect();
    models.push("claude-opus-4-5-20251101".to_owned());
    models.push("claude-sonnet-4-5-20250929".to_owned());
    models.push("a-model-without-a-price".to_owned());
    for model in models {
        // What is above 200,000 of a kind has a price of its own with some.
        for (speed, more) in [("standard", 0), ("standard", 250_000), ("fast", 0)] {
            if speed == "fast" && !prices.models.contains_key(&format!("{model}-fast")) {
                continue;
            }
            number += 1;
            let usage = json!({
                "input_tokens": 101 + more, "output_tokens": 203 + more, "cache_read_input_tokens": 30_007 + more,
                "cache_creation_input_tokens": 12_000 + number + 2 * more,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 7_000 + more, "ephemeral_1h_input_tokens": 5_000 + number + more,
                },
                "speed": speed,
            });
            let session = uuid::Uuid::from_u128(number).to_string();
            let row = |usage: &Value| {
                let row = json!({
                    "type": "assistant", "timestamp": "2026-11-01T10:00:00.000Z", "sessionId": session,
                    "version": "2.1.330", "requestId": format!("r{number}"),
                    "message": { "id": format!("m{number}"), "model": model, "usage": usage },
                });
                format!("{row}\n")
            };
            // The first row of a message may be written before it is whole.
            let mut begun = usage.clone();
            begun["output_tokens"] = json!(1);
            let rows = [row(&begun), row(&usage), "{\"type\":\"cut".to_owned()];
            fs::write(project.join(format!("{session}.jsonl")), rows.concat()).expect("written");
        }
    }
    assert!(compare(&claude).0 > 0);
}
