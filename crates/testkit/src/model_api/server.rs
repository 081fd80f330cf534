//! The HTTP side of the stand-in.

use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;

use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::{Answer, Dialect, Request, Script};

type Body = BoxBody<Bytes, Infallible>;

/// Serves until told to stop; connections still open then are cut.
pub(super) async fn serve(
    listener: TcpListener,
    script: Arc<Script>,
    mut stopped: oneshot::Receiver<()>,
) {
    let listener =
        tokio::net::TcpListener::from_std(listener).expect("a listener that is not blocking");
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => panic!("could not accept a connection: {error}"),
            },
            _ = &mut stopped => return,
        };
        let script = Arc::clone(&script);
        connections.spawn(async move {
            let answer = service_fn(move |request| respond(Arc::clone(&script), request));
            // A client that hangs up in the middle is its own affair.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

async fn respond(
    script: Arc<Script>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let request = Request {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    script.record(request.clone());
    if let Some(dialect) = request.dialect() {
        return Ok(converse(&script, &request, dialect));
    }
    Ok(match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/messages/count_tokens") => whole(
            StatusCode::OK,
            &json!({ "input_tokens": body.len() / 4 + 1 }),
        ),
        ("GET", "/v1/models") => whole(StatusCode::OK, &json!({ "data": [], "has_more": false })),
        _ => whole(StatusCode::OK, &json!({})),
    })
}

fn converse(script: &Arc<Script>, request: &Request, dialect: Dialect) -> Response<Body> {
    let number = script.requests_so_far();
    let id = format!("msg_{number:024}");
    let model = request.model().to_owned();
    let answer = script.answer_to(request);
    let mut response = match &answer {
        Answer::Error { status, kind } => {
            let message = format!("as the test says: {kind}");
            let error = json!({ "type": kind, "code": status, "message": message });
            let mut response = whole(
                StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
                &json!({ "type": "error", "error": error }),
            );
            if *status == 429 {
                let wait = hyper::header::HeaderValue::from_static("30");
                response
                    .headers_mut()
                    .insert(hyper::header::RETRY_AFTER, wait);
            }
            response
        }
        _ if request.streams() => {
            let held = matches!(answer, Answer::Held(_));
            let (opening, rest) = dialect.events(&answer, &id, &model);
            streamed(Arc::clone(script), opening, rest, held)
        }
        _ => whole(StatusCode::OK, &dialect.message(&answer, &id, &model)),
    };
    let request_id = format!("req_{number:024}");
    if let Ok(value) = request_id.parse() {
        response.headers_mut().insert("request-id", value);
    }
    response
}

fn streamed(script: Arc<Script>, opening: String, rest: String, held: bool) -> Response<Body> {
    let (mut events, body) = Channel::<Bytes, Infallible>::new(4);
    // Ends with its connection: a send into a closed channel fails.
    tokio::spawn(async move {
        if events.send_data(opening.into()).await.is_err() {
            return;
        }
        if held {
            let mut released = script.released.subscribe();
            if released.wait_for(|released| *released).await.is_err() {
                return;
            }
        }
        // Refused only when the client has hung up.
        let _ = events.send_data(rest.into()).await;
    });
    let mut response = Response::new(body.boxed());
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("text/event-stream; charset=utf-8"),
    );
    response
}

fn whole(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}
