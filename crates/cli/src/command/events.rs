//! `stratavore events`.

use serde_json::Value;
use stratavore_rpc::v1;
use tonic::Status;

use super::status;
use crate::args::EventsArgs;
use crate::failure::{Failure, Kind, Result};
use crate::host::{Host, is_lost};
use crate::invocation::Invocation;
use crate::text::printable;

pub(super) async fn run(call: &Invocation, args: EventsArgs) -> Result {
    let EventsArgs {
        follow,
        since,
        limit,
    } = args;
    let mut host = call.host().await?;
    status::age(call, &mut host).await;
    let mut request = v1::EventsRequest {
        since,
        follow,
        limit,
    };
    loop {
        match print(call, &mut host, &mut request).await {
            Ok(()) => return Ok(()),
            Err(Interruption::Failure(failure)) => return Err(failure),
            Err(Interruption::Stream(status)) if follow && is_lost(&status) => {
                // Whoever ended the host may have meant it: a follower starts none.
                call.output
                    .note("the host went away; waiting for one to follow it");
                host.await_follower().await;
            }
            Err(Interruption::Stream(status)) => return Err(status.into()),
        }
    }
}

enum Interruption {
    Stream(Status),
    Failure(Failure),
}

/// Prints events until there are no more, keeping the place in `request`.
async fn print(
    call: &Invocation,
    host: &mut Host,
    request: &mut v1::EventsRequest,
) -> Result<(), Interruption> {
    let stream = host.client().events(request.clone()).await;
    let mut events = stream.map_err(Interruption::Stream)?.into_inner();
    loop {
        match events.message().await.map_err(Interruption::Stream)? {
            Some(event) => {
                request.since = Some(event.cursor.clone());
                request.limit = request.limit.map(|limit| limit.saturating_sub(1));
                let line = line_of(call, &event).map_err(Interruption::Failure)?;
                call.output
                    .bytes(line.as_bytes())
                    .map_err(Interruption::Failure)?;
                if request.limit == Some(0) {
                    return Ok(());
                }
            }
            // A stream that is followed has no end of its own.
            None if request.follow => {
                return Err(Interruption::Stream(Status::unavailable(
                    "the host went away",
                )));
            }
            None => return Ok(()),
        }
    }
}

fn line_of(call: &Invocation, event: &v1::Event) -> Result<String> {
    if call.output.json {
        return json_of(event).map_err(|error| {
            Failure::caused(Kind::Internal, "cannot render an event as JSON", &error)
        });
    }
    let (kind, project) = (
        &event.r#type,
        printable(event.project.as_deref().unwrap_or("-")),
    );
    let (id, data) = (printable(&event.aggregate_id), printable(&event.data));
    Ok(format!(
        "{}  {kind:18}  {project}  {id}  {data}\n",
        event.at
    ))
}

/// Renders an event as one line, its payload as JSON within the JSON rather than as a text.
fn json_of(event: &v1::Event) -> serde_json::Result<String> {
    let mut object = serde_json::to_value(event)?;
    if let Ok(data) = serde_json::from_str::<Value>(&event.data) {
        object["data"] = data;
    }
    Ok(format!("{object}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_json_within_the_line() {
        let mut event = v1::Event {
            data: r#"{"code":3}"#.into(),
            seq: 2,
            ..v1::Event::default()
        };
        let line: Value = serde_json::from_str(&json_of(&event).unwrap()).unwrap();
        assert_eq!(line["data"]["code"], 3);
        assert_eq!(line["seq"], 2);
        event.data = "not json\n".into();
        let text = json_of(&event).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap()["data"],
            "not json\n"
        );
    }
}
