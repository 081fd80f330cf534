//! What `stratavore usage --json` says is what `ccusage`, the users' yardstick, says of the same files: by session, by day and by model.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use stratavore_core::usage::Prices;
use stratavore_rpc::v1;
use stratavore_testkit::binary::built;
use stratavore_testkit::{TempHome, npm};
use support::Host;

/// Where the person is: another day than in UTC for more than a third of each.
const ZONE: (&str, &str) = ("Asia/Tokyo", "JST-9");

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

/// Asks it for one of its reports on the files of a home.
fn theirs(mut command: Command, report: &str, claude: &Path) -> Value {
    let home = TempHome::new();
    let output = command
        .args([report, "--json", "--offline", "--timezone", ZONE.0])
        .env("HOME", home.home())
        .env("CLAUDE_CONFIG_DIR", claude)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// Tokens by their kinds, and dollars.
type Sum = ([u64; 4], f64);

/// Asks the product, by its command line.
fn ours(host: &Host, by: &str) -> (Sum, BTreeMap<String, Sum>) {
    let output = host
        .home
        .command(built("stratavore-cli", "stratavore"))
        .args(["usage", "--json", "--by", by])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let sum = |usage: &Value| {
        let kinds = [
            "input_tokens",
            "output_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ]
        .map(|kind| usage[kind].as_u64().expect("a number"));
        (kinds, usage["cost_usd"].as_f64().unwrap_or_default())
    };
    let rows = report["rows"].as_array().expect("rows").iter();
    let rows = rows.map(|row| (text(&row["key"]), sum(&row["usage"])));
    (sum(&report["total"]), rows.collect())
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// Reads one of their rows, or their totals.
fn sum(row: &Value) -> Sum {
    let kinds = [
        "inputTokens",
        "outputTokens",
        "cacheCreationTokens",
        "cacheReadTokens",
    ]
    .map(|kind| row[kind].as_u64().expect("a number"));
    let cost = [&row["totalCost"], &row["cost"]];
    (
        kinds,
        cost.into_iter().find_map(Value::as_f64).expect("a cost"),
    )
}

/// Compares sums: theirs of money are of binary fractions, ours are exact.
fn same(ours: &BTreeMap<String, Sum>, theirs: &BTreeMap<String, Sum>, what: &str) {
    let keys = |sums: &BTreeMap<String, Sum>| sums.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(ours), keys(theirs), "by {what}");
    for (key, (kinds, cost)) in ours {
        let (their_kinds, their_cost) = theirs[key];
        assert_eq!(*kinds, their_kinds, "{what} {key}");
        assert!(
            (cost - their_cost).abs() < 1e-9,
            "{what} {key}: {cost} here, {their_cost} there"
        );
    }
}

/// Copies the recorded sessions. Each stand-in numbered its messages from one: they are told apart as those of a provider are.
fn recorded(claude: &Path) -> usize {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../programs/corpus/claude-2.1.330");
    let mut files = 0;
    for entry in fs::read_dir(corpus).expect("a corpus") {
        let place = entry.expect("an entry").path();
        let name = place
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let mut below = vec![place.join("projects")];
        while let Some(directory) = below.pop() {
            for entry in fs::read_dir(directory).expect("listed") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    below.push(path);
                    continue;
                }
                let text = fs::read_to_string(&path).expect("read");
                let text = text
                    .replace("\"msg_", &format!("\"msg_{name}_"))
                    .replace("\"req_", &format!("\"req_{name}_"));
                let to = claude.join(path.strip_prefix(&place).expect("below it"));
                fs::create_dir_all(to.parent().expect("a directory")).expect("made");
                fs::write(to, text).expect("written");
                files += 1;
            }
        }
    }
    files
}

/// Writes sessions of every model of the price table, with each kind of token and what is rare in recordings.
fn priced(claude: &Path) -> u64 {
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
            let session = format!("{number:08x}-8a51-4f0e-9d55-0a2b6c1d3e4f");
            // Around midnight of the person's, and of UTC.
            let hour = [14, 15, 23][usize::try_from(number % 3).expect("small")];
            let at = format!("2026-11-{:02}T{hour}:00:00.000Z", 1 + number % 28);
            let row = |usage: &Value| {
                let row = json!({
                    "type": "assistant", "timestamp": at, "sessionId": session,
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
    number
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_and_what_it_costs_is_theirs_by_session_by_day_and_by_model() {
    let home = TempHome::new();
    let claude = home.home().join(".claude");
    assert!(recorded(&claude) >= 16);
    let zone = ("TZ".to_owned(), ZONE.1.to_owned());
    let host = Host::with_environment(home, vec![zone]).await;
    // Returns when all was read.
    host.client().reindex(v1::ReindexRequest {}).await.unwrap();
    // The one before it has other prices and the same tokens, where the rows of a message do not differ.
    let package = install("ccusage", "18.0.11").expect("installed");
    let mut older = Command::new("node");
    older.arg(package.join("dist/index.js"));
    let older = theirs(older, "session", &claude);
    assert_eq!(ours(&host, "session").0.0, sum(&older["totals"]).0);

    assert!(priced(&claude) > 20);
    host.client().reindex(v1::ReindexRequest {}).await.unwrap();

    let sessions = theirs(Command::new(newer()), "session", &claude);
    let rows = |report: &Value, rows: &str| -> BTreeMap<String, Sum> {
        let rows = report[rows].as_array().expect("rows").iter();
        rows.map(|row| (text(&row["period"]), sum(row))).collect()
    };
    let (total, by_session) = ours(&host, "session");
    let all = |total: Sum| BTreeMap::from([(String::new(), total)]);
    same(&all(total), &all(sum(&sessions["totals"])), "total");
    assert!(by_session.len() > 40, "{by_session:?}");
    same(&by_session, &rows(&sessions, "session"), "session");

    let days = theirs(Command::new(newer()), "daily", &claude);
    let (_, by_day) = ours(&host, "day");
    assert!(by_day.len() > 20, "{by_day:?}");
    same(&by_day, &rows(&days, "daily"), "day");

    let mut models = BTreeMap::<String, Sum>::new();
    for day in days["daily"].as_array().expect("days") {
        for model in day["modelBreakdowns"].as_array().expect("models") {
            let (kinds, cost) = sum(model);
            let (all, costs) = models.entry(text(&model["modelName"])).or_default();
            for (all, kind) in all.iter_mut().zip(kinds) {
                *all += kind;
            }
            *costs += cost;
        }
    }
    let (_, by_model) = ours(&host, "model");
    same(&by_model, &models, "model");
}
