//! Endpoints of clients, and connecting to them.

use std::io;
use std::sync::Arc;

use otelcol_confmap::printable_url;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use crate::ClientError;
use crate::io::{Plain, Stream};
use crate::listener::describe;
use crate::tls::ClientTlsState;

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// `host:port`; `[v6]:port`.
    Tcp(String),
    /// Path of a socket.
    Unix(String),
}

/// Why a connection could not be made, as Go says it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("dial {network} {address}: {reason}")]
pub(crate) struct DialError {
    network: &'static str,
    address: String,
    reason: String,
}

impl Address {
    /// The endpoint of a gRPC client: a URL, a name for one of grpc's resolvers, or `host:port`.
    pub(crate) fn of_grpc(endpoint: &str) -> Result<Self, ClientError> {
        let invalid = |why: &str| {
            ClientError::Invalid(format!("invalid endpoint {:?}: {why}", printable_url(endpoint)))
        };
        if let Some(path) = endpoint.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(invalid("unix socket path cannot be empty"))
            } else {
                Ok(Address::Unix(path.to_owned()))
            };
        }
        if endpoint.contains('@') {
            return Err(invalid("expected host:port without user and password"));
        }
        let name = match endpoint.split_once("://") {
            None => endpoint.strip_prefix("dns:").unwrap_or(endpoint),
            Some(("http" | "https", rest)) => rest.trim_end_matches('/'),
            // dns://resolver/host:port: the resolver is the system's here.
            Some(("dns" | "passthrough", rest)) => rest.split_once('/').map_or(rest, |(_, name)| name),
            Some((scheme, _)) => {
                return Err(invalid(&format!(
                    "unknown scheme {scheme:?}, expected host:port, http, https, dns, passthrough or unix"
                )));
            }
        };
        let Some((host, port)) = name.rsplit_once(':') else {
            return Err(invalid("missing port in address, expected host:port"));
        };
        if host.is_empty() {
            return Err(invalid("missing host in address, expected host:port"));
        }
        if parse_port(port).is_none() {
            return Err(invalid(&format!("invalid port {:?}", printable_url(port))));
        }
        if host.contains(':') && !host.starts_with('[') {
            return Err(invalid("too many colons in address, expected host:port or [v6]:port"));
        }
        Ok(Address::Tcp(name.to_owned()))
    }

    /// For messages.
    pub(crate) fn text(&self) -> &str {
        match self {
            Address::Tcp(name) | Address::Unix(name) => name,
        }
    }

    /// The host alone, for the certificate. A unix socket stands for this host, as in grpc.
    pub(crate) fn host(&self) -> &str {
        match self {
            Address::Tcp(name) => name.rsplit_once(':').map_or(name.as_str(), |(host, _)| host),
            Address::Unix(_) => "localhost",
        }
    }

    /// Connects. The caller limits the time.
    pub(crate) async fn connect(&self) -> Result<Plain, DialError> {
        let connected = match self {
            Address::Tcp(name) => connect_tcp(name).await.map(Plain::Tcp),
            Address::Unix(path) => UnixStream::connect(path).await.map(Plain::Unix),
        };
        connected.map_err(|error| self.error(format!("connect: {}", describe(&error))))
    }

    /// With `tls`, shakes hands over a connection that leads to this address.
    pub(crate) async fn secure(
        &self,
        plain: Plain,
        tls: Option<&Arc<ClientTlsState>>,
    ) -> Result<Stream, DialError> {
        let Some(tls) = tls else { return Ok(Stream::Plain(plain)) };
        let name = tls.server_name(self.host()).map_err(|error| self.error(error.to_string()))?;
        let stream = TlsConnector::from(tls.config()).connect(name, plain).await;
        let stream = stream.map_err(|error| self.error(format!("tls: {}", describe(&error))))?;
        Ok(Stream::Tls(Box::new(stream.into())))
    }

    fn error(&self, reason: String) -> DialError {
        let network = if matches!(self, Address::Tcp(_)) { "tcp" } else { "unix" };
        DialError { network, address: self.text().to_owned(), reason }
    }
}

/// A port: digits alone, where numbers may have a sign.
pub(crate) fn parse_port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

async fn connect_tcp(name: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(name).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects and, with `tls`, shakes hands. The caller limits the time.
pub(crate) async fn dial(address: &Address, tls: Option<&Arc<ClientTlsState>>) -> Result<Stream, DialError> {
    let plain = address.connect().await?;
    address.secure(plain, tls).await
}

#[cfg(test)]
mod tests;
