//! Serves the stand-in for the Messages API until it is ended, for use by hand: `stratavore-model-api [PORT]`.
//!
//! It prints its base URL, then every request as one line of JSON. What is typed to it comes back as "I heard: …".

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use stratavore_testkit::model_api::ModelApi;
use stratavore_testkit::wait_until;

fn main() -> std::io::Result<()> {
    let port = match std::env::args().nth(1).map(|port| port.parse()) {
        None => 0,
        Some(Ok(port)) => port,
        Some(Err(_)) => {
            eprintln!("usage: stratavore-model-api [PORT]");
            std::process::exit(2);
        }
    };
    let api = ModelApi::start_at(port)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", api.url())?;
    let mut shown = 0;
    loop {
        for request in api.requests().iter().skip(shown) {
            shown += 1;
            let line = json!({
                "method": request.method, "path": request.path, "query": request.query,
                "headers": request.headers, "body": request.body,
            });
            writeln!(out, "{line}")?;
        }
        wait_until(Duration::MAX, "a request", || api.requests().len() > shown);
    }
}
