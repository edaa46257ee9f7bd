//! OTLP/HTTP, in protobuf and JSON.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use otelcol_net::{Event, HttpRequest, HttpResponse, HttpService, Status};
use otelcol_pdata::{Batch, Signal, WireError, json};

use super::door::Door;

/// The three signals at their paths.
pub(super) struct HttpReceiver {
    pub(super) door: Door,
    pub(super) paths: [(String, Signal); 3],
}

/// How a request is encoded; its answer is encoded likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        match content_type.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    fn read(self, signal: Signal, body: Bytes) -> Result<Batch, WireError> {
        match self {
            Self::Protobuf => Batch::from_wire(signal, body),
            Self::Json => json::from_json(signal, &body),
        }
    }

    /// An Export*ServiceResponse without partial success.
    fn success(self) -> HttpResponse {
        let body: &'static [u8] = match self {
            Self::Protobuf => b"",
            Self::Json => br#"{"partialSuccess":{}}"#,
        };
        HttpResponse::new(StatusCode::OK, self.content_type(), body)
    }

    fn failure(self, http: StatusCode, status: &Status) -> HttpResponse {
        let body = match self {
            Self::Protobuf => status.to_protobuf(),
            Self::Json => status_json(status).into_bytes(),
        };
        let mut response = HttpResponse::new(http, self.content_type(), body);
        if let Some(delay) = status.retry_delay {
            // Whole seconds, and never sooner than asked for (RFC 9110 10.2.3).
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            response.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl HttpService for HttpReceiver {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        Box::pin(self.answer(request))
    }

    fn refuse(&self, request: &HttpRequest, http: StatusCode, status: &Status) -> HttpResponse {
        match Encoding::of(&request.headers) {
            Some(encoding) => encoding.failure(http, status),
            None => unsupported_media_type(),
        }
    }

    fn event(&self, event: &Event) {
        self.door.event(event);
    }
}

impl HttpReceiver {
    async fn answer(&self, request: HttpRequest) -> HttpResponse {
        let (signal, encoding) = match self.accept(&request).await {
            Ok(accepted) => accepted,
            Err((reason, response)) => {
                self.door.reject(reason, &request.path, &request.peer);
                return response;
            }
        };
        let batch = encoding.read(signal, request.body);
        match self.door.enter(signal, batch, &request.peer).await {
            Ok(()) => encoding.success(),
            Err(status) => encoding.failure(status.http_status(), &status),
        }
    }

    /// What the request carries, or why it is none of ours.
    async fn accept(
        &self,
        request: &HttpRequest,
    ) -> Result<(Signal, Encoding), (&'static str, HttpResponse)> {
        let path = self.paths.iter().find(|(path, _)| *path == request.path);
        let Some((_, signal)) = path else { return Err(("unknown_path", not_found())) };
        if !self.door.is_open(*signal).await {
            return Err(("no_pipeline", not_found()));
        }
        if request.method != Method::POST {
            let text = "405 method not allowed, supported: [POST]";
            return Err(("method", plain(StatusCode::METHOD_NOT_ALLOWED, text)));
        }
        let encoding =
            Encoding::of(&request.headers).ok_or_else(|| ("content_type", unsupported_media_type()))?;
        Ok((*signal, encoding))
    }
}

fn not_found() -> HttpResponse {
    HttpResponse::text(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn unsupported_media_type() -> HttpResponse {
    plain(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "415 unsupported media type, supported: [application/json, application/x-protobuf]",
    )
}

fn plain(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::new(status, "text/plain", text)
}

/// google.rpc.Status in protobuf's JSON mapping.
fn status_json(status: &Status) -> String {
    let mut object = serde_json::json!({"code": status.code.number(), "message": status.message});
    if let Some(delay) = status.retry_delay {
        object["details"] = serde_json::json!([{
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": duration_json(delay),
        }]);
    }
    object.to_string()
}

/// google.protobuf.Duration in protobuf's JSON mapping: seconds with 0, 3, 6 or 9 decimals.
fn duration_json(duration: Duration) -> String {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    match nanos {
        0 => format!("{seconds}s"),
        _ if nanos % 1_000_000 == 0 => format!("{seconds}.{:03}s", nanos / 1_000_000),
        _ if nanos % 1_000 == 0 => format!("{seconds}.{:06}s", nanos / 1_000),
        _ => format!("{seconds}.{nanos:09}s"),
    }
}
