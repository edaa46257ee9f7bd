//! gRPC status: codes, messages, RetryInfo, and what they are in HTTP.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderValue, StatusCode};
use prost::Message as _;

/// gRPC status codes (doc/statuscodes.md of gRPC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are gRPC's own and explained there")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

use Code::{
    Aborted, AlreadyExists, Cancelled, DataLoss, DeadlineExceeded, FailedPrecondition, Internal,
    InvalidArgument, NotFound, OutOfRange, PermissionDenied, ResourceExhausted, Unauthenticated, Unavailable,
    Unimplemented, Unknown,
};

const CODES: [Code; 17] = [
    Code::Ok,
    Cancelled,
    Unknown,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    AlreadyExists,
    PermissionDenied,
    ResourceExhausted,
    FailedPrecondition,
    Aborted,
    OutOfRange,
    Unimplemented,
    Internal,
    Unavailable,
    DataLoss,
    Unauthenticated,
];

impl Code {
    /// The code with this number; Unknown for a number gRPC does not have.
    pub fn from_number(number: u32) -> Self {
        usize::try_from(number).ok().and_then(|n| CODES.get(n)).copied().unwrap_or(Unknown)
    }

    /// Its number.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// Its name as grpc-go prints it, for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Code::Ok => "OK",
            Cancelled => "Canceled",
            Unknown => "Unknown",
            InvalidArgument => "InvalidArgument",
            DeadlineExceeded => "DeadlineExceeded",
            NotFound => "NotFound",
            AlreadyExists => "AlreadyExists",
            PermissionDenied => "PermissionDenied",
            ResourceExhausted => "ResourceExhausted",
            FailedPrecondition => "FailedPrecondition",
            Aborted => "Aborted",
            OutOfRange => "OutOfRange",
            Unimplemented => "Unimplemented",
            Internal => "Internal",
            Unavailable => "Unavailable",
            DataLoss => "DataLoss",
            Unauthenticated => "Unauthenticated",
        }
    }
}

/// The outcome of a call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What kind of failure.
    pub code: Code,
    /// For people: lower case, no full stop.
    pub message: String,
    /// google.rpc.RetryInfo: the call may be tried again after this long.
    pub retry_delay: Option<Duration>,
}

