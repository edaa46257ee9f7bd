//! What a server refused or cut, for counters and the log.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

/// Something a server did not let through. The service counts it; the first of each kind is logged here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A connection was closed at once because [`crate::MAX_CONNECTIONS`] were open.
    ConnectionLimit,
    /// The system could not accept a connection (file descriptors).
    AcceptFailed(String),
    /// A TLS handshake failed or took too long.
    TlsFailed(String),
    /// A connection ended with a protocol error.
    ConnectionFailed(String),
    /// A connection was cut because headers, a body or the reading of a response took too long.
    TooSlow(&'static str),
    /// A request was larger than the limit, before or after decompression.
    TooLarge,
    /// A request had an encoding that is unknown or not allowed.
    UnknownEncoding,
    /// A request could not be decompressed.
    Corrupt,
    /// Admission said no.
    NotAdmitted,
    /// A path the service does not know.
    UnknownPath,
    /// Not HTTP or gRPC as it has to be: method, content type, framing.
    Malformed(&'static str),
    /// A request without the credentials that the server asks for.
    Unauthenticated,
    /// The service panicked; the client got an internal error.
    Panicked(String),
    /// A request was not finished in the time that a stopping server gives it; the client was told to come again.
    Stopping,
}

impl Event {
    /// Stable name, for a `reason` attribute.
    pub fn reason(&self) -> &'static str {
        KINDS[self.index()]
    }

    fn index(&self) -> usize {
        match self {
            Event::ConnectionLimit => 0,
            Event::AcceptFailed(_) => 1,
            Event::TlsFailed(_) => 2,
            Event::ConnectionFailed(_) => 3,
            Event::TooSlow(_) => 4,
            Event::TooLarge => 5,
            Event::UnknownEncoding => 6,
            Event::Corrupt => 7,
            Event::NotAdmitted => 8,
            Event::UnknownPath => 9,
            Event::Malformed(_) => 10,
            Event::Unauthenticated => 11,
            Event::Panicked(_) => 12,
            Event::Stopping => 13,
        }
    }
}

const KINDS: [&str; 14] = [
    "connection_limit",
    "accept_failed",
    "tls_failed",
    "connection_failed",
    "too_slow",
    "too_large",
    "unknown_encoding",
    "corrupt",
    "not_admitted",
    "unknown_path",
    "malformed",
    "unauthenticated",
    "panicked",
    "stopping",
];

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())?;
        match self {
            Event::AcceptFailed(detail)
            | Event::TlsFailed(detail)
            | Event::ConnectionFailed(detail)
            | Event::Panicked(detail) => write!(f, ": {detail}"),
            Event::TooSlow(detail) | Event::Malformed(detail) => write!(f, ": {detail}"),
            Event::Stopping => f.write_str(": a request was not finished in time and is told to come again"),
            _ => Ok(()),
        }
    }
}

/// Remembers which kinds one server has logged.
#[derive(Default)]
pub(crate) struct Seen(AtomicU32);

impl Seen {
    pub(crate) fn log_first(&self, server: &str, event: &Event, peer: &dyn fmt::Display) {
        let bit = 1 << event.index();
        if self.0.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
        match event {
            Event::Panicked(_) => tracing::error!(%server, %peer, "{event}"),
            _ => tracing::warn!(%server, %peer, "{event} (further ones are only counted)"),
        }
    }
}
