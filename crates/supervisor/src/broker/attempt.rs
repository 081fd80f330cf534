//! An attempt to connect, which can be given up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::tcp::TLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties};
use rustix::net::{Shutdown, shutdown};
use tokio::time::timeout;

/// The socket of an attempt, shut down unless the attempt succeeds. The client library would hold it, and a thread with it,
/// for as long as a peer that says nothing holds its end.
#[derive(Clone, Default)]
struct Attempt(Arc<Mutex<Option<OwnedFd>>>);

impl Attempt {
    fn take(&self) -> Option<OwnedFd> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Ends an attempt that was given up.
struct Abandonment(Attempt);

impl Drop for Abandonment {
    fn drop(&mut self) {
        if let Some(socket) = self.0.take() {
            // Fails only when the peer has ended it already.
            let _ = shutdown(socket, Shutdown::Both);
        }
    }
}

/// Connects. Given up before it is done, nothing of it stays.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    patience: Duration,
) -> lapin::Result<Connection> {
    let attempt = Attempt::default();
    let _abandonment = Abandonment(attempt.clone());
    let shared = attempt.clone();
    let connection = Connection::connector(
        uri,
        lapin::runtime::default_runtime()?,
        async move |uri, runtime| {
            let place = runtime.to_socket_addrs((uri.authority.host.clone(), uri.authority.port));
            let stream = within(patience, AsyncTcpStream::connect(&runtime, place)).await?;
            if let AsyncTcpStream::Plain(stream) = &stream {
                let stream = stream.get_ref();
                stream.set_nodelay(true)?;
                let socket = stream.as_fd().try_clone_to_owned()?;
                *shared.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(socket);
            }
            Ok(match uri.scheme {
                AMQPScheme::AMQP => stream,
                AMQPScheme::AMQPS => {
                    let secured = stream.into_tls(&uri.authority.host, TLSConfig::default());
                    within(patience, secured).await?
                }
            })
        },
        properties,
    )
    .await?;
    attempt.take();
    Ok(connection)
}

async fn within<T>(patience: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(patience, step).await {
        Ok(done) => done,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
