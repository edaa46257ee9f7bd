//! The HTTP server: HTTP/1.1 and HTTP/2 on one port, bodies read whole and decompressed before the service sees them.

mod body;
mod cors;
mod exchange;
mod pace;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio_util::sync::CancellationToken;

use crate::ServeError;
use crate::accept::{self, Connections, Reporter, Stop};
use crate::admission::Admission;
use crate::auth::{ServerAuth, check_server};
use crate::compress::Compression;
use crate::config::HttpServerConfig;
use crate::event::{Event, Seen};
use crate::io::{Peer, Stream};
use crate::listener::Listener;
use crate::status::Status;
use crate::tls::ServerTlsState;

/// A request with its whole body.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Method.
    pub method: Method,
    /// Path, as sent.
    pub path: String,
    /// What stands behind `?`, as sent.
    pub query: Option<String>,
    /// Headers, as sent.
    pub headers: HeaderMap,
    /// Body: decompressed, within the limit.
    pub body: Bytes,
    /// Who sent it.
    pub peer: Peer,
}

/// A response with its whole body.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// Status.
    pub status: StatusCode,
    /// Headers; the length of the body is added.
    pub headers: HeaderMap,
    /// Body, in pieces that are written one after another.
    pub body: Vec<Bytes>,
}

impl HttpResponse {
    /// A response with this body.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))]);
        HttpResponse { status, headers, body: vec![body.into()] }
    }

    /// A response in plain text.
    pub fn text(status: StatusCode, body: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body.into())
    }
}

/// What an HTTP server serves.
pub trait HttpService: Send + Sync + 'static {
    /// Answers a request. The future is dropped when the client goes away.
    fn call(&self, request: HttpRequest) -> BoxFuture<'_, HttpResponse>;

    /// The response to a request the server itself refuses: too large, an unknown encoding, no memory, not finished when
    /// the server stops. Method and Content-Type are there, its body is not. `Retry-After` is added from `status`. Plain
    /// text unless the service says otherwise.
    fn refuse(&self, request: &HttpRequest, http: StatusCode, status: &Status) -> HttpResponse {
        let _ = request;
        HttpResponse::text(http, status.message.clone())
    }

    /// Told about everything the server did not let through to [`HttpService::call`], for counters.
    fn event(&self, event: &Event) {
        let _ = event;
    }
}

/// All headers of a request together.
const MAX_HEADERS: usize = 64 * 1024;
const MAX_HEADER_COUNT: usize = 100;

/// HTTP/2, as in the gRPC server.
const MAX_STREAMS: u32 = 256;
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
const MAX_RESETS: usize = 64;
const MAX_ERRORS: usize = 1024;

struct Server {
    service: Arc<dyn HttpService>,
    admission: Option<Arc<dyn Admission>>,
    auth: Option<Arc<dyn ServerAuth>>,
    /// Of `auth`: parameters of the query that it sees as headers.
    request_params: Vec<String>,
    include_metadata: bool,
    reporter: Reporter,
    max_body: usize,
    read_timeout: Option<Duration>,
    /// None: every encoding there is.
    encodings: Option<HashSet<Compression>>,
    response_headers: HeaderMap,
    cors: Option<cors::Cors>,
    pace: pace::Limits,
    keeps_alive: bool,
}

/// Serves HTTP on `listener` until `shutdown`: then no new connection or request is taken, requests in progress get
/// [`crate::DRAIN_GRACE`], and what is still open is answered 503.
///
/// The future has to be spawned or awaited; dropping it closes the connections.
///
/// # Errors
/// The TLS files, a header or a compression algorithm can not be used, or `auth` is missing though the settings ask
/// for an authenticator.
pub fn serve_http(
    listener: Listener,
    config: &HttpServerConfig,
    service: Arc<dyn HttpService>,
    admission: Option<Arc<dyn Admission>>,
    auth: Option<Arc<dyn ServerAuth>>,
    shutdown: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + 'static + use<>, ServeError> {
    check_server(config.auth.is_some(), auth.as_ref())?;
    let tls = match &config.tls {
        Some(tls) => Some(ServerTlsState::new(tls, &[b"h2", b"http/1.1"])?),
        None => None,
    };
    let invalid = |e: &dyn std::fmt::Display| ServeError::Invalid(e.to_string());
    let encodings: HashSet<_> = config.compression_algorithms.iter().copied().collect();
    let response_headers = crate::headers::parse(&config.response_headers).map_err(|e| invalid(&e))?;
    let counter = Arc::clone(&service);
    let positive = |d: Duration| Some(d).filter(|d| !d.is_zero());
    let server = Arc::new(Server {
        reporter: Reporter {
            server: format!("http {}", listener.endpoint()),
            seen: Seen::default(),
            count: Box::new(move |event| counter.event(event)),
        },
        service,
        admission,
        auth,
        request_params: config.auth.as_ref().map(|auth| auth.request_params.clone()).unwrap_or_default(),
        include_metadata: config.include_metadata,
        max_body: config.max_body(),
        read_timeout: positive(config.read_timeout.get()),
        encodings: Some(encodings).filter(|e| !e.is_empty()),
        response_headers,
        cors: config.cors.as_ref().map(cors::Cors::new).transpose().map_err(|e| invalid(&e))?,
        pace: pace::Limits {
            header: config.header_limit(),
            idle: config.idle_limit(),
            response: positive(config.write_timeout.get()),
        },
        keeps_alive: config.keeps_alive(),
    });
    Ok(accept::run(listener, tls, shutdown, server))
}

impl Connections for Server {
    async fn serve(self: Arc<Self>, stream: Stream, peer: Peer, stop: Stop) {
        let pace = Arc::new(pace::Pace::new(self.pace));
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .keep_alive(self.keeps_alive)
            .header_read_timeout(self.pace.header)
            .max_buf_size(MAX_HEADERS)
            .max_headers(MAX_HEADER_COUNT);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADERS as u32)
            .max_pending_accept_reset_streams(MAX_RESETS)
            .max_local_error_reset_streams(MAX_ERRORS);
        let service = service_fn(|request| {
            let (server, peer, turn) = (Arc::clone(&self), peer.clone(), pace.begin());
            exchange::answer(server, peer, request, turn, stop.give_up.clone())
        });
        let mut http = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut drained = std::pin::pin!(stop.drain.cancelled());
        let mut draining = false;
        loop {
            tokio::select! {
                ended = http.as_mut() => {
                    if let Err(e) = ended {
                        tracing::debug!(server = %self.reporter.server, %peer, "http connection ended: {e}");
                    }
                    return;
                }
                () = &mut drained, if !draining => {
                    draining = true;
                    http.as_mut().graceful_shutdown();
                }
                overdue = pace.overdue() => {
                    if overdue == pace::Overdue::Response {
                        self.reporter.report(&Event::TooSlow("response took longer than write_timeout"), &peer);
                    }
                    return;
                }
            }
        }
    }

    fn reporter(&self) -> &Reporter {
        &self.reporter
    }
}

#[cfg(test)]
mod tests;
