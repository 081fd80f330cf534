//! One attachment: from the agent to the page and back, until either ends it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use stratavore_api::{Api, Code, Failure, v1};
use stratavore_wire::client::{Connection, ConnectionError, Receiver, Sender};
use stratavore_wire::{Attach, Hello, Message as Wire, Role};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::message::{Control, Message};
use super::{Ticket, ended};
use crate::desktop::Desktop;
use crate::hosting::chain;

/// How long output waits for more of it: messages to the page cost more than bytes, and a screen is drawn every 16 ms.
const GATHER: Duration = Duration::from_millis(4);
/// Output that waits no longer, whatever the time: the size at which the channel is fast.
const PLENTY: usize = 128 * 1024;

/// What a page asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The runner, by id, name or prefix.
    pub runner: String,
    /// The viewer's width.
    pub columns: u16,
    /// The viewer's height.
    pub rows: u16,
    /// Its input and size are ignored.
    pub read_only: bool,
}

/// Takes messages to the page; `false` when the page is gone.
pub trait Page: Fn(Message) -> bool + Send + Sync + 'static {}
impl<F: Fn(Message) -> bool + Send + Sync + 'static> Page for F {}

/// Attaches a page to a runner's terminal, or shows what it showed last. Returns the attachment's number and what keeps
/// it going.
pub async fn open<P: Page>(
    desktop: &Arc<Desktop>,
    request: Request,
    page: P,
) -> Result<(u32, impl Future<Output = ()> + Send + use<P>), Failure> {
    let api = desktop.slot.api().await?;
    let runner = api
        .runner(v1::RunnerRef {
            runner: request.runner.clone(),
        })
        .await?;
    let source = if ended::is_over(&runner) {
        Source::LastWords(ended::last_words(&api, runner, &request).await?)
    } else {
        let id = runner.id.clone();
        Source::Agent(Box::new(connect(&api, &request, &runner.name).await?), id)
    };
    let ticket = desktop.attachments.enter();
    let number = ticket.id;
    let desktop = desktop.clone();
    Ok((number, async move {
        let stop = ticket.stop.clone();
        match source {
            Source::LastWords(messages) => {
                for message in messages {
                    page(message);
                }
                // The page resizes and acknowledges all the same, until it closes what it opened.
                stop.cancelled().await;
            }
            Source::Agent(connection, runner) => {
                stop.run_until_cancelled(carry(&desktop, *connection, &runner, ticket, &page))
                    .await;
            }
        }
        desktop.attachments.close(number);
    }))
}

enum Source {
    LastWords([Message; 2]),
    Agent(Box<Connection>, String),
}

async fn connect(api: &Arc<dyn Api>, request: &Request, name: &str) -> Result<Connection, Failure> {
    let terminal = api
        .terminal(v1::RunnerRef {
            runner: request.runner.clone(),
        })
        .await?;
    let attached = async {
        let mut connection = Connection::connect(&terminal.socket).await?;
        connection
            .greet(Hello::new(
                Role::Viewer,
                concat!("stratavore-desktop ", env!("CARGO_PKG_VERSION")),
            ))
            .await?;
        let attach = Attach {
            columns: request.columns,
            rows: request.rows,
            read_only: request.read_only,
            place: "window".to_owned(),
        };
        connection.send(&Wire::Attach(attach)).await?;
        Ok::<_, ConnectionError>(connection)
    };
    attached.await.map_err(|error| {
        Failure::new(
            Code::Unavailable,
            format!("cannot attach to {name}: {}", chain(&error)),
        )
        .hint("see how it fares with `stratavore show`, and open it again")
    })
}

/// Carries both ways, and tells the page how it ended.
async fn carry(
    desktop: &Desktop,
    connection: Connection,
    runner: &str,
    ticket: Ticket,
    page: &impl Page,
) {
    let (sender, receiver) = connection.into_split();
    let typed = AtomicBool::new(false);
    let end = tokio::select! {
        end = to_page(receiver, page, &typed) => end,
        error = to_agent(sender, ticket.to_agent, &typed) => End::Lost(chain(&error)),
    };
    page(Message::Control(match end {
        End::PageGone => return,
        End::Ended => Control::Ended {
            exit: exit_of(desktop, runner).await,
        },
        End::Lost(reason) => Control::Lost(reason),
    }));
}

enum End {
    PageGone,
    Ended,
    Lost(String),
}

/// Writes to the agent what the page asks. Reading goes on meanwhile: an agent that waits for us to read would not.
async fn to_agent(
    mut sender: Sender,
    mut messages: mpsc::Receiver<Wire>,
    typed: &AtomicBool,
) -> ConnectionError {
    while let Some(message) = messages.recv().await {
        let is_input = matches!(message, Wire::Input { .. });
        if let Err(error) = sender.send(&message).await {
            return error;
        }
        if is_input {
            typed.store(true, Ordering::Relaxed);
        }
    }
    // The attachment was closed; its stop comes with that.
    std::future::pending().await
}

/// Hands the page what the agent says. Output is gathered for a moment, except the first after a keystroke: that is its
/// echo, and a person waits for it.
async fn to_page(mut receiver: Receiver, page: &impl Page, typed: &AtomicBool) -> End {
    let mut gathered = Vec::new();
    let mut flush_at = Instant::now();
    let mut over = false;
    loop {
        let received = tokio::select! {
            biased;
            () = sleep_until(flush_at), if !gathered.is_empty() => {
                if !page(Message::Output(std::mem::take(&mut gathered))) {
                    return End::PageGone;
                }
                continue;
            }
            received = receiver.recv() => received,
        };
        let message = match received {
            Ok(Some(Wire::Output { bytes, .. })) => {
                if gathered.is_empty() {
                    flush_at = Instant::now() + GATHER;
                }
                gathered.extend_from_slice(&bytes);
                if gathered.len() >= PLENTY || typed.swap(false, Ordering::Relaxed) {
                    flush_at = Instant::now();
                }
                continue;
            }
            other => other,
        };
        // What comes now stands behind the output before it.
        if !gathered.is_empty() && !page(Message::Output(std::mem::take(&mut gathered))) {
            return End::PageGone;
        }
        let tell = match message {
            Ok(Some(Wire::Snapshot {
                columns,
                rows,
                bytes,
                ..
            })) => Message::Snapshot {
                columns,
                rows,
                bytes,
            },
            Ok(Some(Wire::Resized(size))) => Message::Control(Control::Resized {
                columns: size.columns,
                rows: size.rows,
            }),
            Ok(Some(Wire::Viewers(viewers))) => Message::Control(Control::Viewers(viewers)),
            Ok(Some(Wire::Asked(asked))) => Message::Control(Control::Asked(asked)),
            Ok(Some(Wire::Refused(refused))) => Message::Control(Control::Refused(refused.message)),
            // Output may follow: a background process may still write.
            Ok(Some(Wire::Exited(_))) => {
                over = true;
                continue;
            }
            Ok(Some(Wire::Ended)) => return End::Ended,
            Ok(Some(_)) => continue,
            Ok(None) if over => return End::Ended,
            Ok(None) => return End::Lost("the runner's agent closed the connection".to_owned()),
            Err(error) => return End::Lost(chain(&error)),
        };
        if !page(tell) {
            return End::PageGone;
        }
    }
}

/// Asks how the runner ended. The agent's word comes before the host's record; the page learns of that by a nudge.
async fn exit_of(desktop: &Desktop, runner: &str) -> Option<v1::Exit> {
    let api = desktop.slot.seat()?.api;
    api.runner(v1::RunnerRef {
        runner: runner.to_owned(),
    })
    .await
    .ok()?
    .exit
}
