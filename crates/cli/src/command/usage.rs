//! `stratavore usage`.

use serde_json::{Value, json};
use stratavore_rpc::v1;

use super::status;
use crate::args::{By, Moment, UsageArgs};
use crate::failure::{Failure, Kind, Result};
use crate::invocation::Invocation;
use crate::usage;

pub(super) async fn run(call: &Invocation, args: UsageArgs) -> Result {
    let UsageArgs {
        by,
        since,
        until,
        project,
        runner,
        session,
    } = args;
    let text = |moment: Option<Moment>| moment.map(|moment| moment.0);
    let request = v1::UsageRequest {
        by: by.map(|by| by.as_str().to_owned()),
        since: text(since),
        until: text(until),
        project,
        runner,
        session,
    };
    let mut host = call.host().await?;
    let report = host
        .ask(async |client| client.get_usage(request).await)
        .await?;
    status::age(call, &mut host).await;
    if call.output.json {
        let object = json_of(&report).map_err(|error| {
            Failure::caused(Kind::Internal, "cannot render the reply as JSON", &error)
        })?;
        return call.output.data(&object, |_| String::new());
    }
    let text = usage::report(&report, by.map(By::heading), call.output.stdout);
    call.output.bytes(text.as_bytes())
}

/// Renders a report as its total and its rows; what the figures are stands in the total.
fn json_of(report: &v1::UsageReport) -> serde_json::Result<Value> {
    let mut total = serde_json::to_value(report.total.clone().unwrap_or_default())?;
    total["prices_date"] = json!(report.prices_date);
    total["prices_source"] = json!(report.prices_source);
    total["time_zone"] = json!(report.time_zone);
    total["unpriced_models"] = json!(report.unpriced_models);
    Ok(json!({ "total": total, "rows": report.rows }))
}
