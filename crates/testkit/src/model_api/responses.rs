//! The stand-in's answers as OpenAI's Responses API streams them.

use serde_json::{Value, json};

use super::answer::{Answer, USAGE, event, tool_id};

/// Writes the events before anything is said.
pub(super) fn opening(id: &str, model: &str) -> String {
    let response = json!({ "id": id, "object": "response", "model": model, "status": "in_progress", "output": [] });
    event(&json!({ "type": "response.created", "response": response }))
}

/// Writes what is said and the end.
pub(super) fn rest(answer: &Answer, id: &str, model: &str) -> String {
    let items = items(answer, id);
    let mut events = String::new();
    for (at, item) in items.iter().enumerate() {
        let text = item["content"][0]["text"].as_str().unwrap_or_default();
        events += &event(
            &json!({ "type": "response.output_item.added", "output_index": at, "item": begun(item) }),
        );
        for word in text.split_inclusive(' ') {
            events += &event(&json!({
                "type": "response.output_text.delta", "item_id": item["id"],
                "output_index": at, "content_index": 0, "delta": word,
            }));
        }
        events += &event(
            &json!({ "type": "response.output_item.done", "output_index": at, "item": item }),
        );
    }
    let response = json!({
        "id": id, "object": "response", "model": model, "status": "completed",
        "output": items, "usage": usage(),
    });
    events + &event(&json!({ "type": "response.completed", "response": response }))
}

/// What was read from the cache is a part of the input here, and nothing is written to it.
fn usage() -> Value {
    let input = USAGE.input + USAGE.cache_read;
    json!({
        "input_tokens": input,
        "input_tokens_details": { "cached_tokens": USAGE.cache_read },
        "output_tokens": USAGE.output,
        "output_tokens_details": { "reasoning_tokens": 0 },
        "total_tokens": input + USAGE.output,
    })
}

fn items(answer: &Answer, id: &str) -> Vec<Value> {
    match answer {
        Answer::Blocks(blocks) => (0..)
            .zip(blocks)
            .flat_map(|(at, block)| items(block, &format!("{id}_{at}")))
            .collect(),
        Answer::Text(text) | Answer::Held(text) => vec![json!({
            "type": "message", "id": format!("msg_{id}"), "role": "assistant", "status": "completed",
            "content": [{ "type": "output_text", "text": text, "annotations": [] }],
        })],
        Answer::Tool { name, input } => {
            let call = tool_id();
            vec![json!({
                "type": "function_call", "id": format!("fc_{call}"), "call_id": call, "status": "completed",
                "name": name, "arguments": input.to_string(),
            })]
        }
        Answer::Error { .. } => Vec::new(),
    }
}

fn begun(item: &Value) -> Value {
    let mut begun = item.clone();
    begun["status"] = json!("in_progress");
    if begun["content"].is_array() {
        begun["content"] = json!([]);
    }
    begun
}
