//! What an event looks like on the broker, and how it is read there.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stratavore_core::clock::to_rfc3339;
use stratavore_store::Event;
use uuid::Uuid;

use super::topology::short;

/// The type of a message: what it is and in which version.
pub const TYPE: &str = "stratavore.event.v1";

/// Longest routing key that AMQP has, in bytes.
const MAX_KEY: usize = 255;
/// Survives a restart of the broker.
const PERSISTENT: u8 = 2;

/// The body of a message.
#[derive(Serialize)]
struct Body<'a> {
    id: Uuid,
    aggregate: &'a str,
    aggregate_id: Uuid,
    seq: u64,
    #[serde(rename = "type")]
    kind: &'a str,
    at: String,
    project: &'a str,
    data: Value,
}

/// An event that was heard of: enough to look it up.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Heard {
    /// `runner` or `project`.
    pub aggregate: String,
    /// The runner or project that it is about.
    pub aggregate_id: Uuid,
    /// Its place in the aggregate's own order.
    pub seq: u64,
    /// What happened, such as `runner.started`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its project's name.
    pub project: String,
}

/// Why a message says nothing to this version.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unread {
    /// What stands for all of the kind in the log.
    pub(super) kind: String,
    pub(super) reason: String,
}

pub(super) fn routing_key(event: &Event) -> ShortString {
    // What separates words or stands for some of them in a binding is not let into one.
    let project = event.project.replace(['.', '*', '#'], "_");
    let mut key = format!("{}.{project}", event.fact.kind());
    key.truncate(key.floor_char_boundary(MAX_KEY));
    short(&key)
}

pub(super) fn properties(event: &Event) -> BasicProperties {
    let mut headers = FieldTable::default();
    let context = AMQPValue::LongString(trace_context(event).into());
    headers.insert(short("traceparent"), context);
    let seconds = u64::try_from(event.at.timestamp()).unwrap_or_default();
    BasicProperties::default()
        .with_app_id(short("stratavore"))
        .with_content_type(short("application/json"))
        .with_delivery_mode(PERSISTENT)
        .with_headers(headers)
        .with_message_id(short(&event.id.to_string()))
        .with_timestamp(seconds)
        .with_type(short(TYPE))
}

/// A W3C trace context: all events of an aggregate are one trace, and the same event is the same span however often it is
/// published.
fn trace_context(event: &Event) -> String {
    let (_, span) = event.id.as_uuid().as_u64_pair();
    format!("00-{}-{span:016x}-01", event.aggregate_id.simple())
}

pub(super) fn body(event: &Event) -> Vec<u8> {
    let mut data = serde_json::to_value(&event.fact).unwrap_or_default();
    if let Value::Object(fields) = &mut data {
        fields.remove("type");
    }
    let body = Body {
        id: event.id.as_uuid(),
        aggregate: event.aggregate,
        aggregate_id: event.aggregate_id,
        seq: event.seq,
        kind: event.fact.kind(),
        at: to_rfc3339(event.at),
        project: &event.project,
        data,
    };
    serde_json::to_vec(&body).unwrap_or_default()
}

/// Reads a message, whoever wrote it.
pub(super) fn read(properties: &BasicProperties, body: &[u8]) -> Result<Heard, Unread> {
    let kind = properties.kind().as_ref().map_or("", ShortString::as_str);
    if kind != TYPE {
        return Err(Unread {
            kind: kind.to_owned(),
            reason: format!("its type is {kind:?}, and only {TYPE:?} is known here"),
        });
    }
    serde_json::from_slice(body).map_err(|error| Unread {
        kind: "garbage".to_owned(),
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;
    use stratavore_core::fact::Fact;
    use stratavore_core::ids::EventId;
    use stratavore_store::Cursor;

    use super::*;

    fn event(project: &str) -> Event {
        Event {
            cursor: Cursor(1),
            id: EventId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_00ab)),
            aggregate_id: Uuid::from_u128(0x0191_0000_0000_7000_8000_0000_0000_00cd),
            aggregate: "runner",
            project: project.to_owned(),
            seq: 3,
            fact: Fact::Paused { attempt: 2 },
            at: DateTime::from_timestamp_millis(1_700_000_000_123).unwrap(),
        }
    }

    #[test]
    fn a_message_is_as_documented() {
        let event = event("api");
        let body: Value = serde_json::from_slice(&body(&event)).unwrap();
        assert_eq!(
            body,
            json!({
                "id": "01900000-0000-7000-8000-0000000000ab",
                "aggregate": "runner",
                "aggregate_id": "01910000-0000-7000-8000-0000000000cd",
                "seq": 3,
                "type": "runner.paused",
                "at": "2023-11-14T22:13:20.123Z",
                "project": "api",
                "data": { "attempt": 2 },
            })
        );
        // The document shows this very message.
        let document = include_str!("../../../../docs/events.md");
        let shown = document.split("```json\n").nth(1).unwrap();
        let shown: Value = serde_json::from_str(shown.split("```").next().unwrap()).unwrap();
        assert_eq!(shown, body);
        assert_eq!(routing_key(&event).as_str(), "runner.paused.api");
        let properties = properties(&event);
        assert_eq!(
            properties.message_id().as_ref().unwrap().as_str(),
            "01900000-0000-7000-8000-0000000000ab"
        );
        assert_eq!(*properties.delivery_mode(), Some(2));
        let headers = properties.headers().as_ref().unwrap();
        assert_eq!(
            headers.inner().get("traceparent").unwrap(),
            &AMQPValue::LongString(
                "00-019100000000700080000000000000cd-80000000000000ab-01".into()
            )
        );
    }

    #[test]
    fn a_routing_key_has_three_words_and_fits() {
        let key = |project: &str| routing_key(&event(project)).to_string();
        assert_eq!(key("a.b*c#d"), "runner.paused.a_b_c_d");
        let long = key(&"具".repeat(64));
        assert!(
            long.len() <= MAX_KEY && long.starts_with("runner.paused.具"),
            "{long}"
        );
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        let event = event("api");
        let heard = read(&properties(&event), &body(&event)).unwrap();
        assert_eq!(
            (heard.aggregate_id, heard.seq, heard.kind.as_str()),
            (event.aggregate_id, 3, "runner.paused")
        );
        let newer = properties(&event).with_type(short("stratavore.event.v2"));
        assert_eq!(
            read(&newer, &body(&event)).unwrap_err().kind,
            "stratavore.event.v2"
        );
        let nameless = BasicProperties::default();
        assert_eq!(read(&nameless, b"{}").unwrap_err().kind, "");
        for garbage in [&b""[..], b"\xff", b"[]", b"{\"seq\":-1}"] {
            assert_eq!(
                read(&properties(&event), garbage).unwrap_err().kind,
                "garbage"
            );
        }
    }
}