impl Status {
    /// A status without RetryInfo.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Status { code, message: message.into(), retry_delay: None }
    }

    /// Can not be served now; clients try again.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Status::new(Unavailable, message)
    }

    /// Too much. OTLP clients try again only with [`Status::retry_after`].
    pub fn resource_exhausted(message: impl Into<String>) -> Self {
        Status::new(ResourceExhausted, message)
    }

    /// The request itself is wrong; clients drop it.
    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Status::new(InvalidArgument, message)
    }

    /// Our own fault.
    pub fn internal(message: impl Into<String>) -> Self {
        Status::new(Internal, message)
    }

    /// The same with RetryInfo.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_delay = Some(delay);
        self
    }

    /// Whether an OTLP client sends the request again (OTLP specification, "failures").
    pub fn is_retryable(&self) -> bool {
        match self.code {
            Cancelled | DeadlineExceeded | Aborted | OutOfRange | Unavailable | DataLoss => true,
            ResourceExhausted => self.retry_delay.is_some(),
            _ => false,
        }
    }

    /// The HTTP status an OTLP/HTTP server answers with for this failure (otelcol's otlpreceiver).
    pub fn http_status(&self) -> StatusCode {
        match self.code {
            Code::Ok => StatusCode::OK,
            Cancelled | DeadlineExceeded | Aborted | OutOfRange | Unavailable | DataLoss => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            InvalidArgument => StatusCode::BAD_REQUEST,
            Unauthenticated => StatusCode::UNAUTHORIZED,
            PermissionDenied => StatusCode::FORBIDDEN,
            Unimplemented => StatusCode::NOT_FOUND,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The failure an OTLP/HTTP server meant with this HTTP status. `retry_delay` is its Retry-After.
    pub fn from_http(http: StatusCode, message: impl Into<String>, retry_delay: Option<Duration>) -> Self {
        let code = match http.as_u16() {
            400 => InvalidArgument,
            401 => Unauthenticated,
            403 => PermissionDenied,
            404 => Unimplemented,
            429 => ResourceExhausted,
            502..=504 => Unavailable,
            _ => Unknown,
        };
        Status { code, message: message.into(), retry_delay }
    }

    /// google.rpc.Status in protobuf: the body of an OTLP/HTTP failure and the content of `grpc-status-details-bin`.
    pub fn to_protobuf(&self) -> Vec<u8> {
        let details = self.retry_delay.map(|delay| Any {
            type_url: RETRY_INFO.to_owned(),
            value: RetryInfo { retry_delay: Some(ProtoDuration::from(delay)) }.encode_to_vec(),
        });
        RpcStatus {
            code: i32::from(self.code.number()),
            message: self.message.clone(),
            details: details.into_iter().collect(),
        }
        .encode_to_vec()
    }

    /// The reverse of [`Status::to_protobuf`]; None when the bytes are no google.rpc.Status. Unknown details are left out.
    pub fn from_protobuf(bytes: &[u8]) -> Option<Self> {
        let rpc = RpcStatus::decode(bytes).ok()?;
        let retry = rpc.details.iter().find(|any| any.type_url == RETRY_INFO);
        let retry_delay = retry
            .and_then(|any| RetryInfo::decode(any.value.as_slice()).ok())
            .and_then(|info| info.retry_delay);
        Some(Status {
            code: u32::try_from(rpc.code).map_or(Unknown, Code::from_number),
            message: rpc.message,
            retry_delay: retry_delay.and_then(ProtoDuration::get),
        })
    }

    /// Writes `grpc-status`, `grpc-message` and, with RetryInfo, `grpc-status-details-bin`.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        headers.insert("grpc-status", HeaderValue::from(u16::from(self.code.number())));
        if !self.message.is_empty()
            && let Ok(message) = HeaderValue::try_from(percent_encode(&self.message))
        {
            headers.insert("grpc-message", message);
        }
        if self.retry_delay.is_some()
            && let Ok(details) = HeaderValue::try_from(BASE64.encode(self.to_protobuf()))
        {
            headers.insert("grpc-status-details-bin", details);
        }
    }

    /// What a server said in headers or trailers; None where there is no `grpc-status`. The code may be Ok.
    pub(crate) fn read_from(headers: &HeaderMap) -> Option<Self> {
        let number = headers.get("grpc-status")?.to_str().ok().and_then(|n| n.parse().ok());
        let code = number.map_or(Unknown, Code::from_number);
        let message = headers.get("grpc-message").map(|m| percent_decode(m.as_bytes())).unwrap_or_default();
        let details = headers.get("grpc-status-details-bin").and_then(|d| BASE64.decode(d.as_bytes()).ok());
        let retry_delay = details.and_then(|d| Status::from_protobuf(&d)).and_then(|s| s.retry_delay);
        Some(Status { code, message, retry_delay })
    }
}

impl fmt::Display for Status {
    /// As grpc-go prints an error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rpc error: code = {} desc = {}", self.code.name(), self.message)
    }
}

impl std::error::Error for Status {}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// gRPC sends `-bin` headers without padding and accepts both.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(prost::Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(prost::Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(prost::Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl From<Duration> for ProtoDuration {
    fn from(d: Duration) -> Self {
        ProtoDuration {
            seconds: i64::try_from(d.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(d.subsec_nanos()).unwrap_or_default(),
        }
    }
}

impl ProtoDuration {
    /// None for what is negative or no duration.
    fn get(self) -> Option<Duration> {
        let nanos = u32::try_from(self.nanos).ok().filter(|n| *n < 1_000_000_000)?;
        Some(Duration::new(u64::try_from(self.seconds).ok()?, nanos))
    }
}

/// PROTOCOL-HTTP2.md: `grpc-message` has all but printable ASCII, and `%`, percent-encoded. At most 4 KiB go out,
/// so that the trailers stay below what clients take (8 KiB and more).
fn percent_encode(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for byte in message.bytes().take(4096) {
        match byte {
            b' '..=b'~' if byte != b'%' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        if out.len() >= 4096 {
            break;
        }
    }
    out
}

/// What does not decode stays as it is; the specification asks for that.
pub(crate) fn percent_decode(message: &[u8]) -> String {
    let mut out = Vec::with_capacity(message.len());
    let mut rest = message;
    while let [first, tail @ ..] = rest {
        let hex = tail
            .get(..2)
            .filter(|h| h.iter().all(u8::is_ascii_hexdigit))
            .and_then(|h| std::str::from_utf8(h).ok());
        match hex.filter(|_| *first == b'%').and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &tail[2..];
            }
            None => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
