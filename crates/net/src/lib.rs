//! TLS, compression and limits: one server side, one client side, for gRPC and HTTP.
//!
//! Everything a socket sends is taken to be hostile: connections, headers, bodies, decompressed sizes and the time
//! each may take are bounded before memory is spent on them, and what is refused is reported as an [`Event`].

mod accept;
mod admission;
mod auth;
mod chunks;
mod compress;
pub mod config;
mod dial;
mod event;
mod gathering;
mod grpc;
mod headers;
mod http_client;
mod http_server;
mod io;
mod listener;
mod random;
mod status;
mod stream_client;
#[cfg(test)]
mod testing;
mod tls;

pub use accept::{DRAIN_GRACE, MAX_CONNECTIONS};
pub use admission::{Admission, Permit};
pub use auth::{AuthAttributes, ClientAuth, ServerAuth, secret_header, unauthenticated};
pub use compress::{Compression, DecompressError, UnknownCompression, compress, decompress};
pub use event::Event;
pub use grpc::{GrpcClient, UnaryService, serve_grpc};
pub use http_client::{HttpClient, HttpReply, HttpUrl, InvalidUrl};
pub use http_server::{HttpRequest, HttpResponse, HttpService, serve_http};
pub use io::Peer;
pub use listener::{BindError, Listener, LocalAddr};
pub use status::{Code, Status};
pub use stream_client::{ClientStream, StreamClient};
pub use tls::TlsError;

/// A server can not be started with its settings.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ServeError {
    /// The `tls` section.
    #[error("failed to load TLS config: {0}")]
    Tls(#[from] TlsError),
    /// Another setting.
    #[error("{0}")]
    Invalid(String),
}

/// A client can not be made, or an HTTP request got no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The `tls` section.
    #[error("failed to load TLS config: {0}")]
    Tls(#[from] TlsError),
    /// Another setting, or the URL.
    #[error("{0}")]
    Invalid(String),
    /// The authenticator has no headers for the request.
    #[error("{}", .0.message)]
    Auth(Status),
    /// No connection, with address and reason.
    #[error("{0}")]
    Connect(String),
    /// No whole reply in time.
    #[error("{method} {url:?}: no reply within {timeout:?}")]
    Timeout {
        /// Request method.
        method: http::Method,
        /// Request URL, without its query.
        url: String,
        /// How long it was waited for.
        timeout: std::time::Duration,
    },
    /// The connection broke or did not carry HTTP.
    #[error("{0}")]
    Broken(String),
}

/// What a panic said.
fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic without a message".to_owned())
}
