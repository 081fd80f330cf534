//! A stand-in for the APIs of models (Anthropic's Messages, OpenAI's Responses, Google's Gemini) on loopback, which answers what a test says and keeps every request.
//!
//! It refuses nothing: what it does not know is answered with an empty object.

mod answer;
mod generate;
mod responses;
mod server;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;
use tokio::sync::{oneshot, watch};

pub use answer::{Answer, USAGE, Usage};

/// Serves the API until it is dropped.
pub struct ModelApi {
    address: SocketAddr,
    script: Arc<Script>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Is one request as it came in.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, `HEAD` …
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, empty when there is none.
    pub query: String,
    /// The headers; names are lower case.
    pub headers: BTreeMap<String, String>,
    /// The body; null when it is not JSON.
    pub body: Value,
}

/// Holds what to answer and what was asked.
struct Script {
    rules: Mutex<Vec<(String, Answer)>>,
    requests: Mutex<Vec<Request>>,
    /// Whether held answers may go on.
    released: watch::Sender<bool>,
}

impl ModelApi {
    /// Starts the server on a free port of loopback, in a thread of its own.
    pub fn start() -> io::Result<ModelApi> {
        ModelApi::start_at(0)
    }

    /// Starts the server on this port of loopback.
    pub fn start_at(port: u16) -> io::Result<ModelApi> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let script = Arc::new(Script {
            rules: Mutex::default(),
            requests: Mutex::default(),
            released: watch::Sender::new(false),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn({
            let script = Arc::clone(&script);
            move || runtime.block_on(server::serve(listener, script, stopped))
        });
        Ok(ModelApi {
            address,
            script,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Gives the base URL (`ANTHROPIC_BASE_URL`).
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers so whenever the last thing a person typed holds `asked`; the latest rule that fits wins.
    ///
    /// What no rule fits is answered with [`Answer::default_to`].
    pub fn answer_when(&self, asked: &str, answer: Answer) {
        lock(&self.script.rules).push((asked.to_owned(), answer));
    }

    /// Lets every answer that is held ([`Answer::Held`]) go on, now and from now on.
    pub fn release(&self) {
        self.script.released.send_replace(true);
    }

    /// Gives every request so far, in the order they came.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.script.requests).clone()
    }

    /// Gives the requests to a model, in the order they came.
    pub fn conversations(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(Request::is_conversation);
        requests
    }
}

impl Drop for ModelApi {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Refused only when the thread has ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the stand-in for the model API panicked");
        }
    }
}

impl Request {
    /// Tells whether this asks a model to answer.
    pub fn is_conversation(&self) -> bool {
        self.dialect().is_some()
    }

    /// Gives the text of the last message of a person, tool results included.
    pub fn last_message(&self) -> String {
        let messages = match self.dialect() {
            Some(Dialect::Responses) => &self.body["input"],
            Some(Dialect::Generate) => &self.body["contents"],
            _ => &self.body["messages"],
        };
        let mut messages = messages.as_array().into_iter().flatten();
        messages
            .rfind(|message| message["role"] == "user" || !message["output"].is_null())
            .map(|message| {
                let said = ["output", "content", "parts"].map(|key| text_of(&message[key]));
                said.concat()
            })
            .unwrap_or_default()
    }

    /// Names the model that is asked.
    fn model(&self) -> &str {
        let named = self.path.strip_prefix("/v1beta/models/");
        match named.and_then(|named| named.split_once(':')) {
            Some((model, _)) => model,
            None => self.body["model"].as_str().unwrap_or("claude"),
        }
    }

    /// Tells whether the answer is to come as it is made.
    fn streams(&self) -> bool {
        self.body["stream"] == true || self.path.ends_with(":streamGenerateContent")
    }

    fn dialect(&self) -> Option<Dialect> {
        match (self.method.as_str(), self.path.as_str()) {
            ("POST", "/v1/messages") => Some(Dialect::Messages),
            ("POST", "/v1/responses") => Some(Dialect::Responses),
            ("POST", path)
                if path.starts_with("/v1beta/models/") && path.ends_with("enerateContent") =>
            {
                Some(Dialect::Generate)
            }
            _ => None,
        }
    }
}

/// Is how a request is spoken, and its answer.
#[derive(Clone, Copy, Debug)]
enum Dialect {
    /// Anthropic's.
    Messages,
    /// OpenAI's.
    Responses,
    /// Google's.
    Generate,
}

impl Dialect {
    /// Writes an answer as events: those before anything is said, and the rest.
    fn events(self, answer: &Answer, id: &str, model: &str) -> (String, String) {
        match self {
            Dialect::Messages => (answer.opening(id, model), answer.rest()),
            Dialect::Responses => (
                responses::opening(id, model),
                responses::rest(answer, id, model),
            ),
            Dialect::Generate => (String::new(), generate::rest(answer, id, model)),
        }
    }
}

impl Dialect {
    /// Writes the whole answer, for a request that does not stream.
    fn message(self, answer: &Answer, id: &str, model: &str) -> Value {
        match self {
            Dialect::Generate => generate::message(answer, id, model),
            Dialect::Messages | Dialect::Responses => answer.message(id, model),
        }
    }
}

impl Script {
    fn record(&self, request: Request) {
        lock(&self.requests).push(request);
    }

    fn requests_so_far(&self) -> usize {
        lock(&self.requests).len()
    }

    fn answer_to(&self, request: &Request) -> Answer {
        let asked = request.last_message();
        lock(&self.rules)
            .iter()
            .rev()
            .find(|(wanted, _)| asked.contains(wanted))
            .map_or_else(|| Answer::default_to(&asked), |(_, answer)| answer.clone())
    }
}

/// Joins the texts of a message's content, leaving out what the program itself adds in tags.
fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => typed_part(text).to_owned(),
        Value::Array(blocks) => blocks
            .iter()
            .map(|block| match block["type"].as_str() {
                Some("text" | "input_text") => {
                    typed_part(block["text"].as_str().unwrap_or_default()).to_owned()
                }
                Some("tool_result") => text_of(&block["content"]),
                // Google's parts have no type.
                None => match (&block["text"], &block["functionResponse"]) {
                    (Value::String(text), _) => typed_part(text).to_owned(),
                    (_, answer) => answer["response"]["output"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                },
                _ => String::new(),
            })
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join("\n"),
        _ => String::new(),
    }
}

/// Programs put words of their own into a person's message; what a person typed does not begin so.
fn typed_part(text: &str) -> &str {
    let own = [
        "<system-reminder>",
        "<environment_context>",
        "<session_context>",
    ];
    if own.iter().any(|own| text.trim_start().starts_with(own)) {
        ""
    } else {
        text
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
