//! OTLP servers that keep what they are sent.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode};
use otelcol_net::config::GrpcServerConfig;
use otelcol_net::{HttpRequest, HttpResponse, HttpService, Peer, Status, UnaryService, serve_grpc};
use otelcol_pdata::{Batch, Signal, json};
use tokio::sync::watch;

use crate::PATIENCE;
use crate::server::Running;

/// What a server was sent, and its next answers of type `A`.
#[derive(Debug)]
struct Store<A> {
    state: Mutex<State<A>>,
    changes: watch::Sender<usize>,
}

#[derive(Debug)]
struct State<A> {
    batches: Vec<Batch>,
    headers: Vec<HeaderMap>,
    requests: usize,
    next: VecDeque<A>,
    /// The answer where there is no next one; none is success.
    always: Option<A>,
    delay: Duration,
}

impl<A: Clone> Store<A> {
    fn new() -> Arc<Self> {
        let state = State {
            batches: Vec::new(),
            headers: Vec::new(),
            requests: 0,
            next: VecDeque::new(),
            always: None,
            delay: Duration::ZERO,
        };
        Arc::new(Self { state: Mutex::new(state), changes: watch::Sender::new(0) })
    }

    fn state(&self) -> MutexGuard<'_, State<A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request, after the time that it takes.
    async fn next(&self) -> Option<A> {
        let (next, delay) = {
            let mut state = self.state();
            state.requests += 1;
            let next = state.next.pop_front().or_else(|| state.always.clone());
            (next, state.delay)
        };
        self.changes.send_modify(|n| *n += 1);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        next
    }

    async fn wait_for_requests(&self, requests: usize) {
        let mut changes = self.changes.subscribe();
        let count = || self.state().requests;
        let reached = async {
            while count() < requests {
                _ = changes.changed().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(in_time, "expected {requests} requests within {PATIENCE:?}, found {}", count());
    }

    fn keep(&self, batch: Batch, headers: HeaderMap) {
        let mut state = self.state();
        state.batches.push(batch);
        state.headers.push(headers);
        drop(state);
        self.changes.send_modify(|n| *n += 1);
    }

    async fn wait_for_items(&self, items: usize) {
        let mut changes = self.changes.subscribe();
        let count = || self.state().batches.iter().map(Batch::items).sum::<usize>();
        let reached = async {
            while count() < items {
                _ = changes.changed().await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        assert!(in_time, "expected {items} items within {PATIENCE:?}, found {}", count());
    }
}

/// An OTLP/gRPC server.
#[derive(Debug)]
pub struct OtlpGrpcSink {
    running: Running,
    store: Arc<Store<Result<Bytes, Status>>>,
}

impl OtlpGrpcSink {
    /// Starts a server that accepts.
    pub fn start() -> Self {
        Self::start_with(&GrpcServerConfig::default())
    }

    /// Starts a server with settings of its own; their endpoint does not count.
    ///
    /// # Panics
    /// The settings can not be used.
    #[expect(clippy::expect_used, reason = "a test that can not serve has failed")]
    pub fn start_with(config: &GrpcServerConfig) -> Self {
        Self::start_at(0, config).expect("listen on a free port")
    }

    /// Starts a server on a port of its own: one that a client knows already.
    ///
    /// # Errors
    /// The port is taken.
    ///
    /// # Panics
    /// The settings can not be used.
    #[expect(clippy::expect_used, reason = "a test that can not serve has failed")]
    pub fn start_at(port: u16, config: &GrpcServerConfig) -> Result<Self, otelcol_net::BindError> {
        let store = Store::new();
        let service = Arc::new(GrpcService(Arc::clone(&store)));
        let running = Running::start_at(&format!("127.0.0.1:{port}"), |listener, stop| {
            serve_grpc(listener, config, service, None, None, stop).expect("settings of the server")
        })?;
        Ok(Self { running, store })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.running.addr()
    }

    /// The batches accepted so far.
    pub fn batches(&self) -> Vec<Batch> {
        self.store.state().batches.clone()
    }

    /// The calls so far, refused ones too.
    pub fn calls(&self) -> usize {
        self.store.state().requests
    }

    /// Refuses all calls with this status from now on; none: takes them.
    pub fn refuse(&self, status: Option<Status>) {
        self.store.state().always = status.map(Err);
    }

    /// Takes this long for each answer from now on.
    pub fn delay(&self, delay: Duration) {
        self.store.state().delay = delay;
    }

    /// Waits until there have been `calls` calls, refused ones too.
    ///
    /// # Panics
    /// They do not come within [`PATIENCE`].
    pub async fn wait_for_calls(&self, calls: usize) {
        self.store.wait_for_requests(calls).await;
    }

    /// Takes out the batches accepted so far.
    pub fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut self.store.state().batches)
    }

    /// Answers the next calls so, one each: `Ok` keeps the batch and answers with the message.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = Result<Bytes, Status>>) {
        self.store.state().next.extend(answers);
    }

    /// Waits until `items` items have been accepted.
    ///
    /// # Panics
    /// They do not come within [`PATIENCE`].
    pub async fn wait_for_items(&self, items: usize) {
        self.store.wait_for_items(items).await;
    }
}

struct GrpcService(Arc<Store<Result<Bytes, Status>>>);

impl UnaryService for GrpcService {
    fn call<'a>(
        &'a self,
        path: &'a str,
        message: Bytes,
        _: &'a Peer,
    ) -> BoxFuture<'a, Result<Bytes, Status>> {
        async move {
            let reply = self.0.next().await.unwrap_or_else(|| Ok(Bytes::new()))?;
            let signal = signal_of(path).ok_or_else(|| Status::internal(format!("no service {path}")))?;
            let batch = Batch::from_wire(signal, message);
            let batch = batch.map_err(|error| Status::invalid_argument(error.to_string()))?;
            self.0.keep(batch, HeaderMap::new());
            Ok(reply)
        }
        .boxed()
    }

    fn knows(&self, path: &str) -> bool {
        signal_of(path).is_some()
    }
}

