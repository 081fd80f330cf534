//! What programs say that their sessions cost, beside what is estimated of them.

mod support;

use std::fs;
use std::path::Path;

use serde_json::json;
use stratavore_rpc::v1;
use stratavore_testkit::TempHome;
use support::Host;
use support::transcript::{SESSION, answer, place};

const OTHER: &str = "00000000-8a51-4f0e-9d55-0a2b6c1d3e4f";
const COPY: &str = "cccccccc-8a51-4f0e-9d55-0a2b6c1d3e4f";
const SILENT: &str = "22222222-8a51-4f0e-9d55-0a2b6c1d3e4f";
const LONG_AGO: &str = "2026-01-05T10:00:00.000Z";

/// What Claude Code says of a session's cost when it ends.
fn says(session: &str, dollars: f64) -> String {
    let row = json!({ "type": "cost-state", "sessionId": session, "totalCostUSD": dollars });
    format!("{row}\n")
}

async fn report(host: &Host, request: v1::UsageRequest) -> v1::UsageReport {
    let report = host.client().get_usage(request).await;
    report.unwrap().into_inner()
}

/// What is estimated and what the programs say, in cents.
async fn total(host: &Host, request: v1::UsageRequest) -> (Option<f64>, Option<f64>) {
    let total = report(host, request).await.total.unwrap();
    assert_eq!(total.label, "estimated");
    let cents = |dollars: f64| (dollars * 100.0).round();
    (total.cost_usd.map(cents), total.program_cost_usd.map(cents))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_total_has_beside_it_what_programs_say_more_and_nothing_twice() {
    let home = TempHome::new();
    let (here, elsewhere) = (home.project("p"), home.project("elsewhere"));
    // 25 dollars for a million: one, of which the program knows of a half more.
    let row = |session, number, cwd: &Path| answer(session, number, LONG_AGO, cwd, "Said.", 40_000);
    fs::write(
        place(&home, SESSION),
        row(SESSION, 1, &here) + &says(SESSION, 0.2) + &says(SESSION, 1.5),
    )
    .unwrap();
    // It was resumed, and tells of the last run alone: less than is estimated.
    fs::write(
        place(&home, OTHER),
        row(OTHER, 1, &elsewhere) + &says(OTHER, 0.0),
    )
    .unwrap();
    // A copy's own cost has that of the first in it.
    let mut copied: serde_json::Value = serde_json::from_str(&row(SESSION, 1, &here)).unwrap();
    copied["sessionId"] = json!(COPY);
    copied["requestSessionId"] = json!(SESSION);
    fs::write(
        place(&home, COPY),
        format!("{copied}\n") + &row(COPY, 2, &here) + &says(COPY, 2.5),
    )
    .unwrap();
    fs::write(place(&home, SILENT), row(SILENT, 1, &elsewhere)).unwrap();
    let host = Host::in_home(home).await;
    host.add_project("elsewhere", None).await;
    host.client().reindex(v1::ReindexRequest {}).await.unwrap();

    let of = |session: &str| v1::UsageRequest {
        session: Some(session.into()),
        ..v1::UsageRequest::default()
    };
    let of_project = |project: &str| v1::UsageRequest {
        project: Some(project.into()),
        ..v1::UsageRequest::default()
    };
    let all = v1::UsageRequest::default();
    assert_eq!(total(&host, all.clone()).await, (Some(400.0), Some(450.0)));
    assert_eq!(
        total(&host, of_project("p")).await,
        (Some(200.0), Some(250.0))
    );
    assert_eq!(
        total(&host, of_project("elsewhere")).await,
        (Some(200.0), Some(200.0)),
        "what a program says less of is no less for that"
    );
    assert_eq!(total(&host, of(SESSION)).await, (Some(100.0), Some(150.0)));
    assert_eq!(total(&host, of(COPY)).await, (Some(100.0), Some(250.0)));
    assert_eq!(total(&host, of(SILENT)).await, (Some(100.0), None));
    // No program tells of a part of a session.
    let since = v1::UsageRequest {
        since: Some("2026-01-01".into()),
        ..all.clone()
    };
    assert_eq!(total(&host, since).await, (Some(400.0), None));
    let by_session = v1::UsageRequest {
        by: Some("session".into()),
        ..all
    };
    let rows = report(&host, by_session).await.rows.into_iter();
    let own = rows.filter(|row| row.usage.as_ref().unwrap().program_cost_usd.is_some());
    assert_eq!(own.count(), 3);
}
