//! Tokens, what they cost, and budgets.

mod support;

use serde_json::{Value, json};
use stratavore_rpc::{Code, Failure, v1};
use stratavore_testkit::TempHome;
use support::host::{FakeHost, World, ago, project, runner};
use support::{places, run};

fn used(input: u64, cost: Option<f64>) -> v1::Usage {
    v1::Usage {
        input_tokens: input,
        output_tokens: 34_000,
        cache_creation_input_tokens: 250_000,
        cache_read_input_tokens: 5_000_000,
        cost_usd: cost,
        label: "estimated".into(),
        tokens_label: "measured".into(),
        messages: 12,
        ..v1::Usage::default()
    }
}

fn row(key: &str, usage: v1::Usage) -> v1::UsageRow {
    v1::UsageRow {
        key: key.into(),
        usage: Some(usage),
    }
}

fn report(total: v1::Usage, rows: Vec<v1::UsageRow>) -> v1::UsageReport {
    v1::UsageReport {
        total: Some(total),
        rows,
        prices_date: "2026-11-01".into(),
        prices_source: "built in".into(),
        time_zone: "Europe/Berlin".into(),
        unpriced_models: vec![],
    }
}

fn budget(id: &str, scope: &str, of: Option<&str>) -> v1::Budget {
    v1::Budget {
        id: id.into(),
        scope: scope.into(),
        of: of.map(str::to_owned),
        period: "day".into(),
        at_limit: "refuse".into(),
        began_at: ago(3630),
        ends_at: ago(-7 * 3600 - 30),
        overshoot: "up to 2 turns in flight, about 300,000 tokens".into(),
        ..v1::Budget::default()
    }
}

fn scene(usage: v1::UsageReport) -> (FakeHost, TempHome) {
    let home = TempHome::new();
    let tokens = v1::Budget {
        tokens: Some(2_000_000),
        spent_tokens: 1_500_000,
        percent: 75,
        exhausted_at: Some(ago(-2 * 3600 - 30)),
        ..budget("0190c000-1111", "project", Some("api"))
    };
    let money = v1::Budget {
        usd: Some(25.0),
        spent_usd: 0.5,
        percent: 2,
        period: "month".into(),
        at_limit: "warn".into(),
        ..budget("0190c000-2222", "global", None)
    };
    let world = World {
        projects: vec![project("api")],
        runners: vec![runner("auth")],
        usage,
        budgets: vec![tokens, money],
        ..World::default()
    };
    (FakeHost::start(&places(&home), world), home)
}

