//! The messages of Loki's push API (`POST /loki/api/v1/push`, `logproto.PushRequest`), snappy in block form.

use bytes::Bytes;
use prost::Message;

/// What is pushed for one tenant.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) streams: Vec<Stream>,
}

/// The entries with one set of labels.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Stream {
    /// As in a query: `{exporter="OTLP", job="asterisk"}`.
    #[prost(string, tag = "1")]
    pub(crate) labels: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<Entry>,
}

/// One log line.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Entry {
    #[prost(message, optional, tag = "1")]
    pub(crate) timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    pub(crate) line: String,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

impl Timestamp {
    pub(crate) fn from_unix_nanos(nanos: u64) -> Self {
        const SECOND: u64 = 1_000_000_000;
        // Both fit: 2^64 ns are 2^35 s.
        Self {
            seconds: i64::try_from(nanos / SECOND).unwrap_or(i64::MAX),
            nanos: i32::try_from(nanos % SECOND).unwrap_or(0),
        }
    }
}

impl PushRequest {
    /// The body to send.
    ///
    /// # Errors
    /// The request is larger than snappy can hold (4 GiB).
    pub(crate) fn to_body(&self) -> Result<Bytes, snap::Error> {
        let plain = self.encode_to_vec();
        snap::raw::Encoder::new().compress_vec(&plain).map(Bytes::from)
    }
}