/// The method that takes a signal (opentelemetry-proto, `collector/*/v1`).
pub fn grpc_path(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    }
}

fn signal_of(path: &str) -> Option<Signal> {
    match path {
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" | "/v1/traces" => Some(Signal::Traces),
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" | "/v1/metrics" => {
            Some(Signal::Metrics)
        }
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" | "/v1/logs" => Some(Signal::Logs),
        _ => None,
    }
}

/// An OTLP/HTTP server.
#[derive(Debug)]
pub struct OtlpHttpSink {
    running: Running,
    store: Arc<Store<HttpResponse>>,
}

impl OtlpHttpSink {
    /// Starts a server that accepts.
    ///
    /// # Panics
    /// No port is free.
    pub fn start() -> Self {
        let store = Store::new();
        let service = Arc::new(OtlpHttp(Arc::clone(&store)));
        let running = Running::http(service);
        Self { running, store }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.addr())
    }

    /// The batches accepted so far.
    pub fn batches(&self) -> Vec<Batch> {
        self.store.state().batches.clone()
    }

    /// The headers that the batches came with.
    pub fn headers(&self) -> Vec<HeaderMap> {
        self.store.state().headers.clone()
    }

    /// The requests so far, refused ones too.
    pub fn requests(&self) -> usize {
        self.store.state().requests
    }

    /// Waits until there have been `requests` requests, refused ones too.
    ///
    /// # Panics
    /// They do not come within [`PATIENCE`].
    pub async fn wait_for_requests(&self, requests: usize) {
        self.store.wait_for_requests(requests).await;
    }

    /// Answers the next requests so, one each. A batch is kept where the status is a success.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = HttpResponse>) {
        self.store.state().next.extend(answers);
    }

    /// Waits until `items` items have been accepted.
    ///
    /// # Panics
    /// They do not come within [`PATIENCE`].
    pub async fn wait_for_items(&self, items: usize) {
        self.store.wait_for_items(items).await;
    }
}

struct OtlpHttp(Arc<Store<HttpResponse>>);

impl OtlpHttp {
    async fn answer(&self, request: HttpRequest) -> HttpResponse {
        let reply = self.0.next().await;
        let reply = reply
            .unwrap_or_else(|| HttpResponse::new(StatusCode::OK, "application/x-protobuf", Bytes::new()));
        let Some(signal) = signal_of(&request.path) else {
            return HttpResponse::text(StatusCode::NOT_FOUND, format!("no service {}", request.path));
        };
        if !reply.status.is_success() {
            return reply;
        }
        let kind = request.headers.get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let batch = match kind {
            Some("application/json") => json::from_json(signal, &request.body),
            _ => Batch::from_wire(signal, request.body),
        };
        match batch {
            Ok(batch) => {
                self.0.keep(batch, request.headers);
                reply
            }
            Err(error) => HttpResponse::text(StatusCode::BAD_REQUEST, error.to_string()),
        }
    }
}

impl HttpService for OtlpHttp {
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse> {
        self.answer(request).boxed()
    }
}
