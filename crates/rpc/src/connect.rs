//! Connects to a host's socket.

use std::path::Path;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use crate::host::ConnectError;
use crate::v1::stratavore_client::StratavoreClient;

/// A client of a host.
pub type Client = StratavoreClient<Channel>;

/// The largest message either side takes: a screen with its whole history.
pub const MAX_MESSAGE: usize = 64 << 20;

/// Connects to the host that answers at a socket.
///
/// # Errors
/// [`ConnectError::Unreachable`] when nobody answers there.
pub async fn connect(socket: &Path) -> Result<Client, ConnectError> {
    let path = socket.to_owned();
    let connector = service_fn(move |_: Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    // A URI is demanded, and not used: the connector knows the socket.
    let channel = Endpoint::from_static("http://stratavore.invalid")
        .connect_with_connector(connector)
        .await
        .map_err(|source| ConnectError::Unreachable {
            socket: socket.to_owned(),
            source,
        })?;
    Ok(StratavoreClient::new(channel).max_decoding_message_size(MAX_MESSAGE))
}
