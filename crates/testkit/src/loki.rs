//! A Loki that keeps what is pushed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use otelcol_net::{HttpRequest, HttpResponse, HttpService};
use prost::Message;
use tokio::sync::watch;

use crate::PATIENCE;
use crate::server::Running;

/// One line with its stream and time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LokiEntry {
    /// The stream's labels as sent.
    pub labels: String,
    /// Nanoseconds since 1970.
    pub nanos: i64,
    /// The line.
    pub line: String,
}

/// One push that was accepted.
#[derive(Debug, Clone)]
pub struct LokiPush {
    /// `X-Scope-OrgID`, empty where there was none.
    pub tenant: String,
    /// The lines in the order of the request.
    pub entries: Vec<LokiEntry>,
    /// All headers.
    pub headers: HeaderMap,
}

/// An HTTP server with Loki's push API v1.
#[derive(Debug)]
pub struct FakeLoki {
    running: Running,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changes: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    pushes: Vec<LokiPush>,
    refused: Vec<LokiPush>,
    requests: usize,
    next: VecDeque<HttpResponse>,
}

impl FakeLoki {
    /// Starts a server that accepts.
    ///
    /// # Panics
    /// No port is free.
    pub fn start() -> Self {
        let shared = Arc::new(Shared { state: Mutex::default(), changes: watch::Sender::new(0) });
        let service = Arc::new(Push(Arc::clone(&shared)));
        let running = Running::http(service);
        Self { running, shared }
    }

    /// The URL to push to.
    pub fn url(&self) -> String {
        format!("http://{}/loki/api/v1/push", self.running.addr())
    }

    /// The pushes accepted so far.
    pub fn pushes(&self) -> Vec<LokiPush> {
        self.shared.state().pushes.clone()
    }

    /// The pushes that [`FakeLoki::answer_next`] had refused so far.
    pub fn refused(&self) -> Vec<LokiPush> {
        self.shared.state().refused.clone()
    }

    /// All lines accepted so far.
    pub fn entries(&self) -> Vec<LokiEntry> {
        self.pushes().into_iter().flat_map(|push| push.entries).collect()
    }

    /// The requests so far, refused ones too.
    pub fn requests(&self) -> usize {
        self.shared.state().requests
    }

    /// Answers the next requests so, one each, and keeps nothing of them where that is no success.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = HttpResponse>) {
        self.shared.state().next.extend(answers);
    }

    /// Waits until `entries` lines have been accepted.
    ///
    /// # Panics
    /// They do not come within [`PATIENCE`].
    pub async fn wait_for_entries(&self, entries: usize) {
        let mut changes = self.shared.changes.subscribe();
        let reached = async {
            while self.entries().len() < entries {
                _ = changes.changed().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(in_time, "expected {entries} lines within {PATIENCE:?}, found {}", self.entries().len());
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Push(Arc<Shared>);

impl Push {
    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        let mut state = self.0.state();
        state.requests += 1;
        let reply = state.next.pop_front();
        if let Some(reply) = reply.filter(|reply| !reply.status.is_success()) {
            state.refused.extend(decode(request));
            return reply;
        }
        drop(state);
        if request.path != "/loki/api/v1/push" || request.method != http::Method::POST {
            return HttpResponse::text(StatusCode::NOT_FOUND, "404 page not found");
        }
        match decode(request) {
            Ok(push) => {
                self.0.state().pushes.push(push);
                self.0.changes.send_modify(|n| *n += 1);
                HttpResponse { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Vec::new() }
            }
            Err(error) => HttpResponse::text(StatusCode::BAD_REQUEST, error),
        }
    }
}

impl HttpService for Push {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        std::future::ready(self.answer(&request)).boxed()
    }
}

fn decode(request: &HttpRequest) -> Result<LokiPush, String> {
    let header =
        |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if header("content-type") != "application/x-protobuf" {
        return Err(format!("content type {:?} not supported", header("content-type")));
    }
    let plain = snap::raw::Decoder::new().decompress_vec(&request.body).map_err(|error| error.to_string())?;
    let message = PushRequest::decode(plain.as_slice()).map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    for stream in message.streams {
        for entry in stream.entries {
            let time = entry.timestamp.unwrap_or_default();
            let nanos = time.seconds * 1_000_000_000 + i64::from(time.nanos);
            entries.push(LokiEntry { labels: stream.labels.clone(), nanos, line: entry.line });
        }
    }
    Ok(LokiPush { tenant: header("x-scope-orgid").to_owned(), entries, headers: request.headers.clone() })
}

#[derive(Clone, PartialEq, Message)]
struct PushRequest {
    #[prost(message, repeated, tag = "1")]
    streams: Vec<Stream>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    labels: String,
    #[prost(message, repeated, tag = "2")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(message, optional, tag = "1")]
    timestamp: Option<Timestamp>,
    #[prost(string, tag = "2")]
    line: String,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}
