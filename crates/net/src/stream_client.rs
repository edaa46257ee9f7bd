//! A client of a protocol of the caller's own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::ClientError;
use crate::config::ClientTls;
use crate::dial::{Address, DialError};
use crate::io::Stream;
use crate::tls::ClientTlsState;

/// Connects to one endpoint, with TLS where it is set up.
pub struct StreamClient {
    address: Address,
    tls: Option<Arc<ClientTlsState>>,
    pause: Option<Duration>,
}

impl StreamClient {
    /// A client of `endpoint` (`host:port`, `[v6]:port` or `unix:path`). Without `tls`, or where that says `insecure` and
    /// names no CA, the connection is plain. Does not connect.
    ///
    /// # Errors
    /// An endpoint or `tls` section that can not be used.
    pub fn new(endpoint: &str, tls: Option<&ClientTls>) -> Result<Self, ClientError> {
        let address = Address::of_grpc(endpoint)?;
        let secure =
            |tls: &&ClientTls| !tls.insecure || !tls.ca_file.is_empty() || !tls.ca_pem.expose().is_empty();
        let tls = match tls.filter(secure) {
            None => None,
            Some(tls) => Some(Arc::new(ClientTlsState::new(tls, &[])?)),
        };
        Ok(Self { address, tls, pause: None })
    }

    /// For a peer that writes many small pieces: while one follows the other, a connection reads them together, no more often than
    /// each `pause`. The first piece after a silence, and the answer to what was written, are read at once.
    #[must_use]
    pub fn gathering(self, pause: Duration) -> Self {
        Self { pause: Some(pause), ..self }
    }

    /// A new connection. The caller limits the time.
    ///
    /// # Errors
    /// [`ClientError::Connect`]: nobody answers, or the TLS handshake failed.
    pub async fn connect(&self) -> Result<ClientStream, ClientError> {
        let stream = self.dial().await;
        stream.map(ClientStream).map_err(|error| ClientError::Connect(error.to_string()))
    }

    async fn dial(&self) -> Result<Stream, DialError> {
        let plain = self.address.connect().await?;
        let plain = match self.pause {
            Some(pause) => plain.gathering(pause),
            None => plain,
        };
        self.address.secure(plain, self.tls.as_ref()).await
    }
}

/// A connection that [`StreamClient`] made.
pub struct ClientStream(Stream);

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
