//! Serves the api on a Unix socket that only its user can use.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Connected;
use tracing::{error, warn};

use super::peer::Peer;
use crate::Api;
use crate::grpc::Service;
use crate::host::HostError;
use crate::v1::stratavore_server::StratavoreServer;

/// After a connection that could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Counts who is connected.
#[derive(Clone, Debug)]
pub struct Clients {
    count: watch::Sender<usize>,
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            count: watch::Sender::new(0),
        }
    }
}

impl Clients {
    /// Watches how many are connected.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }
}

/// Binds the socket, mode 0600. Whoever holds the host's lock may remove what an earlier host left there.
pub(super) fn bind(path: &Path) -> Result<UnixListener, HostError> {
    let failed = |operation| {
        let path = path.to_owned();
        move |source: io::Error| HostError::Place {
            operation,
            path,
            source,
            mend: "remove it if it is no socket of ours, and make the runtime directory writable",
        }
    };
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("replace")(error)),
    }
    // The directory is the user's alone, so that the socket is never open to others, not even before its mode is set.
    let listener = UnixListener::bind(path).map_err(failed("listen at"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
        .map_err(failed("close to others"))?;
    Ok(listener)
}

/// Serves until told to end.
pub(super) async fn serve(
    listener: UnixListener,
    api: Arc<dyn Api>,
    clients: Clients,
    ended: CancellationToken,
) {
    let own = rustix::process::geteuid().as_raw();
    let refused = AtomicUsize::new(0);
    let patient = UnixListenerStream::new(listener).then(async |stream| {
        if stream.is_err() {
            // Out of descriptors, say. The next fails just as quickly until one is free.
            tokio::time::sleep(ACCEPT_AGAIN).await;
        }
        stream
    });
    let failed = AtomicUsize::new(0);
    let incoming = patient.filter_map(move |stream| match stream {
        Ok(stream) => match stream.peer_cred() {
            Ok(peer) if peer.uid() == own => {
                let peer = Peer { pid: peer.pid() };
                Some(Ok(Client::new(stream, peer, &clients)))
            }
            Ok(peer) => {
                // Said once in a while: a stranger must not fill the log.
                if refused.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
                    warn!(uid = peer.uid(), "refused a connection of another user");
                }
                None
            }
            Err(error) => {
                warn!(%error, "cannot tell who connected; refused");
                None
            }
        },
        Err(error) => {
            if failed.fetch_add(1, Ordering::Relaxed).is_power_of_two() {
                warn!(%error, "cannot accept a connection");
            }
            None
        }
    });
    let incoming: Pin<Box<dyn tokio_stream::Stream<Item = io::Result<Client>> + Send>> =
        Box::pin(incoming);
    let service =
        StratavoreServer::new(Service(api)).max_decoding_message_size(stratavore_rpc::MAX_MESSAGE);
    let served = Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, ended.cancelled_owned())
        .await;
    if let Err(error) = served {
        error!(error = &error as &dyn std::error::Error, "the server ended");
    }
}

/// A client's connection, counted for as long as it lasts.
struct Client {
    stream: UnixStream,
    peer: Peer,
    count: watch::Sender<usize>,
}

impl Client {
    fn new(stream: UnixStream, peer: Peer, clients: &Clients) -> Self {
        clients.count.send_modify(|count| *count += 1);
        Self {
            stream,
            peer,
            count: clients.count.clone(),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.count.send_modify(|count| *count -= 1);
    }
}

impl Connected for Client {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Client {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
