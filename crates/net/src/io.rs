//! Connections, plain or with TLS, and who is at the other end.

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::{Connected, Connection};
use otelcol_pdata::Client;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsStream;

use crate::gathering::Gathering;

/// Who sent a request.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Address and port; None for a unix socket.
    pub address: Option<SocketAddr>,
    /// Whether the connection has TLS.
    pub tls: bool,
    /// Who that is to the pipelines: the address, the request's headers where `include_metadata` is set, and what the
    /// authenticator says.
    pub client: Option<Arc<Client>>,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => address.fmt(f),
            None => f.write_str("unix socket"),
        }
    }
}

/// A socket before TLS.
pub(crate) enum Plain {
    Tcp(TcpStream),
    Unix(UnixStream),
    Gathering(Gathering),
}

impl Plain {
    /// Reads small pieces together, no more often than each `pause`. A unix socket's are read as they come.
    pub(crate) fn gathering(self, pause: Duration) -> Self {
        match self {
            Plain::Tcp(stream) => Plain::Gathering(Gathering::new(stream, pause)),
            other => other,
        }
    }
}

/// A socket, ready for HTTP.
pub(crate) enum Stream {
    Plain(Plain),
    /// To a proxy, which is told with each request where it is for.
    Proxied(Plain),
    Tls(Box<TlsStream<Plain>>),
}

impl Stream {
    /// Whether both sides agreed on HTTP/2 in the TLS handshake.
    pub(crate) fn is_h2(&self) -> bool {
        match self {
            Stream::Plain(_) | Stream::Proxied(_) => false,
            Stream::Tls(tls) => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        }
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(matches!(self, Stream::Proxied(_)));
        if self.is_h2() { connected.negotiated_h2() } else { connected }
    }
}

macro_rules! each {
    ($self:expr, $enum:ident::{$($variant:ident),*}, $io:ident => $call:expr) => {
        match $self { $($enum::$variant($io) => $call),* }
    };
}

impl AsyncRead for Plain {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Plain::{Tcp, Unix, Gathering}, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Plain {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Plain::{Tcp, Unix, Gathering}, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Plain::{Tcp, Unix, Gathering}, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Plain::{Tcp, Unix, Gathering}, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Plain::{Tcp, Unix, Gathering}, io => Pin::new(io).poll_shutdown(cx))
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Stream::{Plain, Proxied, Tls}, io => Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Stream::{Plain, Proxied, Tls}, io => Pin::new(io).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        each!(self.get_mut(), Stream::{Plain, Proxied, Tls}, io => Pin::new(io).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        each!(self, Stream::{Plain, Proxied, Tls}, io => io.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Stream::{Plain, Proxied, Tls}, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self.get_mut(), Stream::{Plain, Proxied, Tls}, io => Pin::new(io).poll_shutdown(cx))
    }
}
