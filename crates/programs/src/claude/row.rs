//! Rows of a transcript, as far as they are understood.

use serde::Deserialize;
use serde_json::Value;
use stratavore_core::clock::Timestamp;
use stratavore_core::session::Role;
use stratavore_core::usage::Tokens;

use crate::rows::time;

/// A row. What is not named here is not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    /// Its kind: `user`, `assistant`, `system`, `cost-state` …
    pub(super) r#type: String,
    pub(super) session_id: Option<String>,
    pub(super) timestamp: Option<String>,
    pub(super) cwd: Option<String>,
    pub(super) uuid: Option<String>,
    pub(super) request_id: Option<String>,
    #[serde(default)]
    pub(super) is_sidechain: Option<bool>,
    #[serde(default)]
    pub(super) is_meta: Option<bool>,
    #[serde(default)]
    pub(super) is_compact_summary: Option<bool>,
    #[serde(default)]
    pub(super) is_api_error_message: Option<bool>,
    pub(super) error: Option<Value>,
    pub(super) message: Option<Message>,
    pub(super) custom_title: Option<String>,
    pub(super) ai_title: Option<String>,
    pub(super) summary: Option<String>,
    #[serde(rename = "totalCostUSD")]
    pub(super) total_cost_usd: Option<f64>,
    pub(super) forked_from: Option<ForkedFrom>,
    /// The session in which an answer was given, which stays what it was in a copy.
    pub(super) request_session_id: Option<String>,
}

impl Row {
    /// Returns the session that it was copied from, where it was.
    pub(super) fn copied_from(&self) -> Option<&str> {
        let said = self.forked_from.as_ref().map(|from| &from.session_id);
        let given = self.request_session_id.as_ref();
        let given = given.filter(|given| self.session_id.as_ref().is_some_and(|id| id != *given));
        said.or(given).map(String::as_str)
    }
}

/// Where a branch of a conversation began.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ForkedFrom {
    pub(super) session_id: String,
}

/// What was said to the model or by it.
#[derive(Deserialize)]
pub(super) struct Message {
    pub(super) id: Option<String>,
    pub(super) model: Option<String>,
    pub(super) usage: Option<Usage>,
    #[serde(default)]
    pub(super) content: Value,
}

/// What a message used.
#[derive(Deserialize)]
pub(super) struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<CacheCreation>,
    pub(super) speed: Option<String>,
}

#[derive(Deserialize)]
struct CacheCreation {
    ephemeral_5m_input_tokens: Option<u64>,
    ephemeral_1h_input_tokens: Option<u64>,
}

impl Row {
    pub(super) fn at(&self) -> Option<Timestamp> {
        time(self.timestamp.as_deref())
    }

    /// Tells whether it is of a conversation that the model led with itself.
    pub(super) fn is_of_a_subagent(&self) -> bool {
        self.is_sidechain == Some(true)
    }

    /// Returns what a person asked for, where this row is that.
    pub(super) fn request(&self) -> Option<String> {
        let by_person = self.r#type == "user"
            && self.is_meta != Some(true)
            && self.is_compact_summary != Some(true)
            && !self.is_of_a_subagent();
        if !by_person {
            return None;
        }
        let content = &self.message.as_ref()?.content;
        let text = match content {
            Value::String(text) => text.clone(),
            Value::Array(blocks) => {
                if blocks.iter().any(|block| block["type"] == "tool_result") {
                    return None;
                }
                texts(blocks)
            }
            _ => return None,
        };
        let text = text.trim();
        // Commands of the program itself, and what it writes in a person's name.
        let written = [
            "<command-",
            "<local-command-",
            "<bash-",
            "<task-notification>",
            "<system-reminder>",
            "[Request interrupted by user",
            "Caveat: The messages below",
        ];
        (!text.is_empty() && !written.iter().any(|start| text.starts_with(start)))
            .then(|| text.to_owned())
    }

    /// Returns what is said in it, to be found again; `asked`: a person asked for something in it.
    pub(super) fn passage(&self, asked: bool) -> Option<(Role, String)> {
        if self.is_meta == Some(true) || self.is_compact_summary == Some(true) {
            return None;
        }
        let content = &self.message.as_ref()?.content;
        let blocks = content.as_array().map_or(&[][..], Vec::as_slice);
        let mut text = match content {
            Value::String(text) => text.clone(),
            _ => texts(blocks),
        };
        let mut role = match self.r#type.as_str() {
            "assistant" => Role::Assistant,
            "user" => Role::User,
            _ => return None,
        };
        if text.trim().is_empty() {
            role = Role::Tool;
            text = blocks
                .iter()
                .filter_map(tool)
                .collect::<Vec<_>>()
                .join("\n");
        } else if role == Role::User && !self.is_of_a_subagent() && !asked {
            return None;
        }
        Some((role, text))
    }
}

impl Usage {
    /// Counts tokens by kind. Nothing: it says neither what was read nor what was written.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        if self.input_tokens.is_none() && self.output_tokens.is_none() {
            return None;
        }
        let (cache_write_5m, cache_write_1h) = match &self.cache_creation {
            Some(split) => (
                split.ephemeral_5m_input_tokens.unwrap_or(0),
                split.ephemeral_1h_input_tokens.unwrap_or(0),
            ),
            None => (self.cache_creation_input_tokens.unwrap_or(0), 0),
        };
        Some(Tokens {
            input: self.input_tokens.unwrap_or(0),
            output: self.output_tokens.unwrap_or(0),
            cache_write_5m,
            cache_write_1h,
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
        })
    }
}

/// Joins the texts of a message.
pub(super) fn texts(blocks: &[Value]) -> String {
    blocks
        .iter()
        .filter(|block| block["type"] == "text")
        .filter_map(|block| block["text"].as_str())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns what a tool was asked, or said.
fn tool(block: &Value) -> Option<String> {
    match block["type"].as_str()? {
        "tool_use" => {
            let input = match &block["input"] {
                Value::Object(input) => input
                    .values()
                    .map(|value| {
                        value
                            .as_str()
                            .map_or_else(|| value.to_string(), str::to_owned)
                    })
                    .collect::<Vec<_>>()
                    .join(" "),
                other => other.to_string(),
            };
            Some(format!("{} {input}", block["name"].as_str().unwrap_or("")))
        }
        "tool_result" => match &block["content"] {
            Value::String(text) => Some(text.clone()),
            Value::Array(blocks) => Some(texts(blocks)),
            _ => None,
        },
        _ => None,
    }
}
