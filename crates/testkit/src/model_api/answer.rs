//! What the stand-in answers, and how it is written as server-sent events.

use serde_json::{Value, json};

/// Is what the model says to one request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Says this, and the turn is done.
    Text(String),
    /// Begins to answer, and says this when [`super::ModelApi::release`] is called.
    Held(String),
    /// Wants a tool called (`Bash` with `{"command": …}`, `Write`, `AskUserQuestion` …).
    Tool {
        /// The name of the tool.
        name: String,
        /// Its input.
        input: Value,
    },
    /// Says or wants all of these in one message.
    Blocks(Vec<Answer>),
    /// Fails with this HTTP status and type (`overloaded_error`, `rate_limit_error` …).
    Error {
        /// The HTTP status.
        status: u16,
        /// The type in the body.
        kind: String,
    },
}

/// Is what every answer claims to have used.
pub struct Usage {
    /// Tokens read anew.
    pub input: u64,
    /// Tokens written.
    pub output: u64,
    /// Tokens read from the cache.
    pub cache_read: u64,
    /// Tokens written to the cache for five minutes.
    pub cache_write_5m: u64,
    /// Tokens written to the cache for an hour.
    pub cache_write_1h: u64,
}

/// The usage that every answer reports; all numbers differ, so that a mixed-up column shows.
pub const USAGE: Usage = Usage {
    input: 11,
    output: 23,
    cache_read: 1_300,
    cache_write_5m: 170,
    cache_write_1h: 190,
};

impl Answer {
    /// Says this.
    pub fn text(text: &str) -> Answer {
        Answer::Text(text.to_owned())
    }

    /// Wants a shell command run.
    pub fn bash(command: &str) -> Answer {
        Answer::Tool {
            name: "Bash".to_owned(),
            input: json!({ "command": command, "description": "As the test says" }),
        }
    }

    /// Says what was heard: the answer where no rule fits.
    pub fn default_to(asked: &str) -> Answer {
        let heard: String = asked.chars().take(200).collect();
        Answer::Text(format!("I heard: {heard}"))
    }

    /// Writes the whole message, for a request that does not stream.
    pub(super) fn message(&self, id: &str, model: &str) -> Value {
        json!({
            "id": id, "type": "message", "role": "assistant", "model": model,
            "content": self.blocks(),
            "stop_reason": self.stop_reason(), "stop_sequence": null,
            "usage": USAGE.json(USAGE.output),
        })
    }

    /// Writes the events before anything is said.
    pub(super) fn opening(&self, id: &str, model: &str) -> String {
        let mut message = self.message(id, model);
        message["content"] = json!([]);
        message["stop_reason"] = Value::Null;
        message["usage"] = USAGE.json(1);
        event(&json!({ "type": "message_start", "message": message }))
            + &event(&json!({ "type": "ping" }))
    }

    /// Writes what is said and the end.
    pub(super) fn rest(&self) -> String {
        let mut events = match self {
            Answer::Blocks(blocks) => (0..)
                .zip(blocks)
                .map(|(at, block)| block.events(at))
                .collect(),
            one => one.events(0),
        };
        events += &event(&json!({
            "type": "message_delta",
            "delta": { "stop_reason": self.stop_reason(), "stop_sequence": null },
            "usage": USAGE.json(USAGE.output),
        }));
        events + &event(&json!({ "type": "message_stop" }))
    }

    /// Writes one block.
    fn events(&self, index: usize) -> String {
        let (start, deltas) = match self {
            Answer::Tool { name, input } => (
                json!({ "type": "tool_use", "id": tool_id(), "name": name, "input": {} }),
                vec![json!({ "type": "input_json_delta", "partial_json": input.to_string() })],
            ),
            Answer::Text(text) | Answer::Held(text) => (
                json!({ "type": "text", "text": "" }),
                text.split_inclusive(' ')
                    .map(|word| json!({ "type": "text_delta", "text": word }))
                    .collect(),
            ),
            Answer::Blocks(_) | Answer::Error { .. } => {
                (json!({ "type": "text", "text": "" }), Vec::new())
            }
        };
        let mut events = event(
            &json!({ "type": "content_block_start", "index": index, "content_block": start }),
        );
        for delta in deltas {
            events +=
                &event(&json!({ "type": "content_block_delta", "index": index, "delta": delta }));
        }
        events += &event(&json!({ "type": "content_block_stop", "index": index }));
        events
    }

    fn blocks(&self) -> Vec<Value> {
        match self {
            Answer::Blocks(blocks) => blocks.iter().flat_map(Answer::blocks).collect(),
            one => vec![one.block()],
        }
    }

    fn block(&self) -> Value {
        match self {
            Answer::Text(text) | Answer::Held(text) => json!({ "type": "text", "text": text }),
            Answer::Tool { name, input } => {
                json!({ "type": "tool_use", "id": tool_id(), "name": name, "input": input })
            }
            Answer::Blocks(_) | Answer::Error { .. } => json!({ "type": "text", "text": "" }),
        }
    }

    fn stop_reason(&self) -> &'static str {
        match self {
            Answer::Tool { .. } => "tool_use",
            Answer::Blocks(blocks) => blocks.last().map_or("end_turn", Answer::stop_reason),
            Answer::Text(_) | Answer::Held(_) | Answer::Error { .. } => "end_turn",
        }
    }
}

impl Usage {
    fn json(&self, output: u64) -> Value {
        json!({
            "input_tokens": self.input,
            "output_tokens": output,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation_input_tokens": self.cache_write_5m + self.cache_write_1h,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write_5m,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            },
            "service_tier": "standard",
        })
    }
}

/// Numbers the tool calls: a conversation that sees one id twice is refused by the program.
pub(super) fn tool_id() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(1);
    format!("toolu_{:024}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(super) fn event(data: &Value) -> String {
    let kind = data["type"].as_str().unwrap_or_default();
    format!("event: {kind}\ndata: {data}\n\n")
}
