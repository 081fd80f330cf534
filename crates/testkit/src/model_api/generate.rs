//! The stand-in's answers as Google's Gemini API streams them.

use serde_json::{Value, json};

use super::answer::{Answer, USAGE};

/// Writes what is said and the end; nothing comes before it.
pub(super) fn rest(answer: &Answer, id: &str, model: &str) -> String {
    format!("data: {}\r\n\r\n", message(answer, id, model))
}

/// Writes the whole message.
pub(super) fn message(answer: &Answer, id: &str, model: &str) -> Value {
    // What was read from the cache is a part of the prompt here, and nothing is written to it.
    let prompt = USAGE.input + USAGE.cache_read;
    json!({
        "candidates": [{
            "content": { "role": "model", "parts": parts(answer) },
            "finishReason": "STOP", "index": 0,
        }],
        "usageMetadata": {
            "promptTokenCount": prompt, "cachedContentTokenCount": USAGE.cache_read,
            "candidatesTokenCount": USAGE.output, "totalTokenCount": prompt + USAGE.output,
        },
        "modelVersion": model, "responseId": id,
    })
}

fn parts(answer: &Answer) -> Vec<Value> {
    match answer {
        Answer::Text(text) | Answer::Held(text) => vec![json!({ "text": text })],
        Answer::Tool { name, input } => {
            vec![json!({ "functionCall": { "name": name, "args": input } })]
        }
        Answer::Blocks(blocks) => blocks.iter().flat_map(parts).collect(),
        Answer::Error { .. } => Vec::new(),
    }
}