/// Takes the times out, which differ from run to run.
fn timeless(text: &str) -> String {
    let words = text.split_inclusive(char::is_whitespace).map(|word| {
        let time = word.trim_end();
        if time.len() == 24 && time.starts_with("20") && time.ends_with('Z') {
            word.replace(time, "[TIME]")
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

#[test]
fn figures_are_labelled_and_what_they_lack_is_said() {
    let plain = report(used(1_234_567, Some(12.5)), vec![]);
    let (_host, home) = scene(plain.clone());
    insta::assert_snapshot!("total", run(&home, &["usage"]).shown());

    let mut own = used(1000, Some(1.25));
    own.program_cost_usd = Some(1.5);
    let mut partly = used(2000, Some(2.0));
    partly.unpriced_tokens = 45_000;
    let mut total = used(3000, Some(3.25));
    total.unpriced_tokens = 45_000;
    total.program_cost_usd = Some(3.5);
    let by_project = v1::UsageReport {
        unpriced_models: vec!["mystery-1".into(), "\x1b[2Jother".into()],
        ..report(
            total,
            vec![row("api", own), row("shop", partly), row("", used(0, None))],
        )
    };
    let (_host, home) = scene(by_project);
    let shown = run(&home, &["usage", "--by", "project"]);
    insta::assert_snapshot!("by_project", shown.shown());
    assert!(!shown.stdout.contains('\x1b'));

    let told = v1::Usage {
        label: "program".into(),
        ..used(500, Some(0.004))
    };
    let (_host, home) = scene(report(told, vec![]));
    insta::assert_snapshot!("program_s_own", run(&home, &["usage"]).shown());

    let (_host, home) = scene(report(v1::Usage::default(), vec![]));
    insta::assert_snapshot!("nothing", run(&home, &["usage", "--by", "day"]).shown());
}

#[test]
fn usage_in_json_is_a_total_and_rows() {
    let mut total = used(3000, None);
    total.unpriced_tokens = 3000;
    let rows = vec![row("2026-11-01", used(1000, Some(1.25)))];
    let (_host, home) = scene(v1::UsageReport {
        unpriced_models: vec!["mystery-1".into()],
        ..report(total, rows)
    });
    let printed = run(&home, &["usage", "--by", "day", "--json"]).json();
    let keys: Vec<&String> = printed.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["rows", "total"]);
    let total = &printed["total"];
    for (key, value) in [
        ("input_tokens", json!(3000)),
        ("output_tokens", json!(34_000)),
        ("cache_creation_input_tokens", json!(250_000)),
        ("cache_read_input_tokens", json!(5_000_000)),
        // Unknown is not nothing.
        ("cost_usd", Value::Null),
        ("label", json!("estimated")),
        ("tokens_label", json!("measured")),
        ("prices_date", json!("2026-11-01")),
        ("unpriced_models", json!(["mystery-1"])),
    ] {
        assert_eq!(total[key], value, "{key}");
    }
    assert_eq!(printed["rows"][0]["key"], "2026-11-01");
    let used = &printed["rows"][0]["usage"];
    assert_eq!(used["cost_usd"], 1.25);
    assert_eq!(
        (&used["tokens_label"], &used["label"]),
        (&json!("measured"), &json!("estimated"))
    );
    let without = run(&home, &["usage", "--json"]).json();
    assert_eq!(without["rows"], json!([]));
}

#[test]
fn requests_say_what_the_command_line_says() {
    let (host, home) = scene(v1::UsageReport::default());
    for (args, request) in [
        (
            &["usage"][..],
            "UsageRequest { by: None, since: None, until: None, project: None, runner: None, session: None }",
        ),
        (
            &[
                "usage",
                "--by",
                "model",
                "--since",
                "2026-01-31",
                "--until",
                "2026-02-01T00:00:00+01:00",
                "--project",
                "api",
            ],
            "by: Some(\"model\"), since: Some(\"2026-01-31\"), until: Some(\"2026-02-01T00:00:00+01:00\"), project: Some(\"api\")",
        ),
        (
            &["usage", "--runner", "auth", "--session", "5e"],
            "runner: Some(\"auth\"), session: Some(\"5e\")",
        ),
        (
            &[
                "budget", "set", "project", "api", "--per", "day", "--tokens", "1.5M",
            ],
            "SetBudgetRequest { scope: \"project\", of: Some(\"api\"), period: \"day\", tokens: Some(1500000), usd: None, at_limit: Some(\"warn\") }",
        ),
        (
            &[
                "budget",
                "set",
                "global",
                "--per",
                "month",
                "--usd",
                "12.50",
                "--at-limit",
                "deny",
            ],
            "SetBudgetRequest { scope: \"global\", of: None, period: \"month\", tokens: None, usd: Some(12.5), at_limit: Some(\"deny\") }",
        ),
        (
            &[
                "budget",
                "set",
                "runner",
                "auth",
                "--per",
                "hour",
                "--tokens",
                "0",
                "--at-limit",
                "stop",
            ],
            "tokens: Some(0), usd: None, at_limit: Some(\"stop\")",
        ),
    ] {
        let done = run(&home, args);
        assert_eq!(done.code, 0, "{}", done.shown());
        assert!(
            host.was_asked(request),
            "{args:?} did not ask {request}: {:?}",
            host.world().asked.last()
        );
    }
}

#[test]
fn budgets_are_set_listed_shown_and_removed() {
    let (host, home) = scene(v1::UsageReport::default());
    for (name, args) in [
        (
            "set",
            &[
                "budget",
                "set",
                "project",
                "api",
                "--per",
                "day",
                "--tokens",
                "2M",
                "--at-limit",
                "deny",
            ][..],
        ),
        (
            "set_global",
            &["budget", "set", "global", "--per", "week", "--usd", "$40"],
        ),
        ("list", &["budget", "list"]),
        ("show", &["budget", "show", "0190c000-1"]),
        ("show_money", &["budget", "show", "0190c000-2222"]),
        ("show_none", &["budget", "show", "77"]),
        ("show_several", &["budget", "show", "0190"]),
        ("remove", &["budget", "remove", "0190c000-2"]),
        ("remove_last", &["budget", "remove", "0190c000-1111"]),
        ("list_none", &["budget", "list"]),
    ] {
        let shown = run(&home, args);
        insta::assert_snapshot!(format!("budget_{name}"), timeless(&shown.shown()));
    }
    assert!(
        host.was_asked("BudgetRef { id: \"0190c000-2222\" }"),
        "its whole id"
    );
}

#[test]
fn budgets_that_make_no_sense() {
    let (host, home) = scene(v1::UsageReport::default());
    let day = ["--per", "day"];
    for (name, args) in [
        ("negative", &["global", "--tokens", "-5"][..]),
        ("negative_money", &["global", "--usd", "-0.01"]),
        (
            "beyond_64_bits",
            &["global", "--tokens", "18446744073709551616"],
        ),
        ("beyond_64_bits_money", &["global", "--usd", "99999999999"]),
        ("no_number", &["global", "--tokens", "many"]),
        ("part_of_a_token", &["global", "--tokens", "1.5"]),
        ("zero_that_warns", &["global", "--tokens", "0"]),
        ("zero_money_that_warns", &["global", "--usd", "0.00"]),
        ("both", &["global", "--tokens", "5", "--usd", "5"]),
        ("neither", &["global"]),
        ("nobody_s", &["project", "--tokens", "5"]),
        ("global_of_one", &["global", "api", "--tokens", "5"]),
        ("scope", &["machine", "--tokens", "5"]),
        (
            "action",
            &["global", "--tokens", "5", "--at-limit", "explode"],
        ),
    ] {
        let args = [&["budget", "set"][..], args, &day].concat();
        let refused = run(&home, &args);
        assert_eq!(refused.code, 2, "{}", refused.shown());
        insta::assert_snapshot!(format!("bad_{name}"), refused.shown());
    }
    let since = run(&home, &["usage", "--since", "last week"]);
    assert_eq!(since.code, 2, "{}", since.shown());
    insta::assert_snapshot!("bad_since", since.shown());
    assert!(!host.was_asked("SetBudgetRequest") && !host.was_asked("UsageRequest"));
}

#[test]
fn a_spent_budget_has_its_own_exit_code() {
    let (host, home) = scene(v1::UsageReport::default());
    let message = "the budget of project api is spent: 2,000,000 of 2,000,000 tokens today";
    let hint = "raise it with `stratavore budget set`, or wait until it is renewed at 00:00";
    host.world().failure = Some(Failure::new(Code::BudgetSpent, message).hint(hint));
    let refused = run(&home, &["launch", "api", "--json"]);
    assert_eq!(refused.code, 10, "{}", refused.shown());
    insta::assert_snapshot!("budget_spent", refused.shown());
}
